"""What every version of a run is asked, and the files that hold its answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save

from clbench import answers, prediction
from clbench.cost import FlopMeter
from clbench.method import Method
from clbench.prober import Prober
from clbench.samples import Samples
from clbench.settings import Form
from clbench.source.base import IntArray, Source
from clbench.stream import SplitName, Stream

Files = dict[str, bytes]


@dataclass(frozen=True)
class Questions:
    """The evaluation samples of a stream, and the probe whose embeddings are kept.

    `labels` are those of the stream, `probe` [n] ids of the test split, `form` what is kept of
    predictions.
    """

    stream: Stream
    labels: Mapping[SplitName, IntArray]
    samples: Mapping[SplitName, Samples]
    probe: IntArray
    form: Form

    @classmethod
    def of(cls, stream: Stream, source: Source, device: torch.device, form: Form) -> "Questions":
        """The questions that a stream puts, its samples on a device."""
        mapping = stream.label_map(len(source.classes))
        labels: dict[SplitName, IntArray] = {
            "train": mapping[source.train.y],
            "test": mapping[source.test.y],
        }
        samples = {n: Samples(source.split(n).x, found, device) for n, found in labels.items()}
        return cls(stream, labels, samples, answers.probe_ids(stream), form)

    def answered(
        self, method: Method, version: int, meter: FlopMeter, prober: Prober | None = None
    ) -> Files:
        """Answers on the evaluation samples and embeddings of the probe, from one pass each."""
        who = method.card.name
        with torch.inference_mode(), meter:
            where = f"{who}.predict at version {version}"
            logits = self._logits(method, version, where, meter)
            found = answers.embed(
                method.embed, self.samples["test"], self.probe, version, who, meter
            )
        asked = answers.asked_of(self.stream, self.labels, version)
        probe = {"embeddings": found, "samples": torch.from_numpy(self.probe)}
        return {
            "predictions.parquet": prediction.to_parquet(asked, logits, self.form),
            "embeddings.safetensors": save(probe),
            **(prober.record(self.stream, self.labels, logits) if prober else {}),
        }

    def _logits(self, method: Method, version: int, where: str, meter: FlopMeter) -> np.ndarray:
        return answers.predict(method.predict, self.stream, self.samples, version, where, meter)
