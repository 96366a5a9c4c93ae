"""`clbench flips`: the five cells of every update, and what seeds alone would flip."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric.flip_table import FlipTable
from clbench.report.update_table import update_table
from clbench.update_flips import flips_of_setups
from fakes import answers, random_run, stream_record, write_run

STREAM = stream_record(classes=[(0, 1), (2, 3)], sizes=[4, 2])  # labels 0 1 0 1 2 3
REPLACED = STREAM.model_copy(
    update={
        "updates": tuple(
            u.model_copy(update={"kind": "replace" if u.index else "learn"}) for u in STREAM.updates
        )
    }
)


def run(path: Path, before: list[int], after: list[int], seed: int = 0) -> Ledger:
    return write_run(path, REPLACED, answers(REPLACED, [], before, after), seed=seed)


def test_an_update_has_the_flips_of_all_seeds(tmp_path: Path) -> None:
    ledgers = [
        run(tmp_path / "a", [0, 1, 0, 0], [0, 1, 2, 1, 2, 3], seed=0),
        run(tmp_path / "b", [0, 1, 1, 0], [0, 1, 2, 0, 2, 3], seed=1),
    ]
    (setup,), left_out = flips_of_setups(ledgers)
    (update,) = setup.updates  # the first had nothing to lose
    assert (setup.label, setup.seeds, left_out) == ("fake", (0, 1), ())
    assert (update.version, update.kind) == (2, "replace")
    assert update.flips == FlipTable(nf=1, pf=1, rr=4, ws=1, wd=1)
    assert update.flips.n == 8


def test_noise_is_what_seeds_of_the_newer_version_flip_between_them(tmp_path: Path) -> None:
    """Of 4 samples the seeds differ in one, which is lost one way and gained the other."""
    ledgers = [
        run(tmp_path / "a", [0, 1, 0, 1], [0, 1, 0, 1, 2, 3], seed=0),
        run(tmp_path / "b", [0, 1, 0, 1], [0, 1, 0, 0, 2, 3], seed=1),
    ]
    (setup,), _ = flips_of_setups(ledgers)
    (update,) = setup.updates
    assert update.noise == 1 / 8
    assert update.flips.negative_flip_rate == 1 / 8
    assert update.interval is not None
    assert update.interval.low < 1 / 8 < update.interval.high


def test_one_seed_knows_no_noise(tmp_path: Path) -> None:
    (setup,), _ = flips_of_setups([run(tmp_path / "a", [0] * 4, [0] * 6)])
    (update,) = setup.updates
    assert update.noise is update.graded_noise is update.interval is None


def test_graded_flips_are_of_the_probability_of_the_right_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = [3 * rng.normal(size=(n, 4)).astype(np.float32) for n in (0, 4, 6)]
    (setup,), _ = flips_of_setups([write_run(tmp_path / "a", REPLACED, logits)])
    labels = [0, 1, 0, 1]
    p, q = (
        (np.exp(each) / np.exp(each).sum(1, keepdims=True))[range(4), labels]
        for each in (logits[1], logits[2][:4])
    )
    graded = setup.updates[0].graded
    assert (graded.losses, graded.gains) == ((q - p < -0.1).sum(), (q - p > 0.1).sum())
    assert graded.lost == pytest.approx((p - q)[q - p < -0.1].sum(), rel=1e-4)


def test_what_has_no_rate_is_null(tmp_path: Path) -> None:
    (setup,), _ = flips_of_setups([run(tmp_path / "a", [0, 1, 0, 1], [0, 1, 0, 1, 2, 3])])
    record = setup.updates[0].record()
    assert record["rates"]["win_loss_ratio"] is None
    assert record["rates"]["negative_flip_rate"] == 0
    assert record["graded_rates"]["mean_regression"] is None
    assert record["flips"]["rr"] == 4


def test_set_ups_and_streams_stand_apart(tmp_path: Path) -> None:
    ledgers = [
        random_run(tmp_path / f"{method}{seed}", REPLACED, rng=seed, method=method, seed=seed)
        for method in ("one", "two")
        for seed in range(2)
    ]
    found, _ = flips_of_setups(ledgers)
    assert [(each.label, each.seeds) for each in found] == [("one", (0, 1)), ("two", (0, 1))]


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    twice = [run(tmp_path / name, [0] * 4, [0] * 6) for name in "ab"]
    with pytest.raises(ClbenchError, match=r"are the same run \(fake, seed 0\)"):
        flips_of_setups(twice)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    unfinished = write_run(tmp_path / "a", REPLACED, answers(REPLACED, [], [0] * 4))
    train = stream_record(classes=[(0, 1)], sizes=[4], splits=["train"])
    untested = write_run(tmp_path / "b", train, answers(train, [], [0] * 4))
    found, left_out = flips_of_setups([unfinished, untested])
    assert not found
    assert "has 2 of 3 versions" in left_out[0]
    assert "fake on fake: the stream has no evaluation set of test samples" in left_out[1]


def test_the_table_reads(tmp_path: Path) -> None:
    ledgers = [
        run(tmp_path / "a", [0, 1, 0, 1], [0, 1, 0, 1, 2, 3], seed=0),
        run(tmp_path / "b", [0, 1, 0, 1], [0, 1, 0, 0, 2, 3], seed=1),
    ]
    console = Console(width=160, record=True, file=StringIO())
    console.print(update_table(*flips_of_setups(ledgers)))
    text = console.export_text()
    row = next(line for line in text.splitlines() if "replace" in line).split()
    assert row[:9] == ["fake", "2", "2", "replace", "7", "1", "0", "0", "0"]
    assert "12.5-12.5" in row
    assert "noise: the same between seeds" in text
