"""What embeddings alone tell: prototypes of few samples, and who is near to what was forgotten.

Recipe 1. A prototype is the mean of five samples of a class (five forgotten ones and five retained
ones where a class has both); the nearest by Euclidean distance answers. In 2506.01318, the
prototypes of forgotten classes replace their rows of the head, and the others keep theirs;
here every class has one, so that methods without a linear head can be attacked, too.

Neighbours of what was forgotten are the tenth of the retained samples asked whose distance to the
nearest forgotten one is smallest. In 2506.01318, OU@epsilon perturbs forgotten samples instead;
these are real ones, of which the right answers are known.
"""

import torch
from torch import Tensor

from clbench.model.prototypes import ClassMeans

SHOTS = 5
NEAR = 0.1  # of the retained samples asked
BLOCK = 1024


def by_prototypes(features: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Classes [m] of queries [m, d] whose mean of features [n, d] with labels [n] is nearest."""
    means = ClassMeans(features.shape[1], features.device)
    means.grow(int(y.max()) + 1)
    means.add(features, y)
    known = means.counts.nonzero()[:, 0]
    return known[torch.cdist(queries.double(), means.means[known]).argmin(1)]


def nearest(features: Tensor, forgotten: Tensor) -> Tensor:
    """Rows, ascending, of the tenth of features [m, d] that is nearest to any forgotten [n, d]."""
    if not len(features):
        return torch.zeros(0, dtype=torch.int64)
    blocks = features.double().split(BLOCK)
    gone = forgotten.double()
    apart = torch.cat([torch.cdist(block, gone).amin(1) for block in blocks])
    order = apart.cpu().argsort(stable=True)
    return order[: max(1, round(NEAR * len(features)))].sort().values
