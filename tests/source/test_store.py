import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, Split
from clbench.source import manifest as manifest_module
from clbench.source.contents import Contents, Pending
from clbench.source.store import stored
from clbench.spec import Spec

SPEC, KEY = Spec("made", {"n": 1}), {"source": "made", "n": 1}


def blocks(n: int, size: int = 4) -> Iterator[Split]:
    x = np.random.default_rng(n).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    y = np.arange(n) % 2
    for i in range(0, n, size):
        rows = slice(i, i + size)
        yield Split(x[rows], y[rows], {"parity": 1 - y[rows]})


def contents(train: int = 10, test: int = 6) -> Contents:
    return Contents(("even", "odd"), Pending(train, blocks(train)), Pending(test, blocks(test)))


def not_again() -> Contents:
    raise AssertionError("the store is there already")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    file = tmp_path / "raw.bin"
    file.write_bytes(b"raw data")
    return file


@pytest.fixture
def made(raw: Path) -> Source:
    return stored(SPEC, KEY, contents, lambda: [raw])


@pytest.fixture
def store(made: Source, cache: Path) -> Path:
    (folder,) = (cache / "store").iterdir()
    return folder


def reopened(raw: Path, **options) -> Source:
    return stored(SPEC, KEY, not_again, lambda: [raw], **options)


def test_it_is_made_once_and_holds_what_was_given(made: Source, raw: Path):
    again = reopened(raw)
    for source in (made, again):
        np.testing.assert_array_equal(source.train.x, np.concatenate([b.x for b in blocks(10)]))
        np.testing.assert_array_equal(source.test.y, np.arange(6) % 2)
        np.testing.assert_array_equal(source.test.other["parity"], 1 - np.arange(6) % 2)
        assert source.classes == ("even", "odd")
        assert source.spec == SPEC


def test_the_stored_fingerprint_is_that_of_the_content(made: Source):
    bare = Source(made.spec, made.train, made.test, made.classes)
    assert made.stored_fingerprint == bare.fingerprint


def test_small_is_resident_large_is_mapped_and_both_are_read_only(made: Source, raw: Path):
    mapped = reopened(raw, resident_bytes=0).train.x
    assert isinstance(mapped, np.memmap)
    assert not isinstance(made.train.x, np.memmap)
    assert not made.train.x.flags.writeable
    assert not mapped.flags.writeable


@pytest.mark.parametrize("name", ["x_train.npy", "y_train.npy", "x_test.npy", "other_test_0.npy"])
@pytest.mark.parametrize("full_check", [0, 1 << 30])
def test_damage_is_found_and_the_file_named(
    store: Path, raw: Path, name: str, full_check: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(manifest_module, "FULL_CHECK", full_check)
    whole = (store / name).read_bytes()
    (store / name).write_bytes(whole[:-1])
    with pytest.raises(ClbenchError, match=f"{name} has {len(whole) - 1} bytes, not {len(whole)}"):
        reopened(raw)
    (store / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ClbenchError, match=f"{name} was altered .* delete {store}"):
        reopened(raw)
    (store / name).unlink()
    with pytest.raises(ClbenchError, match=f"{name} is missing"):
        reopened(raw)
    (store / name).write_bytes(whole)
    reopened(raw)


def test_of_a_large_store_some_blocks_are_read(
    raw: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(manifest_module, "BLOCK", 64)
    stored(SPEC, KEY, contents, lambda: [raw])
    monkeypatch.setattr(manifest_module, "FULL_CHECK", 0)
    read = []
    choose = manifest_module.random.sample
    monkeypatch.setattr(
        manifest_module.random, "sample", lambda *args: read.extend(choose(*args)) or read
    )
    reopened(raw)
    assert len(set(read)) == manifest_module.SAMPLED


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-20], "manifest.json"),
        (lambda text: json.dumps(json.loads(text) | {"schema_version": 2}), "schema_version"),
        (lambda text: json.dumps(json.loads(text) | {"classes": None}), "classes"),
    ],
)
def test_a_damaged_manifest_is_named(store: Path, raw: Path, change, says: str):
    file = store / "manifest.json"
    file.write_text(change(file.read_text()))
    with pytest.raises(ClbenchError, match=says):
        reopened(raw)


def test_a_raw_file_that_was_only_touched_is_accepted(made: Source, raw: Path):
    os.utime(raw, ns=(1, 1))
    reopened(raw)


@pytest.mark.parametrize("content", [b"longer raw data", b"RAW data"])
def test_a_raw_file_that_changed_is_named(made: Source, raw: Path, content: bytes):
    raw.write_bytes(content)
    os.utime(raw, ns=(1, 1))
    with pytest.raises(ClbenchError, match=r"raw\.bin changed since it was decoded; restore it"):
        reopened(raw)


def test_raw_files_that_came_or_went_are_named(made: Source, raw: Path, tmp_path: Path):
    new = tmp_path / "new.bin"
    new.write_bytes(b"")
    with pytest.raises(ClbenchError, match=r"new\.bin was not there when"):
        stored(SPEC, KEY, not_again, lambda: [raw, new])
    with pytest.raises(ClbenchError, match=r"raw\.bin is missing, but was there when"):
        stored(SPEC, KEY, not_again, list)


def test_other_options_have_a_store_of_their_own(made: Source):
    other = stored(SPEC, KEY | {"n": 2}, lambda: contents(train=8))
    assert len(other.train) == 8


def test_of_two_writers_the_first_one_counts(cache: Path):
    def overtaken() -> Iterator[Split]:
        stored(SPEC, KEY, contents)
        yield from blocks(10)

    source = stored(
        SPEC, KEY, lambda: Contents(("even", "odd"), Pending(10, overtaken()), contents().test)
    )
    assert len(source.train) == 10
    assert len(list((cache / "store").iterdir())) == 1


def test_a_writer_that_fails_leaves_nothing(cache: Path):
    def failing() -> Iterator[Split]:
        yield next(blocks(10))
        raise ClbenchError("image 5 cannot be read")

    with pytest.raises(ClbenchError, match="image 5"):
        stored(SPEC, KEY, lambda: Contents(("a", "b"), Pending(10, failing()), contents().test))
    assert list((cache / "store").iterdir()) == []


def test_what_a_killed_writer_left_is_removed_after_a_day(store: Path, raw: Path):
    left = [store.with_name(f"{age}.partial") for age in ("old", "new")]
    for folder in left:
        folder.mkdir()
        (folder / "x_train.npy").write_bytes(b"half")
    for path in (left[0], left[0] / "x_train.npy"):
        os.utime(path, (1, 1))
    shutil.rmtree(store)
    stored(SPEC, KEY, contents, lambda: [raw])
    assert [folder.exists() for folder in left] == [False, True]


@pytest.mark.parametrize(
    ("train", "says"),
    [
        (Pending(0, iter(())), "there are no train samples"),
        (Pending(4, [Split(np.zeros((4, 1, 8, 8), np.uint8), np.full(4, 2))]), "labels 2 to 2"),
        (Pending(4, [Split(np.zeros((4, 3), np.float64), np.zeros(4, int))]), "float64"),
        (Pending(4, [Split(np.zeros((4, 1, 9, 9), np.uint8), np.zeros(4, int))]), "one shape"),
    ],
)
def test_what_breaks_the_contract_is_not_stored(cache: Path, train: Pending, says: str):
    with pytest.raises(ClbenchError, match=says):
        stored(SPEC, KEY, lambda: Contents(("even", "odd"), train, contents().test))
    assert list((cache / "store").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(cache: Path):
    cache.write_text("a file where a folder should be")
    with pytest.raises(ClbenchError, match=r"cannot make .* CLBENCH_CACHE"):
        stored(SPEC, KEY, contents)
