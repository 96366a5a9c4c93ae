"""The command line: what is asked for is printed, and what is wrong is one line and exit code 2."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clbench import studying
from clbench.cli import main
from clbench.ledger import Ledger

ODD = Path(__file__).with_name("odd_methods.py")
SOURCE = "synthetic,per_class=4,test_per_class=2,dim=4"


@dataclass(frozen=True)
class Printed:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that says what is wrong."""
        assert self.code == 2, self.out + self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


Command = Callable[..., Printed]


@pytest.fixture
def clbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Printed:
        monkeypatch.setattr(sys, "argv", ["clbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Printed(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods with two seeds."""
    from clbench.options import Options

    folder = tmp_path_factory.mktemp("runs")
    options = Options(out=folder, source=SOURCE, threads=1)
    studying.make_runs(options.cells(["nmc", "finetune"], ["split-digits"], [0, 1]), 1)
    return folder


class TestListing:
    @pytest.mark.parametrize(
        ("group", "name"),
        [
            ("methods", "er"),
            ("streams", "split-digits"),
            ("sources", "digits"),
            ("metrics", "final_accuracy"),
        ],
    )
    def test_a_group(self, clbench: Command, group: str, name: str) -> None:
        items = clbench("list", group, "--json").json
        assert {item["group"] for item in items} == {group}
        (item,) = [item for item in items if item["name"] == name]
        assert item["about"]
        assert not item["broken"]
        table = clbench("list", group)
        assert (table.code, name in table.out) == (0, True)

    def test_all(self, clbench: Command) -> None:
        groups = {item["group"] for item in clbench("list", "--json").json}
        assert groups == {"methods", "streams", "sources", "metrics"}

    @pytest.mark.parametrize(
        "name", ["er", "split-digits", "digits", "final_accuracy", "class_incremental"]
    )
    def test_one_of_each(self, clbench: Command, name: str) -> None:
        assert clbench("show", name, "--json").json
        assert name in clbench("show", name).out

    def test_a_method_in_a_file(self, clbench: Command) -> None:
        assert clbench("show", f"{ODD}:Guided", "--json").json["method"] == "guided"

    @pytest.mark.parametrize("command", [["--help"], ["list"], ["run", "--help"]])
    def test_it_does_not_import_torch(self, command: list[str]) -> None:
        program = (
            "import sys\nfrom clbench.cli import main\n"
            f"sys.argv[1:] = {command!r}\n"
            "try:\n main()\nexcept SystemExit as end:\n assert not end.code\n"
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


class TestRun:
    def test_it_records_scores_and_does_not_run_again(
        self, clbench: Command, tmp_path: Path
    ) -> None:
        command = ("run", "nmc", "split-digits", "--source", SOURCE, "--out", tmp_path, "--json")
        first = clbench(*command).json
        assert Ledger(Path(first["path"])).finished
        assert 0 <= first["scores"]["final_accuracy"]["value"] <= 1
        file = Path(first["path"]) / "versions" / "005" / "manifest.json"
        before = file.stat().st_mtime_ns
        assert clbench(*command).json == first
        assert file.stat().st_mtime_ns == before

    def test_its_options_reach_the_record(self, clbench: Command, tmp_path: Path) -> None:
        (tmp_path / "study.toml").write_text("[er]\nbuffer = 7\ntraining.lr = 0.5\n")
        found = clbench(
            *("run", "er", "split-digits", "--source", SOURCE, "--out", tmp_path, "--json"),
            *("--config", tmp_path / "study.toml", "--set", "training.lr=0.25"),
            *("--set", "er:training.batch_size=3", "--set", "lwf:training.lr=9"),
            *("--recipe", "training.momentum=0.5", "--recipe", "training.lr=3"),
            *("--protocol", "epochs=1", "--seed", 4, "--form", "full", "--threads", 1),
        ).json["record"]
        chosen = found["hyperparameters"]
        assert chosen["training"]["momentum"] == 0.5
        assert (chosen["buffer"], chosen["backbone"]) == (7, "mlp")
        assert (chosen["training"]["lr"], chosen["training"]["batch_size"]) == (0.25, 3)
        assert found["stream"]["name"] == "split-digits+epochs=1"
        assert (found["seed"], found["form"], found["threads"]) == (4, "full", 1)

    def test_a_method_in_a_file(self, clbench: Command, tmp_path: Path) -> None:
        found = clbench(
            *("run", f"{ODD}:Guided", "split-digits", "--source", SOURCE, "--out", tmp_path),
            *("--set", f"{ODD}:Guided:training.batch_size=4", "--json"),
        ).json["record"]
        assert found["method"]["name"] == "guided"
        assert found["hyperparameters"]["training"]["batch_size"] == 4

    def test_a_table_for_people(self, clbench: Command, tmp_path: Path) -> None:
        printed = clbench("run", "nmc", "split-digits", "--source", SOURCE, "--out", tmp_path)
        assert printed.code == 0
        assert "recorded in" in printed.out


class TestSweep:
    def test_a_broken_cell_is_told_the_others_are_scored(
        self, clbench: Command, tmp_path: Path
    ) -> None:
        command = ("sweep", f"{ODD}:Raises,nmc", "split-digits", "--seeds", "0,3", "-j", 1)
        printed = clbench(*command, "--source", SOURCE, "--out", tmp_path, "--json")
        assert (printed.code, "2 of 4 runs broke" in printed.err) == (2, True)
        assert printed.err.count("RuntimeError: the moon is in the wrong place") >= 2
        assert setups(json.loads(printed.out)) == {"nmc"}

    def test_all_well(self, clbench: Command, tmp_path: Path) -> None:
        command = ("sweep", "nmc", "split-digits", "--seeds", "2", "-j", 1, "--source", SOURCE)
        assert clbench(*command, "--out", tmp_path, "--json").json["rows"]

    def test_controls_may_have_other_seeds_and_scores_may_wait(
        self, clbench: Command, tmp_path: Path
    ) -> None:
        command = ("sweep", "nmc,finetune", "split-digits", "--seeds", "2", "--control-seeds", "3")
        where = ("-j", 1, "--source", SOURCE, "--protocol", "epochs=1", "--out", tmp_path)
        made = clbench(*command, *where, "--no-scores", "--json").json["runs"]
        assert sorted(Path(run).parent.name for run in made) == ["finetune"] * 3 + ["nmc"] * 2
        assert "5 runs in" in clbench(*command, *where, "--no-scores").out


class TestReading:
    def test_score(self, clbench: Command, runs: Path) -> None:
        found = clbench("score", runs, "--json").json
        assert setups(found) == {"nmc", "finetune"}
        assert found["unfinished"] == found["broken"] == []
        assert clbench("score", runs).code == 0

    def test_compare(self, clbench: Command, runs: Path) -> None:
        assert clbench("compare", "nmc", "finetune", runs, "--json").json
        assert clbench("compare", "nmc", "finetune", runs).code == 0

    def test_flips(self, clbench: Command, runs: Path) -> None:
        found = clbench("flips", runs, "--json").json
        assert {each["label"] for each in found["setups"]} == {"nmc", "finetune"}
        assert clbench("flips", runs).code == 0

    def test_report(self, clbench: Command, runs: Path, tmp_path: Path) -> None:
        assert clbench("report", runs, "-o", tmp_path / "r.html").code == 0
        assert "split-digits" in (tmp_path / "r.html").read_text()

    def test_an_altered_run_is_named(self, clbench: Command, runs: Path, tmp_path: Path) -> None:
        shutil.copytree(runs, tmp_path / "runs")
        file = next((tmp_path / "runs").rglob("nmc/*/versions/003/predictions.parquet"))
        file.write_bytes(file.read_bytes()[:-1])
        printed = clbench("score", tmp_path / "runs")
        told = " ".join((printed.out + printed.err).replace("\n", "").split())
        assert "predictions.parquet" in told
        assert "003" in told


class TestWriting:
    def test_a_new_method_plays(self, clbench: Command, tmp_path: Path) -> None:
        assert clbench("new-method", "my_idea", "--folder", tmp_path).code == 0
        assert (tmp_path / "test_my_idea.py").is_file()
        name = f"{tmp_path / 'my_idea.py'}:MyIdea"
        command = ("run", name, "split-digits", "--source", SOURCE, "--out", tmp_path)
        assert clbench(*command).code == 0
        assert "exists already" in clbench("new-method", "my_idea", "--folder", tmp_path).error

    def test_check(self, clbench: Command) -> None:
        verdicts = clbench("check", "nmc", "--json").json
        assert all(verdict["kept"] for verdict in verdicts)

    def test_check_of_a_method_that_breaks_the_contract(self, clbench: Command) -> None:
        printed = clbench("check", f"{ODD}:Forgetful", "--json")
        assert printed.code == 2
        broken = {verdict["check"] for verdict in json.loads(printed.out) if not verdict["kept"]}
        assert "state_round_trip_changes_no_prediction" in broken


def setups(study: Any) -> set[str]:
    """The set-ups in the rows of a study."""
    return {row["label"] for row in study["rows"]}


RUN = ("run", "er", "split-digits", "--source", SOURCE, "--out", "runs")


class TestErrors:
    @pytest.mark.parametrize(
        ("command", "complaint"),
        [
            (("list", "method"), "unknown group 'method'; did you mean 'methods'"),
            (("show", "finetun"), "unknown plugin 'finetun'; did you mean 'finetune'"),
            (("run", "finetun", "split-digits"), "unknown method 'finetun'; did you mean 'finet"),
            (("run", "er", "split-digit"), "unknown stream 'split-digit'; did you mean 'split-d"),
            (("run", "nowhere.py:Mine", "split-digits"), "plugin file nowhere.py does not exist"),
            ((*RUN, "--recipe", "bufer=5"), "'bufer'; did you mean 'buffer'"),
            ((*RUN, "--set", "bufer=5"), "hyperparameter of er 'bufer'; did you mean 'buffer'"),
            ((*RUN, "--set", "buffer=0"), "hyperparameter buffer of er: Input should be greater"),
            ((*RUN, "--set", "buffer"), "--set 'buffer' is not of the form key=value"),
            ((*RUN, "--set", "ewcc:gamma=1"), "unknown method 'ewcc'; did you mean 'ewc'"),
            ((*RUN, "--protocol", "epoch=1"), "'epoch'; did you mean 'epochs'"),
            ((*RUN, "--protocol", "epochs=0"), "epochs is 0; it must be 1 or more"),
            ((*RUN, "--protocol", "memory_bytes=lots"), "memory_bytes of split-digits: "),
            ((*RUN, "--protocol", "setting=task-incremental"), "task_ids=true"),
            ((*RUN, "--config", "nowhere.toml"), "configuration file nowhere.toml does not exist"),
            ((*RUN, "--device", "abacus"), "abacus"),
            ((*RUN[:3], "--source", "synthetc"), "unknown source 'synthetc'; did you mean 'synt"),
            ((*RUN[:3], "--source", "arrays,path=no.npz"), "there is no file no.npz in"),
            ((*RUN[:3], "--source", "digits,x"), "option 'x' of 'digits,x' is not of the form"),
            ((*RUN, "--embed", "mpl"), "backbone 'mpl'"),
            (("sweep", "er", "split-digits", "--seeds", "x"), "--seeds is 'x'; give a count (5)"),
            (("score", "nowhere"), "nowhere is not a folder of runs"),
            (("score", "."), "no runs under .; make some: clbench sweep"),
            (("new-method", "My Method"), "'My Method' cannot name a module"),
            (("check", "nmcc"), "unknown method 'nmcc'; did you mean 'nmc'"),
            (("check", "nmc", "--set", "x=1"), "unknown hyperparameter of nmc 'x'"),
        ],
        ids=lambda value: " ".join(value).replace(SOURCE, "") if isinstance(value, tuple) else "",
    )
    def test_one_sentence_with_the_remedy(
        self,
        clbench: Command,
        command: tuple[str, ...],
        complaint: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert complaint in clbench(*command).error
        assert list(tmp_path.rglob("run.json")) == []  # nothing was begun

    def test_an_unknown_metric_gets_the_nearest(self, clbench: Command, runs: Path) -> None:
        assert "'final_accuracy'" in clbench("score", runs, "--metrics", "final_acuracy").error

    def test_an_unknown_setup_gets_the_nearest(self, clbench: Command, runs: Path) -> None:
        assert "did you mean 'nmc'" in clbench("compare", "nmcc", "finetune", runs).error

    @pytest.mark.parametrize(
        ("method", "complaint"),
        [
            ("NaNs", "returned NaN or infinite logits"),
            ("WrongWidth", "returned shape (4, 1); need (4, 2)"),
            ("Raises", "broke"),
        ],
    )
    def test_a_method_that_breaks(
        self, clbench: Command, tmp_path: Path, method: str, complaint: str
    ) -> None:
        arguments = ("--source", SOURCE, "--out", tmp_path)
        printed = clbench("run", f"{ODD}:{method}", "split-digits", *arguments)
        assert printed.code == 2
        assert complaint in printed.err
        assert ("Traceback" in printed.err) == (method == "Raises")

    def test_a_budget_that_is_too_small(self, clbench: Command, tmp_path: Path) -> None:
        arguments = ("--source", SOURCE, "--out", tmp_path, "--protocol", "memory_bytes=1000")
        printed = clbench("run", "finetune", "split-digits", *arguments)
        assert printed.code == 2
        assert "allows 1,000" in printed.err

    def test_a_full_disk(
        self, clbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        arguments = ("run", "nmc", "split-digits", "--source", SOURCE, "--out", tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            printed = clbench(*arguments)
        assert printed.code == 2
        assert "cannot be written: No space left on device" in printed.err
        assert clbench(*arguments).code == 0
