"""Lie–Poisson spaces: the brackets of the conventions, Casimirs that commute with everything, checked constants."""

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import hamsym as hs
from hamsym.errors import FormulaError, NotSeparableError, SpaceError

NAMES = {
    "so3": "L1 L2 L3",
    "e3": "L1 L2 L3 g1 g2 g3",
    "so4": "L1 L2 L3 K1 K2 K3",
    "so31": "L1 L2 L3 K1 K2 K3",
    "e2": "L g1 g2",
    "sl2": "h e f",
    "heisenberg": "x y z",
}
DOF = {"so3": 1, "e3": 2, "so4": 2, "so31": 2, "e2": 1, "sl2": 1, "heisenberg": 1}
EPSILON = [[[int(sp.LeviCivita(i, j, k)) for k in range(3)] for j in range(3)] for i in range(3)]


@pytest.fixture(params=NAMES)
def space(request):
    return hs.LiePoissonSpace(NAMES[request.param], request.param)


def test_so3_and_e3_have_the_brackets_of_the_conventions():
    space = hs.LiePoissonSpace(NAMES["e3"], "e3")
    L, g = space.coordinates[:3], space.coordinates[3:]
    for i, j in itertools.product(range(3), repeat=2):
        third = [sp.LeviCivita(i, j, k) for k in range(3)]
        assert hs.poisson_bracket(L[i], L[j], space) == sum(e * x for e, x in zip(third, L, strict=True))
        assert hs.poisson_bracket(L[i], g[j], space) == sum(e * x for e, x in zip(third, g, strict=True))
        assert hs.poisson_bracket(g[i], g[j], space) == 0


def test_names_and_structure_constants_agree(space):
    again = hs.LiePoissonSpace(NAMES[space.algebra], space.structure_constants)
    assert again == space and again.algebra is None and again.dof == space.dof == DOF[space.algebra]


def test_casimirs_commute_with_every_function(space):
    functions = dict.fromkeys("F", space.dimension)
    free = hs.LiePoissonSpace(NAMES[space.algebra], space.algebra, functions=functions)
    F = free.functions["F"](*free.coordinates)
    for casimir in space.casimirs:
        assert hs.verify(hs.Hamiltonian(F, free), casimir).status == "proved"
    assert len(space.casimirs) == space.dimension - 2 * space.dof


def test_rotations_of_momentum_vectors_are_so3():
    """The bracket of angular momenta on T*R³ is the one of the Lie–Poisson space."""
    flat = hs.PhaseSpace.standard(3)
    rotor = hs.LiePoissonSpace("L1 L2 L3", "so3")
    q, p = flat.coordinates, flat.momenta
    L = [q[1] * p[2] - q[2] * p[1], q[2] * p[0] - q[0] * p[2], q[0] * p[1] - q[1] * p[0]]
    substitution = dict(zip(rotor.coordinates, L, strict=True))
    for i, j in itertools.combinations(range(3), 2):
        reduced = hs.poisson_bracket(*(rotor.coordinates[k] for k in (i, j)), rotor)
        assert hs.is_zero(hs.poisson_bracket(L[i], L[j], flat) - reduced.subs(substitution), flat)


def test_euler_equations_and_their_integrals():
    space = hs.LiePoissonSpace(NAMES["so3"], "so3", parameters=dict.fromkeys("ABC", "positive"))
    H = hs.Hamiltonian("L1**2/(2*A) + L2**2/(2*B) + L3**2/(2*C)", space)
    L1, L2, L3 = space.coordinates
    A, B, C = (space.symbols[n] for n in "ABC")
    turn, L = sp.Matrix([L1 / A, L2 / B, L3 / C]), sp.Matrix([L1, L2, L3])
    wanted = dict(zip(L, turn.cross(L), strict=True))
    for x, rate in H.equations().items():
        assert hs.is_zero(rate - wanted[x], space)
    assert hs.verify(H, "L1**2 + L2**2 + L3**2").status == "proved"
    assert hs.verify(H, "L1").status == "refuted"


def test_time_and_functions():
    space = hs.LiePoissonSpace("L1 L2 L3", "so3", functions={"f": 1}, parameters={"w": "real"}, time="t")
    H = hs.Hamiltonian("w*L3 + f(L3)", space)
    assert hs.verify(H, "L3").status == "proved"
    still = hs.Hamiltonian("w*L3", space)
    assert hs.verify(still, "L1*cos(w*t) - L2*sin(w*t)").status == "refuted"
    assert hs.verify(still, "L1*cos(w*t) + L2*sin(w*t)").status == "proved"


def test_hamiltonians_are_not_separable_and_cannot_be_simulated_which_says_why():
    space = hs.LiePoissonSpace("L1 L2 L3", "so3")
    H = hs.Hamiltonian("L1**2 + L2", space)
    assert not H.is_separable
    for use in (lambda: H.kinetic, lambda: hs.simulate(H, [[1.0, 0, 0]], None, dt=0.1, steps=1)):
        with pytest.raises(NotSeparableError, match=r"no momenta.*H\.equations\(\)"):
            use()


@pytest.mark.parametrize("name", ["so(3)", "SO(3)", " so3", "su(2)", "SU2"])
def test_common_ways_to_write_an_algebra(name):
    assert hs.LiePoissonSpace("L1 L2 L3", name) == hs.LiePoissonSpace("L1 L2 L3", "so3")


def test_constants_come_in_any_exact_form():
    forms = {
        "numpy": np.array(EPSILON),
        "floats": np.array(EPSILON, dtype=float),
        "sympy": sp.Array(EPSILON),
        "text": [[[str(c) for c in row] for row in plane] for plane in EPSILON],
        "fractions": [[[Fraction(c) for c in row] for row in plane] for plane in EPSILON],
    }
    for form, constants in forms.items():
        assert hs.LiePoissonSpace("a b c", constants) == hs.LiePoissonSpace("a b c", "so3"), form


@pytest.mark.parametrize("tenth", [0.1, "0.1", "1/10", ".1", Fraction(1, 10), sp.Rational(1, 10)], ids=repr)
def test_decimals_are_exact(tenth):
    minus = "-" + tenth if isinstance(tenth, str) else -tenth
    constants = [[[0, 0], [0, tenth]], [[0, minus], [0, 0]]]
    assert hs.LiePoissonSpace("a b", constants).structure_constants[0][1][1] == sp.Rational(1, 10)


def scaled(i, j, k, value):
    constants = [[list(row) for row in plane] for plane in EPSILON]
    constants[i][j][k] = value
    return constants


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        (scaled(0, 1, 2, 2), r"antisymmetric.*L3 in \{L1, L2\} is 2 and in \{L2, L1\} it is -1"),
        (scaled(1, 1, 0, 1), "antisymmetric"),
        (scaled(0, 1, 2, True), r"c\[0\]\[1\]\[2\] = True is not an exact number"),
        (scaled(0, 1, 2, float("nan")), "not a finite number"),
        (scaled(0, 1, 2, float("inf")), "not a finite number"),
        (scaled(0, 1, 2, 1j), "not an exact number"),
        (scaled(0, 1, 2, "a"), "not an exact number"),
        (scaled(0, 1, 2, "1/0"), "not an exact number"),
        (scaled(0, 1, 2, "__import__('os')"), "not an exact number"),
        (scaled(0, 1, 2, sp.Symbol("a")), "not an exact number"),
        (scaled(0, 1, 2, sp.sqrt(2)), "not an exact number"),
        (scaled(0, 1, 2, None), "not an exact number"),
        (scaled(0, 1, 2, Decimal("1")), "not an exact number"),
        ([[0] * 3] * 3, "not a sequence"),
        (EPSILON[:2], "the length 2"),
        ([[[0] * 2] * 3] * 3, r"c\[0\]\[0\] has the length 2"),
        (3, "not a sequence"),
        (None, "not a sequence"),
        (np.zeros((3, 3)), "not a sequence"),
        (np.zeros((4, 4, 4)), "the length 4"),
        ("so33", "no Lie algebra 'so33'"),
        ("so5", "did you mean"),
        ("e3", "e3 has 6 coordinates, for example 'L1 L2 L3 g1 g2 g3'; 3 given"),
    ],
    ids=str,
)
def test_bad_algebras_are_refused(constants, message):
    with pytest.raises(SpaceError, match=message):
        hs.LiePoissonSpace("L1 L2 L3", constants)


def test_the_triple_that_violates_jacobi_is_named():
    """{a, b} = c, {a, c} = b, {b, c} = b has {a, {b, c}} + … = c + 0 - 0, not 0."""
    zero = np.zeros((4, 4, 4), dtype=int)
    for i, j, k in ((1, 2, 3), (1, 3, 2), (2, 3, 2)):
        zero[i, j, k], zero[j, i, k] = 1, -1
    with pytest.raises(SpaceError, match="Jacobi identity fails for a, b, c"):
        hs.LiePoissonSpace("z a b c", zero)


@pytest.mark.parametrize("names", ["", [], "L1 L1 L3", "1 2 3", "L1 L2 sin", 3, None], ids=repr)
def test_bad_names_are_refused(names):
    with pytest.raises(SpaceError):
        hs.LiePoissonSpace(names, "so3")


def test_foreign_names_are_refused():
    with pytest.raises(FormulaError, match="did you mean"):
        hs.Hamiltonian("L1**2 + L4", hs.LiePoissonSpace("L1 L2 L3", "so3"))


def test_casimirs_of_given_constants_name_the_way_to_find_them():
    with pytest.raises(SpaceError, match="LieAlgebra"):
        _ = hs.LiePoissonSpace("L1 L2 L3", EPSILON).casimirs


def test_representations():
    space = hs.LiePoissonSpace("L1 L2 L3", "so(3)", parameters={"A": "positive"}, time="t")
    assert repr(space) == "LiePoissonSpace(x=(L1, L2, L3), 'so3', parameters={'A': 'positive'}, time='t')"
    given = hs.LiePoissonSpace("a b", [[[0, 0], [0, 2]], [[0, -2], [0, 0]]])
    assert repr(given) == "LiePoissonSpace(x=(a, b), [{a, b} = 2*b])"
    assert given._repr_latex_() == r"$\displaystyle \{a, b\} = 2 b$"
