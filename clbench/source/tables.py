"""Tables of images in the hub's layout, from a local folder or from the hub."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clbench.errors import ClbenchError, listing
from clbench.paths import data_dir

ROWS = 512
TEST_NAMES = ("test", "validation", "valid")


@dataclass(frozen=True)
class Table:
    """A split: its schema, number of rows, files (none if from the hub) and batches of columns.

    `batches` takes column names and yields for each batch where it begins and the columns.
    """

    schema: pa.Schema
    count: int
    files: tuple[Path, ...]
    batches: Callable[[Sequence[str]], Iterator[tuple[str, int, pa.Table]]]


def local_files(root: Path, config: str | None) -> tuple[list[Path], list[Path]]:
    """The parquet files of train and of test, which may be called validation or valid.

    Looked for in `root`, or in `root/config`, and in the `data` folder there.

    Raises:
        ClbenchError: a split has no files or lacks one of them.
    """
    base = root / str(config) if config else root
    for folder in (base, base / "data"):
        train = sorted(folder.glob("train-*.parquet"))
        test = next(filter(None, (sorted(folder.glob(f"{t}-*.parquet")) for t in TEST_NAMES)), [])
        if train and test:
            return _complete(train), _complete(test)
    found = listing(sorted(str(path.relative_to(root)) for path in root.rglob("*.parquet"))[:5])
    raise ClbenchError(
        f"{base} needs train-*.parquet and test-*.parquet, there or in its data folder; "
        f"parquet files in {root}: {found} (config= names a subfolder)"
    )


def _complete(files: list[Path]) -> list[Path]:
    """The files themselves unless their names, `...-00000-of-00005...`, say that some lack."""
    for file in files:
        numbered = re.search(r"-(\d+)-of-(\d+)", file.name)
        if numbered and int(numbered[2]) != len(files):
            raise ClbenchError(
                f"{file.parent} has {len(files)} of the {int(numbered[2])} files that go with "
                f"{file.name}; fetch the others"
            )
    return files


def local_table(files: Sequence[Path]) -> Table:
    """The rows of some parquet files.

    Raises:
        ClbenchError: a file cannot be read or has other columns than the first.
    """
    opened = [_parquet(file) for file in files]
    for file, each in zip(files, opened, strict=True):
        if not each.schema_arrow.equals(opened[0].schema_arrow):
            raise ClbenchError(
                f"{file} has columns {listing(each.schema_arrow.names)} of other names or types "
                f"than {files[0]}; keep files of one data set together"
            )

    def batches(columns: Sequence[str]) -> Iterator[tuple[str, int, pa.Table]]:
        for file, each in zip(files, opened, strict=True):
            row = 0
            for batch in _guarded(file, each.iter_batches(ROWS, columns=list(columns))):
                yield str(file), row, pa.Table.from_batches([batch])
                row += len(batch)

    count = sum(each.metadata.num_rows for each in opened)
    return Table(opened[0].schema_arrow, count, tuple(files), batches)


def hub_tables(name: str, config: str | None) -> tuple[Table, Table]:
    """The train and test split of a data set on the hub, through the `datasets` library.

    Raises:
        ClbenchError: the library is not installed, or the data set cannot be loaded.
    """
    try:
        import datasets
    except ImportError as error:
        raise ClbenchError(
            f"huggingface: put the parquet files of {name} into {data_dir() / name} (CLBENCH_DATA "
            "chooses the data folder), or load it from the hub: pip install clbench[hub]"
        ) from error
    try:
        splits = datasets.load_dataset(name, config)
    except Exception as error:
        raise ClbenchError(f"the hub's data set {name} cannot be loaded: {error}") from error
    test = next((split for split in TEST_NAMES if split in splits), None)
    if "train" not in splits or test is None:
        raise ClbenchError(
            f"the hub's data set {name} has the splits {listing(splits)}; need train and test"
        )
    return _hub_table(name, splits["train"]), _hub_table(name, splits[test])


def _hub_table(name: str, dataset: Any) -> Table:
    def batches(columns: Sequence[str]) -> Iterator[tuple[str, int, pa.Table]]:
        row = 0
        for table in dataset.with_format("arrow").select_columns(list(columns)).iter(ROWS):
            yield f"the hub's {name}", row, table
            row += len(table)

    return Table(dataset.features.arrow_schema, len(dataset), (), batches)


def _parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _guarded(file: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> ClbenchError:
    return ClbenchError(f"{file} cannot be read as parquet: {error}; fetch it again")
