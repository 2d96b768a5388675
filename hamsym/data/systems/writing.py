"""Formulas that many systems share, as text in the names q1, q2, … and p1, p2, …"""

from __future__ import annotations

from collections.abc import Iterable

#: Sites of the longest chain or lattice, and particles of the largest system in which each pair interacts.
LONGEST, MOST_PARTICLES = 100_000, 10_000

#: Cartesian angular momentum about the three axes of q1, q2, q3.
ROTATIONS = ("(q2*p3 - q3*p2)", "(q3*p1 - q1*p3)", "(q1*p2 - q2*p1)")


def squares(name: str, n: int) -> str:
    """Return the sum of squares in parentheses.

    Example:
        >>> squares("p", 2)
        '(p1**2 + p2**2)'
    """
    return total(f"{name}{i}**2" for i in range(1, n + 1))


def total(terms: Iterable[str]) -> str:
    """Return the sum of terms in parentheses.

    Example:
        >>> total(["q1", "q2"])
        '(q1 + q2)'
    """
    return f"({' + '.join(terms)})"


def rotation(i: int, j: int) -> str:
    """Return the angular momentum in the plane of two coordinates, counted from 1.

    Example:
        >>> rotation(1, 2)
        '(q1*p2 - q2*p1)'
    """
    return f"(q{i}*p{j} - q{j}*p{i})"


def pairs(n: int) -> list[tuple[int, int]]:
    """Return all i < j, counted from 1.

    Example:
        >>> pairs(3)
        [(1, 2), (1, 3), (2, 3)]
    """
    return [(i, j) for i in range(1, n + 1) for j in range(i + 1, n + 1)]


def over(summand: str, first: int, last: int) -> str:
    """Return the sum of what is written with the index i, without terms 0.

    Example:
        >>> over("p[i]**2/2", 1, 64), over("q[i]", 1, 0)
        ('Sum(p[i]**2/2, (i, 1, 64))', '0')
    """
    return f"Sum({summand}, (i, {first}, {last}))" if first <= last else "0"


def over_pairs(summand: str, n: int) -> str:
    """Return the sum over all i < j, counted from 1, of what is written with these indices.

    Example:
        >>> over_pairs("cos(q[i] - q[j])", 9)
        'Sum(cos(q[i] - q[j]), (j, i + 1, 9), (i, 1, 8))'
    """
    return f"Sum({summand}, (j, i + 1, {n}), (i, 1, {n - 1}))"
