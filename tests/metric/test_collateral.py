"""Damage near the forget set and flips, counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.collateral import collateral_damage, collateral_excess, negative_flips

IDS = np.array([10, 11, 12, 13])
ORACLES = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
UNLEARNED = np.array([[0, 0, 1, 1]], dtype=bool)
TABLES = arrays(np.bool_, (3, 4))


def test_damage_near_the_forget_set_is_told_from_damage_everywhere():
    near = np.array([10, 11, 99])
    assert collateral_damage(UNLEARNED, ORACLES, IDS, near) == 1
    assert collateral_excess(UNLEARNED, ORACLES, IDS, near) == 1 - (0.75 - 1)
    spread = np.zeros((1, 4), dtype=bool)
    assert collateral_damage(spread, ORACLES[1:], IDS, near) == 1
    assert collateral_excess(spread, ORACLES[1:], IDS, near) == 0


@settings(max_examples=25, deadline=None)
@given(TABLES, TABLES, st.permutations(range(4)))
def test_oracles_do_no_damage_and_orders_do_not_matter(correct, oracles, order):
    near = np.array([11, 13])
    assert collateral_damage(oracles, oracles, IDS, near) == 0
    found = collateral_excess(correct, oracles, IDS, near)
    turned = collateral_excess(correct[::-1][:, order], oracles[:, order], IDS[order], near)
    assert turned == pytest.approx(found)
    assert -2 <= found <= 2


def test_flips_are_counted_model_by_model():
    before = np.array([[1, 1], [0, 1]], dtype=bool)
    after = np.array([[0, 1], [1, 0]], dtype=bool)
    assert negative_flips(before, after) == 2 / 4  # though both models are as accurate as before
    assert negative_flips(before, before) == 0


def test_what_has_no_value_says_why():
    with pytest.raises(NotMeasured, match="none of the forget set's neighbours"):
        collateral_damage(UNLEARNED, ORACLES, IDS, np.array([99]))
    with pytest.raises(NotMeasured, match="all samples asked are neighbours"):
        collateral_excess(UNLEARNED, ORACLES, IDS, IDS)
    with pytest.raises(NotMeasured, match="no models"):
        collateral_damage(UNLEARNED[:0], ORACLES, IDS, IDS)
    with pytest.raises(ClbenchError, match=r"4 samples; got shape \(1, 3\)"):
        collateral_damage(UNLEARNED[:, :3], ORACLES, IDS, IDS)
    with pytest.raises(ClbenchError, match=r"\(1, 4\) and \(2, 4\)"):
        negative_flips(UNLEARNED, ORACLES)
    with pytest.raises(NotMeasured, match="nothing was asked"):
        negative_flips(UNLEARNED[:, :0], UNLEARNED[:, :0])
