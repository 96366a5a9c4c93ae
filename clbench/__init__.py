"""clbench measures what a model keeps, loses and breaks while it is updated."""

__version__ = "0.1.0"
