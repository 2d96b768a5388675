"""Modules of Lie algebras: invariant forms, commutants, faithfulness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from functools import cached_property

from hamsym.symbolic.structure import Echelon, Structure, Vector
from hamsym.symbolic.structure.elimination import accumulate, combination, kernel, transposed


class Module:
    """The module top/bottom of two ideals, acted on by elements of an algebra.

    Arguments:
        algebra: the algebra.
        elements: those that act.
        top, bottom: ideals, the second within the first.
    """

    def __init__(self, algebra: Structure, elements: Sequence[Vector], top: Echelon, bottom: Echelon) -> None:
        span = Echelon(v for w in top if (v := bottom.reduce(w)))
        self.basis = span.basis
        self.dimension = span.dimension
        self.matrices = [
            [span.coordinates(bottom.reduce(algebra.bracket(x, v))) for v in self.basis] for x in elements
        ]

    def matrix(self, coefficients: Vector) -> list[Vector]:
        """Return the matrix of Σ coefficients[i] · elements[i], as columns."""
        return [
            combination(coefficients, [columns[j] for columns in self.matrices])
            for j in range(self.dimension)
        ]

    def restricted(self, elements: Iterable[Vector]) -> Module:
        """Return the module of some combinations of the elements."""
        module = copy(self)
        module.__dict__ = {"basis": self.basis, "dimension": self.dimension}
        module.matrices = [self.matrix(v) for v in elements]
        return module

    @cached_property
    def is_faithful(self) -> bool:
        """Whether no combination of the elements acts as zero."""
        n = self.dimension
        flat = [
            {j * n + i: c for j, column in enumerate(m) for i, c in column.items()} for m in self.matrices
        ]
        return not kernel(transposed(flat), len(flat))

    def forms(self, symmetry: int) -> list[list[Vector]]:
        """Return a basis of the invariant bilinear forms, symmetric (1) or alternating (-1), as rows."""
        n = self.dimension
        pairs = [(i, j) for i in range(n) for j in range(i if symmetry == 1 else i + 1, n)]
        place = {pair: k for k, pair in enumerate(pairs)}
        rows: list[Vector] = []
        for columns in self.matrices:
            for u in range(n):
                for v in range(n):  # B(Mu, v) + B(u, Mv) = 0
                    row: Vector = {}
                    for i, c in columns[u].items():
                        _enter(row, place, i, v, c, symmetry)
                    for j, c in columns[v].items():
                        _enter(row, place, u, j, c, symmetry)
                    if row:
                        rows.append(row)
        found = []
        for solution in kernel(rows, len(pairs)):
            form: list[Vector] = [{} for _ in range(n)]
            for k, c in solution.items():
                i, j = pairs[k]
                form[i][j], form[j][i] = c, c if symmetry == 1 else -c
            found.append(form)
        return found

    @cached_property
    def commutant_dimension(self) -> int:
        """Dimension of the linear maps that commute with the action."""
        n = self.dimension
        rows: dict[tuple[int, int, int], Vector] = {}
        for a, columns in enumerate(self.matrices):
            for j, column in enumerate(columns):
                for k, c in column.items():  # (M X - X M)_ij with X_kj at place k*n + j
                    for m in range(n):
                        accumulate(rows.setdefault((a, k, m), {}), j * n + m, c)
                        accumulate(rows.setdefault((a, m, j), {}), m * n + k, -c)
        return len(kernel([row for row in rows.values() if row], n * n))

    @cached_property
    def invariants_dimension(self) -> int:
        """Dimension of what all elements send to zero."""
        rows = [row for columns in self.matrices for row in transposed(columns)]
        return len(kernel(rows, self.dimension))


def _enter(row: Vector, place: dict[tuple[int, int], int], i: int, j: int, c: object, symmetry: int) -> None:
    if i <= j:
        key, factor = (i, j), 1
    else:
        key, factor = (j, i), symmetry
    if key in place:
        accumulate(row, place[key], factor * c)  # type: ignore[operator]


def is_nondegenerate(form: Sequence[Vector]) -> bool:
    """Whether only zero is orthogonal to everything."""
    return not kernel([row for row in form if row], len(form))


def is_heisenberg(algebra: Structure) -> bool:
    """Whether the algebra is a Heisenberg algebra.

    If [L, L] is one-dimensional and is the centre, the bracket is a nondegenerate alternating form on L modulo the
    centre, and such a form has a symplectic basis.

    Example:
        >>> from flint import fmpq
        >>> is_heisenberg(Structure({(0, 1): {2: fmpq(1)}}, 3))
        True
    """
    return algebra.derived.dimension == 1 and algebra.centre == algebra.derived
