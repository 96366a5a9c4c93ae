"""What methods declare to be searched, and what is proposed of it."""

from pathlib import Path

import pytest

from clbench.errors import ClbenchError
from clbench.method import known_names, make_method
from clbench.plugin import entries
from clbench.running import load_method
from clbench.spec import flat, nested
from clbench.tunable import Choice, Range
from clbench.tuning.sampler import propose
from clbench.tuning.space import search_space, settled, starting_from, whole_names

FILE = Path(__file__).with_name("searched_methods.py")
NOTHING = {"majority", "nmc", "random_features", "ranpac", "simplecil"}


class TestEveryMethod:
    @pytest.mark.parametrize("name", entries("methods"))
    def test_the_space_holds_the_default_and_all_of_it_is_allowed(self, name: str) -> None:
        from pydantic import TypeAdapter

        kind = load_method(name)
        space = search_space(kind)
        default = settled(TypeAdapter(kind).dump_python(make_method(kind, {}), mode="json"))
        for tunable in space:
            assert tunable.holds(default[tunable.name]), tunable
        for seed in range(5):
            setting = propose(space, whole_names(kind), [], "random", seed)
            make_method(kind, nested(setting))

    @pytest.mark.parametrize("name", entries("methods"))
    def test_what_trains_tunes_its_learning_rate(self, name: str) -> None:
        kind = load_method(name)
        names = {tunable.name for tunable in search_space(kind)}
        assert (names == set()) == (name in NOTHING)
        fields = known_names(kind)  # inherited ones, too
        if "unlearning.lr" in fields:
            assert "unlearning.lr" in names
        elif "training.lr" in fields and names and kind.card.original == "own":
            assert "training.lr" in names

    def test_the_memory_is_no_matter_of_tuning(self) -> None:
        """A larger buffer is a larger budget, not a better choice."""
        for name in entries("methods"):
            assert "buffer" not in {each.name for each in search_space(load_method(name))}


class TestDeclaring:
    @pytest.mark.parametrize(
        ("name", "complaint"),
        [
            ("Misspelt", "tunes of misspelt 'ratio'; did you mean 'rate'"),
            ("Twice", "twice names a hyperparameter twice"),
            ("TooFar", "hyperparameter rate of too_far: .* got 3"),
        ],
    )
    def test_a_space_that_cannot_be(self, name: str, complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            search_space(load_method(f"{FILE}:{name}"))

    @pytest.mark.parametrize(
        ("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True), (0, float("inf"), 0)]
    )
    def test_a_range_that_cannot_be(self, low: float, high: float, log: bool) -> None:
        with pytest.raises(ClbenchError, match="rate is tuned from"):
            Range("rate", low, high, log=log)

    def test_a_choice_of_one_is_none(self) -> None:
        with pytest.raises(ClbenchError, match="need two or more"):
            Choice("form", ("plain",))

    def test_a_recipe_outside_of_the_range_widens_it(self) -> None:
        space = (Range("rate", 0.1, 1, log=True), Choice("form", ("a", "b")))
        rate, form = starting_from(space, {"rate": 3, "form": "c"})
        assert (rate, form) == (Range("rate", 0.1, 3, log=True), Choice("form", ("a", "b", "c")))
        assert starting_from(space, {"rate": None, "form": "a"}) == space


class TestProposing:
    def test_each_kind_of_hyperparameter(self) -> None:
        kind = load_method(f"{FILE}:Mixed")
        space = search_space(kind)
        found = [propose(space, whole_names(kind), [], "tpe", seed) for seed in range(30)]
        assert all(each.holds(one[each.name]) for one in found for each in space)
        assert {type(one["count"]) for one in found} == {int}
        assert {one["form"] for one in found} == {"plain", "other"}
        assert sum(one["rate"] < 0.1 for one in found) in range(8, 23)  # half of four decades

    def test_the_same_trials_before_and_seed_give_the_same(self) -> None:
        space = (Range("x", 0, 1),)
        tried = [({"x": i / 7}, float(i)) for i in range(8)]
        one, same, other = (propose(space, set(), tried, "tpe", seed) for seed in (1, 1, 2))
        assert one == same != other

    def test_where_it_failed_is_left(self) -> None:
        space = (Range("x", 0, 1),)
        tried = [({"x": i / 20}, None if i > 10 else 1.0) for i in range(21)]
        found = [propose(space, set(), tried, "tpe", seed)["x"] for seed in range(20)]
        assert sum(x <= 0.5 for x in found) >= 15


def test_nested_undoes_flat() -> None:
    table = {"a": 1, "b": {"c": 2, "d": {"e": "x"}}}
    assert nested(dict(flat(table))) == table
