"""The pictures of one stream, and what keeps a set-up out of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.metric import Metric, NotMeasured
from clbench.report.cost_figure import accuracy_against_cost, limit_of
from clbench.report.figures import (
    accuracy_matrix,
    accuracy_over_versions,
    forgetting_over_versions,
)
from clbench.report.flip_figure import flip_reach, flips_per_update
from clbench.report.group_cells import Table
from clbench.report.inside_figure import accuracy_inside
from clbench.report.picture import Picture
from clbench.report.section import Section
from clbench.report.theme import Style
from clbench.report.trajectory import Course, course, trajectory
from clbench.report.unlearning_figures import unlearning_pictures
from clbench.report.unlearning_shape import shapes

COSTS = ("learn_flops", "state_bytes")


@dataclass(frozen=True)
class Gallery:
    """The pictures of a stream: those of all methods, and those that each method has its own of."""

    shared: list[Picture]
    matrices: list[Picture]
    inside: list[Picture]
    flips: list[Picture]
    left_out: list[str]
    unlearning: list[Picture] = field(default_factory=list)


def gallery(
    section: Section,
    metrics: Mapping[str, Metric],
    styles: Mapping[str, Style],
    read_run: Callable[[], None] = lambda: None,
    table: Table | None = None,
) -> Gallery:
    """Draw everything; `read_run` is called after each run that was read.

    `table` has the scores of a stream that forgets.
    """
    drawn = _of_runs(section, metrics, styles, read_run)
    if table is None:
        return drawn
    return replace(drawn, unlearning=unlearning_pictures(table, shapes(section, table), styles))


def _of_runs(
    section: Section,
    metrics: Mapping[str, Metric],
    styles: Mapping[str, Style],
    read_run: Callable[[], None],
) -> Gallery:
    courses, left_out = _courses(section, read_run)
    found = [
        accuracy_against_cost(section.rows, metrics[name], styles, limit_of(name, section.stream))
        for name in COSTS
        if name in metrics
    ]
    against_cost = [picture for picture in found if picture]
    if not courses:
        return Gallery(against_cost, [], [], [], left_out)
    over_versions = [
        accuracy_over_versions(courses, styles),
        forgetting_over_versions(courses, styles),
    ]
    reach = flip_reach(courses)
    return Gallery(
        over_versions + against_cost,
        [accuracy_matrix(each, section.stream) for each in courses],
        [accuracy_inside(each.label, each.trace, section.stream) for each in courses if each.trace],
        # none where no update had an older version to compare with
        [flips_per_update(each, reach) for each in courses if not np.isnan(each.flips).all()],
        left_out,
    )


def _courses(section: Section, read_run: Callable[[], None]) -> tuple[list[Course], list[str]]:
    """The course of each set-up, and a sentence on each that has none."""
    courses, left_out = [], []
    for row in section.rows:
        runs = []
        for run in section.runs[row.label]:
            try:
                runs.append(trajectory(Evidence(Ledger(run.path))))
            except NotMeasured as reason:
                left_out.append(f"{row.label}, seed {run.record.seed}, has no pictures: {reason}")
            read_run()
        if runs:
            courses.append(course(row.label, row.control, runs))
    return courses, left_out
