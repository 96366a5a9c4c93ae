"""Our methods beside Avalanche's: the table of hyperparameters that say the same on both sides.

Where the two mean the same in other units, values are translated:

- LwF: its distillation lacks the factor T^2 (1503.02531): alpha is lambda T^2.
- EWC: its penalty lacks the paper's 1/2: lambda becomes lambda / 2. Labels are the true ones.
- SI: its penalty is lambda / 2 where the paper's c is the weight itself: lambda is 2 c.
- iCaRL: its loss is the mean over all outputs, the paper's formula a sum: the learning rate is as
  many times as large as it has outputs.
- A-GEM: it keeps as many samples of every update, so a fifth of the memory of five updates.
- GDumb: as many passes over the memory as epochs, no cutmix.
- DER: beta = 0, both heads as wide as the stream.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.benchmarks.setting import MLP

MEMORY = 200
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Pair:
    """A method of ours and one of Avalanche's, with their options.

    `cause` names the difference that a pair isolates; without it, both are as they come.
    """

    ours: str
    theirs: str
    given: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    cause: str = ""
    change: str = ""  # of theirs, by its name in parity_changes
    habits: str = ""  # the class of parity_habits that is ours with theirs' habits
    epochs: int | None = None
    lr: float | None = None

    @property
    def method(self) -> str:
        """What plays our side."""
        return f"{HERE / 'parity_habits.py'}:{self.habits}" if self.habits else self.ours

    def __str__(self) -> str:
        return f"{self.ours} and {self.theirs}" + f", {self.cause}" * bool(self.cause)


CLASSES = 10
TEMPERATURE = 2.0
_EWC = {"strength": 300.0, "labels": "empirical"}
_SI = {"strength": 0.5, "xi": 0.1}
_GDUMB = {"buffer": MEMORY, "passes": MLP.epochs, "cutmix": 0.0}
_DER = {"buffer": MEMORY, "alpha": 0.3, "room": CLASSES}
_DER_THEIRS = {"mem_size": MEMORY, "alpha": 0.3, "beta": 0.0, "room": CLASSES}
_ICARL = {"memory_size": MEMORY, "fixed_memory": True, "room": CLASSES}
_ICARL |= {"training": {"lr": 0.02 * CLASSES}}
_ACE = {"mem_size": MEMORY, "batch_size_mem": 32}
_AGEM = {"patterns_per_exp": MEMORY // 5, "sample_size": 64}

PAIRS = (
    Pair("finetune", "Naive"),
    Pair("er", "Replay", {"buffer": MEMORY}, {"mem_size": MEMORY}),
    Pair("ewc", "EWC", _EWC, {"ewc_lambda": _EWC["strength"] / 2}, lr=0.03),
    Pair(
        "lwf",
        "LwF",
        {"strength": 3.0, "temperature": TEMPERATURE},
        {"alpha": 3.0 * TEMPERATURE**2, "temperature": TEMPERATURE},
    ),
    Pair("si", "SynapticIntelligence", _SI, {"si_lambda": 2 * _SI["strength"], "eps": _SI["xi"]}),
    Pair("gdumb", "GDumb", _GDUMB, {"mem_size": MEMORY}),
    Pair("agem", "AGEM", {"buffer": MEMORY, "reference": 64}, _AGEM),
    Pair("icarl", "ICaRL", {"buffer": MEMORY, "training": {"lr": 0.02}}, _ICARL),
    Pair("der", "DER", _DER, _DER_THEIRS),
    Pair("er_ace", "ER_ACE", {"buffer": MEMORY}, _ACE),
    Pair("slda", "StreamingLDA", {}, {"backbone": "identity", "room": CLASSES}, epochs=1),
)

# Each takes a cause of difference away, from theirs (`change`) or by giving it to ours (`habits`).
ISOLATED = {
    "er": {"cause": "memory filled at the end", "habits": "ERAfter", "change": "reservoir"},
    "ewc": {"cause": "Fisher of single samples", "change": "fisher_of_samples"},
    "si": {"cause": "path of the loss alone, not cut off", "change": "path_of_the_loss"},
    "gdumb": {"cause": "half cosine", "change": "half_cosine"},
    "agem": {"cause": "fixed number a update", "habits": "AGEMFixed"},
    "icarl": {"cause": "means without mirrored images", "change": "upright_means"},
    "der": {"cause": "logits of the end of updates, balanced", "habits": "DERAfter"},
    "er_ace": {"cause": "memory filled ahead, mean of losses", "habits": "ERACEAhead"},
    "slda": {"cause": "exact covariance", "change": "exact_covariance"},
}


def isolated(pair: Pair) -> Pair | None:
    """The pair with the known cause of difference taken away, if there is one."""
    return replace(pair, **ISOLATED[pair.ours]) if pair.ours in ISOLATED else None


def of_the_same_work(pair: Pair) -> Pair:
    """The pair with both sides doing as much; itself where they do so as they come.

    Replays begin in the first update in ours, in the second in theirs; Fisher informations are of
    single samples in ours, of batches in theirs.
    """
    return (isolated(pair) if pair.ours in ("er", "er_ace", "ewc") else None) or pair
