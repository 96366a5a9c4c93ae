"""Frozen is a source: a backbone turns a source of samples into one of feature vectors.

Features are computed once and memory-mapped. Their store is addressed by what they depend on:
the content of the source, the weights, and the rest of the backbone's spec.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from clbench.errors import ClbenchError
from clbench.paths import find
from clbench.source.base import Source, Split, open_source
from clbench.source.manifest import raw_file
from clbench.source.progress import track
from clbench.source.store import Contents, Pending, stored
from clbench.spec import Spec, parse_spec

if TYPE_CHECKING:
    import torch

    from clbench.model.backbone import Backbone

EMBEDDER = 1  # part of every store's key: raise it when the same backbone gives other features
INIT_SEED = 0
