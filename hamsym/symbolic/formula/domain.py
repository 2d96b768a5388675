"""Where a formula holds, as it was written."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Domain:
    """What must hold for a formula to be real and smooth as it was written.

    sympy may merge a formula to one that is defined at more points (``sqrt(x)**2`` to ``x``).

    Attributes:
        positive: expressions that must be positive: bases of roots and of symbolic powers, arguments of log.
        nonzero: expressions that must not vanish: denominators.
    """

    positive: tuple[sp.Expr, ...] = ()
    nonzero: tuple[sp.Expr, ...] = ()
