"""The functional rank of expressions: the rank of their Jacobian at almost every point."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp
from flint import arb, ctx, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.space import Space
from hamsym.symbolic.tower.derive import Gradient
from hamsym.symbolic.zero_test.operations import OutsideDomain
from hamsym.symbolic.zero_test.samples import runs
from hamsym.symbolic.zero_test.tape import Run, Tape

#: Points that are tried, points of the domain that are enough, and bits.
MAX_POINTS, ENOUGH_POINTS, BITS = 60, 3, 256


@dataclass(frozen=True)
class JacobianRank:
    """A certified lower bound of a generic rank, and the rows and columns of a minor that shows it.

    Attributes:
        value: the rank found.
        rows, columns: a minor of this size that is certainly not zero at some point.
    """

    value: int
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()


def numeric_rank(
    expressions: Sequence[sp.Expr], space: Space, clock: tw.Clock, enough: int | None = None
) -> JacobianRank:
    """Return the largest rank of the Jacobian in coordinates and momenta at some rational points, in ball arithmetic.

    Arguments:
        expressions: the functions.
        space: their space; its variables are the columns.
        clock: the deadline.
        enough: a known upper bound, at which the search ends.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> numeric_rank([space.parse(t) for t in ("p1", "p1**2", "q1*p2")], space, tw.Clock(1.0)).value
        2
    """
    best = JacobianRank(0)
    if not expressions:
        return best
    tape = Tape(expressions)
    bound = min(len(expressions), len(space.variables)) if enough is None else enough
    for run in _runs(tape, space, clock):
        try:
            slopes = [run.gradient(k) for k in range(len(expressions))]
        except OutsideDomain:
            continue
        with ctx.workprec(BITS):
            table = [[row.get(v, arb(0)) for v in space.variables] for row in slopes]
            found = _ball_rank(table)
        if found.value > best.value:
            best = found
        if best.value >= bound:
            break
    return best


def _runs(tape: Tape, space: Space, clock: tw.Clock) -> Iterator[Run]:
    """Yield evaluations at a few points of the domain."""
    return itertools.islice(runs(tape, space, bits=BITS, most=MAX_POINTS, check=clock.check), ENOUGH_POINTS)


def flow_rank(functions: Sequence[sp.Expr], space: Space, clock: tw.Clock) -> int:
    """Return a certified lower bound of the rank of the Hamiltonian vector fields of functions.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> flow_rank([space.parse("p1"), space.parse("2*p1"), space.parse("q2")], space, tw.Clock(1.0))
        2
    """
    fields = []
    for f in functions:
        velocity = dict.fromkeys(space.variables, sp.Integer(0))
        for (a, b), entry in space.poisson_tensor.items():
            velocity[a] += entry * derivative(f, b)
        fields.append(list(velocity.values()))
    tape = Tape([v for field in fields for v in field])
    width, best = len(space.variables), 0
    for run in _runs(tape, space, clock):
        values = [run.value(k) for k in range(width * len(fields))]
        with ctx.workprec(BITS):
            table = [values[k : k + width] for k in range(0, len(values), width)]
            best = max(best, _ball_rank(table).value)
    return best


def _ball_rank(table: list[list[arb]]) -> JacobianRank:
    """Eliminate with pivots that are certainly not zero."""
    rows, columns = list(range(len(table))), list(range(len(table[0])))
    used_rows: list[int] = []
    used_columns: list[int] = []
    while rows and columns:
        lower = {(i, j): table[i][j].abs_lower() for i in rows for j in columns}
        (i, j), size = max(lower.items(), key=lambda item: float(item[1]))
        if not size > 0:
            break
        rows.remove(i)
        columns.remove(j)
        used_rows.append(i)
        used_columns.append(j)
        for k in rows:
            factor = table[k][j] / table[i][j]
            for m in columns:
                table[k][m] -= factor * table[i][m]
    return JacobianRank(len(used_rows), tuple(used_rows), tuple(used_columns))


def is_rank_exact(
    tower: tw.Tower, elements: Sequence[fmpq_mpoly], variables: Sequence[int], found: JacobianRank
) -> bool:
    """Tell whether all larger minors around a nonzero one vanish identically, so that the rank is no larger.

    Source: Bareiss (1968), Mathematics of Computation 22, 565: elimination whose entries are minors.

    Arguments:
        tower: the tower of the functions.
        elements: the functions.
        variables: the numbers of the variables' generators.
        found: the minor that is not zero.

    Raises:
        ProofStopped: when the budget does not allow it.
    """
    ring = tower.ring
    gradients = [Gradient(tower, e) for e in elements]
    table = [[tower.reduce(g.by(v)) for v in variables] for g in gradients]
    table = [[ring.lift(entry) for entry in row] for row in table]
    rows, columns = list(range(len(elements))), list(range(len(variables)))
    divisor = ring.one
    for i, j in zip(found.rows, found.columns, strict=True):
        rows.remove(i)
        columns.remove(j)
        pivot = table[i][j]
        for k in rows:
            for m in columns:
                cross = ring.sub(ring.mul(pivot, table[k][m]), ring.mul(table[k][j], table[i][m]))
                table[k][m] = divmod(cross, divisor)[0]
        divisor = pivot
    return all(tw.vanishes(tower, table[k][m]) for k in rows for m in columns)
