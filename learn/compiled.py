"""How the loops of the CPU are compiled, and when what was compiled before is out of date.

Loaded with the first use of a kernel, because it loads numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit

#: Files whose functions are built into one another: a change in one makes what was compiled from the others stale.
ROOMS = (
    "compiled",
    "registers",
    "lanes",
    "products",
    "forces",
    "ridges",
    "dense",
    "gaussians",
    "updates",
)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function with the first call of each signature, and keep the machine code on disk.

    Example:
        >>> from learn.forces import dot
        >>> import numpy as np
        >>> float(dot(np.ones((2, 3)), np.ones((2, 3))))
        6.0
    """
    return _fresh(njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})(function))


def summed(function: Callable[..., Any]) -> Any:
    """Do as :func:`compiled` does, where sums may be reordered, which is what lets them use vector registers."""
    return _fresh(njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})(function))


def _fresh(dispatcher: Any) -> Any:
    """The dispatcher with a cache that knows all rooms; numba's own looks at the file of the function alone."""
    file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if file is not None and hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _digest())
    return dispatcher


@cache
def _digest() -> str:
    here = Path(__file__).parent
    return sha256(b"".join((here / f"{room}.py").read_bytes() for room in ROOMS)).hexdigest()
