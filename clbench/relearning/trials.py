"""The attacks on one method: each on a copy, with random numbers of its own."""

import copy
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model.network import Network, evaluating
from clbench.model.seeding import seed_torch
from clbench.relearnfile import Curve, Missing, Recovery
from clbench.relearning.embedded import by_prototypes
from clbench.relearning.labelled import Labelled
from clbench.relearning.training import recover, recovered_head, relearning_curve
from clbench.seeds import derive

AGREE = 0.99  # of answers: batches of other sizes may round a tie to the other side
DIVERGED = Missing(why="what was trained on few samples answers with values that are not finite")
NOTHING_LEFT = Missing(why="an attacker with one sample a class has all that was forgotten")


class Hand(NamedTuple):
    """The samples that an attacker has, and the other forgotten ones, which are asked."""

    taught: Labelled
    rest: Labelled


class Trials:
    """What attacks bring back of what a method forgot.

    Args:
        method: made anew from what a version carries.
        forgotten: all that it was to forget.
        width: classes that it has seen.
        seed: of the run.
    """

    def __init__(self, method: Method, forgotten: Labelled, width: int, seed: int) -> None:
        self._method, self._forgotten = method, forgotten
        self._width, self._seed = width, seed
        self._network = network_of(method, forgotten)

    def relearning(self) -> Curve | Missing:
        """The forgotten samples, learnt again by the network."""
        if isinstance(self._network, Missing):
            return self._network
        network = self._copied(self._network)
        return relearning_curve(network, self._forgotten, self._random("relearn"))

    def head(self, hand: Hand) -> Recovery | Missing:
        """A new head on the frozen representation, from few samples."""
        if not len(hand.rest):
            return NOTHING_LEFT
        features, queries = (embedded(self._method, each) for each in hand)
        head = recovered_head(features, hand.taught.y, self._width, self._random("head"))
        with torch.no_grad():
            return self._recovery(hand, head(queries))

    def full(self, hand: Hand) -> Recovery | Missing:
        """All of the network, from few samples."""
        if isinstance(self._network, Missing):
            return self._network
        if not len(hand.rest):
            return NOTHING_LEFT
        network = self._copied(self._network)
        recover(network, hand.taught, self._random("full"))
        with evaluating(network):
            return self._recovery(hand, hand.rest.asked(network))

    def prototypes(self, hand: Hand) -> Recovery | Missing:
        """Class means of few samples on the frozen representation."""
        if not len(hand.rest):
            return NOTHING_LEFT
        features, queries = (embedded(self._method, each) for each in hand)
        return self._counted(hand, by_prototypes(features, hand.taught.y, queries))

    def _recovery(self, hand: Hand, logits: Tensor) -> Recovery | Missing:
        """What logits [m, C] on the rest get right, unless training diverged."""
        return self._counted(hand, logits.argmax(1)) if logits.isfinite().all() else DIVERGED

    def _counted(self, hand: Hand, found: Tensor) -> Recovery:
        taught, (_, rest) = len(hand.taught), hand
        before = int((answers(self._method, rest) == rest.y).sum())
        correct = int((found == rest.y).sum())
        return Recovery(taught=taught, asked=len(rest), before=before, correct=correct)

    def _copied(self, network: Network) -> Network:
        """A copy with an output for each class."""
        self._random("grow")
        found = copy.deepcopy(network)
        found.grow(self._width)
        return found

    def _random(self, purpose: str) -> Generator:
        """Random numbers of one attack; those that a network draws by itself are seeded, too."""
        seed = derive(self._seed, "relearn", purpose)
        seed_torch(seed, self._forgotten.samples.device)
        return Generator().manual_seed(seed)


def network_of(method: Method, forgotten: Labelled) -> Network | Missing:
    """The network that gives a method's answers, if one does."""
    network, name = getattr(method, "model", None), type(method).card.name
    if not isinstance(network, Network):
        return Missing(why=f"{name} has no network `model` to train")
    with evaluating(network):
        alone = forgotten.asked(network).argmax(1)
    if float((alone == answers(method, forgotten)).double().mean()) < AGREE:
        return Missing(why=f"{name} answers otherwise than its network `model` alone")
    return network


def embedded(method: Method, asked: Labelled) -> Tensor:
    """Representations [n, d].

    Raises:
        ClbenchError: they have another shape, or are not finite.
    """
    found = asked.asked(method.embed)
    if found.ndim != 2 or not bool(found.isfinite().all()):
        raise ClbenchError(
            f"{type(method).card.name}.embed returned {tuple(found.shape)} for {len(asked)} "
            "training samples, or values that are not finite; need finite [B, d]"
        )
    return found


def answers(method: Method, asked: Labelled) -> Tensor:
    """[n] classes."""
    return asked.asked(method.predict).argmax(1)
