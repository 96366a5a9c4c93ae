"""Held-out samples are chosen by number: an even share, the same whenever it is asked."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from clbench.augment import to_input
from clbench.method import Batch
from clbench.model.held_out import MODULUS, HeldOut


def batch(ids: torch.Tensor) -> Batch:
    x = ids[:, None].float()
    return Batch(x, x, ids % 3, ids, True, to_input)


@given(st.floats(0.05, 0.5), st.integers(0, MODULUS), st.integers(0, 10**7), st.integers(100, 2000))
def test_any_run_of_samples_loses_about_the_share(
    share: float, first: int, start: int, count: int
) -> None:
    held = HeldOut(share, first).holds(torch.arange(start, start + count))
    assert abs(int(held.sum()) - share * count) < 12


def test_another_draw_holds_others_out() -> None:
    ids = torch.arange(1000)
    one, two = (HeldOut(0.1, first).holds(ids) for first in (0, MODULUS // 2))
    assert not torch.any(one & two)


def test_batches_keep_the_others_and_never_one_of_several() -> None:
    held = HeldOut(0.5, 0)
    ids = torch.arange(40)
    given = [batch(part) for part in ids.split(5)]
    found = torch.cat([x for x, _ in held.others(given)])[:, 0].long()
    assert not torch.any(held.holds(found))
    for part in given:
        left = int((~held.holds(part.ids)).sum())
        assert int(torch.isin(part.ids, found).sum()) == (left if left > 1 else 0)


def test_a_sample_that_comes_alone_is_kept_alone() -> None:
    held = HeldOut(0.5, 0)
    alone = [batch(torch.tensor([i])) for i in range(20)]
    assert len(list(held.others(alone))) == int((~held.holds(torch.arange(20))).sum())
