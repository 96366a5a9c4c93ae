"""The runner: what a run leaves, and that how it came about leaves no trace."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import torch

from clbench.archive import differences
from clbench.card import Card
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Method
from clbench.plugin import load
from clbench.settings import Settings
from odd_methods import Forgetful, Guided
from tiny import Tiny, tiny_stream

BUILT_IN = ("er", "ewc", "finetune", "joint", "lwf", "nmc")


@pytest.fixture(params=BUILT_IN)
def kind(request: pytest.FixtureRequest) -> type[Method]:
    kind: type[Method] = load("methods", request.param)
    return kind


def predictions(ledger: Ledger, version: int) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(ledger.read(version, "predictions.parquet")))


class TestWhatIsRecorded:
    def test_version_zero_is_the_model_before_any_update(self, tiny: Tiny, tmp_path: Path) -> None:
        ledger = tiny.play(Guided, tmp_path)
        cost = ledger.read_json(0, "cost.json")
        assert ledger.versions == 4
        assert (cost["steps"], cost["samples_seen"], cost["flops_learn"]) == (0, 0, 0)
        assert cost["state_bytes"] > 0
        assert len(predictions(ledger, 0)) == 0  # it has no output for classes to come

    def test_every_version_is_asked_the_sets_that_are_due(self, tiny: Tiny, tmp_path: Path) -> None:
        ledger = tiny.play(Guided, tmp_path)
        assert [predictions(ledger, v)["eval"].nunique() for v in range(4)] == [0, 1, 2, 3]

    def test_rows_of_a_version_are_a_prefix_of_those_of_a_later_one(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        ledger = tiny.play(Guided, tmp_path)
        tables = [predictions(ledger, v)[["eval", "sample", "label"]] for v in range(4)]
        for earlier, later in pairwise(tables):
            pd.testing.assert_frame_equal(earlier, later.iloc[: len(earlier)])

    def test_labels_are_the_streams_and_samples_the_sources(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        table = predictions(tiny.play(Guided, tmp_path), 3)
        classes = tiny.stream.class_order[table["label"]]
        np.testing.assert_array_equal(classes, tiny.source.test.y[table["sample"]])

    def test_cost_counts_samples_epochs_and_every_byte_of_state(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        ledger = tiny.play(Guided, tmp_path)
        for version in (1, 2, 3):
            cost = ledger.read_json(version, "cost.json")
            carried = [ledger.read(version, f"state.{end}") for end in ("safetensors", "json")]
            assert cost["samples_seen"] == 2 * 40  # epochs x samples of the update
            assert cost["steps"] == 2 * 4
            assert cost["state_bytes"] == sum(map(len, carried))

    def test_full_keeps_logits_and_compact_does_not(self, tiny: Tiny, tmp_path: Path) -> None:
        forms = {
            form: predictions(tiny.play(Guided, tmp_path, settings=settings(form=form)), 3)
            for form in ("compact", "full")
        }
        assert "logits" not in forms["compact"]
        logits = np.stack(forms["full"]["logits"].to_numpy())
        assert (logits.dtype, logits.shape) == (np.float16, (60, 6))
        shared = forms["compact"].columns
        pd.testing.assert_frame_equal(forms["compact"], forms["full"][shared])

    @pytest.mark.parametrize("form", ["compact", "full"])
    def test_predictions_open_in_duckdb_as_they_are(
        self, tiny: Tiny, tmp_path: Path, form: str
    ) -> None:
        ledger = tiny.play(Guided, tmp_path, settings=settings(form=form))
        file = ledger.folder(3) / "predictions.parquet"
        query = f"select avg((predicted = label)::int), count(*) from '{file}'"
        accuracy, rows = duckdb.sql(query).fetchall()[0]
        table = predictions(ledger, 3)
        assert (accuracy, rows) == (pytest.approx((table.predicted == table.label).mean()), 60)

    def test_logits_beyond_float16_stay_finite(self, tiny: Tiny, tmp_path: Path) -> None:
        class Loud(Guided):
            def predict(self, x: torch.Tensor) -> torch.Tensor:
                return 1e6 * super().predict(x)

        table = predictions(tiny.play(Loud, tmp_path, settings=settings(form="full")), 3)
        assert np.isfinite(np.stack(table["logits"].to_numpy())).all()


class TestTheSameRun:
    def test_a_finished_run_is_not_run_again(self, tiny: Tiny, tmp_path: Path) -> None:
        first = tiny.play(Guided, tmp_path)
        before = {p: p.stat().st_mtime_ns for p in first.path.glob("versions/*/*")}
        Guided.hooks["build"] = lambda: pytest.fail("a finished run was begun again")
        second = tiny.play(Guided, tmp_path)
        assert second.path == first.path
        assert before == {p: p.stat().st_mtime_ns for p in second.path.glob("versions/*/*")}

    def test_same_seed_same_bytes_and_another_seed_others(
        self, kind: type[Method], tiny: Tiny, tmp_path: Path
    ) -> None:
        one, two = tiny.play(kind, tmp_path / "1"), tiny.play(kind, tmp_path / "2")
        assert differences(one, two) == []
        other = tiny.play(kind, tmp_path, seed=1)
        assert other.path != one.path
        assert "run.json" in differences(one, other)

    @pytest.mark.parametrize("stop", [0, 1, 2])
    def test_a_continued_run_has_the_bytes_of_an_undisturbed_one(
        self, kind: type[Method], tiny: Tiny, tmp_path: Path, stop: int
    ) -> None:
        interrupted = interrupt(tiny, kind, tmp_path / "1", stop)
        assert interrupted.versions == stop + 1
        continued = tiny.play(kind, tmp_path / "1")
        assert differences(continued, tiny.play(kind, tmp_path / "2")) == []

    def test_what_is_not_carried_does_not_survive_an_update(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        carried = tiny.play(Forgetful, tmp_path)
        kept = tiny.play(Forgetful, tmp_path, settings=settings(carry=False))
        assert logsumexp(carried) < logsumexp(kept)  # where `updates` is still known

    def test_carrying_changes_nothing_for_what_we_ship(
        self, kind: type[Method], tiny: Tiny, tmp_path: Path
    ) -> None:
        carried = tiny.play(kind, tmp_path)
        kept = tiny.play(kind, tmp_path, settings=settings(carry=False))
        assert carried.path != kept.path
        for version in range(4):
            pd.testing.assert_frame_equal(predictions(carried, version), predictions(kept, version))

    def test_a_run_continues_with_as_many_threads_as_it_began(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        interrupt(tiny, Guided, tmp_path, 1, threads=2)
        seen: list[int] = []
        Guided.hooks["learn"] = lambda: seen.append(torch.get_num_threads())
        ledger = tiny.play(Guided, tmp_path, settings=settings(threads=1))
        assert (seen, ledger.record.threads) == ([2, 2], 2)
        assert torch.get_num_threads() == 1  # put back

    def test_what_was_drawn_before_a_run_does_not_matter(self, tiny: Tiny, tmp_path: Path) -> None:
        one = tiny.play(Guided, tmp_path / "1")
        torch.rand(1000)
        np.random.rand(1000)
        assert differences(one, tiny.play(Guided, tmp_path / "2")) == []


@pytest.fixture
def tasks() -> Tiny:
    return tiny_stream(setting="task-incremental", task_ids=True)


class TestTaskIncremental:
    def test_answers_are_among_the_classes_of_the_task(self, tasks: Tiny, tmp_path: Path) -> None:
        table = predictions(tasks.play(Guided, tmp_path), 3)
        assert (table["predicted"] // 2 == table["eval"]).all()

    def test_answers_are_among_them_however_low_their_logits(
        self, tasks: Tiny, tmp_path: Path
    ) -> None:
        class Low(Guided):
            def predict(self, x: torch.Tensor) -> torch.Tensor:
                return super().predict(x) - 1e6

        table = predictions(tasks.play(Low, tmp_path, settings=settings(form="full")), 3)
        assert (table["predicted"] // 2 == table["eval"]).all()

    def test_without_task_ids_they_are_not(self, tiny: Tiny, tmp_path: Path) -> None:
        table = predictions(tiny.play(Guided, tmp_path), 3)
        assert not (table["predicted"] // 2 == table["eval"]).all()

    def test_views_tell_the_task_to_those_who_need_it(
        self, tasks: Tiny, tiny: Tiny, tmp_path: Path
    ) -> None:
        seen: list[int | None] = []

        class Asks(Guided):
            def learn(self, view: Any) -> None:
                seen.append(view.task)
                super().learn(view)

        class Needs(Asks):
            card = Card(name="needs", paper="none", family="test", needs=("task-ids",))

        tasks.play(Needs, tmp_path)
        assert seen == [0, 1, 2]
        tasks.play(Asks, tmp_path)  # granted, but the card does not need them
        tiny.play(Asks, tmp_path)
        assert seen[3:] == [None] * 6


class TestWhatIsGranted:
    def test_a_control_is_granted_the_past_and_the_record_says_so(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        ledger = tiny.play(load("methods", "joint"), tmp_path)
        assert ledger.record.method.granted == ("past",)
        seen = [ledger.read_json(v, "cost.json")["samples_seen"] for v in (1, 2, 3)]
        assert seen == [80, 160, 240]

    def test_a_protocol_can_grant_the_past_to_all(self, tmp_path: Path) -> None:
        ledger = tiny_stream(past="all").play(load("methods", "joint"), tmp_path)
        assert ledger.record.method.granted == ()

    def test_epochs_are_the_protocols(self, tmp_path: Path) -> None:
        ledger = tiny_stream(epochs=3).play(Guided, tmp_path)
        assert ledger.read_json(1, "cost.json")["samples_seen"] == 3 * 40

    def test_without_them_the_methods_own(self, tmp_path: Path) -> None:
        chosen = {"training": {"epochs": 1, "batch_size": 40}}
        ledger = tiny_stream(epochs=None).play(Guided, tmp_path, hyperparameters=chosen)
        assert ledger.read_json(1, "cost.json")["steps"] == 1


def settings(**changes: Any) -> Settings:
    return Settings(**({"threads": 1} | changes))


def interrupt(tiny: Tiny, kind: type[Method], root: Path, after: int, threads: int = 1) -> Ledger:
    """Play until a version is whole, and stop."""

    def stop(version: int) -> None:
        if version == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tiny.play(kind, root, settings=settings(threads=threads), on_version=stop)
    (run,) = root.rglob("run.json")
    return Ledger(run.parent)


def logsumexp(ledger: Ledger) -> float:
    return float(predictions(ledger, 3)["logsumexp"].mean())


def test_a_method_that_cannot_play_the_stream_is_refused_before_training(
    tiny: Tiny, tmp_path: Path
) -> None:
    class Unlearner(Guided):
        card = Card(name="unlearner", paper="none", family="test", plays=("forget",))

    with pytest.raises(ClbenchError, match=r"unlearner plays forget, but tiny has .* learn"):
        tiny.play(Unlearner, tmp_path)
    assert list(tmp_path.iterdir()) == []
