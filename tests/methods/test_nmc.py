"""NMC is scikit-learn's NearestCentroid, whatever the order in which data arrive."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from clbench.play import Run
from clbench.source.base import Source, Split
from clbench.source.digits import digits
from clbench.spec import Spec
from clbench.stream import Stream, Update
from clbench_methods.nmc import NMC
from clbench_scenarios.class_incremental import class_incremental
from living import begun, gaussians, stream_of, versions

Array = np.ndarray


def flat(run: Run, split: str, ids: Array) -> tuple[Array, Array]:
    """Inputs [n, d] in [0, 1] and stream labels [n] of some samples, by numpy alone."""
    x = run.samples[split]._array[ids].reshape(len(ids), -1).astype(np.float32)  # type: ignore[index]
    return x / np.float32(255), run.samples[split].y.numpy()[ids]  # type: ignore[index]


def questions(run: Run, version: int) -> Array:
    return np.concatenate([e.samples for e in run.stream.evals if e.since <= version])


def ask(method: NMC, x: Array) -> Array:
    return method.predict(torch.from_numpy(x)).numpy()


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # pixels that are always white
@pytest.mark.parametrize("order", ["source", "random", [9, 0, 8, 1, 7, 2, 6, 3, 5, 4]])
def test_it_is_nearest_centroid_at_every_version(tmp_path: Path, order: str | list[int]) -> None:
    source = digits()
    stream = class_incremental(
        source, "digits", stream_of(source).protocol, increment=2, order=order
    )
    run = begun(tmp_path, NMC, stream, source)
    for version, method in enumerate(versions(run), start=1):
        reference = NearestCentroid()
        x, y = flat(run, "train", stream.retained(version))
        reference.fit(x.astype(np.float64), y)
        x, _ = flat(run, "test", questions(run, version))
        expected = reference.predict(x.astype(np.float64))
        assert np.array_equal(ask(method, x).argmax(1), expected)


def test_cosine_by_numpy(tmp_path: Path) -> None:
    source = digits()
    run = begun(tmp_path, NMC, stream_of(source, 5), source, distance="cosine")
    *_, method = versions(run)
    x, y = flat(run, "train", run.stream.retained(2))
    means = np.stack([x[y == c].astype(np.float64).mean(0) for c in range(10)])
    x, _ = flat(run, "test", questions(run, 2))
    unit = x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    expected = unit @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    assert np.allclose(ask(method, x), expected, rtol=0, atol=1e-6)
    assert np.array_equal(ask(method, x).argmax(1), expected.argmax(1))


def test_how_data_are_cut_into_updates_and_ordered_does_not_matter(tmp_path: Path) -> None:
    source = digits()

    def means(stream: Stream) -> torch.Tensor:
        *_, method = versions(begun(tmp_path, NMC, stream, source))
        return method.prototypes.means

    whole, single = stream_of(source, 10), stream_of(source, 1)
    turned = replace(
        whole,
        name="turned",
        updates=tuple(replace(u, samples=u.samples[::-1].copy()) for u in whole.updates),
    )
    for other in (single, turned):
        torch.testing.assert_close(means(other), means(whole), rtol=1e-13, atol=1e-13)


def test_a_class_that_comes_back_adds_to_its_mean(tmp_path: Path) -> None:
    source = gaussians(classes=2)
    whole = stream_of(source)
    ids, classes = whole.updates[0].samples, whole.updates[0].classes
    parts = (
        Update(0, "learn", ids[::3], classes),
        Update(1, "learn", np.setdiff1d(ids, ids[::3]), classes[:0]),
    )
    *_, method = versions(begun(tmp_path, NMC, replace(whole, updates=parts), source))
    expected = np.stack(
        [source.train.x[source.train.y == c].mean(0, dtype=np.float64) for c in (0, 1)]
    )
    assert np.allclose(method.prototypes.means.numpy(), expected, rtol=1e-12)


def test_between_two_equally_near_means_the_lower_label_answers(tmp_path: Path) -> None:
    x = np.array([[2, 0], [4, 0], [-2, 0], [-4, 0]], np.float32)
    split = Split(x, np.array([0, 0, 1, 1]))
    source = Source(Spec("test"), split, split, ("right", "left"))
    (method,) = versions(begun(tmp_path, NMC, stream_of(source), source))
    midway = np.array([[0, 0], [0, 5]], np.float32)
    assert ask(method, midway)[:, 0].tolist() == ask(method, midway)[:, 1].tolist() == [-9, -34]
    assert ask(method, midway).argmax(1).tolist() == [0, 0]
    assert ask(method, np.array([[-0.001, 7]], np.float32)).argmax(1).tolist() == [1]


def test_features_are_never_trained_and_not_carried(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, NMC, stream_of(source), source, features="mlp,width=8")
    start = {name: p.clone() for name, p in run.built().model.state_dict().items()}
    for method in versions(run):
        assert method.state().keys() == {"prototypes"}
        assert all(torch.equal(start[k], v) for k, v in method.model.state_dict().items())
