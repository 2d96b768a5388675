"""Invariant quadratic forms and their signatures, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flint import fmpq

from hamsym.symbolic.structure.constants import Structure
from hamsym.symbolic.structure.elimination import Vector

#: A symmetric matrix as a list of rows.
Form = list[Vector]


def killing_form(algebra: Structure) -> Form:
    """Return K(e_i, e_j) = trace(ad_i ad_j).

    Source: Humphreys, Introduction to Lie Algebras and Representation Theory, section 5.1.

    Example:
        >>> one = fmpq(1)
        >>> rotations = Structure({(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}}, 3)
        >>> killing_form(rotations)
        [{0: -2}, {1: -2}, {2: -2}]
    """
    n, ad = algebra.dimension, algebra.ad
    form: Form = [{} for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            total: Any = fmpq(0)
            for k in range(n):
                for m, c in ad[j][k].items():
                    if k in ad[i][m]:
                        total = total + c * ad[i][m][k]
            if total:
                form[i][j] = form[j][i] = total
    return form


def sign(x: Any) -> int:
    """Return the sign of an exact number: 1, 0 or -1.

    Raises:
        UndecidedError: for a function of parameters that takes both signs.
    """
    if isinstance(x, (fmpq, int)):
        return (x > 0) - (x < 0)
    return int(x.sign())


def diagonal(form: Sequence[Vector]) -> list[Any]:
    """Return the nonzero entries of a diagonal form that is congruent to a symmetric one.

    Completing squares (Lagrange): no eigenvalue is ever computed.

    Example:
        >>> diagonal([{1: fmpq(1)}, {0: fmpq(1)}])
        [2, -1/2]
    """
    rows = {i: dict(row) for i, row in enumerate(form) if row}
    found = []
    while rows:
        squares = (i for i in rows if i in rows[i])  # numbers first: their signs are known
        pivot = min(squares, key=lambda i: not isinstance(rows[i][i], fmpq), default=None)
        if pivot is None:  # no square: replace e_i by e_i + e_j with B(e_i, e_j) != 0
            pivot = next(iter(rows))
            other = next(iter(rows[pivot]))
            _add(rows, pivot, other)
        value = rows[pivot][pivot]
        found.append(value)
        row = rows.pop(pivot)
        del row[pivot]
        for i, a in row.items():
            for j, b in row.items():
                entry = rows[i][j] - a * b / value if j in rows[i] else -(a * b / value)
                if entry:
                    rows[i][j] = entry
                else:
                    rows[i].pop(j, None)
            rows[i].pop(pivot)
        rows = {i: r for i, r in rows.items() if r}
    return found


def _add(rows: dict[int, Vector], i: int, j: int) -> None:
    """Replace the basis vector e_i by e_i + e_j; both squares are zero before."""
    square = 2 * rows[i][j]
    for k, value in list(rows[j].items()):
        if k == i:
            continue
        entry = rows[i][k] + value if k in rows[i] else value
        if entry:
            rows[i][k] = rows[k][i] = entry
        else:
            rows[i].pop(k, None)
            rows[k].pop(i, None)
    rows[i][i] = square


def signature(form: Sequence[Vector]) -> tuple[int, int, int]:
    """Return the numbers of positive, negative and zero squares of a symmetric form.

    Raises:
        UndecidedError: if they depend on the values of parameters.

    Example:
        >>> signature([{1: fmpq(1)}, {0: fmpq(1)}, {}])
        (1, 1, 1)
    """
    signs = [sign(value) for value in diagonal(form)]
    positive, negative = signs.count(1), signs.count(-1)
    return positive, negative, len(form) - positive - negative
