"""Runs with --relearn: what they record, and that they are otherwise what they would be without."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked_runs import ATTACKED, attacked, forgetful, original, relearnt

from clbench import plugin
from clbench.archive import differences
from clbench.errors import ClbenchError
from clbench.label import labels
from clbench.method import Method
from clbench.opening import open_preset
from clbench.options import Options
from clbench.play import play
from clbench.relearnfile import Missing, Recovery, Relearnt
from clbench.report.command import command
from clbench.running import hyperparameters, load_method
from clbench.settings import Settings
from clbench.stream import Update
from odd_methods import Guided
from tiny import Tiny, tiny_stream

FORGETFUL = [
    name
    for name in sorted(plugin.entries("methods"))
    if "forget" in plugin.load("methods", name).card.plays
]
RECORDED = {"run.json", "manifest.json", "original.json", "relearn.json"}


class TestTheRunIsNotDisturbed:
    @pytest.mark.parametrize("name", FORGETFUL)
    def test_answers_states_and_books_are_the_same(
        self, name: str, small: Tiny, tmp_path: Path
    ) -> None:
        plain = attacked(small, name, tmp_path, settings=Settings(threads=1))
        with_attacks = attacked(small, name, tmp_path)
        assert plain.path != with_attacks.path
        changed = {each.rpartition("/")[2] for each in differences(plain, with_attacks)}
        assert changed == RECORDED
        assert "relearn" not in (plain.path / "run.json").read_text()

    def test_random_numbers_that_leak_from_version_to_version_are_left_alone(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        """A method that is never made anew, and whose state is what its embedding counts."""

        class Counts(load_method("do_nothing")):  # type: ignore[misc]
            card = replace(load_method("do_nothing").card, name="counts")
            carries = ("model", "n_classes", "asked")

            def build(self, space: Any) -> None:
                super().build(space)
                self.asked = 0

            def embed(self, x: Any) -> Any:
                self.asked += 1
                return super().embed(x)

        settings = [Settings(threads=1, carry=False, relearn=each) for each in (False, True)]
        one, two = (attacked(small, Counts, tmp_path, settings=each) for each in settings)
        changed = {each.rpartition("/")[2] for each in differences(one, two)}
        assert changed == RECORDED

    def test_a_run_that_goes_on_has_the_bytes_of_one_that_was_not_stopped(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        class Stopped(Exception):  # noqa: N818
            pass

        def stop(version: int) -> None:
            if version == 1:
                raise Stopped

        with pytest.raises(Stopped):
            attacked(small, "retrain", tmp_path / "one", on_version=stop)
        one, two = (attacked(small, "retrain", tmp_path / name) for name in ("one", "two"))
        assert differences(one, two) == []


class TestWhatIsRecorded:
    def test_run_json_tells_the_recipe_and_the_setup_is_another(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        one = attacked(small, "do_nothing", tmp_path)
        two = attacked(small, "do_nothing", tmp_path, settings=Settings(threads=1))
        assert json.loads((one.path / "run.json").read_text())["relearn"] == 1
        assert one.record.setup != two.record.setup
        assert [*labels([one.record, two.record])] == [
            "do_nothing (relearn=1)",
            "do_nothing (relearn=None)",
        ]
        assert ["--relearn" in command([each.record]) for each in (one, two)] == [True, False]

    def test_it_is_an_option_that_is_off(self) -> None:
        for given in (False, True):
            options = Options(relearn=True) if given else Options()
            (cell,) = options.cells(["retrain"], ["forget-digits-class"], [0])
            assert cell.settings.relearn == given

    def test_originals_of_a_seed_are_attacked_alike_in_all_methods(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        ledgers = [attacked(small, name, tmp_path) for name in ("retrain", "do_nothing", "ssd")]
        assert len({original(each).model_dump_json() for each in ledgers}) == 1
        assert len({found.head.taught for found in map(relearnt, ledgers)}) == 1  # type: ignore[union-attr]

    def test_neighbours_are_retained_samples_that_are_asked(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        found = original(attacked(small, "do_nothing", tmp_path))
        assert len(found.neighbours) == 12  # a tenth of 120
        assert {*found.neighbours} <= {*range(40, 160)}
        assert found.forgotten == 40

    def test_only_the_neighbours_that_an_evaluation_set_asks(self, tmp_path: Path) -> None:
        small = forgetful()
        (retain,) = (each for each in small.stream.evals if each.name == "retain")
        fewer = replace(retain, samples=retain.samples[::4])
        evals = tuple(fewer if each is retain else each for each in small.stream.evals)
        small = Tiny(replace(small.stream, evals=evals), small.source)
        found = original(attacked(small, "do_nothing", tmp_path))
        assert {*found.neighbours} <= {*fewer.samples.tolist()}
        assert len(found.neighbours) == 3

    def test_doing_nothing_is_learnt_again_before_the_first_step(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        ledger = attacked(small, "do_nothing", tmp_path)
        curve = relearnt(ledger).relearning
        assert not isinstance(curve, Missing)
        assert curve.correct[0] == original(ledger).correct
        assert curve.loss[0] == pytest.approx(original(ledger).loss)
        assert curve.steps[-1] == 20  # 2 batches of 40 samples, 10 epochs

    def test_several_requests_are_attacked_together_after_the_last(self, tmp_path: Path) -> None:
        tiny = forgetful({"name": "class", "classes": [0, 1]})
        first, asked = tiny.stream.updates
        parts = np.split(asked.samples, 2)
        later = [replace(asked, index=1 + i, samples=ids) for i, ids in enumerate(parts)]
        stream = replace(tiny.stream, updates=(first, *later))
        ledger = attacked(Tiny(stream, tiny.source), "do_nothing", tmp_path)
        assert not (ledger.folder(2) / "relearn.json").exists()
        assert relearnt(ledger, 3).forgotten == original(ledger).forgotten == 80

    def test_samples_of_classes_that_stay_are_asked_too(self, tmp_path: Path) -> None:
        found = relearnt(
            attacked(forgetful({"name": "random", "size": 0.5}), "do_nothing", tmp_path)
        )
        assert isinstance(found.head, Recovery)
        assert found.head.taught == 8  # a sample of each class, forgotten and retained
        assert found.head.asked == 80 - 4
        assert isinstance(found.prototypes, Recovery)
        assert found.prototypes.taught == 40


class TestMethodsOfOtherShapes:
    def test_votes_of_many_networks_are_attacked_by_their_embeddings_alone(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        found = relearnt(attacked(small, "sisa", tmp_path, hyperparameters={}))
        for part in (found.relearning, found.full):
            assert isinstance(part, Missing)
            assert part.why == "sisa has no network `model` to train"
        assert isinstance(found.head, Recovery)
        assert isinstance(found.prototypes, Recovery)

    def test_a_network_that_does_not_give_the_answers_is_not_trained(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        class Masked(load_method("do_nothing")):  # type: ignore[misc]
            card = replace(load_method("do_nothing").card, name="masked")

            def predict(self, x: Any) -> Any:
                return -super().predict(x)

        found = relearnt(attacked(small, Masked, tmp_path))
        assert isinstance(found.full, Missing)
        assert found.full.why == "masked answers otherwise than its network `model` alone"
        assert isinstance(found.head, Recovery)

    def test_an_embedding_that_is_not_finite_breaks_the_contract(
        self, small: Tiny, tmp_path: Path
    ) -> None:
        class Holes(load_method("do_nothing")):  # type: ignore[misc]
            card = replace(load_method("do_nothing").card, name="holes")

            def embed(self, x: Any) -> Any:
                found = super().embed(x)
                return found / (len(x) == 40)  # as many as there are test samples

        with pytest.raises(
            ClbenchError, match=r"holes.embed returned \(120, .*\) for 120 training"
        ):
            attacked(small, Holes, tmp_path)

    def test_two_samples_of_two_classes_leave_nobody_to_ask(self, tmp_path: Path) -> None:
        tiny = forgetful()
        learn, asked = tiny.stream.updates
        ids = np.array([0, 40])
        forget = replace(asked, samples=ids, retained=np.setdiff1d(learn.samples, ids))
        stream = replace(tiny.stream, updates=(learn, forget))
        found = relearnt(attacked(Tiny(stream, tiny.source), "do_nothing", tmp_path))
        assert not isinstance(found.relearning, Missing)
        assert isinstance(found.head, Missing)
        assert "has all that was forgotten" in found.head.why


class TestRefused:
    def refuse(self, tiny: Tiny, kind: type[Method], root: Path, match: str) -> None:
        with pytest.raises(ClbenchError, match=match):
            attacked(tiny, kind, root)
        assert list(root.iterdir()) == []

    def test_a_stream_that_forgets_nothing(self, tmp_path: Path) -> None:
        self.refuse(tiny_stream(), Guided, tmp_path, "tiny forgets 0 samples, and --relearn")

    def test_one_that_learns_between_its_requests(self, tmp_path: Path) -> None:
        tiny = forgetful()
        first, asked = tiny.stream.updates
        kept = np.setdiff1d(first.samples, asked.samples)
        parts = [asked.samples[:20], asked.samples[20:]]
        updates = (
            first,
            replace(asked, samples=parts[0]),
            Update(2, "learn", parts[0], first.classes[:0]),
            replace(asked, index=3, samples=parts[1], retained=np.union1d(kept, parts[0])),
        )
        stream = replace(tiny.stream, updates=updates)
        self.refuse(
            Tiny(stream, tiny.source),
            load_method("do_nothing"),
            tmp_path,
            "small learns between its forget updates, so that no one version is the original",
        )

    def test_task_ids_at_test(self, tmp_path: Path) -> None:
        given = forgetful(setting="task-incremental", task_ids=True)
        self.refuse(given, load_method("do_nothing"), tmp_path, "task ids at test, which --relearn")

    def test_a_method_of_which_there_is_no_copy(self, small: Tiny, tmp_path: Path) -> None:
        class Stuck(load_method("do_nothing")):  # type: ignore[misc]
            card = replace(load_method("do_nothing").card, name="stuck")
            remade = False

        self.refuse(small, Stuck, tmp_path, "stuck cannot be made anew from its state, and --rel")


RECIPE = {"backbone": "mlp,width=64", "training": {"lr": 0.1, "batch_size": 32}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: Any) -> dict[str, list[Relearnt]]:
    opened = open_preset("forget-digits-class", source=None, embed=None, protocol={})
    root = tmp_path_factory.mktemp("digits")

    def run(name: str, seed: int) -> Relearnt:
        kind = load_method(name)
        given = hyperparameters(kind, RECIPE, {})
        return relearnt(play(opened.stream, opened.source, kind, given, seed, root, ATTACKED))

    names = ("retrain", "do_nothing", "head_edit")
    return {name: list(map(partial(run, name), range(2))) for name in names}


class TestWhatAttacksShow:
    """2405.17878: an edit of the head forgets nothing, and 2 % of the data show it."""

    def share(self, runs: list[Relearnt], attack: str) -> np.ndarray:
        found = [getattr(each, attack) for each in runs]
        return np.array([each.correct / each.asked for each in found])

    def test_the_edit_looks_as_forgetful_as_retraining(self, runs: Any) -> None:
        for name in ("retrain", "head_edit"):
            assert all(each.head.before / each.head.asked < 0.1 for each in runs[name])

    @pytest.mark.parametrize("attack", ["head", "prototypes"])
    def test_its_representation_is_that_of_doing_nothing(self, runs: Any, attack: str) -> None:
        edited, idle = (self.share(runs[name], attack) for name in ("head_edit", "do_nothing"))
        np.testing.assert_array_equal(edited, idle)

    @pytest.mark.parametrize(("attack", "least"), [("head", 0.9), ("full", 0.9)])
    def test_few_samples_bring_nearly_all_of_it_back_and_less_of_what_is_gone(
        self, runs: Any, attack: str, least: float
    ) -> None:
        edited, oracle = (self.share(runs[name], attack) for name in ("head_edit", "retrain"))
        assert edited.mean() > least
        assert (edited > oracle + 0.03).all()
        assert edited.mean() > oracle.mean() + 0.08

    def test_it_is_learnt_again_in_a_fraction_of_the_steps(self, runs: Any) -> None:
        def until(found: Relearnt) -> int:
            curve = (found.relearning.steps, found.relearning.correct)
            return next(t for t, n in zip(*curve, strict=True) if n > 0.9 * found.forgotten)

        edited, oracle = (list(map(until, runs[name])) for name in ("head_edit", "retrain"))
        assert max(edited) < min(oracle) / 2
