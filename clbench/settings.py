"""How a run is executed, apart from what is run."""

from dataclasses import dataclass
from typing import Literal

Form = Literal["compact", "full"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Settings:
    """`form`: what is kept of predictions. `threads` None: as many as torch takes by itself.

    `carry`: the method is made anew from its state after every update; without it, state that a
    method does not declare would survive, and resuming would give another result.
    """

    form: Form = "compact"
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    carry: bool = True
