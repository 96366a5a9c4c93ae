import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clbench.errors import ClbenchError
from clbench.source import open_source
from clbench.spec import Spec, parse_spec

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "cifar100-150"
NAMES = ("ant", "bee")


def table(numbers, pictures, metadata: bool = False, **columns) -> pa.Table:
    images = [{"bytes": pictures.png(i), "path": f"{i}.png"} for i in numbers]
    made = pa.table({"image": images, **(columns or {"label": [i % 2 for i in numbers]})})
    if metadata:
        features = {"label": {"names": NAMES, "_type": "ClassLabel"}}
        made = made.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    return made


@pytest.fixture
def root(tmp_path: Path, pictures) -> Path:
    """Four images to train on, in two files, and two to test on."""
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(table([0, 1], pictures), folder / "train-00000-of-00002.parquet")
    pq.write_table(table([2, 3], pictures), folder / "train-00001-of-00002.parquet")
    pq.write_table(table([4, 5], pictures), folder / "test-00000-of-00001.parquet")
    return folder


def opened(root: Path, **options):
    return open_source(Spec("huggingface", {"path": str(root), **options}))


def test_pixels_and_labels_are_those_of_the_files_in_order(root: Path, pictures):
    source = opened(root)
    np.testing.assert_array_equal(source.train.x, [pictures.pixels(i) for i in range(4)])
    assert source.train.y.tolist() == [0, 1, 0, 1]
    assert source.test.y.tolist() == [0, 1]
    assert source.classes == ("0", "1")


def test_a_relative_path_is_looked_for_under_the_data_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLBENCH_DATA", str(root.parent))
    assert opened(Path("set")).fingerprint == opened(root).fingerprint


def test_files_may_lie_in_a_data_folder_or_that_of_a_config(root: Path):
    (root / "data").mkdir()
    for file in root.glob("*.parquet"):
        file.rename(root / "data" / file.name)
    assert len(opened(root).train) == 4
    (root / "data").rename(root / "plain")
    assert len(opened(root, config="plain").train) == 4
    with pytest.raises(ClbenchError, match=r"parquet files in .*: plain/test-.*config="):
        opened(root)


@pytest.mark.parametrize("name", ["validation", "valid"])
def test_without_a_test_split_validation_takes_its_place(root: Path, name: str):
    (root / "test-00000-of-00001.parquet").rename(root / f"{name}-00000-of-00001.parquet")
    assert len(opened(root).test) == 2


def test_names_come_from_the_schema(root: Path, pictures):
    for file in root.glob("*.parquet"):
        pq.write_table(table([0, 1], pictures, metadata=True), file)
    assert opened(root).classes == NAMES


def test_names_come_from_the_file_beside(root: Path):
    (root / "label_names.txt").write_text("ant\nbee\n")
    assert opened(root).classes == NAMES


def test_too_few_names_are_an_error(root: Path):
    (root / "label_names.txt").write_text("ant\n")
    with pytest.raises(ClbenchError, match=r"label_names\.txt names 1 classes .* need 2 names"):
        opened(root)


def test_of_several_label_columns_one_is_chosen_and_the_others_stay(root: Path, pictures):
    for file in root.glob("*.parquet"):
        pq.write_table(table([0, 1], pictures, fine=[3, 4], coarse=[1, 0]), file)
    with pytest.raises(ClbenchError, match="choose the label column with label=; found: fine, co"):
        opened(root)
    with pytest.raises(ClbenchError, match="unknown label column 'fin'; did you mean 'fine'"):
        opened(root, label="fin")
    source = opened(root, label="coarse")
    assert source.test.y.tolist() == [1, 0]
    assert source.test.other["fine"].tolist() == [3, 4]


def test_a_file_that_is_not_there_is_noticed_by_the_names_of_the_others(root: Path):
    (root / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(ClbenchError, match="has 1 of the 2 files that go with train-00001-of-0"):
        opened(root)


def test_a_damaged_file_is_named(root: Path):
    file = root / "test-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ClbenchError, match=r"test-00000.* cannot be read as parquet"):
        opened(root)


def test_files_with_other_columns_are_named(root: Path, pictures):
    pq.write_table(table([2], pictures, other=[1]), root / "train-00001-of-00002.parquet")
    with pytest.raises(ClbenchError, match=r"train-00001.* has columns image, other"):
        opened(root)


def test_a_test_split_without_the_label_is_named(root: Path, pictures):
    pq.write_table(table([2], pictures, other=[1]), root / "test-00000-of-00001.parquet")
    with pytest.raises(
        ClbenchError, match=r"test split of .* lacks the columns label .* has image, other"
    ):
        opened(root)


def test_a_row_without_label_or_image_is_named(root: Path, pictures):
    file = root / "train-00001-of-00002.parquet"
    pq.write_table(table([2, 3], pictures, label=[1, None]), file)
    with pytest.raises(ClbenchError, match=r"train-00001.*, row 1: label is empty"):
        opened(root)
    images = [{"bytes": pictures.png(2), "path": ""}, {"bytes": None, "path": "/etc/hostname"}]
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), file)
    with pytest.raises(ClbenchError, match=r"train-00001.*, row 1 holds no image bytes"):
        opened(root)


def test_an_unreadable_image_is_named_by_its_row(root: Path, pictures):
    images = [{"bytes": b"junk", "path": "2.png"}]
    file = root / "train-00001-of-00002.parquet"
    pq.write_table(pa.table({"image": images, "label": [0]}), file)
    with pytest.raises(ClbenchError, match=r"train-00001.*, row 0 cannot be read as an image"):
        opened(root)


def test_a_raw_file_that_changes_after_decoding_is_named(root: Path, pictures):
    opened(root)
    pq.write_table(table([7, 8], pictures), root / "test-00000-of-00001.parquet")
    with pytest.raises(ClbenchError, match=r"test-00000.* changed since it was decoded"):
        opened(root)


def test_a_path_that_is_neither_a_folder_nor_a_hub_name_is_named():
    with pytest.raises(ClbenchError, match=r"no folder absent/set/x in .* owner/name"):
        opened(Path("absent/set/x"))


def test_the_hub_needs_an_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ClbenchError, match=r"pip install clbench\[hub\]"):
        opened(Path("owner/name"))


class HubSplit:
    """The part of `datasets.Dataset` that is used."""

    def __init__(self, content: pa.Table) -> None:
        self.content, self.features = content, SimpleNamespace(arrow_schema=content.schema)

    def __len__(self) -> int:
        return len(self.content)

    def with_format(self, kind: str) -> "HubSplit":
        assert kind == "arrow"
        return self

    def select_columns(self, names: list[str]) -> "HubSplit":
        return HubSplit(self.content.select(names))

    def iter(self, batch_size: int):
        for start in range(0, len(self.content), batch_size):
            yield self.content.slice(start, batch_size)


def test_a_hub_data_set_is_loaded_once(monkeypatch: pytest.MonkeyPatch, pictures):
    asked = []

    def load_dataset(name: str, config: str | None):
        asked.append((name, config))
        splits = {"train": [0, 1, 2], "validation": [3]}
        return {k: HubSplit(table(v, pictures, metadata=True)) for k, v in splits.items()}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    for _ in range(2):
        source = opened(Path("owner/name"), config="plain")
    assert asked == [("owner/name", "plain")]
    assert source.classes == NAMES
    np.testing.assert_array_equal(source.test.x, [pictures.pixels(3)])


def test_a_hub_data_set_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch):
    def load_dataset(name: str, config: str | None):
        raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(ClbenchError, match="owner/name cannot be loaded: no network"):
        opened(Path("owner/name"))


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/cifar100-150")
def test_a_real_subset_of_cifar100_with_both_of_its_labellings(cifar100_cache, monkeypatch):
    monkeypatch.setenv("CLBENCH_CACHE", str(cifar100_cache))
    fine = open_source(parse_spec(f"huggingface,path={SHARED},label=fine_label"))
    coarse = open_source(parse_spec(f"huggingface,path={SHARED},label=coarse_label"))
    assert fine.train.x.shape == (15000, 3, 32, 32)
    assert np.bincount(fine.train.y).tolist() == [150] * 100
    assert np.bincount(fine.test.y).tolist() == [50] * 100
    assert (len(fine.classes), len(coarse.classes)) == (100, 20)
    assert (fine.classes[0], coarse.classes[0]) == ("apple", "aquatic_mammals")
    np.testing.assert_array_equal(fine.train.other["coarse_label"], coarse.train.y)
    np.testing.assert_array_equal(fine.test.x, coarse.test.x)
