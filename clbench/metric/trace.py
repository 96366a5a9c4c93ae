"""Accuracy inside updates, probe by probe: what metrics of stability are handed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Trace:
    """P probes of E evaluation sets in the order of time.

    The last probe of a version is the version itself; those before it were made inside the update
    that leads to it. All ask the same samples of a set, at most 256; each asks at
    least one set.

    Attributes:
        version: [P] the version that was being made, or was made.
        step: [P] steps of that update that were done.
        shown: [P] samples of the stream handed out since the beginning, repeats included.
        accuracy: [P, E] share of right answers; NaN where not asked.
    """

    version: IntArray
    step: IntArray
    shown: IntArray
    accuracy: FloatArray
