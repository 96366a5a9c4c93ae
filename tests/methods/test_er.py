"""ER: one pass over new and remembered samples, each counting the same."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from clbench import state
from clbench.cost import FlopMeter
from clbench.seeds import derive
from clbench_methods.er import ER
from clbench_methods.finetune import Finetune
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def test_while_the_memory_is_empty_it_is_finetuning(tmp_path: Path) -> None:
    source = gaussians()
    given = SMALL | {"training": {"batch_size": 40}}  # the first update is one step
    stream = stream_of(source, epochs=1)
    one = next(versions(begun(tmp_path, ER, stream, source, **given)))
    two = next(versions(begun(tmp_path, Finetune, stream, source, **given)))
    assert same(weights(one), weights(two))


def test_remembered_samples_count_as_much_as_new_ones(tmp_path: Path) -> None:
    """A step on 40 new and 40 remembered samples follows the mean over all 80."""
    source = gaussians()
    given = SMALL | {"buffer": 40, "training": {"batch_size": 40, "lr": 0.5}}
    run = begun(tmp_path, ER, stream_of(source, epochs=1), source, **given)
    first = next(versions(run))
    method = run.rebuilt(state.pack(first.state()))
    run.update(method, 2, FlopMeter())

    model = first.model
    torch.manual_seed(derive(0, "update", 2))  # which draws the new rows of the head
    model.grow(4)
    (x1, y1), (x2, y2) = data(run, 1), data(run, 2)
    cross_entropy(model(torch.cat([x1, x2])), torch.cat([y1, y2])).backward()
    expected = {name: (p - 0.5 * p.grad).detach() for name, p in model.named_parameters()}
    assert_close(weights(method), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("epochs", [1, 3])
def test_each_sample_is_offered_to_the_memory_once(tmp_path: Path, epochs: int) -> None:
    source = gaussians()
    run = begun(tmp_path, ER, stream_of(source, epochs=epochs), source, buffer=10, **SMALL)
    assert [method.memory.seen for method in versions(run)] == [40, 80]


def test_it_forgets_less_than_finetuning(tmp_path: Path) -> None:
    source = gaussians()
    kept = {}
    for kind in (ER, Finetune):
        run = begun(tmp_path, kind, stream_of(source, epochs=20), source, **SMALL)
        *_, last = versions(run)
        x, y = data(run, 1)
        kept[kind] = float((last.predict(x).argmax(1) == y).float().mean())
    assert kept[ER] > kept[Finetune] + 0.5
