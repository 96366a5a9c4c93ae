"""Probes inside updates: what they record, and that learning is what it would be without them."""

import io
import json
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from clbench import plugin
from clbench.archive import differences
from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.method import Card, Method, View
from clbench.metric import NotMeasured
from clbench.panel import PER_SET, panel, predicted
from clbench.play import play
from clbench.settings import Settings
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol
from clbench_scenarios.class_incremental import class_incremental
from odd_methods import Guided
from tiny import Tiny, tiny_stream

EVERY_METHOD = sorted(plugin.entries("methods"))


def probing(every: int | None, **changes: Any) -> Settings:
    return Settings(**({"threads": 1, "probe_every": every} | changes))


def probed(tiny: Tiny, kind: type[Method], root: Path, every: int = 1, **changes: Any) -> Ledger:
    return tiny.play(kind, root, settings=probing(every), **changes)


def trace(ledger: Ledger, version: int) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(ledger.read(version, "trace.parquet")))


class TestWhatIsRecorded:
    def test_every_k_steps_and_the_version_itself(self, tiny: Tiny, tmp_path: Path) -> None:
        ledger = probed(tiny, Guided, tmp_path, every=3)  # 8 steps of 10 samples
        table = trace(ledger, 2)
        assert table["step"].unique().tolist() == [3, 6, 8]
        assert table.groupby("step")["shown"].unique().str[0].tolist() == [30, 60, 80]
        assert len(trace(ledger, 0)) == 0

    def test_the_last_step_is_not_asked_twice(self, tiny: Tiny, tmp_path: Path) -> None:
        asked: list[int] = []

        class Counts(Guided):
            def predict(self, x: Tensor) -> Tensor:
                asked.append(len(x))
                return super().predict(x)

        table = trace(probed(tiny, Counts, tmp_path, every=4), 1)
        assert table["step"].unique().tolist() == [4, 8]
        assert len(asked) == 3 + 3  # a probe an update and the evaluation of versions 1, 2 and 3

    def test_the_sets_of_earlier_updates_and_of_this_one(self, tiny: Tiny, tmp_path: Path) -> None:
        ledger = probed(tiny, Guided, tmp_path)
        for version in (1, 2, 3):
            sets = trace(ledger, version).groupby("step")["eval"].unique()
            assert [each.tolist() for each in sets] == [list(range(version))] * 8

    def test_the_last_probe_has_the_answers_of_the_version(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        ledger, columns = probed(tiny, Guided, tmp_path), ["eval", "sample", "label", "predicted"]
        table = trace(ledger, 3)
        predictions = pd.read_parquet(io.BytesIO(ledger.read(3, "predictions.parquet")))
        last = table[table["step"] == 8][columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(last, predictions[columns])

    def test_a_probe_answers_as_the_method_that_stops_there(self, tmp_path: Path) -> None:
        class Stops(Guided):
            card = Card(name="stops", paper="none", family="test")

            def learn(self, view: View) -> None:
                if view.index < 1:
                    return super().learn(view)
                self.model.grow(view.n_classes)
                step = self.training.start(self.model)
                for done, batch in enumerate(view.batches(self.training)):
                    if done == 5:
                        return None
                    step(nn.functional.cross_entropy(self.model(batch.x), batch.y))
                return None

        tiny = tiny_stream()
        table = trace(probed(tiny, Guided, tmp_path, every=5), 2)
        stopped = trace(probed(tiny, Stops, tmp_path, every=5), 2)
        inside = table.loc[table["step"] == 5, "predicted"]
        assert inside.tolist() == stopped.loc[stopped["step"] == 5, "predicted"].tolist()

    def test_a_large_set_is_asked_in_part_and_always_in_the_same(self, tmp_path: Path) -> None:
        source = synthetic(classes=2, per_class=10, test_per_class=200, dim=4)
        stream = class_incremental(source, "large", Protocol(epochs=1), increment=2)
        one, two = panel(stream), panel(stream)
        (samples,) = (each.samples for each in one.stream.evals)
        assert len(np.unique(samples)) == PER_SET
        assert (np.diff(samples) > 0).all()
        np.testing.assert_array_equal(samples, two.stream.evals[0].samples)
        ledger = play(stream, source, Guided, {}, 0, tmp_path, probing(1))
        accuracies = Evidence(ledger).trace.accuracy
        assert accuracies.shape == (2, 1)

    def test_run_json_says_how_often(self, tiny: Tiny, tmp_path: Path) -> None:
        assert (
            json.loads((probed(tiny, Guided, tmp_path, 7).path / "run.json").read_bytes())[
                "probe_every"
            ]
            == 7
        )

    def test_task_ids_keep_answers_within_the_task(self, tmp_path: Path) -> None:
        tiny = tiny_stream(setting="task-incremental", task_ids=True)
        table = trace(probed(tiny, Guided, tmp_path), 3)
        assert (table["predicted"] // 2 == table["eval"]).all()


class TestLearningIsNotDisturbed:
    @pytest.mark.parametrize("name", EVERY_METHOD)
    def test_versions_are_the_same_with_and_without(self, name: str, tmp_path: Path) -> None:
        kind = plugin.load("methods", name)
        past = "all" if "past" in kind.card.needs else "none"
        tiny = tiny_stream(past=past, task_ids="task-ids" in kind.card.needs)
        given = {"hyperparameters": dict(kind.quick)}
        plain = tiny.play(kind, tmp_path / "plain", **given)
        with_probes = probed(tiny, kind, tmp_path / "probed", **given)
        changed = {name.rpartition("/")[2] for name in differences(plain, with_probes)}
        assert changed == {"run.json", "cost.json", "manifest.json", "trace.parquet"}
        for version in range(4):
            cost = with_probes.read_json(version, "cost.json")
            assert cost.pop("flops_probe") >= 0
            assert cost == plain.read_json(version, "cost.json")

    def test_a_budget_of_flops_ends_where_it_would(self, tmp_path: Path) -> None:
        tiny = tiny_stream(flops=60_000)
        plain, with_probes = tiny.play(Guided, tmp_path / "1"), probed(tiny, Guided, tmp_path / "2")
        books = [each.read_json(3, "cost.json") for each in (plain, with_probes)]
        assert books[0] == {k: v for k, v in books[1].items() if k != "flops_probe"}
        assert books[0]["stopped_by"] == "flops"
        assert plain.read(3, "state.safetensors") == with_probes.read(3, "state.safetensors")

    def test_a_budget_of_seconds_has_no_room_for_probes(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"tiny has a budget of 5 seconds, .*--probe-every"):
            probed(tiny_stream(seconds=5), Guided, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_without_probes_nothing_is_said_of_them(self, tiny: Tiny, tmp_path: Path) -> None:
        ledger = tiny.play(Guided, tmp_path)
        text = b"".join(p.read_bytes() for p in ledger.path.rglob("*.json"))
        assert b"probe" not in text
        assert b"trace" not in text

    def test_a_careless_predict_is_made_good(self, tiny: Tiny, tmp_path: Path) -> None:
        """It draws random numbers, leaves eval mode on, and keeps what it computed."""

        class Careless(Guided):
            card = Card(name="careless", paper="none", family="test")
            seen: ClassVar[list[bool]] = []

            def build(self, space: Any) -> None:
                super().build(space)
                self.extra = {"drop": [nn.Dropout()]}

            def learn(self, view: View) -> None:
                self.generator, self.table = view.generator, None
                self.model.train(), self.extra["drop"][0].train()
                self.model.grow(view.n_classes)
                step = self.training.start(self.model)
                for batch in view.batches(self.training):
                    self.seen.append(self.model.training and self.extra["drop"][0].training)
                    loss = nn.functional.cross_entropy(self.model(batch.x), batch.y)
                    noise = torch.rand(()) + torch.rand((), generator=self.generator)
                    kept = torch.ones(()) if self.table is None else self.table
                    step(loss * noise * (kept + 0 * self.model.head.weight.sum()))

            def predict(self, x: Tensor) -> Tensor:
                self.table = torch.ones(())
                if hasattr(self, "generator"):
                    torch.rand(3, generator=self.generator)
                torch.rand(3)
                self.extra["drop"][0].eval()
                self.model.eval()
                return self.model(x)

        plain = tiny.play(Careless, tmp_path / "plain")
        with_probes = probed(tiny, Careless, tmp_path / "probed")
        assert all(Careless.seen)
        for version in range(4):
            for name in ("state.safetensors", "predictions.parquet"):
                assert plain.read(version, name) == with_probes.read(version, name)

    def test_seconds_of_probes_are_not_those_of_learning(self, tiny: Tiny, tmp_path: Path) -> None:
        class Slow(Guided):
            card = Card(name="slow", paper="none", family="test")
            inside = False

            def learn(self, view: View) -> None:
                self.inside = True
                super().learn(view)
                self.inside = False

            def predict(self, x: Tensor) -> Tensor:
                time.sleep(0.03 * self.inside)
                return super().predict(x)

        clock = probed(tiny, Slow, tmp_path).read_json(3, "clock.json")
        assert clock["probe_seconds"] > 7 * 0.03  # steps 1 to 7
        assert clock["learn_seconds"] < clock["probe_seconds"]

    def test_a_continued_run_has_the_bytes_of_an_undisturbed_one(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        moments = iter(range(100))

        def fail() -> None:
            if next(moments) == 11:  # in the second update, between its probes
                raise InterruptedError

        Guided.hooks["step"] = fail
        with pytest.raises(InterruptedError):
            probed(tiny, Guided, tmp_path / "one", every=2)
        Guided.hooks.clear()
        one = probed(tiny, Guided, tmp_path / "one", every=2)
        assert differences(one, probed(tiny, Guided, tmp_path / "two", every=2)) == []

    def test_probed_and_plain_runs_lie_side_by_side(self, tiny: Tiny, tmp_path: Path) -> None:
        paths = [tiny.play(Guided, tmp_path, settings=probing(k)).path for k in (None, 1, 2)]
        assert len(set(paths)) == 3


class TestWhatAMethodMayAnswer:
    def test_as_before_the_update(self, tiny: Tiny, tmp_path: Path) -> None:
        class Late(Guided):
            """Answers with the model of the version before until the update is over."""

            card = Card(name="late", paper="none", family="test")

            def learn(self, view: View) -> None:
                self.old: Any = self.model.frozen_copy()
                super().learn(view)
                self.old = None

            def predict(self, x: Tensor) -> Tensor:
                old = getattr(self, "old", None)
                return super().predict(x) if old is None else old(x)

        ledger = probed(tiny, Late, tmp_path)
        first, second = trace(ledger, 1), trace(ledger, 2)
        assert (first.loc[first["step"] < 8, "predicted"] == -1).all()  # it has no class yet
        inside = second[second["step"] < 8]
        assert inside["predicted"].between(0, 1).all()
        assert (Evidence(ledger).trace.accuracy[:7, 0] == 0).all()

    def test_without_an_output_for_the_task_there_is_no_answer(self) -> None:
        lowest = np.finfo(np.float32).min
        logits = np.array([[lowest, lowest], [lowest, -1.0], [0.0, 0.0]], dtype=np.float32)
        assert predicted(logits).tolist() == [-1, 1, 0]
        assert predicted(np.zeros((2, 0), np.float32)).tolist() == [-1, -1]
        assert predicted(np.zeros((0, 0), np.float32)).tolist() == []

    @pytest.mark.parametrize("width", [1, 5])
    def test_no_other_width(self, tmp_path: Path, width: int) -> None:
        class Odd(Guided):
            card = Card(name="odd", paper="none", family="test")

            def predict(self, x: Tensor) -> Tensor:
                logits = super().predict(x)
                return logits.new_zeros(len(x), width) if self.inside else logits

            inside = False

            def learn(self, view: View) -> None:
                self.inside = view.index == 1
                super().learn(view)
                self.inside = False

        with pytest.raises(ClbenchError, match=r"odd.predict, probed after step 1 of update 2, .*"):
            probed(tiny_stream(), Odd, tmp_path)

    def test_one_that_cannot_answer_is_told_what_to_do(self, tiny: Tiny, tmp_path: Path) -> None:
        class Unready(Guided):
            card = Card(name="unready", paper="none", family="test")

            def learn(self, view: View) -> None:
                self.solution: Any = None
                super().learn(view)
                self.solution = 1

            def predict(self, x: Tensor) -> Tensor:
                return super().predict(x) * getattr(self, "solution", 1)

        with pytest.raises(ClbenchError, match=r"update 1, failed: TypeError.* --probe-every"):
            probed(tiny, Unready, tmp_path)

    def test_how_often_must_be_a_count(self) -> None:
        with pytest.raises(ClbenchError, match="probe_every is 0; it must be 1 or more"):
            Settings(probe_every=0)


class TestReading:
    def test_a_run_without_probes_says_so(self, tiny: Tiny, tmp_path: Path) -> None:
        with pytest.raises(NotMeasured, match="recorded without --probe-every"):
            _ = Evidence(tiny.play(Guided, tmp_path)).trace

    def test_the_last_probes_have_the_accuracies_of_versions(
        self, tiny: Tiny, tmp_path: Path
    ) -> None:
        evidence = Evidence(probed(tiny, Guided, tmp_path, every=3))
        found = evidence.trace
        assert found.version.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert found.step.tolist() == [3, 6, 8] * 3
        assert found.shown.tolist() == [30, 60, 80, 110, 140, 160, 190, 220, 240]
        np.testing.assert_array_equal(found.accuracy[2::3], evidence.accuracy[1:])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.assign(predicted=(t["predicted"] + 1) % 6), "does not give the answers"),
            (lambda t: t[t["eval"] == 0], "does not give the answers"),
            (lambda t: t.iloc[::-1], "not probes of the same samples"),
            (lambda t: t.iloc[:-1], "not probes of the same samples"),
            (lambda t: t.drop(columns="shown"), "lacks the column 'shown'"),
            (lambda t: t.iloc[:0], "not probes of the same samples"),
        ],
    )
    def test_a_file_that_contradicts_the_run_is_refused(
        self, tiny: Tiny, tmp_path: Path, change: Any, message: str
    ) -> None:
        ledger = probed(tiny, Guided, tmp_path, every=4)
        sink = io.BytesIO()
        change(trace(ledger, 2)).to_parquet(sink, index=False)
        rewrite(ledger, 2, sink.getvalue())
        with pytest.raises(ClbenchError, match=message):
            _ = Evidence(ledger).trace


def rewrite(ledger: Ledger, version: int, data: bytes) -> None:
    """Replace the trace of a version together with its seal."""
    folder = ledger.folder(version)
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    ledger.write(version, {**files, "trace.parquet": data})
