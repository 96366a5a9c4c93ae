"""The array store: whole rows or none, one writer a row, refused where it is of something else."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ensembles import HEAD, MLP, assert_same, contents, forgetting, job, trained, vectors

from clbench.ensemble.claims import claims
from clbench.ensemble.making import open_store
from clbench.ensemble.members import plan
from clbench.ensemble.store import Field, Spec, Store
from clbench.ensemble.trainer import Where, train_ensemble
from clbench.errors import ClbenchError
from clbench.source.synthetic import synthetic

SPEC = Spec(
    identity={"kind": "test"}, fields={"a": Field((2,), "float32"), "b": Field((), "int64")}
)


def rows(*values: int) -> dict[str, np.ndarray]:
    return {"a": np.array([[v, v] for v in values], np.float32), "b": np.array(values)}


class TestTheFiles:
    def test_are_plain_numpy_with_their_names_in_a_spec(self, tmp_path: Path) -> None:
        store = open_store(tmp_path, SPEC, 3, {"ids": np.arange(2)})
        store.write([2, 0], rows(7, 5))
        assert np.load(tmp_path / "a.npy").tolist() == [[5, 5], [0, 0], [7, 7]]
        assert np.load(tmp_path / "_completed.npy").tolist() == [True, False, True]
        assert np.load(tmp_path / "const.ids.npy").tolist() == [0, 1]
        fields = json.loads((tmp_path / "spec.json").read_text())["fields"]
        assert fields == {"a": [[2], "float32"], "b": [[], "int64"]}

    def test_gain_rows_and_keep_those_they_have(self, tmp_path: Path) -> None:
        open_store(tmp_path, SPEC, 2).write([1], rows(4))
        store = open_store(tmp_path, SPEC, 1000)
        assert store.completed.nonzero()[0].tolist() == [1]
        assert store.read("a").shape == (1000, 2)
        assert store.read("b")[1] == 4
        assert len(open_store(tmp_path, SPEC, 2).completed) == 1000

    def test_rows_of_another_shape_or_type_are_refused(self, tmp_path: Path) -> None:
        store = open_store(tmp_path, SPEC, 2)
        with pytest.raises(ClbenchError, match=r"rows of b are .*float64.*; need .*int64"):
            store.write([0], rows(1) | {"b": np.array([1.0])})
        assert not store.completed.any()

    def test_one_that_is_cut_off_is_refused(self, tmp_path: Path) -> None:
        open_store(tmp_path, SPEC, 2).write([0], rows(1))
        with (tmp_path / "a.npy").open("r+b") as file:
            file.truncate(130)
        with pytest.raises(ClbenchError, match=r"a\.npy cannot be read: .*; restore it"):
            open_store(tmp_path, SPEC, 2)

    def test_a_folder_without_a_spec_is_no_store(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"it has no spec\.json; make one with"):
            Store(tmp_path).spec  # noqa: B018

    def test_what_was_written_before_there_was_a_spec_counts_for_nothing(
        self, tmp_path: Path
    ) -> None:
        open_store(tmp_path, SPEC, 2).write([0], rows(1))
        (tmp_path / "spec.json").unlink()
        assert not open_store(tmp_path, SPEC, 2).completed.any()


def die_after(call: int) -> None:
    """Die when the n-th row of a file has been written."""
    original, calls = os.pwrite, iter(range(1, 10**6))

    def pwrite(*args: Any) -> int:
        done = original(*args)
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    os.pwrite = pwrite  # type: ignore[assignment]


def fill(path: Path, call: int) -> None:
    die_after(call)
    trained(path, program="loop")


class TestACutInTheMiddle:
    """Rows are written while the process is killed at one of its writes, then the job goes on."""

    def test_loses_no_row_and_counts_none_twice(self, tmp_path: Path) -> None:
        whole = trained(tmp_path / "whole", program="loop")
        fork = multiprocessing.get_context("fork")
        for call in (1, 31, 40):
            path = tmp_path / str(call)
            process = fork.Process(target=fill, args=(path, call))
            process.start()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            before = Store(path).completed if (path / "spec.json").exists() else np.zeros(4, bool)
            kept = {k: contents(Store(path))["margins.test"][k] for k in before.nonzero()[0]}
            told: list[int] = []
            found = plan("originals", forgetting(), vectors(), 4)
            store = train_ensemble(
                found,
                job(found, forgetting(), vectors()),
                {},
                path,
                Where(program="loop"),
                lambda done, total, told=told: told.append(done),  # type: ignore[misc]
            )
            assert told[0] == before.sum()
            assert store.completed.all()
            assert_same(store, whole, rtol=0, atol=0)
            for k, margins in kept.items():
                assert np.array_equal(contents(store)["margins.test"][k], margins)


def fill_slowly(path: Path) -> None:
    """Note each row that this process writes."""
    write = Store.write

    def noted(store: Store, indices: Any, rows: Any) -> None:
        with (path.parent / "told").open("a") as file:
            file.writelines(f"{os.getpid()} {row}\n" for row in indices)
        time.sleep(0.02)
        write(store, indices, rows)

    Store.write = noted  # type: ignore[method-assign]
    trained(path, count=12, program="loop")


class TestSeveralWorkers:
    def test_commands_side_by_side_share_the_rows(self, tmp_path: Path) -> None:
        fork = multiprocessing.get_context("fork")
        workers = [fork.Process(target=fill_slowly, args=(tmp_path / "s",)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        told = [line.split() for line in (tmp_path / "told").read_text().splitlines()]
        assert sorted(int(row) for _, row in told) == list(range(12))  # each is trained once
        whole = trained(tmp_path / "one", count=12, program="loop")
        assert_same(Store(tmp_path / "s"), whole, rtol=0, atol=0)

    def test_a_row_that_another_process_holds_is_not_taken(self, tmp_path: Path) -> None:
        store, fork = open_store(tmp_path, SPEC, 4), multiprocessing.get_context("fork")
        with claims(store, range(4)) as mine:
            assert mine.take(2) == [0, 1]
            queue = fork.SimpleQueue()
            other = fork.Process(target=lambda: queue.put(_taken(store)))
            other.start()
            assert queue.get() == [2, 3]
            other.join()
            assert mine.take(9) == [2, 3]  # its owner is gone

    def test_a_process_that_is_killed_is_replaced_and_nothing_differs(self, tmp_path: Path) -> None:
        killed: list[int] = []

        def kill_one(done: int, total: int) -> None:
            if done and not killed:
                (child,) = multiprocessing.active_children()
                os.kill(child.pid or 0, signal.SIGKILL)
                killed.append(child.pid or 0)

        found = plan("originals", forgetting(), vectors(), 4)
        where = Where("processes", processes=1, program="loop")
        given = job(found, forgetting(), vectors())
        store = train_ensemble(found, given, {}, tmp_path / "s", where, kill_one)
        assert killed
        assert_same(store, trained(tmp_path / "one", program="loop"), rtol=0, atol=0)


def _taken(store: Store) -> list[int]:
    with claims(store, range(4)) as mine:
        return mine.take(9)


class TestAnother:
    """A store of another stream, source or recipe is refused; of more members it is enlarged."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        trained(tmp_path / "s", "oracles")
        return tmp_path / "s"

    def test_stream(self, path: Path) -> None:
        with pytest.raises(
            ClbenchError, match=r"its stream is \w{12}, not \w{12}; give the folder"
        ):
            trained(path, "oracles", stream=forgetting(range(7)))

    def test_source(self, path: Path) -> None:
        other = replace(synthetic(classes=4, per_class=10, test_per_class=5, dim=6, seed=1))
        found = plan("oracles", forgetting(), other, 4)
        with pytest.raises(ClbenchError, match="its source is"):
            train_ensemble(found, job(found, forgetting(), other), {}, path)

    @pytest.mark.parametrize(
        ("recipe", "named"),
        [
            (HEAD, "recipe.backbone is mlp,width=8,depth=2, not identity"),
            ({**MLP, "training": {"lr": 0.2, "batch_size": 8}}, "recipe.training.lr is 0.1"),
        ],
    )
    def test_recipe(self, path: Path, recipe: dict[str, Any], named: str) -> None:
        with pytest.raises(ClbenchError, match=named):
            trained(path, "oracles", recipe=recipe)

    def test_kind(self, path: Path) -> None:
        with pytest.raises(ClbenchError, match="its kind is oracles, not originals"):
            trained(path)

    def test_more_members_are_added(self, path: Path) -> None:
        before = contents(Store(path))["margins.test"]
        after = contents(trained(path, "oracles", count=6))["margins.test"]
        assert len(after) == 6
        assert np.array_equal(after[:4], before)

    def test_originals_serve_streams_that_differ_in_what_is_forgotten(self, tmp_path: Path) -> None:
        trained(tmp_path / "s")
        again = trained(tmp_path / "s", stream=forgetting(range(9)))
        assert again.completed.all()
