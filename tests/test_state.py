"""State as bytes: what is carried comes back as it was, and what cannot be is refused."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from clbench.errors import ClbenchError
from clbench.state import TENSORS, VALUES, pack, sizes, unpack

CPU = torch.device("cpu")
DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)
names = st.text(max_size=8).filter(lambda name: "/" not in name and name != "__metadata__")
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Of any type and up to three dimensions, some of them empty, some views of others."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype, seed = draw(st.sampled_from(DTYPES)), draw(st.integers(0, 9))
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.randint(0, 200, shape, generator=generator).to(dtype)
    return tensor.movedim(0, -1) if shape and draw(st.booleans()) else tensor


trees = st.recursive(
    st.dictionaries(names, tensors() | plain, max_size=4),
    lambda inner: st.dictionaries(names, inner | tensors() | plain, max_size=3),
    max_leaves=8,
)


@given(trees)
@settings(max_examples=150, deadline=None)
def test_round_trip(tree: dict[str, Any]) -> None:
    assert_same(unpack(pack(tree), CPU), tree)


@given(trees)
@settings(max_examples=50, deadline=None)
def test_the_same_tree_gives_the_same_bytes(tree: dict[str, Any]) -> None:
    assert pack(tree) == pack(unpack(pack(tree), CPU))


def test_dots_in_keys_are_no_levels() -> None:
    tree = {"model": {"0.weight": torch.ones(2), "0": {"weight": torch.zeros(2)}}}
    assert_same(unpack(pack(tree), CPU), tree)


def test_tensors_that_share_memory_are_each_carried() -> None:
    whole = torch.arange(6.0)
    tree = {"whole": whole, "part": whole[2:4], "turned": whole.view(2, 3).T}
    found = unpack(pack(tree), CPU)
    assert_same(found, tree)
    found["whole"][2] = 9
    assert found["part"][0] == 2


def test_what_comes_back_can_be_written_to_and_has_no_gradient() -> None:
    weight = torch.ones(2, requires_grad=True)
    found = unpack(pack({"weight": weight}), CPU)["weight"]
    found += 1
    assert not found.requires_grad
    assert weight.tolist() == [1, 1]


def test_tensors_may_hold_nan() -> None:
    assert unpack(pack({"x": torch.tensor([torch.nan])}), CPU)["x"].isnan().all()


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"a": {"b": {1, 2}}}, "state a/b is a set"),
        ({"a": np.float32(1)}, "state a is a float32"),
        ({"a": np.zeros(2)}, "state a is a ndarray"),
        ({"a": [1, [torch.ones(1)]]}, "state a is a list with a list with a Tensor"),
        ({"a": {"b": float("nan")}}, "state a/b is nan"),
        ({"a": [1.0, float("-inf")]}, "state a is a list with -inf"),
        ({"a": {0: torch.ones(1)}}, "state a/0 has a key that is a int"),
        ({"a": {"b/c": 1}}, "state a has the key 'b/c'"),
        ({"a/b": 1}, "state itself has the key 'a/b'"),
        ({"__metadata__": torch.ones(1)}, "state itself has the key '__metadata__'"),
        ({"a": lambda: 0}, "state a is a function"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_path(
    tree: dict[Any, Any], complaint: str
) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        pack(tree)


def test_a_truncated_file_is_an_error() -> None:
    files = pack({"a": torch.ones(100)})
    with pytest.raises(ClbenchError, match=r"state.safetensors cannot be read"):
        unpack({**files, TENSORS: files[TENSORS][:-1]}, CPU)


def test_sizes_are_those_of_the_parts() -> None:
    tree = {"model": {"w": torch.zeros(1000)}, "seen": 7}
    found = sizes(tree)
    assert list(found) == ["model", "seen"]
    assert found == {"model": 4000, "seen": 1}
    assert sum(found.values()) < sum(map(len, pack(tree).values()))  # which has headers, too


def test_nothing_is_pickled() -> None:
    files = pack({"a": torch.ones(1), "b": "text"})
    assert set(files) == {TENSORS, VALUES}
    assert files[VALUES] == b'{"b": "text"}'


def assert_same(one: Any, two: Any) -> None:
    if isinstance(two, torch.Tensor):
        assert one.dtype == two.dtype
        assert one.shape == two.shape
        assert torch.equal(one, two)
    elif isinstance(two, dict):
        assert one.keys() == two.keys()
        for key in two:
            assert_same(one[key], two[key])
    else:
        assert one == two
        assert type(one) is type(two)
