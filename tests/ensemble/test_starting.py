"""Runs that start from stores: the models are those they would train, recorded with their store."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ensembles import MLP, forgetting, trained, vectors
from torch import Tensor

from clbench import state
from clbench.archive import differences
from clbench.ensemble.members import plan
from clbench.ensemble.starting import starts_of
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Method, make_method
from clbench.metric.base import NotMeasured
from clbench.play import play
from clbench.recorded import RecordedAnswers
from clbench.settings import Settings
from clbench.stream import Stream
from clbench_methods.do_nothing import DoNothing
from clbench_methods.er import ER
from clbench_methods.finetune import Finetune
from clbench_methods.retrain import Retrain


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("stores")
    for kind in ("originals", "oracles"):
        trained(root / kind, kind, 3)
    return {kind: root / kind for kind in ("originals", "oracles")}


def run(
    root: Path, kind: type[Method], stream: Stream | None = None, seed: int = 1, **how: Any
) -> Ledger:
    settings = Settings(threads=1, **how)
    return play(stream or forgetting(), vectors(), kind, MLP, seed, root, settings)


def weights(ledger: Ledger, version: int) -> dict[str, Tensor]:
    files = {name: ledger.read(version, name) for name in (state.TENSORS, state.VALUES)}
    tree: dict[str, Tensor] = state.unpack(files, torch.device("cpu"))["model"]
    return tree


@pytest.mark.parametrize("kind", [DoNothing, Retrain])
def test_what_a_run_records_is_what_it_would_have_trained(
    kind: type[Method], stores: dict[str, Path], tmp_path: Path
) -> None:
    trains, takes = run(tmp_path, kind), run(tmp_path, kind, **stores)
    for version in (0, 1, 2):
        own, taken = weights(trains, version), weights(takes, version)
        assert own.keys() == taken.keys()
        for name in own:
            torch.testing.assert_close(own[name], taken[name], rtol=1e-4, atol=1e-5)
        costs = [ledger.read_json(version, "cost.json") for ledger in (trains, takes)]
        assert costs[0] == costs[1]  # FLOPs, steps and samples as if it had trained


def test_the_record_tells_of_the_stores(stores: dict[str, Path], tmp_path: Path) -> None:
    plain, takes = run(tmp_path, Retrain), run(tmp_path, Retrain, **stores)
    assert "stores" not in json.loads((plain.path / "run.json").read_text())
    kinds = [store.kind for store in takes.record.stores]
    assert kinds == ["originals", "oracles"]
    assert takes.record.key != plain.record.key
    other = run(tmp_path, Retrain, seed=2, **stores)
    assert other.record.setup == takes.record.setup  # seeds of one set-up
    assert other.record.stores[0].rows != takes.record.stores[0].rows


def test_seconds_of_models_that_were_trained_together_are_no_measure_of_retraining(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    """Loading an oracle takes milliseconds: any method would seem slow beside that."""
    answers = RecordedAnswers([run(tmp_path, Retrain, **stores)])
    with pytest.raises(NotMeasured, match="trained together, in a store"):
        answers.spent("seconds")
    assert (answers.spent("flops")[0, 1:] > 0).all()


def test_methods_that_learn_in_their_own_way_train_themselves(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    for kind, taken in ((ER, 0), (Finetune, 0), (DoNothing, 1), (Retrain, 2)):
        method = make_method(kind, MLP)
        found = starts_of(method, forgetting(), vectors(), 0, Settings(**stores))
        assert len(found.records) == taken


def test_a_run_that_was_cut_off_ends_with_the_same_bytes(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", Retrain, **stores)
    for kept in (1, 2):
        root = tmp_path / str(kept)
        shutil.copytree(tmp_path / "whole", root)
        cut = Ledger(root / whole.path.relative_to(tmp_path / "whole"))
        for version in range(kept, 3):
            shutil.rmtree(cut.folder(version))
        assert run(root, Retrain, **stores).finished
        assert differences(whole, cut) == []


class TestRefused:
    def refused(self, error: str, stores: dict[str, Path], tmp_path: Path, **how: Any) -> None:
        given = {**stores, **how}
        with pytest.raises(ClbenchError, match=error):
            run(tmp_path, Retrain, **given)
        assert list(tmp_path.iterdir()) == []

    def test_an_oracle_of_another_request(self, stores: dict[str, Path], tmp_path: Path) -> None:
        self.refused("oracles is of another ensemble: its stream", stores, tmp_path,
                     stream=forgetting(range(5)))  # fmt: skip

    def test_a_seed_that_is_not_there(self, stores: dict[str, Path], tmp_path: Path) -> None:
        self.refused("lacks the originals of seed 9 .*--count 10", stores, tmp_path, seed=9)

    def test_other_passes(self, stores: dict[str, Path], tmp_path: Path) -> None:
        self.refused("recipe.epochs is 2, not 3", {"originals": stores["originals"]}, tmp_path,
                     stream=forgetting(epochs=3))  # fmt: skip

    def test_another_kind(self, stores: dict[str, Path], tmp_path: Path) -> None:
        self.refused("kind is oracles, not originals", {"originals": stores["oracles"]}, tmp_path)

    def test_what_is_no_store(self, tmp_path: Path) -> None:
        self.refused("is no store of an ensemble", {"originals": tmp_path / "none"}, tmp_path)

    def test_probes_inside_of_updates_that_are_not_played(
        self, stores: dict[str, Path], tmp_path: Path
    ) -> None:
        self.refused("leave out either --probe-every or --originals", stores, tmp_path,
                     probe_every=2)  # fmt: skip


def test_members_are_told_by_what_they_are_trained_on() -> None:
    stream = forgetting(range(6))
    oracles = plan("oracles", stream, vectors(), 2)
    assert [(m.seed, m.update) for m in oracles.members] == [(0, 1), (1, 1)]
    assert np.array_equal(oracles.members[0].ids, stream.retained(2))
    originals = plan("originals", stream, vectors(), 2)
    assert np.array_equal(originals.members[1].ids, stream.updates[0].samples)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("oracels", "unknown kind of ensemble 'oracels'; did you mean 'oracles'"),
     ("oracles", "test forgets no sample, so that nothing is trained anew")],
)  # fmt: skip
def test_plans_that_cannot_be_are_refused(kind: str, error: str) -> None:
    with pytest.raises(ClbenchError, match=error):
        plan(kind, forgetting(range(0)), vectors(), 2)
