"""The zero test: reduce, split by what is free, clear one inverse after the other, from the top down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.fractions import partial_fractions

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


def vanishes(tower: Tower, element: fmpq_mpoly) -> bool:
    """Tell whether an element is zero by the relations of the tower.

    True is a proof, wherever all generators are defined.  False means nonzero only if no relation between the
    generators was overlooked.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> import sympy as sp
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", positive=True))
        >>> s = tower.power(x, Fraction(1, 3))
        >>> left, right = tower.inverse(s - 1), (s*s + s + 1)*tower.inverse(x - 1)
        >>> vanishes(tower, tower.ring.sub(left, right))
        True
    """
    pieces = [tower.reduce(element)]
    while pieces:
        tower.clock.check()
        piece = pieces.pop()
        if piece.is_zero():
            continue
        parts = _step(tower, piece)
        if parts is None:
            return False
        pieces += parts
    return True


def _step(tower: Tower, piece: fmpq_mpoly) -> list[fmpq_mpoly] | None:
    """Return elements that must all vanish for the piece to vanish; None if it is plainly nonzero."""
    support = tower.ring.support(piece)
    inert = _inert(tower, support)
    if len(inert) == len(support):
        return None
    if inert:
        return sorted((tower.reduce(c) for c in tower.ring.split(piece, inert).values()), key=len)
    separated = partial_fractions(tower, piece)
    if separated is not None:
        return separated
    top = tower.extensions[support[-1]]
    if top.kind == "inverse":
        numerator, _ = tower.clear(piece, top)
        return [tower.reduce(numerator)]
    # A reduced polynomial in a root, or any in a free generator: by degree.
    return [tower.reduce(c) for c in tower.ring.coefficients(piece, top.index).values()]


def _inert(tower: Tower, support: list[int]) -> list[int]:
    """Return the generators of a piece that occur in no relation or denominator of the others."""
    involved: set[int] = set()
    waiting = [i for i in support if not is_free(tower, i)]
    seen = set(waiting)
    while waiting:
        extension = tower.extensions[waiting.pop()]
        inner: set[int] = set()
        for element in (extension.relation, *extension.arguments):
            if element is not None:
                inner.update(tower.ring.support(element))
        involved |= inner - {extension.index}
        for index in inner - seen:
            if not is_free(tower, index):
                seen.add(index)
                waiting.append(index)
    return [i for i in support if is_free(tower, i) and i not in involved]


def is_free(tower: Tower, index: int) -> bool:
    """Tell whether a generator has neither a relation nor a denominator."""
    extension = tower.extensions[index]
    return extension.relation is None and extension.kind != "inverse"
