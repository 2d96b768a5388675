"""Standard generators: they do to coordinates what their names say, and close to the algebras of physics."""

import math

import numpy as np
import pytest
import sympy as sp

import hamsym as hs
from hamsym.errors import FormulaError, HamsymError, ShapeError, SpaceError, SymmetryError

SPACE = hs.PhaseSpace.standard(3, parameters={"m": "positive", "k": "real", "c": "real"}, functions={"V": 1})
MOVING = hs.PhaseSpace.standard(
    6, parameters={"m": "positive", "M": "positive"}, functions={"V": 1}, time="t"
)
PAIR = hs.Hamiltonian(
    "(p1**2 + p2**2 + p3**2)/(2*m) + (p4**2 + p5**2 + p6**2)/(2*M) + V(sqrt((q1 - q4)**2 + (q2 - q5)**2 + (q3 - q6)**2))",
    MOVING,
)


def test_full_turn_is_the_identity():
    M, _ = hs.angular_momentum(SPACE, 0, 2).flow(2 * sp.pi).arrays()
    assert M == pytest.approx(np.eye(6), abs=1e-15)


def test_quarter_turn_is_counter_clockwise():
    q, _ = hs.angular_momentum(SPACE, 0, 1).flow(math.pi / 2)([1.0, 0, 0], [0, 0, 0])
    assert q == pytest.approx([0, 1, 0], abs=1e-12)


def test_rotations_close_to_so3():
    """{Lx, Ly} = Lz and cyclic."""
    x, y, z = hs.total_angular_momentum(SPACE, 3)
    assert z == hs.angular_momentum(SPACE, 0, 1) and y == hs.angular_momentum(SPACE, 2, 0)
    for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
        assert hs.is_zero(hs.poisson_bracket(a, b, SPACE) - c.expr, SPACE)


@pytest.mark.parametrize("i", range(3))
def test_a_pair_of_particles_has_the_ten_galilean_integrals(i):
    momentum, spin = hs.total_momentum(MOVING, 3)[i], hs.total_angular_momentum(MOVING, 3)[i]
    boost = hs.boost(MOVING, range(i, 6, 3), mass=["m", "M"])
    for g in (momentum, spin, boost):
        assert hs.verify(PAIR, g).status == "proved", g
    wrong = hs.boost(MOVING, range(i, 6, 3), mass="m")
    assert hs.verify(PAIR, wrong).status == "refuted"


def test_bracket_of_boost_and_momentum_is_the_mass():
    """{K, P} = -(m + M): the central charge of the Galilei algebra."""
    boost = hs.boost(MOVING, [0, 3], mass=["m", "M"])
    charge = hs.poisson_bracket(boost, hs.total_momentum(MOVING, 3)[0], MOVING)
    assert charge == -MOVING.symbols["m"] - MOVING.symbols["M"]


def test_boost_moves_to_a_moving_frame():
    images = hs.boost(MOVING, [0, 3], mass=["m", "M"]).flow("v").images
    v = sp.Symbol("v", real=True)
    q1, q4, p4, t, M = (MOVING.symbols[n] for n in ("q1", "q4", "p4", "t", "M"))
    assert (images[q1], images[q4], images[p4]) == (q1 + t * v, q4 + t * v, p4 + M * v)


def test_dilation_and_conformal_generators_close_to_sl2():
    """{D, P_i} = P_i, {D, K_i} = -K_i, {K_i, P_i} = 2 D."""
    D, P, K = hs.dilation(SPACE), hs.translation(SPACE, 1), hs.special_conformal(SPACE, 1)
    for value, wanted in (
        (hs.poisson_bracket(D, P, SPACE), P.expr),
        (hs.poisson_bracket(D, K, SPACE), -K.expr),
        (hs.poisson_bracket(K, P, SPACE), 2 * D.expr),
    ):
        assert hs.is_zero(value - wanted, SPACE)


def test_special_conformal_maps_commute_and_rescale_the_momentum():
    """They are conformal: {|p|², K_i} is a multiple of |p|²."""
    K = [hs.special_conformal(SPACE, i) for i in range(3)]
    assert hs.is_zero(hs.poisson_bracket(K[0], K[2], SPACE), SPACE)
    bracket = hs.poisson_bracket("p1**2 + p2**2 + p3**2", K[0], SPACE)
    assert hs.is_zero(bracket + 4 * SPACE.parse("q1*(p1**2 + p2**2 + p3**2)"), SPACE)
    assert all(k.is_point_action for k in K)


def test_weighted_dilation_is_a_symmetry_of_an_anisotropic_potential():
    space = hs.PhaseSpace.standard(2)
    g = hs.dilation(space, weights=[1, -2])
    assert hs.verify(hs.Hamiltonian("q1*p1*q2*p2 + q1**2*q2", space), g).status == "proved"
    assert hs.verify(hs.Hamiltonian("q1*p1 + q1**2*q2**2", space), g).status == "refuted"


@pytest.mark.parametrize(
    ("q", "p", "H"),
    [
        ("x y", "px py", "(px**2 + py**2)/2 - 1/sqrt(x**2 + y**2)"),
        ("x y z", "u v w", "(u**2 + v**2 + w**2)/(2*m) - k/sqrt(x**2 + y**2 + z**2)"),
        ("x y z", "u v w", "0.5*(u**2 + v**2 + w**2)/m + k*m/sqrt(x**2 + y**2 + z**2) + c"),
        ("x y", "px py", "(px**2 + py**2)*3 + 2*(x**2 + y**2)**(-1/2)"),
        ("x y z w", "a b c d", "(a**2 + b**2 + c**2 + d**2)/2 - 1/sqrt(x**2 + y**2 + z**2 + w**2)"),
    ],
)
def test_kepler_hamiltonians_have_a_runge_lenz_vector(q, p, H):
    space = hs.PhaseSpace(q, p, parameters={"m": "positive", "k": "real", "c": "real"})
    hamiltonian = hs.Hamiltonian(H, space)
    vector = hs.runge_lenz(hamiltonian)
    assert len(vector) == space.dof
    for component in vector:
        assert hs.verify(hamiltonian, component).status == "proved"
    turn = hs.angular_momentum(space, 0, 1)  # it is a vector: {A_x, L} = A_y up to sign
    assert hs.is_zero(hs.poisson_bracket(vector[0], turn, space) + vector[1].expr, space)


def test_runge_lenz_vector_points_to_the_pericentre_with_the_eccentricity_as_length():
    system = hs.systems["kepler"]
    H, k = system.hamiltonian, system.parameters
    q, p = np.array([0.5, 0.0]), np.array([0.0, math.sqrt(3.0)])  # pericentre of a = 1, e = 1/2 for GM = 1
    at = dict(zip((s.name for s in H.space.variables), (*q, *p), strict=True)) | dict.fromkeys(k, 1.0)
    A = [float(g.expr.subs({s: at[s.name] for s in g.expr.free_symbols})) for g in hs.runge_lenz(H)]
    assert pytest.approx([0.5, 0.0]) == A[:2]


@pytest.mark.parametrize(
    ("H", "reason"),
    [
        ("(p1**2 + p2**2 + p3**2)/2 - 1/(q1**2 + q2**2 + q3**2)", "not conserved"),
        ("(p1**2 + p2**2 + p3**2)/2 - 1/sqrt(q1**2 + q2**2 + 2*q3**2)", "not conserved"),
        ("(p1**2 + p2**2 + 2*p3**2)/2 - 1/sqrt(q1**2 + q2**2 + q3**2)", "not conserved"),
        ("(p1**2 + p2**2 + p3**2)/2", "potential is not"),
        ("(p1**4 + p2**2 + p3**2)/2 - 1/sqrt(q1**2 + q2**2 + q3**2)", r"kinetic energy is not p²/\(2m\)"),
        ("q1*p2 - q2*p1 + p3**2", "not K"),
        ("(p1**2 + p2**2 + p3**2)/2 + V(q1)", "potential is not"),
        ("0", "kinetic energy"),
    ],
)
def test_other_hamiltonians_have_none_and_say_why(H, reason):
    with pytest.raises(SymmetryError, match=reason):
        hs.runge_lenz(hs.Hamiltonian(H, SPACE))


def test_runge_lenz_of_other_things_is_refused():
    with pytest.raises(SymmetryError, match="two or more"):
        hs.runge_lenz(hs.Hamiltonian("p1**2/2 - 1/q1", hs.PhaseSpace.standard(1)))
    with pytest.raises(SymmetryError, match="belongs to a Hamiltonian"):
        hs.runge_lenz("p1**2/2")
    with pytest.raises(SymmetryError, match="two or more"):
        hs.runge_lenz(hs.Hamiltonian("L1**2", hs.LiePoissonSpace("L1 L2 L3", "so3")))


def test_runge_lenz_flow_is_refused_with_the_remedy():
    H = hs.Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", hs.PhaseSpace.standard(2))
    with pytest.raises(SymmetryError, match="simulate"):
        hs.runge_lenz(H)[0].flow("a")


@pytest.mark.parametrize("i", [3, -1, True, 1.0, "0", None, [0]], ids=repr)
def test_coordinates_that_do_not_exist_are_refused(i):
    for make in (hs.translation, hs.special_conformal, lambda s, k: hs.angular_momentum(s, 0, k)):
        with pytest.raises(SpaceError, match="does not exist"):
            make(SPACE, i)


@pytest.mark.parametrize("d", [0, 2, 4, -3, True, 1.5, None], ids=repr)
def test_particles_are_whole(d):
    for make in (hs.total_momentum, hs.total_angular_momentum):
        with pytest.raises(SpaceError, match="whole particles"):
            make(SPACE, d)


@pytest.mark.parametrize(
    ("i", "mass"),
    [
        (0, ["m", "M"]), ([0, 3], ["m"]), ([0, 0], "m"), ([], "m"), (0, "q1"), (0, "t"), (0, 0), (0, float("nan")),
        (0, "x"), (True, "m"), ("q1", "m"), ([0, 9], "m"), (None, "m"), (0, None),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_boosts_are_refused(i, mass):
    with pytest.raises(HamsymError):
        hs.boost(MOVING, i, mass=mass)


def test_bad_input():
    with pytest.raises(SpaceError, match="two different"):
        hs.angular_momentum(SPACE, 1, 1)
    with pytest.raises(SpaceError, match="do not rotate"):
        hs.total_angular_momentum(SPACE, 1)
    with pytest.raises(SpaceError, match="declare it"):
        hs.boost(SPACE, 0, mass="m")
    with pytest.raises(SpaceError, match="2 weights"):
        hs.dilation(SPACE, weights=[1, 2])
    with pytest.raises(SpaceError, match="a sequence, one for each"):
        hs.dilation(SPACE, weights=1)
    with pytest.raises(SpaceError, match="constants"):
        hs.dilation(SPACE, weights=["q1", 1, 1])
    with pytest.raises(FormulaError):
        hs.dilation(SPACE, weights=["x", 1, 1])
    with pytest.raises(ShapeError):
        hs.translation(SPACE, 0).flow(0.1)([0.0], [0.0])
    with pytest.raises(SpaceError, match="a PhaseSpace, not LiePoissonSpace"):
        hs.translation(hs.LiePoissonSpace("L1 L2 L3", "so3"), 0)
    with pytest.raises(SpaceError, match="a PhaseSpace, not str"):
        hs.dilation("q p")
