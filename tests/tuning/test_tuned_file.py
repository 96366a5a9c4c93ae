"""What was tuned: written down, read back, used in runs that say so, and refused elsewhere."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clbench.cli import main
from clbench.errors import ClbenchError
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.options import Options
from clbench.record import RunRecord
from clbench.running import planned_record
from clbench.tuning.toml import to_toml
from clbench.tuning.tuned import read_tuned

FILE = Path(__file__).with_name("searched_methods.py")
SOURCE = "synthetic,per_class=40,test_per_class=2,dim=4"
PEAKED = f"{FILE}:Peaked"
Command = Callable[..., tuple[int, str, str]]


def call(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["clbench", *map(str, arguments)])
        patch.setattr("os.fsync", lambda descriptor: None)
        with pytest.raises(SystemExit) as end:
            main()
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one command writes."""
    folder = tmp_path_factory.mktemp("tuning")
    command = ("tune", f"{PEAKED},nmc", "split-digits", "--trials", 4, "--source", SOURCE)
    objective = ("--objective", "final_accuracy", "--threads", 1, "-j", 1)
    assert call(*command, *objective, "-o", folder) == 0
    return folder


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Path:
    return folder / "tuned.toml"


def planned(tuned: Path | None, method: str = PEAKED, **given: Any) -> RunRecord:
    stream = given.pop("stream", "split-digits")
    options = Options(**{"source": SOURCE, "threads": 1, "tuned": tuned, **given})
    (cell,) = options.cells([method], [stream], [0])
    return planned_record(cell)


class TestTheFile:
    def test_every_trial_stands_beside_it(self, folder: Path) -> None:
        peaked, nmc = json.loads((folder / "trials.json").read_text())
        assert len(peaked["trials"]) == peaked["tuning"]["trials"] == 4
        assert (len(nmc["trials"]), nmc["tuning"]["used"], nmc["tuning"]["trials"]) == (1, 1, 4)
        best = max(peaked["trials"], key=lambda trial: trial["value"])
        assert peaked["chosen"] == best["setting"]
        assert all(Path(run).is_dir() for trial in peaked["trials"] for run in trial["runs"])

    def test_it_holds_the_choice_and_what_it_cost(self, folder: Path, tuned: Path) -> None:
        (peaked, _) = json.loads((folder / "trials.json").read_text())
        found = read_tuned(tuned).streams["split-digits"][PEAKED]
        assert found.hyperparameters["x"] == peaked["chosen"]["x"]
        assert found.tuning.model_dump(mode="json") == peaked["tuning"]
        assert (found.tuning.stream, found.tuning.on_test) == ("split-digits+tuning", False)

    def test_it_is_shown(self, tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert call("show", tuned, "--json") == 0
        shown = json.loads(capsys.readouterr().out)[f"{PEAKED} on split-digits"]
        assert (shown["tuned"], shown["tuning.flops"]) == ("4 trials", 0)

    def test_values_changed_by_hand_are_not_tuned(self, tuned: Path, tmp_path: Path) -> None:
        edited = tmp_path / "tuned.toml"
        edited.write_text(re.sub(r"\nx = [\d.]+", "\nx = 0.5", tuned.read_text()))
        with pytest.raises(ClbenchError, match="was edited, so its values are not those that"):
            read_tuned(edited)
        edited.write_text(f"# a comment changes nothing\n{tuned.read_text()}")
        assert read_tuned(edited) == read_tuned(tuned)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [("x = [", "is not TOML"), ("[er]\nbuffer = 7", "--tuned takes what clbench tune writes")],
    )
    def test_another_file(self, tmp_path: Path, text: str, complaint: str) -> None:
        (tmp_path / "t.toml").write_text(text)
        with pytest.raises(ClbenchError, match=complaint):
            read_tuned(tmp_path / "t.toml")

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match="does not exist; clbench tune writes it"):
            read_tuned(tmp_path / "t.toml")

    def test_toml_is_read_back(self) -> None:
        import tomllib

        tree = {"a": 1, "b": {"c": {"ü.x": [1, 2.5e-7, 'q"\\\n'], "e": True}, "d": {}}, "z y": "w"}
        assert tomllib.loads(to_toml(tree)) == tree


class TestRuns:
    def test_a_run_without_it_says_so(self) -> None:
        record = planned(None)
        assert (record.tuning, record.tuned) == (None, "defaults")
        assert json.loads(record.model_dump_json())["tuning"] is None

    def test_a_run_with_it_has_the_values_and_says_how_they_were_found(self, tuned: Path) -> None:
        chosen = read_tuned(tuned).streams["split-digits"][PEAKED]
        record = planned(tuned)
        assert record.hyperparameters == chosen.hyperparameters
        assert record.tuning == chosen.tuning
        assert record.tuned == "4 trials"
        assert RunRecord.model_validate_json(record.model_dump_json()) == record

    def test_it_is_another_set_up_than_the_same_values_by_hand(self, tuned: Path) -> None:
        with_it = planned(tuned, "nmc")
        by_hand = planned(None, "nmc")
        assert with_it.hyperparameters == by_hand.hyperparameters
        assert with_it.setup != by_hand.setup
        one, two = labels([with_it, by_hand])
        assert one.startswith("nmc (tuned=1 of 4 trials ")
        assert two == "nmc (tuned=no)"

    @pytest.mark.parametrize("given", [{"set_": ["x=0.25"]}, {"recipe": ["x=0.25"]}])
    def test_what_is_set_on_top_is_told(self, tuned: Path, given: dict[str, Any]) -> None:
        record = planned(tuned, **given)
        assert record.hyperparameters["x"] == 0.25
        assert record.tuning is not None
        assert record.tuning.changed == ("x",)
        assert record.tuned == "4 trials, 1 changed"

    def test_what_was_held_while_tuning_counts_as_well(self, tuned: Path) -> None:
        record = planned(tuned, set_=["distance=cosine"])
        assert record.tuning is not None
        assert record.tuning.changed == ("distance",)
        assert planned(tuned, set_=["distance=euclidean"]).tuning == planned(tuned).tuning

    def test_it_reaches_run_json(self, tuned: Path, tmp_path: Path) -> None:
        common = ("--source", SOURCE, "--out", tmp_path, "--threads", 1, "--json")
        assert call("run", PEAKED, "split-digits", "--tuned", tuned, *common) == 0
        (file,) = tmp_path.rglob("run.json")
        tuning = Ledger(file.parent).record.tuning
        assert tuning == read_tuned(tuned).streams["split-digits"][PEAKED].tuning

    def test_a_control_that_was_not_tuned_stays_as_it_is(self, tuned: Path) -> None:
        assert planned(tuned, "finetune") == planned(None, "finetune")

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"stream": "online-digits"}, "is tuned for split-digits, not for online-digits"),
            ({"method": "er"}, "nmc on split-digits, not er; tune all methods of a table with one"),
            ({"source": SOURCE + ",seed=1"}, r"was tuned on split-digits\+tuning .*; tune again"),
            ({"protocol": ["past=all"]}, r"was tuned on split-digits\+tuning .*; tune again"),
            ({"set_": ["y=1"]}, "unknown hyperparameter of peaked 'y'"),
        ],
    )
    def test_where_it_does_not_belong(
        self, tuned: Path, given: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            planned(tuned, **given)


class TestOnTest:
    def test_every_run_is_marked(self, tmp_path: Path) -> None:
        command = ("tune", "nmc", "split-digits", "--trials", 3, "--source", SOURCE)
        assert call(*command, "--on-test", "--threads", 1, "-j", 1, "-o", tmp_path, "--json") == 0
        record = planned(tmp_path / "tuned.toml", "nmc")
        assert record.tuned == "1 of 3 trials, ON TEST"
        assert record.tuning is not None
        assert record.tuning.fingerprint == record.stream.fingerprint


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("nmc", "split-digits+tuning"), "is what split-digits is tuned on; give that name"),
            (("nmc", "s.safetensors"), "is a file, which has no tuning stream"),
            (("nmcc", "split-digits"), "unknown method 'nmcc'"),
            (("nmc", "split-digit"), "unknown stream 'split-digit'"),
            (("nmc", "split-digits", "--objective", "acc"), "unknown metric 'acc'"),
            (("nmc", "split-digits", "--trials", "0"), "Invalid value for '--trials'"),
            (("nmc", "split-digits", "--set", "x=1"), "unknown hyperparameter of nmc 'x'"),
        ],
    )
    def test_nothing_is_trained(
        self,
        tmp_path: Path,
        arguments: tuple[str, ...],
        complaint: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert call("tune", *arguments, "-o", tmp_path) == 2
        told = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert complaint in told
        assert list(tmp_path.rglob("run.json")) == []
