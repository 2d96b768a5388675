"""How much a conserved number changes, relative to itself or, where it is small by cancellation, to what cancels in it."""

from __future__ import annotations

import numpy as np
import sympy as sp

from hamsym.symbolic.sums import has_sums

#: A value that is less than this part of the sum of the sizes of its terms counts as cancelled.
CANCELLED = 0.01


def size_of_terms(expression: sp.Expr) -> sp.Expr:
    """Return the sum of the absolute values of the terms of a formula, those in its sums too.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9)
        >>> size_of_terms(space.parse("p1**2 - 2*Sum(q[i]**2, (i, 1, 9))"))
        p1**2 + 2*Sum(q[i]**2, (i, 1, 9))
    """
    if isinstance(expression, sp.Add):
        return sp.Add(*map(size_of_terms, expression.args))
    if isinstance(expression, sp.Sum):
        return expression.func(size_of_terms(expression.function), *expression.limits)
    if isinstance(expression, sp.Mul) and has_sums(expression):
        return sp.Mul(*map(size_of_terms, expression.args))
    return sp.Abs(expression)


def relative_change(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return (g(t) − g(0)) / max(|g(0)|, size/100).

    Arguments:
        values: g along each trajectory, shape ``(batch, time)``.
        size: that of the terms of g at the first time, shape ``(batch, 1)``; where it is zero, as at rest, the change itself
            is returned.

    Example:
        >>> relative_change(np.array([[1e-8, 1.1e-8], [0.0, 1e-12]]), np.array([[3e-8], [2.0]]))
        array([[0.e+00, 1.e-01],
               [0.e+00, 5.e-11]])
    """
    first = values[:, :1]
    scale = np.maximum(np.abs(first), CANCELLED * size)
    return (values - first) / np.where(scale > 0, scale, 1.0)
