"""The kernels of any method in loops over sums: their source, and what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hamsym.numeric.loops.doubled import doubled_arguments, doubled_loops
from hamsym.numeric.loops.gauss import gauss_loops
from hamsym.numeric.loops.runge_kutta import runge_kutta_loops
from hamsym.numeric.loops.splitting import splitting_arguments, splitting_loops
from hamsym.numeric.methods import Doubled, Gauss, Method, RungeKutta, Splitting, doubled
from hamsym.symbolic.hamiltonian import Hamiltonian


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
    if isinstance(method, RungeKutta):
        return runge_kutta_loops(H, method, compensated=compensated, strict=strict)
    doubled(method, compensated=compensated)
    return doubled_loops(H, strict=strict)


def loop_kind(method: Method) -> str:
    """Return what the source depends on of a method."""
    if isinstance(method, Splitting):
        return f"splitting {method.starts_with}"
    stages = f" {len(method.b)}" if isinstance(method, (Gauss, RungeKutta)) else ""
    return f"{type(method).__name__}{stages}"


def loop_arguments(H: Hamiltonian, method: Method, values: Mapping[str, float]) -> tuple[np.ndarray, ...]:
    """Return the arguments of the kernels after the others: an array of parameters, then coefficients."""
    k = np.array([values.get(name, 0.0) for name in H.space.parameters])
    if isinstance(method, Splitting):
        return k, *splitting_arguments(method)
    if isinstance(method, (Gauss, RungeKutta)):
        return k, *map(np.array, (method.a, method.b, method.c))
    return k, *(doubled_arguments(method) if isinstance(method, Doubled) else ())


def room_of(kernels: Any) -> np.ndarray:
    """Return memory for the loops of one trajectory, at the beginning of a line of the processor's cache."""
    memory = np.zeros(kernels.SCRATCH + 8)
    start = -(memory.ctypes.data >> 3) % 8
    return memory[start : start + kernels.SCRATCH]
