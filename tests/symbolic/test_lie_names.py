"""Names: each known algebra gets its own, in every basis; what is not determined gets none."""

import numpy as np
import pytest
from flint import fmpq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matrices import affine, gl, heisenberg, line, sl, sl_complex, so, sp, structure_of, su, sum_of, unit
from test_structure import bases

from hamsym.symbolic.lie_names import name_of
from hamsym.symbolic.lie_names.simple import real_forms
from hamsym.symbolic.structure import Structure

relaxed = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
one = fmpq(1)


def acting(matrix, on_heisenberg=False):
    """R acting on R^n by a matrix, or on the Heisenberg algebra h_3 (indices 1, 2 and 3 = [1, 2])."""
    n = len(matrix)
    brackets = {
        (0, j + 1): {i + 1: fmpq(int(matrix[i][j])) for i in range(n) if matrix[i][j]} for j in range(n)
    }
    if on_heisenberg:
        brackets[1, 2] = {3: one}
    return Structure(brackets, n + 1 + on_heisenberg)


def quadratic(n, squares):
    """Oscillator with Hamiltonian Σ s_i (q_i² + p_i²)/2, q, p and 1: H first, then pairs."""
    brackets = {}
    for i, s in enumerate(squares):
        q, p = 1 + 2 * i, 2 + 2 * i
        brackets[0, q], brackets[0, p], brackets[q, p] = {p: fmpq(-s)}, {q: fmpq(s)}, {2 * n + 1: one}
    return Structure(brackets, 2 * n + 2)


NAMES = {
    "R^3": Structure({}, 3),
    "h_3": structure_of(heisenberg(1)),
    "h_7": structure_of(heisenberg(3)),
    "aff(1)": structure_of(affine(gl(1))),
    "aff(2,R)": structure_of(affine(gl(2))),
    "e(2)": structure_of(affine(so(2))),
    "iso(1,1)": structure_of(affine(so(1, 1))),
    "e(3)": structure_of(affine(so(3))),
    "e(4)": structure_of(affine(so(4))),
    "iso(2,1)": structure_of(affine(so(1, 2))),
    "iso(3,1)": structure_of(affine(so(1, 3))),
    "so(3)": structure_of(so(3)),
    "sl(2,R)": structure_of(sl(2)),
    "gl(2,R) = sl(2,R) ⊕ R": structure_of(gl(2)),
    "u(2) = so(3) ⊕ R": structure_of(sum_of(su(2), line())),
    "u(3) = su(3) ⊕ R": structure_of(sum_of(su(3), line())),
    "u(2,1) = su(2,1) ⊕ R": structure_of(sum_of(su(2, 1), line())),
    "so(4) = so(3) ⊕ so(3)": structure_of(so(4)),
    "so(3,1) = sl(2,C)": structure_of(so(3, 1)),
    "so(2,2) = sl(2,R) ⊕ sl(2,R)": structure_of(so(2, 2)),
    "sp(4,R) = so(3,2)": structure_of(sp(2)),
    "so(4,1) = sp(1,1)": structure_of(so(4, 1)),
    "so(5) = sp(2)": structure_of(so(5)),
    "su(3)": structure_of(su(3)),
    "su(2,1)": structure_of(su(2, 1)),
    "sl(3,R)": structure_of(sl(3)),
    "sl(3,C)": structure_of(sl_complex(3)),
    "su(2,2) = so(4,2)": structure_of(so(4, 2)),
    "sl(4,R) = so(3,3)": structure_of(so(3, 3)),
    "so(4,3)": structure_of(so(4, 3)),
    "sp(6,R)": structure_of(sp(3)),
    "so(7)": structure_of(so(7)),
    "sl(2,R) ⋉ R^2": structure_of(affine(sl(2))),
    "sl(3,R) ⋉ R^3": structure_of(affine(sl(3))),
    "sp(4,R) ⋉ R^4": structure_of(affine(sp(2))),
    "sim(3)": structure_of(affine([*so(3), np.eye(3, dtype=int)])),
    "sim(2,1)": structure_of(affine([*so(2, 1), np.eye(3, dtype=int)])),
    "Bianchi V": acting([[1, 0], [0, 1]]),
    "Bianchi IV": acting([[1, 1], [0, 1]]),
    "Bianchi VI_h (h = -9)": acting([[1, 0], [0, 2]]),
    "Bianchi VI_h (h = -1/9)": acting([[2, 0], [0, -1]]),  # eigenvalues a ± b have h = -a²/b²
    "Bianchi VII_h (h = 1/4)": acting([[1, 2], [-2, 1]]),  # eigenvalues a ± ib have h = a²/b²
    "oscillator algebra (Nappi–Witten)": acting([[0, 1], [-1, 0]], on_heisenberg=True),
    "split oscillator algebra": acting([[1, 0], [0, -1]], on_heisenberg=True),
    "isotropic oscillator algebra in 2 dimensions": quadratic(2, [1, 1]),
    "n_4": Structure({(0, 1): {2: one}, (0, 2): {3: one}}, 4),
    "aff(1) ⊕ h_3 ⊕ R^2": structure_of(sum_of(heisenberg(1), line(), affine(gl(1)), line())),
    "e(2) ⊕ e(2)": structure_of(affine([unit(4, i, j) - unit(4, j, i) for i, j in ((0, 1), (2, 3))])),
    "e(3) ⊕ so(3)": structure_of(sum_of(so(3), affine(so(3)))),
    "so(4) ⊕ R^2": structure_of(sum_of(so(4), line(), line())),
    "e(3) ⊕ so(2,2)": structure_of(sum_of(sl(2), affine(so(3)), sl(2))),
    "so(3) ⊕ so(3,1)": structure_of(sum_of(so(3), so(3, 1))),
}


@pytest.mark.parametrize("name", NAMES)
def test_known_algebras_have_their_name(name):
    assert name_of(NAMES[name]) == name


@relaxed
@given(st.data(), st.sampled_from([name for name, algebra in NAMES.items() if algebra.dimension <= 7]))
def test_names_do_not_depend_on_the_basis(data, name):
    assert name_of(NAMES[name].changed(data.draw(bases(NAMES[name].dimension)))) == name


def test_a_rational_form_of_so4_that_does_not_split_over_q():
    """so(3) over Q(√2), seen over Q, is simple; over R it is so(3) ⊕ so(3), and with other signs so(3) ⊕ sl(2,R)."""
    pairs = [(0, 1, 2), (1, 2, 0), (0, 2, 1)]
    signs = [1, 1, -1]

    def over_root(two, first):
        # e_i and f_i = √two·e_i; [e_0, e_1] = λ e_2 with λ = first[0] + first[1]√two
        brackets = {}
        for (i, j, k), s in zip(pairs, signs, strict=True):
            a, b = first if (i, j) == (0, 1) else (1, 0)
            brackets[i, j] = {k: fmpq(s * a), k + 3: fmpq(s * b)}
            brackets[i, j + 3] = {k: fmpq(s * b * two), k + 3: fmpq(s * a)}
            brackets[j, i + 3] = {k: fmpq(-s * b * two), k + 3: fmpq(-s * a)}
            brackets[i + 3, j + 3] = {k: fmpq(s * a * two), k + 3: fmpq(s * b * two)}
        return Structure({p: {k: c for k, c in v.items() if c} for p, v in brackets.items()}, 6)

    for structure in (over_root(2, (1, 0)), over_root(2, (1, 1)), over_root(-1, (1, 0))):
        assert structure.jacobi_failure() is None
    assert name_of(over_root(2, (1, 0))) == "so(4) = so(3) ⊕ so(3)"
    assert name_of(over_root(2, (1, 1))) == "sl(2,R) ⊕ so(3)"
    assert name_of(over_root(-1, (1, 0))) == "so(3,1) = sl(2,C)"


@pytest.mark.parametrize(
    "algebra",
    [
        quadratic(2, [1, 2]),  # the ratio of the frequencies is an invariant
        quadratic(2, [1, -1]),
        Structure({(0, 1): {2: one}, (0, 3): {4: one}}, 5),
    ],
)
def test_what_is_not_determined_has_no_name(algebra):
    assert algebra.jacobi_failure() is None
    assert name_of(algebra) is None


def test_real_forms_have_the_right_dimensions_and_are_told_apart():
    """The compact part is the difference of dimension and non-compact part; only B and C of equal rank are confused."""
    dimensions = {
        "A1": 3,
        "A2": 8,
        "A3": 15,
        "A4": 24,
        "A5": 35,
        "B2": 10,
        "B3": 21,
        "B4": 36,
        "C3": 21,
        "C4": 36,
        "D4": 28,
        "D5": 45,
        "G2": 14,
        "A6": 48,
        "A7": 63,
        "B5": 55,
        "C5": 55,
        "D6": 66,
        "F4": 52,
    }
    for (plus, minus), forms in real_forms().items():
        assert all(plus + minus == dimensions[kind] for kind, _ in forms)
        assert len(forms) == 1 or {kind[0] for kind, _ in forms} == {"B", "C"}


def test_g2_is_recognised():
    """Derivations of the (split) octonions, found by linear algebra from the multiplication table of Zorn's vectors."""
    assert name_of(split_g2()) == "g2 (split)"


def split_g2():
    import sympy as sympy

    def product(x, y):
        a, u, v, b = x[0], x[1:4], x[4:7], x[7]
        c, w, z, d = y[0], y[1:4], y[4:7], y[7]
        cross = np.cross
        return np.concatenate(
            [[a * c + u @ z], a * w + d * u - cross(v, z), c * v + b * z + cross(u, w), [b * d + v @ w]]
        )

    basis = np.eye(8, dtype=int)
    table = np.array([[product(x, y) for y in basis] for x in basis])  # table[i, j] = e_i e_j
    rows = []
    for i in range(8):
        for j in range(8):
            for m in range(8):  # D(e_i e_j) = D(e_i) e_j + e_i D(e_j), D_km at place 8 k + m
                row = np.zeros(64, dtype=int)
                for k in range(8):
                    row[8 * m + k] += table[i, j, k]
                    row[8 * k + i] -= table[k, j, m]
                    row[8 * k + j] -= table[i, k, m]
                rows.append(row)
    kernel = sympy.Matrix(np.unique(rows, axis=0)).nullspace()
    assert len(kernel) == 14
    return structure_of([np.array(v.tolist(), dtype=int).reshape(8, 8) for v in kernel])
