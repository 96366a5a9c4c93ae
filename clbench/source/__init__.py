"""Sources: where samples come from."""

from clbench.source.base import Source, Split, open_source

__all__ = ["Source", "Split", "open_source"]
