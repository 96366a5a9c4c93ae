"""Whether what a stream asks to be forgotten can be: it was learnt, and is still there."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray
from clbench.stream import Stream, Update


def check_requests(stream: Stream) -> None:
    """Refuse forget updates of ids that are not there to be forgotten, or repeat themselves.

    Raises:
        ClbenchError: ids were never learnt, were forgotten before or come twice in a request; or
            the retained data that an update grants are not what the protocol and the request leave.
    """
    for version, update in enumerate(stream.updates):
        if update.kind == "forget":
            where = f"{stream.name}: update {version + 1} asks to forget"
            _check_request(where, update.samples, *_known(stream, version))
            _check_retained(stream, update, version)


def _known(stream: Stream, version: int) -> tuple[IntArray, IntArray]:
    """Ids that a version has learnt at some time, and those of them that it still has."""
    learned = [u.samples for u in stream.updates[:version] if u.kind != "forget"]
    every = np.unique(np.concatenate(learned)) if learned else np.zeros(0, dtype=np.int64)
    return every, stream.retained(version)


def _check_request(where: str, ids: IntArray, learnt: IntArray, kept: IntArray) -> None:
    if len(strange := np.setdiff1d(ids, learnt)):
        raise ClbenchError(
            f"{where} {len(strange)} samples that were never learnt, such as id {strange[0]}; "
            "ask for ids of earlier learn updates"
        )
    if len(gone := np.setdiff1d(ids, kept)):
        raise ClbenchError(
            f"{where} {len(gone)} samples that are forgotten already, such as id {gone[0]}; "
            "learn them again first, or leave them out"
        )
    if len(np.unique(ids)) < len(ids):
        raise ClbenchError(f"{where} some ids twice; name each once")


def _check_retained(stream: Stream, update: Update, version: int) -> None:
    where = f"{stream.name}: update {version + 1}"
    if (update.retained is None) != (stream.protocol.retained is None):
        raise ClbenchError(
            f"{where} names {'no' if update.retained is None else 'some'} retained data, and the "
            f"protocol has retained={stream.protocol.retained}; both must grant them, or neither"
        )
    if update.retained is None:
        return
    strange = np.setdiff1d(update.retained, stream.retained(version + 1))
    if len(strange):
        raise ClbenchError(
            f"{where} grants {len(strange)} retained samples that are not there to be retained, "
            f"such as id {strange[0]}; they must be learnt and not forgotten"
        )
