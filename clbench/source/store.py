"""Samples decoded once to arrays under the cache folder, then resident or memory-mapped.

    store/<key>/x_train.npy, y_train.npy, x_test.npy, y_test.npy    samples and labels
                other_train_0.npy, ...                              further labellings
                manifest.json                                       sizes and SHA-256 of all

A store is written under a temporary name and renamed when whole: one that exists is complete,
and of two processes that make the same one the second takes what the first has made.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.paths import cache_dir
from clbench.source.base import AnyArray, Source, Split, checked
from clbench.source.contents import Contents, write_split
from clbench.source.manifest import (
    Manifest,
    raw_file,
    read_manifest,
    stored_file,
    verify_files,
    verify_raw,
)
from clbench.spec import Spec, Value

RESIDENT_BYTES = 2 << 30
ABANDONED_SECONDS = 24 * 3600

Key = Mapping[str, Value | None]


def stored(
    spec: Spec,
    key: Key,
    contents: Callable[[], Contents],
    raw: Callable[[], Iterable[Path]] = tuple,
    resident_bytes: int = RESIDENT_BYTES,
) -> Source:
    """Open the store of `key`, made from `contents()` the first time.

    `raw()` lists the files that are decoded; the store is refused once their content differs.
    Files are checked against their SHA-256 (of a store beyond 1 GiB: 16 random blocks of 16 MiB
    and all sizes). Samples beyond `resident_bytes` in all are memory-mapped.

    Raises:
        ClbenchError: a stored or raw file was altered, or the store cannot be written.
    """
    store = cache_dir() / "store" / _name(key)
    if not store.exists():
        try:
            _make(spec, store, key, contents(), raw)
        except OSError as error:
            raise ClbenchError(
                f"cannot make {store}: {error}; check space and permissions, "
                "or set CLBENCH_CACHE to another folder"
            ) from error
    return _open(spec, store, raw, resident_bytes)


def _name(key: Key) -> str:
    return hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:32]


def _open(
    spec: Spec, store: Path, raw: Callable[[], Iterable[Path]], resident_bytes: int
) -> Source:
    manifest = read_manifest(store)
    verify_raw(store, manifest.raw, list(raw()))
    verify_files(store, manifest.files)
    large = sum(record.size for record in manifest.files.values()) > resident_bytes
    train, test = (_read(store, name, manifest.other, mapped=large) for name in ("train", "test"))
    return Source(spec, train, test, tuple(manifest.classes), manifest.fingerprint)


def _read(store: Path, split: str, other: Iterable[str], mapped: bool) -> Split:
    def array(name: str, mapped: bool = False) -> npt.NDArray[np.int64]:
        loaded: npt.NDArray[np.int64] = np.load(
            store / f"{name}.npy", mmap_mode="r" if mapped else None, allow_pickle=False
        )
        return loaded

    others = {name: array(f"other_{split}_{i}") for i, name in enumerate(other)}
    x: AnyArray = array(f"x_{split}", mapped)  # type: ignore[assignment]
    return Split(x, array(f"y_{split}"), others)


def _make(
    spec: Spec, store: Path, key: Key, contents: Contents, raw: Callable[[], Iterable[Path]]
) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(store.parent)
    partial = Path(tempfile.mkdtemp(prefix=f"{store.name}.", suffix=".partial", dir=store.parent))
    try:
        raw_files = [raw_file(path) for path in raw()]
        other = write_split(partial, "train", contents.train, len(contents.classes))
        write_split(partial, "test", contents.test, len(contents.classes))
        verify_raw(store, raw_files, list(raw()))
        train, test = (_read(partial, name, other, mapped=True) for name in ("train", "test"))
        source = checked(Source(spec, train, test, contents.classes))
        manifest = Manifest(
            key=dict(key),
            classes=list(contents.classes),
            other=other,
            fingerprint=source.fingerprint,
            files={path.name: stored_file(path) for path in sorted(partial.iterdir())},
            raw=raw_files,
        )
        (partial / "manifest.json").write_text(manifest.model_dump_json(indent=1))
        partial.chmod(0o755)
        _rename(partial, store)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, store: Path) -> None:
    try:
        os.rename(partial, store)
    except OSError:
        if not store.exists():
            raise


def _remove_abandoned(stores: Path) -> None:
    """Delete what killed writers left; a live one has written within a day."""
    for partial in stores.glob("*.partial"):
        with suppress(FileNotFoundError):  # its writer has just ended
            newest = max(path.stat().st_mtime for path in (partial, *partial.iterdir()))
            if time.time() - newest > ABANDONED_SECONDS:
                shutil.rmtree(partial, ignore_errors=True)
