"""What must hold for every term of a sum: its subscripts stay in the space, and it is finite and real."""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.expansion import outermost_sums
from hamsym.symbolic.sums.families import Families
from hamsym.symbolic.sums.ranges import Ranges


def require_sums(expression: sp.Expr, families: Families) -> None:
    """Raise a FormulaError for sums with a term that means nothing.

    Example:
        >>> from hamsym import PhaseSpace
        >>> PhaseSpace.standard(4).parse("Sum(q[i + 1], (i, 1, 4))")
        Traceback (most recent call last):
        hamsym.errors.FormulaError: q[2…5] reaches 5, but the subscripts of q go from 1 to 4 in this space (q1 … q4)
    """
    _require(expression, (), families)


def _require(expression: sp.Expr, outer: tuple[sp.Tuple, ...], families: Families) -> None:
    for total in outermost_sums(expression):
        limits = (*total.limits, *outer)
        ranges = Ranges.of(sp.Sum(1, *limits))
        if not ranges.count:
            continue
        for e in total.function.atoms(sp.Indexed):
            if all(s.free_symbols <= set(ranges.indices) for s in e.indices):
                numbers = [Affine.of(s, ranges.indices) for s in e.indices]
                families.find(e.base.label.name, len(numbers)).access(numbers, ranges)
        _require(total.function, limits, families)
