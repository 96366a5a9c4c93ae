"""Distillation against scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from clbench.model.losses import distillation


def logits(seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(7, 5, generator=torch.Generator().manual_seed(seed)).double()


@given(st.integers(0, 1000), st.floats(0.3, 30), st.floats(0, 100))
def test_it_is_t_squared_times_kl(seed: int, temperature: float, scale: float) -> None:
    student, teacher = logits(seed, scale), logits(seed + 1, scale)
    p, q = (log_softmax(z.numpy() / temperature, axis=1) for z in (teacher, student))
    expected = temperature**2 * (np.exp(p) * (p - q)).sum(1).mean()
    assert float(distillation(student, teacher, temperature)) == pytest.approx(expected, abs=1e-9)


def test_probabilities_by_scipy_give_the_same() -> None:
    p, q = (softmax(logits(seed).numpy() / 2, axis=1) for seed in (1, 0))
    expected = 4 * rel_entr(p, q).sum(1).mean()
    assert float(distillation(logits(0), logits(1), 2.0)) == pytest.approx(expected, rel=1e-12)


def test_it_is_zero_for_equal_answers_and_blind_to_a_shift() -> None:
    z = logits(0)
    assert float(distillation(z, z, 2.0)) == pytest.approx(0, abs=1e-12)
    assert float(distillation(z + 5, z, 2.0)) == pytest.approx(0, abs=1e-12)


def test_it_does_not_depend_on_how_often_a_batch_is_repeated() -> None:
    student, teacher = logits(0), logits(1)
    once = distillation(student, teacher, 2.0)
    twice = distillation(torch.cat([student] * 2), torch.cat([teacher] * 2), 2.0)
    torch.testing.assert_close(once, twice)


def test_gradients_hardly_depend_on_a_high_temperature() -> None:
    """Towards (z_student - z_teacher) / C, both centred (1503.02531, section 2.1)."""
    teacher = logits(1)
    found = []
    for temperature in (20.0, 80.0, 320.0):
        student = logits(0).requires_grad_()
        distillation(student, teacher, temperature).backward()
        found.append(student.grad)
    gap = logits(0) - teacher
    limit = (gap - gap.mean(1, keepdim=True)) / 5 / 7
    torch.testing.assert_close(found[2], limit, rtol=0.05, atol=1e-3)
    assert 0.7 < float(found[0].norm() / found[2].norm()) < 1.4


def test_extreme_logits_stay_finite() -> None:
    student = (1e4 * logits(0).float()).requires_grad_()
    loss = distillation(student, 1e4 * logits(1).float(), 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
