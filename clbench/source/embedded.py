"""Frozen is a source: a backbone turns a source of samples into one of feature vectors.

Features are computed once and memory-mapped. Their store is addressed by what they depend on:
the content of the source, the weights, and the rest of the backbone's spec.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from clbench.errors import ClbenchError
from clbench.paths import find
from clbench.source.base import Source, Split, open_source
from clbench.source.contents import Contents, Pending
from clbench.source.manifest import raw_file
from clbench.source.progress import track
from clbench.source.store import Key, stored
from clbench.spec import Spec, Value, parse_spec

if TYPE_CHECKING:
    from clbench.model.backbone import Backbone

EMBEDDER = 1  # part of every store's key: raise it when the same backbone gives other features
INIT_SEED = 0


def embedded(source: str, backbone: str, batch_size: int = 256) -> Source:
    """The features [N, d], float32, that a frozen backbone gives for the samples of a source.

    `source` and `backbone` are specs, in brackets where they have options:
    `embedded,source=[folder,path=x],backbone=[resnet18,weights=hub]`.
    """
    return embed(open_source(parse_spec(source)), parse_spec(backbone), batch_size)


def embed(source: Source, backbone: Spec, batch_size: int = 256) -> Source:
    """The features that a frozen backbone gives for an opened source.

    Labels, further labellings and class names stay. Without `weights` the backbone is a random
    one, always the same. Arithmetic is float32 (no TF32), on a GPU where there is one; features
    computed on a CPU and on a GPU differ by rounding, and whichever came first is kept.

    Raises:
        ClbenchError: the backbone cannot be made, or a feature is not finite.
    """
    if type(batch_size) is not int or batch_size < 1:
        raise ClbenchError(f"embedded: batch_size must be 1 or more; got {batch_size}")
    weights = backbone.options.get("weights")
    transform = {name: value for name, value in backbone.options.items() if name != "weights"}
    model = cache(partial(_frozen, backbone, source.train.shape))
    key: Key = {
        "source": source.fingerprint,
        "backbone": str(Spec(backbone.name, transform)),
        "pretrained": weights is not None,
        "weights": _address(weights, model),
        "timm": version("timm"),
        "embedder": EMBEDDER,
    }

    def pending(split: Split, name: str) -> Pending:
        starts = range(0, len(split), batch_size)
        batches = (_rows(split, slice(start, start + batch_size)) for start in starts)
        return Pending(
            len(split), _features(model(), track(batches, len(starts), f"embedding {name}"))
        )

    def contents() -> Contents:
        return Contents(
            source.classes, pending(source.train, "train"), pending(source.test, "test")
        )

    spec = Spec("embedded", {"source": str(source.spec), "backbone": str(backbone)})
    return stored(spec, key, contents, resident_bytes=0)


def _address(weights: Value | None, model: Callable[[], "Backbone"]) -> str:
    """What identifies the weights; a file's own hash, so that opening again needs no model."""
    if weights in (None, "hub"):
        from clbench.model.weights import weights_digest

        return weights_digest(model())
    return raw_file(find(str(weights), "weights file")).sha256


def _frozen(backbone: Spec, shape: tuple[int, ...]) -> "Backbone":
    import torch

    from clbench.model.backbone import build_backbone

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(INIT_SEED)
        model = build_backbone(backbone, shape)
    return model.eval()


def _rows(split: Split, rows: slice) -> Split:
    return Split(split.x[rows], split.y[rows], {k: v[rows] for k, v in split.other.items()})


def _features(model: "Backbone", batches: Iterable[Split]) -> Iterator[Split]:
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    for batch in batches:
        x = torch.from_numpy(np.array(batch.x)).to(device)  # a copy: the source is read-only
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            features = model(x.float() / 255 if x.dtype == torch.uint8 else x).float()
        if not features.isfinite().all():
            raise ClbenchError("the backbone gives features that are not finite; check its weights")
        yield Split(features.cpu().numpy(), batch.y, batch.other)
