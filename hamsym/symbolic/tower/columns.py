"""Elements as the columns of an exact linear system: which combinations of them vanish?

Column j is multiplied by the j-th power of a marker, a free generator, and everything is brought to normal form
at once.  What must vanish are then polynomials in the marker, and each of them is one row of the system.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.tower.normal import settled

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

#: Column -> nonzero entry; the entry is an element in the kept generators (a constant one when none is kept).
Row = dict[int, fmpq_mpoly]


def rows(tower: Tower, columns: Sequence[fmpq_mpoly], kept: frozenset[int] = frozenset()) -> list[Row]:
    """Return rows with: Σ c_j column_j vanishes exactly if Σ c_j row[j] does for every row.

    Arguments:
        tower: the tower of the columns.
        columns: elements.
        kept: numbers of generators, for example parameters, that the entries and the c_j may depend on.

    Raises:
        ProofStopped: when the time or size budget is used up.

    Example:
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x, y = (tower.symbol(sp.Symbol(n, real=True)) for n in "xy")
        >>> rows(tower, [x + y, x - y, 2*x])
        [{0: 1, 1: 1, 2: 2}, {0: 1, 1: -1}]
    """
    marker = new_marker(tower)
    marked = joined(tower, columns, marker)
    if kept:
        return list(kept_rows(tower, marked, marker, kept))
    constant = tower.ring.constant
    found = rational_rows(tower, marked, marker)
    return [{int(j): constant(row[j]) for j in sorted(row)} for row in found]


def new_marker(tower: Tower) -> int:
    """Return the number of a new free generator whose powers count columns."""
    return tower.number(sp.Dummy("column"))


def joined(tower: Tower, columns: Sequence[fmpq_mpoly], marker: int) -> fmpq_mpoly:
    """Return the sum of all columns, each times its power of the marker."""
    ring = tower.ring
    marked = [ring.mul(column, ring.power(ring.gen(marker), j)) for j, column in enumerate(columns)]
    while len(marked) > 1:  # in pairs: a running sum would copy it once for every column
        pairs = zip(marked[::2], [*marked[1::2], *([ring.zero] if len(marked) % 2 else [])], strict=True)
        marked = [ring.add(a, b) for a, b in pairs]
    return marked[0] if marked else ring.zero


def rational_rows(tower: Tower, marked: fmpq_mpoly, marker: int) -> Iterator[dict[int, fmpq]]:
    """Yield the rows of a marked sum, with rational entries.

    Example:
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> marker = new_marker(tower)
        >>> list(rational_rows(tower, tower.gen(marker)*x + tower.gen(marker)**2*x/2, marker))
        [{2: 1/2, 1: 1}]
    """
    place = tower.ring.size - 1 - marker
    for piece, _ in settled(tower, marked, frozenset({marker})):
        tower.clock.allow(len(piece))
        groups: dict[tuple[int, ...], dict[int, fmpq]] = {}
        for exponents, value in piece.terms():
            key = exponents[:place] + exponents[place + 1 :]
            group = groups.get(key)
            if group is None:
                groups[key] = {exponents[place]: value}
            else:
                group[exponents[place]] = value
        yield from groups.values()


def kept_rows(tower: Tower, marked: fmpq_mpoly, marker: int, kept: frozenset[int]) -> Iterator[Row]:
    """Yield the rows of a marked sum, with entries in the kept generators and without their inverses."""
    ring = tower.ring
    last, context = ring.size - 1, ring.context
    place, places = last - marker, {last - i for i in kept}
    for piece, _ in settled(tower, marked, kept | {marker}):
        piece = tower.cleared(piece)[0]
        tower.clock.allow(len(piece))
        groups: dict[tuple[int, ...], dict[int, dict[tuple[int, ...], fmpq]]] = {}
        for exponents, value in piece.terms():
            inner = tuple(e if k in places else 0 for k, e in enumerate(exponents))
            outer = tuple(0 if k in places or k == place else e for k, e in enumerate(exponents))
            groups.setdefault(outer, {}).setdefault(exponents[place], {})[inner] = value
        for group in groups.values():
            yield {int(j): context.from_dict(entry) for j, entry in group.items()}
