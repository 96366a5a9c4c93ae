"""What an update may spend, in FLOPs or seconds: when its training loops stop.

A budget is met by training less. What a method does beside its training loops, such as a pass over
`view.chunks()` for importances or class means, makes sense as a whole alone, so it is set aside
first. How much that is, is found on a copy of the method, which plays the update with two steps a
training loop: the `Plan`. Several training loops share what is left as they would share the cost
of the whole. All of it follows from what is carried, so a continued run stops where an undisturbed
one does; only a budget of seconds does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter
from typing import Literal, Protocol

Stop = Literal["flops", "seconds"]
ROUNDING = 1 + 1e-9  # of charges that are summed
STEPS_OF_TRIAL = 2  # the first may lack what the others have, such as a filled memory


@dataclass(frozen=True)
class LoopPlan:
    """What one training loop would do without a budget. Charges are in FLOPs, or as adjusted."""

    samples: int
    per_sample: float
    step: float  # the dearest of the trial

    @property
    def cost(self) -> float:
        """Of all its steps."""
        return self.samples * self.per_sample


@dataclass(frozen=True)
class Plan:
    """The training loops of an update in their order, and the charge for all else in it."""

    loops: tuple[LoopPlan, ...] = ()
    other: float = 0.0

    @property
    def least(self) -> float:
        """The smallest budget that pays for all else and for one step of any loop."""
        return self.other + max((loop.step for loop in self.loops), default=0.0)


class Gate(Protocol):
    """Decides how long training loops go on, by what was charged so far."""

    stopped_by: Stop | None  # what ended a loop

    def begin(self, charged: float, samples: int) -> None:
        """A training loop over so many samples begins."""

    def admits(self, charged: float, size: int, per_sample: float | None) -> bool:
        """Whether it may take a step of a size; `per_sample` is what the last counted one cost."""

    def end(self, charged: float, per_sample: float | None) -> None:
        """The training loop ends."""

    def affords(self, charged: float, sizes: Sequence[int]) -> int:
        """How many steps of these sizes the next training loop will be admitted."""


class Trial:
    """Lets training loops take a few steps each, and notes what they cost."""

    stopped_by: Stop | None = None

    def __init__(self) -> None:
        self._loops: list[LoopPlan] = []
        self._in_loops = 0.0
        self._samples, self._steps = 0, 0
        self._began, self._before, self._dearest = 0.0, 0.0, 0.0

    def begin(self, charged: float, samples: int) -> None:
        """A training loop over so many samples begins."""
        self._samples, self._steps, self._dearest = samples, 0, 0.0
        self._began = self._before = charged

    def admits(self, charged: float, size: int, per_sample: float | None) -> bool:
        """Whether it may take another step."""
        self._note(charged)
        self._steps += 1
        return self._steps <= STEPS_OF_TRIAL

    def end(self, charged: float, per_sample: float | None) -> None:
        """The training loop ends."""
        self._note(charged)
        self._loops.append(LoopPlan(self._samples, per_sample or 0.0, self._dearest))
        self._in_loops += charged - self._began

    def affords(self, charged: float, sizes: Sequence[int]) -> int:
        """All steps, as far as a method is told."""
        return len(sizes)

    def plan(self, charged: float) -> Plan:
        """What was found, at the end of the update."""
        return Plan(tuple(self._loops), charged - self._in_loops)

    def _note(self, charged: float) -> None:
        self._dearest = max(self._dearest, charged - self._before)
        self._before = charged


class Budget:
    """Ends the training loops of an update when their next step would cost too much.

    A step is expected to cost what the one before did, sample for sample. `stopped_by` says what
    ended a loop, `slack` is the dearest step so far: by less than that a loop may be over.
    """

    def __init__(
        self,
        plan: Plan,
        flops: float | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.stopped_by: Stop | None = None
        self.slack = 0.0
        self._plan, self._flops, self._seconds = plan, flops, seconds
        self._clock = clock
        self._start = self._last = clock() if seconds else 0.0
        self._until = float("inf")  # on the clock
        self._limit = float("inf")  # of what is charged
        self._loop, self._in_loops = 0, 0.0
        self._began = self._before = 0.0

    def begin(self, charged: float, samples: int) -> None:
        """A training loop over so many samples begins."""
        self._began = self._before = charged
        self._limit = self._room(charged) + charged
        if self._seconds is not None:
            self._last = self._clock()
            left = max(0.0, self._seconds - (self._last - self._start))
            self._until = self._last + (self._share() or 1.0) * left  # no FLOPs take time, too

    def admits(self, charged: float, size: int, per_sample: float | None) -> bool:
        """Whether it may take a step over `size` samples; `per_sample` is the charge of the last.

        None at its first step, for which the trial's is taken.
        """
        self._note(charged)
        expected = self._planned() if per_sample is None else per_sample
        if charged + expected * size > self._limit * ROUNDING:
            self.stopped_by = "flops"
            return False
        return self._in_time()

    def end(self, charged: float, per_sample: float | None) -> None:
        """The training loop ends."""
        self._note(charged)
        self._in_loops += charged - self._began
        self._loop += 1

    def affords(self, charged: float, sizes: Sequence[int]) -> int:
        """How many steps of these sizes the next training loop may take by its FLOPs, at least 1.

        Seconds are not known ahead, so they count as enough for all.
        """
        room, each = self._room(charged), self._planned()
        return max(1, sum(each * samples <= room * ROUNDING for samples in accumulate(sizes)))

    def exceeded(self, charged: float) -> bool:
        """Whether an update that is over spent more FLOPs than can be owed to its last step."""
        return self._flops is not None and charged > self._flops + self.slack

    def _room(self, charged: float) -> float:
        """What the next training loop may spend."""
        if self._flops is None:
            return float("inf")
        other = max(0.0, self._plan.other - (charged - self._in_loops))
        return self._share() * max(0.0, self._flops - other - charged)

    def _share(self) -> float:
        """Of what is left for training, by what this loop and those to come would cost."""
        ahead = [loop.cost for loop in self._plan.loops[self._loop :]]
        return ahead[0] / sum(ahead) if sum(ahead) > 0 else 1.0

    def _planned(self) -> float:
        loops = self._plan.loops
        return loops[self._loop].per_sample if self._loop < len(loops) else 0.0

    def _in_time(self) -> bool:
        if self._seconds is None:
            return True
        now = self._clock()
        if now + (now - self._last) > self._until:  # as long as the step before
            self.stopped_by = "seconds"
            return False
        self._last = now
        return True

    def _note(self, charged: float) -> None:
        self.slack = max(self.slack, charged - self._before)
        self._before = charged
