"""Replay memories: stored samples with labels, whose bytes are part of a method's state."""

from clbench.memory.balanced import Balanced
from clbench.memory.exemplars import Exemplars
from clbench.memory.herding import herding
from clbench.memory.reservoir import Reservoir

__all__ = ["Balanced", "Exemplars", "Reservoir", "herding"]
