"""Functions and brackets by their values: are they independent, and who may be a combination of whom?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import sympy as sp
from flint import arb_mat, ctx

from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.samples import Values, bracket_at, is_invertible, tables
from hamsym.symbolic.zero_test.tape import Run

#: Tables that are tried.
ROUNDS = 3

Pairs = Sequence[tuple[int, int]]


def proved_independent(space: Space, functions: Sequence[sp.Expr], brackets: Pairs = ()) -> bool:
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
    height = len(functions) + len(brackets)
    found = _tables(space, functions, brackets, height)
    return any(is_invertible(table, _bits(height)) for table in found)


def supports(space: Space, functions: Sequence[sp.Expr], brackets: Pairs) -> list[set[int]]:
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
    for table in _tables(space, functions, brackets, n):
        with ctx.workprec(_bits(n)):
            try:
                found = arb_mat([row[:n] for row in table]).solve(arb_mat([row[n:] for row in table]))
            except ZeroDivisionError:
                continue
            return [{k for k in range(n) if not found[k, b].contains(0)} for b in range(len(brackets))]
    return [set(range(n)) for _ in brackets]


def _bits(height: int) -> int:
    return 64 + 32 * height


def _tables(
    space: Space, functions: Sequence[sp.Expr], brackets: Pairs, height: int
) -> Iterator[list[Values]]:
    """Yield values of functions and brackets at so many points."""
    free = set().union(*(f.free_symbols for f in functions))
    tensor = {pair: entry for pair, entry in space.poisson_tensor.items() if free.issuperset(pair)}
    pairs, count = list(tensor), len(functions)

    def row(run: Run) -> list[Values]:
        values = [run.value(k) for k in range(count)]
        return [[*values, *(bracket_at(run, i, j, pairs, count) for i, j in brackets)]]

    return islice(tables([*functions, *tensor.values()], space, height, row, bits=_bits(height)), ROUNDS)
