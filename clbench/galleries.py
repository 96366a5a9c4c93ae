"""The embeddings that a run recorded, and what they are of: galleries to search."""

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured

EMBEDDINGS = "embeddings.safetensors"
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]


def read_galleries(ledger: Ledger, versions: int) -> tuple[tuple[FloatArray, ...], IntArray]:
    """Embeddings [n, d_v] of the probe by each of the first versions, and its test ids [n].

    Raises:
        NotMeasured: a version holds none.
        ClbenchError: a file is altered, of other samples than those of version 0, or holds what is
            no finite [n, d].
    """
    found = [read_gallery(ledger, version) for version in range(versions)]
    ids = found[0][1]
    for version, (_, samples) in enumerate(found):
        if not np.array_equal(samples, ids):
            raise ClbenchError(
                f"{ledger.folder(version) / EMBEDDINGS} is of other samples than that of version "
                f"0; rerun {ledger.path}"
            )
    return tuple(embeddings for embeddings, _ in found), ids


def read_gallery(ledger: Ledger, version: int) -> tuple[FloatArray, IntArray]:
    """Embeddings [n, d] of the probe by a version, and its test ids [n].

    Raises:
        NotMeasured: the version holds none.
        ClbenchError: the file is altered or holds what is no finite [n, d].
    """
    file = ledger.folder(version) / EMBEDDINGS
    if not file.exists():
        raise NotMeasured(f"version {version} holds no embeddings")
    try:
        arrays = load(ledger.read(version, EMBEDDINGS))
    except SafetensorError as error:
        raise ClbenchError(f"{file} is no safetensors file: {error}; rerun") from error
    embeddings, samples = arrays.get("embeddings"), arrays.get("samples")
    if embeddings is None or samples is None or embeddings.ndim != 2 or samples.ndim != 1:
        raise ClbenchError(f"{file} needs embeddings [n, d] and samples [n]; rerun")
    if len(embeddings) != len(samples) or not np.isfinite(embeddings).all():
        raise ClbenchError(
            f"{file} has embeddings of shape {embeddings.shape} for {len(samples)} samples, or "
            "values that are not finite; rerun"
        )
    return embeddings, samples
