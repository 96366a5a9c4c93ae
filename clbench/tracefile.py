"""The answers of the probes inside an update, as `trace.parquet`, without torch.

A row is a probe's answer to a sample: `step` (steps of the update that were done), `shown`
(samples of the stream that it had handed out by then, repeats included), `eval`, `sample`, `label`
as in the predictions, and `predicted` (-1: no output yet for any class that counts). Probes follow
each other, the last one being the version itself; all ask the same samples, in one order.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clbench.prediction import Asked, IntArray

TRACE = "trace.parquet"


@dataclass(frozen=True)
class Probe:
    """One probe: when it was, and the answers [n]."""

    step: int
    shown: int
    predicted: IntArray


def trace_parquet(asked: Asked, probes: Sequence[Probe]) -> bytes:
    """The bytes of the file for at least one probe of the samples asked [n]."""
    times, n = len(probes), len(asked.sample)
    columns = {
        "step": np.repeat([each.step for each in probes], n).astype(np.int32),
        "shown": np.repeat([each.shown for each in probes], n).astype(np.int64),
        "eval": np.tile(asked.eval, times).astype(np.int16),
        "sample": np.tile(asked.sample, times).astype(np.int32),
        "label": np.tile(asked.label, times).astype(np.int32),
        "predicted": np.concatenate([each.predicted for each in probes]).astype(np.int32),
    }
    sink = io.BytesIO()
    # With dictionaries what repeats from probe to probe takes next to no room.
    pq.write_table(pa.table(columns), sink, compression="zstd", use_dictionary=True)
    return sink.getvalue()
