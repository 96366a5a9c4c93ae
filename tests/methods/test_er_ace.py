"""ER-ACE: new samples do not push old classes down."""

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from clbench import state
from clbench.cost import FlopMeter
from clbench.seeds import derive
from clbench_methods.er_ace import ERACE
from clbench_methods.finetune import Finetune
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def test_while_the_memory_is_empty_it_is_finetuning(tmp_path: Path) -> None:
    source = gaussians()
    given = SMALL | {"training": {"batch_size": 40}}  # the first update is one step
    stream = stream_of(source, epochs=1)
    one = next(versions(begun(tmp_path, ERACE, stream, source, **given)))
    two = next(versions(begun(tmp_path, Finetune, stream, source, **given)))
    assert same(weights(one), weights(two))


def test_a_step_follows_the_sum_of_both_losses(tmp_path: Path) -> None:
    """New samples: softmax over classes 2 and 3, those of the batch; old ones: over all four."""
    source = gaussians()
    given = SMALL | {"buffer": 40, "training": {"batch_size": 40, "lr": 0.5}}
    run = begun(tmp_path, ERACE, stream_of(source, epochs=1), source, **given)
    first = next(versions(run))
    method = run.rebuilt(state.pack(first.state()))
    run.update(method, 2, FlopMeter())

    model = first.model
    torch.manual_seed(derive(0, "update", 2))  # which draws the new rows of the head
    model.grow(4)
    (x1, y1), (x2, y2) = data(run, 1), data(run, 2)
    new = cross_entropy(model(x2)[:, 2:], y2 - 2)
    (new + cross_entropy(model(x1), y1)).backward()
    expected = {name: (p - 0.5 * p.grad).detach() for name, p in model.named_parameters()}
    assert_close(weights(method), expected, rtol=1e-5, atol=1e-6)


def test_each_sample_is_offered_to_the_memory_once(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, ERACE, stream_of(source, epochs=3), source, buffer=10, **SMALL)
    assert [method.memory.seen for method in versions(run)] == [40, 80]
