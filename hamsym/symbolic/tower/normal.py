"""The zero test: reduce, split by what is free, clear one inverse after the other, from the top down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.fractions import FEW, partial_fractions

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
    return next(conditions(tower, element), None) is None


def conditions(tower: Tower, element: fmpq_mpoly, kept: frozenset[int] = frozenset()) -> Iterator[fmpq_mpoly]:
    """Yield nonzero polynomials in the kept generators that all vanish exactly if the element does.

    Arguments:
        tower: the tower of the element.
        element: any element.
        kept: numbers of generators that are left as unknowns, for example parameters or a marker of columns; a
            generator that depends on kept ones only has to be kept with them.

    Example:
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> import sympy as sp
        >>> tower = Tower(Clock(1.0))
        >>> a, x = (tower.symbol(sp.Symbol(n, real=True)) for n in "ax")
        >>> list(conditions(tower, (a - 1)*x**2 + (a + 1)*x, frozenset([tower.number(sp.Symbol("a", real=True))])))
        [g0 - 1, g0 + 1]
    """
    for piece, inert in settled(tower, element, kept):
        if not kept:
            yield piece  # a nonzero polynomial in free generators
        else:
            for part in tower.ring.grouped(piece, inert):
                yield tower.cleared(part)[0]


def settled(
    tower: Tower, element: fmpq_mpoly, kept: frozenset[int] = frozenset()
) -> Iterator[tuple[fmpq_mpoly, list[int]]]:
    """Yield nonzero elements that all vanish exactly if the given one does, each with its generators that are not kept.

    Those generators occur in no relation, so an element vanishes exactly if all its coefficients do.
    """
    pieces = [tower.reduce(element)]
    while pieces:
        tower.clock.check()
        piece = pieces.pop()
        if piece.is_zero():
            continue
        support = [i for i in tower.ring.support(piece) if i not in kept]
        inert = _inert(tower, support)
        if len(inert) < len(support):
            pieces += _parts(tower, piece, support, inert, kept)
        else:
            yield piece, inert


def _parts(
    tower: Tower, piece: fmpq_mpoly, support: list[int], inert: list[int], kept: frozenset[int]
) -> list[fmpq_mpoly]:
    """Return elements that all vanish exactly if the piece does."""
    if inert:
        return sorted((tower.reduce(c) for c in tower.ring.split(piece, inert).values()), key=len)
    separated = partial_fractions(tower, piece, kept, 1 if kept else FEW)  # fewer rows for columns
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
