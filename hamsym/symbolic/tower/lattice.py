"""Q-linear dependence of elements of the tower, modulo its relations."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mat, fmpq_mpoly, fmpz_mat

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


class Lattice:
    """A growing list of Q-linearly independent elements and the coordinates of others in it.

    Arguments:
        tower: the tower whose relations hold.

    Example:
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> import sympy as sp
        >>> tower = Tower(Clock(1.0))
        >>> x, y = (tower.symbol(sp.Symbol(n, real=True)) for n in "xy")
        >>> lattice = Lattice(tower)
        >>> lattice.append(x + y), lattice.append(x - y)
        (None, None)
        >>> lattice.coordinates(x)
        [Fraction(1, 2), Fraction(1, 2)]
        >>> lattice.coordinates(x*y) is None
        True
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.basis: list[fmpq_mpoly] = []

    def append(self, element: fmpq_mpoly) -> None:
        """Add an element that is independent of the basis."""
        self.basis.append(element)

    def settle(self, elements: list[fmpq_mpoly]) -> None:
        """Extend the basis such that the given elements have integer coordinates, if that is possible.

        A subset of the elements is taken if it will do; else the Hermite normal form of the integer matrix of
        their coordinates, divided by the common denominator, spans what they span.
        """
        old = len(self.basis)
        for element in sorted(elements, key=len):
            if self.coordinates(element) is None:
                self.append(element)
        rows = [self.coordinates(e) or [] for e in elements]
        if all(c.denominator == 1 for row in rows for c in row):
            return
        common = math.lcm(*(c.denominator for row in rows for c in row))
        # New columns first: rows of the form that vanish there lie in the old lattice, which stays as it is.
        form = fmpz_mat([[int(c * common) for c in row[old:] + row[:old]] for row in rows]).hnf()
        subset = self.basis[old:] + self.basis[:old]
        new = len(self.basis) - old
        self.basis = self.basis[:old]
        for i in range(new):
            terms = (b * fmpq(int(form[i, j]), common) for j, b in enumerate(subset))
            self.basis.append(self.tower.ring.sum(terms))

    def coordinates(self, element: fmpq_mpoly) -> list[Fraction] | None:
        """Return the rational coordinates of an element in the basis, None if it is independent of it."""
        if not self.basis:
            return [] if self.tower.reduce(element).is_zero() else None
        columns = common_numerators(self.tower, [*self.basis, element])
        return solve(columns[:-1], columns[-1])


def common_numerators(tower: Tower, elements: list[fmpq_mpoly]) -> list[dict[tuple[int, ...], fmpq]]:
    """Return the elements as vectors over monomials, after multiplication by one common denominator."""
    cleared = [tower.cleared(e) for e in elements]
    highest: dict[int, int] = {}
    for _, powers in cleared:
        for index, m in powers.items():
            highest[index] = max(highest.get(index, 0), m)
    vectors = []
    for numerator, powers in cleared:
        for index, m in highest.items():
            if missing := m - powers.get(index, 0):
                factor = tower.ring.power(tower.extensions[index].arguments[0], missing)
                numerator = tower.ring.mul(numerator, factor)
        vectors.append(tower.reduce(numerator))
    return [tower.ring.lift(v).to_dict() for v in vectors]


def solve(
    columns: list[dict[tuple[int, ...], fmpq]], target: dict[tuple[int, ...], fmpq]
) -> list[Fraction] | None:
    """Return rational x with Σ x_i columns_i = target for independent columns, None if there is none."""
    monomials = sorted({m for c in columns for m in c})
    if any(m not in set(monomials) for m in target):
        return None
    rows = [[c.get(m, fmpq(0)) for c in columns] + [target.get(m, fmpq(0))] for m in monomials]
    reduced, rank = fmpq_mat(rows).rref()
    n = len(columns)
    solution = [Fraction(0)] * n
    for i in range(rank):
        pivot = next(j for j in range(n + 1) if reduced[i, j] != 0)
        if pivot == n:
            return None
        value = reduced[i, n]
        solution[pivot] = Fraction(int(value.p), int(value.q))
    return solution
