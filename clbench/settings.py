"""How a run is executed, apart from what is run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clbench.errors import ClbenchError

Form = Literal["compact", "full"]
Precision = Literal["float32", "bfloat16"]


RECIPE = ("backbone", "training")  # hyperparameters by which originals and oracles are trained


@dataclass(frozen=True)
class Settings:
    """`form`: what is kept of predictions. `threads` None: as many as torch takes by itself.

    `carry`: the method is made anew from its state after every update; without it, state that a
    method does not declare would survive, and resuming would give another result. None: wherever
    the method can be made anew.
    `probe_every`: so many steps apart the method is asked inside updates, too (None: never).
    `relearn`: what was forgotten is attacked after the last forget update (`clbench.relearning`).
    `layers`: those of the model whose outputs on the probe samples are recorded, too.
    `originals`, `oracles`: stores that methods take trained models from, where those are what they
    would train (`clbench.ensemble.starting`).

    Raises:
        ClbenchError: `probe_every` is not positive, or a layer is named twice or not at all.
    """

    form: Form = "compact"
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    carry: bool | None = None
    probe_every: int | None = None
    originals: Path | None = None
    oracles: Path | None = None
    relearn: bool = False
    layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.probe_every is not None and self.probe_every < 1:
            raise ClbenchError(f"probe_every is {self.probe_every}; it must be 1 or more steps")
        if not all(self.layers) or len(set(self.layers)) < len(self.layers):
            raise ClbenchError(
                f"--layers is {','.join(self.layers)!r}; name each layer once, with commas between"
            )
