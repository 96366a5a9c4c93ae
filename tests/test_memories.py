"""Memories beside the plain reservoir: further columns, greedy balance, ordered lists, herding."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from clbench import state
from clbench.augment import cutmix, to_input
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.memory import Balanced, Exemplars, Reservoir, herding
from clbench.method import Batch, Space, Training
from clbench_methods.finetune import Finetune
from living import begun, gaussians, stream_of

SPACE = Space((2,), torch.device("cpu"))


def batch_of(y: Tensor, first: int = 0) -> Batch:
    """Vectors (number, label), numbered on from `first`."""
    numbers = torch.arange(first, first + len(y))
    raw = torch.stack([numbers, y], dim=1).float()
    return Batch(raw, to_input(raw), y, numbers, True, to_input)


def carried(memory: Reservoir | Balanced | Exemplars) -> dict[str, object]:
    found: dict[str, object] = state.unpack(
        state.pack({"memory": memory.state_dict()}), SPACE.device
    )["memory"]
    return found


# Further columns of a reservoir


def with_logits() -> Reservoir:
    """30 samples with two logits each, then 30 with four; a logit is number + class / 10."""
    memory, generator = Reservoir(20, SPACE), Generator().manual_seed(0)
    for first, width in ((0, 2), (30, 4)):
        batch = batch_of(torch.zeros(30).long(), first)
        memory.add(batch, generator, logits=batch.ids[:, None] + torch.arange(width) / 10)
    return memory


def check_logits(x: Tensor, logits: Tensor) -> None:
    assert logits.shape == (len(x), 4)
    for (number, _), row in zip(x.tolist(), logits, strict=True):
        width = 2 if number < 30 else 4
        torch.testing.assert_close(row[:width], number + torch.arange(width) / 10)
        assert row[width:].isnan().all()


def test_a_further_column_stays_beside_its_sample_and_grows_in_width() -> None:
    memory = with_logits()
    stored = memory.state_dict()
    assert 0 < int((stored["x"][:, 0] < 30).sum()) < 20
    check_logits(stored["x"], stored["logits"])
    x, _, drawn = memory.sample(batch_of(torch.zeros(9).long()), Generator(), "logits")
    check_logits(x, drawn)


def test_further_columns_are_carried_and_counted() -> None:
    memory = Reservoir(20, SPACE)
    memory.load_state_dict(carried(with_logits()))
    check_logits(memory.x, memory.state_dict()["logits"])
    assert memory.seen == 60
    assert sum(state.sizes({"memory": with_logits().state_dict()}).values()) > 20 * (8 + 8 + 16)


def test_further_columns_do_not_change_what_is_kept() -> None:
    plain, generator = Reservoir(20, SPACE), Generator().manual_seed(0)
    for first in (0, 30):
        plain.add(batch_of(torch.zeros(30).long(), first), generator)
    assert torch.equal(plain.x, with_logits().x)


def test_an_empty_memory_has_empty_columns() -> None:
    x, y, z = Reservoir(3, SPACE).sample(batch_of(torch.zeros(2).long()), Generator(), "logits")
    assert (len(x), len(y), len(z)) == (0, 0, 0)


def test_a_draw_may_be_larger_than_the_batch() -> None:
    _, y = with_logits().sample(batch_of(torch.zeros(1).long()), Generator(), count=15)
    assert len(y) == 15


# Greedy balance


def greedy(capacity: int, labels: list[int], draws: list[float]) -> list[tuple[int, int]]:
    """GDumb's sampler as a plain loop over (number, label), with the same draws."""
    memory: list[tuple[int, int]] = []
    classes: list[int] = []
    for number, (label, draw) in enumerate(zip(labels, draws, strict=True)):
        if label not in classes:
            classes.append(label)
        held = {c: [i for i, (_, y) in enumerate(memory) if y == c] for c in classes}
        if len(held[label]) >= capacity / len(classes):
            continue
        if len(memory) < capacity:
            memory.append((number, label))
            continue
        most = max(map(len, held.values()))
        largest = next(slots for slots in held.values() if len(slots) == most)
        memory[largest[int(draw * most)]] = (number, label)
    return memory


@given(
    capacity=st.integers(4, 12),
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    seed=st.integers(0, 1 << 40),
)
def test_balance_is_greedy(capacity: int, labels: list[int], seed: int) -> None:
    """In one batch, whatever the order of labels: the classes that the plain loop keeps."""
    memory = Balanced(capacity, SPACE)
    memory.add(batch_of(torch.tensor(labels)), Generator().manual_seed(seed))
    draws = torch.rand(
        len(labels), generator=Generator().manual_seed(seed), dtype=torch.float64
    ).tolist()
    kept = [(int(number), int(label)) for number, label in memory.x.tolist()]
    assert Counter(y for _, y in kept) == Counter(y for _, y in greedy(capacity, labels, draws))
    assert memory.y.tolist() == [label for _, label in kept]  # labels beside their samples
    assert len({number for number, _ in kept}) == len(kept) == min(len(memory), capacity)
    assert all(labels[number] == label for number, label in kept)


def test_the_first_class_fills_the_memory_and_makes_room_for_the_next() -> None:
    memory, generator, sizes = Balanced(12, SPACE), Generator().manual_seed(0), []
    for label in range(5):
        memory.add(batch_of(torch.full((20,), label)), generator)
        sizes.append(sorted(Counter(memory.y.tolist()).values()))
    assert sizes == [[12], [6, 6], [4, 4, 4], [3, 3, 3, 3], [2, 2, 2, 3, 3]]


def test_which_of_the_largest_class_goes_is_drawn() -> None:
    """Each of ten is equally likely to be left after five went."""
    left: Counter[int] = Counter()
    for seed in range(400):
        memory, generator = Balanced(10, SPACE), Generator().manual_seed(seed)
        memory.add(batch_of(torch.zeros(10).long()), generator)
        memory.add(batch_of(torch.ones(10).long(), 10), generator)
        left.update(int(number) for number in memory.x[memory.y == 0][:, 0])
    assert sum(left.values()) == 400 * 5
    assert all(abs(left[number] - 200) < 5 * 10 for number in range(10))


def test_a_balanced_memory_goes_on_as_if_undisturbed() -> None:
    one, generator = Balanced(10, SPACE), Generator().manual_seed(1)
    one.add(batch_of(torch.arange(60) % 3), generator)
    two, between = Balanced(10, SPACE), generator.get_state()
    two.load_state_dict(carried(one))
    one.add(batch_of(torch.arange(60) % 5, 60), generator)
    generator.set_state(between)
    two.add(batch_of(torch.arange(60) % 5, 60), generator)
    assert Counter(one.y.tolist()) == Counter(two.y.tolist())
    assert torch.equal(one.x, two.x)


def test_more_classes_than_places_are_refused() -> None:
    with pytest.raises(ClbenchError, match="4 samples cannot hold one of each of 5 classes"):
        Balanced(4, SPACE).check(5)
    with pytest.raises(ClbenchError, match="give at least 5"):
        Balanced(4, SPACE).add(batch_of(torch.arange(5)), Generator())
    for kind in (Balanced, Exemplars):
        with pytest.raises(ClbenchError, match="give at least 1"):
            kind(0, SPACE)


# Ordered lists


def listed(memory: Exemplars) -> dict[int, list[int]]:
    return {group: x[:, 0].int().tolist() for group, (x, _) in memory.lists().items()}


def put(memory: Exemplars, group: int, size: int = 20) -> None:
    batch = batch_of(torch.full((size,), group), 100 * group)
    memory.put(group, batch.raw, batch.y)


def test_lists_are_cut_at_their_end_as_groups_arrive() -> None:
    memory = Exemplars(12, SPACE)
    for group, share in enumerate([12, 6, 4, 3, 2]):
        put(memory, group)
        assert listed(memory) == {
            g: list(range(100 * g, 100 * g + share)) for g in range(group + 1)
        }


def test_a_short_list_is_kept_whole_and_a_group_may_be_given_anew() -> None:
    memory = Exemplars(12, SPACE)
    put(memory, 1, size=2)
    put(memory, 0)
    assert listed(memory) == {1: [100, 101], 0: [0, 1, 2, 3, 4, 5]}
    put(memory, 1, size=20)
    assert listed(memory)[1] == [100, 101, 102, 103, 104, 105]
    assert len(memory) == 12


def test_lists_are_carried_in_order() -> None:
    one, two = Exemplars(12, SPACE), Exemplars(12, SPACE)
    for group in (3, 1):
        put(one, group)
    two.load_state_dict(carried(one))
    assert list(listed(two).items()) == list(listed(one).items())
    put(one, 2)
    put(two, 2)
    assert listed(two) == listed(one)
    empty = Exemplars(4, SPACE)
    empty.load_state_dict(carried(Exemplars(4, SPACE)))
    assert listed(empty) == {}


def test_lists_are_drawn_from_alike() -> None:
    memory = Exemplars(12, SPACE)
    put(memory, 0)
    put(memory, 1)
    x, y = memory.sample(batch_of(torch.zeros(3).long()), Generator(), count=12)
    assert Counter(y.tolist()) == {0: 6, 1: 6}
    assert torch.equal((x[:, 0] >= 100).long(), y)


# Herding


def herded(rows: list[list[float]], count: int) -> list[int]:
    """The paper's algorithm as a plain loop."""
    features = torch.tensor(rows, dtype=torch.float64)
    chosen: list[int] = []
    for _ in range(count):
        left = [i for i in range(len(rows)) if i not in chosen]
        gaps = [float((features.mean(0) - features[[*chosen, i]].mean(0)).norm()) for i in left]
        chosen.append(left[gaps.index(min(gaps))])
    return chosen


@given(n=st.integers(1, 25), d=st.integers(1, 5), seed=st.integers(0, 1000))
def test_herding_is_the_papers_loop(n: int, d: int, seed: int) -> None:
    """Also past half of the samples, where public code that deletes rows went astray."""
    rows = torch.randn(n, d, generator=Generator().manual_seed(seed)).double()
    gaps = [
        [float((rows.mean(0) - rows[list(some)].mean(0)).norm()) for some in prefixes(order)]
        for order in (herding(rows, n).tolist(), herded(rows.tolist(), n))
    ]
    assert sorted(herding(rows, n).tolist()) == list(range(n))
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-9)


def prefixes(order: list[int]) -> list[list[int]]:
    return [order[:k] for k in range(1, len(order) + 1)]


def test_herding_by_hand() -> None:
    """The mean is 3: 2 (4 is as near, but later), then 4, then 0 (mean 2; with 9 it were 5)."""
    points = torch.tensor([[0.0], [2.0], [9.0], [4.0], [0.0]])
    assert herding(points, 3).tolist() == [1, 3, 0]


def test_a_shorter_list_is_the_head_of_a_longer_one() -> None:
    rows = torch.randn(30, 4, generator=Generator().manual_seed(0))
    orders = [herding(rows, count).tolist() for count in (0, 1, 5, 30, 50)]
    assert [len(order) for order in orders] == [0, 1, 5, 30, 30]
    for shorter, longer in pairwise(orders):
        assert longer[: len(shorter)] == shorter


def test_herding_stands_better_for_the_mean_than_chance() -> None:
    rows = torch.randn(200, 8, generator=Generator().manual_seed(0))
    gap = float((rows[herding(rows, 10)].mean(0) - rows.mean(0)).norm())
    chance = [
        float((rows[torch.randperm(200)[:10]].mean(0) - rows.mean(0)).norm()) for _ in range(20)
    ]
    assert gap < min(chance)


# What is trained on a memory alone


def test_cutmix_pastes_the_same_box_of_another_image() -> None:
    """Images are filled with their label, so each pixel tells where it comes from."""
    y = torch.arange(1, 7)
    x = y.float()[:, None, None, None].expand(-1, 3, 8, 8).contiguous()
    shares = []
    for seed in range(200):
        mixed, other, share = cutmix(x, y, Generator().manual_seed(seed))
        stays = mixed == x
        assert torch.equal(mixed, torch.where(stays, x, other[:, None, None, None].float()))
        moved = other != y
        assert all(float(part.float().mean()) == share for part in stays[moved])
        assert sorted(other.tolist()) == y.tolist()
        shares.append(share)
    assert min(shares) == 1 - 36 / 64  # the largest box is of 7 x 7, of which halves are taken
    assert 0.5 < sum(shares) / 200 < 0.8  # half, and what boxes lose at borders
    assert torch.equal(x[:, 0, 0, 0], y.float())  # the given images are left alone


def test_cutmix_leaves_vectors() -> None:
    x, y = torch.randn(4, 6), torch.arange(4)
    mixed, other, share = cutmix(x, y, Generator())
    assert torch.equal(mixed, x)
    assert torch.equal(other, y)
    assert share == 1


def test_a_view_rehearses_each_stored_sample_once_a_pass(tmp_path: Path) -> None:
    source = gaussians()
    run, meter = begun(tmp_path, Finetune, stream_of(source), source), FlopMeter()
    view = run.update(run.built(), 1, meter)
    before, raw, y = (meter.steps, meter.samples), torch.randn(12, 6), torch.arange(12)
    batches = list(view.rehearse(raw, y, Training(batch_size=5), passes=3))
    assert [len(labels) for _, labels in batches] == 3 * [5, 5, 2]
    orders = [torch.cat([labels for _, labels in batches[i : i + 3]]) for i in (0, 3, 6)]
    assert all(sorted(order.tolist()) == y.tolist() for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert all(torch.equal(x, raw[labels]) for x, labels in batches)
    assert (meter.steps - before[0], meter.samples - before[1]) == (9, 36)
