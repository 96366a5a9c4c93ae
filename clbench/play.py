"""The runner: stream x method x seed -> ledger.

Between two updates only the method's state survives, as bytes: the method is made anew from them
after every update, and what answers the evaluation is that new method. So a run can be continued
by any process from its last whole version, with the same result.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from clbench import answers, prediction, state
from clbench.cost import FlopMeter, peak_memory, reset_peak_memory
from clbench.document import stream_bytes
from clbench.errors import ClbenchError
from clbench.ledger import STREAM, Ledger
from clbench.method import Method, make_method
from clbench.model.network import Space
from clbench.model.seeding import seed_torch
from clbench.panel import panel
from clbench.possible import tried
from clbench.prober import Prober
from clbench.record import TuningRecord
from clbench.recording import run_path, run_record
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.settings import Settings
from clbench.source.base import IntArray, Source
from clbench.spending import Spending, check_network, full_finetuning_bytes
from clbench.stream import SplitName, Stream
from clbench.view import View

Files = dict[str, bytes]


def play(
    stream: Stream,
    source: Source,
    kind: type[Method],
    hyperparameters: Mapping[str, Any],
    seed: int,
    root: Path,
    settings: Settings | None = None,
    on_version: Callable[[int], None] = lambda version: None,
    tuning: TuningRecord | None = None,
) -> Ledger:
    """Play a stream with a method and record it under `root`; a finished run is not run again.

    An interrupted run continues after its last whole version. `on_version` is called as versions
    become whole.

    Raises:
        ClbenchError: the method cannot play the stream, breaks its contract or its budget, or
            another process is writing this run.
    """
    settings = settings or Settings()
    record = run_record(stream, source, kind, hyperparameters, seed, settings, tuning)
    ledger = Ledger(run_path(root, record))
    if not ledger.versions:
        record = tried(record, stream, source, kind)
    with ledger.lock() as pulse:
        ledger.begin(record, {STREAM: stream_bytes(stream)})
        run = Run(ledger, stream, source, kind, hyperparameters, pulse)
        before = torch.get_num_threads()
        torch.set_num_threads(ledger.record.threads)  # as it began: sums depend on their number
        try:
            run.play(on_version)
        finally:
            torch.set_num_threads(before)
    return ledger


class Run:
    """A run in progress: makes the method, hands it its views, records what it answers."""

    def __init__(
        self,
        ledger: Ledger,
        stream: Stream,
        source: Source,
        kind: type[Method],
        hyperparameters: Mapping[str, Any],
        pulse: Callable[[float], None] = lambda share: None,
    ) -> None:
        self.ledger, self.stream, self.record = ledger, stream, ledger.record
        self.pulse = pulse
        self.kind, self.hyperparameters = kind, hyperparameters
        self.device = torch.device(self.record.device)
        self.space = Space(source.train.shape, self.device, self.record.precision)
        mapping = stream.label_map(len(source.classes))
        self.labels: dict[SplitName, IntArray] = {
            "train": mapping[source.train.y],
            "test": mapping[source.test.y],
        }
        self.samples = {
            name: Samples(source.split(name).x, labels, self.device)
            for name, labels in self.labels.items()
        }
        self.probe = answers.probe_ids(stream)
        self.spending = Spending(stream.protocol, kind.card.name, stream.name, self.device)

    def play(self, on_version: Callable[[int], None]) -> None:
        """Write the versions that are missing."""
        first = self.ledger.versions
        if self.ledger.finished:
            return
        method = self.built() if first == 0 else self.restored(first - 1)
        if self.stream.protocol.memory_adjusted:
            check_network(method)
        for version in range(first, len(self.stream.updates) + 1):
            method = self.advance(method, version)
            self.pulse(0.0)
            on_version(version)

    def built(self) -> Method:
        """The method before any update."""
        method = make_method(self.kind, self.hyperparameters)
        seed_torch(derive(self.record.seed, "build"), self.device)
        method.build(self.space)
        return method

    def restored(self, version: int) -> Method:
        """A new method that has only what a recorded version carried."""
        names = (state.TENSORS, state.VALUES)
        return self.rebuilt({name: self.ledger.read(version, name) for name in names})

    def rebuilt(self, carried: Files) -> Method:
        """A new method that has only these bytes."""
        method = self.built()
        method.load(state.unpack(carried, self.device))
        return method

    def advance(self, method: Method, version: int) -> Method:
        """Play the update that makes a version and record it; returns what carries on."""
        learning = self.meter(method, version)
        reset_peak_memory(self.device)
        clock, asking, skipped = [time.perf_counter()], FlopMeter(), 0
        prober = self.prober(method, version, learning)
        if version > 0:
            skipped = self.update(method, version, learning, prober).skipped
            self.spending.check_kept(learning)
        tree = method.state()
        carried = state.pack(tree)
        self.check_budget(carried, version)
        clock.append(time.perf_counter())
        if self.record.carry:
            method = self.rebuilt(carried)
        evidence = self.evidence(method, version, asking, prober)
        clock.append(time.perf_counter())
        cost = {
            "flops_learn": learning.total,
            "flops_predict": asking.total,
            "steps": learning.steps,
            "samples_seen": learning.samples,
            "state_bytes": _size(carried),
            "state_parts": state.sizes(tree),
        }
        if learning.gate:
            cost |= {
                "flops_charged": learning.charged,
                "stopped_by": learning.gate.stopped_by,
                "samples_skipped": skipped,
            }
        readings = {
            "learn_seconds": clock[1] - clock[0],
            "predict_seconds": clock[2] - clock[1],
            "peak_memory_bytes": peak_memory(self.device),
        }
        if prober:
            prober.settle(cost, readings)
        books = {"cost.json": _json(cost), "clock.json": _json(readings)}
        self.ledger.write(version, {**carried, **evidence, **books})
        return method

    def meter(self, method: Method, version: int) -> FlopMeter:
        """What holds an update to the protocol's compute; it plays a copy of the method first."""
        if version == 0 or not self.spending.limited:
            return FlopMeter()
        carried = state.pack(method.state())
        ids, n_classes = self.stream.updates[version - 1].samples, self.stream.n_classes(version)
        reference = None
        if self.stream.protocol.memory_adjusted and len(ids):
            copy = self.rebuilt(carried)
            reference = full_finetuning_bytes(copy, self.samples["train"], ids, n_classes)
        return self.spending.meter(
            lambda meter: self.update(self.rebuilt(carried), version, meter), reference
        )

    def prober(self, method: Method, version: int, learning: FlopMeter) -> Prober | None:
        """What asks the method inside the update that makes a version, if anything does."""
        every = self.record.probe_every
        if every is None:
            return None
        return Prober(method, panel(self.stream), self.samples, version, every, learning)

    def update(
        self,
        method: Method,
        version: int,
        meter: FlopMeter,
        before_step: Callable[[View], None] | None = None,
    ) -> View:
        """Hand the view of the update to the method's handler of its kind; returns the view.

        Task ids and the past are in it where the protocol grants them and the card needs them.
        """
        update = self.stream.updates[version - 1]
        needs = method.declared().needs
        view = View(
            update if "task-ids" in needs else replace(update, task=None),
            self.samples["train"],
            n_classes=self.stream.n_classes(version),
            protocol=self.stream.protocol,
            seed=self.record.seed,
            past=self.past(version - 1) if "past" in needs else None,
            meter=meter,
            pulse=self.pulse,
            before_step=before_step or (lambda view: None),
        )
        seed_torch(derive(self.record.seed, "update", version), self.device)
        with meter:
            getattr(method, update.kind)(view)
        return view

    def past(self, version: int) -> Tensor | None:
        """Ids of past training data, where they are granted."""
        if self.stream.protocol.past == "all" or "past" in self.record.method.granted:
            return torch.from_numpy(self.stream.retained(version))
        return None

    def check_budget(self, carried: Files, version: int) -> None:
        """Refuse a state that is larger than the protocol's memory."""
        budget = self.stream.protocol.memory_bytes
        if budget is not None and _size(carried) > budget:
            raise ClbenchError(
                f"{self.kind.card.name} carries {_size(carried):,} bytes after version {version}; "
                f"the protocol of {self.stream.name} allows {budget:,}; shrink its memory or model"
            )

    def evidence(
        self, method: Method, version: int, meter: FlopMeter, prober: Prober | None = None
    ) -> Files:
        """Answers on the evaluation samples and embeddings of the probe, from one pass each."""
        who = self.kind.card.name
        with torch.inference_mode(), meter:
            where = f"{who}.predict at version {version}"
            logits = answers.predict(
                method.predict, self.stream, self.samples, version, where, meter
            )
            found = answers.embed(
                method.embed, self.samples["test"], self.probe, version, who, meter
            )
        asked = answers.asked_of(self.stream, self.labels, version)
        probe = {"embeddings": found, "samples": torch.from_numpy(self.probe)}
        return {
            "predictions.parquet": prediction.to_parquet(asked, logits, self.record.form),
            "embeddings.safetensors": save(probe),
            **(prober.record(self.stream, self.labels, logits) if prober else {}),
        }


def _size(files: Files) -> int:
    return sum(map(len, files.values()))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode()
