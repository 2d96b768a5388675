"""Radical, nilradical, Cartan subalgebras, and the decomposition into a direct sum of ideals; all exact."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from flint import fmpq, fmpq_mat

from hamsym.errors import UndecidedError
from hamsym.symbolic.structure.casimirs import casimirs
from hamsym.symbolic.structure.constants import Structure
from hamsym.symbolic.structure.elimination import (
    Echelon,
    Vector,
    combination,
    kernel,
    multiply,
    plus,
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


def direct_sum(algebra: Structure) -> list[Echelon]:
    """Return ideals whose direct sum is the algebra, as fine as was found over Q.

    Abelian summands come as lines; the semisimple ideal that commutes with the radical comes in its simple ideals
    over Q.  What is left is split by its centroid, the linear maps that commute with all ad_x: the generalised
    kernels of such a map for coprime polynomials are ideals.

    Source: Jacobson, Lie Algebras, chapter X, section 1 (centroid).

    Example:
        >>> one = fmpq(1)
        >>> two = Structure({(0, 1): {1: one}, (2, 3): {3: one}}, 5)
        >>> [part.dimension for part in direct_sum(two)]
        [1, 2, 2]
    """
    lines, rest = _abelian_summands(algebra)
    parts = [Echelon([line]) for line in lines]
    inner = algebra.subalgebra(rest)
    semisimple = _semisimple_ideal(inner)
    others = [semisimple, inner.centraliser(semisimple)] if semisimple.dimension else [inner.whole]
    for other in others:
        if not other.dimension:
            continue
        for piece in _split_by_centroid(inner.subalgebra(other)):
            embedded = [combination(v, other.basis) for v in piece]
            parts.append(Echelon(combination(v, rest.basis) for v in embedded))
    return parts


def centroid(algebra: Structure) -> list[list[Vector]]:
    """Return a basis of the linear maps φ with φ[x, y] = [x, φ y], each as a list of columns."""
    n = algebra.dimension
    rows: dict[tuple[int, int, int], Vector] = {}
    for i in range(n):
        for j in range(n):
            for k, c in algebra.ad[i][j].items():
                for m in range(n):  # φ[e_i, e_j]: c φ_mk
                    _accumulate(rows.setdefault((i, j, m), {}), m * n + k, c)
            for m in range(n):  # [e_i, φ e_j]: Σ_m φ_mj [e_i, e_m]
                for k, c in algebra.ad[i][m].items():
                    _accumulate(rows.setdefault((i, j, k), {}), m * n + j, -c)
    found = kernel([row for row in rows.values() if row], n * n)
    maps: list[list[Vector]] = []
    for v in found:
        columns: list[Vector] = [{} for _ in range(n)]
        for place, c in v.items():
            columns[place % n][place // n] = c
        maps.append(columns)
    return maps


def semisimple_centroid(algebra: Structure) -> list[list[Vector]]:
    """Return the centroid of a semisimple algebra (else nothing): K followed by an invariant of Sym²."""
    form = killing_form(algebra)
    if radical(algebra).dimension:
        return []
    maps = []
    for invariant in casimirs(algebra, 2):
        tensor: list[Vector] = [{} for _ in form]
        for (i, j), c in invariant.items():
            tensor[i][j] = tensor[j][i] = 2 * c if i == j else c  # type: ignore[operator]
        maps.append(multiply(tensor, form))
    return maps


def _accumulate(row: Vector, place: int, value: object) -> None:
    total = row[place] + value if place in row else value
    if total:
        row[place] = total
    else:
        row.pop(place, None)


def _abelian_summands(algebra: Structure) -> tuple[list[Vector], Echelon]:
    """Return central lines outside [L, L] and an ideal that complements them."""
    span = Echelon(algebra.derived.basis)
    lines = [v for v in algebra.centre if span.add(v)]
    rest = Echelon(algebra.derived.basis)
    for i in range(algebra.dimension):
        if span.add({i: fmpq(1)}):
            rest.add({i: fmpq(1)})
    return lines, rest


def _semisimple_ideal(algebra: Structure) -> Echelon:
    """Return the largest semisimple ideal.

    The centraliser C of the radical R is an ideal with radical C ∩ R = Z(R), which is central in C: C is reductive,
    and [C, C] is semisimple.  Every semisimple ideal commutes with R, so it lies in [C, C].
    """
    commuting = algebra.centraliser(radical(algebra))
    return algebra.commutator(commuting, commuting)


def _split_by_centroid(algebra: Structure) -> Iterator[Echelon]:
    n = algebra.dimension
    maps = semisimple_centroid(algebra) or centroid(algebra)
    if len(maps) <= 1:
        yield algebra.whole
        return
    draw = random.Random(7)
    columns: list[Vector] = [{} for _ in range(n)]
    for each in maps:
        factor = fmpq(draw.randint(1, 97))
        columns = [plus(a, b, factor) for a, b in zip(columns, each, strict=True)]
    if not all(isinstance(c, fmpq) for column in columns for c in column.values()):
        yield algebra.whole
        return
    dense = fmpq_mat(n, n, [columns[j].get(i, fmpq(0)) for i in range(n) for j in range(n)])
    for part, _ in dense.charpoly().factor()[1]:
        power = _polynomial_at(part.coeffs(), dense)
        for _ in range(n.bit_length()):
            power = power * power
        rows = [row for i in range(n) if (row := {j: power[i, j] for j in range(n) if power[i, j] != 0})]
        yield Echelon(kernel(rows, n))


def _polynomial_at(coefficients: Sequence[fmpq], matrix: fmpq_mat) -> fmpq_mat:
    n = matrix.nrows()
    one = fmpq_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
    total = fmpq_mat(n, n)
    for c in reversed(coefficients):
        total = total * matrix + one * c
    return total


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
