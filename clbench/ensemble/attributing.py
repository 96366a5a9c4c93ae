"""From the command line's names to stores of attributions; what cannot be is refused first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from clbench.ensemble.attribution import By
from clbench.ensemble.attribution_store import fields, write_attribution
from clbench.ensemble.job import about
from clbench.ensemble.materials import Materials, Wanted
from clbench.ensemble.store import Spec, Store
from clbench.ensemble.trainer import threads_kept
from clbench.errors import unknown
from clbench.opening import open_preset
from clbench.options import Options, pairs
from clbench.possible import check_device


@dataclass(frozen=True)
class Attributed:
    """A store of attributions, the models that it was fitted to, and those held out."""

    by: By
    store: Store
    fitted: int
    held: int


def parse_by(text: str) -> tuple[By, ...]:
    """`ridge,trak` as names of attributions, each once.

    Raises:
        ClbenchError: there is no such attribution.
    """
    known: dict[str, By] = {by: by for by in get_args(By)}
    for name in (asked := dict.fromkeys(text.split(","))):
        if name not in known:
            raise unknown("attribution", name, known)
    return tuple(known[name] for name in asked)


def attribute(
    stream: str, wanted: Wanted, options: Options, progress: Callable[[str, int, int], None]
) -> list[Attributed]:
    """Write the stores of all attributions that are asked for, each in a folder of its name.

    `progress` is called with an attribution, how many queries it has done, and how many there are.

    Raises:
        ClbenchError: a name, option or store is wrong, before anything is computed.
    """
    check_device(options.device)
    opened = open_preset(
        stream,
        source=options.source,
        embed=options.embed,
        protocol=pairs(options.protocol, "--protocol"),
    )
    with threads_kept():
        if options.threads:
            torch.set_num_threads(options.threads)
        materials = Materials(opened, wanted, options)
        for by in wanted.by:
            materials.check(by)
        return [_written(by, materials, options.out / by, progress) for by in wanted.by]


def _written(
    by: By, materials: Materials, path: Path, progress: Callable[[str, int, int], None]
) -> Attributed:
    found, stream, source = materials.found, materials.opened.stream, materials.opened.source
    spec = Spec(
        identity=materials.identity(by),
        fields=fields(found.masks.shape[1]),
        about=about(stream, source),
    )
    constants = {name: np.array(materials.masks.constant(name)) for name in ("train", "test")}
    make, on_rows = partial(materials.made, by), partial(progress, by)
    store = write_attribution(path, spec, make, found, constants, on_rows)
    return Attributed(by, store, materials.fitted(by), int(found.held.sum()))
