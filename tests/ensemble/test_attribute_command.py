"""`clbench attribute` from the command line: one table of attributions, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from clbench.cli import app
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError

STREAM = "forget-digits-random"
VECTORS = "--source synthetic,classes=4,per_class=10,test_per_class=5,dim=6"
SMALL = "--recipe backbone=identity --protocol epochs=1 --threads 1"
FEW = 15


def call(line: str) -> Result:
    result = CliRunner().invoke(app, line.split())
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained masks and originals, and masks of ridge heads."""
    folder = tmp_path_factory.mktemp("stores")
    for name, more in (
        ("masks", f"--kind masks --count {FEW} --program bmm"),
        ("few", f"--kind masks --count {FEW - 1} --ridge 1.0"),
        ("heads", f"--kind masks --count {FEW} --ridge 1.0"),
        ("originals", "--kind originals --count 2 --program loop"),
    ):
        call(f"ensemble {STREAM} {VECTORS} {SMALL} {more} --out {folder / name}")
    return folder


def attribute(stores: Path, out: Path, more: str, masks: str = "masks") -> Result:
    given = f"--masks {stores / masks} --out {out} {SMALL} {more}"
    return call(f"attribute {STREAM} {VECTORS} {given}")


def test_one_table_compares_attributions(stores: Path, tmp_path: Path) -> None:
    more = f"--by ridge,lasso,trak,exact --originals {stores / 'originals'}"
    told = json.loads(attribute(stores, tmp_path, f"{more} --json").stdout)
    rows = {row["attribution"]: row for row in told["attributions"]}
    assert list(rows) == ["ridge", "lasso", "trak", "exact"]
    assert [rows[by]["fitted"] for by in rows] == [12, 12, 2, 0]
    assert {row["held_out"] for row in rows.values()} == {3}
    for by, row in rows.items():
        assert (row["lds"]["train"]["queries"], row["lds"]["test"]["queries"]) == (40, 20)
        lds = Store(tmp_path / by).read("lds")[40:]
        undefined = int(np.isnan(lds).sum())
        assert row["lds"]["test"]["undefined"] == undefined
        expected = None if undefined == 20 else pytest.approx(np.nanmean(lds))
        assert row["lds"]["test"]["mean"] == expected
        assert row["path"] == str(tmp_path / by)
    assert rows["lasso"]["lds"]["test"]["undefined"] == 20  # of 12 models it learns nothing
    table = attribute(stores, tmp_path, more).stdout
    assert all(word in table for word in ("LDS, train", "LDS, test", "fitted", "held out", *rows))
    again = json.loads(attribute(stores, tmp_path, f"{more} --json").stdout)
    assert again == told  # nothing was done again: seconds are those of the first time


def test_an_exact_attribution_takes_the_ridge_of_the_heads(stores: Path, tmp_path: Path) -> None:
    """For heads of six features it is nearly right; chosen, the ridge is another."""
    for masks, out in (("heads", "own"), ("masks", "chosen")):
        attribute(stores, tmp_path / out, "--by exact", masks)
    penalties = [Store(tmp_path / out / "exact").read("penalty")[0] for out in ("own", "chosen")]
    assert penalties[0] == 1.0
    assert penalties[1] != 1.0
    told = json.loads(attribute(stores, tmp_path / "own", "--by exact --json", "heads").stdout)
    assert told["attributions"][0]["lds"]["test"]["mean"] > 0.5


def test_of_other_models_it_is_another_store(stores: Path, tmp_path: Path) -> None:
    attribute(stores, tmp_path, "--by exact --ridge 1.0")
    with pytest.raises(ClbenchError, match=r"its ridge is 1.0, not 2.0; give the folder"):
        attribute(stores, tmp_path, "--by exact --ridge 2.0")
    with pytest.raises(ClbenchError, match=r"its masks is .*; give the folder"):
        attribute(stores, tmp_path, "--by exact --ridge 1.0", "heads")


@pytest.mark.parametrize(
    ("more", "masks", "error"),
    [
        ("--by ridge,trakk", "masks", "unknown attribution 'trakk'; did you mean 'trak'"),
        ("--by trak", "masks", "trak takes gradients of trained models: give them as --originals"),
        ("--by trak --originals {}/masks", "masks", "a store of masks, and one of originals is"),
        ("--by trak --originals {}/none", "masks", "none is no store of an ensemble"),
        ("--by ridge,exact --ridge 0", "masks", "--ridge is 0; it must be above 0"),
        ("", "originals", "a store of originals, and one of masks is needed: clbench ensemble"),
        ("", "nowhere", "nowhere is no store of an ensemble: it has no spec.json"),
        ("", "few", "has 14 models; 15 or more are needed, of which every fifth is held out"),
        ("--recipe training.lr=0.5", "masks", "its recipe.training.lr is .*, not 0.5"),
        ("--source synthetic,classes=4,per_class=10,dim=6", "masks", "its learned is .*, not"),
        ("--device moon", "masks", "device 'moon' cannot be used"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    stores: Path, tmp_path: Path, more: str, masks: str, error: str
) -> None:
    with pytest.raises(ClbenchError, match=error):
        attribute(stores, tmp_path / "out", more.format(stores), masks)
    assert not (tmp_path / "out").exists()


def test_another_source_is_refused_though_its_labels_are_the_same(
    stores: Path, tmp_path: Path
) -> None:
    with pytest.raises(ClbenchError, match=r"its source is .*, not .*; give the folder"):
        attribute(stores, tmp_path, f"{VECTORS},separation=9.0")
