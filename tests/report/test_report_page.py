import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs
from report_runs import PERFECT, STREAM, scored, study, with_card

from clbench.errors import ClbenchError
from clbench.report.command import command
from clbench.report.page import render, write_report
from clbench.score import score_runs
from fakes import run_record, stream_record, write_run

HOSTILE = "</script><script>alert(1)</script><u onclick='x'>\"&"


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts and of what is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in ("meta", "br"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] == "script":
            self.scripts[-1] += data
        elif self.inside and self.inside[-1] != "style":
            self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    root = tmp_path_factory.mktemp("study")
    write_report(study(root), root / "report.html")
    return Page((root / "report.html").read_text("utf-8"))


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert "src" not in attributes
        if tag != "a":
            assert "href" not in attributes
    style = (Path(__file__).parents[2] / "clbench/report/page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_scripts_of_the_page_may_run(page: Page) -> None:
    policy = page.of("meta")[-1]["content"] or ""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in page.scripts[1:]
    ]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_the_library_is_there_once(page: Page) -> None:
    assert sum(get_plotlyjs()[:1000] in text for text in page.scripts) == 1


def test_figures_have_the_place_that_they_are_drawn_at(page: Page) -> None:
    places = [each for each in page.of("div") if each.get("class") == "plot"]
    assert len(places) == len(page.figures["figures"]) == 4 + 3 + 3
    assert all(each["aria-label"] for each in places)


def test_columns_can_be_sorted_and_read_aloud(page: Page) -> None:
    heads = [each for each in page.of("th") if "aria-sort" in each]
    assert heads
    assert all(each["scope"] == "col" and each["aria-sort"] == "none" for each in heads)
    assert "average accuracy" in page.words
    assert " (higher is better)" in page.words
    assert " best" in page.words


def test_controls_and_methods_are_sorted_apart(page: Page) -> None:
    kinds = [each.get("class") for each in page.of("tbody") if each.get("class")]
    assert set(kinds) == {"methods", "controls"}


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    scores = scored(tmp_path)
    assert render(scores) == render(scores)


def test_what_a_stranger_wrote_is_text(tmp_path: Path) -> None:
    stream = stream_record(name=HOSTILE, source=HOSTILE, class_names=(HOSTILE,) * 6)
    run = with_card(tmp_path / "run", stream=stream, name=HOSTILE, family=HOSTILE, paper=HOSTILE)
    read = Page(render(score_runs([run]), title=HOSTILE))
    assert len(read.scripts) == 3
    assert not read.of("u")
    assert read.words.count(HOSTILE) > 5
    assert not any("onclick" in attributes for _, attributes in read.elements)
    names = [trace.get("name", "") for each in read.figures["figures"] for trace in each["data"]]
    assert not any("<" in name for name in names)


def test_hostile_hyperparameters_and_seeds_of_evidence_are_text(tmp_path: Path) -> None:
    chosen = {HOSTILE: HOSTILE, "nested": {"deep": HOSTILE}}
    run = write_run(tmp_path / "run", STREAM, PERFECT, hyperparameters=chosen)
    read = Page(render(score_runs([run])))
    assert len(read.scripts) == 3
    assert read.words.count(HOSTILE) >= 3


def test_streams_have_a_section_each(tmp_path: Path) -> None:
    other = stream_record(name="other", fingerprint="e" * 64)
    runs = [write_run(tmp_path / "a", STREAM, PERFECT), write_run(tmp_path / "b", other, PERFECT)]
    read = Page(render(score_runs(runs)))
    targets = [each["href"] for each in read.of("a")][:2]
    assert targets == ["#stream-0", "#stream-1"]
    assert [each.get("id") for each in read.of("section") if each.get("class")] == [
        "stream-0",
        "stream-1",
    ]


def test_streams_that_share_a_name_are_told_apart(tmp_path: Path) -> None:
    other = stream_record(fingerprint="e" * 64)
    runs = [write_run(tmp_path / "a", STREAM, PERFECT), write_run(tmp_path / "b", other, PERFECT)]
    words = Page(render(score_runs(runs))).words
    assert "fake (eeeeeee, source 0000000)" in words
    assert "fake (fffffff, source 0000000)" in words


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    half = write_run(tmp_path / "half", STREAM, PERFECT[:2])
    read = Page(render(score_runs([*study(tmp_path), half])))
    assert f"{half.path} has 2 of 4 versions" in read.words
    assert any("version 0 was not asked" in words for words in read.words)


def test_a_report_of_nothing_is_an_error(tmp_path: Path) -> None:
    half = write_run(tmp_path / "half", STREAM, PERFECT[:2])
    with pytest.raises(ClbenchError, match="none of the 1 runs is finished"):
        write_report([half], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_progress_counts_scoring_and_drawing(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    write_report(
        study(tmp_path), tmp_path / "report.html", lambda done, whole: steps.append((done, whole))
    )
    assert steps[-1] == (12, 12)
    assert steps == sorted(steps)


def test_the_command_spells_out_every_choice_and_is_safe_in_a_shell() -> None:
    chosen = {"buffer": 200, "group": {"on": True, "none": None}, "word": "a b;rm"}
    records = [run_record(STREAM, method="er", seed=s, hyperparameters=chosen) for s in (0, 3)]
    assert command(records).replace(" \\\n ", "") == (
        "clbench sweep er fake --seeds 0,3 --source fake --protocol setting=class-incremental "
        "--set buffer=200 --set group.on=true --set 'word=a b;rm' --form compact --device cpu "
        "--threads 1"
    )


def test_one_seed_is_run_and_not_counted() -> None:
    assert command([run_record(STREAM, seed=3)]).startswith("clbench run fake fake \\\n  --seed 3")


def test_the_command_opens_the_preset_and_gives_what_differs_as_options() -> None:
    changed = {"name": "digits+tuning+flops=1000+memory_adjusted=True"}
    stream = STREAM.model_copy(
        update={**changed, "protocol": {"flops": 1000, "memory_adjusted": True}}
    )
    words = command([run_record(stream, seed=3)]).replace(" \\\n ", "")
    assert words.startswith("clbench run fake digits+tuning --seed 3 ")
    assert "--protocol flops=1000 --protocol memory_adjusted=true" in words


def test_a_report_needs_no_torch() -> None:
    code = "import sys, clbench.report.page, clbench.report.terminal; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
