"""The handwritten digits that come with scikit-learn: 1,797 images of 8x8 pixels.

E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.
"""

import numpy as np

from clbench.source.base import Source, Split
from clbench.spec import Spec

TEST_EVERY = 5


def digits() -> Source:
    """Ten classes in uint8 [N, 1, 8, 8]: 1,442 images to train on and 355 to test on.

    Ink levels 0..16 become `level * 255 // 16`. Every fifth image of a class, in the order of
    the data set, is a test image; no random numbers take part, so the split never changes.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    x = (data.images.astype(np.int64) * 255 // 16).astype(np.uint8)[:, None]
    y = data.target.astype(np.int64)
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(y == label)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    classes = tuple(map(str, range(10)))
    return Source(Spec("digits"), Split(x[~test], y[~test]), Split(x[test], y[test]), classes)
