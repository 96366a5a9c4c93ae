"""Training samples and labels in a method's state, whatever type or layout they are kept in."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from clbench.state import State

LIKENESS = 0.9999  # correlation: above what rounding to bfloat16 leaves, below that of kin
INCIDENTAL = 1 / 16  # of a tensor's rows: a unit that one sample alone drives has it for gradient
BLOCK = 1 << 14
FEW = 16  # numbers that may look like labels by chance, such as sizes of groups


def stored_samples(carried: State, samples: Tensor) -> int:
    """How many of `samples` [N, ...], at least, stand in a state tree.

    A sample is known again by its correlation with a row, so neither a type nor a scale nor an
    offset hides it; rows are looked for in tensors and lists, cut in the ways that people store.
    Few such rows among many others are no store: importances of weights hold a few by nature.
    """
    known = _standardised(samples.cpu().reshape(len(samples), -1))
    return sum(
        max((_count(rows, known) for rows in _rows(tensor, known.shape[1])), default=0)
        for tensor in _leaves(carried)
    )


def stored_labels(carried: State, labels: Tensor) -> int:
    """How many labels of single samples, at least, stand in a state tree.

    `labels` [N] are those of the samples seen. Whole numbers, or rows with a single 1, are known
    again where many of them take the values of labels and no others. What is 0 or 1 throughout may
    be a mask, so labels of two classes alone are not found.
    """
    known = labels.cpu().unique().double()
    return max((_labels(tensor, known) for tensor in _leaves(carried)), default=0)


def _labels(tensor: Tensor, known: Tensor) -> int:
    """How many labels a tensor holds; 0 where another value stands among them, or few do."""
    values = tensor.double()
    if values.ndim == 2 and values.shape[1] == len(known) and _one_hot(values):
        values = known[values.argmax(1)]
    if values.numel() < FEW or not bool(torch.isin(values, known).all()):
        return 0
    return values.numel() if float(values.max()) > max(1.0, float(values.min())) else 0


def _one_hot(rows: Tensor) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _rows(tensor: Tensor, width: int) -> Iterator[Tensor]:
    """Candidates [n, width]: end to end, the ends of longer rows (a label beside), columns."""
    flat = tensor.reshape(-1)
    yield flat[: len(flat) // width * width].reshape(-1, width)
    if tensor.ndim > 1:
        rows = tensor.reshape(len(tensor), -1)
        for matrix in (rows, rows.T):
            if matrix.shape[1] >= width:
                yield matrix[:, :width]
                yield matrix[:, -width:]


def _count(rows: Tensor, known: Tensor) -> int:
    """How many rows are known; 0 where they are few among those that are not constant."""
    found = varied = 0
    for some in rows.split(BLOCK) if len(rows) else ():
        standard = _standardised(some)
        varied += int(standard.any(1).sum())
        found += int(((standard @ known.T).amax(1) > LIKENESS).sum())
    return found if found > INCIDENTAL * varied else 0


def _standardised(rows: Tensor) -> Tensor:
    """Rows without their mean and of length 1; a constant row becomes 0, which is like nothing."""
    centred = rows.double() - rows.double().mean(1, keepdim=True)
    return torch.nn.functional.normalize(centred.nan_to_num(), dim=1).float()


def _leaves(tree: State) -> Iterator[Tensor]:
    """All tensors of a state tree, and its lists of numbers as tensors."""
    for value in tree.values():
        if isinstance(value, Tensor) and value.numel():
            yield value.cpu()
        elif isinstance(value, Mapping):
            yield from _leaves(value)
        elif isinstance(value, list | tuple):
            try:
                yield torch.tensor(value, dtype=torch.float64)
            except (TypeError, ValueError):  # text, or rows of several lengths
                continue
