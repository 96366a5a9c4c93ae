"""RMIA against its double loop, and on models of which it is known what they saw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.rmia import Asked, choose_a, rmia, rmia_area
from clbench.metric.roc import area_under_roc

VALUES = st.integers(-20, 20).map(lambda k: k / 4)
TABLES = arrays(np.float64, (3, 4), elements=VALUES), arrays(np.float64, (3, 5), elements=VALUES)


def asked(table: np.ndarray) -> Asked:
    """The first model is the target, all others are references."""
    return Asked(table[0], table[1:])


@settings(max_examples=25, deadline=None)
@given(*TABLES, st.sampled_from([0, 0.3, 1]), st.sampled_from([0.5, 1, 2]))
def test_it_counts_the_population_that_a_point_outdoes(points, population, a, gamma):
    def ratio(target, references):
        own, *out = (1 / (1 + np.exp(-v)) for v in (target, *references))
        return own / ((1 + a) / 2 * np.mean(out) + (1 - a) / 2)

    others = [ratio(column[0], column[1:]) for column in population.T]
    found = rmia(asked(points), asked(population), a, gamma)
    for column, share in zip(points.T, found, strict=True):
        quotients = ratio(column[0], column[1:]) / np.array(others)
        if np.abs(quotients - gamma).min() > 1e-9:  # else rounding decides
            assert share == pytest.approx((quotients > gamma).mean())


def world(points: int, memory: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins of 6 targets and 2 references, the targets' raised by what they remember."""
    rng = np.random.default_rng(seed)
    hardness = 3 * rng.normal(size=points)
    target, references = (rng.normal(size=(k, points)) for k in (6, 2))
    return hardness + target + memory, hardness + references


def test_what_is_remembered_stands_out_and_what_is_not_does_not():
    test = world(400, 0, 0)
    assert rmia_area(world(400, 0, 1), test) == pytest.approx(0.5, abs=0.03)
    assert rmia_area(world(400, 2, 1), test) > 0.7
    assert rmia_area(world(400, -2, 1), test) < 0.3  # pushed below what was never seen


def test_more_memory_is_found_more():
    test = world(400, 0, 0)
    areas = [rmia_area(world(400, memory, 1), test) for memory in (0, 0.5, 1, 2, 4)]
    assert areas == sorted(areas)


def test_it_does_with_one_reference_better_than_without():
    unlearned, references = world(400, 1.5, 1)
    test = world(400, 0, 0)
    alone = rmia_area((unlearned, 0 * references), (test[0], 0 * test[1]))
    assert rmia_area((unlearned, references[:1]), (test[0], test[1][:1])) > alone + 0.02


def test_a_is_chosen_on_a_paired_model():
    members, others = world(300, 2, 1), world(600, 0, 0)
    parts = [Asked(others[0][0, rows], others[1][:, rows]) for rows in np.split(np.arange(600), 2)]
    paired = Asked(members[0][0], members[1])
    areas = {
        step / 10: area_under_roc(*(rmia(each, parts[1], step / 10) for each in (paired, parts[0])))
        for step in range(11)
    }
    assert choose_a(paired, *parts) == max(areas, key=areas.__getitem__)
    assert len(set(areas.values())) > 1


def test_bad_settings_and_missing_points_are_told():
    table = np.zeros((2, 3))
    with pytest.raises(ClbenchError, match=r"a=2, gamma=1"):
        rmia(asked(table), asked(table), 2)
    with pytest.raises(NotMeasured, match="at least 2 test points"):
        rmia_area((table, table), (table[:, :1], table[:, :1]))
    with pytest.raises(NotMeasured, match="1 models against 0"):
        rmia(asked(table), asked(table[:1]))
