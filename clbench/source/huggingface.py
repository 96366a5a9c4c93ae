"""Image data sets in the hub's layout: parquet files in a local folder, or a name on the hub."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clbench.errors import ClbenchError, listing, unknown
from clbench.paths import data_dir, located
from clbench.source.base import Source, spec_of
from clbench.source.contents import Contents
from clbench.source.image import DECODER, Item, check_options, pending, shape_of
from clbench.source.store import stored
from clbench.source.tables import Table, hub_tables, local_files, local_table


def huggingface(
    path: str,
    label: str | None = None,
    image: str | None = None,
    config: str | None = None,
    size: int | None = None,
    channels: int | None = None,
) -> Source:
    """Images and labels of `train-*.parquet` and `test-*.parquet`, decoded once.

    `path` is a folder, looked for as given and under the data folder, or `owner/name` on the hub.
    Where there is no test split, `validation` or `valid` takes its place. The `image` column is a
    struct {bytes, path}, by default the only one; `label` by default the only integer column.
    Other integer columns become further labellings. Class names come from the hub's metadata in
    the schema, else from `<label>_names.txt` beside the files, else they are numbers.

    Raises:
        ClbenchError: data or a column is missing, or an image cannot be read or has another size.
    """
    check_options(size, channels)
    root = located(path)
    files = local_files(root, config) if root is not None and root.is_dir() else None
    if files is None and not re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
        raise ClbenchError(
            f"huggingface: there is no folder {path} in {Path.cwd()} or {data_dir()}, "
            "and a name on the hub is owner/name"
        )

    def contents() -> Contents:
        train, test = map(local_table, files) if files else hub_tables(path, config)
        images = _column("image", image, _image_columns(train.schema))
        labels = _column("label", label, _label_columns(train.schema))
        others = [name for name in _label_columns(train.schema) if name != labels]
        columns = [images, labels, *others]
        if lacking := [name for name in columns if name not in test.schema.names]:
            raise ClbenchError(
                f"huggingface: the test split of {path} lacks the columns {listing(lacking)} of "
                f"the train split; it has {listing(test.schema.names)}"
            )
        shape = shape_of(next(_items(train, columns)), size, channels)
        return Contents(
            _classes(labels, train, test),
            pending(_items(train, columns), train.count, shape, others, "decoding train"),
            pending(_items(test, columns), test.count, shape, others, "decoding test"),
        )

    def raw() -> Iterable[Path]:
        for split in files or ():
            yield from split
        if files:
            yield from sorted(files[0][0].parent.glob("*_names.txt"))

    options: dict[str, str | int | None]
    options = {"label": label, "image": image, "config": config, "size": size, "channels": channels}
    spec = spec_of("huggingface", path=path, **options)
    place = str(root) if files else f"hub:{path}"
    key = {"source": "huggingface", "place": place, **options, "decoder": DECODER}
    return stored(spec, key, contents, raw)


def _column(role: str, asked: str | None, candidates: Sequence[str]) -> str:
    """The column asked for, or the only one that can play the role."""
    if asked is not None:
        if asked not in candidates:
            raise unknown(f"{role} column", str(asked), candidates)
        return asked
    if len(candidates) != 1:
        raise ClbenchError(f"choose the {role} column with {role}=; found: {listing(candidates)}")
    return candidates[0]


def _image_columns(schema: pa.Schema) -> list[str]:
    def holds_images(kind: pa.DataType) -> bool:
        return pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}

    return [field.name for field in schema if holds_images(field.type)]


def _label_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_integer(field.type)]


def _items(table: Table, columns: Sequence[str]) -> Iterator[Item]:
    for where, first, batch in table.batches(columns):
        images, *labels = (batch[name].to_pylist() for name in columns)
        for i, (image, row) in enumerate(zip(images, zip(*labels, strict=True), strict=True)):
            here = f"{where}, row {first + i}"
            if None in row:
                raise ClbenchError(f"{here}: {columns[1 + row.index(None)]} is empty; need a label")
            yield Item(here, _encoded(image, here, local=bool(table.files)), row)


def _encoded(image: dict[str, object] | None, where: str, local: bool) -> bytes | Path:
    """The bytes of an image; the hub's library keeps some as files of its own cache."""
    if image is not None and isinstance(image["bytes"], bytes):
        return image["bytes"]
    if image is not None and isinstance(image["path"], str) and not local:
        return Path(image["path"])
    raise ClbenchError(f"{where} holds no image bytes; need the image inside the parquet file")


def _classes(label: str, train: Table, test: Table) -> tuple[str, ...]:
    largest = max(
        pc.max(batch[label]).as_py() or 0
        for table in (train, test)
        for _, _, batch in table.batches([label])
    )
    names, where = _names(label, train)
    if names is None:
        return tuple(map(str, range(largest + 1)))
    if len(names) <= largest:
        raise ClbenchError(
            f"{where} names {len(names)} classes and {label} goes up to {largest}; "
            f"need {largest + 1} names"
        )
    return tuple(names)


def _names(label: str, table: Table) -> tuple[list[str] | None, str]:
    """The names of a label and where they stand; None where nothing names them."""
    metadata = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = metadata.get("info", {}).get("features", {}).get(label, {})
    if "names" in feature:
        return list(map(str, feature["names"])), "the schema"
    for file in table.files[:1]:
        if (beside := file.with_name(f"{label}_names.txt")).is_file():
            return beside.read_text(encoding="utf-8").splitlines(), str(beside)
    return None, "nothing"
