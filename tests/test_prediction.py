import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from clbench.errors import ClbenchError
from clbench.prediction import TOP, Asked, from_parquet, to_parquet

SCALARS = ["eval", "sample", "label", "predicted", "label_logit", "logsumexp", "margin"]


def asked(n: int, width: int) -> Asked:
    return Asked(np.zeros(n, int), np.arange(n), np.arange(n) % width)


def random_logits(n: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@settings(max_examples=30)
@given(st.integers(0, 20), st.integers(1, 8), st.integers(0, 1000))
def test_the_compact_form_is_enough_for_answers_and_likelihoods(n, width, seed):
    logits, questions = random_logits(n, width, seed), asked(n, width)
    table = from_parquet(to_parquet(questions, logits, "compact"), [*SCALARS, "top_class"], "x")
    np.testing.assert_array_equal(table["label"], questions.label)
    if n:
        np.testing.assert_array_equal(table["predicted"], logits.argmax(1))
        likelihood = log_softmax(logits, axis=1)[np.arange(n), questions.label]
        found = table["label_logit"] - table["logsumexp"]
        np.testing.assert_allclose(found, likelihood, atol=1e-5)
    assert table["top_class"].shape == (n, min(TOP, width))


def test_the_margin_is_the_log_odds_of_the_label():
    logits, questions = random_logits(6, 3), asked(6, 3)
    margin = from_parquet(to_parquet(questions, logits, "compact"), ["margin"], "x")["margin"]
    p = np.exp(log_softmax(logits.astype(float), axis=1))[np.arange(6), questions.label]
    np.testing.assert_allclose(margin, np.log(p / (1 - p)), atol=1e-5)


def test_with_one_class_the_margin_is_infinite():
    table = from_parquet(to_parquet(asked(2, 1), random_logits(2, 1), "compact"), ["margin"], "x")
    assert np.isposinf(table["margin"]).all()


def test_the_top_is_sorted_and_ties_go_to_the_lower_class():
    logits = np.array([[1, 3, 3, 0, 2, -1]], dtype=np.float32)
    data = to_parquet(asked(1, 6), logits, "compact")
    table = from_parquet(data, ["top_class", "top_logit", "predicted"], "x")
    assert table["top_class"].tolist() == [[1, 2, 4, 0, 3]]
    assert table["top_logit"].tolist() == [[3, 3, 2, 1, 0]]
    assert table["predicted"].tolist() == [1]


def test_the_full_form_has_the_logits_in_half_precision():
    logits = random_logits(5, 7)
    table = from_parquet(to_parquet(asked(5, 7), logits, "full"), ["logits"], "x")
    np.testing.assert_array_equal(table["logits"], logits.astype(np.float16))


def test_a_missing_column_is_named():
    data = to_parquet(asked(2, 3), random_logits(2, 3), "compact")
    with pytest.raises(ClbenchError, match="some/file lacks the column 'logits'"):
        from_parquet(data, ["label", "logits"], "some/file")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not a table at all, but some bytes"])
def test_what_is_no_table_is_said_to_be_none(data):
    with pytest.raises(ClbenchError, match="some/file is not a predictions table"):
        from_parquet(data, ["label"], "some/file")


def test_a_row_without_a_value_is_refused():
    sink = io.BytesIO()
    pq.write_table(pa.table({"label": pa.array([1, None])}), sink)
    with pytest.raises(ClbenchError, match="some/file: column 'label' has nulls"):
        from_parquet(sink.getvalue(), ["label"], "some/file")
