"""Kernels of a Hamiltonian from source: what every generated module begins with, and what tells it from others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy as sp

from hamsym.numeric.cache import Kernels
from hamsym.symbolic.hamiltonian import Hamiltonian

#: What the module of a kernel needs besides the meanings of its functions.
_HEADER = """\
import math

import numpy as np
from numba import njit

from hamsym.numeric import elementary
from hamsym.numeric.elementary import inlined, scatter

compiled = njit(cache=CACHE, nogil=True, error_model="numpy")
"""


def kernels_of(H: Hamiltonian, kind: str, write: Callable[[], str]) -> Kernels:
    """Return the kernels in the source that ``write`` returns, which is asked for if they are not known yet.

    Arguments:
        H: the Hamiltonian.
        kind: a text that tells these kernels from others of the same Hamiltonian.
        write: returns the source; ``math``, ``np``, ``elementary``, ``inlined``, ``scatter`` and ``compiled`` are defined in it.
    """
    return Kernels((*identity(H), kind), lambda: _HEADER + write())


@lru_cache(maxsize=128)  # asked at every simulation, and slow
def identity(H: Hamiltonian) -> tuple[str, ...]:
    """Texts that tell a Hamiltonian from all others."""
    space = H.space
    names = [f"{n}:{s.assumptions0.get('positive')}" for n, s in space.symbols.items()]
    return sp.srepr(H.written), repr(space), *names
