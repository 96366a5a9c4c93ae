"""Ridge heads on many subsets: those of scikit-learn, one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ensembles import few_digits, job, stream_of, vectors
from sklearn.linear_model import Ridge
from torch.nn.functional import one_hot

from clbench.ensemble.closed_form import ridge_heads
from clbench.ensemble.members import plan
from clbench.ensemble.ridge_store import train_ridge
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError


@pytest.fixture
def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(60, 9, generator=generator, dtype=torch.float64) + 3.0


@pytest.fixture
def targets() -> torch.Tensor:
    return one_hot(torch.arange(60) % 4, 4).double()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 1.0])
def test_heads_are_those_of_scikit_learn(
    features: torch.Tensor, targets: torch.Tensor, share: float
) -> None:
    draw = np.random.default_rng(1)
    masks = np.stack([draw.permutation(60) < share * 60 for _ in range(5)])
    heads = list(ridge_heads(features, targets, masks, 0.3))
    weights, biases = (torch.cat(each) for each in zip(*heads, strict=True))
    for mask, weight, bias in zip(masks, weights, biases, strict=True):
        fit = Ridge(alpha=0.3).fit(features.numpy()[mask], targets.numpy()[mask])
        np.testing.assert_allclose(weight, fit.coef_, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(bias, fit.intercept_, rtol=1e-9, atol=1e-11)


def test_they_do_not_depend_on_how_many_are_solved_at_a_time(
    features: torch.Tensor, targets: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = np.random.default_rng(2).random((7, 60)) < 0.5
    (whole,) = ridge_heads(features, targets, masks, 1.0)
    monkeypatch.setattr("clbench.ensemble.closed_form.AT_A_TIME_BYTES", 1)
    parts = list(ridge_heads(features, targets, masks, 1.0))
    assert len(parts) == 7
    torch.testing.assert_close(torch.cat([weights for weights, _ in parts]), whole[0])


@pytest.mark.parametrize(
    ("masks", "penalty", "error"),
    [
        (np.zeros((1, 60), bool), 1.0, "a mask has no sample"),
        (np.ones((1, 60), bool), 0.0, "penalty is 0.0; it must be above 0"),
        (np.ones((1, 59), bool), 1.0, "60 features, 60 targets and masks of 59 samples"),
    ],
)
def test_what_cannot_be_solved_is_refused(
    features: torch.Tensor, targets: torch.Tensor, masks: np.ndarray, penalty: float, error: str
) -> None:
    with pytest.raises(ClbenchError, match=error):
        list(ridge_heads(features, targets, masks, penalty))


class TestAStore:
    def test_holds_masks_and_the_margins_of_their_heads(self, tmp_path: Path) -> None:
        stream, source = stream_of(vectors()), vectors()
        found = plan("masks", stream, source, 5, share=0.6)
        store = train_ridge(found, job(found, stream, source), 2.0, {}, tmp_path)
        mask, ids = store.read("mask")[3], store.constant("train")
        assert mask.sum() == 24
        x, y = source.train.x[ids].astype(float), source.train.y[ids]
        fit = Ridge(alpha=2.0).fit(x[mask], np.eye(4)[y[mask]])
        scores = fit.predict(source.test.x.astype(float))
        right = np.eye(4, dtype=bool)[source.test.y]
        others = np.log(np.exp(scores).sum(1) - np.exp(scores[right]))
        np.testing.assert_allclose(
            store.read("margins.test")[3], scores[right] - others, rtol=1e-5, atol=1e-5
        )

    def test_goes_on_where_it_was(self, tmp_path: Path) -> None:
        stream, source = stream_of(vectors()), vectors()
        for count in (3, 8):
            found = plan("masks", stream, source, count)
            told: list[int] = []
            train_ridge(
                found,
                job(found, stream, source),
                2.0,
                {},
                tmp_path,
                lambda done, total, told=told: told.append(done),  # type: ignore[misc]
            )
        assert told == [3, 8]
        assert Store(tmp_path).completed.all()

    def test_images_are_refused(self, tmp_path: Path) -> None:
        stream, source = stream_of(few_digits()), few_digits()
        found = plan("masks", stream, source, 2)
        with pytest.raises(ClbenchError, match=r"samples are \(1, 8, 8\); give --embed"):
            train_ridge(found, job(found, stream, source), 1.0, {}, tmp_path)
