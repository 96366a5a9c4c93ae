"""Every registered method keeps the contract; a new plugin is under it at once."""

import pytest
import torch
from safetensors.torch import load

from clbench import state
from clbench.card import read_card
from clbench.checks.forgetting import begun
from clbench.conduct import asks_again, keeps
from clbench.contract import CHECKS, FORGETTING, REPLACING, Subject
from clbench.cost import FlopMeter
from clbench.plugin import entries
from clbench.running import load_method
from clbench.subject import played


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("method", entries("methods"))
def test_contract(method: str, check: str) -> None:
    CHECKS[check](Subject.quick(load_method(method), {}))


@pytest.mark.parametrize("method", entries("methods"))
def test_a_card_overstates_nothing(method: str) -> None:
    """The contract finds what a card keeps silent about; this finds what it says too much."""
    subject = Subject.quick(load_method(method), {})
    card = subject.card
    assert (keeps(subject)[0] > 0) == (card.stores in ("labels", "samples"))
    assert beyond_weights(subject) == (card.stores != "nothing")
    assert asks_again(subject) == (card.passes == "many")
    assert reads_the_past(subject) == ("past" in card.needs)


FORGETTERS = [
    name for name, e in entries("methods").items() if "forget" in read_card(e.target).plays
]


@pytest.mark.parametrize("check", FORGETTING)
@pytest.mark.parametrize("method", FORGETTERS)
def test_contract_of_forgetting(method: str, check: str) -> None:
    FORGETTING[check](Subject.quick(load_method(method), {}))


@pytest.mark.parametrize("method", FORGETTERS)
def test_a_card_says_what_it_forgets_with(method: str) -> None:
    subject = Subject.quick(load_method(method), {})
    with begun(subject) as run:
        read = run.update(played(run, 1), 2, FlopMeter()).read
        request, retained = run.stream.updates[1].samples, run.stream.retained(2)
    reads_retained = bool(read[retained].any())
    assert reads_retained == ("retained" in subject.card.needs)
    if reads_retained:
        assert subject.card.retained_only != bool(read[request].any())


REPLACERS = [
    name for name, e in entries("methods").items() if "replace" in read_card(e.target).plays
]


@pytest.mark.parametrize("check", REPLACING)
@pytest.mark.parametrize("method", REPLACERS)
def test_contract_of_replacing(method: str, check: str) -> None:
    REPLACING[check](Subject.quick(load_method(method), {}))


def beyond_weights(subject: Subject) -> bool:
    """Whether it carries tensors that are no weights of its network."""
    with subject.run() as run:
        carried = state.pack(played(run, 2).state())
    return any(not name.startswith("model/") for name in load(carried[state.TENSORS]))


def reads_the_past(subject: Subject) -> bool:
    with subject.run() as run:
        method = played(run, 1)
        read = run.update(method, 2, FlopMeter()).read
        return bool(read[torch.from_numpy(run.stream.updates[0].samples)].any())


def test_ranpac_takes_many_passes_where_it_adapts() -> None:
    subject = Subject(load_method("ranpac"), {"features": "mlp,width=16", "form": "full"})
    assert subject.card.passes == "many"
    assert asks_again(subject)


@pytest.mark.parametrize("method", entries("methods"))
def test_a_method_is_called_what_it_is_registered_as(method: str) -> None:
    assert load_method(method).card.name == method
