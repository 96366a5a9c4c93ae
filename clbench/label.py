"""Names for set-ups that stand side by side: the method, and what sets it apart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from clbench.record import RunRecord
from clbench.spec import flat

Traits = Mapping[str, object]


def labels(records: Sequence[RunRecord]) -> list[str]:
    """A label for each run: repeats over seeds share it, other set-ups of a method do not.

    A method that occurs on a stream in one set-up goes by its name; else what differs is added, as
    in `er (memory=200)`. On each stream it may have been tuned to other values.
    """
    variants: dict[tuple[str, ...], list[Traits]] = defaultdict(list)
    for record in records:
        variants[_place(record)].append(_traits(record))
    differing = {place: _differing(traits) for place, traits in variants.items()}
    return [_label(record, differing[_place(record)]) for record in records]


def _place(record: RunRecord) -> tuple[str, ...]:
    stream = record.stream
    return stream.fingerprint, stream.source_fingerprint, record.method.name


def _traits(record: RunRecord) -> Traits:
    """All of a set-up but its stream; hyperparameters may be called as settings are."""
    own = dict(flat(record.hyperparameters))
    settings = {
        "tuned": f"{record.tuned} {record.tuning.budget[:7]}" if record.tuning else "no",
        "code": record.method.code[:7],
        "form": record.form,
        "carry": record.carry,
        "probe_every": record.probe_every,
        "relearn": record.relearn,
        "layers": record.layers,
        "device": record.device.partition(":")[0],
        "precision": record.precision,
    }
    return own | {f"--{key}" if key in own else key: value for key, value in settings.items()}


def _differing(variants: Sequence[Traits]) -> list[str]:
    """The traits that are not the same in all variants."""
    keys = dict.fromkeys(key for traits in variants for key in traits)
    absent = object()  # a trait that a variant lacks differs from one that is None
    return [key for key in keys if len({repr(each.get(key, absent)) for each in variants}) > 1]


def _label(record: RunRecord, differing: Sequence[str]) -> str:
    traits = _traits(record)
    shown = [f"{key}={traits[key]}" for key in differing if key in traits]
    return f"{record.method.name} ({', '.join(shown)})" if shown else record.method.name
