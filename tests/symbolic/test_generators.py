"""Generators: the finite map is the flow of the vector field, and keeps the bracket."""

import math

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.errors import HamsymError, ParameterError, ShapeError, SpaceError, SymmetryError

SPACE = hs.PhaseSpace.standard(3, parameters={"m": "positive", "k": "positive"})
LINEAR = {
    "rotation": "q1*p2 - q2*p1",
    "tilted rotation": "q1*p2 - q2*p1 + q2*p3 - q3*p2",
    "translation": "p1 + 2*p3",
    "boost": "m*q1",
    "dilation": "q1*p1 + 2*q2*p2",
    "oscillator": "p1**2/(2*m) + k*q1**2/2",
    "inverted": "p2**2/2 - q2**2/2",
    "shear": "p1**2/2 + p1*p2",
    "coupled": "p1**2/2 + p2**2/2 + q1*q2",
}
VALUES = {"m": 1.3, "k": 0.7}


@pytest.mark.parametrize("text", LINEAR.values(), ids=LINEAR.keys())
def test_finite_map_solves_the_flow_equation(text):
    """Against scipy's DOP853 on the vector field itself."""
    g = hs.Generator(text, SPACE)
    field = sp.lambdify(
        SPACE.variables,
        [e.subs({SPACE.symbols[n]: v for n, v in VALUES.items()}) for e in g.vector_field().values()],
    )
    rng = np.random.default_rng(0)
    start, eps = rng.normal(size=6), 0.8
    exact = solve_ivp(lambda _, s: field(*s), (0, eps), start, method="DOP853", rtol=1e-12, atol=1e-12).y[
        :, -1
    ]
    q, p = g.flow(eps)(start[:3], start[3:], VALUES)
    assert np.concatenate([q, p]) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("text", LINEAR.values(), ids=LINEAR.keys())
def test_finite_map_is_symplectic_and_a_group(text):
    g = hs.Generator(text, SPACE)
    J = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    (M, b), (M2, b2) = g.flow(0.3).arrays(VALUES), g.flow(0.6).arrays(VALUES)
    assert M.T @ J @ M == pytest.approx(J, abs=1e-12)
    assert M @ M == pytest.approx(M2, abs=1e-12)
    assert M @ b + b == pytest.approx(b2, abs=1e-12)


def test_full_turn_is_the_identity():
    M, _ = hs.angular_momentum(SPACE, 0, 2).flow(2 * sp.pi).arrays()
    assert M == pytest.approx(np.eye(6), abs=1e-15)


def test_quarter_turn_is_counter_clockwise():
    q, _ = hs.angular_momentum(SPACE, 0, 1).flow(math.pi / 2)([1.0, 0, 0], [0, 0, 0])
    assert q == pytest.approx([0, 1, 0], abs=1e-12)


def test_generators_close_to_so3():
    """{Lx, Ly} = Lz and cyclic: the bracket of the standard generators is the rotation algebra."""
    x, y, z = (hs.angular_momentum(SPACE, i, j) for i, j in ((1, 2), (2, 0), (0, 1)))
    for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
        assert hs.is_zero(hs.poisson_bracket(a, b, SPACE) - c.expr, SPACE)


@pytest.mark.parametrize(
    ("text", "point"),
    [("q1*p2 - q2*p1", True), ("p1", True), ("sin(q1)*p1", True), ("p1**2", False), ("q1", True)],
)
def test_point_actions_are_those_affine_in_momenta(text, point):
    assert hs.Generator(text, SPACE).is_point_action is point


def test_what_has_no_linear_flow_says_so():
    with pytest.raises(SymmetryError, match="not linear"):
        hs.Generator("q1**2*p1", SPACE).flow(1.0)


def test_bad_input():
    with pytest.raises(SpaceError, match="does not exist"):
        hs.angular_momentum(SPACE, 0, 3)
    with pytest.raises(SpaceError, match="two different"):
        hs.angular_momentum(SPACE, 1, 1)
    with pytest.raises(ParameterError, match="needs values for"):
        hs.Generator(LINEAR["oscillator"], SPACE).flow(0.1)([0.0] * 3, [0.0] * 3)
    with pytest.raises(ShapeError):
        hs.translation(SPACE, 0).flow(0.1)([0.0], [0.0])
    with pytest.raises(HamsymError):
        hs.Generator("q9", SPACE)
