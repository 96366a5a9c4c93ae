"""l1-sparse finetuning: the penalty by hand, its fading, and that it makes weights sparse."""

from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from by_hand import ONE_STEP, Loss, asked, before_and_after, both, stepped
from clbench.method import Network
from clbench_methods.finetune_retain import FinetuneRetain
from clbench_methods.l1_sparse import L1Sparse
from living import assert_close, same, weights

GONE = range(0, 80, 8)


def penalised(kept: Any, weight: float) -> Loss:
    def loss(model: Network) -> torch.Tensor:
        everything = torch.cat([p.flatten() for p in model.parameters()])
        return cross_entropy(model(kept[0]), kept[1]) + weight * everything.abs().sum()

    return loss


def test_the_penalty_fades_from_epoch_to_epoch(tmp_path: Path) -> None:
    given = {"gamma": 0.08, "unlearning": ONE_STEP | {"epochs": 4}}
    run = asked(tmp_path, L1Sparse, GONE, **given)
    original, unlearned = before_and_after(run)
    kept = both(run)[1]
    losses = [penalised(kept, weight) for weight in (0.08, 0.06, 0.04, 0.02)]
    assert_close(weights(unlearned), stepped(original.model, *losses), rtol=1e-4, atol=1e-6)


def test_the_last_epochs_can_be_plain(tmp_path: Path) -> None:
    given = {"gamma": 0.08, "plain_epochs": 2, "unlearning": ONE_STEP | {"epochs": 4}}
    run = asked(tmp_path, L1Sparse, GONE, **given)
    original, unlearned = before_and_after(run)
    losses = [penalised(both(run)[1], weight) for weight in (0.08, 0.04, 0, 0)]
    assert_close(weights(unlearned), stepped(original.model, *losses), rtol=1e-4, atol=1e-6)


def test_without_penalty_it_is_finetuning(tmp_path: Path) -> None:
    training = ONE_STEP | {"epochs": 3, "batch_size": 16}
    one = asked(tmp_path, L1Sparse, GONE, gamma=0, unlearning=training)
    two = asked(tmp_path, FinetuneRetain, GONE, unlearning=training)
    assert same(weights(before_and_after(one)[1]), weights(before_and_after(two)[1]))


def test_weights_become_smaller_in_sum(tmp_path: Path) -> None:
    sizes = []
    for gamma in (0.0, 0.1):
        given = {"gamma": gamma, "unlearning": ONE_STEP | {"epochs": 20, "batch_size": 16}}
        unlearned = before_and_after(asked(tmp_path, L1Sparse, GONE, **given))[1]
        sizes.append(float(sum(p.abs().sum() for p in weights(unlearned).values())))
    assert sizes[1] < sizes[0] / 2
