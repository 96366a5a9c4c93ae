"""One answer from the answers of several networks."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from clbench.model.network import Network, evaluating


def answers(
    networks: Iterable[Network], ask: Callable[[Network, Tensor], Tensor], x: Tensor
) -> list[Tensor]:
    """What each network is asked of inputs [B, ...], in eval mode and without gradients."""
    found = []
    for network in networks:
        with evaluating(network):
            found.append(ask(network, x))
    return found


def majority(logits: Tensor) -> Tensor:
    """Logarithms of shares of votes [B, C], from the logits [S, B, C] of S networks.

    The mean probability counts as one more vote, which breaks ties and decides nothing else.
    """
    n_voters, _, n_classes = logits.shape
    mean = logits.softmax(2).mean(0)
    if not n_classes:
        return mean
    votes = one_hot(logits.argmax(2), n_classes).sum(0)
    return _finite_log((votes + mean) / (n_voters + 1))


def mean_probability(logits: Tensor) -> Tensor:
    """Logarithms of mean probabilities [B, C], from the logits [S, B, C] of S networks."""
    return _finite_log(logits.softmax(2).mean(0))


def _finite_log(p: Tensor) -> Tensor:
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()
