"""Values at many points of the domain: what shows by numbers that functions are independent.

That a combination vanishes is proved in the tower.  That none does would follow from the tower only if it overlooked
no relation between its generators; a matrix of values at rational points that is certainly invertible, in ball
arithmetic, proves it without that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sympy as sp
from flint import arb, arb_mat, ctx

from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.tape import Run, Tape
from hamsym.symbolic.zero_test.witness import choices, points

#: Points that are tried for each row of a table; points after which other parameters are tried, if none was inside.
TRIES, PATIENCE = 20, 40

Values = list[arb]


def runs(
    tape: Tape, space: Space, *, bits: int, most: int, check: Callable[[], None] = lambda: None
) -> Iterator[Run]:
    """Yield evaluations at points of the domain that share the values of all parameters and undefined functions.

    Arguments:
        tape: what is evaluated.
        space: tells variables from parameters.
        bits: working precision.
        most: points that are tried.
        check: called for every point; may raise.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1, parameters={"a": "real"})
        >>> found = list(runs(Tape([space.parse("a"), space.parse("sqrt(q1)")]), space, bits=64, most=9))
        >>> len(found) < 9, len({str(run.value(0)) for run in found}), len({str(run.value(1)) for run in found}) > 1
        (True, 1, True)
    """
    present = tape.symbols
    moving = [s for s in (*space.variables, space.time) if s in present]
    fixed = [s for s in space.parameters.values() if s in present]
    left = most
    for constants, functions in zip(
        points(fixed, seed=3), choices(space.function_arity, seed=3), strict=False
    ):
        inside = False
        for turn, point in enumerate(points(moving, seed=4)):
            if turn == PATIENCE and not inside:
                break
            if not left:
                return
            left -= 1
            check()
            try:
                run = tape.run({**point, **constants}, functions, bits=bits)
            except OutsideDomain:
                continue
            inside = True
            yield run


def tables(
    expressions: Sequence[sp.Expr],
    space: Space,
    size: int,
    rows: Callable[[Run], list[Values]],
    *,
    bits: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[list[Values]]:
    """Yield tables of so many rows, each made at points of the domain; none where expressions have no tape.

    Arguments:
        expressions: what is evaluated.
        space: their space.
        size: rows of a table.
        rows: makes rows of an evaluation.
        bits: working precision.
        check: called for every point; may raise.
    """
    try:
        tape = Tape(expressions)
    except NoTape:
        return
    table: list[Values] = []
    for run in runs(tape, space, bits=bits, most=TRIES * (size + 1), check=check):
        try:
            with ctx.workprec(bits):
                table += rows(run)
        except OutsideDomain:
            continue
        if len(table) >= size:
            yield table[:size]
            table = []


def is_invertible(table: Sequence[Values], bits: int) -> bool:
    """Tell whether a square table is certainly invertible.

    Example:
        >>> is_invertible([[arb(1), arb(2)], [arb(3), arb(4)]], 64), is_invertible([[arb(0, 1e-9)]], 64)
        (True, False)
    """
    with ctx.workprec(bits):
        try:
            arb_mat(table).solve(arb_mat([[arb(1)]] * len(table)))
        except ZeroDivisionError:
            return False
    return True


def bracket_at(run: Run, i: int, j: int, tensor: Sequence[tuple[sp.Symbol, sp.Symbol]], start: int) -> arb:
    """Return the value of {f_i, f_j}.

    Arguments:
        run: an evaluation of functions and of the entries of the Poisson tensor.
        i, j: places of two functions.
        tensor: pairs of variables whose entries were evaluated.
        start: the place of the first entry.
    """
    by_f, by_g = run.gradient(i), run.gradient(j)
    with ctx.workprec(run.bits):
        total = arb(0)
        for k, (a, b) in enumerate(tensor):
            if a in by_f and b in by_g:
                total += run.value(start + k) * by_f[a] * by_g[b]
    return total
