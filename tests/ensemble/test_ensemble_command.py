"""`clbench ensemble` from the command line, and runs that start from what it made."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clbench.cli import app
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError

SMALL = (
    "--source synthetic,classes=4,per_class=10,test_per_class=5,dim=6 "
    "--recipe backbone=mlp,width=8,depth=1 --protocol epochs=2 --threads 1"
)


def call(line: str) -> Result:
    result = CliRunner().invoke(app, line.split())
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def ensemble(kind: str, out: Path, more: str = "") -> Result:
    line = f"ensemble forget-digits-random --kind {kind} --out {out} {SMALL} {more}"
    return call(line)


def test_makes_a_store_and_tells_what_it_did(tmp_path: Path) -> None:
    told = json.loads(ensemble("masks", tmp_path / "m", "--count 3 --share 0.25 --json").stdout)
    assert (told["kind"], told["members"], told["complete"]) == ("masks", 3, 3)
    assert told["trial"]["program"] == "loop"
    store = Store(tmp_path / "m")
    assert store.read("mask").sum(axis=1).tolist() == [10, 10, 10]
    assert store.spec.about["stream"] == "forget-digits-random+epochs=2"
    assert "3 of 3 masks in" in ensemble("masks", tmp_path / "m", "--count 3 --share 0.25").stdout


def test_runs_start_from_its_stores(tmp_path: Path) -> None:
    for kind in ("originals", "oracles"):
        ensemble(kind, tmp_path / kind, "--count 1")
    line = f"run retrain forget-digits-random {SMALL} --out {tmp_path / 'runs'} --json"
    stores = f"--originals {tmp_path / 'originals'} --oracles {tmp_path / 'oracles'}"
    told = json.loads(call(f"{line} {stores}").stdout)
    assert [store["kind"] for store in told["record"]["stores"]] == ["originals", "oracles"]


def test_a_store_that_no_method_would_take_is_refused(tmp_path: Path) -> None:
    line = f"run er split-digits --originals {tmp_path} --out {tmp_path / 'runs'}"
    with pytest.raises(ClbenchError, match="none of the methods starts from --originals"):
        call(line)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("--recipe bakcbone=mlp", "unknown part of the recipe of an ensemble 'bakcbone'"),
        ("--recipe training.lrr=1", "unknown setting of the recipe 'training.lrr'; did you mean"),
        ("--recipe training.lr=-1", r"recipe: lr: .* greater than 0, got -1"),
        ("--protocol flops=1000", "flops is 1000, and members of an ensemble are trained whole"),
        ("--ridge 1.0", "--ridge solves heads of --kind masks"),
        ("--device moon", "device 'moon' cannot be used"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(
    tmp_path: Path, more: str, error: str
) -> None:
    with pytest.raises(ClbenchError, match=error):
        ensemble("originals", tmp_path / "o", f"--count 1 {more}")
    assert list(tmp_path.iterdir()) == []
