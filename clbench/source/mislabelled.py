"""A source some of whose training labels are wrong; which ones, and the right ones, are kept."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.seeds import derive
from clbench.source.base import IntArray, Source, Split, open_source, spec_of
from clbench.spec import parse_spec

BAD = "bad"
CLEAN = "clean"


def mislabelled(
    source: str,
    share: float = 0.1,
    one: int | None = None,
    other: int | None = None,
    seed: int = 0,
) -> Source:
    """A share of the training samples gets another label, drawn by `seed`.

    Any other of all classes; or with two classes, `one` and `other`, the label of the other for a
    share of the samples of each: the interclass confusion test of Goel et al. 2022
    (arXiv:2201.06640). The further labellings say which samples are `bad` (1) and what their
    `clean` labels are. Test labels stay.

    Raises:
        ClbenchError: `share` is not above 0 and below 1, or no sample would be mislabelled; or the
            classes are not two different ones of the source.
    """
    base = open_source(parse_spec(source))
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ClbenchError(f"mislabelled: share must be above 0 and below 1; got {share}")
    _check_pair(base, one, other)
    generator = np.random.default_rng(derive(seed, "mislabelled"))
    classes = list(range(len(base.classes))) if one is None or other is None else [one, other]
    bad = _chosen(base.train.y, classes, share, generator, whole=one is None)
    y = base.train.y.copy()
    y[bad] = _another(y[bad], classes, generator)
    spec = spec_of(
        "mislabelled", source=str(base.spec), share=share, one=one, other=other, seed=seed
    )
    return Source(spec, _marked(base.train, y), _marked(base.test, base.test.y), base.classes)


def _check_pair(source: Source, one: int | None, other: int | None) -> None:
    numbers = range(len(source.classes))
    if (one is None) != (other is None) or (
        one is not None and (one == other or one not in numbers or other not in numbers)
    ):
        raise ClbenchError(
            f"mislabelled: one={one} and other={other} must be two different classes of "
            f"{source.spec}, from 0 to {len(numbers) - 1}, or both be left out"
        )


def _chosen(
    labels: IntArray,
    classes: list[int],
    share: float,
    generator: np.random.Generator,
    *,
    whole: bool,
) -> IntArray:
    """Ids of the samples that get a wrong label: a share of all, or of each of the classes."""
    pools = [np.arange(len(labels))] if whole else [np.flatnonzero(labels == c) for c in classes]
    drawn = [generator.permutation(pool)[: round(share * len(pool))] for pool in pools]
    if not sum(map(len, drawn)):
        raise ClbenchError(f"mislabelled: share={share} of the samples is none; raise it")
    return np.sort(np.concatenate(drawn))


def _another(labels: IntArray, classes: list[int], generator: np.random.Generator) -> IntArray:
    """For each label one of the other classes, each as likely."""
    ranks = np.array([classes.index(label) for label in labels.tolist()])
    shift = generator.integers(1, len(classes), len(labels))
    return np.array(classes, dtype=np.int64)[(ranks + shift) % len(classes)]


def _marked(split: Split, labels: IntArray) -> Split:
    """The split with other labels, and which of them are wrong."""
    bad = (labels != split.y).astype(np.int64)
    return Split(split.x, labels, {**split.other, BAD: bad, CLEAN: split.y})
