"""What a set-up on a stream that forgets is held against: the controls of its recipe.

These are the runs of `retrain` (oracles) and of what ignores all requests, on the same stream and
source, with the network and training that they share with the set-up.
"""

from collections.abc import Iterator

from clbench.bench import Bench
from clbench.crowd import Crowd
from clbench.errors import listing
from clbench.ledger import Ledger
from clbench.record import RunRecord, StreamRecord
from clbench.recorded import crowd_of_runs
from clbench.settings import RECIPE
from clbench.spec import flat

ORACLES, UNTRAINED = "retrain", "random_init"
Setups = dict[str, list[Ledger]]  # by label


def idle_control(stream: StreamRecord) -> str:
    """The control that is what unlearning starts from: it learns all and ignores requests.

    `do_nothing` learns one update; where several teach before the last request, `ignore_requests`
    stands in its place.
    """
    kinds = [update.kind for update in stream.updates]
    before = kinds[: len(kinds) - kinds[::-1].index("forget")]
    return "ignore_requests" if before.count("learn") > 1 else "do_nothing"


def benches(setups: Setups) -> Iterator[tuple[str, Bench]]:
    """Each set-up with what it is held against; set-ups of one recipe share it."""
    shared: dict[tuple[str, ...], Bench] = {}
    crowds: dict[str, Crowd] = {}

    def crowd(label: str) -> Crowd | None:
        if label and label not in crowds:
            crowds[label] = crowd_of_runs(setups[label], label)
        return crowds.get(label)

    for label, ledgers in setups.items():
        record = ledgers[0].record
        oracles, why = _fitting(setups, label, record, ORACLES)
        nothing, why_not = _fitting(setups, label, record, idle_control(record.stream))
        untrained, _ = _fitting(setups, label, record, UNTRAINED)
        bench = Bench(crowd(oracles), crowd(nothing), why, why_not, crowd(untrained))
        yield label, shared.setdefault((oracles, nothing, why, why_not, untrained), bench)


def _fitting(setups: Setups, own: str, record: RunRecord, name: str) -> tuple[str, str]:
    """The label of the set-up of a control with the recipe of a run; or why there is none."""
    found = {
        label: _differences(record, ledgers[0].record)
        for label, ledgers in setups.items()
        if ledgers[0].record.method.name == name
    }
    if own in found:
        return own, ""
    fit = [label for label, differing in found.items() if not differing]
    if len(fit) == 1:
        return fit[0], ""
    if fit:
        return "", f"{len(fit)} set-ups of {name} with this recipe ({listing(fit)}); keep one"
    if found:
        label, differing = min(found.items(), key=lambda item: len(item[1]))
        return "", f"{label} was trained otherwise: {listing(differing)}"
    return "", f"no finished run of {name} on this stream"


def _differences(one: RunRecord, other: RunRecord) -> list[str]:
    """In which parts of the recipe that both have two runs differ."""
    mine, theirs = (
        dict(flat({key: run.hyperparameters[key] for key in RECIPE if key in run.hyperparameters}))
        for run in (one, other)
    )
    return [
        f"{key} {theirs[key]}, not {value}"
        for key, value in mine.items()
        if key in theirs and theirs[key] != value
    ]
