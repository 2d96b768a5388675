"""Kernels of sparse matrices modulo a prime of one machine word: sparse pivots first, the dense rest in C.

Pivots are taken by Markowitz' rule (a short row, in it a short column), which keeps the fill-in small.
Source: Duff, Erisman, Reid, Direct Methods for Sparse Matrices, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable

from flint import nmod_mat

from hamsym.symbolic.linear.sparse import IntegerRow, ShortestFirst, by_column

#: Column -> nonzero residue.
Vector = dict[int, int]
#: The rest of a system goes to dense arithmetic when this part of its entries is nonzero, or it has few columns.
DENSITY, FEW_COLUMNS = 0.08, 40
#: Pivots between two looks at the density and the clock.
STRIDE = 32


def kernel(
    rows: list[IntegerRow], columns: list[int], prime: int, check: Callable[[], None]
) -> dict[int, Vector]:
    """Return the kernel of a matrix modulo a prime: last column of each vector -> vector, in echelon form.

    Each vector is 1 at its last column, and all others are 0 there, so the form is unique.

    Arguments:
        rows: the matrix.
        columns: its columns, ascending.
        prime: a prime below 2**63.
        check: called now and then; may raise.

    Example:
        >>> kernel([{0: 1, 1: 1, 2: 2}, {0: 1, 1: -1}], [0, 1, 2], 101, lambda: None)
        {2: {0: 100, 1: 100, 2: 1}}
    """
    elimination = _Elimination(rows, prime, check)
    solved = elimination.solve(columns)
    vectors: dict[int, Vector] = {}
    for j in columns:
        for free, value in solved[j].items():
            vectors.setdefault(free, {})[j] = value
    return _echelon(list(vectors.values()), prime)


class _Elimination:
    """Rows that still have to be used, and the pivots that were taken from them."""

    def __init__(self, rows: list[IntegerRow], prime: int, check: Callable[[], None]) -> None:
        self.prime, self.check = prime, check
        reduced = ({j: r for j, v in row.items() if (r := v % prime)} for row in rows)
        self.rows: dict[int, Vector] = {i: row for i, row in enumerate(reduced) if row}
        self.where = by_column(self.rows)
        self.pivots: list[tuple[int, Vector]] = []

    def solve(self, columns: list[int]) -> dict[int, Vector]:
        """Return every column as a combination of free columns."""
        self._take_sparse_pivots()
        dense = self._dense_pivots()
        pivots = {j for j, _ in self.pivots} | set(dense)
        solved: dict[int, Vector] = {j: {j: 1} for j in columns if j not in pivots}
        for j, row in dense.items():
            solved[j] = {k: self.prime - v for k, v in row.items()}
        for turn, (j, row) in enumerate(reversed(self.pivots)):
            if turn % STRIDE == 0:
                self.check()
            total: Vector = {}
            for k, v in row.items():
                for free, value in solved[k].items():
                    total[free] = total.get(free, 0) - v * value
            solved[j] = {free: r for free, value in total.items() if (r := value % self.prime)}
        return solved

    def _take_sparse_pivots(self) -> None:
        queue = ShortestFirst(self.rows)
        for i, row in queue:
            if len(self.pivots) % STRIDE == 0 and self._is_dense():
                return
            queue.changed(self._eliminate(i, row))

    def _is_dense(self) -> bool:
        self.check()
        entries = sum(map(len, self.rows.values()))
        columns = sum(1 for rows in self.where.values() if rows)
        return columns <= FEW_COLUMNS or entries > DENSITY * columns * len(self.rows)

    def _eliminate(self, i: int, row: Vector) -> list[int]:
        """Solve a row for one of its columns, put that into all other rows; return those that are left."""
        prime, where = self.prime, self.where
        pivot = min(row, key=lambda j: len(where[j]))
        for j in row:
            where[j].discard(i)
        del self.rows[i]
        inverse = pow(row.pop(pivot), -1, prime)
        solved = {j: v * inverse % prime for j, v in row.items()} if inverse != 1 else row
        self.pivots.append((pivot, solved))
        changed = []
        for k in where.pop(pivot):
            target = self.rows[k]
            factor = target.pop(pivot)
            for j, v in solved.items():
                old = target.get(j)
                if old is None:
                    target[j] = -factor * v % prime
                    where[j].add(k)
                else:
                    new = (old - factor * v) % prime
                    if new:
                        target[j] = new
                    else:
                        del target[j]
                        where[j].discard(k)
            if target:
                changed.append(k)
            else:
                del self.rows[k]
        return changed

    def _dense_pivots(self) -> dict[int, Vector]:
        """Return pivot column -> rest of its row, of the reduced echelon form of what is left."""
        columns = sorted(j for j, rows in self.where.items() if rows)
        if not columns:
            return {}
        place = {j: k for k, j in enumerate(columns)}
        width = len(columns)
        waiting = list(self.rows.values())
        step = width + 32  # rows beyond the rank fall away as early as possible
        reduced, rank = nmod_mat(0, width, self.prime), 0
        while waiting:
            self.check()
            batch, waiting = waiting[:step], waiting[step:]
            entries: list[int] = [int(v) for v in reduced.entries()[: rank * width]]
            for row in batch:
                line = [0] * width
                for j, v in row.items():
                    line[place[j]] = v
                entries += line
            reduced, rank = nmod_mat(rank + len(batch), width, entries, self.prime).rref()
        found = {}
        for residues in reduced.tolist()[:rank]:
            nonzero = {columns[k]: int(v) for k, v in enumerate(residues) if v != 0}
            pivot = min(nonzero)
            del nonzero[pivot]
            found[pivot] = nonzero
        return found


def _echelon(vectors: list[Vector], prime: int) -> dict[int, Vector]:
    """Bring vectors to the form in which each is 1 at its last column and the others are 0 there."""
    if len(vectors) == 1:
        vector = vectors[0]
        last = max(vector)
        inverse = pow(vector[last], -1, prime)
        return {last: {j: v * inverse % prime for j, v in sorted(vector.items())}}
    lasts = [max(v) for v in vectors]
    if len(set(lasts)) == len(lasts) and all(
        v[j] == 1 and not (v.keys() & set(lasts)) - {j} for v, j in zip(vectors, lasts, strict=True)
    ):
        return {j: dict(sorted(v.items())) for j, v in sorted(zip(lasts, vectors, strict=True))}
    columns = sorted(set().union(*vectors), reverse=True)
    lines = [[vector.get(j, 0) for j in columns] for vector in vectors]
    reduced, rank = nmod_mat(lines, prime).rref()
    found = {}
    for line in reduced.tolist()[:rank]:
        nonzero = {columns[k]: int(v) for k, v in enumerate(line) if v != 0}
        found[max(nonzero)] = dict(sorted(nonzero.items()))
    return dict(sorted(found.items()))
