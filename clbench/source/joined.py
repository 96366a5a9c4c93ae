"""Several sources of one sample shape as one, each with classes of its own."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import Source, Split, open_source
from clbench.source.blocks import blocks_of, everything
from clbench.source.contents import Contents, Pending
from clbench.source.store import Key, stored
from clbench.spec import Spec, parse_spec

ORIGIN = "origin"


def joined(sources: str) -> Source:
    """The samples of several sources, one after the other; `sources` are specs between semicolons.

    `joined,sources=[digits;shifted,source=digits,by=permute]`. Classes are numbered on, those of
    the second source after those of the first, and named after the place of their source:
    `2: cat`. The further labelling `origin` says 0, 1, ... which source a sample is from; other
    labellings are dropped.

    Raises:
        ClbenchError: samples differ in shape or type.
    """
    parts = [open_source(parse_spec(each.strip())) for each in split_specs(str(sources))]
    for part in parts[1:]:
        found, first = _kind(part), _kind(parts[0])
        if found != first:
            raise ClbenchError(
                f"joined: {part.spec} has samples {found} and {parts[0].spec} {first}; need one "
                "shape and type"
            )
    starts = list(accumulate((len(part.classes) for part in parts), initial=0))
    names = tuple(f"{i + 1}: {name}" for i, part in enumerate(parts) for name in part.classes)

    def contents() -> Contents:
        return Contents(names, *(_pending(parts, starts, split) for split in ("train", "test")))

    key: Key = {"source": "joined " + " ".join(part.fingerprint for part in parts)}
    return stored(Spec("joined", {"sources": ";".join(str(p.spec) for p in parts)}), key, contents)


def split_specs(text: str) -> list[str]:
    """Split at the semicolons that are outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == ";" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _kind(source: Source) -> str:
    return f"{source.train.x.dtype} {source.train.shape}"


def _pending(parts: Sequence[Source], starts: Sequence[int], name: str) -> Pending:
    splits = [part.split(name) for part in parts]
    return Pending(sum(map(len, splits)), _blocks(splits, starts))


def _blocks(splits: Sequence[Split], starts: Sequence[int]) -> Iterator[Split]:
    for origin, split in enumerate(splits):
        for block in blocks_of(split, everything(split)):
            here = np.full(len(block), origin, dtype=np.int64)
            yield Split(block.x, block.y + starts[origin], {ORIGIN: here})
