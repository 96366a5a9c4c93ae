"""iCaRL: herded exemplars, distilled sigmoids, and the nearest mean that answers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, normalize

from clbench import state
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.memory import herding
from clbench.play import Run
from clbench_methods import icarl
from clbench_methods.icarl import ICaRL
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8", "buffer": 12}


def runs(folder: Path, epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, ICaRL, stream_of(source, epochs=epochs), source, **SMALL | given)


def test_exemplars_are_herded_with_the_new_features_and_cut_in_order(tmp_path: Path) -> None:
    run = runs(tmp_path)
    first, second = versions(run)
    assert first.memory.sizes == {0: 6, 1: 6}
    assert second.memory.sizes == {0: 3, 1: 3, 2: 3, 3: 3}
    before, after = first.memory.lists(), second.memory.lists()
    for label in (0, 1):
        assert torch.equal(after[label][0], before[label][0][:3])
    for version, method, kept in ((1, first, 6), (2, second, 3)):
        x, y = data(run, version)
        for label in y.unique().tolist():
            some = x[y == label]
            best = herding(normalize(method.embed(some)), kept)
            assert torch.equal(method.memory.lists()[label][0], some[best])


def test_the_nearest_mean_of_exemplars_answers(tmp_path: Path) -> None:
    """Distances by SciPy, between features and means of length 1."""
    run = runs(tmp_path, epochs=10)
    *_, last = versions(run)
    x = torch.cat([data(run, version)[0] for version in (1, 2)])
    means = [normalize(last.embed(kept)).mean(0) for kept, _ in last.memory.lists().values()]
    gaps = cdist(normalize(last.embed(x)), normalize(torch.stack(means)), "sqeuclidean")
    torch.testing.assert_close(
        last.predict(x).double(), torch.from_numpy(-gaps), rtol=1e-3, atol=1e-5
    )


def test_old_classes_are_distilled_and_new_ones_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets of old classes are the old model's sigmoids, for exemplars too; sums over classes."""
    fitted: list[tuple[Tensor, Tensor]] = []
    plain = icarl.binary_cross_entropy_with_logits

    def recording(logits: Tensor, targets: Tensor, **given: Any) -> Tensor:
        loss = plain(logits, targets, **given)
        by_hand = binary_cross_entropy(logits.detach().sigmoid(), targets, reduction="sum")
        torch.testing.assert_close(loss.detach(), by_hand)
        fitted.append((logits.detach(), targets))
        return loss

    run = runs(tmp_path, epochs=1, training={"batch_size": 40})
    first = next(versions(run))
    monkeypatch.setattr(icarl, "binary_cross_entropy_with_logits", recording)
    run.update(run.rebuilt(state.pack(first.state())), 2, FlopMeter())
    ((_, targets),) = fitted
    x = torch.cat([data(run, 2)[0], *(kept for kept, _ in first.memory.lists().values())])
    assert targets.shape == (52, 4)  # 40 new samples and the share of 12 exemplars
    expected = first.model(x).sigmoid().detach()
    assert_same_rows(targets[:, :2], expected)
    assert targets[:40, 2:].sum(1).tolist() == [1] * 40
    assert targets[40:, 2:].sum() == 0


def assert_same_rows(one: Tensor, two: Tensor) -> None:
    """The same rows in some order."""
    torch.testing.assert_close(one[one[:, 0].argsort()], two[two[:, 0].argsort()])


def test_the_state_holds_all_that_answers(tmp_path: Path) -> None:
    run = runs(tmp_path)
    *_, last = versions(run)
    x, _ = data(run, 1)
    assert torch.equal(run.rebuilt(state.pack(last.state())).predict(x), last.predict(x))
    assert set(last.state()) == {"model", "memory", "means"}


def test_old_classes_are_remembered(tmp_path: Path) -> None:
    run = runs(tmp_path, epochs=30, training={"batch_size": 10})
    *_, last = versions(run)
    for version in (1, 2):
        x, y = data(run, version)
        assert float((last.predict(x).argmax(1) == y).float().mean()) > 0.8


def test_what_it_cannot_play_is_refused_before_training(tmp_path: Path) -> None:
    source = gaussians()
    with pytest.raises(ClbenchError, match=r"icarl takes many passes .*, and test is online"):
        begun(tmp_path, ICaRL, stream_of(source, online=True), source, **SMALL)
    run = runs(tmp_path, buffer=1)
    method = run.built()
    before = weights(method)
    with pytest.raises(ClbenchError, match="one of each of 2 classes"):
        run.update(method, 1, FlopMeter())
    assert same(weights(method), before)
