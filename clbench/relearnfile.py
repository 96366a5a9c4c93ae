"""What relearning attacks on a run record, as two JSON files, without torch.

`original.json` lies with the version before the first forget update, `relearn.json` with the one
after the last. What could not be tried has a reason in its place. Counts are of samples, so
that accuracies are exact; losses are mean cross-entropies in nats.

`RECIPE` numbers the way of attacking that `clbench.relearning` follows. It is a part of `run.json`
and of every file: a change to the attacks is another number, and other runs.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

ORIGINAL, RELEARNT = "original.json", "relearn.json"
RECIPE = 1

Count = Annotated[int, Field(ge=0)]
Loss = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Missing(_Part):
    """Why an attack could not be tried."""

    why: str = Field(min_length=1)


class Curve(_Part):
    """The forgotten samples after so many steps of learning them again, step 0 first.

    `correct` of them were answered right, `loss` is that on all; `epoch` is how many steps
    one pass over them takes.
    """

    epoch: int = Field(ge=1)
    steps: tuple[Count, ...]
    correct: tuple[Count, ...]
    loss: tuple[Loss, ...]

    @model_validator(mode="after")
    def _in_step(self) -> "Curve":
        if not len(self.steps) == len(self.correct) == len(self.loss) > 1:
            raise ValueError("steps, correct and loss must be of one length, 2 or more")
        if self.steps[0] != 0 or any(a >= b for a, b in pairwise(self.steps)):
            raise ValueError("steps must begin with 0 and ascend")
        return self


class Recovery(_Part):
    """What an attacker who has `taught` samples gets right of the `asked` other forgotten ones.

    `before` the attack the method itself answers so many right.
    """

    taught: int = Field(ge=1)
    asked: int = Field(ge=1)
    before: Count
    correct: Count

    @model_validator(mode="after")
    def _of_those_asked(self) -> "Recovery":
        if max(self.before, self.correct) > self.asked:
            raise ValueError(f"more right answers than the {self.asked} samples asked")
        return self


class Original(_Part):
    """The version before the first forget update, on what it will be asked to forget.

    `neighbours` are the train ids of the retained samples nearest to it, among those asked.
    """

    recipe: Literal[1]
    forgotten: int = Field(ge=2)
    correct: Count
    loss: Loss
    neighbours: tuple[Count, ...]

    @model_validator(mode="after")
    def _whole(self) -> "Original":
        if self.correct > self.forgotten:
            raise ValueError(f"more right answers than the {self.forgotten} samples to forget")
        if len(set(self.neighbours)) < len(self.neighbours):
            raise ValueError("a neighbour comes twice")
        return self


def _tried(part: Any) -> str:
    """Which of the two a part is, so that errors name what is wrong with that one."""
    missing = "why" in part if isinstance(part, dict) else isinstance(part, Missing)
    return "missing" if missing else "found"


_Missing = Annotated[Missing, Tag("missing")]
MaybeCurve = Annotated[Annotated[Curve, Tag("found")] | _Missing, Discriminator(_tried)]
MaybeRecovery = Annotated[Annotated[Recovery, Tag("found")] | _Missing, Discriminator(_tried)]


class Relearnt(_Part):
    """The attacks on the version after the last forget update."""

    recipe: Literal[1]
    forgotten: int = Field(ge=2)
    relearning: MaybeCurve
    head: MaybeRecovery
    full: MaybeRecovery
    prototypes: MaybeRecovery

    @model_validator(mode="after")
    def _whole(self) -> "Relearnt":
        if isinstance(self.relearning, Curve) and max(self.relearning.correct) > self.forgotten:
            raise ValueError(f"more right answers than the {self.forgotten} forgotten samples")
        return self
