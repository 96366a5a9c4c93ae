"""Metrics of many models that no row has, told once a reason."""

from clbench.grouping import GroupRow
from clbench.groupscore import GroupScore
from clbench.measure import load_group_metrics
from clbench.report.group_cells import group_tables

NAMES = ["forget_accuracy", "relearn_steps", "head_recovery", "ulira"]


def row(label: str, **whys: str) -> GroupRow:
    scores = {name: GroupScore(2, None, why=why) for name, why in whys.items()}
    scores["forget_accuracy"] = GroupScore(2, 0.5)
    return GroupRow("s", "f" * 64, "0" * 64, label, False, (0, 1), scores)


def test_metrics_that_lack_for_one_reason_are_told_together() -> None:
    metrics, _ = load_group_metrics(NAMES)
    off, alone = "recorded without --relearn", "no finished run of retrain on this stream"
    rows = [
        row("one", relearn_steps=off, head_recovery=off, ulira=alone),
        row("two", relearn_steps=off, head_recovery=off, ulira=alone),
    ]
    (table,) = group_tables(rows, metrics).values()
    assert [metric.id for metric in table.metrics] == ["forget_accuracy"]
    assert table.missing == (f"relearn steps, head recovery: {off}", f"ulira: {alone}")
