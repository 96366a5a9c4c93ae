"""What goes wrong in a run is one sentence, and nothing that was recorded is lost."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import odd_methods
from clbench.archive import differences
from clbench.card import Card
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import make_method
from clbench.plugin import load
from clbench.possible import check_plays
from odd_methods import Guided, Hoarder, NeedsThePast, PeeksAtThePast
from tiny import Tiny, tiny_stream


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "WrongWidth",
            r"wrong-width.predict at version 1 .* shape \(20, 1\); need \(20, 2\)",
        ),
        ("LosesRows", r"loses-rows.predict at version 1 returned shape \(19, 2\); need \(20, 2\)"),
        ("NotATensor", r"not-a-tensor.predict at version 1 returned a list; need a tensor"),
        ("NaNs", r"nans.predict at version 1 returned NaN or infinite logits for 3 of 20 inputs"),
        ("FlatEmbedding", r"flat-embedding.embed at version 0 returned \(60,\) for 60 inputs"),
        ("CarriesAnObject", r"state extra/things is a set; only tensors"),
        ("PeeksAtThePast", r"past data, which the protocol does not grant; declare needs"),
    ],
)
def test_a_method_that_breaks_its_contract_is_named(
    tiny: Tiny, tmp_path: Path, name: str, complaint: str
) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        tiny.play(getattr(odd_methods, name), tmp_path)


def test_what_was_recorded_before_is_kept_and_mended_methods_continue(
    tiny: Tiny, tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError

    calls = iter(range(100))
    Guided.hooks["learn"] = lambda: fail() if next(calls) == 1 else None
    with pytest.raises(RuntimeError):
        tiny.play(Guided, tmp_path / "1")
    (run,) = (tmp_path / "1").rglob("run.json")
    assert Ledger(run.parent).versions == 2
    Guided.hooks.clear()
    again = tiny.play(Guided, tmp_path / "1")
    assert differences(again, tiny.play(Guided, tmp_path / "2")) == []


class TestBudget:
    def test_more_state_than_the_protocol_allows_is_refused(self, tmp_path: Path) -> None:
        tiny = tiny_stream(memory_bytes=25_000)
        with pytest.raises(ClbenchError) as error:
            tiny.play(Hoarder, tmp_path)
        assert "hoarder carries 31," in str(error.value)
        assert "after version 3; the protocol of tiny allows 25,000" in str(error.value)
        (run,) = tmp_path.rglob("run.json")
        assert Ledger(run.parent).versions == 3  # those that kept to it

    def test_the_model_counts(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"carries 1,\d+ bytes before its .* allows 500"):
            tiny_stream(memory_bytes=500).play(Guided, tmp_path)

    def test_a_state_of_just_that_size_is_fine(self, tiny: Tiny, tmp_path: Path) -> None:
        needed = tiny.play(Guided, tmp_path).read_json(3, "cost.json")["state_bytes"]
        assert tiny_stream(memory_bytes=needed).play(Guided, tmp_path).finished
        with pytest.raises(ClbenchError, match=f"carries {needed:,} bytes after version 3"):
            tiny_stream(memory_bytes=needed - 1).play(Guided, tmp_path)


class TestHyperparameters:
    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"bufer": 5}, "unknown hyperparameter of er 'bufer'; did you mean 'buffer'"),
            ({"training": {"rl": 1}}, "hyperparameter of er 'training.rl'; .*'training.lr'"),
            ({"buffer": 0}, "hyperparameter buffer of er: .* greater than or equal to 1, got 0"),
            ({"buffer": "x"}, "hyperparameter buffer of er: .* integer.*, got 'x'"),
            ({"training": 5}, "hyperparameter training of er: .*, got 5"),
            ({"training": {"lr": -1}}, "hyperparameter training.lr of er: .* than 0, got -1"),
        ],
    )
    def test_a_wrong_one_is_named(self, given: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            make_method(load("methods", "er"), given)

    def test_a_wrong_backbone_is_named(self, tiny: Tiny, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"unknown backbone 'mpl'; did you mean .*'mlp'"):
            tiny.play(load("methods", "er"), tmp_path, hyperparameters={"backbone": "mpl"})


class TestNeeds:
    def test_a_method_whose_need_is_not_granted_is_refused(self, tiny: Tiny) -> None:
        card = Card("m", paper="", family="", needs=("past",))
        with pytest.raises(ClbenchError, match="m needs past data, which tiny does not grant"):
            check_plays(card, tiny.stream)
        check_plays(card, tiny_stream(past="all").stream)
        card = Card("m", paper="", family="", needs=("task-ids",))
        with pytest.raises(ClbenchError, match="m needs task ids at test, which tiny hides"):
            check_plays(card, tiny.stream)

    def test_the_past_is_there_for_those_who_need_it_where_it_is_granted(
        self, tmp_path: Path
    ) -> None:
        tiny = tiny_stream(past="all")
        tiny.play(NeedsThePast, tmp_path)
        with pytest.raises(ClbenchError, match=r'declare needs=\("past",\) in its card'):
            tiny.play(PeeksAtThePast, tmp_path)


class TestAFullDisk:
    def test_any_refusal_leaves_a_run_that_continues(
        self, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        undisturbed = tiny.play(Guided, tmp_path / "undisturbed")
        fsync = os.fsync
        for refused in (0, 2, 5, 12, 13, 11, 8):  # in the stream, run.json, and every version
            calls = count()

            def refuse(descriptor: int, refused: int = refused, calls: Any = calls) -> None:
                if next(calls) == refused:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                fsync(descriptor)

            monkeypatch.setattr(os, "fsync", refuse)
            with pytest.raises(ClbenchError, match=r"cannot be written: No space left .*is kept"):
                tiny.play(Guided, tmp_path / "full")
        monkeypatch.setattr(os, "fsync", fsync)
        ledger = tiny.play(Guided, tmp_path / "full")
        assert differences(ledger, undisturbed) == []

    def test_a_disk_that_is_really_full(self, tiny: Tiny, tmp_path: Path, small_disk: Path) -> None:
        undisturbed = tiny.play(Guided, tmp_path)
        filler = small_disk / "filler"
        filler.write_bytes(b"\0" * (free(small_disk) - (80 << 10)))
        with pytest.raises(ClbenchError, match=r"cannot be written: No space left on device"):
            tiny.play(Guided, small_disk)
        (run,) = small_disk.rglob("run.json")
        assert 0 < Ledger(run.parent).versions < 4
        filler.unlink()
        assert differences(tiny.play(Guided, small_disk), undisturbed) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
