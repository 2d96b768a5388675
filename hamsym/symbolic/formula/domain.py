"""Where a formula holds, as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Domain:
    """What must hold for a formula to be real and smooth as it was written.

    sympy may merge a formula to one that is defined at more points (``sqrt(x)**2`` to ``x``).  Within a sum over indices a
    condition holds for each of their values: see :func:`for_each`.

    Attributes:
        positive: expressions that must be positive: bases of roots and of symbolic powers, arguments of log.
        nonzero: expressions that must not vanish: denominators.
    """

    positive: tuple[sp.Basic, ...] = ()
    nonzero: tuple[sp.Basic, ...] = ()


def for_each(condition: sp.Basic, limits: Sequence[tuple[sp.Symbol, sp.Expr, sp.Expr]]) -> sp.Tuple:
    """Return a condition that holds for all values of indices: itself, followed by their limits, the innermost first.

    Example:
        >>> x, i, j = sp.symbols("x i j")
        >>> for_each(for_each(x + i, [(i, 1, j)]), [(j, 1, 3)])
        (i + x, (i, 1, j), (j, 1, 3))
    """
    inner = condition.args if isinstance(condition, sp.Tuple) else (condition,)
    return sp.Tuple(*inner, *limits)


def of_each(condition: sp.Basic) -> sp.Basic:
    """Return what a condition says of each term.

    Example:
        >>> x, i = sp.symbols("x i")
        >>> of_each(for_each(x + i, [(i, 1, 3)])), of_each(x)
        (i + x, x)
    """
    return condition.args[0] if isinstance(condition, sp.Tuple) else condition
