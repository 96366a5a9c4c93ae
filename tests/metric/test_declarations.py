"""What every registered metric says about itself."""

import pytest

from clbench import plugin
from clbench.evidence import Evidence
from clbench.metric import Metric

NAMES = list(plugin.entries("metrics"))


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def test_it_is_a_metric_under_its_own_id(name):
    metric = plugin.load("metrics", name)
    assert isinstance(metric, Metric)
    assert metric.id == name
    assert metric.name == f"{name}@{metric.version}"


def test_it_asks_only_for_evidence_that_exists(name):
    assert set(plugin.load("metrics", name).needs) <= set(Evidence.vocabulary())


def test_its_definition_is_a_sentence(name):
    definition = plugin.load("metrics", name).definition
    assert definition[0].isupper()
    assert definition[-1] in ".n)" or ":" in definition
    assert 20 < len(definition) < 200


def test_its_range_has_a_lower_and_an_upper_end(name):
    low, high = plugin.load("metrics", name).range
    assert low < high


def test_a_p_value_ranks_nobody(name):
    metric = plugin.load("metrics", name)
    assert (metric.unit == "p-value") == (metric.direction == "neither")
