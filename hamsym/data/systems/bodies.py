"""Point masses in the plane or in space: their phase space and what moving and turning all of them conserves."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from hamsym.symbolic.space import PhaseSpace

#: One tuple of Cartesian components for each body.
Vectors = list[tuple[sp.Symbol, ...]]


def cartesian(
    n: int, d: int, parameters: dict[str, str], time: str | None = None
) -> tuple[PhaseSpace, Vectors, Vectors]:
    """Return the space of n bodies in d dimensions, body by body, and its coordinates and momenta by body.

    Example:
        >>> space, q, p = cartesian(2, 2, {})
        >>> q, p
        ([(x1, y1), (x2, y2)], [(px1, py1), (px2, py2)])
    """
    names = [f"{a}{i}" for i in range(1, n + 1) for a in "xyz"[:d]]
    space = PhaseSpace(names, [f"p{name}" for name in names], parameters=parameters, time=time)
    by_body = ([some[i : i + d] for i in range(0, n * d, d)] for some in (space.coordinates, space.momenta))
    q, p = by_body
    return space, q, p


def square_distance(a: Sequence[sp.Expr], b: Sequence[sp.Expr]) -> sp.Expr:
    """Return the squared Euclidean distance.

    Example:
        >>> square_distance(sp.symbols("x1 y1"), sp.symbols("x2 y2"))
        (x1 - x2)**2 + (y1 - y2)**2
    """
    return sp.Add(*((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def total_momenta(q: Vectors, p: Vectors) -> dict[str, sp.Expr]:
    """Return the components of the total momentum and of the total angular momentum, by what they are.

    Example:
        >>> _, q, p = cartesian(2, 2, {})
        >>> total_momenta(q, p)["total momentum x"]
        px1 + px2
        >>> list(total_momenta(q, p))
        ['total momentum x', 'total momentum y', 'angular momentum']
    """
    d = len(q[0])
    known = {f"total momentum {'xyz'[a]}": sp.Add(*(body[a] for body in p)) for a in range(d)}
    for a, b in [(0, 1)] if d == 2 else [(1, 2), (2, 0), (0, 1)]:
        label = "angular momentum" + (f" {'xyz'[3 - a - b]}" if d == 3 else "")
        known[label] = sp.Add(*(x[a] * v[b] - x[b] * v[a] for x, v in zip(q, p, strict=True)))
    return known
