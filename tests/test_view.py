"""What one update shows a method: all of it, in an order of its own, and no more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench import samples as samples_module
from clbench.augment import PAD, augment, to_input
from clbench.errors import ClbenchError
from clbench.model.training import Training
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.serving import sizes
from clbench.stream import Protocol, Update
from clbench.view import Batch, View

CPU = torch.device("cpu")
TRAINING = Training(batch_size=4, epochs=3)
IDS = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29])


def images(count: int = 40, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 6, 5)).astype(dtype)


def samples(x: np.ndarray | None = None) -> Samples:
    x = images() if x is None else x
    return Samples(x, np.arange(len(x), dtype=np.int64) % 7, CPU)


def view(
    seed: int = 0, index: int = 1, past: Any = None, given: Samples | None = None, **protocol: Any
) -> View:
    update = Update(index, "learn", IDS, np.array([2, 3]))
    past = None if past is None else torch.tensor(past)
    rules = Protocol(**protocol)
    return View(update, given or samples(), n_classes=4, protocol=rules, seed=seed, past=past)


def ids(batches: Any) -> list[int]:
    return torch.cat([batch.ids for batch in batches]).tolist()


class TestBatches:
    def test_every_sample_comes_once_an_epoch(self) -> None:
        found = ids(view().batches(TRAINING))
        epochs = [found[i : i + 10] for i in (0, 10, 20)]
        assert [sorted(epoch) for epoch in epochs] == [IDS.tolist()] * 3
        assert len({tuple(epoch) for epoch in epochs}) == 3  # in another order each time

    def test_sizes_and_the_first_pass(self) -> None:
        batches = list(view().batches(TRAINING))
        assert [len(batch) for batch in batches] == [4, 4, 2] * 3
        assert [batch.first_pass for batch in batches] == [True] * 3 + [False] * 6

    def test_labels_and_inputs_are_those_of_the_ids(self) -> None:
        for batch in view().batches(TRAINING):
            assert batch.y.tolist() == [i % 7 for i in batch.ids.tolist()]
            np.testing.assert_array_equal(batch.raw.numpy(), images()[batch.ids.numpy()])
            torch.testing.assert_close(batch.x, batch.raw.float() / 255)

    @pytest.mark.parametrize(("protocol", "passes"), [(None, 3), (1, 1), (5, 5)])
    def test_epochs_are_the_protocols_where_it_fixes_them(
        self, protocol: int | None, passes: int
    ) -> None:
        assert len(ids(view(epochs=protocol).batches(TRAINING))) == 10 * passes

    def test_an_order_is_of_its_seed_and_update(self) -> None:
        orders = [ids(view(seed, index).batches(TRAINING)) for seed in (0, 1) for index in (0, 1)]
        assert len(set(map(tuple, orders))) == 4
        assert ids(view(1, 1).batches(TRAINING)) == orders[3]

    def test_nothing_that_came_before_changes_it(self) -> None:
        expected = ids(view().batches(TRAINING))
        torch.rand(100)
        list(view(index=0).batches(TRAINING))
        assert ids(view().batches(TRAINING)) == expected

    def test_chunks_are_in_order_and_not_augmented(self) -> None:
        chunks = list(view().chunks(4))
        assert ids(chunks) == IDS.tolist()
        assert [len(chunk) for chunk in chunks] == [4, 4, 2]
        torch.testing.assert_close(chunks[0].x, chunks[0].raw.float() / 255)

    def test_of_many_samples_so_many_are_drawn(self) -> None:
        drawn = ids(view().chunks(2, at_most=5))
        assert len(drawn) == len(set(drawn)) == 5
        assert set(drawn) < set(IDS.tolist())
        assert drawn == ids(view().chunks(at_most=5))
        assert drawn != ids(view(seed=1).chunks(at_most=5))
        assert ids(view().chunks(at_most=10)) == IDS.tolist()

    def test_an_update_without_samples_has_no_batches(self) -> None:
        update = Update(0, "learn", IDS[:0], np.array([], dtype=np.int64))
        empty = View(update, samples(), n_classes=0, protocol=Protocol(), seed=0)
        assert list(empty.batches(TRAINING)) == []
        assert list(empty.chunks()) == []

    def test_preparing_augments_anew(self) -> None:
        training = Training(batch_size=10, epochs=1, augment="crop-flip")
        batch = next(view().batches(training))
        assert not torch.equal(batch.prepare(batch.raw), batch.x)
        assert batch.prepare(batch.raw).dtype == torch.float32

    def test_writing_to_a_batch_changes_no_sample(self) -> None:
        given = samples()
        for batch in view(given=given).batches(TRAINING):
            for part in (batch.raw, batch.x, batch.y, batch.ids):
                part.zero_()
        everything = torch.arange(40)
        np.testing.assert_array_equal(given.gather(everything).numpy(), images())
        assert given.y.tolist() == [i % 7 for i in range(40)]


class TestWhatIsGranted:
    def test_reads_are_noted(self) -> None:
        shown = view()
        assert not shown.read.any()
        next(shown.batches(TRAINING))
        assert torch.nonzero(shown.read)[:, 0].tolist() == IDS.tolist()

    def test_the_past_is_refused_unless_it_is_granted(self) -> None:
        shown = view()
        with pytest.raises(ClbenchError, match=r'needs=\("past",\) in its card'):
            next(shown.batches(TRAINING, with_past=True))
        assert not shown.read.any()

    def test_the_past_comes_with_the_update_where_it_is(self) -> None:
        shown = view(past=[0, 1])
        found = ids(shown.batches(TRAINING, with_past=True))
        assert sorted(found) == sorted([0, 1, *IDS.tolist()] * 3)
        assert shown.read.sum() == 12
        assert sorted(set(ids(shown.batches(TRAINING)))) == IDS.tolist()

    def test_a_sample_of_the_past_that_comes_again_comes_once(self) -> None:
        found = ids(view(past=[0, 2, 3], epochs=1).batches(TRAINING, with_past=True))
        assert sorted(found) == sorted({0, *IDS.tolist()})

    def test_it_tells_of_the_update_and_not_of_the_stream(self) -> None:
        shown = view()
        public = {name for name in vars(shown) if not name.startswith("_")}
        assert (shown.index, shown.kind, shown.classes, shown.n_classes) == (1, "learn", (2, 3), 4)
        assert (len(shown), shown.task) == (10, None)
        assert public == {
            *("index", "kind", "task", "classes", "n_classes"),
            *("protocol", "device", "generator", "read"),
        }


class TestSamples:
    def test_mapped_samples_are_the_resident_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        np.save(tmp_path / "x.npy", images())
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        resident = samples(mapped)
        monkeypatch.setattr(samples_module, "RESIDENT_BYTES", 0)
        read = samples(mapped)
        chosen = torch.tensor([5, 5, 0, 39])
        assert torch.equal(read.gather(chosen), resident.gather(chosen))
        assert (read.shape, len(read)) == (resident.shape, len(resident)) == ((3, 6, 5), 40)
        training = Training(batch_size=4, epochs=1, augment="crop-flip")
        for one, two in zip(
            view(given=read).batches(training), view(given=resident).batches(training), strict=True
        ):
            assert torch.equal(one.x, two.x)
            one.raw.zero_()  # and it may be written to
        np.testing.assert_array_equal(mapped, images())

    def test_vectors_stay_as_they_are(self) -> None:
        x = np.random.default_rng(0).random((40, 5), dtype=np.float32)
        training = Training(batch_size=40, epochs=1, augment="crop-flip")
        batch = next(view(given=samples(x)).batches(training))
        np.testing.assert_array_equal(batch.x.numpy(), x[batch.ids.numpy()])


class TestAugmentation:
    @pytest.mark.parametrize("how", ["none", "flip", "crop-flip"])
    def test_kind_and_shape_stay(self, how: Any) -> None:
        raw = torch.from_numpy(images())
        found = augment(raw, how, torch.Generator().manual_seed(0))
        assert (found.dtype, found.shape) == (raw.dtype, raw.shape)
        assert torch.equal(raw, torch.from_numpy(images()))  # not written to

    def test_flips_are_about_half(self) -> None:
        raw = torch.from_numpy(images(1000))
        found = augment(raw, "flip", torch.Generator().manual_seed(0))
        flipped = (found == raw.flip(-1)).flatten(1).all(1)
        kept = (found == raw).flatten(1).all(1)
        assert bool((flipped ^ kept).all())
        assert 400 < int(flipped.sum()) < 600

    def test_crop_flip_is_that_of_a_plain_loop(self) -> None:
        raw = torch.from_numpy(images())
        found = augment(raw, "crop-flip", torch.Generator().manual_seed(3))
        expected = one_by_one(raw, torch.Generator().manual_seed(3))
        assert torch.equal(found, expected)
        assert not torch.equal(found, raw)

    def test_crops_reach_every_border(self) -> None:
        raw = torch.full((2000, 1, 6, 5), 255, dtype=torch.uint8)
        found = augment(raw, "crop-flip", torch.Generator().manual_seed(0))
        rows = (found.amax(dim=(1, 3)) > 0).sum(1)
        assert set(rows.tolist()) == {2, 3, 4, 5, 6}

    def test_inputs_are_between_zero_and_one(self) -> None:
        x = to_input(torch.tensor([[0, 255, 51]], dtype=torch.uint8))
        torch.testing.assert_close(x, torch.tensor([[0.0, 1.0, 0.2]]))


def one_by_one(raw: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pad, crop and flip each image in numpy, with the same draws."""
    count, _, height, width = raw.shape
    corners = torch.randint(0, 2 * PAD + 1, (2, count), generator=generator).tolist()
    flips = (torch.rand(count, generator=generator) < 0.5).tolist()
    found = []
    for image, top, left, flip in zip(raw.numpy(), *corners, flips, strict=True):
        padded = np.pad(image, ((0, 0), (PAD, PAD), (PAD, PAD)))
        crop = padded[:, top : top + height, left : left + width]
        found.append(crop[:, :, ::-1] if flip else crop)
    return torch.from_numpy(np.stack(found))


def test_seeds_of_different_purposes_are_unrelated() -> None:
    drawn = {derive(s, p, i) for s in range(10) for p in ("view", "update") for i in range(10)}
    assert len(drawn) == 200
    assert all(0 <= seed < 2**63 for seed in drawn)
    assert derive(0, "view", 1) == derive(0, "view", 1) != derive(0, "view1")


def test_a_batch_is_as_long_as_its_labels() -> None:
    empty = torch.zeros(0)
    batch = Batch(empty, empty, torch.zeros(3), empty, True, lambda raw: raw)
    assert len(batch) == 3


class TestOnline:
    def test_samples_come_once_in_order_of_arrival(self) -> None:
        arrived = IDS[::-1].copy()
        rules = Protocol(online=True)
        update = Update(1, "learn", arrived, np.array([2, 3]))
        shown = View(update, samples(), n_classes=4, protocol=rules, seed=0)
        assert ids(shown.batches(TRAINING)) == arrived.tolist()  # one epoch, not three

    def test_classes_are_not_announced(self) -> None:
        assert view(online=True).classes == ()
        assert view(online=True).task is None
        assert view().classes == (2, 3)

    @pytest.mark.parametrize("first", ["batches", "chunks"])
    @pytest.mark.parametrize("second", ["batches", "chunks"])
    def test_a_second_pass_is_refused(self, first: str, second: str) -> None:
        shown = view(online=True)
        passes = {"batches": lambda: shown.batches(TRAINING), "chunks": shown.chunks}
        list(passes[first]())
        with pytest.raises(ClbenchError, match="a second time, and the protocol is online"):
            list(passes[second]())

    def test_the_past_that_a_control_is_granted_is_mixed_in(self) -> None:
        found = ids(view(past=[0, 1], online=True).batches(TRAINING, with_past=True))
        assert sorted(found) == sorted([0, 1, *IDS.tolist()])


def test_no_batch_is_a_single_sample_unless_it_must() -> None:
    assert sizes(289, 32) == [32] * 8 + [33]
    assert sizes(290, 32) == [32] * 9 + [2]
    assert sizes(288, 32) == [32] * 9
    assert sizes(1, 32) == [1]
    assert sizes(3, 1) == [1, 1, 1]
    assert sizes(3, 2) == [3]
    assert sizes(0, 2) == []
