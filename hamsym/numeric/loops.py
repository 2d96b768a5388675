"""Which Hamiltonians run as loops over their sums, and the kernels of those that do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from hamsym.errors import FormulaError, ParameterError
from hamsym.numeric.loop_doubled import doubled_arguments, doubled_loops
from hamsym.numeric.loop_gauss import gauss_arguments, gauss_loops
from hamsym.numeric.loop_kernels import splitting_arguments, splitting_loops
from hamsym.numeric.methods import Doubled, Gauss, Method, Splitting
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import auxiliaries, has_sums, summands, term_count

#: Sums of up to so many terms are written out: that is faster then, many trajectories side by side, and soon compiled.
MOST_WRITTEN_OUT = 40
#: Sums of up to so many terms are written out where there are no loops for them.
MOST_WITHOUT_LOOPS = 500


@lru_cache(maxsize=128)  # asked at every simulation
def runs_in_loops(H: Hamiltonian) -> bool:
    """Whether the sums of a Hamiltonian stay loops in its kernels.

    Example:
        >>> from hamsym import PhaseSpace
        >>> def chain(n):
        ...     springs = f"Sum(p[i]**2/2, (i, 1, {n})) + Sum((q[i + 1] - q[i])**2/2, (i, 1, {n - 1}))"
        ...     return Hamiltonian(springs, PhaseSpace.standard(n))
        >>> runs_in_loops(chain(5)), runs_in_loops(chain(500))
        (False, True)
    """
    return is_long(H.written, H.space)


@lru_cache(maxsize=256)
def is_long(expression: sp.Expr, space: Space) -> bool:
    """Whether sums in an expression are too long to be written out, and can be run over."""
    if not has_sums(expression):
        return False
    count = term_count(expression)
    if count <= MOST_WRITTEN_OUT:
        return False
    if count > MOST_WITHOUT_LOOPS:
        return True
    try:
        left, inside = auxiliaries(expression, space)
        for e in (left, *inside.values()):
            summands(e, space)
    except FormulaError:  # a sum in a function of the index of a sum around it
        return False
    return True


def loop_source(H: Hamiltonian, method: Method, *, compensated: bool, strict: bool) -> str:
    """Return the source of the kernels of a method in loops.

    Raises:
        ParameterError: if compensated is asked of a method that does more than add.
    """
    method.require(H)
    if isinstance(method, Splitting):
        return splitting_loops(H, method, compensated=compensated, strict=strict)
    if isinstance(method, Gauss):
        return gauss_loops(H, method, compensated=compensated, strict=strict)
    if compensated or not isinstance(method, Doubled):
        raise ParameterError(
            f"{method.name} does more than add, so its rounding errors cannot be carried along; leave compensated=True out, "
            "or take another method"
        )
    return doubled_loops(H, strict=strict)


def loop_kind(method: Method) -> str:
    """Return what the source depends on of a method."""
    if isinstance(method, Splitting):
        return f"splitting {method.starts_with}"
    return f"Gauss {len(method.b)}" if isinstance(method, Gauss) else type(method).__name__


def loop_arguments(H: Hamiltonian, method: Method, values: Mapping[str, float]) -> tuple[np.ndarray, ...]:
    """Return the arguments of the kernels after the others: an array of parameters, then coefficients."""
    k = np.array([values.get(name, 0.0) for name in H.space.parameters])
    if isinstance(method, Splitting):
        return k, *splitting_arguments(method)
    if isinstance(method, Gauss):
        return k, *gauss_arguments(method)
    return k, *(doubled_arguments(method) if isinstance(method, Doubled) else ())


def room_of(kernels: Any) -> np.ndarray:
    """Return memory for the loops of one trajectory, at the beginning of a line of the processor's cache."""
    memory = np.zeros(kernels.SCRATCH + 8)
    start = -(memory.ctypes.data >> 3) % 8
    return memory[start : start + kernels.SCRATCH]
