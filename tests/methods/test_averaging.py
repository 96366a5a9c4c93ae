"""Averaging: at 1 it is finetuning, at 0 old answers stay, between it is the line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clbench.method import Method, Space
from clbench.model.averaging import interpolate
from clbench.play import Run
from clbench_methods.averaging import Averaging
from clbench_methods.do_nothing import DoNothing
from clbench_methods.finetune import Finetune
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Method], **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=3), source, **SMALL | given)


class Normalised(Averaging):
    """With BatchNorm: its running statistics are a part of what answers."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))


class NormalisedNothing(DoNothing):
    """The same network."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))


def test_all_of_the_new_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    one = versions(runs(tmp_path, Averaging, alpha=1))
    for method, plain in zip(one, versions(runs(tmp_path, Finetune)), strict=True):
        assert same(weights(method), weights(plain))


@pytest.mark.parametrize(
    ("kind", "nothing"), [(Averaging, DoNothing), (Normalised, NormalisedNothing)]
)
def test_none_of_the_new_answers_on_old_classes_as_before(
    tmp_path: Path, kind: type[Method], nothing: type[Method]
) -> None:
    run = runs(tmp_path, kind, alpha=0)
    x, _ = data(run, 1)
    for method, plain in zip(versions(run), versions(runs(tmp_path, nothing)), strict=True):
        assert torch.equal(method.predict(x)[:, :2], plain.predict(x)[:, :2])


def test_between_it_is_the_line_and_new_rows_are_as_trained(tmp_path: Path) -> None:
    first, second = versions(runs(tmp_path, Averaging, alpha=0.25))
    _, trained = versions(runs(tmp_path, Finetune))
    old, new, found = weights(first), weights(trained), weights(second)
    for name, before in old.items():
        rows = len(before)
        expected = 0.75 * before + 0.25 * new[name][:rows]
        torch.testing.assert_close(found[name][:rows], expected)
        assert torch.equal(found[name][rows:], new[name][rows:])


def test_statistics_are_interpolated_and_counters_are_not() -> None:
    old, new = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    new(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    mean, count = new.running_mean.clone(), new.num_batches_tracked.clone()  # type: ignore[union-attr]
    interpolate(new, old, 0.25)
    torch.testing.assert_close(new.running_mean, 0.25 * mean)
    assert new.num_batches_tracked == count
