"""How the hyperparameters of a row were chosen, for its table."""

from clbench.alike import Named
from clbench.record import RunRecord
from clbench.report.section import Section
from clbench.summary import Row


def shows_tuning(section: Section) -> bool:
    """Whether any row of a stream was tuned: only then there is something to tell."""
    return any(record.tuning for _, record in setups(section))


def tuned(section: Section, row: Row) -> str:
    """How a row's hyperparameters were chosen, in short."""
    return _record(section, row).tuned


def on_test(section: Section, row: Row) -> bool:
    """Whether they were chosen on the evaluated stream."""
    tuning = _record(section, row).tuning
    return tuning is not None and tuning.on_test


def setups(section: Section) -> Named:
    """The set-ups of a stream: each label with one of its records."""
    return [(row.label, _record(section, row)) for row in section.rows]


def _record(section: Section, row: Row) -> RunRecord:
    return section.runs[row.label][0].record
