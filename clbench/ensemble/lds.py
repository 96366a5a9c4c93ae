"""The linear datamodelling score: how well an attribution ranks retrained models (2303.14186)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError

FloatArray = npt.NDArray[np.floating[Any]]
FEWEST = 3  # subsets that can be ranked in a way that tells something


def linear_datamodelling_score(predicted: FloatArray, actual: FloatArray) -> FloatArray:
    """[...] Spearman's correlation over held-out subsets of each output.

    `predicted`, `actual` [K, ...]: outputs by the attribution, and of models trained on K subsets
    that it was not fitted to. Tied values share the mean of their ranks. NaN where either does not
    vary: a correlation is not defined there, and is not 0. The paper reports the mean over outputs.

    Raises:
        ClbenchError: the shapes differ, there are fewer than 3 subsets, or a value is not finite.
    """
    from scipy.stats import rankdata

    if predicted.shape != actual.shape or len(actual) < FEWEST:
        raise ClbenchError(
            f"the linear datamodelling score ranks {FEWEST} or more subsets; predictions are "
            f"{predicted.shape} and outputs {actual.shape}, which must be alike"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(actual).all()):
        raise ClbenchError("the linear datamodelling score needs finite predictions and outputs")
    ranks = [rankdata(each, axis=0) for each in (predicted, actual)]
    one, two = (each - each.mean(axis=0) for each in ranks)
    scale = np.sqrt(np.square(one).sum(axis=0) * np.square(two).sum(axis=0))
    with np.errstate(invalid="ignore"):
        return (one * two).sum(axis=0) / scale  # type: ignore[no-any-return]
