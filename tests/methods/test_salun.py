"""SalUn: relabelling with a mask that holds, whatever the optimiser does."""

from pathlib import Path
from typing import Any

import pytest
import torch

from by_hand import ONE_STEP, asked, before_and_after
from clbench.method import Network
from clbench.model import masking
from clbench_methods import salun
from clbench_methods.relabel import RandomLabel
from clbench_methods.salun import SalUn
from living import same, weights

GONE = range(0, 80, 8)


@pytest.mark.parametrize(
    "optimiser",
    [
        {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        {"optimiser": "adamw", "weight_decay": 0.1},
    ],
)
def test_weights_outside_of_the_mask_stay_under_decay_and_momentum(
    tmp_path: Path, optimiser: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[masking.Masks] = []

    def noted(*given: Any) -> masking.Masks:
        found.append(masking.most_salient(*given))
        return found[-1]

    monkeypatch.setattr(salun, "most_salient", noted)
    given = {"unlearning": ONE_STEP | {"batch_size": 16, "epochs": 3} | optimiser}
    original, unlearned = before_and_after(asked(tmp_path, SalUn, GONE, **given))
    [free] = found
    total = 0
    for name, before in weights(original).items():
        after, moves = weights(unlearned)[name], free[name]
        assert torch.equal(after[~moves], before[~moves])
        total += int((after[moves] != before[moves]).sum())
    assert total > 0.9 * sum(int(moves.sum()) for moves in free.values())


def test_with_all_weights_free_it_is_random_relabelling(tmp_path: Path) -> None:
    training = {"unlearning": ONE_STEP | {"batch_size": 16, "epochs": 3, "momentum": 0.9}}
    one = asked(tmp_path, SalUn, GONE, share=1.0, **training)
    two = asked(tmp_path, RandomLabel, GONE, **training)
    assert same(weights(before_and_after(one)[1]), weights(before_and_after(two)[1]))


def test_the_mask_is_of_the_samples_to_forget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: list[torch.Tensor] = []

    def noted(model: Network, chunks: Any, share: float) -> masking.Masks:
        batches = list(chunks)
        ids.extend(batch.ids for batch in batches)
        return masking.most_salient(model, batches, share)

    monkeypatch.setattr(salun, "most_salient", noted)
    before_and_after(asked(tmp_path, SalUn, GONE, unlearning=ONE_STEP))
    assert torch.cat(ids).tolist() == list(GONE)
