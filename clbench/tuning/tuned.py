"""`tuned.toml`: what `clbench tune` chose, with what was spent on it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from clbench.errors import ClbenchError
from clbench.files import write_atomic, writing
from clbench.record import TuningRecord
from clbench.tuning.toml import to_toml


class Tuned(BaseModel):
    """The choice for one method on one stream: all its hyperparameters, and how they were found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hyperparameters: dict[str, Any]
    tuning: TuningRecord


class TunedFile(BaseModel):
    """All choices of one `clbench tune`, by stream and method."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    digest: str  # of the rest: values that were changed by hand are not tuned
    streams: dict[str, dict[str, Tuned]]


def write_tuned(path: Path, streams: Mapping[str, Mapping[str, Tuned]]) -> None:
    """Write the choices, by stream and method, as TOML; values that are none are left out."""
    tables = {
        stream: {
            name: {
                "hyperparameters": _without_none(each.hyperparameters),
                "tuning": _without_none(each.tuning.model_dump(mode="json")),
            }
            for name, each in methods.items()
        }
        for stream, methods in streams.items()
    }
    content = {"schema_version": 1, "digest": _digest(tables), "streams": tables}
    with writing(path):
        write_atomic(path, to_toml(content).encode())


def read_tuned(path: Path) -> TunedFile:
    """Read the choices.

    Raises:
        ClbenchError: there is no such file, it is not what `clbench tune` writes, or was edited.
    """
    try:
        content = tomllib.loads(path.read_text())
        found = TunedFile.model_validate(content)
    except FileNotFoundError:
        raise ClbenchError(f"{path} does not exist; clbench tune writes it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClbenchError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ClbenchError(
            f"{path}: {field}: {first['msg']}; --tuned takes what clbench tune writes, and "
            "--config a table of hyperparameters a method"
        ) from None
    if _digest(content["streams"]) != found.digest:
        raise ClbenchError(
            f"{path} was edited, so its values are not those that were tuned; run clbench tune "
            "again, or give your values with --config"
        )
    return found


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


def _digest(tables: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()
