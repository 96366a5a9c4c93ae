"""The ledger: evidence that is whole or refused, and a comparison that sees every byte."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clbench.archive import differences, find_ledgers
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from fakes import random_run, run_record, stream_record
from odd_methods import Guided
from tiny import Tiny

FILES = (
    "predictions.parquet",
    "embeddings.safetensors",
    "state.safetensors",
    "state.json",
    "cost.json",
    "clock.json",
)


@pytest.fixture(scope="module")
def original(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return tiny.play(Guided, tmp_path_factory.mktemp("original"))


@pytest.fixture
def copy(original: Ledger, tmp_path: Path) -> Ledger:
    """A finished run that a test may spoil."""
    path = tmp_path.joinpath(*original.path.parts[-3:])
    shutil.copytree(original.path, path)
    return Ledger(path)


class TestReading:
    def test_a_version_holds_these_files(self, original: Ledger) -> None:
        found = {p.name for p in original.folder(1).iterdir()}
        assert found == {*FILES, "manifest.json"}

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda data: data[:-1], "bytes, not"),
            (lambda data: b"", "has 0 bytes, not"),
            (lambda data: data + b"\0", "bytes, not"),
            (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "was altered"),
        ],
        ids=["truncated", "empty", "longer", "altered"],
    )
    def test_a_spoiled_file_is_named_with_the_remedy(
        self, copy: Ledger, name: str, spoil: Callable[[bytes], bytes], complaint: str
    ) -> None:
        file = copy.folder(2) / name
        file.write_bytes(spoil(file.read_bytes()))
        with pytest.raises(ClbenchError) as error:
            copy.read(2, name)
        assert str(file) in str(error.value)
        assert complaint in str(error.value)
        assert "remove 002 and later versions and rerun" in str(error.value)

    def test_a_file_that_is_gone_is_named(self, copy: Ledger) -> None:
        (copy.folder(2) / "cost.json").unlink()
        with pytest.raises(ClbenchError, match=r"002/cost.json is missing; restore it, or remove"):
            copy.read(2, "cost.json")

    @pytest.mark.parametrize(
        "manifest",
        [b"", b"{", b"[]", b"null", b'{"cost.json": {}}', b'{"cost.json": {"bytes": "many"}}'],
    )
    def test_a_spoiled_manifest_is_named(self, copy: Ledger, manifest: bytes) -> None:
        (copy.folder(2) / "manifest.json").write_bytes(manifest)
        with pytest.raises(ClbenchError, match=r"002/manifest.json: .*; restore it, or remove 002"):
            copy.read(2, "cost.json")

    def test_a_manifest_that_is_gone_is_named(self, copy: Ledger) -> None:
        (copy.folder(2) / "manifest.json").unlink()
        with pytest.raises(ClbenchError, match=r"002/manifest.json is missing"):
            copy.read(2, "cost.json")

    def test_a_folder_without_run_json_is_no_ledger(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"is not a ledger: it has no run.json"):
            _ = Ledger(tmp_path).record

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"seed": "one"}, "seed"),
            ({"threads": 0}, "threads"),
            ({"schema_version": 2}, "schema_version"),
            ({"mood": "good"}, "mood"),
            ({"method": {"name": "er"}}, "method.family"),
        ],
    )
    def test_a_field_of_run_json_that_is_wrong_is_named(
        self, copy: Ledger, change: dict[str, Any], field: str
    ) -> None:
        rewrite(copy, change)
        with pytest.raises(ClbenchError, match=rf"run.json: {field}: .*; restore it or rerun"):
            _ = copy.record

    def test_a_truncated_run_json_is_named(self, copy: Ledger) -> None:
        file = copy.path / "run.json"
        file.write_bytes(file.read_bytes()[:100])
        with pytest.raises(ClbenchError, match=r"run.json: the whole file: Invalid JSON"):
            _ = copy.record

    def test_a_run_is_not_finished_while_a_version_is_missing(self, copy: Ledger) -> None:
        assert copy.finished
        shutil.rmtree(copy.folder(3))
        assert (copy.versions, copy.finished) == (3, False)


class TestContinuing:
    def test_what_was_removed_is_made_again(
        self, tiny: Tiny, original: Ledger, copy: Ledger
    ) -> None:
        for version in (2, 3):
            shutil.rmtree(copy.folder(version))
        (copy.path / "versions" / ".DS_Store").touch()
        assert differences(again(tiny, copy), original) == ["versions/.DS_Store"]

    def test_a_gap_is_refused(self, tiny: Tiny, copy: Ledger) -> None:
        shutil.rmtree(copy.folder(2))
        with pytest.raises(ClbenchError, match=r"002 is not whole, but 003 exists; .* remove 002"):
            again(tiny, copy)
        assert copy.folder(3).is_dir()

    def test_a_spoiled_state_is_not_continued_from(self, tiny: Tiny, copy: Ledger) -> None:
        shutil.rmtree(copy.folder(3))
        file = copy.folder(2) / "state.safetensors"
        file.write_bytes(file.read_bytes()[:-4])
        with pytest.raises(ClbenchError, match=r"002/state.safetensors has .* bytes, not"):
            again(tiny, copy)
        assert copy.versions == 3

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"seed": 5}, "seed"),
            ({"hyperparameters": {}}, "hyperparameters.training"),
            ({"carry": False}, "carry"),
        ],
    )
    def test_a_run_json_of_another_run_is_refused(
        self, tiny: Tiny, copy: Ledger, change: dict[str, Any], field: str
    ) -> None:
        shutil.rmtree(copy.folder(3))
        rewrite(copy, change)
        with pytest.raises(ClbenchError, match=rf"run.json: {field} is not that of this run"):
            again(tiny, copy)

    def test_leftovers_of_a_killed_writer_are_removed(
        self, tiny: Tiny, original: Ledger, copy: Ledger
    ) -> None:
        copy.folder(3).rename(copy.folder(3).with_name(".writing-003"))
        (copy.path / ".run.json.4711").write_text("{")
        assert differences(again(tiny, copy), original) == []


class TestTwoProcesses:
    def test_the_second_gets_an_error_at_once_and_the_first_ends_whole(
        self, tiny: Tiny, original: Ledger, tmp_path: Path
    ) -> None:
        path = tmp_path.joinpath(*original.path.parts[-3:])
        verdicts: list[str] = []

        def second() -> None:
            program = (
                "import sys, pathlib; from clbench.ledger import Ledger;"
                "from clbench.errors import ClbenchError\n"
                "try:\n with Ledger(pathlib.Path(sys.argv[1])).lock(): print('held')\n"
                "except ClbenchError as error: print(error)"
            )
            command = [sys.executable, "-c", program, str(path)]
            verdicts.append(subprocess.check_output(command, text=True, timeout=60))

        ledger = tiny.play(Guided, tmp_path, on_version=lambda v: second() if v == 1 else None)
        assert verdicts == [f"{path} is being written by another process; wait for it to end\n"]
        assert differences(ledger, original) == []

    def test_the_lock_is_free_again_after(self, copy: Ledger) -> None:
        for _ in range(2):
            with copy.lock():
                pass

    def test_the_lock_is_free_again_after_a_fault(self, copy: Ledger) -> None:
        with pytest.raises(ZeroDivisionError), copy.lock():
            _ = 1 / 0
        with copy.lock():
            pass


class TestProgress:
    def test_it_counts_versions_and_the_share_of_the_update_in_flight(self, copy: Ledger) -> None:
        with copy.lock() as pulse:
            pulse(0.5)
            assert copy.progress == 4.5
            pulse(0.0)
            assert copy.progress == 4
        assert copy.progress == 4

    def test_a_full_disk_does_not_stop_it(
        self, copy: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with copy.lock() as pulse:
            monkeypatch.setattr(os, "write", refuse)
            pulse(0.5)

    def test_nothing_is_there_yet(self, tmp_path: Path) -> None:
        assert Ledger(tmp_path / "none").progress == 0


class TestDifferences:
    def test_a_run_does_not_differ_from_itself(self, original: Ledger, copy: Ledger) -> None:
        assert differences(original, copy) == []

    @pytest.mark.parametrize("name", [n for n in (*FILES, "manifest.json") if n != "clock.json"])
    def test_every_other_file_counts(self, original: Ledger, copy: Ledger, name: str) -> None:
        file = copy.folder(1) / name
        file.write_bytes(file.read_bytes().replace(b"1", b"2", 1) + b" ")
        if name == "manifest.json":
            file.write_bytes(file.read_bytes().replace(b"cost.json", b"lost.json"))
        assert differences(original, copy) == [f"versions/001/{name}"]
        assert differences(copy, original) == [f"versions/001/{name}"]

    def test_clock_readings_do_not(self, original: Ledger, copy: Ledger) -> None:
        clock, manifest = (copy.folder(1) / n for n in ("clock.json", "manifest.json"))
        clock.write_text("{}")
        seals = json.loads(manifest.read_bytes())
        manifest.write_text(json.dumps(seals | {"clock.json": {"bytes": 2, "sha256": "0"}}))
        assert differences(original, copy) == []

    def test_a_missing_or_further_file_counts(self, original: Ledger, copy: Ledger) -> None:
        (copy.folder(1) / "clock.json").unlink()
        (copy.path / "versions" / "note.txt").touch()
        expected = ["versions/001/clock.json", "versions/note.txt"]
        assert differences(original, copy) == expected


class TestWriting:
    @pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
    def test_a_version_that_cannot_be_written_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        ledger = Ledger(tmp_path / "run")
        ledger.begin(run_record(stream_record()))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(
                ClbenchError, match=r"versions/000 cannot be written: No space left .* run again"
            ):
                ledger.write(0, {"cost.json": b"{}"})
        assert ledger.versions == 0
        assert list(ledger.path.glob("versions/*")) == []
        ledger.write(0, {"cost.json": b"{}"})
        assert ledger.read(0, "cost.json") == b"{}"

    @pytest.mark.parametrize("call", ["fsync", "replace", "mkdir"])
    def test_a_run_that_cannot_begin_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        ledger = Ledger(tmp_path / "run")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(ClbenchError, match=r"run cannot be written: No space left"):
                ledger.begin(run_record(stream_record()))
        assert list(tmp_path.rglob("run.json")) == list(tmp_path.rglob(".run.json.*")) == []
        ledger.begin(run_record(stream_record()))

    def test_a_file_in_the_place_of_the_folder_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        with (
            pytest.raises(ClbenchError, match=r"run cannot be written: File exists"),
            Ledger(tmp_path / "run").lock(),
        ):
            pass


class TestFinding:
    def test_all_ledgers_in_a_stable_order(self, tmp_path: Path) -> None:
        stream = stream_record()
        for name in ("b", "a/deep"):
            random_run(tmp_path / name, stream)
        assert [each.path.name for each in find_ledgers(tmp_path)] == ["deep", "b"]
        assert len(find_ledgers(tmp_path, tmp_path / "a")) == 2

    def test_no_folder_and_no_runs_are_errors(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match="nowhere is not a folder of runs"):
            find_ledgers(tmp_path / "nowhere")
        with pytest.raises(ClbenchError, match=r"no runs under .*; make some: clbench sweep"):
            find_ledgers(tmp_path)


def refuse(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def rewrite(ledger: Ledger, change: dict[str, Any]) -> None:
    file = ledger.path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | change))


def again(tiny: Tiny, ledger: Ledger) -> Ledger:
    """Start the run of a ledger once more."""
    return tiny.play(Guided, ledger.path.parents[2])
