"""What stands in the cells of tables of unlearning: value, interval, fraction and marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clbench.grouping import GroupRow
from clbench.groupscore import GroupScore
from clbench.metric.group import GroupMetric
from clbench.report.number import with_margin
from clbench.report.section import title

NULL, FEW, SAME = "the null", "°", "≈"
LEGEND = (
    "Below a value: (value - do_nothing) / (null - do_nothing), 0 for doing nothing and 1 for the "
    "null; · where these two are not told apart. Where several updates teach, doing nothing is "
    "ignore_requests. Rows of retrain are the null: oracles against as many other oracles. ± is "
    "half a 95 % bootstrap interval over models. ≈ is not told apart from the null. n: runs, and "
    "how many of them are held against as many oracles at a time."
)
UNDER_POWERED = "° under-powered: fewer than 20 models a side where a distribution is estimated."
FLAGGED = (
    "Flags compare accuracy and margins on what was to be forgotten with the oracles': "
    "over-unlearned is as far from unlearning as remembering."
)
MEASURES = {
    "forget_gap": lambda size: f"accuracy {100 * abs(size):.1f} points",
    "forget_margin_shift": lambda size: f"margins {abs(size):.1f} sd",
}


@dataclass(frozen=True)
class Table:
    """The set-ups of one stream that forgets, and the metrics of which one has a value."""

    rows: tuple[GroupRow, ...]
    metrics: tuple[GroupMetric, ...]
    missing: tuple[str, ...]  # what no row has, with its reason

    @property
    def flagged(self) -> bool:
        """Whether any row misses the oracles in a direction that can be told."""
        return any(row.flag for row in self.rows)


def group_tables(
    rows: Sequence[GroupRow], metrics: Mapping[str, GroupMetric]
) -> dict[tuple[str, str], Table]:
    """A table a stream and source."""
    places = dict.fromkeys(row.place for row in rows)
    return {
        place: _table(tuple(row for row in rows if row.place == place), metrics) for place in places
    }


def _table(rows: tuple[GroupRow, ...], metrics: Mapping[str, GroupMetric]) -> Table:
    shown: list[GroupMetric] = []
    missing: dict[str, list[str]] = {}  # metrics by the reason that they share
    for metric in metrics.values():
        scores = [row.scores[metric.id] for row in rows]
        if any(score.value is not None for score in scores):
            shown.append(metric)
        else:
            whys = dict.fromkeys(score.why for score in scores)
            missing.setdefault("; ".join(whys), []).append(title(metric))
    reasons = tuple(f"{', '.join(names)}: {why}" for why, names in missing.items())
    return Table(rows, tuple(shown), reasons)


def label(row: GroupRow) -> str:
    """A row's name; oracles are the null of the others."""
    return f"{row.label}, {NULL}" if is_null(row) else row.label


def is_null(row: GroupRow) -> bool:
    """Whether a row holds oracles against oracles."""
    return bool(row.oracles) and row.label == row.oracles


def value_text(metric: GroupMetric, score: GroupScore) -> str:
    """The value with half its interval, in the unit of the metric's column."""
    assert score.value is not None
    half = None
    if score.low is not None and score.high is not None:
        half = (score.high - score.low) / 2
    return with_margin(metric.unit, score.value, half)


def marks(row: GroupRow, score: GroupScore) -> str:
    """What is to be known of a value."""
    same = score.told_apart is False and not is_null(row)
    return SAME * same + FEW * score.under_powered


def fraction_text(score: GroupScore) -> str:
    """Where a value lies between do-nothing and the null."""
    return "" if score.fraction is None else f"{score.fraction:z.2f}"


def models(row: GroupRow) -> tuple[int, int]:
    """Runs of a row, and how many of them are held against as many oracles."""
    sides = [score.n for score in row.scores.values() if score.value is not None]
    return len(row.seeds), min(sides, default=len(row.seeds))


def over_unlearned(table: Table) -> list[str]:
    """A sentence a row that lies below the oracles on what was to be forgotten: by how much."""
    return [
        f"{row.label}: {', '.join(_distance(*each) for each in row.flag_sizes.items())} the "
        "oracles' on what was to be forgotten"
        for row in table.rows
        if row.flag in ("over-unlearned", "both")
    ]


def _distance(name: str, size: float) -> str:
    return f"{MEASURES[name](size)} {'below' if size < 0 else 'above'}"


def legend(table: Table) -> str:
    """What the marks mean, as far as they occur."""
    scores = [score for row in table.rows for score in row.scores.values()]
    few = UNDER_POWERED if any(score.under_powered for score in scores) else ""
    return " ".join(filter(None, [LEGEND, few, FLAGGED if table.flagged else ""]))
