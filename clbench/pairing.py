"""The runs of two set-ups, paired by seed; whatever cannot be paired is an error."""

from collections.abc import Sequence
from dataclasses import dataclass

from clbench.errors import ClbenchError, listing
from clbench.evidence import Evidence
from clbench.label import labels
from clbench.ledger import Ledger


@dataclass(frozen=True)
class Paired:
    """Two set-ups on one stream: their labels, and their runs by seed, ascending."""

    stream: str
    a: str
    b: str
    runs: dict[int, tuple[Evidence, Evidence]]


def pair(a: Sequence[Ledger], b: Sequence[Ledger]) -> Paired:
    """Pair the finished runs of two set-ups by seed.

    Raises:
        ClbenchError: a side is empty, mixes set-ups or has a run twice; or the sides are on
            different streams, are the same set-up or share no seed.
    """
    _check_side("first", a)
    _check_side("second", b)
    _check_stream(a[0], b[0])
    name_a, name_b = _names(a[0], b[0])
    runs_a, runs_b = _by_seed(a, name_a), _by_seed(b, name_b)
    shared = sorted(set(runs_a) & set(runs_b))
    if not shared:
        raise ClbenchError(
            f"{name_a} has the seeds {listing(map(str, sorted(runs_a)))} and {name_b} "
            f"{listing(map(str, sorted(runs_b)))}; a paired comparison needs seeds that both have"
        )
    runs = {seed: (Evidence(runs_a[seed]), Evidence(runs_b[seed])) for seed in shared}
    return Paired(a[0].record.stream.name, name_a, name_b, runs)


def _check_side(side: str, ledgers: Sequence[Ledger]) -> None:
    if not ledgers:
        raise ClbenchError(f"the {side} side has no finished run; a comparison needs both")
    if len({ledger.record.setup for ledger in ledgers}) > 1:
        names = sorted(set(labels([ledger.record for ledger in ledgers])))
        streams = sorted({ledger.record.stream.name for ledger in ledgers})
        raise ClbenchError(
            f"the {side} side mixes set-ups: {listing(names)} on {listing(streams)}; "
            "give the runs of one"
        )


def _check_stream(a: Ledger, b: Ledger) -> None:
    one, other = a.record.stream, b.record.stream
    if one.fingerprint != other.fingerprint:
        raise ClbenchError(
            f"{a.path} is on {one.name} ({one.fingerprint[:12]}) and {b.path} on {other.name} "
            f"({other.fingerprint[:12]}); compare on one stream"
        )


def _names(a: Ledger, b: Ledger) -> tuple[str, str]:
    """The labels of two set-ups on one stream, told apart by source where nothing else differs."""
    one, other = a.record, b.record
    if one.setup == other.setup:
        raise ClbenchError(f"both sides are the same set-up of {one.method.name}; give two")
    name_a, name_b = labels([one, other])
    if name_a == name_b:
        return f"{name_a} on {one.stream.source}", f"{name_b} on {other.stream.source}"
    return name_a, name_b


def _by_seed(ledgers: Sequence[Ledger], name: str) -> dict[int, Ledger]:
    found: dict[int, Ledger] = {}
    for ledger in ledgers:
        seed = ledger.record.seed
        if (other := found.setdefault(seed, ledger)) is not ledger:
            raise ClbenchError(
                f"{other.path} and {ledger.path} are the same run ({name}, seed {seed}); "
                "leave one out"
            )
    return found
