"""d-Simplex: a classifier that never moves, so that features stay where they are."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.model.simplex import contrast, simplex
from clbench.play import Run
from clbench_methods.dsimplex import DSimplex
from living import begun, data, gaussians, stream_of, versions

SMALL = {"backbone": "mlp,width=8", "vertices": 6}


def runs(folder: Path, increment: int = 2, epochs: int = 20, **given: Any) -> Run:
    source = gaussians()
    stream = stream_of(source, increment, epochs=epochs)
    return begun(folder, DSimplex, stream, source, **SMALL | given)


@pytest.mark.parametrize("k", [2, 3, 10, 257])
def test_vertices_are_of_length_1_and_all_equally_far_apart(k: int) -> None:
    vertices = simplex(k)
    assert vertices.shape == (k, k - 1)
    expected = torch.full((k, k), -1 / (k - 1)).fill_diagonal_(1)
    torch.testing.assert_close(vertices @ vertices.T, expected, rtol=0, atol=2e-6)


class TestContrast:
    def test_by_a_plain_loop(self) -> None:
        generator = torch.Generator().manual_seed(0)
        new, old = torch.randn(2, 8, 3, generator=generator)
        y = torch.tensor([0, 0, 1, 1, 2, 2, 2, 0])
        total = 0.0
        for i in range(8):
            e = [math.exp(10 * torch.cosine_similarity(old[i], new[j], 0)) for j in range(8)]
            total -= math.log(e[i] / (e[i] + sum(e[j] for j in range(8) if y[j] != y[i])))
        assert float(contrast(new, old, y, 10)) == pytest.approx(total / 8, rel=1e-4)

    def test_others_of_the_same_class_do_not_count(self) -> None:
        """In public code each of them adds exp(0) to the denominator."""
        new, old = torch.randn(2, 5, 3)
        assert float(contrast(new, old, torch.zeros(5, dtype=torch.long), 10)) == 0


def test_the_classifier_is_fixed_and_not_carried(tmp_path: Path) -> None:
    run = runs(tmp_path, epochs=2)
    for method in versions(run):
        assert method.state().keys() == {"model", "projection", "memory", "known"}
        assert torch.equal(method.classifier, simplex(6))
        assert len(method.state()["model"]["head.weight"]) == 0


def test_features_are_learned_at_the_vertices(tmp_path: Path) -> None:
    run = runs(tmp_path, increment=4, epochs=60)
    (method,) = versions(run)
    x, y = data(run, 1)
    assert float((method.predict(x).argmax(1) == y).float().mean()) > 0.7
    assert torch.equal(method.predict(x), method.embed(x) @ simplex(6)[:4].T)


def test_contrast_keeps_features_nearer_to_what_they_were(tmp_path: Path) -> None:
    turned = []
    for weight in (1.0, 0.1):
        run = runs(tmp_path, weight=weight)
        first, second = versions(run)
        x, _ = data(run, 2)
        turned.append(float(torch.cosine_similarity(first.embed(x), second.embed(x)).mean()))
    assert turned[1] > turned[0]


def test_more_classes_than_vertices_are_refused(tmp_path: Path) -> None:
    run = runs(tmp_path, vertices=3)
    versions_seen = versions(run)
    next(versions_seen)
    with pytest.raises(ClbenchError, match="has 3 vertices and the stream 4 classes; set vertices"):
        run.update(run.built(), 2, FlopMeter())
