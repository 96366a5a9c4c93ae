"""What an update cost, as the ledger has it: what repeats, and what a clock read."""

import json
import time
from collections.abc import Mapping
from typing import Any

import torch

from clbench import state
from clbench.cost import FlopMeter, peak_memory, reset_peak_memory
from clbench.prober import Prober
from clbench.state import State

Files = dict[str, bytes]


class Books:
    """Begun with an update, they close with two files: `cost.json` and `clock.json`."""

    def __init__(self, device: torch.device) -> None:
        reset_peak_memory(device)
        self._device, self._clock = device, [time.perf_counter()]
        self._before = 0.0

    def tick(self) -> None:
        """The update is over, then the answering."""
        self._clock.append(time.perf_counter())

    def took_before(self, seconds: float) -> None:
        """Of the update's training, so many seconds were spent before, in an ensemble."""
        self._before = seconds

    def closed(
        self,
        learning: FlopMeter,
        asking: FlopMeter,
        tree: State,
        carried: Files,
        skipped: int,
        prober: Prober | None,
    ) -> Files:
        """The two files, of what an update and answering cost and of the state that it left."""
        start, learnt, answered = self._clock
        cost = {
            "flops_learn": learning.total,
            "flops_predict": asking.total,
            "steps": learning.steps,
            "samples_seen": learning.samples,
            "state_bytes": size(carried),
            "state_parts": state.sizes(tree),
        }
        if learning.gate:
            cost |= {
                "flops_charged": learning.charged,
                "stopped_by": learning.gate.stopped_by,
                "samples_skipped": skipped,
            }
        readings = {
            "learn_seconds": learnt - start + self._before,
            "predict_seconds": answered - learnt,
            "peak_memory_bytes": peak_memory(self._device),
        }
        if prober:
            prober.settle(cost, readings)
        return {"cost.json": _json(cost), "clock.json": _json(readings)}


def size(files: Files) -> int:
    """Bytes of some files."""
    return sum(map(len, files.values()))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode()
