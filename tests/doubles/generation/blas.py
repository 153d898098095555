"""Matrix products on one thread."""

import contextlib
import ctypes
from pathlib import Path

import numpy as np


def use_one_thread() -> None:
    """For all of numpy in this process; nothing where its OpenBLAS is not that of its wheels.

    OpenBLAS spins while it waits for its threads, which costs processes that share a few cores
    (measured: three at once on two cores, 0.6 to 0.9 s instead of 0.9 to 2.2 s).
    """
    for file in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas64*"):
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(str(file)).scipy_openblas_set_num_threads64_(1)
