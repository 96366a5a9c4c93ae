"""What cannot be: every reason why a method cannot play a stream, told before anything is trained.

Streams that cannot be made are refused by their generators, when they are opened.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from clbench import state
from clbench.card import Card
from clbench.errors import ClbenchError, listing
from clbench.grants import beyond, lacking
from clbench.method import Method, make_method
from clbench.model.network import Space
from clbench.pretrained import noting, of_source
from clbench.record import RunRecord
from clbench.requests import check_requests
from clbench.settings import Precision
from clbench.source.base import Source
from clbench.stream import Stream
from clbench.tapping import check_layers

LABEL_BYTES = 8
REFUSALS = {
    "past": "past data, which {} does not grant",
    "task-ids": "task ids at test, which {} hides",
    "retained": "retained data to forget, which {} does not grant; grant all by retained=1",
    "forget-labels": "labels of the samples to forget, which {} hides: forget_labels is false",
    "retraining": "the compute of training anew, of which {} allows a share: retrain_share is set",
}


def check_plays(card: Card, stream: Stream) -> None:
    """Refuse a stream that the method does not play.

    Raises:
        ClbenchError: a kind of update that it does not play, a need that is not granted, or fewer
            passes over an update than it takes; or a request to forget that cannot be met.
    """
    if missing := sorted({u.kind for u in stream.updates} - set(card.plays)):
        raise ClbenchError(
            f"{card.name} plays {listing(card.plays)}, but {stream.name} has updates of kind "
            f"{listing(missing)}"
        )
    if stream.updates and stream.updates[0].kind == "replace":
        raise ClbenchError(
            f"{stream.name} begins with an update of kind replace, and there is no model yet; let "
            "it begin with one of kind learn"
        )
    check_requests(stream)
    for need in lacking(card, stream):
        if need not in beyond(card, stream):
            raise ClbenchError(f"{card.name} needs {REFUSALS[need].format(stream.name)}")
    if card.passes == "many" and stream.protocol.online:
        raise ClbenchError(
            f"{card.name} takes many passes over an update, and {stream.name} is online: each "
            "sample comes once; choose a method of one pass (clbench list methods)"
        )


def check_probes(every: int | None, stream: Stream) -> None:
    """Refuse probes inside updates whose budget is time: they would decide where training stops.

    Raises:
        ClbenchError: there are both.
    """
    if every is not None and stream.protocol.seconds is not None:
        raise ClbenchError(
            f"{stream.name} has a budget of {stream.protocol.seconds:g} seconds, of which probes "
            "would take a part; leave --probe-every out, or set a budget of flops"
        )


def check_device(name: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ClbenchError: it has no such name, or this machine has none.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ClbenchError(f"device {name!r} cannot be used: {reason}") from None


def tried(record: RunRecord, stream: Stream, source: Source, kind: type[Method]) -> RunRecord:
    """The record with what building the method told: the pretrained weights that it rests on.

    Raises:
        ClbenchError: the method cannot be built for these samples, such as for want of layers in
            its backbone, or has no layer of a name whose outputs are asked for; or the protocol's
            memory is below the empty model and one sample.
    """
    hyperparameters = json.dumps(record.hyperparameters, sort_keys=True)
    budget = stream.protocol.memory_bytes
    shape, weighed = source.train.shape, budget is not None
    setup = _SetUp(kind, hyperparameters, shape, record.precision, weighed, record.layers)
    found = _trial(setup)
    if budget is not None:
        _check_memory(record, source, found.state_bytes, budget)
    names = dict.fromkeys((*of_source(source.spec), *found.pretrained))
    return record.model_copy(update={"pretrained": tuple(names)})


@dataclass(frozen=True)
class _SetUp:
    """What building a method depends on, but for the seed; hyperparameters as JSON."""

    kind: type[Method]
    hyperparameters: str
    shape: tuple[int, ...]
    precision: Precision
    weighed: bool  # where memory is capped; packing a large state takes seconds
    layers: tuple[str, ...]  # that are asked for


@dataclass(frozen=True)
class _Trial:
    """What building a method told: bytes of its empty state, names of weights that it loaded."""

    state_bytes: int
    pretrained: tuple[str, ...]


@lru_cache(maxsize=64)  # the seeds of a set-up share a trial
def _trial(setup: _SetUp) -> _Trial:
    method = make_method(setup.kind, json.loads(setup.hyperparameters))
    # Runs are seeded by themselves, and torch's generator is the caller's.
    with torch.random.fork_rng(devices=[]), noting() as pretrained:
        method.build(Space(setup.shape, torch.device("cpu"), setup.precision))
    check_layers(method, setup.layers)
    packed = state.pack(method.state()) if setup.weighed else {}
    return _Trial(sum(map(len, packed.values())), tuple(pretrained))


def _check_memory(record: RunRecord, source: Source, empty: int, budget: int) -> None:
    sample = math.prod(source.train.shape) * source.train.x.itemsize + LABEL_BYTES
    needed = empty + sample * (record.method.stores == "samples")
    if needed > budget:
        more = f", and a stored sample takes {sample:,}" if needed > empty else ""
        raise ClbenchError(
            f"{record.method.name} carries {empty:,} bytes before its first update{more}; the "
            f"protocol of {record.stream.name} allows {budget:,}: allow {needed:,} or more, or "
            "choose a smaller model"
        )
