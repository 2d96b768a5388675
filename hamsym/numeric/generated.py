"""Kernels of a Hamiltonian from source: what every generated module begins with, and what tells it from others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy as sp

from hamsym.numeric.cache import Kernels
from hamsym.symbolic.hamiltonian import Hamiltonian

#: What the modules of kernels without loops over sums begin with besides.
_OWN = "from hamsym.numeric import elementary", "from hamsym.numeric.elementary import inlined, scatter"


def header(*own: str, arrays: bool = False) -> str:
    """Return what a generated module begins with: ``math``, the decorator ``compiled``, and what is imported from here.

    Arguments:
        own: lines that import from this package.
        arrays: whether it needs ``np``.

    Example:
        >>> print(header("from hamsym.numeric import elementary"))
        import math
        <BLANKLINE>
        from numba import njit
        <BLANKLINE>
        from hamsym.numeric import elementary
        <BLANKLINE>
        compiled = njit(cache=CACHE, nogil=True, error_model="numpy")
        <BLANKLINE>
    """
    outside = [*["import numpy as np"] * arrays, "from numba import njit"]
    compiled = 'compiled = njit(cache=CACHE, nogil=True, error_model="numpy")\n'
    return "\n".join(["import math", "", *outside, "", *own, "", compiled])


def kernels_of(H: Hamiltonian, kind: str, write: Callable[[], str]) -> Kernels:
    """Return the kernels in the source that ``write`` returns, which is asked for if they are not known yet.

    Arguments:
        H: the Hamiltonian.
        kind: a text that tells these kernels from others of the same Hamiltonian.
        write: returns the source; ``math``, ``np``, ``elementary``, ``inlined``, ``scatter`` and ``compiled`` are defined in it.
    """
    return Kernels((*identity(H), kind), lambda: header(*_OWN, arrays=True) + write())


@lru_cache(maxsize=128)  # asked at every simulation, and slow
def identity(H: Hamiltonian) -> tuple[str, ...]:
    """Texts that tell a Hamiltonian from all others."""
    space = H.space
    names = [f"{n}:{s.assumptions0.get('positive')}" for n, s in space.symbols.items()]
    return sp.srepr(H.written), repr(space), *names
