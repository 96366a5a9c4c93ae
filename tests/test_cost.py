"""FLOPs of an update: as torch's own counter finds them, at the price of a few counted steps."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torch.utils.flop_counter import FlopCounterMode

from clbench import cost
from clbench.cost import FlopMeter, peak_memory, reset_peak_memory
from clbench.model.training import Training
from clbench.samples import Samples
from clbench.stream import Protocol
from clbench.view import View
from tiny import Tiny

TRAINING = Training(batch_size=9, epochs=3)  # of 40 samples: four batches of 9 and one of 4


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 6))


@pytest.fixture
def meter() -> FlopMeter:
    return FlopMeter()


@pytest.fixture
def view(tiny: Tiny, meter: FlopMeter) -> View:
    stream = tiny.stream
    labels = stream.label_map(6)[tiny.source.train.y]
    samples = Samples(tiny.source.train.x, labels, torch.device("cpu"))
    arguments = {"n_classes": 4, "protocol": Protocol(), "seed": 0, "meter": meter}
    return View(stream.updates[1], samples, **arguments)


@pytest.fixture(autouse=True)
def nothing_is_counted_after() -> Iterator[None]:
    yield
    gc.collect()
    assert _get_current_dispatch_mode() is None


@contextmanager
def both(meter: FlopMeter) -> Iterator[Callable[[], int]]:
    """Measure with ours and, outside of it, with torch's counter of everything."""
    with FlopCounterMode(display=False) as torchs, meter:
        yield torchs.get_total_flops


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.zero_grad()
    cross_entropy(model(x), y).backward()


class TestAgainstTorch:
    def test_outside_loops_everything_is_counted(self, meter: FlopMeter, model: nn.Module) -> None:
        with both(meter) as expected:
            train(model, torch.rand(5, 8), torch.zeros(5, dtype=torch.int64))
        assert meter.total == expected() > 0

    def test_a_training_loop(self, meter: FlopMeter, view: View, model: nn.Module) -> None:
        with both(meter) as expected:
            for batch in view.batches(TRAINING):
                train(model, batch.x, batch.y)
        assert meter.total == pytest.approx(expected(), rel=1e-6)
        assert (meter.steps, meter.samples) == (15, 120)

    def test_work_before_between_and_after_loops(
        self, meter: FlopMeter, view: View, model: nn.Module
    ) -> None:
        with both(meter) as expected:
            for _ in range(2):
                model(torch.rand(3, 8))
                for batch in view.batches(TRAINING):
                    train(model, batch.x, batch.y)
                for batch in view.chunks(7):
                    model(batch.x)
                model(torch.rand(11, 8))
        assert meter.total == pytest.approx(expected(), rel=1e-6)

    @pytest.mark.parametrize("steps", range(1, 12))
    def test_a_loop_that_is_left_early(
        self, meter: FlopMeter, view: View, model: nn.Module, steps: int
    ) -> None:
        training = Training(batch_size=10, epochs=3)
        with both(meter) as expected:
            for number, batch in enumerate(view.batches(training), start=1):
                train(model, batch.x, batch.y)
                if number == steps:
                    break
            model(torch.rand(7, 8))
        assert meter.total == pytest.approx(expected(), rel=1e-6)

    def test_a_loop_within_a_loop(self, meter: FlopMeter, view: View, model: nn.Module) -> None:
        training = Training(batch_size=10, epochs=2)
        with both(meter) as expected:
            for batch in view.batches(training):
                train(model, batch.x, batch.y)
                for chunk in view.chunks(16):
                    model(chunk.x)
        assert meter.total == pytest.approx(expected(), rel=1e-6)
        assert meter.steps == 8 + 8 * 3

    @pytest.mark.parametrize("sizes", [(10, 10), (10, 8), (40, 5)])
    def test_two_loops_side_by_side(
        self, meter: FlopMeter, view: View, model: nn.Module, sizes: tuple[int, int]
    ) -> None:
        one, two = (Training(batch_size=size, epochs=4) for size in sizes)
        with both(meter) as expected:
            for a, b in zip(view.batches(one), view.batches(two), strict=False):
                train(model, a.x, a.y)
                train(model, b.x, b.y)
            model(torch.rand(7, 8))
        assert meter.total == pytest.approx(expected(), rel=1e-6)

    def test_a_batch_that_is_drawn_and_not_used_counts_as_one_step(
        self, meter: FlopMeter, view: View, model: nn.Module
    ) -> None:
        one, two = (Training(batch_size=size, epochs=4) for size in (8, 10))
        with both(meter) as expected:
            for a, b in zip(view.batches(one), view.batches(two), strict=False):
                train(model, torch.cat([a.x, b.x]), torch.cat([a.y, b.y]))
        assert meter.total == pytest.approx(expected() * 17 / 16, rel=1e-6)

    def test_batches_that_are_kept_for_later(
        self, meter: FlopMeter, view: View, model: nn.Module
    ) -> None:
        with both(meter) as expected:
            batches = list(view.batches(TRAINING))
            for batch in batches:
                train(model, batch.x, batch.y)
        assert meter.total == expected()

    def test_convolutions_in_inference_mode(self, meter: FlopMeter) -> None:
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 3)).eval()
        with torch.inference_mode(), both(meter) as expected:
            model(torch.rand(5, 1, 8, 8))
        assert meter.total == expected() > 0


class TestCountingEnds:
    def test_where_the_loop_raises(self, meter: FlopMeter, view: View) -> None:
        for steps in range(1, 6):
            try:
                with meter:
                    for number, _ in enumerate(view.batches(TRAINING), start=1):
                        if number == steps:
                            raise ZeroDivisionError
            except ZeroDivisionError:
                assert _get_current_dispatch_mode() is None

    @pytest.mark.parametrize("steps", [1, 3])
    def test_where_a_loop_outlives_the_update(
        self, meter: FlopMeter, view: View, model: nn.Module, steps: int
    ) -> None:
        with meter:
            batches = view.batches(TRAINING)
            for _ in range(steps):
                next(batches)
        assert _get_current_dispatch_mode() is None
        total = meter.total
        model(next(batches).x)
        del batches
        model(torch.rand(5, 8))
        assert meter.total == total

    def test_where_the_meter_is_used_again(self, meter: FlopMeter, model: nn.Module) -> None:
        for _ in range(2):
            with meter:
                model(torch.rand(1, 8))
        assert meter.total == 2 * 2 * (8 * 16 + 16 * 6)


class TestSampling:
    def test_few_steps_of_a_long_loop_are_counted(self, meter: FlopMeter) -> None:
        counted = []
        with meter, meter.loop() as loop:
            for number in range(1, 200):
                loop.step(1)
                if _get_current_dispatch_mode() is not None:
                    counted.append(number)
        assert counted == [1, 2, 16, 128]

    def test_a_step_between_is_charged_by_its_size(
        self, meter: FlopMeter, model: nn.Module
    ) -> None:
        with meter, meter.loop() as loop:
            for size in (10, 10, 5):
                loop.step(size)
                model(torch.rand(size, 8))
        assert meter.total == 25 * 2 * (8 * 16 + 16 * 6)


class TestMemory:
    def test_a_peak_is_seen_and_forgotten(self) -> None:
        device = torch.device("cpu")
        reset_peak_memory(device)
        before = peak_memory(device)
        torch.ones(50 << 20, dtype=torch.uint8).sum()
        assert peak_memory(device) >= before + (40 << 20)
        reset_peak_memory(device)
        assert peak_memory(device) < before + (40 << 20)

    def test_a_system_that_does_not_allow_it_ends_no_run(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def refused(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(cost.Path, "write_text", refused)
        reset_peak_memory(torch.device("cpu"))
        assert peak_memory(torch.device("cpu")) > 0

    def test_a_system_that_tells_no_peak_is_asked_otherwise(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cost.Path, "read_text", lambda _: "Name: python\n")
        assert peak_memory(torch.device("cpu")) > 0
