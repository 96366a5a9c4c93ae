"""The recorded answers of one version: logits to a Parquet table and back, without torch.

Every table has the compact columns; the `full` form adds the logits themselves (float16).
Rows are the evaluation sets that the version was asked, one after the other in the stream's
order, so the rows of an earlier version are a prefix of those of a later one.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import logsumexp

from clbench.errors import ClbenchError
from clbench.settings import Form

TOP = 5
HALF_MAX = float(np.finfo(np.float16).max)
IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Asked:
    """Which samples a version was asked, row by row: evaluation set, train or test id, answer."""

    eval: IntArray  # [n] index of the evaluation set
    sample: IntArray  # [n] id in the split of that set
    label: IntArray  # [n] label in the stream


def to_parquet(asked: Asked, logits: FloatArray, form: Form) -> bytes:
    """Logits [n, C] (float32, finite) as the bytes of a Parquet file.

    Columns: `eval`, `sample`, `label`, `predicted` (argmax), `label_logit`, `logsumexp`,
    `margin` (label logit minus log-sum-exp of the others, +inf with one class), `top_class` and
    `top_logit` (the 5 largest, descending), and with `full` also `logits`, cut off where float16
    ends.
    """
    n, width = logits.shape
    k = min(TOP, width)
    top = np.argsort(-logits, axis=1, kind="stable")[:, :k].astype(np.int32)
    columns: dict[str, pa.Array] = {
        "eval": pa.array(asked.eval.astype(np.int16)),
        "sample": pa.array(asked.sample.astype(np.int32)),
        "label": pa.array(asked.label.astype(np.int32)),
        "predicted": pa.array(top[:, 0] if n else np.zeros(0, np.int32)),
        **{key: pa.array(value) for key, value in _scalars(logits, asked.label).items()},
        "top_class": _rows(top),
        "top_logit": _rows(np.take_along_axis(logits, top.astype(np.int64), 1).astype(np.float32)),
    }
    if form == "full":
        columns["logits"] = _rows(logits.clip(-HALF_MAX, HALF_MAX).astype(np.float16))
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def _scalars(logits: FloatArray, label: IntArray) -> dict[str, FloatArray]:
    """Label logit, log-sum-exp and margin [n], as float32."""
    rows = np.arange(len(logits))
    wide = logits.astype(np.float64)
    if not len(wide):
        empty = np.zeros(0, np.float32)
        return {"label_logit": empty, "logsumexp": empty, "margin": empty}
    label_logit = wide[rows, label]
    others = wide.copy()
    others[rows, label] = -np.inf
    with np.errstate(divide="ignore"):
        margin = label_logit - logsumexp(others, axis=1)
    return {
        "label_logit": label_logit.astype(np.float32),
        "logsumexp": logsumexp(wide, axis=1).astype(np.float32),
        "margin": margin.astype(np.float32),
    }


def _rows(array: npt.NDArray[np.generic]) -> pa.Array:
    """[n, k] as a column of fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), max(1, array.shape[1]))


def from_parquet(data: bytes, columns: list[str], where: str) -> dict[str, npt.NDArray[np.generic]]:
    """Chosen columns of a predictions file as arrays, lists as [n, k].

    Raises:
        ClbenchError: the bytes are not a predictions table with these columns.
    """
    try:
        # three times as fast as read_table, which goes through a data set
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ClbenchError(f"{where} is not a predictions table: {error}") from error
    if missing := [c for c in columns if c not in table.column_names]:
        raise ClbenchError(f"{where} lacks the column {missing[0]!r}; has {table.column_names}")
    if holes := [c for c in columns if table.column(c).null_count]:
        raise ClbenchError(f"{where}: column {holes[0]!r} has nulls; every row needs a value")
    return {name: _array(table.column(name)) for name in columns}


def _array(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.chunk(0) if flat.num_chunks else pa.array([], column.type)
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        values: npt.NDArray[np.generic] = flat.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(-1, width)
    result: npt.NDArray[np.generic] = flat.to_numpy(zero_copy_only=False)
    return result
