"""Calogero's particles in a harmonic trap, with integrals from the powers of a complex matrix."""

from __future__ import annotations

from typing import Any, TypeAlias

import sympy as sp

from hamsym.data.systems.drawing import line
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Facts
from hamsym.data.systems.writing import MOST_PARTICLES, over, over_pairs, pairs
from hamsym.symbolic.phase_space import PhaseSpace

#: The largest size at which all integrals were proved to be conserved and to commute.
ALL_UP_TO = 3

#: Real and imaginary part of a square matrix of polynomials.
_Matrix: TypeAlias = tuple[list[list[Any]], list[list[Any]]]


@entry(
    "particles on a line that repel with the inverse square, in a trap",
    n=Size("number of particles", 3, 2, MOST_PARTICLES),
)
def calogero(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive", "w": "positive"})
    traces = _traces(space) if n <= ALL_UP_TO else []
    commuting = {f"trace of order {k}": trace for k, trace in enumerate(traces, start=2)}
    momentum, moment = over("p[i]", 1, n), over("q[i]", 1, n)
    centre = {"energy of the centre of mass": f"({momentum}**2 + w**2*{moment}**2)/2"}
    return Facts(
        space,
        f"{over('(p[i]**2 + w**2*q[i]**2)/2', 1, n)} + {over_pairs('g**2/(q[i] - q[j])**2', n)}",
        {"g": 1.0, "w": 1.0},
        "Calogero, Journal of Mathematical Physics 12 (1971) 419; Perelomov, Integrable Systems of Classical "
        "Mechanics and Lie Algebras",
        line(n, 1.2, 0.5),
        commuting | centre,
        rank=2 + len(commuting),
        involution=(ENERGY, *(commuting or centre)),
    )


def _traces(space: PhaseSpace) -> list[sp.Expr]:
    """tr (A⁺A⁻)^k for k = 2 … n, with A± = L ± iwQ, where L is Moser's matrix and Q = diag(q)."""
    n, (g, w) = space.dof, space.parameters.values()
    bonds = pairs(n)
    names = [s.name for s in space.variables] + ["w"] + [f"x{i}_{j}" for i, j in bonds]
    ring, *generators = sp.ring(names, sp.QQ)
    q, p, frequency, x = generators[:n], generators[n : 2 * n], generators[2 * n], generators[2 * n + 1 :]
    momenta, turning, trap = ([[ring.zero] * n for _ in range(n)] for _ in range(3))
    for i in range(n):
        momenta[i][i], trap[i][i] = p[i], frequency * q[i]
    for (i, j), difference in zip(bonds, x, strict=True):
        turning[i - 1][j - 1], turning[j - 1][i - 1] = difference, -difference
    step = power = _product((momenta, _sum(turning, trap)), (momenta, _sum(turning, trap, -1)))
    values = [*space.variables, w]
    values += [g / (space.coordinates[i - 1] - space.coordinates[j - 1]) for i, j in bonds]
    found = []
    for _ in range(2, n + 1):
        power = _product(power, step)
        found.append(sum((power[0][i][i] for i in range(n)), ring.zero).as_expr(*values))
    return found


def _sum(a: list[list[Any]], b: list[list[Any]], sign: int = 1) -> list[list[Any]]:
    return [[x + sign * y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


def _product(a: _Matrix, b: _Matrix) -> _Matrix:
    def times(x: list[list[Any]], y: list[list[Any]]) -> list[list[Any]]:
        columns = list(zip(*y, strict=True))
        return [
            [sum((s * t for s, t in zip(row, column, strict=True)), 0 * row[0]) for column in columns]
            for row in x
        ]

    return _sum(times(a[0], b[0]), times(a[1], b[1]), -1), _sum(times(a[0], b[1]), times(a[1], b[0]))
