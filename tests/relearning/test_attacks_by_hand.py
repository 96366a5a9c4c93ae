"""Relearning attacks against loops written out here, and against independent implementations."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from clbench.method import Network, Space
from clbench.metric.relearning import prototype_relearning
from clbench.relearnfile import Curve, Missing
from clbench.relearning.drawing import drawn, shares, shots
from clbench.relearning.embedded import by_prototypes, nearest
from clbench.relearning.labelled import Labelled, batches, shuffled
from clbench.relearning.training import (
    judged,
    recover,
    recovered_head,
    recovery_steps,
    relearning_curve,
)
from clbench.samples import Samples

CPU = torch.device("cpu")


def network(classes: int = 3, d: int = 4) -> Network:
    torch.manual_seed(0)
    made = Network("mlp,width=8,depth=1", Space((d,), CPU))
    made.grow(classes)
    return made


def labelled(n: int, classes: int = 3, d: int = 4, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    return Labelled.of(Samples(x, rng.integers(0, classes, n), CPU), np.arange(n))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def curve_of(data: Labelled) -> Curve:
    found = relearning_curve(network(), data, seeded())
    assert isinstance(found, Curve)
    return found


class TestRelearning:
    def test_the_curve_is_that_of_a_loop_written_by_hand(self) -> None:
        data, model = labelled(70), network()
        x, y = data.some(torch.arange(70))
        optimiser, generator = torch.optim.Adam(model.parameters(), lr=1e-3), seeded()
        correct, loss = [], []

        def look() -> None:
            with torch.no_grad():
                correct.append(int((model(x).argmax(1) == y).sum()))
                loss.append(float(cross_entropy(model(x), y)))

        look()
        for _ in range(10):
            for rows in torch.randperm(70, generator=generator).split(32):
                optimiser.zero_grad()
                cross_entropy(model(x[rows]), y[rows]).backward()
                optimiser.step()
                look()
        found = curve_of(data)
        assert found.steps == tuple(range(31))  # three batches an epoch: each is looked at
        assert found.epoch == 3
        assert found.correct == tuple(correct)
        assert found.loss == pytest.approx(loss, abs=1e-5)

    def test_a_long_epoch_is_looked_at_five_times_and_at_its_end(self) -> None:
        found = curve_of(labelled(32 * 12))
        assert found.epoch == 12
        assert found.steps[:6] == (0, 3, 6, 9, 12, 15)
        found = curve_of(labelled(32 * 11))
        assert found.steps[:6] == (0, 3, 6, 9, 11, 14)
        assert found.steps[-1] == 110

    def test_a_single_sample_is_no_batch(self) -> None:
        assert [len(rows) for rows in batches(torch.arange(65), 32)] == [32, 33]
        assert [len(rows) for rows in batches(torch.arange(1), 32)] == [1]

    def test_a_network_that_diverges_says_so(self) -> None:
        model = network()
        with torch.no_grad():
            model.head.weight.fill_(float("inf"))
        found = relearning_curve(model, labelled(5), seeded())
        assert isinstance(found, Missing)
        assert "not finite" in found.why


class TestRecovery:
    def test_the_head_is_that_of_a_loop_written_by_hand(self) -> None:
        data = labelled(20)
        features, y = data.asked(nn.Identity()), data.y
        head = nn.Linear(4, 3)
        nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
        optimiser = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        for _ in range(200):  # of 20 samples a step is a pass, and 10 passes are too few
            optimiser.zero_grad()
            cross_entropy(head(features), y).backward()
            optimiser.step()
        found = recovered_head(features, y, 3, seeded())
        torch.testing.assert_close(found.weight, head.weight, atol=1e-5, rtol=1e-4)

    def test_all_of_a_network_goes_on_from_its_weights(self) -> None:
        data, model = labelled(20), network()
        other = copy.deepcopy(model)
        x, y = data.some(torch.arange(20))
        optimiser = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        for _ in range(200):
            optimiser.zero_grad()
            cross_entropy(other(x), y).backward()
            optimiser.step()
        recover(model, data, seeded())
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)

    def test_ten_epochs_or_two_hundred_steps(self) -> None:
        assert recovery_steps(30) == 200
        assert recovery_steps(128 * 25) == 250

    def test_passes_are_whole_and_end_in_the_middle_of_one(self) -> None:
        rows = [r.tolist() for r in shuffled(5, 2, 5, seeded())]  # 2 + 3 samples a pass
        assert sorted(rows[0] + rows[1]) == sorted(rows[2] + rows[3]) == list(range(5))
        assert len(rows[4]) == 2


class TestEmbeddings:
    def test_prototypes_answer_as_the_metric_on_arrays_says(self) -> None:
        rng = np.random.default_rng(0)
        features, queries = rng.normal(size=(30, 5)), rng.normal(size=(40, 5))
        labels, right = rng.choice([0, 2, 5], 30), rng.choice([0, 2, 5], 40)
        tensors = (torch.tensor(each) for each in (features, labels, queries))
        share = (by_prototypes(*tensors).numpy() == right).mean()
        assert share == prototype_relearning(features, labels, queries, right)

    def test_neighbours_are_the_tenth_nearest_by_brute_force(self) -> None:
        rng = np.random.default_rng(1)
        kept, gone = rng.normal(size=(50, 3)), rng.normal(size=(7, 3))
        apart = [min(np.linalg.norm(a - b) for b in gone) for a in kept]
        expected = sorted(np.argsort(apart)[:5].tolist())
        assert nearest(torch.tensor(kept), torch.tensor(gone)).tolist() == expected
        assert len(nearest(torch.zeros(0, 3), torch.tensor(gone))) == 0
        assert len(nearest(torch.tensor(kept[:3]), torch.tensor(gone))) == 1


class TestWhatAnAttackerHas:
    def test_a_share_of_each_class_and_one_sample_at_least(self) -> None:
        y = np.repeat([0, 1, 2], [200, 100, 3])
        found = drawn(np.arange(303) + 1000, y, shares(0.02), seed=0)
        assert np.bincount(y[found - 1000]).tolist() == [4, 2, 1]
        assert (np.diff(found) > 0).all()

    def test_five_of_a_class_but_not_more_than_half(self) -> None:
        assert [shots(5)(n) for n in (1, 2, 3, 8, 10, 100)] == [1, 1, 1, 4, 5, 5]

    def test_another_seed_draws_others_and_one_seed_the_same(self) -> None:
        one, again, other = (
            drawn(np.arange(100), np.zeros(100, int), shares(0.1), seed) for seed in (0, 0, 1)
        )
        assert one.tolist() == again.tolist() != other.tolist()
        assert len(drawn(np.zeros(0, int), np.zeros(0, int), shares(0.1), 0)) == 0


def test_answers_are_judged_by_hand() -> None:
    correct, loss = judged(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([1, 0]))
    assert correct == 1
    assert loss == pytest.approx((np.log(2) + np.log1p(np.exp(-3))) / 2)
