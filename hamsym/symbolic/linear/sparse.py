"""What can be said about a sparse system by its pattern: columns that vanish, parts that do not meet, short rows."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from flint import fmpq

#: Column -> nonzero integer entry.
IntegerRow = dict[int, int]
#: Column -> nonzero entry of any kind.
RowT = TypeVar("RowT", bound=Mapping[int, Any])


def primitive(rows: Iterable[Mapping[int, fmpq]]) -> list[IntegerRow]:
    """Return the rows scaled to coprime integers, each row once, the shortest first.

    Example:
        >>> primitive([{0: fmpq(1, 2), 1: fmpq(1, 3)}, {0: fmpq(-3), 1: fmpq(-2)}, {1: fmpq(5)}])
        [{1: 1}, {0: 3, 1: 2}]
    """
    seen: dict[tuple[tuple[int, int], ...], None] = {}
    singles: set[int] = set()
    for row in rows:
        if len(row) == 1:
            singles.update(j for j, v in row.items() if v != 0)
            continue
        scale = 1
        for value in row.values():
            if value.q != 1:
                scale = math.lcm(scale, int(value.q))
        entries = sorted((j, int(v.p) * (scale // int(v.q))) for j, v in row.items() if v != 0)
        if not entries:
            continue
        content = math.gcd(*(v for _, v in entries))
        if entries[0][1] < 0:
            content = -content
        seen[tuple(entries) if content == 1 else tuple((j, v // content) for j, v in entries)] = None
    longer = sorted(seen, key=len)
    return [*({j: 1} for j in sorted(singles)), *map(dict, longer)]


def peeled(rows: list[IntegerRow]) -> tuple[set[int], list[IntegerRow]]:
    """Return the columns that vanish by rows of one entry, one after the other, and the rows that are left.

    Example:
        >>> peeled([{0: 1}, {0: 3, 1: 2}, {1: 1, 2: 1, 3: 1}])
        ({0, 1}, [{2: 1, 3: 1}])
    """
    where: dict[int, list[int]] = {}
    length = []
    for i, row in enumerate(rows):
        length.append(len(row))
        for j in row:
            where.setdefault(j, []).append(i)
    vanishing: set[int] = set()
    waiting = [i for i, n in enumerate(length) if n == 1]
    while waiting:
        i = waiting.pop()
        if length[i] != 1:
            continue
        column = next(j for j in rows[i] if j not in vanishing)
        vanishing.add(column)
        for k in where[column]:
            length[k] -= 1
            if length[k] == 1:
                waiting.append(k)
    left = [
        {j: v for j, v in row.items() if j not in vanishing} if n < len(row) else row
        for row, n in zip(rows, length, strict=True)
        if n
    ]
    return vanishing, left


def components(rows: list[IntegerRow]) -> list[tuple[list[int], list[IntegerRow]]]:
    """Return the parts of a system that share no column: their columns and rows.

    Conserved degrees and parities of a problem show up here by themselves.

    Example:
        >>> components([{0: 1, 2: 1}, {1: 1, 3: 1}, {2: 1, 4: 1}])
        [([0, 2, 4], [{0: 1, 2: 1}, {2: 1, 4: 1}]), ([1, 3], [{1: 1, 3: 1}])]
    """
    parent: dict[int, int] = {}

    def root(j: int) -> int:
        while parent[j] != j:
            parent[j] = j = parent[parent[j]]
        return j

    for row in rows:
        columns = iter(row)
        first = next(columns)
        first = root(parent.setdefault(first, first))
        for j in columns:
            parent[root(parent.setdefault(j, j))] = first
    parts: dict[int, tuple[list[int], list[IntegerRow]]] = {}
    for j in sorted(parent):
        parts.setdefault(root(j), ([], []))[0].append(j)
    for row in rows:
        parts[root(next(iter(row)))][1].append(row)
    return list(parts.values())


def by_column(rows: Mapping[int, Mapping[int, Any]]) -> dict[int, set[int]]:
    """Return column -> numbers of the rows in which it occurs.

    Example:
        >>> by_column({0: {1: 5, 2: 7}, 3: {2: 1}})
        {1: {0}, 2: {0, 3}}
    """
    where: dict[int, set[int]] = {}
    for i, row in rows.items():
        for j in row:
            where.setdefault(j, set()).add(i)
    return where


class ShortestFirst(Generic[RowT]):
    """Goes through rows, the shortest first, while an elimination changes and removes them.

    Arguments:
        rows: number -> row; read again at every step.

    Example:
        >>> rows = {0: {1: 1, 2: 1, 3: 1}, 1: {1: 1}, 2: {2: 1, 3: 1}}
        >>> queue, order = ShortestFirst(rows), []
        >>> for i, row in queue:
        ...     order.append(i)
        ...     if i == 1:
        ...         del rows[0][1], rows[0][2]
        ...         queue.changed([0])
        >>> order
        [1, 0, 2]
    """

    def __init__(self, rows: Mapping[int, RowT]) -> None:
        self.rows = rows
        self._heap = [(len(row), i) for i, row in rows.items()]
        heapq.heapify(self._heap)

    def changed(self, numbers: Iterable[int]) -> None:
        """Put rows back at the place of their new lengths."""
        for i in numbers:
            heapq.heappush(self._heap, (len(self.rows[i]), i))

    def __iter__(self) -> Iterator[tuple[int, RowT]]:
        while self._heap:
            length, i = heapq.heappop(self._heap)
            row = self.rows.get(i)
            if row is not None and len(row) == length:
                yield i, row
