"""Elements as the columns of an exact linear system: which combinations of them vanish?

Column j is multiplied by the j-th power of a marker, a free generator, and everything is brought to normal form
at once.  What must vanish are then polynomials in the marker, and each of them is one row of the system.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy as sp
from flint import fmpq_mpoly

from hamsym.symbolic.tower.normal import conditions

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
    ring = tower.ring
    marker = tower.number(sp.Dummy("column"))
    marked = [ring.mul(column, ring.power(ring.gen(marker), j)) for j, column in enumerate(columns)]
    while len(marked) > 1:  # in pairs: a running sum would copy it once for every column
        pairs = zip(marked[::2], [*marked[1::2], *([ring.zero] if len(marked) % 2 else [])], strict=True)
        marked = [ring.add(a, b) for a, b in pairs]
    if not marked:
        return []
    found = conditions(tower, marked[0], kept | {marker})
    return [ring.coefficients(piece, marker) for piece in found]
