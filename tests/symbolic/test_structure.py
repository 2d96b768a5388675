"""Structure constants: series, radicals, forms and Casimirs of known algebras, and what a change of basis leaves alone."""

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matrices import affine, gl, heisenberg, line, sl, sl_complex, so, sp, structure_of, su, sum_of, unit

from hamsym.symbolic.structure import (
    Echelon,
    Structure,
    cartan_subalgebra,
    casimirs,
    direct_sum,
    killing_form,
    levi_subalgebra,
    nilradical,
    radical,
    signature,
)
from hamsym.symbolic.structure.elimination import combination, plus

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))

#: dimension, centre, derived, radical, nilradical, rank, Killing signature, dimensions of the summands
KNOWN = {
    "so(3)": (so(3), 3, 0, 3, 0, 0, 1, (0, 3, 0), [3]),
    "so(4)": (so(4), 6, 0, 6, 0, 0, 2, (0, 6, 0), [3, 3]),
    "so(3,1)": (so(3, 1), 6, 0, 6, 0, 0, 2, (3, 3, 0), [6]),
    "so(2,2)": (so(2, 2), 6, 0, 6, 0, 0, 2, (4, 2, 0), [3, 3]),
    "sl(3)": (sl(3), 8, 0, 8, 0, 0, 2, (5, 3, 0), [8]),
    "gl(2)": (gl(2), 4, 1, 3, 1, 1, 2, (2, 1, 1), [1, 3]),
    "sp(4)": (sp(2), 10, 0, 10, 0, 0, 2, (6, 4, 0), [10]),
    "su(2,1)": (su(2, 1), 8, 0, 8, 0, 0, 2, (4, 4, 0), [8]),
    "sl(2,C)": (sl_complex(2), 6, 0, 6, 0, 0, 2, (3, 3, 0), [6]),
    "e(3)": (affine(so(3)), 6, 0, 6, 3, 3, 2, (0, 3, 3), [6]),
    "iso(3,1)": (affine(so(3, 1)), 10, 0, 10, 4, 4, 2, (3, 3, 4), [10]),
    "aff(1)": (affine(gl(1)), 2, 0, 1, 2, 1, 1, (1, 0, 1), [2]),
    "aff(2)": (affine(gl(2)), 6, 0, 5, 3, 2, 2, (3, 1, 2), [6]),
    "h_5": (heisenberg(2), 5, 1, 1, 5, 5, 5, (0, 0, 5), [5]),
    "h_3 + aff(1) + R": (sum_of(heisenberg(1), affine(gl(1)), line()), 6, 2, 2, 6, 5, 5, (1, 0, 5), [1, 2, 3]),
}  # fmt: skip


#: sl(2,R) ⋉ h_3 as 4×4 matrices that fix a vector up to scale in the symplectic group: the radical is not abelian.
SCHROEDINGER = [
    unit(4, 1, 1) - unit(4, 2, 2),
    unit(4, 1, 2),
    unit(4, 2, 1),
    unit(4, 0, 1) - unit(4, 2, 3),
    unit(4, 0, 2) + unit(4, 1, 3),
    unit(4, 0, 3),
]


@pytest.fixture(params=KNOWN)
def known(request):
    matrices, *facts = KNOWN[request.param]
    return structure_of(matrices), facts


def invariants(algebra):
    return (
        algebra.dimension,
        algebra.centre.dimension,
        algebra.derived.dimension,
        radical(algebra).dimension,
        nilradical(algebra).dimension,
        cartan_subalgebra(algebra).dimension,
        signature(killing_form(algebra)),
        sorted(part.dimension for part in direct_sum(algebra)),
    )


def test_invariants_of_known_algebras(known):
    algebra, facts = known
    assert invariants(algebra) == tuple(facts)


def test_killing_signature_agrees_with_eigenvalues(known):
    algebra, facts = known
    n = algebra.dimension
    ad = np.array(
        [[[float(algebra.ad[i][j].get(k, 0)) for j in range(n)] for k in range(n)] for i in range(n)]
    )
    values = np.linalg.eigvalsh(np.einsum("iab,jba->ij", ad, ad))
    assert (
        tuple(int(s) for s in (np.sum(values > 1e-6), np.sum(values < -1e-6), np.sum(abs(values) < 1e-6)))
        == facts[6]
    )


def test_jacobi_identity_and_invariance_of_the_killing_form(known):
    algebra, _ = known
    form = killing_form(algebra)
    assert algebra.jacobi_failure() is None
    for i in range(algebra.dimension):
        for j in range(algebra.dimension):
            left = combination(algebra.ad[i][j], form)  # K([x, y], .) = K(x, [y, .])
            right = {
                k: total
                for k in range(algebra.dimension)
                if (total := sum((c * form[i].get(m, fmpq(0)) for m, c in algebra.ad[j][k].items()), fmpq(0)))
            }
            assert left == right


def test_a_change_of_one_constant_breaks_jacobi():
    algebra = structure_of(so(4))
    pair, v = next(iter(algebra.brackets.items()))
    spoiled = Structure({**algebra.brackets, pair: plus(v, {0: fmpq(1)})}, 6)
    assert spoiled.jacobi_failure() is not None


@st.composite
def bases(draw, n):
    """An invertible integer matrix as columns: a product of shears and swaps."""
    columns = [{i: fmpq(1)} for i in range(n)]
    for _ in range(draw(st.integers(1, 2 * n))):
        i, j = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
        if i != j:
            columns[i] = plus(columns[i], columns[j], fmpq(draw(st.integers(-3, 3))))
    scale = [draw(st.sampled_from([1, -1, 2, fmpq(1, 3)])) for _ in range(n)]
    return [{k: c * s for k, c in column.items()} for column, s in zip(columns, scale, strict=True)]


@relaxed
@given(st.data(), st.sampled_from(["so(4)", "so(3,1)", "gl(2)", "e(3)", "aff(2)", "h_5", "h_3 + aff(1) + R"]))
def test_invariants_do_not_depend_on_the_basis(data, name):
    matrices, *facts = KNOWN[name]
    algebra = structure_of(matrices)
    moved = algebra.changed(data.draw(bases(algebra.dimension)))
    assert moved.jacobi_failure() is None
    assert invariants(moved) == tuple(facts)
    assert len(casimirs(moved, 2)) == len(casimirs(algebra, 2))


def test_a_change_of_basis_is_undone_by_its_inverse():
    algebra = structure_of(affine(so(2, 1)))
    matrix = fmpq_mat(6, 6, [int(i <= j) + 2 * int(i == j) for i in range(6) for j in range(6)])

    def columns(m):
        return [{i: m[i, j] for i in range(6) if m[i, j] != 0} for j in range(6)]

    assert algebra.changed(columns(matrix)).changed(columns(matrix.inv())).brackets == algebra.brackets


@pytest.mark.parametrize(
    ("matrices", "dimensions"),
    [
        (so(3), [0, 1, 0, 1]),
        (so(4), [0, 2, 0, 3]),
        (sl(3), [0, 1, 1, 1]),  # independent Casimirs of degrees 2 and 3
        (sp(2), [0, 1, 0, 2]),  # degrees 2 and 4
        (gl(2), [1, 2, 2, 3]),
        (affine(so(3)), [0, 2, 0, 3]),
        (affine(so(2)), [0, 1, 0, 1]),
        (heisenberg(1), [1, 1, 1, 1]),
        (affine(gl(1)), [0, 0, 0, 0]),
    ],
)
def test_numbers_of_casimir_invariants(matrices, dimensions):
    """The invariants of a semisimple algebra are a polynomial ring in rank many generators (Chevalley)."""
    algebra = structure_of(matrices)
    assert [len(casimirs(algebra, d)) for d in (1, 2, 3, 4)] == dimensions


def test_casimirs_are_annihilated_numerically(known):
    """The gradient of each invariant at a point, by hand, is orthogonal to the coadjoint orbit there."""
    algebra, _ = known
    n, point = algebra.dimension, [fmpq(3 * k + 2, k + 5) for k in range(algebra.dimension)]
    for invariant in casimirs(algebra, 2):
        slope = [fmpq(0)] * n
        for (a, b), c in invariant.items():
            slope[a] += c * point[b]
            slope[b] += c * point[a]
        for i in range(n):
            total = sum(
                (c * point[k] * slope[j] for j in range(n) for k, c in algebra.ad[i][j].items()), fmpq(0)
            )
            assert total == 0


def test_series_of_triangular_matrices():
    """Upper triangular 4×4: solvable of class 3; strictly upper ones nilpotent of class 3."""
    strict = [unit(4, i, j) for i in range(4) for j in range(i + 1, 4)]
    nilpotent = structure_of(strict)
    assert [s.dimension for s in nilpotent.lower_central_series] == [6, 3, 1, 0]
    assert [s.dimension for s in nilpotent.derived_series] == [6, 3, 0]
    triangular = structure_of([*strict, *(unit(4, i, i) for i in range(4))])
    assert [s.dimension for s in triangular.derived_series] == [10, 6, 3, 0]
    assert [s.dimension for s in triangular.lower_central_series] == [10, 6]
    assert triangular.is_solvable and not triangular.is_nilpotent
    assert nilradical(triangular).dimension == 7  # the strict ones and the multiples of 1


def test_nilradical_is_more_than_the_derived_algebra():
    """R acting on R⁴ nilpotently with a rotation beside it: the nilpotent part counts, the rotation does not."""
    one = fmpq(1)
    algebra = Structure({(0, 2): {3: one}, (0, 3): {2: -one}, (1, 4): {5: one}, (0, 1): {}}, 6)
    assert nilradical(algebra).dimension == 5
    assert {0: one} not in nilradical(algebra)


def test_quotients_and_subalgebras_are_algebras():
    algebra = structure_of(affine(so(3, 1)))
    below = algebra.quotient(radical(algebra))
    assert below.jacobi_failure() is None
    assert signature(killing_form(below)) == (3, 3, 0)
    assert algebra.subalgebra(radical(algebra)).brackets == {}


def test_echelon_is_a_subspace():
    span = Echelon([{0: fmpq(1), 1: fmpq(2)}, {1: fmpq(1), 2: fmpq(1)}])
    v = {0: fmpq(2), 1: fmpq(7), 2: fmpq(3)}
    assert v in span and {0: fmpq(1)} not in span
    assert combination(span.coordinates(v), span.basis) == v
    assert span == Echelon([v, {0: fmpq(1), 1: fmpq(2)}])


@relaxed
@given(st.data(), st.sampled_from(["so(4)", "gl(2)", "e(3)", "aff(2)", "iso(3,1)", "Schrödinger"]))
def test_levi_subalgebra_complements_the_radical(data, name):
    """In a random basis, where the lifts of L/R are no subalgebra to begin with."""
    algebra = structure_of(SCHROEDINGER if name == "Schrödinger" else KNOWN[name][0])
    algebra = algebra.changed(data.draw(bases(algebra.dimension)))
    levi, solvable = levi_subalgebra(algebra), radical(algebra)
    assert Echelon([*levi, *solvable]).dimension == levi.dimension + solvable.dimension == algebra.dimension
    assert all(algebra.bracket(x, y) in levi for x in levi for y in levi)
    assert radical(algebra.subalgebra(levi)).dimension == 0
