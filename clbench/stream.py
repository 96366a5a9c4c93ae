"""A stream is a document: which samples are learned, forgotten or trained on anew at which update.

It holds numpy index arrays and plain values only, no images and no torch. Labels in a stream
are positions in `class_order`, so a model's outputs grow to the right as classes arrive.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from clbench.protocol import Protocol
from clbench.source.base import IntArray, Source, update_digest
from clbench.spec import Spec

__all__ = ["EvalSet", "Kind", "Protocol", "SplitName", "Stream", "Update", "labels_digest"]

SCHEMA_VERSION = 1
Kind = Literal["learn", "forget", "replace"]
SplitName = Literal["train", "test"]


@dataclass(frozen=True)
class Update:
    """One step in a model's life.

    At a `replace` update a newer version takes over. It is trained on `samples`, which are all that
    it may learn from: none comes from the updates before it. With which seed and backbone is the
    method's affair, so that one stream serves all.

    `retained` are the ids that a forget update grants of what is to be kept, where the protocol
    grants any; they are drawn once, here, so that all methods see the same.
    """

    index: int
    kind: Kind
    samples: IntArray  # [n] train ids to learn, to forget, or all that a replacement learns from
    classes: IntArray  # labels first seen here (learn, replace) or hit here (forget)
    task: int | None = None  # only where the protocol gives task ids
    retained: IntArray | None = None


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
        for update in self.updates:
            if update.retained is not None:
                digest.update(f"retained {update.index}".encode())
                update_digest(digest, update.retained)
        return digest.hexdigest()

    def label_map(self, n_source_classes: int) -> IntArray:
        """[n_source_classes]: class of the source -> label in this stream (-1: not in it)."""
        mapping = np.full(n_source_classes, -1, dtype=np.int64)
        mapping[self.class_order] = np.arange(len(self.class_order))
        return mapping

    def n_classes(self, version: int) -> int:
        """How many classes a version has seen: the width of its logits."""
        learned = [u.classes for u in self.updates[:version] if u.kind != "forget"]
        return max((int(classes.max()) + 1 for classes in learned if len(classes)), default=0)

    def retained(self, version: int) -> IntArray:
        """Train ids that a version has learned and was not asked to forget, sorted."""
        kept = np.zeros(0, dtype=np.int64)
        for update in self.updates[:version]:
            combine = np.setdiff1d if update.kind == "forget" else np.union1d
            kept = combine(kept, update.samples)
        return kept


def labels_digest(source: Source) -> str:
    """SHA-256 of all labels of a source, train then test."""
    digest = hashlib.sha256()
    update_digest(digest, source.train.y)
    update_digest(digest, source.test.y)
    return digest.hexdigest()
