"""`clbench layers`: what changed inside, between two versions or over the life of a run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clbench.cli import app
from clbench.errors import ClbenchError
from clbench.inside import inside_of, read_inside, version_of
from clbench.layers import changes, drift_map
from clbench.ledger import Ledger
from clbench.metric.similarity.measures import MEASURES, chosen
from clbench.metric.similarity.null import Compared
from clbench.plugin import load
from clbench.settings import Settings
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol
from fakes import random_run, stream_record
from tiny import Tiny, tiny_stream

LAYERS = ("backbone.body.2", "backbone.body.4")
CKA = chosen(["linear_cka"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Ledger:
    settings = Settings(threads=1, layers=LAYERS)
    return tiny_stream().play(
        load("methods", "finetune"), tmp_path_factory.mktemp("r"), settings=settings
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: Any) -> Ledger:
    return tiny_stream().play(load("methods", "finetune"), tmp_path_factory.mktemp("p"), seed=1)


def printed(*words: Any) -> Any:
    found = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["layers", *map(str, words)])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_version_has_the_layers_in_the_order_asked_for_and_its_embedding_last(run):
    inside = inside_of(run)
    assert list(inside.layers) == [*LAYERS, "embedding"]
    assert {len(each.values) for each in inside.layers.values()} == {len(inside.labels)} == {60}
    assert inside.where == f"{run.path}@3"


def test_a_run_does_not_move_from_its_last_version_and_does_from_its_first(run):
    found = drift_map(run, MEASURES["linear_cka"])
    assert list(found) == [*LAYERS, "embedding"]
    for row in found.values():
        values = [each.value for each in row if isinstance(each, Compared)]
        assert len(values) == 4
        assert values[0] < values[-1] == pytest.approx(1)


def test_two_runs_are_compared_in_the_layers_that_both_recorded(run, plain):
    found, left_out = changes(inside_of(run), inside_of(plain), CKA)
    assert [each.layer for each in found] == ["embedding"]
    assert left_out == sorted(LAYERS)
    (only,) = found
    assert 0.2 < only.similarities["linear_cka"].value < 1
    assert set(only.readouts) == {"linear probe", "10-NN", "class means"}
    assert all(0.3 < share <= 1 for pair in only.readouts.values() for share in pair)


def test_what_has_no_similarity_says_why(run):
    found, _ = changes(inside_of(run), inside_of(run), chosen(["svcca"]))
    why = found[-1].similarities["svcca"]
    assert isinstance(why, str)
    assert "canonical correlations take" in why
    shown = printed(run.path, run.path, "--measures", "svcca")
    assert "canonical correlations take" in shown


def test_two_versions_are_printed_with_nulls_and_as_json(run):
    pair = (f"{run.path}@1", f"{run.path}@3")
    shown = printed(*pair, "--measures", "linear_cka,knn_jaccard")
    assert "knn_jaccard(k=10, n=60)" in shown
    assert "linear probe" in shown
    table = json.loads(printed(*pair, "--json"))
    assert [each["layer"] for each in table["layers"]] == [*LAYERS, "embedding"]
    assert set(table["layers"][0]["similarities"]) == {each.name for each in chosen()}


def test_one_run_is_printed_version_by_version_and_as_json(run):
    assert "linear_cka(n=60) to the last version" in printed(run.path)
    table = json.loads(printed(run.path, "--measures", "rsa", "--json"))
    assert table["measure"] == "rsa"
    assert len(table["layers"]["embedding"]) == 4


def refused(*words: Any) -> str:
    found = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["layers", *map(str, words)])
    assert isinstance(found.exception, ClbenchError), found.output
    return str(found.exception)


def test_what_cannot_be_shown_is_told(run, tmp_path):
    assert "did you mean 'rsa'" in refused(run.path, run.path, "--measures", "rsaa")
    assert "has versions 0 to 3; got 9" in refused(f"{run.path}@9", run.path)
    assert "is not a ledger" in refused(tmp_path, run.path)
    assert "give two versions, or one folder and one measure" in refused(f"{run.path}@1")
    assert "2 measures" in refused(run.path, "--measures", "rsa,linear_cka")


def test_runs_on_other_samples_are_refused(run, tmp_path):
    source = synthetic(classes=6, per_class=20, test_per_class=14, dim=8)
    stream = load("streams", "class_incremental")(source, "other", Protocol(epochs=1), increment=2)
    other = Tiny(stream, source).play(load("methods", "finetune"), tmp_path)
    with pytest.raises(ClbenchError, match="are of other sources"):
        changes(inside_of(run), inside_of(other), CKA)


def test_runs_without_embeddings_or_an_end_are_refused(run, tmp_path):
    bare = random_run(tmp_path, stream_record())
    with pytest.raises(ClbenchError, match="version 3 holds no embeddings"):
        inside_of(bare)
    (bare.folder(3) / "manifest.json").unlink()
    with pytest.raises(ClbenchError, match="is not finished"):
        read_inside(str(bare.path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b", (Path("a/b"), None)), ("a/b@2", (Path("a/b"), 2)), ("a@b", (Path("a@b"), None))],
)
def test_a_version_is_named_after_its_folder(name, expected):
    assert version_of(name) == expected


def test_layers_that_were_altered_or_are_missing_are_told(run, tmp_path):
    copy = Ledger(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    file = copy.folder(3) / "layers.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ClbenchError, match=r"layers.safetensors was altered"):
        inside_of(copy)
