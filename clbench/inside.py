"""What a recorded version says of the probe inside, read from its files and checked.

Layers are those that `--layers` had recorded; the embedding comes last and is always there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.galleries import read_gallery
from clbench.layerfile import LAYERS, PREFIX, SAMPLES
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.metric.similarity.pairs import Embedded, IntArray, check_same_samples

EMBEDDING = "embedding"


@dataclass(frozen=True)
class Inside:
    """A representation a layer, of the same n samples with labels [n].

    `source` is the fingerprint of the samples.
    """

    where: str
    source: str
    layers: Mapping[str, Embedded]
    labels: IntArray


def read_inside(name: str) -> Inside:
    """What was recorded of `FOLDER@VERSION`; the last version of the run where none is given.

    Raises:
        ClbenchError: the folder is no ledger, or has no such version; a file is broken.
    """
    folder, version = version_of(name)
    return inside_of(Ledger(folder), version)


def version_of(name: str) -> tuple[Path, int | None]:
    """The folder and the version of `FOLDER@VERSION`; None where a folder alone is given."""
    match = re.fullmatch(r"(.+)@(\d+)", name)
    return (Path(match[1]), int(match[2])) if match else (Path(name), None)


def inside_of(ledger: Ledger, version: int | None = None) -> Inside:
    """What was recorded of a version of a finished run, by default of the last.

    Raises:
        ClbenchError: the run is not finished or has no such version; a file is broken.
    """
    last = last_version(ledger)
    version = last if version is None else version
    if version > last:
        raise ClbenchError(f"{ledger.path} has versions 0 to {last}; got {version}")
    layers = representations(ledger, version)
    source = ledger.record.stream.source_fingerprint
    return Inside(f"{ledger.path}@{version}", source, layers, Evidence(ledger).gallery_labels)


def last_version(ledger: Ledger) -> int:
    """The last version of a finished run.

    Raises:
        ClbenchError: the folder is no ledger, or the run is not finished.
    """
    last = len(ledger.record.stream.updates)
    if not ledger.finished:
        raise ClbenchError(f"{ledger.path} is not finished; run it again to go on")
    return last


def representations(ledger: Ledger, version: int) -> dict[str, Embedded]:
    """The recorded layers of a version, in the order in which they were asked for; the embedding.

    Raises:
        ClbenchError: embeddings were not recorded, or a file is broken.
    """
    try:
        embedding = Embedded(*read_gallery(ledger, version))
    except NotMeasured as reason:
        raise ClbenchError(f"{ledger.path}: {reason}") from None
    return {**_layers(ledger, version, embedding), EMBEDDING: embedding}


def _layers(ledger: Ledger, version: int, embedding: Embedded) -> dict[str, Embedded]:
    names = ledger.record.layers
    if not names:
        return {}
    file = ledger.folder(version) / LAYERS
    try:
        arrays = load(ledger.read(version, LAYERS))
    except SafetensorError as error:
        raise ClbenchError(f"{file} is no safetensors file: {error}; rerun") from error
    if missing := [each for each in (SAMPLES, *(PREFIX + n for n in names)) if each not in arrays]:
        raise ClbenchError(f"{file} lacks {missing[0]}, which run.json says it has; rerun")
    found = {name: Embedded(arrays[PREFIX + name], arrays[SAMPLES]) for name in names}
    for name, each in found.items():
        if not np.isfinite(each.values).all():
            raise ClbenchError(f"{file}: layer {name} has values that are not finite; rerun")
        check_same_samples(embedding, each)
    return found
