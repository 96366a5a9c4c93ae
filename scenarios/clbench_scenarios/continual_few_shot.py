"""Continual few-shot streams: small support sets in a row, then a question about all classes."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import check_whole, drawing, from_updates
from clbench_scenarios.class_incremental import class_order


def continual_few_shot(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    support_sets: int,
    way: int,
    shot: int,
    class_change_interval: int = 1,
    order: str | list[int] = "random",
    order_seed: int = 0,
    shot_seed: int = 0,
) -> Stream:
    """Learn a support set of `way` classes with `shot` samples each at an update.

    Continual few-shot learning (Antoniou et al. 2020, arXiv:2004.11967), with NSS = `support_sets`
    and CCI = `class_change_interval`: after so many sets the classes change for others, so that 1
    brings new classes every time, and NSS new samples of the same. Classes are drawn by
    `order_seed`, samples by `shot_seed`; no sample comes twice. The target set is all test samples
    of the classes that came, as one evaluation set for each group of classes: what the last
    version answers on them all is the paper's score, and earlier versions are asked what they
    know by then. The paper's task in which new classes take over old labels is left out.

    Raises:
        ClbenchError: an option is out of range, the interval does not divide the sets, there are
            too few classes, or a class has too few samples.
    """
    options = {"support_sets": support_sets, "way": way, "shot": shot}
    for option, value in (options | {"class_change_interval": class_change_interval}).items():
        check_whole(name, option, value, 1)
    if support_sets % class_change_interval:
        raise ClbenchError(
            f"{name}: a class_change_interval of {class_change_interval} does not divide "
            f"{support_sets} support_sets"
        )
    classes = class_order(order, order_seed, len(source.classes))
    wanted = support_sets // class_change_interval * way
    if len(classes) < wanted:
        raise ClbenchError(
            f"{name}: {support_sets} support_sets of {way} classes that change every "
            f"{class_change_interval} need {wanted} classes; got {len(classes)}"
        )
    groups = np.split(classes[:wanted], wanted // way)
    shots = {
        c: _shots(source, name, c, shot, class_change_interval, shot_seed)
        for c in classes[:wanted].tolist()
    }
    learned = [
        np.sort(np.concatenate([shots[c][i] for c in group.tolist()]))
        for group in groups
        for i in range(class_change_interval)
    ]
    return from_updates(source, name, protocol, learned, classes[:wanted], groups)


def _shots(
    source: Source, name: str, label: int, shot: int, sets: int, seed: int
) -> list[IntArray]:
    """[sets] of `shot` sample ids of a class, none of them twice."""
    ids = np.flatnonzero(source.train.y == label).astype(np.int64)
    if len(ids) < shot * sets:
        raise ClbenchError(
            f"{name}: class {source.classes[label]} has {len(ids)} training samples; {sets} "
            f"support sets of {shot} need {shot * sets}"
        )
    return np.split(drawing(seed, "samples", label).permutation(ids)[: shot * sets], sets)
