"""Herding: the order in which samples best stand for their mean."""

import torch
from torch import Tensor


def herding(features: Tensor, count: int) -> Tensor:
    """Indices [min(count, n)] of rows of features [n, d], best first (1611.07725, algorithm 4).

    Each is the one, of those not yet chosen, with which the mean of the chosen is nearest to the
    mean of all.
    """
    rows = features.double()
    mean, chosen_sum = rows.mean(0), torch.zeros_like(rows[0])
    squares = rows.square().sum(1)
    order: list[Tensor] = []
    for k in range(1, min(count, len(rows)) + 1):
        # k |mean - (sum + row) / k|, squared and without what is the same for all rows. The chosen
        # are shut out by an infinite distance; deleting them would shift the indices of the rest.
        distance = squares - 2 * rows @ (k * mean - chosen_sum)
        best = distance.argmin()
        squares[best] = torch.inf
        chosen_sum = chosen_sum + rows[best]
        order.append(best)
    return torch.stack(order) if order else torch.zeros(0, dtype=torch.int64, device=rows.device)
