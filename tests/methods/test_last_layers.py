"""CF-k and EU-k: layers before the last k stay, and all layers are the whole model."""

from pathlib import Path
from typing import Any

import pytest
import torch

from by_hand import ONE_STEP, asked, before_and_after
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench_methods.finetune_retain import FinetuneRetain
from clbench_methods.last_layers import CFk, EUk
from clbench_methods.retrain import Retrain
from living import same, weights

GONE = range(0, 80, 8)
TRAINING = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "batch_size": 16, "epochs": 3}
DEEP: dict[str, Any] = {"backbone": "mlp,width=8,depth=2", "unlearning": TRAINING}


@pytest.mark.parametrize("kind", [CFk, EUk])
@pytest.mark.parametrize("k", [1, 2])
def test_the_last_k_layers_move_and_no_other(tmp_path: Path, kind: type[Method], k: int) -> None:
    original, unlearned = before_and_after(asked(tmp_path, kind, GONE, k=k, **DEEP))
    before, after = weights(original), weights(unlearned)
    trained = list(before)[-2 * k :]
    for name, weight in before.items():
        assert torch.equal(weight, after[name]) == (name not in trained)


def test_finetuning_all_layers_is_finetuning(tmp_path: Path) -> None:
    one = asked(tmp_path, CFk, GONE, k=3, **DEEP)
    two = asked(tmp_path, FinetuneRetain, GONE, **DEEP)
    assert same(weights(before_and_after(one)[1]), weights(before_and_after(two)[1]))


def test_all_layers_anew_are_the_retrained_model(tmp_path: Path) -> None:
    one = asked(tmp_path, EUk, GONE, k=3, **DEEP | {"training": TRAINING})
    plain = {"backbone": DEEP["backbone"], "training": TRAINING}
    two = asked(tmp_path, Retrain, GONE, **plain)
    assert same(weights(before_and_after(one)[1]), weights(before_and_after(two)[1]))


def test_layers_start_from_where_the_run_started(tmp_path: Path) -> None:
    frozen = DEEP | {"unlearning": ONE_STEP | {"lr": 1e-30}}
    run = asked(tmp_path, EUk, GONE, k=2, **frozen)
    start, unlearned = weights(run.built()), weights(before_and_after(run)[1])
    for name in list(start)[2:4]:  # of the second layer; the head had no rows yet
        assert torch.equal(start[name], unlearned[name])


@pytest.mark.parametrize("kind", [CFk, EUk])
def test_too_many_layers_are_refused_before_anything_is_trained(
    tmp_path: Path, kind: type[Method]
) -> None:
    run = asked(tmp_path, kind, GONE, k=4, **DEEP)
    with pytest.raises(ClbenchError, match="has k=4, and its network 3 layers; choose 1 to 3"):
        run.built()
