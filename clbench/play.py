"""The runner: stream x method x seed -> ledger.

Between two updates only the method's state survives, as bytes: the method is made anew from them
after every update, and what answers the evaluation is that new method. So a run can be continued
by any process from its last whole version, with the same result.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clbench import state
from clbench.books import Books, Files, size
from clbench.cost import FlopMeter
from clbench.document import stream_bytes
from clbench.ensemble.starting import Starts, starts_of
from clbench.errors import ClbenchError
from clbench.grants import grants
from clbench.ledger import STREAM, Ledger
from clbench.method import Method, make_method
from clbench.model.network import Space
from clbench.model.seeding import seed_torch
from clbench.panel import panel
from clbench.possible import tried
from clbench.prober import Prober
from clbench.questions import Questions
from clbench.record import TuningRecord
from clbench.recording import run_path, run_record
from clbench.relearning.attacker import Attacker
from clbench.retraining import retraining_flops
from clbench.seeds import derive
from clbench.settings import Settings
from clbench.source.base import IntArray, Source
from clbench.spending import Spending, check_network, full_finetuning_bytes
from clbench.stream import Stream
from clbench.view import View


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
        method = make_method(kind, hyperparameters)
        starts = starts_of(method, stream, source, seed, settings)
        run = Run(ledger, stream, source, kind, hyperparameters, pulse, starts)
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
        starts: Starts | None = None,
    ) -> None:
        self.starts = starts or Starts()
        self.ledger, self.stream, self.record = ledger, stream, ledger.record
        self.pulse = pulse
        self.kind, self.hyperparameters = kind, hyperparameters
        self.device = torch.device(self.record.device)
        self.space = Space(source.train.shape, self.device, self.record.precision)
        form, layers = self.record.form, self.record.layers
        self.questions = Questions.of(stream, source, self.device, form, layers)
        self.samples, self.labels = self.questions.samples, self.questions.labels
        self.attacker: Attacker | None = None
        if self.record.relearn is not None:
            train, seed = self.samples["train"], self.record.seed
            self.attacker = Attacker(stream, train, seed, self.rebuilt)

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
        spending = self.spending(version)
        learning = self.meter(spending, method, version)
        books, asking, skipped = Books(self.device), FlopMeter(), 0
        prober = self.prober(method, version, learning)
        if version > 0:
            skipped = self.update(method, version, learning, prober).skipped
            spending.check_kept(learning)
            if trained := self.starts.at(version):
                trained.put(method, learning)
                books.took_before(trained.seconds)
        tree = method.state()
        carried = state.pack(tree)
        self.check_budget(carried, version)
        books.tick()
        if self.record.carry:
            method = self.rebuilt(carried)
        evidence = self.questions.answered(method, version, asking, prober)
        books.tick()
        costs = books.closed(learning, asking, tree, carried, skipped, prober)
        attacks = self.attacker.files(carried, version) if self.attacker else {}
        self.ledger.write(version, {**carried, **evidence, **costs, **attacks})
        return method

    def spending(self, version: int) -> Spending:
        """What the update that makes a version may spend; of a forget update, a share."""
        rules, who = self.stream.protocol, self.kind.card.name
        share = None if "retraining" in self.record.method.granted else rules.retrain_share
        if share and version > 0 and self.stream.updates[version - 1].kind == "forget":
            costs = [self.ledger.read_json(v, "cost.json") for v in range(1, version)]
            whole = retraining_flops(self.stream, version, [int(c["flops_learn"]) for c in costs])
            flops = max(1, round(share * whole))
            rules = replace(rules, flops=min(flops, rules.flops or flops))
        return Spending(rules, who, self.stream.name, self.device)

    def meter(self, spending: Spending, method: Method, version: int) -> FlopMeter:
        """What holds an update to the protocol's compute; it plays a copy of the method first."""
        if version == 0 or not spending.limited:
            return FlopMeter()
        carried = state.pack(method.state())
        ids, n_classes = self.stream.updates[version - 1].samples, self.stream.n_classes(version)
        reference = None
        if self.stream.protocol.memory_adjusted and len(ids):
            copy = self.rebuilt(carried)
            reference = full_finetuning_bytes(copy, self.samples["train"], ids, n_classes)
        return spending.meter(
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
        """Hand the view of the update to the method's handler of its kind; returns the view."""
        granted = self.record.method.granted
        shown = grants(self.stream, version, method.declared(), granted)
        if self.starts.at(version):
            shown = shown.without_data()  # the handler does all but train
        view = View(
            shown.update,
            self.samples["train"],
            n_classes=self.stream.n_classes(version),
            protocol=self.stream.protocol,
            seed=self.record.seed,
            past=_tensor(shown.past),
            retained=_tensor(shown.retained),
            labelled=shown.labelled,
            shown=shown.shown,
            meter=meter,
            pulse=self.pulse,
            before_step=before_step or (lambda view: None),
        )
        seed_torch(derive(self.record.seed, "update", version), self.device)
        with meter:
            getattr(method, shown.update.kind)(view)
        return view

    def check_budget(self, carried: Files, version: int) -> None:
        """Refuse a state that is larger than the protocol's memory."""
        budget = self.stream.protocol.memory_bytes
        if budget is not None and size(carried) > budget:
            raise ClbenchError(
                f"{self.kind.card.name} carries {size(carried):,} bytes after version {version}; "
                f"the protocol of {self.stream.name} allows {budget:,}; shrink its memory or model"
            )


def _tensor(ids: IntArray | None) -> Tensor | None:
    return None if ids is None else torch.tensor(ids)
