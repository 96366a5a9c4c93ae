"""MER and its large-scale form: Reptile over replay."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench import state
from clbench.cost import FlopMeter
from clbench.memory import Reservoir
from clbench.method import Method
from clbench.play import Run
from clbench_methods.er import ER
from clbench_methods.mer import MER, ERReptile
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Method], epochs: int = 1, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def test_it_is_the_papers_algorithm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed on plain tensors, with the samples that the memory gave."""
    drawn: list[tuple[Tensor, Tensor]] = []
    added: list[tuple[Tensor, Tensor]] = []
    sample, add = Reservoir.sample, Reservoir.add

    def sampling(self: Reservoir, *given: Any, **more: Any) -> Any:
        drawn.append(sample(self, *given, **more))
        return drawn[-1]

    def adding(self: Reservoir, batch: Any, *given: Any) -> None:
        added.append((batch.x, batch.y))
        add(self, batch, *given)

    run = runs(tmp_path, MER)
    monkeypatch.setattr(Reservoir, "sample", sampling)
    monkeypatch.setattr(Reservoir, "add", adding)
    given = {"k": 3, "batches": 2, "beta": 0.3, "gamma": 0.6}
    run = runs(tmp_path, MER, **given)
    first = next(versions(run))
    carried = state.pack(first.state())
    drawn.clear()
    added.clear()
    method = run.rebuilt(carried)
    run.update(method, 1, FlopMeter())  # the first update again, so that the head stays

    model, draws = run.rebuilt(carried).model, iter(drawn)
    for x, y in added:
        before = weights_of(model)
        for _ in range(2):
            start = weights_of(model)
            past_x, past_y = next(draws)
            assert len(past_y) == 2
            for one, label in zip([*x, *past_x], [*y, *past_y], strict=True):
                model.zero_grad()
                cross_entropy(model(one[None]), label[None]).backward()
                set_weights(model, {n: p - 0.1 * p.grad for n, p in model.named_parameters()})
            end = weights_of(model)
            set_weights(model, {n: start[n] + 0.3 * (end[n] - start[n]) for n in end})
        end = weights_of(model)
        set_weights(model, {n: before[n] + 0.6 * (end[n] - before[n]) for n in end})
    assert len(added) == 40
    assert_close(weights_of(model), weights(method), rtol=1e-4, atol=1e-5)


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def set_weights(model: torch.nn.Module, values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(values[name])


def test_mer_reads_an_update_once(tmp_path: Path) -> None:
    given = {"k": 2, "batches": 1}
    found = [[m.memory.seen for m in versions(runs(tmp_path, MER, n, **given))] for n in (1, 3)]
    assert found == [[40, 80], [40, 80]]


@pytest.mark.parametrize("plain", [{"every": 1000}, {"every": 2, "epsilon": 1.0}])
def test_at_half_replay_without_interpolation_it_is_replay(
    tmp_path: Path, plain: dict[str, float]
) -> None:
    one, two = runs(tmp_path, ERReptile, 3, **plain), runs(tmp_path, ER, 3)
    for method, er in zip(versions(one), versions(two), strict=True):
        assert same(weights(method), weights(er))


@pytest.mark.parametrize(("share", "count"), [(0.5, 40), (0.25, 13), (0.0, 0)])
def test_replay_is_a_share_of_the_batch(
    tmp_path: Path, share: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    plain = Reservoir.sample

    def recording(self: Reservoir, *given: Any, **more: Any) -> Any:
        asked.append(more["count"])
        return plain(self, *given, **more)

    monkeypatch.setattr(Reservoir, "sample", recording)
    run = runs(tmp_path, ERReptile, replay=share, training={"batch_size": 40})
    run.update(run.built(), 1, FlopMeter())
    assert asked == [count]


def test_after_so_many_steps_it_goes_back_most_of_the_way(tmp_path: Path) -> None:
    """Two steps an update and an interpolation after the third: in the second update."""
    given = {"every": 3, "epsilon": 0.25, "training": {"batch_size": 20}}
    one = list(versions(runs(tmp_path, ERReptile, **given)))
    assert [method.steps for method in one] == [2, 4]
    assert same(weights_of(one[0].slow), weights_of(runs(tmp_path, ERReptile).built().slow))

    given = {"every": 2, "epsilon": 0.25, "training": {"batch_size": 20}}
    run = runs(tmp_path, ERReptile, **given)
    slow = next(versions(run))
    fast = next(versions(runs(tmp_path, ERReptile, **given | {"epsilon": 1.0})))
    start = weights_of(run.built().model)
    for name, value in weights(slow).items():
        if name.startswith("backbone"):
            expected = start[name] + 0.25 * (weights(fast)[name] - start[name])
            torch.testing.assert_close(value, expected)
    assert same(weights_of(slow.slow), weights(slow))


def test_mer_learns_and_remembers(tmp_path: Path) -> None:
    run = runs(tmp_path, MER, k=5, batches=2, gamma=1.0, beta=0.3)
    *_, last = versions(run)
    for version in (1, 2):
        x, y = data(run, version)
        assert float((last.predict(x).argmax(1) == y).float().mean()) > 0.7
