"""Specs: what is written is read back, and what is not one is refused."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from clbench.errors import ClbenchError, unknown
from clbench.options import Options, nested, pairs, parse_seeds
from clbench.spec import Spec, merged, parse_spec, parse_value

names = st.from_regex(r"[a-z][a-z0-9_./-]*", fullmatch=True)
words = names.filter(lambda text: isinstance(parse_value(text), str))


def specs(values: st.SearchStrategy[str | int | float | bool]) -> st.SearchStrategy[Spec]:
    return st.builds(Spec, names, st.dictionaries(names, values, max_size=3))


simple = st.integers() | st.booleans() | words | st.floats(allow_nan=False, allow_infinity=False)


@given(specs(simple))
def test_round_trip(spec: Spec) -> None:
    assert parse_spec(str(spec)) == spec


@given(specs(simple.map(lambda v: v) | specs(simple).map(str).filter(lambda text: "," in text)))
def test_a_spec_within_a_spec(spec: Spec) -> None:
    assert parse_spec(str(spec)) == spec


def test_three_deep() -> None:
    inner = Spec("folder", {"path": "x", "label": "fine"})
    middle = Spec("embedded", {"source": str(inner), "backbone": "mlp"})
    outer = parse_spec(str(Spec("embedded", {"source": str(middle), "backbone": "identity"})))
    assert parse_spec(str(parse_spec(str(outer.options["source"])).options["source"])) == inner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1e-3", -0.001),
        ("true", True),
        ("False", False),
        ("data/x", "data/x"),
        ("'5'", "5"),
        ("[a,b=1]", "a,b=1"),
        ("", ""),
        ("None", "None"),
        ("(1,", "(1,"),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize("text", ["a,b", "a,=1", "a,b=1,", "a,b=[c", "a,b=c]]["])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(ClbenchError, match=r"key=value|not balanced"):
        parse_spec(text)


def test_merged_goes_into_tables() -> None:
    base = {"a": 1, "training": {"lr": 1, "epochs": 2}}
    assert merged(base, {"training": {"lr": 3}}) == {"a": 1, "training": {"lr": 3, "epochs": 2}}
    assert base["training"] == {"lr": 1, "epochs": 2}


class TestOptions:
    def test_a_set_is_for_all_or_for_one(self) -> None:
        texts = ["training.lr=0.5", "er:buffer=7", "a/b.py:Mine:training.epochs=2"]
        assert nested(texts, "er") == {"training": {"lr": 0.5}, "buffer": 7}
        assert nested(texts, "lwf") == {"training": {"lr": 0.5}}
        assert nested(texts, "a/b.py:Mine") == {"training": {"lr": 0.5, "epochs": 2}}

    def test_a_value_and_one_inside_of_it_are_refused(self) -> None:
        with pytest.raises(ClbenchError, match=r"training a value, and training.lr one inside"):
            nested(["training=5", "training.lr=1"], "er")

    def test_what_is_no_pair_is_refused(self) -> None:
        with pytest.raises(ClbenchError, match="--protocol 'epochs' is not of the form key=value"):
            pairs(["epochs"], "--protocol")

    @pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("0,3,7", [0, 3, 7])])
    def test_seeds(self, text: str, seeds: list[int]) -> None:
        assert parse_seeds(text) == seeds

    @pytest.mark.parametrize("text", ["", "0", "-1", "a", "1,", "1.5", "²"])
    def test_what_are_no_seeds_is_refused(self, text: str) -> None:
        with pytest.raises(ClbenchError, match="--seeds is "):
            parse_seeds(text)

    def test_a_name_given_twice_is_one_run(self) -> None:
        cells = Options().cells(["er", "lwf", "er"], ["split-digits"] * 2, [0, 1, 0])
        assert [(c.method, c.seed) for c in cells] == [("er", 0), ("lwf", 0), ("er", 1), ("lwf", 1)]


def test_an_unknown_name_gets_the_nearest() -> None:
    assert str(unknown("metric", "forgeting", ["forgetting", "er"])) == (
        "unknown metric 'forgeting'; did you mean 'forgetting'?"
    )
    assert str(unknown("metric", "zzz", ["b", "a"])) == "unknown metric 'zzz'; known: a, b"
    assert str(unknown("metric", "zzz", [])) == "unknown metric 'zzz'; known: none"
