"""How the loops of the CPU are compiled, and when what was compiled before is out of date.

Loaded with the first use of a kernel, because it loads numba.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numba.core import sigutils
from numba.core.ccallback import CFunc

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

# Arguments that are no literals: a function is compiled anew for each literal that it is called with.
ZERO, ONE = np.int64(0), np.int64(1)
STRAIGHT, TURNED = np.int64(0), np.int64(1)  # how a matrix is taken


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function with the first call of each signature, and keep the machine code on disk.

    Example:
        >>> from learn.kernels.dense import perceptron
        >>> type(perceptron).__name__
        'CPUDispatcher'
    """
    return kept(njit(**_OUTER, fastmath=set(_EXACT))(function))


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled ones call: Python cannot, and nothing is kept, as it is a part of theirs."""
    return njit(**_INNER, fastmath=set(_EXACT))(function)


def summed(function: Callable[..., Any]) -> Any:
    """Do as :func:`part` does, where sums may be reordered, which is what lets them use vector registers."""
    return njit(**_INNER, fastmath={*_EXACT, "reassoc"})(function)


def address(function: Callable[..., Any], signature: Any) -> int:
    """Compile a function of pointers for other languages, and return its address; the machine code is kept on disk.

    Arguments:
        function: what its closure holds is a part of its name on disk.
        signature: its types.
    """
    made: Any = CFunc(function, sigutils.normalize_signature(signature), locals={}, options={})
    kept(made).compile()
    _MADE.append(made)
    found: int = made.address
    return found


_MADE: list[Any] = []  # keeps their machine code

# what is left out here takes as long to compile as the function itself
_OUTER: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {**_OUTER, "no_cpython_wrapper": True}
_EXACT = ("contract", "nsz")


def kept(made: Any) -> Any:
    """Return what numba makes, kept on disk: beside its file, or in a folder of the user where that cannot be written.

    Where neither can, it is compiled anew in every process.  numba's own look for changes is at one file alone.
    """
    with suppress(RuntimeError):  # there is no place to write to
        made.enable_caching()
    file: Any = getattr(made._cache, "_cache_file", None)
    if file is not None and hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _digest())
    return made


@cache
def _digest() -> str:
    here = Path(__file__).parent
    return sha256(b"".join((here / f"{room}.py").read_bytes() for room in ROOMS)).hexdigest()
