"""From the files of --relearn to arrays: they agree, or are refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked_runs import attacked, original, relearnt

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric import NotMeasured
from clbench.recorded import crowd_of_runs
from clbench.seal import seal
from clbench.settings import Settings
from clbench.sides import Sides
from tiny import Tiny


@pytest.fixture(scope="module")
def made(small: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[Ledger]:
    root = tmp_path_factory.mktemp("made")
    return [attacked(small, "retrain", root, seed=seed) for seed in range(2)]


@pytest.fixture
def runs(made: list[Ledger], tmp_path: Path) -> list[Ledger]:
    return [Ledger(shutil.copytree(each.path, tmp_path / each.path.name)) for each in made]


def sides(runs: list[Ledger]) -> Sides:
    crowd = crowd_of_runs(runs)
    return Sides(crowd, crowd)


def rewritten(ledger: Ledger, version: int, name: str, data: bytes) -> None:
    """A file with other contents, and a manifest that agrees with it."""
    (ledger.folder(version) / name).write_bytes(data)
    manifest = ledger.folder(version) / "manifest.json"
    seals = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(seals | {name: seal(data).model_dump()}))


def changed(ledger: Ledger, version: int, name: str, change: Callable[[Any], Any]) -> None:
    content = json.loads(ledger.read(version, name))
    rewritten(ledger, version, name, json.dumps(change(content)).encode())


def test_arrays_are_those_of_the_files_by_seed(runs: list[Ledger]) -> None:
    found = sides(runs[::-1])
    records, before = list(map(relearnt, runs)), list(map(original, runs))
    np.testing.assert_array_equal(
        found.relearning.accuracy, [np.array(each.relearning.correct) / 40 for each in records]
    )
    np.testing.assert_array_equal(
        found.oracle_relearning.loss, [each.relearning.loss for each in records]
    )
    assert found.relearning.original_loss.tolist() == [each.loss for each in before]
    assert found.relearning.original_accuracy.tolist() == [each.correct / 40 for each in before]
    heads = [[each.head.before, each.head.correct] for each in records]
    np.testing.assert_array_equal(found.recovery["head"], np.array(heads) / records[0].head.asked)
    assert [each.tolist() for each in found.neighbours] == [[*each.neighbours] for each in before]


def test_ids_lie_beside_the_answers(runs: list[Ledger]) -> None:
    found = sides(runs)
    assert found.samples["forget"].tolist() == [*range(40)]
    assert found.samples["retain"].tolist() == [*range(40, 160)]


def test_runs_without_attacks_are_not_measured(small: Tiny, tmp_path: Path) -> None:
    plain = attacked(small, "retrain", tmp_path, settings=Settings(threads=1))
    with pytest.raises(NotMeasured, match="recorded without --relearn"):
        _ = sides([plain]).relearning


def test_runs_with_and_without_are_no_crowd(small: Tiny, runs: list[Ledger]) -> None:
    plain = attacked(small, "retrain", runs[0].path.parent, seed=7, settings=Settings(threads=1))
    with pytest.raises(ClbenchError, match="a crowd is of one set-up"):
        crowd_of_runs([*runs, plain])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data[:-5], "relearn.json has .* bytes, not"),
        (lambda data: data.replace(b"recipe", b"RECIPE"), "relearn.json was altered"),
    ],
)
def test_a_damaged_file_is_refused(
    runs: list[Ledger], change: Callable[[bytes], bytes], match: str
) -> None:
    file = runs[1].folder(2) / "relearn.json"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ClbenchError, match=match):
        _ = sides(runs).recovery


def test_a_missing_file_is_refused(runs: list[Ledger]) -> None:
    (runs[0].folder(1) / "original.json").unlink()
    with pytest.raises(ClbenchError, match=r"original.json is missing; restore it"):
        _ = sides(runs).neighbours


@pytest.mark.parametrize(
    ("version", "name", "change", "match"),
    [
        (1, "original.json", lambda c: c | {"forgotten": 41}, r"forgotten is 41, but run.json sa"),
        (2, "relearn.json", lambda c: c | {"forgotten": 50}, r"forgotten is 50, but run.json sa"),
        (2, "relearn.json", lambda c: c | {"recipe": 2}, r"relearn.json: recipe: Input should be"),
        (2, "relearn.json", lambda c: {**c, "more": 1}, r"relearn.json: more: Extra inputs"),
        (1, "original.json", lambda c: c | {"loss": "NaN"}, r"original.json: loss: "),
        (
            2,
            "relearn.json",
            lambda c: c | {"relearning": c["relearning"] | {"epoch": 3}},
            r"looked at after other steps than that of",
        ),
        (
            2,
            "relearn.json",
            lambda c: c | {"head": c["head"] | {"correct": 99}},
            r"relearn.json: head.found: Value error, more right answers than the",
        ),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(
    runs: list[Ledger], version: int, name: str, change: Callable[[Any], Any], match: str
) -> None:
    changed(runs[1], version, name, change)
    with pytest.raises(ClbenchError, match=match):
        _ = sides(runs).relearning
