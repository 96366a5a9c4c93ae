import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from clbench.source import open_source
from clbench.spec import Spec

GOLDEN = "9f96ce63deb5717b26b4c92d4645a73e89f823d901126394b519c5dfd49ccd4e"


def test_its_content_never_changes():
    assert open_source(Spec("digits")).fingerprint == GOLDEN


def test_every_image_is_in_one_split_with_its_label():
    source, data = open_source(Spec("digits")), load_digits()
    assert (len(source.train), len(source.test)) == (1442, 355)
    x = np.concatenate([source.train.x, source.test.x])[:, 0].astype(float)
    levels = np.ceil(x * 16 / 255)
    given = {(image.tobytes(), int(y)) for image, y in zip(data.images, data.target, strict=True)}
    labels = np.concatenate([source.train.y, source.test.y])
    found = {(image.tobytes(), int(y)) for image, y in zip(levels, labels, strict=True)}
    assert found == given


def test_each_class_gives_every_fifth_image_to_the_test_split():
    source = open_source(Spec("digits"))
    train, test = np.bincount(source.train.y), np.bincount(source.test.y)
    assert (test == (train + test) // 5).all()


def test_opening_it_does_not_import_torch():
    code = (
        "import sys; from clbench.source import open_source; from clbench.spec import Spec; "
        "open_source(Spec('digits')); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
