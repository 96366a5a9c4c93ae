"""Forget updates in the engine: what is granted, what is refused, what they may cost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench.card import Card
from clbench.document import read_stream, write_stream
from clbench.errors import ClbenchError
from clbench.grants import beyond, grants
from clbench.method import Method, Training, View
from clbench.play import play
from clbench.plugin import load
from clbench.possible import check_plays
from clbench.requests import check_requests
from clbench.retraining import retraining_flops
from clbench.samples import Samples
from clbench.settings import Settings
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream, Update
from clbench.uses import uses

SOURCE = synthetic(classes=4, per_class=20, test_per_class=10, dim=8)
ALL = np.arange(80)


def plan(requests: int = 1, **protocol: Any) -> Stream:
    """80 samples, of which 8 are forgotten a request."""
    forget = {"name": "random", "size": 8 * requests}
    rules = Protocol(**({"epochs": 2} | protocol))
    made: Stream = load("streams", "unlearning")(
        SOURCE, "tiny", rules, forget=forget, requests=requests
    )
    return made


def card(*needs: Any, **changes: Any) -> Card:
    plays = ("learn", "forget")
    return Card(
        **({"name": "m", "paper": "", "family": "", "plays": plays, "needs": needs} | changes)
    )


def view(
    forget: list[int], retained: list[int] | None, *, labelled: bool = True, shown: bool = True
) -> View:
    update = Update(1, "forget", np.array(forget, dtype=np.int64), np.array([0]))
    samples = Samples(SOURCE.train.x, SOURCE.train.y.copy(), torch.device("cpu"))
    return View(
        update,
        samples,
        n_classes=4,
        protocol=Protocol(epochs=9),
        seed=0,
        retained=None if retained is None else torch.tensor(retained, dtype=torch.int64),
        labelled=labelled,
        shown=shown,
    )


def ids(batches: Any) -> list[int]:
    return [i for batch in batches for i in batch.ids.tolist()]


class TestView:
    def test_passes_are_the_methods_choice_and_not_the_protocols(self) -> None:
        shown = view([3, 4], [10, 11, 12])
        training = Training(batch_size=2, epochs=3)
        assert sorted(ids(shown.batches(training))) == [3] * 3 + [4] * 3
        assert sorted(ids(shown.retained(training))) == [10] * 3 + [11] * 3 + [12] * 3
        assert sorted(ids(shown.retained(training, epochs=1))) == [10, 11, 12]
        assert shown.steps(training) == 3
        assert shown.epochs(training) == 9  # of a learn update, for those who train anew

    def test_hidden_labels_are_minus_one_and_those_of_retained_data_are_there(self) -> None:
        shown = view([3, 25], [45], labelled=False)
        assert torch.cat([b.y for b in shown.chunks()]).tolist() == [-1, -1]
        assert torch.cat([b.y for b in shown.retained_chunks()]).tolist() == [2]
        assert shown.classes == ()
        (forget, retained) = next(shown.pairs(Training(epochs=1)))
        assert forget.y.tolist() == [-1, -1]
        assert retained.y.tolist() == [2]

    def test_chunks_are_in_order_and_once(self) -> None:
        shown = view([5, 3], [12, 10, 11])
        assert ids(shown.chunks()) == [5, 3]
        assert ids(shown.retained_chunks(size=1)) == [12, 10, 11]
        drawn = ids(shown.retained_chunks(at_most=2))
        assert len({*drawn}) == 2
        assert {*drawn} < {12, 10, 11}
        assert (len(shown), shown.n_retained) == (2, 3)

    def test_pairs_pass_over_the_retained_data_while_the_others_come_again(self) -> None:
        shown = view([1, 2, 3], list(range(20, 30)))
        pairs = list(shown.pairs(Training(batch_size=2, epochs=2)))
        assert len(pairs) == 10
        passed = ids(kept for _, kept in pairs)
        assert sorted(passed[:10]) == sorted(passed[10:]) == list(range(20, 30))
        cycled = ids(gone for gone, _ in pairs)
        parts = [cycled[i : i + 3] for i in range(0, len(cycled) - 2, 3)]
        assert all(sorted(part) == [1, 2, 3] for part in parts)
        assert [kept.first_pass for _, kept in pairs] == [True] * 5 + [False] * 5

    def test_an_empty_request_makes_no_pairs(self) -> None:
        assert list(view([], [20, 21]).pairs(Training())) == []
        assert list(view([], [20, 21]).batches(Training())) == []
        assert list(view([1], []).pairs(Training())) == []

    def test_what_is_read_is_counted(self) -> None:
        shown = view([1], [20])
        list(shown.retained_chunks())
        assert shown.read.nonzero()[:, 0].tolist() == [20]
        list(shown.chunks())
        assert shown.read.nonzero()[:, 0].tolist() == [1, 20]

    def test_what_is_not_granted_is_refused_with_the_remedy(self) -> None:
        with pytest.raises(ClbenchError, match=r'declare needs=\("retained",\) in its card'):
            next(view([1], None).retained(Training()))
        with pytest.raises(ClbenchError, match=r"its card says retained_only=True; use view.ret"):
            next(view([1], [20], shown=False).batches(Training()))
        assert view([1], None).n_retained == 0


class TestGrants:
    def test_retained_data_are_for_those_who_need_them(self) -> None:
        stream = plan(retained=0.5)
        found = grants(stream, 2, card("retained"), ())
        np.testing.assert_array_equal(found.retained, stream.updates[1].retained)
        assert grants(stream, 2, card(), ()).retained is None
        assert grants(stream, 1, card("retained"), ()).retained is None

    def test_labels_are_for_those_who_need_them_where_they_are_given(self) -> None:
        assert grants(plan(), 2, card("forget-labels"), ()).labelled
        assert not grants(plan(), 2, card(), ()).labelled
        assert not grants(plan(forget_labels=False), 2, card("forget-labels"), ()).labelled
        assert grants(plan(), 1, card(), ()).labelled

    def test_a_control_gets_all_that_it_needs(self) -> None:
        oracle = card("retained", "forget-labels", "retraining", control=True)
        poor = plan(retained=0.1, forget_labels=False, retrain_share=0.1)
        assert beyond(oracle, poor) == ("retained", "forget-labels", "retraining")
        found = grants(poor, 2, oracle, beyond(oracle, poor))
        np.testing.assert_array_equal(found.retained, poor.retained(2))
        assert found.labelled
        assert beyond(oracle, plan(retained=1.0)) == ()
        assert beyond(card("retained"), poor) == ()

    def test_where_nothing_is_forgotten_nothing_is_lacking(self) -> None:
        learns = load("streams", "class_incremental")(SOURCE, "s", Protocol(), increment=2)
        assert beyond(card("retained", "retraining", control=True), learns) == ()
        check_plays(card("retained", "forget-labels"), learns)

    @pytest.mark.parametrize(
        ("need", "protocol", "complaint"),
        [
            ("retained", {}, "m needs retained data to forget, which tiny does not grant"),
            ("forget-labels", {"forget_labels": False}, "tiny hides: forget_labels is false"),
            ("retraining", {"retrain_share": 0.5}, "tiny allows a share: retrain_share is set"),
        ],
    )
    def test_a_need_that_is_not_granted_is_refused(
        self, need: str, protocol: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            check_plays(card(need), plan(**protocol))


class TestProtocol:
    @pytest.mark.parametrize(
        ("field", "value", "complaint"),
        [
            ("retained", 1.5, "retained is 1.5; it is a share, from 0"),
            ("retained", -0.1, "retained is -0.1; it is a share"),
            ("retrain_share", 0.0, "retrain_share is 0.0; it must be above 0 and finite"),
            ("retrain_share", float("nan"), "retrain_share is nan; it must be above 0"),
        ],
    )
    def test_a_share_that_is_none_is_refused(
        self, field: str, value: float, complaint: str
    ) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            Protocol(**{field: value})  # type: ignore[arg-type]


def changed(stream: Stream, index: int, samples: Any, **changes: Any) -> Stream:
    updates = list(stream.updates)
    made = np.array(samples, dtype=np.int64)
    updates[index] = replace(updates[index], samples=made, **changes)
    return replace(stream, updates=tuple(updates))


class TestRequests:
    def test_ids_that_were_never_learnt(self) -> None:
        stream = changed(plan(), 0, ALL[:60])
        stream = changed(stream, 1, [3, 60, 77])
        with pytest.raises(ClbenchError, match=r"forget 2 samples that were never .* id 60; ask"):
            check_requests(stream)

    def test_ids_that_are_forgotten_already(self) -> None:
        stream = plan(requests=2)
        first = int(stream.updates[1].samples[0])
        with pytest.raises(ClbenchError, match=rf"forgotten already, such as id {first}; learn"):
            check_requests(changed(stream, 2, [first]))

    def test_ids_that_come_twice(self) -> None:
        with pytest.raises(ClbenchError, match="asks to forget some ids twice; name each once"):
            check_requests(changed(plan(), 1, [4, 4]))

    def test_what_was_learnt_again_can_be_forgotten_again(self) -> None:
        stream = plan()
        again = replace(stream.updates[1], index=2, kind="learn")
        check_requests(replace(stream, updates=(*stream.updates, again, stream.updates[1])))

    def test_an_empty_request_is_no_error(self) -> None:
        check_requests(changed(plan(), 1, []))

    def test_granted_data_must_be_retained_and_the_protocols(self) -> None:
        stream = plan(retained=1.0)
        gone = stream.updates[1].samples
        with pytest.raises(ClbenchError, match="grants 8 retained samples that are not there to"):
            check_requests(changed(stream, 1, gone, retained=ALL))
        with pytest.raises(ClbenchError, match=r"names no retained data, .* has retained=1.0"):
            check_requests(changed(stream, 1, gone, retained=None))

    def test_they_are_checked_before_anything_is_played(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match="never learnt"):
            run(changed(changed(plan(), 0, ALL[:60]), 1, [77]), "do_nothing", tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_granted_data_survive_the_file_of_a_stream(tmp_path: Path) -> None:
    stream = plan(retained=0.5)
    write_stream(stream, tmp_path / "s.safetensors")
    again = read_stream(tmp_path / "s.safetensors")
    assert again.fingerprint == stream.fingerprint
    np.testing.assert_array_equal(again.updates[1].retained, stream.updates[1].retained)
    assert again.updates[0].retained is None


def run(stream: Stream, method: str | type[Method], root: Path, **hyperparameters: Any) -> Any:
    kind = load("methods", method) if isinstance(method, str) else method
    given = {"backbone": "mlp,width=8,depth=1"} | hyperparameters
    return play(stream, SOURCE, kind, given, 0, root, Settings(threads=1))


def cost(ledger: Any, version: int) -> dict[str, Any]:
    found: dict[str, Any] = ledger.read_json(version, "cost.json")
    return found


class TestRetraining:
    def test_its_cost_is_that_of_learning_in_proportion_to_what_is_left(self) -> None:
        stream = plan(requests=2)
        assert retraining_flops(stream, 2, [800]) == pytest.approx(720)
        assert retraining_flops(stream, 3, [800, 5]) == pytest.approx(640)

    def test_learning_that_cost_nothing_is_no_measure(self) -> None:
        with pytest.raises(ClbenchError, match="cost none; leave retrain_share out"):
            retraining_flops(plan(), 2, [0])

    def test_a_forget_update_keeps_to_its_share(self, tmp_path: Path) -> None:
        stream = plan(retained=1.0, retrain_share=0.5)
        long = {"unlearning": Training(epochs=9)}
        ledger = run(stream, "finetune_retain", tmp_path, **long)
        learn, forget = cost(ledger, 1), cost(ledger, 2)
        assert "stopped_by" not in learn
        assert forget["stopped_by"] == "flops"
        allowed = 0.5 * learn["flops_learn"] * 72 / 80
        assert 0.8 * allowed < forget["flops_learn"] <= allowed

    def test_the_oracle_does_not(self, tmp_path: Path) -> None:
        ledger = run(plan(retrain_share=0.1), "retrain", tmp_path)
        assert ledger.record.method.granted == ("retained", "retraining")
        assert cost(ledger, 2)["samples_seen"] == 2 * 72


class TestPlayed:
    def test_retraining_is_learning_without_what_is_forgotten(self, tmp_path: Path) -> None:
        """The oracle's bytes do not depend on the forgotten samples, nor its start on them."""
        stream = plan(retained=1.0)
        x = np.array(SOURCE.train.x)
        x[stream.updates[1].samples] = 0
        other = replace(SOURCE, train=replace(SOURCE.train, x=x))
        one = run(stream, "retrain", tmp_path / "one")
        kind, given = load("methods", "retrain"), {"backbone": "mlp,width=8,depth=1"}
        two = play(stream, other, kind, given, 0, tmp_path / "two", Settings(threads=1))
        states = [ledger.read(2, "state.safetensors") for ledger in (one, two)]
        originals = [ledger.read(1, "state.safetensors") for ledger in (one, two)]
        assert states[0] == states[1]
        assert originals[0] != originals[1]
        assert uses(one.record) == ("retained",)

    def test_doing_nothing_leaves_the_original(self, tmp_path: Path) -> None:
        stream = plan()
        nothing, plain = (run(stream, m, tmp_path) for m in ("do_nothing", "retrain"))
        versions = [nothing.read(v, "predictions.parquet") for v in (1, 2)]
        assert versions[0] == versions[1] == plain.read(1, "predictions.parquet")
        assert cost(nothing, 2)["flops_learn"] == 0

    def test_finetuning_goes_on_from_the_original(self, tmp_path: Path) -> None:
        ledger = run(plan(retained=0.5), "finetune_retain", tmp_path)
        assert cost(ledger, 2)["samples_seen"] == 5 * 36
        assert ledger.read(1, "state.safetensors") != ledger.read(2, "state.safetensors")

    def test_a_method_that_does_not_forget_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"finetune plays learn, but tiny has .* forget"):
            run(plan(), "finetune", tmp_path)

    def test_an_interrupted_sequence_of_requests_continues(self, tmp_path: Path) -> None:
        stream = plan(requests=3, retained=1.0, retrain_share=0.9)
        kind, given = load("methods", "finetune_retain"), {"backbone": "mlp,width=8,depth=1"}

        def stop(version: int) -> None:
            if version == 2:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            play(stream, SOURCE, kind, given, 0, tmp_path / "a", Settings(threads=1), stop)
        ledgers = [run(stream, "finetune_retain", tmp_path / name) for name in ("a", "b")]
        states = [ledger.read(4, "state.safetensors") for ledger in ledgers]
        assert states[0] == states[1]
