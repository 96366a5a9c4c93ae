"""What of a stream a method is shown at an update: what the protocol grants and its card needs."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from clbench.card import Card
from clbench.source.base import IntArray
from clbench.stream import Stream, Update


@dataclass(frozen=True)
class Grants:
    """What one update shows.

    `past` and `retained` are train ids, None where they are not granted; `labelled` says whether
    labels come with the update's samples, `shown` whether those are handed out at all.
    """

    update: Update
    past: IntArray | None = None
    retained: IntArray | None = None
    labelled: bool = True
    shown: bool = True

    def without_data(self) -> "Grants":
        """The same with nothing to train on: no sample to learn, none retained."""
        none = self.update.samples[:0]
        if self.update.kind == "forget":
            return replace(self, retained=none)
        return replace(self, update=replace(self.update, samples=none))


def grants(stream: Stream, version: int, card: Card, beyond: Collection[str]) -> Grants:
    """What the update that makes a version shows to a method of this card.

    A need that the protocol grants is met for those alone who have it; `beyond` are those that are
    met whatever the protocol says, in full.
    """
    update, rules = stream.updates[version - 1], stream.protocol
    forgets = update.kind == "forget"
    labels = rules.forget_labels or "forget-labels" in beyond
    past = "past" in card.needs and (rules.past == "all" or "past" in beyond)
    retained = update.retained if forgets and "retained" in card.needs else None
    if forgets and "retained" in beyond:
        retained = stream.retained(version)
    return Grants(
        update if "task-ids" in card.needs else replace(update, task=None),
        past=stream.retained(version - 1) if past else None,
        retained=retained,
        labelled=not forgets or ("forget-labels" in card.needs and labels),
        shown=not (forgets and card.retained_only),
    )


def lacking(card: Card, stream: Stream) -> tuple[str, ...]:
    """What the card needs and the protocol does not grant, or grants in part.

    What is needed to forget is lacking only where the stream has it forget.
    """
    rules, forgets = stream.protocol, any(u.kind == "forget" for u in stream.updates)
    denied = {
        "past": rules.past == "none",
        "task-ids": not rules.task_ids,
        "retained": forgets and rules.retained is None,
        "forget-labels": forgets and not rules.forget_labels,
        "retraining": forgets and rules.retrain_share is not None,
    }
    return tuple(need for need in card.needs if denied[need])


def beyond(card: Card, stream: Stream) -> tuple[str, ...]:
    """What a control is given beyond the protocol: all that it needs, but for task ids."""
    if not card.control:
        return ()
    part = "retained" in card.needs and stream.protocol.retained not in (None, 1)
    found = {*lacking(card, stream), *(["retained"] if part else [])} - {"task-ids"}
    return tuple(need for need in card.needs if need in found)
