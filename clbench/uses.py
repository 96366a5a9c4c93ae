"""What a run uses beyond the data of each update, in words that stand beside its method."""

from collections.abc import Iterable

from clbench.record import RunRecord

UNKNOWN = "?"
MEANING = {
    "replay": "stored samples of past updates",
    "labels": "stored labels of past samples",
    "task ids": "the task of each update",
    "past": "all past training data",
    "retained": "data that is to be kept, while it forgets",
    "forget labels": "labels of the samples that it is to forget",
    "pretrained": "weights or features from other data",
    "alive": "objects that live on between updates: the method is not made anew from its state",
    UNKNOWN: "recorded by a version that did not say",
}
STORED = {"samples": "replay", "labels": "labels"}
GRANTS = {
    "task-ids": "task ids",
    "past": "past",
    "retained": "retained",
    "forget-labels": "forget labels",
}


def uses(record: RunRecord) -> tuple[str, ...]:
    """What of `MEANING` a run uses, by its method's card and the weights that it loaded."""
    method = record.method
    if method.needs is None or method.stores is None or record.pretrained is None:
        return (UNKNOWN,)
    found = {GRANTS[need] for need in method.needs if need in GRANTS}
    found |= {STORED[method.stores]} if method.stores in STORED else set()
    found |= {"pretrained"} if record.pretrained else set()
    found |= set() if record.carry else {"alive"}
    return tuple(word for word in MEANING if word in found)


def caption(words: Iterable[str]) -> str:
    """What the words mean, as far as they occur; empty where none does."""
    found = set(words)
    meanings = [f"{word}: {about}" for word, about in MEANING.items() if word in found]
    return f"Uses are {'; '.join(meanings)}." if meanings else ""
