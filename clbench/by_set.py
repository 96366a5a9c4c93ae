"""Arrays of a crowd by evaluation set."""

from collections.abc import Callable, Iterator, Mapping

from clbench.crowd import Array, IntArray

SETS = ("forget", "retain", "test", "test-forgotten")
Column = Callable[[IntArray], Array]


class BySet(Mapping[str, Array]):
    """One array an evaluation set, made when it is asked for.

    Raises:
        NotMeasured: the stream has no such set.
    """

    def __init__(self, rows: Callable[[str], IntArray], column: Column) -> None:
        self._rows, self._column = rows, column

    def __getitem__(self, name: str) -> Array:
        array = self._column(self._rows(name))
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(SETS)

    def __len__(self) -> int:
        return len(SETS)
