"""SISA: forgetting is retraining without the samples, to the bit; what it carries, how it votes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clbench import state
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.memory.lookup import Lookup
from clbench.method import View
from clbench.model.voting import majority, mean_probability
from clbench.play import Run
from clbench.source.digits import digits
from clbench.stream import Stream
from clbench_methods.sisa import SISA
from forgetful import forgetting, forgotten, learnt, request
from living import begun, gaussians, stream_of, versions

SMALL: dict[str, Any] = {"backbone": "mlp,width=8", "shards": 3, "slices": 4}
FEW = [5, 17, 40]


def played(folder: Path, **given: Any) -> tuple[Any, Any, Run]:
    run = forgetting(folder, SISA, gaussians(), FEW, **SMALL | given)
    original = learnt(run)
    return original, forgotten(run, original)[0], run


def pieces(method: Any) -> dict[tuple[str, str], Any]:
    return {(s, r): each for s, chain in method.chains.items() for r, each in chain.items()}


def equal(one: Any, two: Any) -> bool:
    """Whether two slices hold the same ids and have left the same weights, to the last bit."""
    return torch.equal(one["ids"], two["ids"]) and all(
        torch.equal(t, two["weights"][name]) for name, t in one["weights"].items()
    )


def dealt(original: Any) -> list[list[Tensor]]:
    return [[each["ids"] for each in chain.values()] for chain in original.chains.values()]


def never_saw(original: Any, stream: Stream) -> type[SISA]:
    """SISA that is dealt what an original was, but for the samples of the request."""
    gone = torch.from_numpy(stream.updates[1].samples)

    class Dealt(SISA):
        def deal(self, ids: Tensor, view: View) -> list[list[Tensor]]:
            return [[p[~torch.isin(p, gone)] for p in parts] for parts in dealt(original)]

    return Dealt


@pytest.mark.parametrize("images", [False, True])
def test_forgetting_is_never_having_seen(tmp_path: Path, images: bool) -> None:
    """Trained from scratch on the rest, dealt alike: every checkpoint is the same to the bit."""
    source = digits() if images else gaussians()
    training = {"epochs": 2 if images else 5, "momentum": 0.9, "augment": "crop-flip"}
    given = SMALL | {"training": training}
    run = forgetting(tmp_path, SISA, source, FEW, **given)
    original: Any = learnt(run)
    found: Any = forgotten(run, original)[0]

    learn, _ = run.stream.updates
    kept = np.setdiff1d(learn.samples, FEW)
    stream = replace(run.stream, updates=(replace(learn, samples=kept),))
    other = begun(tmp_path / "other", never_saw(original, run.stream), stream, source, **given)
    expected: Any = learnt(other)
    assert pieces(found).keys() == pieces(expected).keys()
    for where, each in pieces(found).items():
        assert equal(each, pieces(expected)[where]), where


def first_hit(chain: dict[str, Any]) -> int:
    """Where the first slice is that holds a sample of the request; behind the last if none."""
    hit = [int(r) for r, each in chain.items() if set(each["ids"].tolist()) & {*FEW}]
    return min(hit, default=len(chain))


def test_only_what_comes_after_the_samples_is_retrained(tmp_path: Path) -> None:
    original, found, _ = played(tmp_path)
    for s, chain in original.chains.items():
        first = first_hit(chain)
        for r, each in chain.items():
            assert equal(each, found.chains[s][r]) == (int(r) < first)


def test_nothing_of_the_request_is_left(tmp_path: Path) -> None:
    _, found, _ = played(tmp_path)
    left = torch.cat([each["ids"] for each in pieces(found).values()])
    assert sorted(left.tolist()) == sorted({*range(80)} - {*FEW})


def test_slices_share_the_epochs(tmp_path: Path) -> None:
    """2 E / (R + 1) a slice: E = 10 and R = 4 are 4 each, and samples seen are E times all."""
    run = forgetting(tmp_path, SISA, gaussians(), FEW, **SMALL | {"shards": 2})
    meter = FlopMeter()
    run.update(run.built(), 1, meter)
    shown = 80
    assert meter.samples - shown == 10 * 80


@pytest.mark.parametrize(
    ("epochs", "slices", "expected"),
    [(10, 4, [4, 4, 4, 4]), (10, 3, [5, 5, 5]), (3, 3, [1, 2, 1]), (1, 3, [1, 1, 1])],
)
def test_a_slice_has_its_part_of_the_epochs(
    epochs: int, slices: int, expected: list[int], tmp_path: Path
) -> None:
    """Where they do not divide, sums are rounded down; one at least."""
    training = {"epochs": epochs}
    run = forgetting(tmp_path, SISA, gaussians(), FEW, slices=slices, training=training)
    method: Any = run.built()
    view = View(run.stream.updates[0], run.samples["train"], **rest(run))
    assert [method._epochs(k, view) for k in range(1, slices + 1)] == expected


def rest(run: Run) -> dict[str, Any]:
    return {"n_classes": 4, "protocol": run.stream.protocol, "seed": 0}


def test_it_carries_a_network_and_the_ids_for_each_slice(tmp_path: Path) -> None:
    original, found, _ = played(tmp_path)
    network = sum(t.nbytes for t in original.networks[0].state_dict().values())
    for method, ids in ((original, 80), (found, 77)):
        tensors = state.pack(method.state())[state.TENSORS]
        held = 3 * 4 * network + 8 * ids
        assert held < len(tensors) < held + 200 * 12 * len(original.networks[0].state_dict())


def test_a_request_may_come_after_more_was_learnt(tmp_path: Path) -> None:
    """Shards go back to a slice of the first update, whose classes are fewer, and come again."""
    source = gaussians()
    base = stream_of(source, increment=2, retained=1.0)
    first, second = base.updates
    ids = first.samples[:2]
    kept = np.setdiff1d(np.concatenate([first.samples, second.samples]), ids)
    asked = replace(request(source, ids).updates[1], index=2, samples=ids, retained=kept)
    run = begun(tmp_path, SISA, replace(base, updates=(first, second, asked)), source, **SMALL)
    _, before, after = versions(run)
    x = torch.zeros(1, 6)
    assert before.predict(x).shape == after.predict(x).shape == (1, 4)
    widths = [each["weights"]["head.weight"].shape[0] for each in after.chains["0"].values()]
    assert widths == [2] * 4 + [4] * 4


def test_of_a_part_of_the_retained_data_shards_hold_that_part(tmp_path: Path) -> None:
    """Retrained slices are left with what may be read, the others with what they learnt."""
    original, found, run = played(tmp_path, protocol={"retained": 0.5})
    granted = set(run.stream.updates[1].retained.tolist())  # type: ignore[union-attr]
    for s, chain in original.chains.items():
        first = first_hit(chain)
        for r, each in chain.items():
            kept = [i for i in each["ids"].tolist() if int(r) < first or i in granted]
            assert found.chains[s][r]["ids"].tolist() == kept


def test_more_shards_than_samples_are_refused(tmp_path: Path) -> None:
    run = forgetting(tmp_path, SISA, gaussians(), FEW, shards=81)
    with pytest.raises(ClbenchError, match="81 shards and the first update 80 samples"):
        learnt(run)


def test_the_majority_wins_and_ties_go_to_the_larger_mean() -> None:
    sure, unsure = [9.0, 0.0, 0.0], [0.0, 1.0, 0.5]
    two_to_one = torch.tensor([[sure], [unsure], [unsure]])
    assert majority(two_to_one).argmax(1).tolist() == [1]
    assert mean_probability(two_to_one).argmax(1).tolist() == [0]
    tie = torch.tensor([[sure], [unsure]])
    assert majority(tie).argmax(1).tolist() == [0]


def test_votes_are_a_distribution_of_finite_logarithms() -> None:
    torch.manual_seed(0)
    logits = 200 * torch.randn(5, 30, 4)
    for answer in (majority(logits), mean_probability(logits)):
        assert torch.isfinite(answer).all()
        torch.testing.assert_close(answer.exp().sum(1), torch.ones(30))
    votes = torch.nn.functional.one_hot(logits.argmax(2), 4).sum(0)
    most = votes.amax(1)
    assert (votes.gather(1, majority(logits).argmax(1, keepdim=True))[:, 0] == most).all()


def test_no_class_has_no_votes() -> None:
    assert majority(torch.zeros(3, 2, 0)).shape == (2, 0)


def test_a_lookup_gives_samples_in_the_order_of_the_ids(tmp_path: Path) -> None:
    run = forgetting(tmp_path, SISA, gaussians(), FEW)
    view = View(run.stream.updates[0], run.samples["train"], **rest(run))
    lookup = Lookup(view.chunks(7))
    ids = torch.tensor([30, 2, 79])
    raw, y = lookup.of(ids)
    assert torch.equal(raw, run.samples["train"].gather(ids))
    assert torch.equal(y, run.samples["train"].y[ids])
    with pytest.raises(ClbenchError, match=r"does not show 1 of .* such as id 99"):
        lookup.of(torch.tensor([2, 99]))
    assert lookup.among(torch.tensor([99, 30, 2])).tolist() == [30, 2]
    assert Lookup([]).of(torch.zeros(0).long())[1].shape == (0,)
