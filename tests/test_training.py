"""Optimiser and batches: steps by hand, and how often each sample is seen."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.method import Training, View
from clbench.samples import Samples
from clbench.source.digits import digits
from clbench.stream import Protocol, Update

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def fresh() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def loss_of(model: nn.Linear) -> Tensor:
    return model(X).square().mean()


class TestStep:
    def test_sgd_by_hand(self) -> None:
        """V = 0.9 v + (g + 0.1 w); w = w - 0.5 v."""
        model, by_hand = fresh(), fresh()
        step = Training(lr=0.5, momentum=0.9, weight_decay=0.1).start(model)
        velocity = [torch.zeros_like(p) for p in by_hand.parameters()]
        for _ in range(3):
            step(loss_of(model))
            gradients = torch.autograd.grad(loss_of(by_hand), list(by_hand.parameters()))
            with torch.no_grad():
                for p, v, g in zip(by_hand.parameters(), velocity, gradients, strict=True):
                    v.mul_(0.9).add_(g + 0.1 * p)
                    p -= 0.5 * v
        for one, two in zip(model.parameters(), by_hand.parameters(), strict=True):
            torch.testing.assert_close(one, two)

    @pytest.mark.parametrize(
        ("training", "plain"),
        [
            (Training(lr=0.1, momentum=0.5), lambda p: torch.optim.SGD(p, 0.1, momentum=0.5)),
            (Training(optimiser="adam", lr=0.01), lambda p: torch.optim.Adam(p, 0.01)),
            (
                Training(optimiser="adamw", lr=0.01, weight_decay=0.3),
                lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.3),
            ),
        ],
    )
    def test_fused_steps_are_those_of_torch(self, training: Training, plain: Any) -> None:
        model, other = fresh(), fresh()
        step, optimiser = training.start(model), plain(other.parameters())
        for _ in range(20):
            step(loss_of(model))
            optimiser.zero_grad()
            loss_of(other).backward()
            optimiser.step()
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)

    def test_gradients_do_not_add_up_over_steps(self) -> None:
        model = fresh()
        step = Training(lr=1e-30).start(model)
        step(loss_of(model))
        first = model.weight.grad
        step(loss_of(model))
        assert first is not None
        assert model.weight.grad is not None
        torch.testing.assert_close(model.weight.grad, first)

    def test_frozen_parameters_stay(self) -> None:
        model = fresh()
        model.bias.requires_grad_(False)
        before = model.bias.clone()
        Training(weight_decay=0.5).start(model)(loss_of(model))
        assert torch.equal(model.bias, before)

    def test_the_rate_falls_along_a_half_cosine(self) -> None:
        model = fresh()
        step = Training(lr=0.5).start(model, steps=4)
        for rate in (0.5, 0.4267767, 0.25, 0.0732233):
            before = model.weight.detach().clone()
            step(model.weight.sum())  # a slope of 1 everywhere
            torch.testing.assert_close(before - model.weight, torch.full((2, 3), rate))

    @pytest.mark.parametrize("training", [Training(lr=0.5), Training(lr=0.5, weight_decay=0.1)])
    def test_a_rate_is_that_of_the_parameters_whose_names_start_so(
        self, training: Training
    ) -> None:
        model, fast, slow = fresh(), fresh(), fresh()
        training.start(model, rates={"weight": 0.01})(loss_of(model))
        training.start(fast)(loss_of(fast))
        training.model_copy(update={"lr": 0.005}).start(slow)(loss_of(slow))
        assert torch.equal(model.weight, slow.weight)
        assert torch.equal(model.bias, fast.bias)


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"batch_size": 0}, {"momentum": 1}, {"optimiser": "sdg"}, {"lrr": 1}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Training(**wrong)


def view_of(epochs: int | None = None, **given: Any) -> View:
    """Every seventh training sample of digits: 206."""
    source = digits()
    samples = Samples(source.train.x, source.train.y.copy(), torch.device("cpu"))
    update = Update(0, "learn", np.arange(0, len(source.train), 7), np.arange(10))
    return View(update, samples, n_classes=10, protocol=Protocol(epochs=epochs), seed=3, **given)


class TestBatches:
    def test_every_sample_is_in_each_epoch_once(self) -> None:
        view = view_of()
        batches = list(view.batches(Training(epochs=3, batch_size=32)))
        assert [len(b) for b in batches] == ([32] * 6 + [14]) * 3
        orders = [torch.cat([b.ids for b in batches[e * 7 : e * 7 + 7]]) for e in range(3)]
        for order in orders:
            assert order.sort().values.tolist() == list(range(0, 1442, 7))
        assert len({tuple(order.tolist()) for order in orders}) == 3
        assert [b.first_pass for b in batches] == [True] * 7 + [False] * 14

    def test_the_protocol_overrules_the_number_of_epochs(self) -> None:
        assert len(list(view_of(epochs=2).batches(Training(epochs=9, batch_size=206)))) == 2

    def test_inputs_labels_and_ids_belong_together(self) -> None:
        source = digits()
        for batch in view_of().batches(Training(epochs=1)):
            assert batch.raw.numpy().tolist() == source.train.x[batch.ids.numpy()].tolist()
            assert batch.y.tolist() == source.train.y[batch.ids.numpy()].tolist()
            assert torch.equal(batch.x, batch.raw / 255)

    def test_the_order_depends_on_the_seed_of_the_update_alone(self) -> None:
        first, again = (next(view_of().batches(Training())).ids.tolist() for _ in range(2))
        torch.manual_seed(99)
        assert first == again == next(view_of().batches(Training())).ids.tolist()

    def test_augmentation_changes_inputs_and_not_what_is_stored(self) -> None:
        plain = next(view_of().chunks(206))
        for batch in view_of().batches(Training(epochs=2, augment="crop-flip", batch_size=206)):
            order = batch.ids // 7
            assert torch.equal(batch.raw, plain.raw[order])
            changed = (batch.x != plain.x[order]).flatten(1).any(1)
            assert float(changed.float().mean()) > 0.9
            assert torch.equal(to_input(batch.raw), plain.x[order])

    def test_chunks_are_the_update_in_order(self) -> None:
        chunks = list(view_of().chunks(100))
        assert [len(c) for c in chunks] == [100, 100, 6]
        assert torch.cat([c.ids for c in chunks]).tolist() == list(range(0, 1442, 7))
        assert all(c.first_pass for c in chunks)

    @pytest.mark.parametrize("how", ["batches", "chunks"])
    def test_what_is_handed_out_may_be_written_to(self, how: str) -> None:
        """Neither the stream, nor the source, nor a later pass shares memory with a batch."""
        view = view_of()
        stream_ids = torch.from_numpy(np.arange(0, 1442, 7))
        for _ in range(2):
            passing = view.chunks() if how == "chunks" else view.batches(Training(epochs=1))
            seen = []
            for batch in passing:
                seen.append(batch.ids.clone())
                assert torch.equal(batch.x, batch.raw / 255)
                for tensor in (batch.ids, batch.y, batch.x, batch.raw):
                    tensor.zero_()
            assert torch.equal(torch.cat(seen).sort().values, stream_ids)

    def test_the_stream_is_not_written_to(self) -> None:
        source = digits()
        samples = Samples(source.train.x, source.train.y.copy(), torch.device("cpu"))
        update = Update(0, "learn", np.arange(50), np.arange(10))
        view = View(update, samples, n_classes=10, protocol=Protocol(), seed=0)
        for batch in view.chunks():
            batch.ids.fill_(7)
        assert update.samples.tolist() == list(range(50))

    def test_steps_and_samples_are_counted_without_leaving_a_meter_behind(self) -> None:
        meter = FlopMeter()
        view = view_of(meter=meter)
        with meter:
            for batch in view.batches(Training(epochs=2, batch_size=100)):
                if not batch.first_pass:
                    break
        assert (meter.steps, meter.samples) == (4, 306)
