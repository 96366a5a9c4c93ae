"""From the files of a ledger to arrays and records that agree with its `run.json`."""

from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.prediction import from_parquet

Columns = dict[str, npt.NDArray[Any]]
File = TypeVar("File", bound=BaseModel)

PREDICTIONS = "predictions.parquet"
ASKED = ["eval", "sample", "label", "predicted", "label_logit", "logsumexp"]
LAST = [*ASKED, "top_logit"]


class Cost(BaseModel):
    """`cost.json` of one version: what is the same in every repeat.

    Only under a budget of compute are there `flops_charged` (what counted towards it), `stopped_by`
    (what ended a training loop, if anything did) and `samples_skipped` (in its first pass).
    """

    model_config = ConfigDict(frozen=True)
    flops_learn: int = Field(ge=0)
    flops_predict: int = Field(ge=0)
    state_bytes: int = Field(ge=0)
    state_parts: dict[str, int]
    samples_seen: int = Field(ge=0)
    steps: int = Field(ge=0)
    flops_charged: float | None = Field(None, ge=0, allow_inf_nan=False)
    stopped_by: Literal["flops", "seconds"] | None = None
    samples_skipped: int | None = Field(None, ge=0)


class Clock(BaseModel):
    """`clock.json` of one version: what depends on the machine."""

    model_config = ConfigDict(frozen=True)
    learn_seconds: float = Field(ge=0, allow_inf_nan=False)
    predict_seconds: float = Field(ge=0, allow_inf_nan=False)
    peak_memory_bytes: int = Field(ge=0)


def read_answers(
    ledger: Ledger, versions: int, split: Literal["train", "test"]
) -> tuple[Columns, ...]:
    """The answers of the first versions on the evaluation sets of a split, row by row.

    All versions have the columns `ASKED`, the last one those of `LAST`. The rows of a version are
    the first rows of the last one.

    Raises:
        ClbenchError: a file is missing, altered, holds a number that is not finite, or has other
            rows than `run.json` and the last version say.
    """
    evals, last = ledger.record.stream.evals, versions - 1
    if [each.since for each in evals] != sorted(each.since for each in evals):
        raise ClbenchError(f"{ledger.path / 'run.json'}: stream.evals are not ordered by `since`")
    tables = [
        read_version(ledger, version, ASKED if version < last else LAST)
        for version in range(versions)
    ]
    for version, table in enumerate(tables[:-1]):
        for name in ("sample", "label"):
            if not np.array_equal(table[name], tables[-1][name][: len(table[name])]):
                raise ClbenchError(
                    f"{_file(ledger, version)}: column {name!r} differs from that of version "
                    f"{last} on the same rows; rerun {ledger.path}"
                )
    inside = np.array([each.split == split for each in evals], dtype=bool)
    return tuple(tables if inside.all() else [_rows(table, inside) for table in tables])


def read_version(ledger: Ledger, version: int, columns: list[str]) -> Columns:
    """Columns of one version, on exactly the evaluation sets that it was to be asked."""
    where = _file(ledger, version)
    table = from_parquet(ledger.read(version, PREDICTIONS), columns, where)
    evals = ledger.record.stream.evals
    asked = [each.samples if each.since <= version else 0 for each in evals]
    if not np.array_equal(table["eval"], np.repeat(np.arange(len(evals)), asked)):
        raise ClbenchError(
            f"{where}: column 'eval' has {len(table['eval'])} rows that are not the {sum(asked)} "
            f"rows of the evaluation sets in run.json; rerun {ledger.path}"
        )
    for name in columns:
        if table[name].dtype.kind == "f" and not np.isfinite(table[name]).all():
            raise ClbenchError(f"{where}: column {name!r} has values that are not finite")
    return table


def _rows(table: Columns, inside: npt.NDArray[np.bool_]) -> Columns:
    """The rows of some evaluation sets; `inside` [E]."""
    rows = inside[table["eval"]]
    return {name: column[rows] for name, column in table.items()}


def read_each(ledger: Ledger, versions: int, name: str, schema: type[File]) -> tuple[File, ...]:
    """A small JSON file of each of the first versions, validated.

    Raises:
        ClbenchError: one is missing, altered or does not fit the schema.
    """
    return tuple(read_json(ledger, version, name, schema) for version in range(versions))


def read_json(ledger: Ledger, version: int, name: str, schema: type[File]) -> File:
    """A small JSON file of a version, validated.

    Raises:
        ClbenchError: it is missing, altered or does not fit the schema.
    """
    data = ledger.read(version, name)
    try:
        return schema.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        file = ledger.folder(version) / name
        raise ClbenchError(f"{file}: {field}: {first['msg']}; restore it or rerun") from error


def _file(ledger: Ledger, version: int) -> str:
    return str(ledger.folder(version) / PREDICTIONS)
