"""Radical, nilradical, Levi and Cartan subalgebras; all exact."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from flint import fmpq

from hamsym.errors import UndecidedError
from hamsym.symbolic.structure.constants import Structure
from hamsym.symbolic.structure.elimination import (
    Echelon,
    Vector,
    accumulate,
    combination,
    kernel,
    multiply,
    plus,
    scaled,
    transposed,
)
from hamsym.symbolic.structure.quadratic import killing_form

#: Random elements that are tried where almost every element serves.
TRIALS = 12


def radical(algebra: Structure) -> Echelon:
    """Return the largest solvable ideal: what is orthogonal to [L, L] in the Killing form.

    Source: Jacobson, Lie Algebras, chapter III, theorem 5 (Cartan's criterion).

    Example:
        >>> one = fmpq(1)
        >>> aff = Structure({(0, 1): {1: one}}, 2)
        >>> radical(aff).dimension
        2
    """
    form = killing_form(algebra)
    rows = [row for row in (combination(v, form) for v in algebra.derived) if row]
    return Echelon(kernel(rows, algebra.dimension))


def nilradical(algebra: Structure) -> Echelon:
    """Return the largest nilpotent ideal.

    It consists of the x in the radical R for which ad_x is nilpotent.  Over C the matrices ad_R are triangular
    together (Lie's theorem), so with the weights λ on the diagonal these are the common zeros of all λ.  For
    y in R, tr(ad_x ad_y^k) = Σ λ(x) λ(y)^k = 0 for all k holds on the nilradical, and only there if y separates the
    weights (Vandermonde).  Whether y did is checked afterwards: a nilpotent ideal that contains the nilradical is
    the nilradical.

    Source: Jacobson, Lie Algebras, chapter II, theorems 6 and 7 and corollaries; the trace criterion as above.

    Example:
        >>> one = fmpq(1)
        >>> euclid = Structure({(0, 1): {2: one}, (0, 2): {1: -one}}, 3)
        >>> nilradical(euclid).basis
        [{1: 1}, {2: 1}]
    """
    solvable = radical(algebra)
    basis, n = solvable.basis, algebra.dimension
    matrices = [algebra.adjoint(x) for x in basis]
    for y in regular_elements(solvable):
        move = algebra.adjoint(y)
        power: list[Vector] = [{i: fmpq(1)} for i in range(n)]
        rows: list[Vector] = []
        for _ in range(n):
            row = {}
            for j, matrix in enumerate(matrices):
                trace = _trace(matrix, power)
                if trace:
                    row[j] = trace
            if row:
                rows.append(row)
            power = multiply(move, power)
        found = Echelon(combination(v, basis) for v in kernel(rows, len(basis)))
        if algebra.is_ideal(found) and algebra.subalgebra(found).is_nilpotent:
            return found
    raise UndecidedError("no element of the radical was found that separates its weights")


def levi_subalgebra(algebra: Structure) -> Echelon:
    """Return a semisimple subalgebra that complements the radical.

    Lifts z_i of a basis of L/R are corrected along the derived series R ⊃ [R, R] ⊃ …: [z_i, z_j] - Σ γ_ij^k z_k lies
    in one step, and elements of that step added to the z_i bring it into the next.  The equations are linear because
    products of two corrections lie in the next step already; Levi's theorem says that they have a solution.

    Source: de Graaf, Lie Algebras: Theory and Algorithms (2000), section 4.13.

    Example:
        >>> one = fmpq(1)
        >>> rotations = Structure({(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}}, 4)
        >>> levi_subalgebra(rotations).basis
        [{0: 1}, {1: 1}, {2: 1}]
    """
    solvable = radical(algebra)
    lifts: list[Vector] = [{i: fmpq(1)} for i in algebra.complement(solvable)]
    factor = algebra.quotient(solvable)
    step = solvable
    while lifts and step.dimension:
        below = algebra.commutator(step, step)
        columns = Echelon(w for v in step if (w := below.reduce(v))).basis
        size = len(columns)
        rows: dict[tuple[int, int, int], Vector] = {}
        for i in range(len(lifts)):
            for j in range(i + 1, len(lifts)):
                defect = plus(algebra.bracket(lifts[i], lifts[j]), combination(factor.ad[i][j], lifts), -1)
                for place, c in below.reduce(defect).items():
                    accumulate(rows.setdefault((i, j, place), {}), len(lifts) * size, c)
                for m, column in enumerate(columns):
                    moved = ((i, algebra.bracket(column, lifts[j])), (j, algebra.bracket(lifts[i], column)))
                    terms = [*moved, *((k, scaled(column, -c)) for k, c in factor.ad[i][j].items())]
                    for lift, v in terms:
                        for place, c in below.reduce(v).items():
                            accumulate(rows.setdefault((i, j, place), {}), lift * size + m, c)
        solutions = kernel([row for row in rows.values() if row], len(lifts) * size + 1)
        solution = next(v for v in solutions if len(lifts) * size in v)
        solution = scaled(solution, 1 / solution[len(lifts) * size])
        lifts = [
            combination(
                {
                    0: fmpq(1),
                    **{m + 1: solution[i * size + m] for m in range(size) if i * size + m in solution},
                },
                [lift, *columns],
            )
            for i, lift in enumerate(lifts)
        ]
        step = below
    return Echelon(lifts)


def cartan_subalgebra(algebra: Structure) -> Echelon:
    """Return a Cartan subalgebra: the Engel subalgebra of a random element, once it is nilpotent.

    The elements that some power of ad_x kills are their own normaliser, so where they are nilpotent they are
    a Cartan subalgebra; all of these have one dimension, the rank.

    Source: Humphreys, Introduction to Lie Algebras and Representation Theory, section 15.

    Example:
        >>> one = fmpq(1)
        >>> rotations = Structure({(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}}, 3)
        >>> cartan_subalgebra(rotations).dimension
        1
    """
    for x in regular_elements(algebra.whole):
        power, exponent = algebra.adjoint(x), 1
        while exponent < algebra.dimension:
            power, exponent = multiply(power, power), 2 * exponent
        engel = Echelon(kernel(transposed(power), algebra.dimension))
        if algebra.subalgebra(engel).is_nilpotent:
            return engel
    raise UndecidedError("no regular element was found")


def _trace(a: Sequence[Vector], b: Sequence[Vector]) -> object:
    """Return tr(a b) for matrices given by columns."""
    total: object = fmpq(0)
    for j, column in enumerate(b):
        for k, c in column.items():
            if j in a[k]:
                total = total + c * a[k][j]  # type: ignore[operator]
    return total


def regular_elements(space: Echelon) -> Iterator[Vector]:
    """Yield random elements of a subspace, with small integers in its basis."""
    draw = random.Random(11)
    for trial in range(1, TRIALS + 1):
        size = 3 * trial
        yield combination(
            {k: fmpq(c) for k in range(space.dimension) if (c := draw.randint(-size, size))}, space.basis
        )
