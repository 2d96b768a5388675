"""Certified linear independence of functions, from their values at rational points.

Functions whose values at as many points form a matrix that is certainly invertible, in ball arithmetic, are
linearly independent: that needs no knowledge of the relations between the functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import sympy as sp
from flint import arb, arb_mat, ctx

from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals.ansatz import Ansatz, Exponents
from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.tape import Run, Tape
from hamsym.symbolic.zero_test.witness import choices, points

#: Functions that are compared at most; working precision in bits; points that are tried for each one needed.
LARGEST, BITS, TRIES = 400, 1024, 4
#: Points after which other parameters are tried, if none was in the domain.
PATIENCE = 40

Values = list[arb]


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
    try:
        tape = Tape(expressions)
    except NoTape:
        return False
    table: list[Values] = []
    present = set().union(*(e.free_symbols for e in expressions))
    with ctx.workprec(BITS):
        for run in itertools.islice(_runs(tape, present, space), TRIES * size + TRIES):
            clock.check()
            if run is None:
                continue
            try:
                table += rows(run)
            except OutsideDomain:
                continue
            if len(table) >= size:
                break
        if len(table) < size:
            return False
        try:
            arb_mat(table[:size]).solve(arb_mat([[arb(1)]] * size))
        except ZeroDivisionError:
            return False
    return True


def _runs(tape: Tape, present: set[sp.Basic], space: Space) -> Iterator[Run | None]:
    """Yield evaluations at points with the same values of all parameters and functions; None off the domain."""
    moving = [s for s in (*space.variables, space.time) if s in present]
    fixed = [s for s in space.parameters.values() if s in present]
    trials = zip(points(fixed, seed=3), choices(space.function_arity, seed=3), strict=False)
    for constants, functions in trials:
        inside = False
        for turn, point in enumerate(points(moving, seed=4)):
            if turn == PATIENCE and not inside:
                break
            try:
                run = tape.run({**point, **constants}, functions, bits=BITS)
            except OutsideDomain:
                yield None
                continue
            inside = True
            yield run
