"""Exact linear algebra over the rationals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flint import fmpq, fmpq_mat


def nullspace(rows: Sequence[Mapping[int, fmpq]], unknowns: int) -> list[dict[int, fmpq]]:
    """Return a basis of the vectors c with Σ c_j row[j] = 0 for every row, in reduced echelon form.

    Arguments:
        rows: column -> nonzero entry.
        unknowns: number of columns.

    Example:
        >>> nullspace([{0: fmpq(1), 1: fmpq(1), 2: fmpq(2)}, {0: fmpq(1), 1: fmpq(-1)}], 3)
        [{2: 1, 0: -1, 1: -1}]
    """
    matrix = fmpq_mat(len(rows), unknowns)
    for i, row in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = value
    reduced, rank = matrix.rref()
    pivots: list[int] = []
    for i in range(rank):
        pivots.append(next(j for j in range(pivots[-1] + 1 if pivots else 0, unknowns) if reduced[i, j] != 0))
    basis = []
    for free in sorted(set(range(unknowns)) - set(pivots)):
        vector = {free: fmpq(1)}
        for i, pivot in enumerate(pivots):
            if reduced[i, free] != 0:
                vector[pivot] = -reduced[i, free]
        basis.append(vector)
    return basis
