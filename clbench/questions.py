"""What every version of a run is asked, and the files that hold its answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save

from clbench import answers, prediction
from clbench.cost import FlopMeter
from clbench.layerfile import LAYERS, SAMPLES
from clbench.method import Method
from clbench.prober import Prober
from clbench.samples import Samples
from clbench.settings import Form
from clbench.source.base import IntArray, Source
from clbench.stream import SplitName, Stream
from clbench.tapping import Taps

Files = dict[str, bytes]


@dataclass(frozen=True)
class Questions:
    """The evaluation samples of a stream, and the probe whose embeddings are kept.

    `labels` are those of the stream, `probe` [n] ids of the test split, `form` what is kept of
    predictions, `layers` those of the model whose outputs on the probe are kept, too.
    """

    stream: Stream
    labels: Mapping[SplitName, IntArray]
    samples: Mapping[SplitName, Samples]
    probe: IntArray
    form: Form
    layers: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        stream: Stream,
        source: Source,
        device: torch.device,
        form: Form,
        layers: tuple[str, ...] = (),
    ) -> "Questions":
        """The questions that a stream puts, its samples on a device."""
        mapping = stream.label_map(len(source.classes))
        labels: dict[SplitName, IntArray] = {
            "train": mapping[source.train.y],
            "test": mapping[source.test.y],
        }
        samples = {n: Samples(source.split(n).x, found, device) for n, found in labels.items()}
        return cls(stream, labels, samples, answers.probe_ids(stream), form, layers)

    def answered(
        self, method: Method, version: int, meter: FlopMeter, prober: Prober | None = None
    ) -> Files:
        """Answers on the evaluation samples and embeddings of the probe, from one pass each."""
        who = method.card.name
        with torch.inference_mode(), meter:
            where = f"{who}.predict at version {version}"
            logits = self._logits(method, version, where, meter)
            taps = Taps(method, self.layers)
            with taps:
                found = answers.embed(
                    method.embed, self.samples["test"], self.probe, version, who, meter
                )
        asked = answers.asked_of(self.stream, self.labels, version)
        samples = torch.from_numpy(self.probe)
        probe = {"embeddings": found, "samples": samples}
        layers = {**taps.tensors(len(self.probe)), SAMPLES: samples}
        return {
            "predictions.parquet": prediction.to_parquet(asked, logits, self.form),
            "embeddings.safetensors": save(probe),
            **({LAYERS: save(layers)} if self.layers else {}),
            **(prober.record(self.stream, self.labels, logits) if prober else {}),
        }

    def _logits(self, method: Method, version: int, where: str, meter: FlopMeter) -> np.ndarray:
        return answers.predict(method.predict, self.stream, self.samples, version, where, meter)
