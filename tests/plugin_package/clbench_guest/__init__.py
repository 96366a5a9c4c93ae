"""A guest among clbench's plugins."""

from clbench_guest.method import Guest

__all__ = ["Guest"]
