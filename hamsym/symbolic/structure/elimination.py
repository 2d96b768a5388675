"""Sparse Gaussian elimination over any exact field: rationals, or rational functions of parameters.

Subspaces of a Lie algebra are small and grow vector by vector, so they are kept reduced at every step, and field
operations are all that is asked of their entries.  Large systems that are known at once are solved in
:mod:`hamsym.symbolic.linear`, faster for what it knows of its entries: residues of machine words with pivots chosen
for sparseness over Q, polynomials without fractions over a field of parameters.  Nothing of one serves the other but
the nullspace over Q, which :func:`kernel` takes from there.

A vector is a dict of index to nonzero entry.  Entries are anything with ``+ - * /`` and a truth value that tells
zero exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from flint import fmpq

from hamsym.symbolic.linear import nullspace

#: Index to nonzero entry.
Vector: TypeAlias = dict[int, Any]


def plus(v: Vector, w: Vector, factor: Any = 1) -> Vector:
    """Return v + factor·w.

    Example:
        >>> plus({0: fmpq(1), 1: fmpq(2)}, {1: fmpq(1)}, -2)
        {0: 1}
    """
    total = dict(v)
    for k, entry in w.items():
        value = total[k] + factor * entry if k in total else factor * entry
        if value:
            total[k] = value
        else:
            total.pop(k, None)
    return total


def accumulate(row: Vector, place: int, value: Any) -> None:
    """Add a value to one entry of a vector, in place."""
    total = row[place] + value if place in row else value
    if total:
        row[place] = total
    else:
        row.pop(place, None)


def scaled(v: Vector, factor: Any) -> Vector:
    """Return factor·v for a factor that is not zero."""
    return {k: factor * entry for k, entry in v.items()}


def combination(coefficients: Vector, vectors: Sequence[Vector]) -> Vector:
    """Return Σ coefficients[j] · vectors[j]."""
    total: Vector = {}
    for j, factor in coefficients.items():
        total = plus(total, vectors[j], factor)
    return total


class Echelon:
    """A subspace, kept as its reduced echelon basis.

    Arguments:
        vectors: what spans it.

    Attributes:
        heads: what was divided by: where none of these vanishes, the dimension is as found.

    Example:
        >>> plane = Echelon([{0: fmpq(2), 1: fmpq(2)}, {1: fmpq(3)}, {0: fmpq(1)}])
        >>> plane.basis, {0: fmpq(5)} in plane, {2: fmpq(1)} in plane
        ([{0: 1}, {1: 1}], True, False)
    """

    def __init__(self, vectors: Iterable[Vector] = ()) -> None:
        self._rows: dict[int, Vector] = {}
        self.heads: list[Any] = []
        for v in vectors:
            self.add(v)

    def reduce(self, v: Vector) -> Vector:
        """Return what is left of a vector after the basis was subtracted from it."""
        rest = dict(v)
        for pivot in [k for k in v if k in self._rows]:  # no row holds the pivot of another
            rest = plus(rest, self._rows[pivot], -v[pivot])
        return rest

    def add(self, v: Vector) -> bool:
        """Enlarge the subspace by a vector; tell whether it became larger."""
        rest = self.reduce(v)
        if not rest:
            return False
        pivot = min(rest)
        self.heads.append(rest[pivot])
        row = scaled(rest, 1 / rest[pivot])
        for other, old in self._rows.items():
            if pivot in old:
                self._rows[other] = plus(old, row, -old[pivot])
        self._rows[pivot] = row
        return True

    def coordinates(self, v: Vector) -> Vector:
        """Return the coordinates of a vector of the subspace in :attr:`basis`."""
        return {place: v[pivot] for place, pivot in enumerate(self.pivots) if pivot in v}

    @property
    def pivots(self) -> list[int]:
        """The leading index of each basis vector."""
        return sorted(self._rows)

    @property
    def basis(self) -> list[Vector]:
        """The reduced echelon basis."""
        return [self._rows[pivot] for pivot in self.pivots]

    @property
    def dimension(self) -> int:
        """Number of basis vectors."""
        return len(self._rows)

    def __contains__(self, v: Vector) -> bool:
        return not self.reduce(v)

    def __iter__(self) -> Iterator[Vector]:
        return iter(self.basis)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Echelon) and self.basis == other.basis

    __hash__ = None  # type: ignore[assignment]


def kernel(rows: Sequence[Vector], unknowns: int) -> list[Vector]:
    """Return the reduced echelon basis of the vectors c with Σ c_j row[j] = 0 for every row.

    Example:
        >>> kernel([{0: fmpq(1), 2: fmpq(2)}], 3)
        [{0: 1, 2: -1/2}, {1: 1}]
    """
    if all(isinstance(entry, fmpq) for row in rows for entry in row.values()):
        return Echelon(nullspace(rows, unknowns)).basis
    span = Echelon(row for row in rows if row)
    pivots = set(span.pivots)
    basis: list[Vector] = []
    for free in (j for j in range(unknowns) if j not in pivots):
        vector: Vector = {free: fmpq(1)}
        for pivot, row in zip(span.pivots, span.basis, strict=True):
            if free in row:
                vector[pivot] = -row[free]
        basis.append(vector)
    return Echelon(basis).basis


def multiply(a: Sequence[Vector], b: Sequence[Vector]) -> list[Vector]:
    """Return the product of two square matrices given as lists of columns."""
    return [combination(column, a) for column in b]


def intersection(u: Echelon, v: Echelon) -> Echelon:
    """Return the intersection of two subspaces.

    Example:
        >>> plane, other = Echelon([{0: fmpq(1)}, {1: fmpq(1)}]), Echelon([{1: fmpq(1), 2: fmpq(1)}, {0: fmpq(1)}])
        >>> intersection(plane, other).basis
        [{0: 1}]
    """
    ours, theirs = u.basis, v.basis
    columns = [*ours, *(scaled(w, -1) for w in theirs)]
    found = kernel(transposed(columns), len(columns))
    return Echelon(combination({j: c for j, c in v.items() if j < len(ours)}, ours) for v in found)


def transposed(columns: Sequence[Vector]) -> list[Vector]:
    """Return the rows of a matrix given by columns, without the empty ones.

    Example:
        >>> transposed([{3: 1}, {3: 2, 5: 1}])
        [{0: 1, 1: 2}, {1: 1}]
    """
    rows: dict[int, Vector] = {}
    for j, column in enumerate(columns):
        for i, entry in column.items():
            rows.setdefault(i, {})[j] = entry
    return list(rows.values())
