"""The terms of a formula by what they depend on: momenta, coordinates, or both."""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import has_sums


def sort_terms(expr: sp.Expr, space: Space) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Return the sums of the terms in p only, in q only or constant, and in both.

    Sums over indices are kept: what they add up is sorted.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9)
        >>> sort_terms(space.parse("Sum(p[i]**2/2 + cos(q[i]), (i, 1, 9)) + q1*p1"), space)
        (Sum(p[i]**2/2, (i, 1, 9)), Sum(cos(q[i]), (i, 1, 9)), p1*q1)
    """
    sums: tuple[list[sp.Expr], list[sp.Expr], list[sp.Expr]] = ([], [], [])
    coordinates, momenta = set(space.coordinates), set(space.momenta)
    for term in sp.Add.make_args(expr):
        has_q, has_p = _dependence(term, space, coordinates, momenta)
        place = 1 if not has_p else 0 if not has_q else 2
        if place == 2 and has_sums(term):
            for some, piece in zip(sums, _sort_summand(term, space), strict=True):
                some.append(piece)
        else:
            sums[place].append(term)
    return sp.Add(*sums[0]), sp.Add(*sums[1]), sp.Add(*sums[2])


def _dependence(term: sp.Expr, space: Space, coordinates: set, momenta: set) -> tuple[bool, bool]:
    """Tell whether coordinates, and whether momenta occur."""
    names = term.free_symbols
    has_q, has_p = not names.isdisjoint(coordinates), not names.isdisjoint(momenta)
    for e in names:
        if isinstance(e, sp.Indexed):
            kinds = space.families.find(e.base.label.name, len(e.indices)).kinds
            has_q, has_p = has_q or "q" in kinds, has_p or "p" in kinds
    return has_q, has_p


def _sort_summand(term: sp.Expr, space: Space) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Return a constant times a sum in its three parts; all of anything else counts as mixed."""
    factors = sp.Mul.make_args(term)
    deep = [f for f in factors if has_sums(f)]
    rest = sp.Mul(*(f for f in factors if not has_sums(f)))
    depends = any(_dependence(rest, space, set(space.coordinates), set(space.momenta)))
    if depends or len(deep) != 1 or not isinstance(deep[0], sp.Sum):
        return sp.S.Zero, sp.S.Zero, term
    total = deep[0]
    pieces = sort_terms(total.function, space)
    K, U, mixed = (rest * total.func(piece, *total.limits) if piece != 0 else sp.S.Zero for piece in pieces)
    return K, U, mixed
