"""A proof that functions are linearly independent, by numbers: a determinant enclosed away from zero.

That a combination vanishes is proved in the tower.  That none does would follow from the tower only if it overlooked
no relation between its generators; values at rational points, in ball arithmetic, prove it without that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import sympy as sp
from flint import arb, arb_mat, ctx

from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.tape import Run, Tape
from hamsym.symbolic.zero_test.witness import choices, points

#: Points that are tried for each function, and how often other ones are tried.
TRIES_EACH, ROUNDS = 20, 3


def proved_independent(
    space: Space, functions: Sequence[sp.Expr], brackets: Sequence[tuple[int, int]] = ()
) -> bool:
    """Tell whether functions and brackets of some of them were proved to be linearly independent over the reals.

    With parameters or undefined functions, the proof is for one choice of them, so that it holds for generic ones.

    Arguments:
        space: the Poisson manifold.
        functions: expressions in its symbols.
        brackets: pairs of places in ``functions``.

    Returns:
        True is a proof; False says nothing.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> q, p = space.variables
        >>> proved_independent(space, [q, p, sp.sqrt(q**2 + 1)], [(1, 2)])
        True
        >>> proved_independent(space, [q, p], [(0, 1), (1, 0)])
        False
    """
    size = len(functions) + len(brackets)
    for values, bits in _tables(space, functions, brackets, size):
        with ctx.workprec(bits):
            if not arb_mat(values).det().contains(0):
                return True
    return False


def supports(
    space: Space, functions: Sequence[sp.Expr], brackets: Sequence[tuple[int, int]]
) -> list[set[int]]:
    """Guess which of some independent functions each bracket of two of them is a combination of.

    Returns:
        A guess for each bracket; all functions where none can be made.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> supports(space, [space.parse(t) for t in ("q1*p2 - q2*p1", "p1", "p2")], [(0, 1), (0, 2)])
        [{2}, {1}]
    """
    n = len(functions)
    for values, bits in _tables(space, functions, brackets, n):
        with ctx.workprec(bits):
            try:
                found = arb_mat([row[:n] for row in values]).solve(arb_mat([row[n:] for row in values]))
            except ZeroDivisionError:
                continue
            return [{k for k in range(n) if not found[k, b].contains(0)} for b in range(len(brackets))]
    return [set(range(n)) for _ in brackets]


def _tables(
    space: Space, functions: Sequence[sp.Expr], brackets: Sequence[tuple[int, int]], height: int
) -> Iterator[tuple[list[list[arb]], int]]:
    """Yield values of functions and brackets at so many points, and the precision in bits."""
    tensor = list(space.poisson_tensor.items())
    free = set().union(*(f.free_symbols for f in functions), *(entry.free_symbols for _, entry in tensor))
    free = free if not space.momenta else set().union(*(f.free_symbols for f in functions))
    tensor = [(pair, entry) for pair, entry in tensor if free.issuperset(pair)]
    try:
        tape = Tape([*functions, *(entry for _, entry in tensor)])
    except NoTape:
        return
    symbols = [s for s in space.symbols.values() if s in free]
    fixed = set(space.parameters.values())
    for seed in range(ROUNDS):
        chosen = next(choices(space.function_arity, seed=seed))
        values: list[list[arb]] = []
        parameters: dict[sp.Symbol, sp.Rational] = {}
        bits = 64 + 32 * height
        for point in islice(points(symbols, seed=seed), TRIES_EACH * height):
            parameters = parameters or {s: v for s, v in point.items() if s in fixed}
            try:
                run = tape.run({**point, **parameters}, chosen, bits=bits)
                row = [run.value(k) for k in range(len(functions))]
                values.append([*row, *(_bracket(run, len(functions), tensor, i, j) for i, j in brackets)])
            except OutsideDomain:
                continue
            if len(values) == height:
                yield values, bits
                break


def _bracket(
    run: Run, start: int, tensor: Sequence[tuple[tuple[sp.Symbol, sp.Symbol], sp.Expr]], i: int, j: int
) -> arb:
    by_f, by_g = run.gradient(i), run.gradient(j)
    with ctx.workprec(run.bits):
        total = arb(0)
        for k, ((a, b), _) in enumerate(tensor):
            if a in by_f and b in by_g:
                total += run.value(start + k) * by_f[a] * by_g[b]
    return total
