"""DER and DER++: later models match what the model answered when a sample came."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from clbench import state
from clbench.cost import FlopMeter
from clbench.memory import Reservoir
from clbench.method import Batch
from clbench.play import Run
from clbench.seeds import derive
from clbench_methods.der import DER, DERpp, squared_error
from clbench_methods.finetune import Finetune
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Any], epochs: int = 2, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(sum(shape)))


def test_the_error_is_the_mean_over_all_stored_logits() -> None:
    logits, stored = randn(5, 4), randn(5, 4) + 1
    torch.testing.assert_close(squared_error(logits, stored), mse_loss(logits, stored))


def test_logits_that_were_not_known_do_not_count() -> None:
    logits, stored = randn(3, 6).requires_grad_(), randn(3, 4)
    stored[0, 2:] = torch.nan
    error = squared_error(logits, stored)
    gaps = [float((logits[i, j].detach() - stored[i, j]) ** 2) for i in range(3) for j in range(4)]
    assert float(error.detach()) == pytest.approx(sum(g for g in gaps if g == g) / 10, rel=1e-6)
    error.backward()
    assert logits.grad is not None
    assert logits.grad[0, 2:].tolist() == [0] * 4
    assert logits.grad[:, 4:].abs().sum() == 0


@pytest.mark.parametrize(("kind", "none"), [(DER, {"alpha": 0}), (DERpp, {"alpha": 0, "beta": 0})])
def test_at_strength_0_it_is_finetuning(
    tmp_path: Path, kind: type[DER], none: dict[str, float]
) -> None:
    """But for draws from memory, which shift the order of later epochs: so one epoch, one batch."""
    given = {"training": {"batch_size": 40}}
    one = runs(tmp_path, kind, 1, room=1, **none, **given)
    two = runs(tmp_path, Finetune, 1, **given)
    for method, plain in zip(versions(one), versions(two), strict=True):
        assert same(weights(method), weights(plain))


def test_without_labels_der_plus_plus_is_der(
    tmp_path: Path,
) -> None:
    """Over the first two steps of an update: the second draw comes after the first."""
    given = {"training": {"batch_size": 20}, "alpha": 0.7}
    one, two = runs(tmp_path, DERpp, 1, beta=0, **given), runs(tmp_path, DER, 1, **given)
    assert same(weights(next(versions(one))), weights(next(versions(two))))


def test_stored_logits_are_those_of_the_view_that_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the step, at each step; public code that stores them after the task differs."""
    offered: list[tuple[Batch, Tensor]] = []
    plain = Reservoir.add

    def recording(self: Reservoir, batch: Batch, generator: Generator, **further: Tensor) -> None:
        offered.append((batch, further["logits"]))
        plain(self, batch, generator, **further)

    monkeypatch.setattr(Reservoir, "add", recording)
    run = runs(tmp_path, DER, epochs=3, room=5, training={"batch_size": 40})
    first = next(versions(run))
    assert len(offered) == 3  # one batch an epoch, offered in each
    assert first.memory.seen == 120

    for batch, logits in offered:
        assert not logits.requires_grad
        assert not torch.allclose(first.model(batch.x), logits, atol=1e-3)  # it has moved since
    model = run.built().model
    torch.manual_seed(derive(0, "update", 1))  # which draws the head
    model.grow(5)
    batch, logits = offered[0]
    torch.testing.assert_close(logits, model(batch.x).detach())


def test_both_terms_draw_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    plain = Reservoir.sample

    def recording(self: Reservoir, *given: Any, **more: Any) -> tuple[Tensor, ...]:
        found = plain(self, *given, **more)
        drawn.append(found[0])
        return found

    monkeypatch.setattr(Reservoir, "sample", recording)
    run = runs(tmp_path, DERpp, epochs=1, training={"batch_size": 20})
    run.update(run.built(), 1, FlopMeter())
    assert len(drawn) == 2  # at the second step; at the first the memory is empty
    assert not torch.equal(drawn[0], drawn[1])


def test_with_room_old_samples_do_not_drift_to_new_classes(tmp_path: Path) -> None:
    kept = {}
    for room in (1, 8):
        *_, last = versions(runs(tmp_path, DER, epochs=20, room=room, training={"lr": 0.05}))
        x, y = data(runs(tmp_path, DER), 1)
        assert last.predict(x).shape == (40, 4)
        kept[room] = float((last.predict(x).argmax(1) == y).float().mean())
    assert kept[8] > kept[1] + 0.3


def test_more_classes_than_room_widen_the_head(tmp_path: Path) -> None:
    run = runs(tmp_path, DER, room=3)
    widths = []
    for method in versions(run):
        widths.append(method.model.n_classes)
        copy = run.rebuilt(state.pack(method.state()))
        assert copy.seen == method.seen
    assert widths == [3, 4]
    assert method.memory.state_dict()["logits"].shape[1] == 4
