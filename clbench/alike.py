"""Whether set-ups that stand side by side were tuned alike, in sentences for their reader."""

from collections.abc import Sequence

from clbench.record import RunRecord

ON_TEST = "ON TEST: chosen on the samples that are scored, so too good."
Named = Sequence[tuple[str, RunRecord]]  # set-ups by their label


def tuning_caption(records: Sequence[RunRecord]) -> str:
    """To which end and on which stream hyperparameters were chosen; empty if none were."""
    found = [record.tuning for record in records if record.tuning]
    if not found:
        return ""
    ends = dict.fromkeys(
        f"for {each.objective} on {each.stream} ({each.fingerprint[:7]}), sampler {each.sampler}, "
        f"seeds {', '.join(map(str, each.seeds))}"
        for each in found
    )
    marked = f" {ON_TEST}" if any(each.on_test for each in found) else ""
    return f"Tuned {'; or '.join(ends)}.{marked}"


def tuning_warnings(setups: Named) -> list[str]:
    """What makes set-ups unlike: other budgets, and hyperparameters that were changed after.

    Controls need no tuning.
    """
    warnings = []
    judged = [each for each in setups if each[1].tuning or not each[1].method.control]
    if len({record.tuning.budget if record.tuning else "" for _, record in judged}) > 1:
        spent = "; ".join(f"{label}: {_spent(record)}" for label, record in judged)
        warnings.append(f"not tuned alike: {spent}")
    for label, record in setups:
        if record.tuning and record.tuning.changed:
            names = ", ".join(record.tuning.changed)
            warnings.append(f"{label} was tuned with another {names}")
    return warnings


def tuning_notes(setups: Named) -> tuple[str, ...]:
    """All that there is to say of how set-ups were tuned; nothing if none was."""
    caption = tuning_caption([record for _, record in setups])
    return (caption, *tuning_warnings(setups)) if caption else ()


def _spent(record: RunRecord) -> str:
    if record.tuning is None:
        return record.tuned
    return f"{record.tuning.trials} trials" + " ON TEST" * record.tuning.on_test
