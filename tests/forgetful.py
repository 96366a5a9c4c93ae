"""Streams of one learn update and one request to forget, and what is played on them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench import state
from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.method import Method
from clbench.play import Run
from clbench.source.base import Source
from clbench.stream import Protocol, Stream, Update
from clbench.view import View
from clbench_scenarios.class_incremental import class_incremental
from living import begun


def request(source: Source, forget: Sequence[int], **protocol: Any) -> Stream:
    """Learn all training samples, then forget some; by default all that is kept may be read."""
    rules = Protocol(**({"retained": 1.0} | protocol))
    base = class_incremental(source, "test", rules, increment=len(source.classes))
    (learn,) = base.updates
    ids = np.asarray(forget, dtype=np.int64)
    classes = np.unique(base.label_map(len(source.classes))[source.train.y[ids]])
    kept = np.setdiff1d(learn.samples, ids)
    granted = kept[: round(len(kept) * rules.retained)] if rules.retained else None
    asked = Update(1, "forget", ids, classes, retained=granted)
    return replace(base, updates=(learn, asked))


def forgetting(
    folder: Path, kind: type[Method], source: Source, forget: Sequence[int], **given: Any
) -> Run:
    """A run of such a stream, nothing played yet; `protocol` is for its rules."""
    rules = given.pop("protocol", {})
    return begun(folder, kind, request(source, forget, **rules), source, **given)


def learnt(run: Run) -> Method:
    """The original: made anew from what it carries after the learn update."""
    method = run.built()
    run.update(method, 1, FlopMeter())
    return run.rebuilt(state.pack(method.state()))


def forgotten(run: Run, original: Method) -> tuple[Method, View]:
    """What the request makes of a copy of an original, and the view that was handed to it."""
    method = run.rebuilt(state.pack(original.state()))
    view = run.update(method, 2, FlopMeter())
    return run.rebuilt(state.pack(method.state())), view


def samples(run: Run, *, forget: bool) -> tuple[Tensor, Tensor]:
    """Prepared inputs and labels of what is to be forgotten, or of what is retained."""
    learn, asked = run.stream.updates
    ids = asked.samples if forget else np.setdiff1d(learn.samples, asked.samples)
    rows = torch.from_numpy(ids)
    train = run.samples["train"]
    return to_input(train.gather(rows)), train.y[rows]


def accuracy(method: Method, x: Tensor, y: Tensor) -> float:
    return float((method.predict(x).argmax(1) == y).float().mean())
