"""One pass of a version over its evaluation samples, checked before it is recorded."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.prediction import Asked
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.source.base import IntArray
from clbench.stream import EvalSet, SplitName, Stream

BATCH = 512
# Values in a batch on a CPU, 64 small images: beyond, their activations are paged in anew each
# time, at two thirds of the speed.
CPU_VALUES = 64 * 3 * 32 * 32
PROBE = 512


def asked_of(stream: Stream, labels: Mapping[SplitName, IntArray], version: int) -> Asked:
    """Which samples a version is asked: the sets that are due, in the stream's order."""
    due = [(i, e) for i, e in enumerate(stream.evals) if e.since <= version]
    return Asked(
        eval=_joined([np.full(len(e.samples), i, dtype=np.int64) for i, e in due]),
        sample=_joined([e.samples for _, e in due]),
        label=_joined([labels[e.split][e.samples] for _, e in due]),
    )


def predict(
    ask: Callable[[Tensor], Tensor],
    stream: Stream,
    samples: Mapping[SplitName, Samples],
    version: int,
    where: str,
    meter: FlopMeter,
    narrowest: int | None = None,
) -> np.ndarray:
    """Logits [asked samples, classes seen] of a version, float32.

    In the middle of an update a method may not know all classes yet: `narrowest` is the least width
    accepted, and logits that are missing are set to the lowest finite value. `where` tells errors.

    Where the protocol gives task ids at test, the logits of other tasks' classes are set to the
    lowest finite value, so that the prediction is made among the sample's own.

    Raises:
        ClbenchError: the method returns a wrong shape or values that are not finite.
    """
    due = [e for e in stream.evals if e.since <= version]
    n_classes = stream.n_classes(version)
    least = n_classes if narrowest is None else narrowest
    parts = [np.zeros((0, n_classes), np.float32)]
    for split, evaluations in groupby(due, lambda e: e.split):
        ids = np.concatenate([e.samples for e in evaluations])
        inputs = _inputs(samples[split], ids, meter)
        parts += [_checked(ask(x), len(x), least, n_classes, where) for x in inputs]
    logits = np.concatenate(parts)
    return _among_own(logits, due) if stream.protocol.task_ids else logits


def embed(
    ask: Callable[[Tensor], Tensor],
    samples: Samples,
    ids: IntArray,
    version: int,
    who: str,
    meter: FlopMeter,
) -> Tensor:
    """Embeddings [len(ids), d] of the probe samples."""
    parts = []
    for x in _inputs(samples, ids, meter):
        found = ask(x)
        if not isinstance(found, Tensor):
            raise ClbenchError(
                f"{who}.embed at version {version} returned a {type(found).__name__}; "
                "need a tensor [B, d]"
            )
        if found.ndim != 2 or len(found) != len(x) or not bool(torch.isfinite(found).all()):
            raise ClbenchError(
                f"{who}.embed at version {version} returned {tuple(found.shape)} for {len(x)} "
                "inputs, or values that are not finite; need finite [B, d]"
            )
        parts.append(found.float().cpu())
    return torch.cat(parts)


def probe_ids(stream: Stream) -> IntArray:
    """The fixed test samples that every version embeds: up to 512, chosen by the stream's hash."""
    pools = [e.samples for e in stream.evals if e.split == "test"]
    pool = np.unique(np.concatenate(pools)) if pools else np.zeros(0, np.int64)
    order = np.random.default_rng(derive(0, "probe", stream.fingerprint)).permutation(len(pool))
    return np.sort(pool[order[:PROBE]])


def _inputs(samples: Samples, ids: IntArray, meter: FlopMeter) -> Iterator[Tensor]:
    on_cpu = samples.device.type == "cpu"
    size = max(1, CPU_VALUES // math.prod(samples.shape)) if on_cpu else BATCH
    with meter.loop() as loop:
        for some in torch.from_numpy(ids).to(samples.device).split(size):
            loop.step(len(some))
            yield to_input(samples.gather(some))


def _checked(logits: object, count: int, least: int, n_classes: int, who: str) -> np.ndarray:
    if not isinstance(logits, Tensor):
        raise ClbenchError(f"{who} returned a {type(logits).__name__}; need a tensor of logits")
    if logits.ndim != 2 or len(logits) != count or not least <= logits.shape[1] <= n_classes:
        raise ClbenchError(
            f"{who} returned shape {tuple(logits.shape)}; need {(count, n_classes)}: "
            "a row an input, a logit for each class seen so far"
        )
    array: np.ndarray = logits.detach().float().cpu().numpy()
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise ClbenchError(
            f"{who} returned NaN or infinite logits for {bad} of {count} inputs; "
            "lower the learning rate or look for a division by zero"
        )
    if missing := n_classes - array.shape[1]:
        return np.pad(array, ((0, 0), (0, missing)), constant_values=np.finfo(array.dtype).min)
    return array


def _among_own(logits: np.ndarray, due: Sequence[EvalSet]) -> np.ndarray:
    masked = np.full_like(logits, np.finfo(logits.dtype).min)
    end = 0
    for evaluation in due:
        rows = slice(end, end := end + len(evaluation.samples))
        masked[rows, evaluation.classes] = logits[rows, evaluation.classes]
    return masked


def _joined(arrays: list[IntArray]) -> IntArray:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
