"""The decomposition of a Lie algebra into a direct sum of ideals."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from flint import fmpq, fmpq_mat

from hamsym.symbolic.structure.casimirs import casimirs
from hamsym.symbolic.structure.constants import Structure
from hamsym.symbolic.structure.elimination import (
    Echelon,
    Vector,
    accumulate,
    combination,
    kernel,
    multiply,
    plus,
)
from hamsym.symbolic.structure.ideals import radical
from hamsym.symbolic.structure.quadratic import killing_form


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
                    accumulate(rows.setdefault((i, j, m), {}), m * n + k, c)
            for m in range(n):  # [e_i, φ e_j]: Σ_m φ_mj [e_i, e_m]
                for k, c in algebra.ad[i][m].items():
                    accumulate(rows.setdefault((i, j, k), {}), m * n + j, -c)
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
