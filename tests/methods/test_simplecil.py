"""SimpleCIL is the nearest class mean by cosine."""

from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import NearestCentroid

from clbench_methods.nmc import NMC
from clbench_methods.simplecil import SimpleCIL
from living import begun, data, gaussians, stream_of, versions


def test_it_is_scikit_learns_nearest_centroid_on_the_sphere(tmp_path: Path) -> None:
    """Means are of the features as they are; they and the questions are then normalised."""
    source = gaussians()
    run = begun(tmp_path, SimpleCIL, stream_of(source), source)
    *_, method = versions(run)
    parts = [data(run, version) for version in (1, 2)]
    x = np.concatenate([x.double().numpy() for x, _ in parts])
    y = np.concatenate([y.numpy() for _, y in parts])
    reference = NearestCentroid().fit(x, y)
    unit = reference.centroids_ / np.linalg.norm(reference.centroids_, axis=1, keepdims=True)
    reference.centroids_ = unit
    questions = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    found = method.predict(questions)
    sphere = questions.double().numpy()
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    assert np.array_equal(found.argmax(1), reference.predict(sphere))
    assert np.allclose(found, sphere @ unit.T, rtol=1e-12, atol=1e-13)


def test_it_is_nmc_with_cosine_to_the_last_bit(tmp_path: Path) -> None:
    source = gaussians()
    stream, x = stream_of(source), torch.randn(20, 6)
    one = versions(begun(tmp_path, SimpleCIL, stream, source))
    two = versions(begun(tmp_path, NMC, stream, source, distance="cosine"))
    for method, other in zip(one, two, strict=True):
        assert torch.equal(method.predict(x), other.predict(x))


def test_the_backbone_is_not_carried(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, SimpleCIL, stream_of(source), source, features="mlp,width=8")
    for method in versions(run):
        assert method.state().keys() == {"prototypes"}
