"""Values of phase-space functions, with sums as loops where they are long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import sympy as sp

from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import array_function
from hamsym.numeric.loops import is_long, room_of, slope_loops, value_loops
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space


@cache
def value_function(expression: sp.Expr, space: Space) -> Callable[..., np.ndarray]:
    """Return a function of whole arrays, as :func:`hamsym.numeric.codegen.array_function` does, of an expression with sums.

    Arguments:
        expression: a written form, as ``H.written``.
        space: the phase space.

    Returns:
        ``f(q, p, parameters, t)`` with q and p of shape ``(..., dof)``.

    Raises:
        FormulaError: if the expression has no numeric form.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1000)
        >>> square = value_function(space.parse("Sum(q[i]**2, (i, 1, 1000))"), space)
        >>> square(np.ones((2, 1000)), np.zeros((2, 1000)), {})
        array([1000., 1000.])
    """
    if not is_long(expression, space):
        return array_function(space.written_out(expression), space)
    kernels = Kernels(
        (sp.srepr(expression), str(space.to_dict()), "values"), lambda: value_loops(expression, space)
    )

    def evaluate(
        q: np.ndarray, p: np.ndarray, parameters: Mapping[str, float], t: np.ndarray | float = math.nan
    ) -> np.ndarray:
        shape, dof = q.shape[:-1], q.shape[-1]
        times = np.ascontiguousarray(np.broadcast_to(t, shape), dtype=np.float64).ravel()
        k = np.array([parameters.get(name, math.nan) for name in space.parameters])
        out = np.empty(times.size)
        flat_q, flat_p = (np.ascontiguousarray(x, dtype=np.float64).reshape(-1, dof) for x in (q, p))
        kernels.values(flat_q, flat_p, room_of(kernels), times, k, out)
        return out.reshape(shape)

    return evaluate


@cache
def slope_function(H: Hamiltonian) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a function of whole arrays that gives dq/dt and dp/dt of a Hamiltonian whose sums are long.

    Returns:
        ``f(q, p, parameters, t)`` with q and p of shape ``(..., dof)``; it returns two arrays of that shape.

    Raises:
        FormulaError: if the Hamiltonian has no numeric form.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(100)
        >>> slopes = slope_function(Hamiltonian("Sum(p[i]**2/2 + q[i]**4/4, (i, 1, 100))", space))
        >>> v, a = slopes(np.full(100, 2.0), np.full(100, 3.0), {})
        >>> set(v.tolist()), set(a.tolist())
        ({3.0}, {-8.0})
    """
    kernels = Kernels((sp.srepr(H.written), str(H.space.to_dict()), "slopes"), lambda: slope_loops(H))

    def evaluate(
        q: np.ndarray, p: np.ndarray, parameters: Mapping[str, float], t: np.ndarray | float = math.nan
    ) -> tuple[np.ndarray, np.ndarray]:
        shape, dof = q.shape, q.shape[-1]
        times = np.ascontiguousarray(np.broadcast_to(t, shape[:-1]), dtype=np.float64).ravel()
        k = np.array([parameters.get(name, math.nan) for name in H.space.parameters])
        flat_q, flat_p = (np.ascontiguousarray(x, dtype=np.float64).reshape(-1, dof) for x in (q, p))
        out_q, out_p = (np.empty((times.size, 1, dof)) for _ in "qp")
        kernels.slopes(flat_q, flat_p, room_of(kernels), times, k, out_q, out_p)
        return out_q.reshape(shape), out_p.reshape(shape)

    return evaluate
