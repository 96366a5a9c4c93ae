"""Numpy's file format, for arrays that gain rows in place."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np

MAGIC, LENGTH_AT = b"\x93NUMPY\x01\x00", 8  # format 1.0: the header's length in two bytes


def resize(file: Path, shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> None:
    """Make a file of zeros, or give one more rows; those that it has stay.

    The header has the same length whatever the number of rows: numpy leaves room for it. The file
    is made longer before its header says so, so that it can be read at any time.
    """
    header = BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    head = header.getvalue()
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.ftruncate(descriptor, len(head) + int(np.prod(shape)) * dtype.itemsize)
        os.pwrite(descriptor, head, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def data_start(descriptor: int) -> int:
    """Where the data of an open file begin, in bytes.

    Raises:
        ValueError: it is no file that `resize` wrote.
    """
    head = os.pread(descriptor, LENGTH_AT + 2, 0)
    if not head.startswith(MAGIC):
        raise ValueError("not a file of numpy's format 1.0")
    return LENGTH_AT + 2 + int.from_bytes(head[LENGTH_AT:], "little")
