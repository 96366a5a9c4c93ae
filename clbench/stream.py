"""A stream is a document: which sample ids are learned or forgotten at which update.

It holds numpy index arrays and plain values only, no images and no torch. Labels in a stream
are positions in `class_order`, so a model's outputs grow to the right as classes arrive.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source, update_digest
from clbench.spec import Spec

SCHEMA_VERSION = 1
Kind = Literal["learn", "forget", "replace"]
SplitName = Literal["train", "test"]
Setting = Literal["class-incremental", "task-incremental", "domain-incremental"]


@dataclass(frozen=True)
class Protocol:
    """What a method may see and spend.

    `task_ids`: predictions are made among the classes of the sample's task. `past`: `none`, or
    `all` past training data at every update. `memory_bytes`: cap on all that a method carries
    between updates, its model included (None: measured, not capped). `epochs`: passes over each
    update's data (None: the method chooses). `online`: each sample is handed out once, in order of
    arrival, and nothing is said about boundaries. `flops`: training FLOPs of an update, by our
    count; `seconds`: the same by the clock, so that a repeat may stop elsewhere. Training loops
    stop before they would be exceeded (`clbench.budget`). `memory_adjusted`: a training step
    is charged its FLOPs x its peak memory (`clbench.live`) / that of a step of full finetuning
    (FoMo-in-Flux, 2408.14471).

    Raises:
        ClbenchError: a cap is not positive, a task-incremental setting gives no task ids, or an
            online one gives them, or more than one epoch; or `memory_adjusted` adjusts no `flops`.
    """

    setting: Setting = "class-incremental"
    task_ids: bool = False
    past: Literal["none", "all"] = "none"
    memory_bytes: int | None = None
    epochs: int | None = None
    online: bool = False
    flops: int | None = None
    seconds: float | None = None
    memory_adjusted: bool = False

    def chosen(self) -> dict[str, Any]:
        """The fields that differ from their defaults.

        Fingerprints hash these alone, so that a field that comes later changes no stream of today.
        """
        usual = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "epochs", "flops"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ClbenchError(f"protocol field {name} is {value}; it must be 1 or more")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ClbenchError(
                f"protocol field seconds is {self.seconds}; it must be above 0 and finite"
            )
        if self.memory_adjusted and self.flops is None:
            raise ClbenchError(
                "protocol field memory_adjusted is true; it adjusts a budget of FLOPs: flops=1e12"
            )
        if self.setting == "task-incremental" and not self.task_ids:
            raise ClbenchError(
                "protocol field task_ids is false; the setting task-incremental gives them: "
                "task_ids=true"
            )
        if self.online and (self.task_ids or self.epochs not in (None, 1)):
            raise ClbenchError(
                f"protocol field online is true; it needs task_ids=false and epochs=1, not "
                f"task_ids={str(self.task_ids).lower()} and epochs={self.epochs}"
            )


@dataclass(frozen=True)
class Update:
    """One step in a model's life."""

    index: int
    kind: Kind
    samples: IntArray  # [n] train ids to learn, or to forget
    classes: IntArray  # labels first seen here (learn) or hit here (forget)
    task: int | None = None  # only where the protocol gives task ids


@dataclass(frozen=True)
class EvalSet:
    """Samples on which a version is asked, from version `since` on (update i makes version i+1)."""

    name: str
    split: SplitName
    samples: IntArray
    since: int
    classes: IntArray  # the labels among which these samples fall


@dataclass(frozen=True)
class Stream:
    """Ordered updates, evaluation sets and the protocol, over the samples of one source."""

    name: str
    source: Spec
    class_order: IntArray  # [C]: label -> class of the source
    updates: tuple[Update, ...]
    evals: tuple[EvalSet, ...]
    protocol: Protocol
    labels: str  # SHA-256 of the source's labels: the answers that the ids refer to

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the materialised ids, the answers and the protocol; names do not count.

        Pixels do not count either, so a source and its frozen features share fingerprints.
        """
        head = {
            "schema": SCHEMA_VERSION,
            "protocol": self.protocol.chosen(),
            "labels": self.labels,
            "updates": [(u.index, u.kind, u.task) for u in self.updates],
            "evals": [(e.name, e.split, e.since) for e in self.evals],
        }
        digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        update_digest(digest, self.class_order)
        parts: tuple[Update | EvalSet, ...] = (*self.updates, *self.evals)
        for part in parts:
            update_digest(digest, part.samples)
            update_digest(digest, part.classes)
        return digest.hexdigest()

    def label_map(self, n_source_classes: int) -> IntArray:
        """[n_source_classes]: class of the source -> label in this stream (-1: not in it)."""
        mapping = np.full(n_source_classes, -1, dtype=np.int64)
        mapping[self.class_order] = np.arange(len(self.class_order))
        return mapping

    def n_classes(self, version: int) -> int:
        """How many classes a version has seen: the width of its logits."""
        learned = [u.classes for u in self.updates[:version] if u.kind == "learn"]
        return max((int(classes.max()) + 1 for classes in learned if len(classes)), default=0)

    def retained(self, version: int) -> IntArray:
        """Train ids that a version has learned and was not asked to forget, sorted."""
        kept = np.zeros(0, dtype=np.int64)
        for update in self.updates[:version]:
            combine = np.union1d if update.kind == "learn" else np.setdiff1d
            kept = combine(kept, update.samples)
        return kept


def labels_digest(source: Source) -> str:
    """SHA-256 of all labels of a source, train then test."""
    digest = hashlib.sha256()
    update_digest(digest, source.train.y)
    update_digest(digest, source.test.y)
    return digest.hexdigest()
