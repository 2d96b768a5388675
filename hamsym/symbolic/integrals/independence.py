"""Certified linear independence of the monomials of an ansatz and of their derivatives along flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp
from flint import arb

from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals.ansatz import Ansatz, Exponents
from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.samples import Values, is_invertible, tables
from hamsym.symbolic.zero_test.tape import Run

#: Functions that are compared at most; working precision in bits.
LARGEST, BITS = 400, 1024


def are_independent(expressions: Sequence[sp.Expr], space: Space, clock: tw.Clock) -> bool:
    """Tell whether expressions are certainly linearly independent over the numbers.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> are_independent([space.parse(t) for t in ("1", "q1", "cos(q1)")], space, tw.Clock(1.0))
        True
        >>> are_independent([space.parse(t) for t in ("1", "sin(q1)**2", "cos(q1)**2")], space, tw.Clock(1.0))
        False
    """
    return _invertible(
        expressions,
        space,
        len(expressions),
        lambda run: [[run.value(k) for k in range(len(expressions))]],
        clock,
    )


def is_certain(
    ansatz: Ansatz,
    columns: Sequence[Exponents],
    pivots: Sequence[int],
    functions: Sequence[sp.Expr],
    clock: tw.Clock,
) -> bool:
    """Tell whether monomials and 1 are certainly independent, and so are the derivatives of some along the flows.

    Arguments:
        ansatz: its entries are what the monomials are formed of.
        columns: the monomials.
        pivots: places of the monomials whose derivatives are looked at.
        functions: the functions that generate the flows.
        clock: the deadline.
    """
    space, entries = ansatz.space, ansatz.entries
    count, tensor = len(entries), list(space.poisson_tensor.items())
    expressions = [*entries, *functions, *(entry for _, entry in tensor)]

    def monomials(run: Run) -> list[Values]:
        tables = [_powers(run.value(k), ansatz.degree) for k in range(count)]
        return [[arb(1), *(_product(tables, e) for e in columns)]]

    def derivatives(run: Run) -> list[Values]:
        tables = [_powers(run.value(k), ansatz.degree) for k in range(count)]
        slopes = [run.gradient(k) for k in range(count + len(functions))]
        found = []
        for f in range(len(functions)):
            by_f = slopes[count + f]
            velocity: dict[sp.Symbol, arb] = {}
            for n, ((a, b), _) in enumerate(tensor):
                if b in by_f:
                    step = run.value(count + len(functions) + n) * by_f[b]
                    velocity[a] = velocity[a] + step if a in velocity else step
            if space.time is not None:
                velocity[space.time] = arb(1)
            moving = [
                sum((v * by[a] for a, v in velocity.items() if a in by), arb(0)) for by in slopes[:count]
            ]
            found.append([_derivative(tables, moving, columns[j]) for j in pivots])
        return found

    return _invertible(expressions, space, len(columns) + 1, monomials, clock) and (
        not pivots or _invertible(expressions, space, len(pivots), derivatives, clock)
    )


def _powers(value: arb, degree: int) -> Values:
    found = [arb(1)]
    for _ in range(degree):
        found.append(found[-1] * value)
    return found


def _product(tables: list[Values], exponents: Exponents) -> arb:
    total = arb(1)
    for table, k in zip(tables, exponents, strict=True):
        if k:
            total *= table[k]
    return total


def _derivative(tables: list[Values], moving: Values, exponents: Exponents) -> arb:
    total = arb(0)
    for i, k in enumerate(exponents):
        if k:
            lower = (*exponents[:i], k - 1, *exponents[i + 1 :])
            total += k * moving[i] * _product(tables, lower)
    return total


def _invertible(
    expressions: Sequence[sp.Expr],
    space: Space,
    size: int,
    rows: Callable[[Run], list[Values]],
    clock: tw.Clock,
) -> bool:
    """Collect rows at many points and tell whether so many of them form a matrix that is certainly invertible."""
    if size > LARGEST:
        return False
    table = next(tables(expressions, space, size, rows, bits=BITS, check=clock.check), None)
    return table is not None and is_invertible(table, BITS)
