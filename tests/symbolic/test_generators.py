"""Generators: linear flows solve their equation and keep the bracket; point actions and kept densities are decided."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.errors import HamsymError, ParameterError, SpaceError

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


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("q1*p2 - q2*p1", True),
        ("p1", True),
        ("sin(q1)*p1 + q2", True),
        ("p1**2", False),
        ("q1", True),
        ("p1*p2", False),
        ("(p1 + q1)**2/2 - p1**2/2", True),
        ("p1*(sin(p2)**2 + cos(p2)**2)", True),
        ("sqrt((p1**2 + 1)**2) - p1**2 + q1*p1", True),
        ("exp(log(1 + p1**2)/2)", False),
        ("0", True),
    ],
)
def test_point_actions_are_those_affine_in_momenta(text, point):
    assert hs.Generator(text, SPACE).is_point_action is point


def test_point_actions_with_time_functions_and_without_momenta():
    space = hs.PhaseSpace.standard(1, functions={"V": 1}, time="t")
    assert hs.Generator("p1*t - q1", space).is_point_action
    assert hs.Generator("V(q1)*p1", space).is_point_action
    assert not hs.Generator("V(p1)", space).is_point_action
    assert not hs.Generator("L1", hs.LiePoissonSpace("L1 L2 L3", "so3")).is_point_action


@pytest.mark.parametrize(
    ("g", "density", "status"),
    [
        ("q1*p2 - q2*p1", "exp(-(q1**2 + q2**2 + p1**2 + p2**2)/2)", "proved"),
        ("q1*p2 - q2*p1", "exp(-(q1**2 + 2*q2**2))", "refuted"),
        ("p1", "exp(-(q1**2 + p1**2)/2)", "refuted"),
        ("p1", "exp(-p1**2/(2*m) - V(q2))", "proved"),
        ("p1**2/(2*m) + V(q1)", "exp(-(p1**2/m + 2*V(q1))/2)", "proved"),
        ("q1*p1 - q2*p2", "1/(1 + (q1*q2)**2)", "proved"),
        ("q1*p1", "1/(1 + q1**2*p1**2)", "proved"),
        ("q1*p1", "1/(1 + q1**2)", "refuted"),
        ("p2", "1", "proved"),
    ],
)
def test_densities_that_a_flow_keeps(g, density, status):
    """The condition is {ρ, g} = 0, because phase-space flows keep volume; Liouville is the density 1."""
    space = hs.PhaseSpace.standard(2, parameters={"m": "positive"}, functions={"V": 1})
    generator = hs.Generator(g, space)
    verdict = generator.preserves(density)
    assert verdict.status == status and verdict.check() and verdict.question == "{rho, g} + rho div X_g = 0"
    assert generator.preserves(sp.log(space.parse(density)), log=True).status == status


def test_kept_density_is_the_density_of_moved_points():
    """ρ(φ(s)) = ρ(s) for the finite map of a proved generator, and not for a refuted one."""
    space = hs.PhaseSpace.standard(2)
    rho = space.parse("exp(-(q1**2 + q2**2 + 3*p1**2 + 3*p2**2)/2)")
    density = sp.lambdify(space.variables, rho)
    start = [0.3, -0.2], [0.5, 0.1]
    for text, status in (("q1*p2 - q2*p1", "proved"), ("p1", "refuted")):
        g = hs.Generator(text, space)
        q, p = g.flow(0.7)(*start)
        assert g.preserves(rho).status == status
        kept = abs(density(*q, *p) / density(*start[0], *start[1]) - 1) < 1e-12
        assert bool(kept) is (status == "proved")


def test_time_in_a_density_is_a_parameter():
    space = hs.PhaseSpace.standard(1, time="t")
    assert hs.Generator("p1*t - q1", space).preserves("exp(-(q1 - t*p1)**2)").status == "proved"
    assert hs.Generator("p1", space).preserves("exp(-p1**2*t)").status == "proved"


def test_divergence_counts_where_the_algebra_is_not_unimodular():
    """{a, b} = b: X_a has divergence -1 (b' = -b), so 1 is not kept by a, but 1/b is."""
    space = hs.LiePoissonSpace("a b", [[[0, 0], [0, 1]], [[0, -1], [0, 0]]], parameters={"b": "positive"})
    g = hs.Generator("a", space)
    assert g.vector_field()[space.coordinates[1]] == -space.coordinates[1]
    assert g.preserves("1").status == "refuted"
    assert g.preserves("1/b").status == "proved"
    assert g.preserves("-log(b)", log=True).status == "proved"


@pytest.mark.parametrize("density", ["q9", "", None, float("nan"), [1]], ids=repr)
def test_bad_densities_are_refused(density):
    with pytest.raises(HamsymError):
        hs.translation(SPACE, 0).preserves(density)


def test_bad_input():
    with pytest.raises(ParameterError, match="needs values for"):
        hs.Generator(LINEAR["oscillator"], SPACE).flow(0.1)([0.0] * 3, [0.0] * 3)
    with pytest.raises(HamsymError):
        hs.Generator("q9", SPACE)
    with pytest.raises(SpaceError, match="acts on a phase space"):
        hs.Generator("q1", "q1 p1")
    with pytest.raises(ParameterError, match="budget"):
        hs.Generator("p1", SPACE).flow(0.1, budget=-1)
    for log in (np.array([1, 2]), "no", 1, None):
        with pytest.raises(ParameterError, match="log is True or False"):
            hs.Generator("p1", SPACE).preserves("exp(-q1**2)", log=log)
