"""Legendre transforms: twice is the identity, velocities are the slopes, and singular mass matrices are told."""

import contextlib
import itertools

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import FormulaError, HamsymError, LegendreError, ParameterError, SpaceError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.everywhere import require_everywhere
from hamsym.symbolic.inversion import only_solution

SPACE = hs.PhaseSpace(
    "x y",
    "px py",
    parameters={"m": "positive", "M": "positive", "l": "positive", "g": "real", "B": "real", "c": "positive"},
    functions={"V": 2, "A": 2, "C": 2},
    time="t",
)
#: Lagrangians in the velocities v w, and what their Hamiltonian is.
KNOWN = {
    "potential": ("m*(v**2 + w**2)/2 - V(x, y)", "(px**2 + py**2)/(2*m) + V(x, y)"),
    "magnetic field": (
        "m*(v**2 + w**2)/2 + B*(x*w - y*v)/2",
        "((px + B*y/2)**2 + (py - B*x/2)**2)/(2*m)",
    ),
    "any vector potential": (
        "m*(v**2 + w**2)/2 + A(x, y)*v + C(x, y)*w - V(x, y)",
        "((px - A(x, y))**2 + (py - C(x, y))**2)/(2*m) + V(x, y)",
    ),
    "double pendulum": (
        "(m + M)*l**2*v**2/2 + M*l**2*w**2/2 + M*l**2*v*w*cos(x - y) + (m + M)*g*l*cos(x) + M*g*l*cos(y)",
        "(M*px**2 + (m + M)*py**2 - 2*M*px*py*cos(x - y))/(2*M*l**2*(m + M*sin(x - y)**2))"
        " - (m + M)*g*l*cos(x) - M*g*l*cos(y)",
    ),
    "spherical pendulum": (
        "m*l**2*(v**2 + sin(x)**2*w**2)/2 + m*g*l*cos(x)",
        "px**2/(2*m*l**2) + py**2/(2*m*l**2*sin(x)**2) - m*g*l*cos(x)",
    ),
    "rotating frame": (
        "m*((v - B*y)**2 + (w + B*x)**2)/2",
        "(px**2 + py**2)/(2*m) + B*(y*px - x*py)",
    ),
    "driven": ("m*(v**2 + w**2)/2 - x*sin(t)", "(px**2 + py**2)/(2*m) + x*sin(t)"),
    "half plane": ("(v**2 + w**2)/(2*y**2)", "y**2*(px**2 + py**2)/2"),
    "relativistic": ("-m*c**2*sqrt(1 - (v**2 + w**2)/c**2)", "c*sqrt(m**2*c**2 + px**2 + py**2)"),
    "relativistic charge": (
        "-m*sqrt(1 - v**2 - w**2) + A(x, y)*v + C(x, y)*w - V(x, y)",
        "sqrt(m**2 + (px - A(x, y))**2 + (py - C(x, y))**2) + V(x, y)",
    ),
    "two relativistic lines": (
        "-m*sqrt(1 - v**2) - M*sqrt(1 - w**2)",
        "sqrt(m**2 + px**2) + sqrt(M**2 + py**2)",
    ),
    "quartic": ("v**4/4 + w**2/2", "3*(px**2)**(2/3)/4 + py**2/2"),
    "exponential": ("exp(v) + w**2/2", "px*log(px) - px + py**2/2"),
    "indefinite": ("v*w - x*y", "px*py + x*y"),
}


@pytest.fixture(params=KNOWN)
def case(request):
    return KNOWN[request.param]


def test_hamiltonian_of_a_lagrangian_is_the_known_one(case):
    H = hs.Hamiltonian.from_lagrangian(case[0], SPACE, "v w")
    assert hs.is_zero(H.expr - SPACE.parse(case[1]), SPACE).status == "proved"


def test_twice_is_the_identity(case):
    H = hs.Hamiltonian.from_lagrangian(case[0], SPACE, "v w")
    back = H.lagrangian("v w")
    assert hs.is_zero(back.expr - back.space.parse(case[0]), back.space).status == "proved"
    again = hs.Hamiltonian.from_lagrangian(back, SPACE)
    assert hs.is_zero(again.expr - H.expr, SPACE).status == "proved"


def test_velocities_are_the_slopes_of_the_hamiltonian(case):
    """v = ∂H/∂p at p = ∂L/∂v."""
    L = hs.Lagrangian(case[0], SPACE, "v w")
    H = hs.Hamiltonian.from_lagrangian(L, SPACE)
    for q, v in zip(SPACE.coordinates, L.velocities, strict=True):
        velocity = H.equations()[q].subs(L.momenta())
        assert hs.is_zero(velocity - v, L.space).status == "proved"


def test_hamiltons_equations_are_those_of_euler_and_lagrange():
    """d/dt ∂L/∂v = ∂L/∂q along the flow of H, for the double pendulum: ∂L/∂q = -∂H/∂q at equal states."""
    L = hs.Lagrangian(KNOWN["double pendulum"][0], SPACE, "v w")
    H = hs.Hamiltonian.from_lagrangian(L, SPACE)
    for q, p in zip(SPACE.coordinates, SPACE.momenta, strict=True):
        force = H.equations()[p].subs(L.momenta())
        assert hs.is_zero(force - L.expr.diff(q), L.space).status == "proved"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-3, 3), min_size=9, max_size=9),
    st.lists(st.sampled_from(["0", "1", "q1", "q2*q3", "sin(q1)"]), min_size=3, max_size=3),
    st.sampled_from(["0", "exp(q2)", "q1**2"]),
)
def test_quadratic_lagrangians_of_any_mass_matrix(entries, linear, extra):
    """M = BᵀB + diagonal growth, b arbitrary; against numpy's solve at a point."""
    space = hs.PhaseSpace.standard(3)
    B = sp.Matrix(3, 3, entries)
    M = B.T * B + sp.diag(1 + space.parse(extra) ** 2, 1, 2)
    b = sp.Matrix([space.parse(e) for e in linear])
    v = sp.Matrix(sp.symbols("v1:4", real=True))
    H = hs.Hamiltonian.from_lagrangian((v.T * M * v)[0] / 2 + (b.T * v)[0], space, "v1 v2 v3")
    point = dict(zip(space.variables, (0.3, -0.4, 0.2, 1.0, -0.5, 0.7), strict=True))
    mass, offset = (np.array(e.subs(point).evalf().tolist(), dtype=float) for e in (M, b))
    rest = np.array([[1.0], [-0.5], [0.7]]) - offset
    assert float(H.expr.subs(point)) == pytest.approx(
        (rest.T @ np.linalg.solve(mass, rest) / 2).item(), rel=1e-9
    )


@pytest.mark.parametrize(
    ("L", "direction", "message"),
    [
        ("v**2/2", {"w": 1}, "constraint py = 0"),
        ("(v + w)**2/2 - x", {"v": -1, "w": 1}, "constraint -px \\+ py = 0"),
        ("v*y - w*x", {"v": 1}, "constraint px = y"),
        ("(v*sin(x) + w*cos(x))**2", None, "singular"),
        ("(v*(1 + x)/(1 - x**2) - w/(1 - x))**2", {"v": 1, "w": 1}, "singular"),
        ("0", {"v": 1}, "constraint px = 0"),
        ("v*w*(cos(x)**2 + sin(x)**2 - 1) + v**2", {"w": 1}, "constraint py = 0"),
    ],
)
def test_singular_mass_matrices_name_the_direction_without_mass(L, direction, message):
    with pytest.raises(LegendreError, match=message) as caught:
        hs.Hamiltonian.from_lagrangian(L, SPACE, "v w")
    null = caught.value.null_vector
    assert null and any(value != 0 for value in null.values())
    lagrangian = hs.Lagrangian(L, SPACE, "v w")
    full = sp.Matrix([null.get(v, 0) for v in lagrangian.velocities])
    for entry in lagrangian.mass_matrix() * full:
        assert hs.is_zero(entry, lagrangian.space).status == "proved"
    if direction is not None:
        assert {str(v): n for v, n in null.items() if n != 0} == direction


def test_hamiltonians_whose_velocities_do_not_give_the_momenta_back():
    with pytest.raises(LegendreError, match="singular"):
        hs.Hamiltonian("px", SPACE).lagrangian()
    with pytest.raises(LegendreError, match="singular"):
        hs.Hamiltonian("x*px - y*py", SPACE).lagrangian()


@pytest.mark.parametrize(
    ("L", "reason"),
    [
        ("v**3/3 + w**2", "more than one solution: sqrt"),
        ("v**2*w**2", "neither quadratic"),
        ("exp(v*w)", "neither quadratic"),
        ("v**2/2 + v**5 + w**2", "not solved"),
        ("exp(v)*v + w**2", "not solved"),
    ],
)
def test_what_has_no_closed_form_says_so(L, reason):
    with pytest.raises(LegendreError, match=reason):
        hs.Hamiltonian.from_lagrangian(L, SPACE, "v w", budget=5.0)


@pytest.mark.parametrize("name", ["kerr", "lj13", "double_pendulum", "hyperbolic_plane"])
def test_systems_of_the_catalogue_come_back_from_their_lagrangian(name):
    """Kerr has long coupled entries, lj13 has 39 coordinates."""
    H = hs.systems[name].hamiltonian
    back = hs.Hamiltonian.from_lagrangian(H.lagrangian(), H.space)
    assert hs.is_zero(back.expr - H.expr, H.space).status == "proved"


def test_a_particle_on_a_sphere_in_space_has_no_velocity_across_it():
    """Neumann's H = |q × p|²/2 + … is degenerate along q: the null vector is the radius."""
    H = hs.systems["neumann"].hamiltonian
    with pytest.raises(LegendreError, match="singular") as caught:
        H.lagrangian()
    null = [caught.value.null_vector[p] for p in H.space.momenta]
    for (q, n), (r, m) in zip(
        zip(H.space.coordinates, null, strict=True),
        zip(H.space.coordinates[1:] + H.space.coordinates[:1], null[1:] + null[:1], strict=True),
        strict=True,
    ):
        assert hs.is_zero(q * m - r * n, H.space).status == "proved"


def test_default_names_and_representations():
    space = hs.PhaseSpace.standard(1)
    L = hs.Hamiltonian("p1**2/2 + q1", space).lagrangian()
    assert [v.name for v in L.velocities] == ["q1dot"]
    assert L == hs.Lagrangian("q1dot**2/2 - q1", space) and hash(L) == hash(hs.Lagrangian(L.expr, space))
    assert repr(L) == "Lagrangian('-q1 + q1dot**2/2', velocities='q1dot')"
    assert L._repr_latex_().startswith(r"$\displaystyle L = ")
    assert L.space.parse(L.text) == L.expr


@pytest.mark.parametrize(
    "names", ["v", "v v", "v w u", "x y", "v px", "1 2", 3, [], "V w", "sin w"], ids=repr
)
def test_bad_velocity_names_are_refused(names):
    with pytest.raises(SpaceError):
        hs.Hamiltonian.from_lagrangian("0", SPACE, names)
    with pytest.raises(SpaceError):
        hs.Hamiltonian("px**2 + py**2", SPACE).lagrangian(names)


def test_bad_input():
    with pytest.raises(FormulaError, match=r"no momenta \(px\)"):
        hs.Lagrangian("px*v", SPACE, "v w")
    with pytest.raises(FormulaError, match="not declared"):
        hs.Lagrangian("v**2 + z", SPACE, "v w")
    with pytest.raises(ParameterError, match="budget"):
        hs.Hamiltonian.from_lagrangian("v**2", SPACE, "v w", budget=0)
    rotor = hs.LiePoissonSpace("L1 L2 L3", "so3")
    with pytest.raises(SpaceError, match="no Lagrangian"):
        hs.Hamiltonian("L1**2", rotor).lagrangian()
    with pytest.raises(SpaceError, match="needs a PhaseSpace"):
        hs.Lagrangian("L1**2", rotor)
    with pytest.raises(SpaceError, match="same coordinates"):
        hs.Hamiltonian.from_lagrangian(hs.Lagrangian("xdot**2", hs.PhaseSpace("x", "p")), SPACE)
    with pytest.raises(HamsymError):
        hs.Hamiltonian.from_lagrangian(None, SPACE)


def test_energy_rate_and_autonomy():
    H = hs.Hamiltonian("px**2 + x*sin(t)", SPACE)
    assert H.energy_rate == SPACE.parse("x*cos(t)") and not H.is_autonomous
    assert hs.is_zero(H.energy_rate - hs.poisson_bracket(H, H, SPACE) - H.energy_rate, SPACE)
    assert hs.Hamiltonian("px**2 + sqrt(t**2) - (t**2)**(1/2)", SPACE).is_autonomous
    assert hs.Hamiltonian("p1", hs.PhaseSpace.standard(1)).energy_rate == 0


def test_extended_phase_space_carries_time_and_energy():
    """An explicit-time integral of H is an ordinary one of H + p_t, and simulating it gives the exact solution."""
    space = hs.PhaseSpace.standard(1, time="t")
    H = hs.Hamiltonian("p1**2/2 - q1*cos(t)", space)
    K = H.extended()
    assert K.is_autonomous and K.is_separable and K.space.time is None
    g = "p1 - sin(t)"
    assert hs.verify(H, g).status == hs.verify(K, g).status == "proved"
    assert hs.verify(H, "p1").status == hs.verify(K, "p1").status == "refuted"
    run = hs.simulate(K, [[0.0, 0.0]], [[0.0, 0.0]], dt=1e-3, steps=2000)
    assert run.q[0, -1] == pytest.approx([1 - np.cos(2.0), 2.0], abs=1e-6)
    assert K.equations()[K.space.coordinates[-1]] == 1
    with pytest.raises(SpaceError, match="used twice"):
        H.extended("q1")
    with pytest.raises(SpaceError, match="with time"):
        hs.Hamiltonian("p1", hs.PhaseSpace.standard(1)).extended()
    with pytest.raises(SpaceError, match="with time"):
        hs.Hamiltonian("L1", hs.LiePoissonSpace("L1 L2 L3", "so3", time="t")).extended()


@pytest.mark.parametrize(
    "formula",
    [
        "k*v1**4",
        "k*(v1**2 + v2**2)**2",
        "q1*v1**4 + v2**2",
        "k*(1 + v1**2)**2 + v2**2/2",
        "(v1 - q1)**4 + v2**2",
    ],
)
def test_transforms_hold_for_all_signs_that_the_assumptions_allow(formula):
    """H(∂L/∂v) = v ∂L/∂v − L by numbers, for parameters, coordinates and velocities of both signs."""
    space = hs.PhaseSpace.standard(2, parameters={"k": "real"})
    if "v2" not in formula:
        formula += " + v2**2"
    L = hs.Lagrangian(formula, space, "v1 v2")
    H = hs.Hamiltonian.from_lagrangian(L, space)
    energy = sum(v * p for v, p in zip(L.velocities, L.momenta().values(), strict=True)) - L.expr
    for signs in itertools.product((1, -1), repeat=4):
        values = [sign * sp.Rational(n, 7) for sign, n in zip(signs, (4, 5, 9, 13), strict=True)]
        point = dict(zip((*L.velocities, space.symbols["k"], space.symbols["q1"]), values, strict=True))
        momenta = {p: slope.subs(point) for p, slope in L.momenta().items()}
        difference = (H.expr.subs(momenta) - energy).subs(point)
        assert abs(sp.N(difference, 30)) < 1e-25


@pytest.mark.parametrize("formula", ["-k*sqrt(1 - v**2)", "k*sqrt(1 + v**2)", "k*cosh(v)"])
def test_what_holds_for_one_sign_of_a_parameter_says_which(formula):
    for assumption in ("real", "positive"):
        space = hs.PhaseSpace("q", "p", parameters={"k": assumption})
        if assumption == "real":
            with pytest.raises(LegendreError, match="declare k positive"):
                hs.Hamiltonian.from_lagrangian(formula, space, "v")
        else:
            assert hs.Hamiltonian.from_lagrangian(formula, space, "v").expr.has(sp.Symbol("k", positive=True))


def test_a_closed_form_for_one_sign_only_is_refused():
    space = hs.PhaseSpace("q", "p", parameters={"k": "real", "v": "real"})
    v, p, k = (space.symbols[n] for n in ("v", "p", "k"))
    for sign, told in ((1, "only for k > 0"), (-1, "only for k < 0")):
        root = sp.cbrt(p**4 / (256 * sign * k)) * 3 * sign
        with pytest.raises(LegendreError, match=told):
            require_everywhere(k * v**4, root, [v], [p], space, tw.Clock(5.0))
    with pytest.raises(LegendreError, match="fails at"):  # the other branch
        require_everywhere(v**3 / 3, 2 * sp.sqrt(p) ** 3 / 3, [v], [p], space, tw.Clock(5.0))


@pytest.mark.parametrize("formula", ["sqrt(v1**2 + v2**2)", "v1**2/v2", "sqrt(v1**2 + v2**2 + q1**2*v1**2)"])
def test_kinetic_energies_of_first_degree_are_singular_along_the_velocity(formula):
    """Euler: the Hessian of a function of degree 1 maps v to zero."""
    with pytest.raises(LegendreError, match="singular") as caught:
        hs.Hamiltonian.from_lagrangian(formula, hs.PhaseSpace.standard(2), "v1 v2")
    (v1, a), (v2, b) = caught.value.null_vector.items()
    assert sp.cancel(a * v2 - b * v1) == 0


def test_powers_that_are_real_on_one_side_of_zero():
    space = hs.PhaseSpace("q", "p")
    H = hs.Hamiltonian.from_lagrangian("3*v**(4/3)/4", space, "v")
    assert hs.is_zero(H.expr - space.parse("p**4/4"), space).status == "proved"


@pytest.mark.parametrize("formula", ["v**4", "sqrt(1 + v**2)", "(1 + v**2)**(1/3)", "v**2/2"])
def test_a_budget_that_is_used_up_is_a_refusal(formula):
    """Whatever it is that has no time left, it is said in one way."""
    with contextlib.suppress(LegendreError):
        hs.Hamiltonian.from_lagrangian(formula, hs.PhaseSpace("q", "p"), "v", budget=1e-6)


def test_solutions_too_long_to_be_shown_are_not_tried():
    """Roots of a quartic, with which the zero test was busy for more than its budget."""
    space = hs.PhaseSpace("q", "p", parameters={"v": "real"})
    slope, clock = space.parse("v/(1 + v**2)**(2/3)"), tw.Clock(60.0)
    with pytest.raises(LegendreError, match="no closed form"):
        only_solution(slope, space.symbols["v"], space.symbols["p"], space, clock)
    assert clock.remaining > 40
