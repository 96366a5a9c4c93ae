"""Every registered method keeps the contract; a new plugin is under it at once."""

import pytest
import torch
from safetensors.torch import load

from clbench import state
from clbench.conduct import asks_again, keeps
from clbench.contract import CHECKS, Subject
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
