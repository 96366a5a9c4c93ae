"""Whether our methods and Avalanche's reach the same accuracies on the same stream.

Hyperparameters are translated where the two say the same in other units:

- LwF: its distillation lacks the factor T^2 (1503.02531), so alpha is lambda T^2.
- EWC: its penalty lacks the paper's 1/2, so lambda becomes lambda / 2. Its Fisher is the mean of
  squared gradients of *batches*; in batches of one that is the paper's, ours, and here `EWC,
  Fisher of samples`. Its default squares batches as large as in training. Labels are the true ones.
- Replay: both join a batch with one of the same size from as large a memory. Ours is filled while
  it learns, as in 1902.10486, its own when an update ends; and to the last, smaller batch of an
  epoch we join as many samples, it a full batch. `er, its habits` has both from Avalanche. Its
  default memory is shared equally among updates; ours is a reservoir.

Finetuning, EWC and LwF forget nearly all on this stream: final accuracies alone would agree
whatever the method. So accuracies just after learning, on the way, and at the end among the
classes of the sample's own update are compared as well, at strengths that they show.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.prediction import from_parquet
from clbench.statistics import Interval, mean_interval
from tests.benchmarks.er_after import AFTER
from tests.benchmarks.measure import Result
from tests.benchmarks.setting import MLP, Setting, run_ours

SEEDS = 10
MEMORY, TEMPERATURE, DISTILLATION, PENALTY = 200, 2.0, 3.0, 300.0
GENTLE = MLP.at(0.03)  # at the preset's learning rate such a penalty diverges


@dataclass(frozen=True)
class Pair:
    """A method of ours and one of Avalanche's, with their options."""

    ours: str
    theirs: str
    given: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    setting: Setting = MLP


LWF = {"strength": DISTILLATION, "temperature": TEMPERATURE}
EWC = {"strength": PENALTY, "labels": "empirical"}
PAIRS = (
    Pair("finetune", "Naive"),
    Pair("lwf", "LwF", LWF, {"alpha": DISTILLATION * TEMPERATURE**2, "temperature": TEMPERATURE}),
    Pair("ewc", "EWC, Fisher of samples", EWC, {"ewc_lambda": PENALTY / 2}, GENTLE),
    Pair("ewc", "EWC", EWC, {"ewc_lambda": PENALTY / 2}, GENTLE),
    Pair(AFTER, "Replay from a reservoir", {"buffer": MEMORY}, {"mem_size": MEMORY}),
    Pair("er", "Replay", {"buffer": MEMORY}, {"mem_size": MEMORY}),
)


@dataclass(frozen=True)
class Outcome:
    """Accuracy [update][test set seen so far]; at the end, [test set] among its own classes."""

    triangle: Sequence[Sequence[float]]
    own: Sequence[float]


SUMMARIES: dict[str, Callable[[Outcome], Any]] = {
    "final": lambda o: np.mean(o.triangle[-1]),
    "final, among own classes": lambda o: np.mean(o.own),
    "just after learning": lambda o: np.mean([row[-1] for row in o.triangle]),
    "average incremental": lambda o: np.mean([np.mean(row) for row in o.triangle]),
}


def run() -> Iterator[Result]:
    """Each pair on as many seeds: 95 % intervals of the means, which should meet."""
    from tests.benchmarks.peer_runs import own_accuracies, run_avalanche
    from tests.benchmarks.peers import benchmark

    scenario = benchmark(MLP, "tensors")
    for pair in PAIRS:
        ours, theirs = [], []
        for seed in range(SEEDS):
            ours.append(_read(run_ours(pair.setting, pair.ours, seed, pair.given, form="full")))
            found = run_avalanche(pair.setting, pair.theirs, scenario, seed, **pair.options)
            theirs.append(Outcome(found.accuracies, own_accuracies(found.model, scenario)))
        for name, summary in SUMMARIES.items():
            values = [[float(summary(outcome)) for outcome in each] for each in (ours, theirs)]
            ours_is = "er, its habits" if pair.ours == AFTER else pair.ours
            yield _compared(f"{ours_is} and {pair.theirs}: {name}", *values)


def _compared(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Result:
    one, two = mean_interval(ours), mean_interval(theirs)
    meet = one.low <= two.high and two.low <= one.high
    text = f"{_shown(ours, one)} and {_shown(theirs, two)}"
    return Result("agreement", what, text, "intervals meet", meet)


def _shown(values: Sequence[float], interval: Interval) -> str:
    return f"{np.mean(values):.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _read(ledger: Ledger) -> Outcome:
    last, accuracy = ledger.versions - 1, Evidence(ledger).accuracy
    columns = ["eval", "label", "logits"]
    table = from_parquet(ledger.read(last, "predictions.parquet"), columns, str(ledger.path))
    own = []
    for index, evaluation in enumerate(ledger.record.stream.evals):
        rows, classes = table["eval"] == index, np.array(evaluation.classes)
        answers = classes[table["logits"][rows][:, classes].argmax(1)]
        own.append(float((answers == table["label"][rows]).mean()))
    return Outcome([accuracy[v, :v].tolist() for v in range(1, last + 1)], own)
