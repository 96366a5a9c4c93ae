"""Where data lies and where what was computed from it is kept."""

import os
from pathlib import Path

from clbench.errors import ClbenchError


def cache_dir() -> Path:
    """The folder of decoded sources and frozen features: `CLBENCH_CACHE` or `~/.cache/clbench`."""
    return Path(os.environ.get("CLBENCH_CACHE") or "~/.cache/clbench").expanduser()


def data_dir() -> Path:
    """The folder of raw data: `CLBENCH_DATA` or `data` in the working directory."""
    return Path(os.environ.get("CLBENCH_DATA") or "data").expanduser()


def located(path: str) -> Path | None:
    """A file or folder looked for as given, then under the data folder; absolute, None if absent.

    A name such as `2024` reaches us as a number, hence the conversion.
    """
    given = Path(str(path)).expanduser()
    for candidate in (given, data_dir() / given):
        if candidate.exists():
            return candidate.resolve()
    return None


def find(path: str, what: str) -> Path:
    """The file or folder called `path`, made absolute.

    Raises:
        ClbenchError: it lies neither where given nor under the data folder; `what` names it.
    """
    found = located(path)
    if found is None:
        raise ClbenchError(
            f"there is no {what} {path} in {Path.cwd()} or in the data folder {data_dir()}; "
            "put it there or give its full path"
        )
    return found
