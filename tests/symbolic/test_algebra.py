"""Lie algebras of phase-space functions: the public cases, closures, central functions, parameters, bad input."""

import json
import random
import time
from fractions import Fraction
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import (
    FormulaError,
    HamsymError,
    ParameterError,
    SpaceError,
    SymmetryError,
    UndecidedError,
)
from hamsym.symbolic.algebra import closed, closing
from hamsym.symbolic.algebra.independence import proved_independent
from hamsym.symbolic.tower import Overrun

relaxed = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
CASES = json.loads((Path(__file__).parent / "data" / "lie.json").read_text())
L = ["y*pz - z*py", "z*px - x*pz", "x*py - y*px"]
LENZ = [
    "py*(x*py-y*px) - pz*(z*px-x*pz) - x/sqrt(x**2+y**2+z**2)",
    "pz*(y*pz-z*py) - px*(x*py-y*px) - y/sqrt(x**2+y**2+z**2)",
    "px*(z*px-x*pz) - py*(y*pz-z*py) - z/sqrt(x**2+y**2+z**2)",
]
SPACE = hs.PhaseSpace(
    "x y z",
    "px py pz",
    parameters={"m": "positive", "k": "positive", "c": "real"},
    functions={"V": 1},
    time="t",
)
PLANE = hs.PhaseSpace(
    "x y", "px py", parameters={"m": "positive", "k": "positive", "c": "real"}, functions={"V": 1}
)
LINE = hs.PhaseSpace("x", "p", parameters={"m": "positive", "k": "positive", "c": "real"}, functions={"V": 1})


def at_random_point(expression, space, values=None):
    """The value of an expression at a rational point of the phase space."""
    draw = random.Random(3)
    point = {s: sp.Rational(draw.randint(1, 30), draw.randint(2, 9)) for s in space.symbols.values()}
    return expression.xreplace({**point, **(values or {})})


def closes_numerically(A, space, h=None):
    """Check {X_i, X_j} = Σ c_ij^k X_k at a point, by sympy's derivatives and 30 digits."""
    n = len(A.basis)
    for i in range(n):
        for j in range(i + 1, n):
            bracket = hs.poisson_bracket(A.basis[i], A.basis[j], space)
            combination = sum(A.structure_constants[i][j][k] * A.basis[k] for k in range(n))
            residual = at_random_point(bracket - combination, space)
            assert abs(sp.N(residual, 30)) < sp.Rational(1, 10**20), (i, j)


# -- public cases --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_public_cases(case):
    space = hs.PhaseSpace(case["coordinates"], case["momenta"])
    A = hs.LieAlgebra(case["generators"], space)
    assert (A.dimension, A.closes) == (case["expected_dim"], case["expected_closed"])
    assert (A.center_dimension, A.derived_dimension) == (case["center_dim"], case["derived_dim"])
    assert A.killing_signature == tuple(case["killing_signature"])
    for degree, number in (case["casimirs"] or {}).items():
        assert len(A.casimirs(int(degree))) == number
    expected = case["coefficients_depend_on"]
    if expected is None:
        assert A.coefficients_depend_on is None
        closes_numerically(A, space)
    else:
        assert hs.is_zero(A.coefficients_depend_on - space.parse(expected), space).status == "proved"
    assert A.name is not None and A.is_certified


# -- independence and closure --------------------------------------------------------------------------------


def test_dependent_generators_are_reported_with_their_combination():
    A = hs.LieAlgebra([L[0], "0", L[1], L[2], "2*(x*py-y*px) - (y*pz-z*py)/3", L[0]], SPACE)
    Lx, _, Lz = (SPACE.parse(t) for t in L)
    assert A.dimension == 3 and A.closes and A.name == "so(3)"
    assert A.dependences == {1: {}, 4: {Lz: 2, Lx: sp.Rational(-1, 3)}, 5: {Lx: 1}}
    assert A.dependent == (0, SPACE.parse("2*(x*py-y*px) - (y*pz-z*py)/3"), Lx)


def test_an_identity_makes_generators_dependent():
    A = hs.LieAlgebra(["sin(x)**2", "cos(x)**2", "1", "sqrt(x**2)*sqrt(x**2)", "x**2"], LINE)
    assert A.dimension == 3 and A.is_abelian
    sine, cosine, _, square, _ = A.given
    assert A.dependences == {2: {sine: 1, cosine: 1}, 4: {square: 1}}


def test_independence_is_proved_by_numbers_or_not_at_all():
    x, p = LINE.variables
    assert proved_independent(LINE, [x, p, sp.sqrt(x**2 + 1)], [(1, 2)])
    assert not proved_independent(LINE, [sp.sin(x) ** 2, sp.cos(x) ** 2, sp.Integer(1)])
    assert not proved_independent(LINE, [sp.sin(2 * x), sp.sin(x) * sp.cos(x)], [])
    c = LINE.parameters["c"]
    assert not proved_independent(LINE, [x, c * x]), "a parameter is a number"
    V = LINE.functions["V"]
    assert proved_independent(LINE, [V(x), p * V(x), V(x).diff(x)])


def test_constants_are_scalars():
    """√2 x and π x are real multiples of x, and √2 x is x/√2 twice."""
    A = hs.LieAlgebra(["sqrt(2)*x", "pi*x", "p/sqrt(3)"], LINE)
    assert A.dimension == 2 and not A.closes and A.adjoined == (1,) and A.name == "h_3"
    assert sp.simplify(A.structure_constants[0][1][2] - sp.sqrt(6) / 3) == 0


def test_heisenberg_needs_the_constant():
    A = hs.LieAlgebra(["x", "p"], LINE)
    assert (A.dimension, A.closes, A.adjoined, A.missing) == (2, False, (1,), (1,))
    assert A.closure.closes and A.closure.dimension == 3 and A.closure.name == A.name == "h_3"
    assert A.structure_constants[0][1] == (0, 0, 1)


def test_closure_under_repeated_brackets():
    A = hs.LieAlgebra(["x**2", "p**2"], LINE)
    assert not A.closes and A.name == "sl(2,R)" and len(A.adjoined) == 1
    assert A.missing == (LINE.parse("4*x*p"),)
    assert A.closure.closes and A.closure.dimension == 3
    closes_numerically(A, LINE)


def test_two_rotations_generate_the_third():
    space = hs.LiePoissonSpace("L1 L2 L3", "so3")
    A = hs.LieAlgebra(["L1", "L2"], space)
    assert A.adjoined == (space.coordinates[2],) and A.name == "so(3)"


def test_an_infinite_algebra_says_so_and_still_answers_what_it_can():
    A = hs.LieAlgebra(["x**3", "p**3"], LINE)
    assert A.dimension == 2 and not A.closes and A.missing == (LINE.parse("9*x**2*p**2"),)
    with pytest.raises(SymmetryError, match="64 dimensions"):
        A.killing_signature  # noqa: B018
    assert "does not close" in repr(A) and "64 dimensions" in str(A)
    assert A.to_dict()["describes"] is None


# -- Poisson manifolds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "algebra", "generators", "name"),
    [
        ("L1 L2 L3", "so3", ["L1", "L2", "L3"], "so(3)"),
        ("L1 L2 L3", "so3", ["L1", "L2", "L3", "L1**2 + L2**2 + L3**2"], "u(2) = so(3) ⊕ R"),
        ("L1 L2 L3 g1 g2 g3", "e3", ["L1", "L2", "L3", "g1", "g2", "g3"], "e(3)"),
        ("L1 L2 L3 g1 g2 g3", "e3", ["L3", "g1", "g2"], "e(2)"),
        ("h e f", "sl2", ["h", "e", "f"], "sl(2,R)"),
    ],
)  # fmt: skip
def test_lie_poisson_spaces(names, algebra, generators, name):
    space = hs.LiePoissonSpace(names, algebra)
    A = hs.LieAlgebra(generators, space)
    assert A.closes and A.name == name
    closes_numerically(A, space)


def test_structure_constants_of_a_lie_poisson_space_come_back():
    space = hs.LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3")
    A = hs.LieAlgebra(space.coordinates, space)
    again = hs.LieAlgebra.from_structure_constants(A.structure_constants)
    assert again.structure_constants == A.structure_constants and again.name == "e(3)"


# -- known algebras on phase space ---------------------------------------------------------------------------

R3 = ["x", "y", "z"]
P3 = ["px", "py", "pz"]
ENERGY = "sqrt(px**2 + py**2 + pz**2 + m**2)"
KNOWN = [
    (P3, SPACE, "R^3"),
    ([*R3, *P3, "1"], SPACE, "h_7"),
    (["x*p", "p"], LINE, "aff(1)"),
    (["x*py - y*px", "px", "py"], PLANE, "e(2)"),
    (["x*py + y*px", "px", "py"], PLANE, "iso(1,1)"),
    (["sin(x)", "cos(x)", "p"], LINE, "e(2)"),
    (["exp(x)*p", "exp(-x)*p", "p"], LINE, "sl(2,R)"),
    (["x*px", "x*py", "y*px", "y*py"], PLANE, "gl(2,R) = sl(2,R) ⊕ R"),
    ([f"{q}*{p}" for q in R3 for p in P3], SPACE, "gl(3,R) = sl(3,R) ⊕ R"),
    (["px**2 + x**2", "py**2 + y**2", "px*py + x*y", "x*py - y*px"], PLANE, "u(2) = so(3) ⊕ R"),
    ([*L, *(f"{q}*{ENERGY}" for q in R3)], SPACE, "so(3,1) = sl(2,C)"),
    ([*L, *(f"{q}*{ENERGY}" for q in R3), ENERGY, *P3], SPACE, "iso(3,1)"),
    ([*L, *P3, *(f"m*{q} - t*p{q}" for q in R3), "(px**2+py**2+pz**2)/(2*m)", "m"], SPACE, "Bargmann algebra (Galilei with mass)"),
    (["p**2/(2*m) + k*x**2/2", "x", "p", "1"], LINE, "oscillator algebra (Nappi–Witten)"),
    (["p**2 + c**2*x**2", "x", "p", "1"], LINE, "oscillator algebra (Nappi–Witten)"),
    (["x*p", "x", "p", "1"], LINE, "split oscillator algebra"),
    (["p", "x", "p**2", "x**2", "x*p", "1"], LINE, "Schrödinger algebra sl(2,R) ⋉ h_3"),
    (["x", "y", "px", "py", "1", "x*py-y*px", "px**2+py**2", "x**2+y**2", "x*px+y*py"], PLANE, "Schrödinger algebra (sl(2,R) ⊕ so(2)) ⋉ h_5"),
    (["(px**2+py**2)/2 + k/(x-y)**2", "x*px + y*py", "x**2 + y**2"], PLANE, "sl(2,R)"),
    (["px + V(x)", "x", "1"], PLANE, "h_3"),
    (["px + c*y/2", "py - c*x/2"], PLANE, "h_3"),
]  # fmt: skip


@pytest.mark.parametrize(("generators", "space", "name"), KNOWN, ids=[name for *_, name in KNOWN])
def test_known_algebras(generators, space, name):
    A = hs.LieAlgebra(generators, space)
    assert A.name == name and A.is_certified
    if not A.generators[0].has(sp.core.function.AppliedUndef):
        closes_numerically(A, space)


@relaxed
@given(st.data(), st.sampled_from([3, 4, 5, 7, 9, 12, 14, 15, 16]))
def test_combinations_of_generators_span_the_same_algebra(data, case):
    """Shears, scalings and a generator too many, with rational numbers and a parameter: the name stays."""
    texts, space, name = KNOWN[case]
    m = space.parameters["m"]
    mixed = [space.parse(t) for t in texts]
    for _ in range(len(mixed)):
        i, j = data.draw(st.permutations(range(len(mixed))))[:2]
        mixed[i] = mixed[i] + data.draw(st.sampled_from([1, -2, sp.Rational(1, 3), m])) * mixed[j]
    mixed.append(mixed[0] - 3 * mixed[-1])
    A = hs.LieAlgebra(mixed, space)
    assert A.dimension == len(texts) and list(A.dependences) == [len(texts)]
    assert A.name == name and A.closes


@pytest.mark.parametrize(
    ("generators", "space", "degree", "number"),
    [
        (L, SPACE, 2, 1),
        ([*L, *P3], SPACE, 2, 2),
        (["p", "x*p", "x**2*p"], LINE, 2, 1),
        (CASES[3]["generators"], SPACE, 3, 3),
    ],
)
def test_casimirs_commute_with_the_generators_on_phase_space(generators, space, degree, number):
    A = hs.LieAlgebra(generators, space)
    found = A.casimirs(degree)
    assert len(found) == number
    for casimir in found:
        function = A.function(casimir)
        for g in A.generators:
            assert hs.verify(hs.Hamiltonian(g, space), function).status == "proved"
            assert hs.is_zero(hs.poisson_bracket(function, g, space), space).status == "proved"


MONOMIALS = [
    *"xy",
    "px",
    "py",
    "1",
    *(f"{a}*{b}" for a, b in combinations_with_replacement(["x", "y", "px", "py"], 2)),
]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.dictionaries(st.sampled_from(MONOMIALS), st.sampled_from([-2, -1, 1, 3]), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_random_algebras_agree_with_floating_point(given_terms):
    """Polynomials of degree two generate at most 15 dimensions; ranks and eigenvalues by numpy."""
    A = hs.LieAlgebra(["+".join(f"({c})*{m}" for m, c in terms.items()) for terms in given_terms], PLANE)
    assume(A.coefficients_depend_on is None)
    n = A.structure.dimension
    c = np.array(A.structure_constants, dtype=float).reshape(n, n, n)
    values = np.linalg.eigvalsh(np.einsum("iab,jba->ij", c, c))
    small = 1e-7 * max(1.0, abs(values).max())
    assert A.killing_signature == (
        np.sum(values > small),
        np.sum(values < -small),
        np.sum(abs(values) <= small),
    )
    assert A.center_dimension == n - np.linalg.matrix_rank(c.reshape(n, n * n).T, tol=1e-8)
    assert A.derived_dimension == np.linalg.matrix_rank(c.reshape(n * n, n), tol=1e-8)
    closes_numerically(A, PLANE)


def test_many_denominators_are_not_cleared_at_once():
    """Thirteen particles that interact pairwise: 78 denominators in the energy, none in the symmetries."""
    system = hs.systems["lj13"]
    A = hs.LieAlgebra(system.integrals, system.hamiltonian.space)
    assert A.closes and A.is_certified and A.name == "e(3) ⊕ R"


def test_with_many_denominators_what_leaves_the_span_is_still_found():
    pair = "1/((x-y)**2 + {}**2*m**2)"
    A = hs.LieAlgebra([*(pair.format(n) for n in (1, 2, 3, 4)), "px + py", "px", "2*px - py"], PLANE)
    assert A.dimension == 6 and list(A.dependences) == [6] and not A.closes
    assert len(A.missing) == 4 and A.is_certified
    B = hs.LieAlgebra([*(pair.format(n) for n in (1, 2, 3)), "px + py", "x + y", "1"], PLANE)
    assert B.closes and B.name == "h_3 ⊕ R^3"


# -- central functions ---------------------------------------------------------------------------------------


def test_kepler_by_the_sign_of_the_energy():
    A = hs.LieAlgebra([*L, *LENZ], SPACE)
    energy = SPACE.parse("(px**2+py**2+pz**2)/2 - 1/sqrt(x**2+y**2+z**2)")
    assert hs.is_zero(A.coefficients_depend_on - energy, SPACE).status == "proved"
    assert [(c.where, c.name, c.killing_signature, c.holds_throughout) for c in A.cases] == [
        ("h < 0", "so(4) = so(3) ⊕ so(3)", (0, 6, 0), True),
        ("h = 0", "e(3)", (0, 3, 3), True),
        ("h > 0", "so(3,1) = sl(2,C)", (3, 3, 0), True),
    ]
    assert A.level == sp.Rational(-1, 2) and A.at(3).name == "so(3,1) = sl(2,C)" and A.at(0).name == "e(3)"
    assert A.bracket(3, 4) == -2 * A.level_symbol * A.symbols[2] == -A.bracket(4, 3) and A.bracket(3, 3) == 0
    for value in (-2, Fraction(1, 3), 0.25):  # {A_1, A_2} = -2 h L_3
        assert A.at(value).structure_constants[3][4] == (0, 0, -2 * sp.Rational(str(value)), 0, 0, 0)
    with pytest.raises(SymmetryError, match="infinite"):
        A.closure  # noqa: B018
    unbound = A.at(2)
    assert unbound.closes and unbound.closure is unbound and unbound.is_certified and unbound.cases == ()
    assert "so(3,1)" in str(unbound) and unbound.to_dict()["adjoined"] == [] and unbound._repr_html_()
    assert unbound.is_isomorphic_to(A.at(1)) and unbound.is_isomorphic_to(A) is False
    with pytest.raises(SymmetryError, match="no level"):
        unbound.at(1)


def test_kepler_with_symbolic_mass_and_a_given_hamiltonian():
    lenz = [
        "py*(x*py-y*px) - m*k*x/sqrt(x**2+y**2)",
        "-px*(x*py-y*px) - m*k*y/sqrt(x**2+y**2)",
    ]
    H = "(px**2+py**2)/(2*m) - k/sqrt(x**2+y**2)"
    A = hs.LieAlgebra(["x*py-y*px", *lenz], PLANE, hamiltonian=H)
    m = PLANE.parameters["m"]
    assert A.coefficients_depend_on == PLANE.parse(H)
    assert A.at(1).structure_constants[1][2] == (-2 * m, 0, 0)
    assert [(c.where, c.name) for c in A.cases] == [
        ("h < 0", "so(3)"),
        ("h = 0", "e(2)"),
        ("h > 0", "sl(2,R)"),
    ]
    assert all(c.holds_throughout for c in A.cases)


def test_coefficients_may_be_of_higher_degree_and_have_several_zeros():
    """A Lenz vector times H + 1: the bracket is -2 H (H + 1)² L, which vanishes at h = -1 too."""
    energy = "((px**2+py**2)/2 - 1/sqrt(x**2+y**2))"
    lenz = ["py*(x*py-y*px) - x/sqrt(x**2+y**2)", "-px*(x*py-y*px) - y/sqrt(x**2+y**2)"]
    A = hs.LieAlgebra(["x*py-y*px", *(f"({energy} + 1)*({a})" for a in lenz)], PLANE, hamiltonian=energy)
    for value in (-2, -1, sp.Rational(1, 3), 2):
        assert A.at(value).structure_constants[1][2] == (-2 * value * (value + 1) ** 2, 0, 0)
    assert [(c.where, c.name) for c in A.cases] == [
        ("h < -1", "so(3)"),
        ("h = -1", "e(2)"),
        ("-1 < h < 0", "so(3)"),
        ("h = 0", "e(2)"),
        ("h > 0", "sl(2,R)"),
    ]
    assert all(c.holds_throughout for c in A.cases) and A.level == sp.Rational(-1, 2)


@pytest.mark.parametrize(
    "polynomial, values",
    [("h**2 - 2", ["-sqrt(2)", "sqrt(2)"]), ("h**3 - 2", ["2**(1/3)"]), ("h**2 - h - 1", ["1/2 - sqrt(5)/2", "1/2 + sqrt(5)/2"])],
)  # fmt: skip
def test_borders_may_be_irrational(polynomial, values):
    """{q1*p1, ·} scales p1**2 and q1**2*f(h) by -2 and 2; their bracket is 4 f(h) q1*p1, zero at the roots of f."""
    squares = ["p1**2", f"q1**2*({polynomial.replace('h', 'p2')})", "q1*p1"]
    A = hs.LieAlgebra(squares, hs.PhaseSpace.standard(2), hamiltonian="p2")
    borders = [c for c in A.cases if c.is_border]
    assert [str(c.value) for c in borders] == values and len(A.cases) == 2 * len(values) + 1
    assert {c.name for c in borders} == {"iso(1,1)"} and {c.killing_signature for c in borders} == {(1, 0, 2)}
    assert all(c.name == "sl(2,R)" for c in A.cases if not c.is_border)


def test_a_border_that_no_root_expresses_is_listed_without_a_name():
    A = hs.LieAlgebra(
        ["p1**2", "q1**2*(p2**3 - p2 - 1)", "q1*p1"], hs.PhaseSpace.standard(2), hamiltonian="p2"
    )
    below, border, above = A.cases
    assert below.name == above.name == "sl(2,R)" and border.is_border
    assert border.name is None and border.killing_signature is None and "not computed" in str(border)
    assert str(border) in str(A) and {"where": border.where, "name": None} in A.to_dict()["cases"]


def test_an_algebra_that_is_abelian_on_one_level():
    square = "(px**2 + py**2 + pz**2)"
    A = hs.LieAlgebra([f"{square}*({g})" for g in L], SPACE)
    assert [(c.where, c.name, c.holds_throughout) for c in A.cases] == [
        ("h < 0", "so(3)", True),
        ("h = 0", "R^3", True),
        ("h > 0", "so(3)", True),
    ]


def test_a_finite_closure_comes_before_coefficients_that_depend_on_a_generator():
    """{x py, px py} = py² is py times py, with py central; but with py² the algebra is finite over the numbers."""
    A = hs.LieAlgebra(["py", "x*py", "px*py"], PLANE)
    assert not A.closes and A.coefficients_depend_on is None and A.name == "h_3 ⊕ R"
    assert A.adjoined == (PLANE.parse("py**2"),)


def test_dependence_over_polynomials_in_a_central_function_makes_no_algebra():
    """p2*p1**2 is p2 times p1**2: brackets expanded in both, each in a way of its own, violate Jacobi's identity."""
    squares = ["p1**2", "q1**2", "q1*p1", "p2*p1**2"]
    A = hs.LieAlgebra(squares, hs.PhaseSpace.standard(2), hamiltonian="p2")
    assert A.dimension == 4 and not A.closes and A.coefficients_depend_on is None and A.cases == ()


def test_a_function_that_does_not_commute_is_no_coefficient():
    """{x², p²} = 4 x p is 4 (p/x) x², but p/x is no constant on orbits of x²."""
    A = hs.LieAlgebra(["x**2", "p**2"], LINE, hamiltonian="p/x")
    assert A.coefficients_depend_on is None and A.name == "sl(2,R)"


def test_a_hamiltonian_that_does_not_commute_is_not_used():
    A = hs.LieAlgebra([*L, *LENZ], SPACE, hamiltonian="px**2")
    assert A.coefficients_depend_on != SPACE.parse("px**2") and A.killing_signature == (0, 6, 0)


# -- parameters ----------------------------------------------------------------------------------------------


def test_the_signature_may_depend_on_a_parameter():
    A = hs.LieAlgebra(["p**2/(2*m) + c*x**2/2", "x", "p", "1"], LINE)
    assert A.closes and A.derived_dimension == 3 and A.center_dimension == 1 and A.name is None
    with pytest.raises(UndecidedError, match="parameters"):
        A.killing_signature  # noqa: B018
    assert A.to_dict()["killing_signature"] is None
    c, m = LINE.parameters["c"], LINE.parameters["m"]
    assert A.killing_form[0, 0] == -2 * c / m


def test_values_of_parameters_at_which_generators_become_dependent_are_named():
    A = hs.LieAlgebra(["(c - 1)*x + p", "p + 2*x", "m*(x + p)"], LINE)
    c = LINE.parameters["c"]
    assert A.dimension == 2 and list(A.dependences) == [2] and A.critical == (c - 3,)
    assert hs.LieAlgebra(["2*x + p", "p + 2*x"], LINE).dimension == 1  # c = 3
    assert hs.LieAlgebra(["x**m", "p"], LINE).critical == ()  # what a closure that fails meets does not count


def test_roots_of_parameters_are_scalars():
    """x, p and H of the oscillator in units in which the frequency √(k/m) shows."""
    A = hs.LieAlgebra(["sqrt(k*m)*x", "p", "p**2/(2*m) + k*x**2/2", "1"], LINE)
    k, m = LINE.parameters["k"], LINE.parameters["m"]
    assert sp.simplify(A.structure_constants[0][2][1] - sp.sqrt(k / m)) == 0
    assert A.name == "oscillator algebra (Nappi–Witten)"


# -- abstract algebras ---------------------------------------------------------------------------------------


def test_structure_constants_are_checked():
    epsilon = [[[int(sp.LeviCivita(i, j, k)) for k in range(3)] for j in range(3)] for i in range(3)]
    A = hs.LieAlgebra.from_structure_constants(epsilon)
    assert (
        A.name == "so(3)" and A.is_simple and A.rank == 1 and A.casimirs(2) == [sum(s**2 for s in A.symbols)]
    )
    spoiled = json.loads(json.dumps(epsilon))
    spoiled[0][1][0] = 1
    with pytest.raises(SpaceError, match="antisymmetric"):
        hs.LieAlgebra.from_structure_constants(spoiled)
    spoiled[1][0][0] = -1
    with pytest.raises(SpaceError, match="Jacobi"):
        hs.LieAlgebra.from_structure_constants(spoiled)
    for shape in ([], [[[0, 0]]], [[0]], 3, [[[0], [0]], [[0], [0]]], "so3", None):
        with pytest.raises(SpaceError):
            hs.LieAlgebra.from_structure_constants(shape)
    for entry in (float("nan"), None, 1j, float("inf")):
        with pytest.raises(SpaceError):
            hs.LieAlgebra.from_structure_constants([[[entry]]])


def test_kinds():
    e3 = hs.LieAlgebra([*L, *P3], SPACE)
    assert not (e3.is_abelian or e3.is_nilpotent or e3.is_solvable or e3.is_semisimple or e3.is_simple)
    assert (e3.radical_dimension, e3.nilradical_dimension, e3.rank) == (3, 3, 2)
    assert e3.derived_series == (6,) and e3.lower_central_series == (6,)
    h3 = hs.LieAlgebra(["x", "p", "1"], LINE)
    assert h3.is_nilpotent and h3.is_solvable and h3.lower_central_series == (3, 1, 0)
    so4 = hs.LieAlgebra([*L, *LENZ], SPACE)
    assert so4.is_semisimple and not so4.is_simple and so4.ideals == (3, 3)


# -- representations -----------------------------------------------------------------------------------------


def test_representations():
    A = hs.LieAlgebra(L, SPACE)
    assert repr(A) == "<LieAlgebra: dimension 3, closes, so(3)>"
    assert repr(hs.LieAlgebra(["x", "p"], LINE)) == "<LieAlgebra: dimension 2, closes with 1 adjoined, h_3>"
    generated = hs.LieAlgebra(["x**2", "p**2"], LINE)
    assert repr(generated) == "<LieAlgebra: dimension 2, does not close, generates sl(2,R) of dimension 3>"
    assert "X3" in A._repr_html_() and r"\{X1, X2\} &= X_{3}" in A._repr_latex_()
    facts = json.loads(json.dumps(A.to_dict()))
    assert facts["brackets"]["0,1"] == {"2": "1"} and facts["name"] == "so(3)"
    kepler = hs.LieAlgebra([*L, *LENZ], SPACE)
    assert [c["where"] for c in json.loads(json.dumps(kepler.to_dict()))["cases"]] == [
        "h < 0",
        "h = 0",
        "h > 0",
    ]
    assert "h > 0: so(3,1)" in str(kepler) and "closes over functions of h" in repr(kepler)


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generators", "error", "words"),
    [
        ([], SymmetryError, "no generators"),
        ("x*p", SymmetryError, "list"),
        (None, SymmetryError, "list"),
        (3, SymmetryError, "list"),
        (["0", "x - x"], SymmetryError, "zero"),
        (["foreign"], FormulaError, "foreign"),
        (["nan"], FormulaError, "nan"),
        ([float("nan")], FormulaError, "finite"),
        ([float("inf")], FormulaError, "finite"),
        ([None], FormulaError, "NoneType"),
        ([sp.Symbol("foreign")], FormulaError, "foreign"),
        (["__import__('os')"], FormulaError, "not part of a formula"),
        (["x"] * 10_000, SymmetryError, "10000 generators"),
    ],
)
def test_bad_generators(generators, error, words):
    with pytest.raises(error, match=words):
        hs.LieAlgebra(generators, LINE)


def test_bad_arguments():
    with pytest.raises(SpaceError):
        hs.LieAlgebra(["x"], "x p")
    for budget in (0, -1, float("nan"), "long", True, None):
        with pytest.raises(ParameterError):
            hs.LieAlgebra(["x"], LINE, budget=budget)
    A = hs.LieAlgebra(L, SPACE)
    for degree in (0, -1, 1.5, True, "2"):
        with pytest.raises(ParameterError):
            A.casimirs(degree)
    with pytest.raises(ParameterError, match="monomials"):
        A.casimirs(400)
    for other in (None, 3, "so(3)", np.array([1, 2])):
        with pytest.raises(SymmetryError, match="another LieAlgebra"):
            A.is_isomorphic_to(other)
    for polynomial in (None, np.array([1, 2]), "X4", "x", SPACE.parse("x"), True, "X1 +"):
        with pytest.raises(FormulaError):
            A.function(polynomial)
    assert A.function("X1**2 - 2") == A.basis[0] ** 2 - 2 and A.function(3) == 3
    with pytest.raises(SymmetryError, match="no level"):
        A.at(1)
    for value in (float("nan"), "1", None, True):
        with pytest.raises(ParameterError):
            hs.LieAlgebra([*L, *LENZ], SPACE).at(value)


def test_a_representation_has_a_budget_of_its_own(monkeypatch):
    """Cubic and quartic integrals of an oscillator: their brackets are products of integrals, without end."""
    monkeypatch.setattr(closed, "DISPLAY_SECONDS", 2.0)
    system = hs.systems["commensurate_oscillator"]
    A = hs.LieAlgebra(system.integrals, system.hamiltonian.space, hamiltonian=system.hamiltonian, budget=1e6)
    assert not A.closes and A.missing and "does not close" in repr(A)
    assert A.to_dict()["describes"] is None and "0.25 s" in A.to_dict()["reason"] and "<b>" in A._repr_html_()


def test_the_energy_of_a_charge_and_a_monopole_is_found_in_short():
    """Source: McIntosh and Cisneros (1970), Journal of Mathematical Physics 11, 896."""
    system = hs.systems["mic_kepler"]
    A = hs.LieAlgebra([*system.integrals[1:4], *system.integrals[5:8]], system.space)
    h = A.coefficients_depend_on
    assert len(str(h)) < 400 and h.coeff(system.space.momenta[0], 2) == sp.Rational(1, 2)
    assert hs.is_zero(h - system.hamiltonian.expr, system.space)
    assert [c.name for c in A.cases] == ["so(4) = so(3) ⊕ so(3)", "e(3)", "so(3,1) = sl(2,C)"]
    assert max(map(len, str(A).splitlines())) < 160


def test_parameters_at_which_the_class_changes_are_critical():
    """Rotations, shears and boosts of the plane: e(2), the Heisenberg algebra and e(1,1) by the sign of a."""
    plane = hs.PhaseSpace("x y", "px py", parameters={"a": "real", "w": "positive"})
    a = plane.parameters["a"]
    A = hs.LieAlgebra(["x*py - a*y*px", "px", "py"], plane)
    assert A.critical == (a,) and "a" in str(A).splitlines()[-1]
    with pytest.raises(UndecidedError, match="depends on the parameters"):
        _ = A.killing_signature
    names = {v: A.at({"a": v}).name for v in (-2, -0.5, 0, Fraction(1, 3), 5)}
    assert list(names.values()) == ["iso(1,1)", "iso(1,1)", "h_3", "e(2)", "e(2)"]
    assert A.with_parameters({"a": 0}).derived_dimension == 1 < A.derived_dimension
    assert hs.LieAlgebra(["x*py - w*y*px", "px", "py"], plane).critical == ()
    assert hs.LieAlgebra(["px", "(a**2 - 1)*x"], plane).critical == (a - 1, a + 1)
    for wrong in ({"b": 1}, {"w": -1}, {"a": float("nan")}, {"a": "1"}):
        with pytest.raises(ParameterError):
            A.at(wrong)
    with pytest.raises(ParameterError, match="not finite"):
        hs.LieAlgebra(["px/a", "x"], plane).at({"a": 0})
    with pytest.raises(SymmetryError, match="by name"):
        A.at(-1)


def holds(A, space):
    """Whether every bracket is the polynomial that is said, by the general zero test."""
    values = dict(zip(A.generator_symbols, A.generators, strict=True))
    return all(
        hs.is_zero(hs.poisson_bracket(A.generators[i], A.generators[j], space) - e.xreplace(values), space)
        for (i, j), e in A.polynomial_brackets.items()
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("kepler_on_sphere", "cubic"), ("commensurate_oscillator", "quadratic")]
)
def test_integrals_whose_brackets_are_products_are_a_quadratic_algebra(name, kind):
    """Sources: Higgs (1979), J. Phys. A 12, 309 (sphere); Bonatsos et al. (1994), Phys. Rev. A 50, 3700 (oscillators)."""
    system = hs.systems[name]
    A = hs.LieAlgebra(system.integrals, system.space)
    assert not A.closes and A.products == {} and A.kind == ""  # nothing is claimed before it was computed
    assert holds(A, system.space) and A.kind == f"{kind} algebra" and A.without_products is A
    others = {(i, j) for i in range(4) for j in range(i + 1, 4)} - A.polynomial_brackets.keys()
    assert all(
        hs.is_zero(hs.poisson_bracket(A.generators[i], A.generators[j], system.space), system.space)
        for i, j in others
    )
    assert f"a {kind} algebra" in str(A) and f"{kind} algebra" in repr(A) and "larger budget" not in str(A)
    assert len(A.to_dict()["polynomial_brackets"]) == len(A.polynomial_brackets)


def test_a_square_of_angular_momentum_is_left_out():
    system = hs.systems["kepler_3d"]
    A = hs.LieAlgebra(system.integrals[1:], system.space, budget=60)
    X = A.generator_symbols
    assert list(A.products.items()) == [(A.generators[3], X[0] ** 2 + X[1] ** 2 + X[2] ** 2)]
    told = str(A)
    assert "X4 = X1**2 + X2**2 + X3**2 is a polynomial" in told and ".closure looks for one" in told
    assert "pass a larger budget" not in told and A.polynomial_brackets == {}  # {A_i, A_j} needs the energy
    assert [c.name for c in A.without_products.cases if c.is_border] == ["e(3)"]
    full = hs.LieAlgebra(system.integrals, system.space)
    assert holds(full, system.space) and full.kind == "quadratic algebra"


def test_a_product_with_the_energy_does_not_stop_the_search_for_a_central_function():
    """H*L1 is a product of generators, and yet linear over the functions of H."""
    h, turn, r = "((px**2 + py**2)/2 - 1/sqrt(x**2 + y**2))", "(x*py - y*px)", "sqrt(x**2 + y**2)"
    lenz = [f"py*{turn} - x/{r}", f"-px*{turn} - y/{r}"]
    A = hs.LieAlgebra([h, turn, *lenz, f"{h}*({lenz[0]})"], PLANE)
    assert list(A.products.values()) == [A.generator_symbols[0] * A.generator_symbols[2]]
    assert A.coefficients_depend_on is not None


def test_the_search_for_a_central_function_may_end_early_without_an_error(monkeypatch):
    def stop(*_):
        raise Overrun("the budget is used up")

    monkeypatch.setattr(closing, "_over_polynomials", stop)
    A = hs.LieAlgebra([*L, *LENZ], SPACE)
    assert A.dimension == 6 and not A.closes and A.coefficients_depend_on is None and len(A.missing) == 3
    assert "budget" in A.stopped


def test_the_budget_is_kept():
    powers = [f"(x + p)**{a} * sin(x)**{b}" for a in range(1, 11) for b in range(10)]
    with pytest.raises(UndecidedError, match="budget"):
        hs.LieAlgebra(powers, LINE, budget=0.2)


def test_many_generators_are_within_the_budget():
    """Of 200 fields on the line, 197 brackets leave the span: q**i*p and q**j*p give q**(i+j-1)*p."""
    started = time.process_time()
    fields = hs.LieAlgebra([f"q1**{i}*p1" for i in range(200)], hs.PhaseSpace.standard(1), budget=30)
    assert fields.dimension == 200 and len(fields.missing) == 197
    with pytest.raises(SymmetryError, match="more than 64"):
        _ = fields.name
    assert time.process_time() - started < 8  # of a processor; reducing again what is reduced takes 60


def test_what_the_tower_has_no_rule_for_is_an_error_of_ours():
    with pytest.raises(HamsymError):
        hs.LieAlgebra(["1/(x - x)"], LINE)
