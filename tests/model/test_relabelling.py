"""Wrong labels: never the right one, all others equally often."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Generator

from clbench.errors import ClbenchError
from clbench.model.relabelling import wrong_labels


def test_no_label_is_kept_and_the_others_are_uniform() -> None:
    y = torch.arange(5).repeat(2000)
    wrong = wrong_labels(y, 5, Generator().manual_seed(0))
    assert not torch.any(wrong == y)
    for c in range(5):
        counts = np.bincount(wrong[y == c].numpy(), minlength=5)
        assert counts[c] == 0
        assert chisquare(np.delete(counts, c)).pvalue > 1e-3


def test_with_two_classes_it_is_the_other() -> None:
    assert wrong_labels(torch.tensor([0, 1, 1]), 2, Generator()).tolist() == [1, 0, 0]


def test_one_class_leaves_no_wrong_label() -> None:
    with pytest.raises(ClbenchError, match="needs a second class to choose from; the model knows"):
        wrong_labels(torch.zeros(3, dtype=torch.int64), 1, Generator())
