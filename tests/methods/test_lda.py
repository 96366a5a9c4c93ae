"""SLDA and FSA's head are scikit-learn's linear discriminants, however the data come."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from clbench.method import Method
from clbench.source.base import Source
from clbench.source.digits import digits
from clbench.stream import Stream
from clbench_methods.fsa import FSA
from clbench_methods.simplecil import SimpleCIL
from clbench_methods.slda import SLDA
from living import begun, data, gaussians, stream_of, versions

X = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
IDENTITY = {"backbone": "identity"}


class Given:
    """The covariance that a method adds up: within classes, over all samples, then `change`."""

    def __init__(self, x: np.ndarray, y: np.ndarray, change: Any) -> None:
        centred = np.concatenate([x[y == c] - x[y == c].mean(0) for c in np.unique(y)])
        self.covariance_ = change(centred.T @ centred / len(x), np.eye(x.shape[1]))

    def fit(self, X: Any) -> None: ...


def played(folder: Path, kind: type[Method], stream: Stream, source: Source, **given: Any) -> Any:
    run = begun(folder, kind, stream, source, **given)
    *_, method = versions(run)
    parts = [data(run, version) for version in range(1, len(stream.updates) + 1)]
    x = torch.cat([x for x, _ in parts]).flatten(1).double().numpy()
    return method, x, torch.cat([y for _, y in parts]).numpy()


@pytest.mark.parametrize("shrinkage", [1e-4, 0.5])
def test_slda_is_lda_with_equal_priors(tmp_path: Path, shrinkage: float) -> None:
    source = digits()
    method, x, y = played(tmp_path, SLDA, stream_of(source), source, shrinkage=shrinkage)
    given = Given(x, y, lambda s, i: (1 - shrinkage) * s + shrinkage * i)
    reference = LinearDiscriminantAnalysis("lsqr", covariance_estimator=given, priors=[0.1] * 10)
    questions = X.flatten(1).double().numpy()
    expected = reference.fit(x, y).decision_function(questions) - np.log(0.1)
    assert np.allclose(method.predict(X), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("ridge", [1.0, 0.01])
def test_fsas_head_is_lda_with_the_classes_shares(tmp_path: Path, ridge: float) -> None:
    source = digits()
    method, x, y = played(tmp_path, FSA, stream_of(source), source, ridge=ridge, **IDENTITY)
    given = Given(x, y, lambda s, i: s + ridge * i)
    reference = LinearDiscriminantAnalysis("lsqr", covariance_estimator=given)
    expected = reference.fit(x, y).decision_function(X.flatten(1).double().numpy())
    assert np.allclose(method.predict(X), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("kind", "given"), [(SLDA, {}), (FSA, IDENTITY), (SimpleCIL, {})])
def test_how_data_are_cut_and_ordered_does_not_matter(
    tmp_path: Path, kind: type[Method], given: dict[str, Any]
) -> None:
    source = digits()
    whole, single = stream_of(source, 10), stream_of(source, 1)
    updates = tuple(replace(u, samples=u.samples[::-1].copy()) for u in whole.updates)
    answers = [
        played(tmp_path, kind, stream, source, **given)[0].predict(X)
        for stream in (whole, single, replace(whole, name="turned", updates=updates))
    ]
    for other in answers[1:]:
        torch.testing.assert_close(other, answers[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [SLDA, FSA])
def test_nothing_is_inverted_while_learning(
    tmp_path: Path, kind: type[Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public code takes a pseudo-inverse at every step."""
    source, solved = gaussians(), []
    solve = torch.linalg.solve
    monkeypatch.setattr(torch.linalg, "solve", lambda *a: solved.append(1) or solve(*a))
    *_, method = versions(begun(tmp_path, kind, stream_of(source), source))
    assert not solved
    for _ in range(3):
        method.predict(torch.rand(2, 6))
    assert len(solved) == 1


def test_the_first_session_adapts_and_later_ones_leave_the_body(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, FSA, stream_of(source, epochs=2), source, backbone="mlp,width=8")
    start, x = run.built().embed(data(run, 1)[0]), data(run, 1)[0]
    first, second = versions(run)
    assert not torch.allclose(first.embed(x), start)
    assert torch.equal(first.embed(x), second.embed(x))
