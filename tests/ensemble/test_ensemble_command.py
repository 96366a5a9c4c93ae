"""`clbench ensemble` from the command line, and runs that start from what it made."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from clbench.archive import find_ledgers
from clbench.cli import app
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError
from clbench.record import RunRecord
from clbench.recorded import RecordedAnswers

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


def sweep(methods: str, streams: str, out: Path, more: str = "") -> list[RunRecord]:
    call(f"sweep {methods} {streams} --seeds 2 {SMALL} -j 1 --out {out} {more}")
    return [ledger.record for ledger in find_ledgers(out)]


def test_a_sweep_trains_what_its_runs_share(tmp_path: Path) -> None:
    streams = "forget-digits-random,forget-digits-class"
    made = sweep("retrain,ssd,sisa", streams, tmp_path / "runs", f"--stores {tmp_path / 'stores'}")
    kinds = sorted(path.name.partition("-")[0] for path in (tmp_path / "stores").iterdir())
    assert kinds == ["oracles", "oracles", "originals"]
    taken = {(r.method.name, tuple(store.kind for store in r.stores)) for r in made}
    assert taken == {
        ("retrain", ("originals", "oracles")), ("ssd", ("originals",)), ("sisa", ())
    }  # fmt: skip


def test_shared_models_answer_as_those_that_runs_train(tmp_path: Path) -> None:
    sweep("do_nothing", "forget-digits-random", tmp_path / "1", f"--stores {tmp_path / 'stores'}")
    sweep("do_nothing", "forget-digits-random", tmp_path / "2")
    one, two = (
        RecordedAnswers(find_ledgers(tmp_path / name)).column(2, "margin") for name in ("1", "2")
    )
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_stores_that_nothing_would_take_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match="none of the methods would train what others do"):
        sweep("sisa", "forget-digits-random", tmp_path / "runs", f"--stores {tmp_path / 'stores'}")
    assert list(tmp_path.iterdir()) == []


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
