"""A stream as a file: it comes back as it was, and anything else is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.document import read_stream, stream_bytes, write_stream
from clbench.errors import ClbenchError
from clbench.opening import open_preset
from clbench.stream import Protocol


@pytest.fixture(scope="module")
def stream():
    return open_preset("split-digits").stream


def test_a_stream_comes_back_as_it_was(stream, tmp_path):
    given = replace(stream, protocol=Protocol(task_ids=True, memory_bytes=9, epochs=2))
    write_stream(given, tmp_path / "s.safetensors")
    found = read_stream(tmp_path / "s.safetensors")
    assert found.fingerprint == given.fingerprint
    assert found.name == given.name
    assert str(found.source) == str(given.source)
    assert found.protocol == given.protocol
    assert stream_bytes(found) == stream_bytes(given)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ClbenchError, match=r"none\.safetensors does not exist"):
        read_stream(tmp_path / "none.safetensors")


def test_altered_ids_are_noticed(stream, tmp_path):
    update = replace(stream.updates[0], samples=stream.updates[0].samples[::-1].copy())
    other = replace(stream, updates=(update, *stream.updates[1:]))
    data = stream_bytes(other).replace(other.fingerprint.encode(), stream.fingerprint.encode())
    (tmp_path / "s.safetensors").write_bytes(data)
    with pytest.raises(ClbenchError, match=r"s\.safetensors was altered"):
        read_stream(tmp_path / "s.safetensors")


def test_arrays_of_another_type_are_refused(stream, tmp_path):
    wrong = replace(stream, class_order=stream.class_order.astype(np.int32))
    write_stream(wrong, tmp_path / "s.safetensors")
    with pytest.raises(ClbenchError, match="class_order is int32"):
        read_stream(tmp_path / "s.safetensors")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 30_000), value=st.integers(0, 255), length=st.integers(0, 30_000))
def test_a_damaged_file_is_refused_or_says_the_same(stream, tmp_path, place, value, length):
    good = stream_bytes(stream)
    data = bytearray(good)
    data[place % len(data)] = value
    (tmp_path / "s.safetensors").write_bytes(bytes(data[: max(length, len(data) // 2)]))
    read = fingerprint_or_error(tmp_path / "s.safetensors")
    assert read == stream.fingerprint or "s.safetensors" in read


def fingerprint_or_error(path):
    try:
        return read_stream(path).fingerprint
    except ClbenchError as error:
        return str(error)
