"""What runs use stands beside their methods, in a terminal, on a page and in JSON."""

from pathlib import Path
from typing import Any

import pytest
from report_runs import study, with_card
from test_report_terminal import line_of, printed

from clbench.ledger import Ledger
from clbench.record import RunRecord
from clbench.report.page import render
from clbench.report.pair_table import run_table
from clbench.report.terminal import score_table
from clbench.score import Scores, score_runs
from clbench.summary import summarise, to_records
from clbench.uses import MEANING, caption, uses
from fakes import run_record, stream_record

SILENT: dict[str, Any] = {"needs": (), "stores": "nothing", "passes": "one"}


def declaring(pretrained: tuple[str, ...] = (), **card: Any) -> RunRecord:
    """The record of a method with such a card."""
    record = run_record(stream_record(), pretrained=pretrained)
    return record.model_copy(update={"method": record.method.model_copy(update=SILENT | card)})


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (declaring(), ()),
        (declaring(stores="statistics", passes="many"), ()),
        (declaring(stores="samples"), ("replay",)),
        (declaring(stores="labels"), ("labels",)),
        (declaring(needs=("past",)), ("past",)),
        (declaring(needs=("task-ids",), pretrained=("w.safetensors",)), ("task ids", "pretrained")),
        (run_record(stream_record()), ("?",)),
    ],
)
def test_few_words_say_it(record: RunRecord, words: tuple[str, ...]) -> None:
    assert uses(record) == words


def test_the_caption_explains_the_words_that_occur() -> None:
    assert caption([]) == ""
    assert caption(["past", "replay"]) == (
        f"Uses are replay: {MEANING['replay']}; past: {MEANING['past']}."
    )


def ledgers(root: Path) -> list[Ledger]:
    """A method that replays, one with much behind it, one that uses nothing, one that is old."""
    none: dict[str, Any] = {"pretrained": ()}
    much = {"needs": ("past", "task-ids"), "stores": "samples"}
    return [
        with_card(root / "er", changes=none, name="er", **SILENT | {"stores": "samples"}),
        with_card(root / "big", changes={"pretrained": ("w",)}, name="big", **SILENT | much),
        with_card(root / "lwf", changes=none, name="lwf", **SILENT),
        with_card(root / "old", name="old"),
    ]


@pytest.fixture
def scores(tmp_path: Path) -> Scores:
    return score_runs(ledgers(tmp_path))


@pytest.mark.parametrize("width", [60, 100])
def test_a_terminal_has_a_column_of_them(scores: Scores, width: int) -> None:
    text = printed(score_table(scores), width)
    assert max(map(len, text.splitlines())) <= width
    lines = [line_of(text, name).split()[:2] for name in ("er", "big", "old")]
    assert lines == [["er", "replay"], ["big", "pretrained"], ["old", "?"]]  # others stand above
    assert line_of(text, "lwf").split()[1] == "1"  # the number of seeds comes next
    words = " ".join(text.split())
    explained = {word for word, about in MEANING.items() if f"{word}: {about}" in words}
    assert explained == {"replay", "task ids", "past", "pretrained", "?"}


def test_a_page_has_a_column_of_them_and_cards_say_more(scores: Scores) -> None:
    page = render(scores)
    assert '<td class="uses" data-value="replay">replay</td>' in page
    assert "replay, task ids, past, pretrained" in page
    assert "Stores samples of the past. Takes one pass. Pretrained weights: w." in page
    assert "What it uses was not recorded." in page


def test_json_has_them(scores: Scores) -> None:
    found = {row["label"]: row["uses"] for row in to_records(summarise(scores))}
    assert found["er"] == ["replay"]
    assert found["lwf"] == []


def test_a_single_run_says_it_in_its_head(scores: Scores) -> None:
    heads = [printed(run_table(run, scores.metrics)).splitlines()[0] for run in scores.runs]
    assert heads[0].startswith("er on fake, seed 0, uses replay")
    assert heads[2].startswith("lwf on fake, seed 0")
    assert "uses" not in heads[2]


def test_where_nothing_is_used_there_is_no_column(tmp_path: Path) -> None:
    """Nor where no run says what it uses."""
    quiet = [with_card(tmp_path / "a", changes={"pretrained": ()}, **SILENT)]
    for runs in (quiet, study(tmp_path)):
        scores = score_runs(runs)
        assert "uses" not in printed(score_table(scores)).splitlines()[2].split()
        assert 'class="uses"' not in render(scores)


def test_runs_recorded_before_cards_said_it_are_read() -> None:
    record = declaring().model_dump(mode="json")
    for field in ("needs", "stores", "passes"):
        del record["method"][field]
    del record["pretrained"]
    assert uses(RunRecord.model_validate(record)) == ("?",)
