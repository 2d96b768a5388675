"""Point masses in the plane or in space: their phase space and what moving and turning all of them conserves."""

from __future__ import annotations

from hamsym.data.systems.writing import over
from hamsym.symbolic.phase_space import PhaseSpace


def cartesian(n: int, d: int, parameters: dict[str, str], time: str | None = None) -> PhaseSpace:
    """Return the space of n bodies in d dimensions, body by body.

    Example:
        >>> cartesian(2, 2, {})
        PhaseSpace(q=(x1, y1, x2, y2), p=(px1, py1, px2, py2))
    """
    names = [f"{a}{i}" for i in range(1, n + 1) for a in "xyz"[:d]]
    return PhaseSpace(names, [f"p{name}" for name in names], parameters=parameters, time=time)


def square_distance(d: int) -> str:
    """Return the squared Euclidean distance of the bodies i and j.

    Example:
        >>> square_distance(2)
        '((x[i] - x[j])**2 + (y[i] - y[j])**2)'
    """
    return "(" + " + ".join(f"({a}[i] - {a}[j])**2" for a in "xyz"[:d]) + ")"


def square_momentum(d: int) -> str:
    """Return the squared momentum of the body i.

    Example:
        >>> square_momentum(2)
        '(px[i]**2 + py[i]**2)'
    """
    return "(" + " + ".join(f"p{a}[i]**2" for a in "xyz"[:d]) + ")"


def total_momenta(n: int, d: int) -> dict[str, str]:
    """Return the components of the total momentum and of the total angular momentum, by what they are.

    Example:
        >>> total_momenta(2, 2)["total momentum x"]
        'Sum(px[i], (i, 1, 2))'
        >>> list(total_momenta(2, 2))
        ['total momentum x', 'total momentum y', 'angular momentum']
    """
    known = {f"total momentum {a}": over(f"p{a}[i]", 1, n) for a in "xyz"[:d]}
    for a, b, about in [("x", "y", "")] if d == 2 else [("y", "z", " x"), ("z", "x", " y"), ("x", "y", " z")]:
        known[f"angular momentum{about}"] = over(f"{a}[i]*p{b}[i] - {b}[i]*p{a}[i]", 1, n)
    return known
