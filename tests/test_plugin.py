"""Plugins: found without being imported, by name or by file; a broken one breaks only itself."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from clbench import plugin, preset
from clbench.card import Card, read_card, source_file
from clbench.catalogue import catalogue
from clbench.details import details
from clbench.errors import ClbenchError
from clbench.opening import open_preset
from clbench.plugin import call, entries, load
from clbench.running import load_method

CLI = "from clbench.cli import main; main()"
PACKAGE = Path(__file__).with_name("plugin_package")
ODD = Path(__file__).with_name("odd_methods.py")


def install(package: Path, site: Path) -> None:
    """What an installer leaves: the packages, and beside them their entry points."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    for folder in package.glob("clbench_*"):
        shutil.copytree(folder, site / folder.name)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(PACKAGE, folder)
    return folder


def forget() -> None:
    """As if nothing had been looked for."""
    entries.cache_clear()
    plugin._installed.cache_clear()
    preset._registered.cache_clear()


@pytest.fixture
def guest(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A session in which the guest's package is installed."""
    with monkeypatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", str(site))
        forget()
        yield site
    for name in [
        name for name in sys.modules if name.startswith(("clbench_guest", "clbench_rude"))
    ]:
        del sys.modules[name]
    forget()


@pytest.mark.usefixtures("guest")
class TestAStrangersPackage:
    def test_the_list_shows_what_works_and_what_is_broken(self) -> None:
        found = {item.name: item for item in catalogue() if "guest" in item.name}
        broken = {name: item.broken for name, item in found.items() if item.broken}
        assert {name for name, item in found.items() if not item.broken} == {
            "guest",
            "guest-elsewhere",
            "guest-line",
            "guest_points",
            "guest_share",
        }
        assert broken["guest-raises"] == "fails to import: RuntimeError: this guest is not well"
        assert "No module named 'a_library_that_is_not_installed'" in broken["guest-lacks"]
        assert "it ends the process" in broken["guest-exits"]
        assert "has no attribute 'Gest'" in broken["guest-misnamed"]
        assert "this guest is not well" in broken["guest_broken"]
        assert "generator: Value error, needs a name" in broken["rude_guest"]
        assert found["guest"].properties["family"] == "control"
        assert found["guest"].about == "Answers as it was born."

    def test_what_is_ours_is_listed_as_ever(self) -> None:
        mine = [item for item in catalogue(["metrics", "sources"]) if "guest" not in item.name]
        assert [item.broken for item in mine if item.broken] == []
        assert {"digits", "final_accuracy"} <= {item.name for item in mine}

    def test_what_was_seen_to_work_is_not_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = catalogue(["metrics"])
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
        assert catalogue(["metrics"]) == first

    def test_a_memory_of_it_that_is_spoiled_or_cannot_be_written_does_not_matter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path))
        (tmp_path / "imported.json").write_text('{"half')
        assert "guest_share" in {item.name for item in catalogue(["metrics"])}
        (tmp_path / "file").touch()
        monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "file"))
        assert "guest_share" in {item.name for item in catalogue(["metrics"])}

    def test_listing_imports_neither_it_nor_torch(self, guest: Path) -> None:
        program = (
            "import sys; from clbench.catalogue import catalogue\n"
            "catalogue(['streams', 'metrics'])\n"
            "print([m for m in ('torch', 'clbench_guest') if m in sys.modules])"
        )
        found = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert found.stdout == "[]\n"

    def test_a_broken_one_is_named_when_it_is_asked_for(self) -> None:
        with pytest.raises(
            ClbenchError,
            match=r"method plugin 'guest-raises' of clbench-guest fails to import: RuntimeError: ",
        ):
            load("methods", "guest-raises")

    def test_its_stream_source_and_generator_work_together(self) -> None:
        opened = open_preset("guest-line")
        assert [len(u.samples) for u in opened.stream.updates] == [12, 12]
        assert str(opened.source.spec) == "guest_points,count=6"

    def test_its_details_are_shown(self) -> None:
        assert details("guest")["hyperparameters"]["bias"].startswith("0.0 (float")
        assert details("guest-line")["updates"]["update 1"] == "learn 12 samples, labels 0, 1"
        assert details("guest_share")["definition"] == "Share of answers that are the first class."

    def test_a_run_from_the_command_line(self, tmp_path: Path) -> None:
        command = ["run", "guest", "guest-line", "--json", "--out", str(tmp_path / "runs")]
        done = subprocess.run(
            [sys.executable, "-c", CLI, *command], capture_output=True, text=True, check=True
        )
        scores = json.loads(done.stdout)["scores"]
        assert 0 <= scores["guest_share"]["value"] <= 1


class TestNames:
    @pytest.mark.parametrize(
        ("group", "name", "nearest"),
        [
            ("methods", "finetun", "finetune"),
            ("sources", "digit", "digits"),
            ("streams", "class-incremental", "class_incremental"),
            ("metrics", "forgetting", "forgetting_from_"),
        ],
    )
    def test_an_unknown_one_gets_the_nearest(self, group: Any, name: str, nearest: str) -> None:
        with pytest.raises(ClbenchError, match=f"unknown {group[:-1]} '{name}'; .*{nearest}"):
            load(group, name)

    def test_two_things_of_one_name_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        points = [EntryPoint("er", f"{p}:ER", "clbench.methods") for p in ("one", "two")]
        monkeypatch.setattr(plugin, "entry_points", lambda: EntryPoints(points))
        forget()
        with pytest.raises(ClbenchError, match=r"'er' is registered by .*one:ER.*two:ER.*; unins"):
            entries("methods")
        forget()

    def test_the_same_thing_twice_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        points = [EntryPoint("er", "one:ER", "clbench.methods")] * 2
        monkeypatch.setattr(plugin, "entry_points", lambda: EntryPoints(points))
        forget()
        assert list(entries("methods")) == ["er"]
        forget()


class TestFiles:
    def test_a_class_in_a_file_is_a_method(self) -> None:
        kind = load_method(f"{ODD}:Guided")
        assert kind.card.name == "guided"
        assert load_method(f"{ODD}:Guided") is kind

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("import nothing_of_this_name", "fails to import: ModuleNotFoundError"),
            ("def f(:", "fails to import: SyntaxError"),
            ("raise SystemExit(0)", "fails to import: SystemExit"),
            ("class Mime: pass", "unknown attribute of .*'Mine'; did you mean 'Mime'"),
            ("Mine = 5", "is not a subclass of clbench.method.Method"),
        ],
    )
    def test_what_is_wrong_with_a_file_is_said(
        self, tmp_path: Path, content: str, complaint: str
    ) -> None:
        file = tmp_path / "mine.py"
        file.write_text(content)
        with pytest.raises(ClbenchError, match=rf"mine.py.*{complaint}|{complaint}"):
            load_method(f"{file}:Mine")

    def test_a_file_that_is_mended_can_be_loaded(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.py"
        file.write_text("import nothing_of_this_name")
        with pytest.raises(ClbenchError, match="fails to import"):
            load("methods", f"{file}:Mine")
        os.utime(file, (0, 0))
        file.write_text("Mine = 'a longer program'")
        assert load("methods", f"{file}:Mine") == "a longer program"

    def test_a_file_that_is_not_there_is_named(self) -> None:
        with pytest.raises(ClbenchError, match=r"plugin file nowhere.py does not exist"):
            load("methods", "nowhere.py:Mine")


class TestOptions:
    def test_an_unknown_option_gets_the_nearest(self) -> None:
        with pytest.raises(ClbenchError, match="option of source s 'sead'; did you mean 'seed'"):
            call("source", "s", lambda seed=0: seed, {"sead": 1})

    def test_a_missing_option_is_asked_for(self) -> None:
        with pytest.raises(ClbenchError, match=r"source s needs the option 'path': s,path=..."):
            call("source", "s", lambda path: path, {})


class TestCards:
    def test_it_is_read_without_importing(self) -> None:
        assert read_card("clbench_methods.er:ER").stores == "samples"

    @pytest.mark.parametrize(
        ("field", "value", "complaint"),
        [
            (
                "needs",
                ("replay",),
                "value of needs in the card of m 'replay'; known: forget-labels, past, retained, ",
            ),
            ("stores", "sample", "value of stores in the card of m 'sample'; .*'samples'"),
            ("passes", "two", "value of passes in the card of m 'two'; known: many, one"),
        ],
    )
    def test_its_words_are_few(self, field: str, value: object, complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            Card("m", paper="", family="", **{field: value})

    @pytest.mark.parametrize(
        ("target", "complaint"),
        [
            ("clbench_methods.nothing:ER", "nothing cannot be found"),
            ("clbench_nothing.er:ER", "clbench_nothing.er cannot be found"),
            ("clbench_methods.er:EER", "defines no 'EER'"),
            ("clbench.spec:Spec", "has no card"),
        ],
    )
    def test_where_there_is_none(self, target: str, complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            read_card(target)

    def test_modules_without_a_file(self) -> None:
        assert source_file("sys") is None
        assert source_file("os.path.deeper") is None
