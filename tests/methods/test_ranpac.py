"""RanPAC is scikit-learn's ridge regression on the projected features."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch.nn.functional import one_hot

from clbench.model.ridge import choose_ridge
from clbench.play import Run
from clbench.source.digits import digits
from clbench_methods.ranpac import RIDGES, RanPAC
from living import begun, data, gaussians, stream_of, versions

X = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def runs(folder: Path, increment: int = 2, **given: Any) -> Run:
    source = digits()
    given = {"dimensions": 150} | given
    return begun(folder, RanPAC, stream_of(source, increment), source, **given)


def test_it_is_scikit_learns_ridge_on_the_same_projection(tmp_path: Path) -> None:
    run = runs(tmp_path, ridge=3.0)
    *_, method = versions(run)
    parts = [data(run, version) for version in range(1, 6)]
    x, y = (torch.cat(each) for each in zip(*parts, strict=True))
    projection = run.built().projection.numpy()

    def projected(x: torch.Tensor) -> np.ndarray:
        return np.maximum(x.flatten(1).double().numpy() @ projection, 0)

    reference = Ridge(alpha=3.0, fit_intercept=False, solver="cholesky")
    reference.fit(projected(x), one_hot(y).numpy())
    assert np.allclose(method.predict(X), reference.predict(projected(X)), rtol=1e-7, atol=1e-9)


def test_how_data_are_cut_and_ordered_does_not_matter_for_a_given_ridge(tmp_path: Path) -> None:
    source = digits()
    whole = stream_of(source, 10)
    updates = tuple(replace(u, samples=u.samples[::-1].copy()) for u in whole.updates)
    answers = []
    for stream in (whole, stream_of(source, 1), replace(whole, name="turned", updates=updates)):
        run = begun(tmp_path, RanPAC, stream, source, dimensions=150, ridge=3.0)
        *_, method = versions(run)
        answers.append(method.predict(X))
    for other in answers[1:]:
        torch.testing.assert_close(other, answers[0], rtol=1e-7, atol=1e-9)


def test_the_ridge_is_chosen_on_the_update_at_hand(tmp_path: Path) -> None:
    run = runs(tmp_path)
    for version, method in enumerate(versions(run), start=1):
        x, y = data(run, version)
        projected = (x.flatten(1).double() @ method.projection).relu()
        assert method.chosen == choose_ridge(projected, y, 2 * version, RIDGES)


def test_neither_the_projection_nor_a_frozen_backbone_is_carried(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, RanPAC, stream_of(source), source, dimensions=30, features="mlp,width=8")
    for method in versions(run):
        assert method.state().keys() == {"session", "sums", "chosen"}
        assert method.state()["session"] == {"done": True}
        assert torch.equal(method.projection, run.built().projection)


def test_a_first_session_is_optional(tmp_path: Path) -> None:
    source = gaussians()
    given = {"dimensions": 30, "features": "mlp,width=8", "form": "ssf"}
    run = begun(tmp_path, RanPAC, stream_of(source, epochs=2), source, **given)
    x = data(run, 1)[0]
    start = run.built().embed(x)
    first, second = versions(run)
    assert not torch.allclose(first.embed(x), start)
    assert torch.equal(first.embed(x), second.embed(x))
