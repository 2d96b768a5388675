"""Flows: a one-parameter group whose derivative is the vector field, canonical, and right on numbers."""

import pickle

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.errors import FormulaError, HamsymError, NonFiniteError, ParameterError, ShapeError, SymmetryError

SPACE = hs.PhaseSpace.standard(
    2,
    parameters={"m": "positive", "k": "positive", "a": "real", "b": "real"},
    functions={"V": 1, "U": 2},
)
#: Formulas whose flow is found, by what closes their series.
CLOSED = {
    "shear": "p1*q2**2",
    "kick": "q1**3/3 - q1*q2",
    "drift": "p1**2/(2*m) + p1*p2",
    "relativistic drift": "sqrt(m**2 + p1**2 + p2**2)",
    "any kick": "V(q1)",
    "any kick of two": "U(q1, q2)",
    "any drift": "V(p1)*m + p2",
    "shear by a root": "p1*sqrt(1 + q2**2)",
    "dilation": "q1*p1 - 2*q2*p2",
    "product of dilations": "q1*p1*q2*p2",
    "dilation by a coordinate": "q1*p1*q2**2",
    "any function of a dilation": "V(q1*p1)",
    "dilation with a shear": "q1*p1 + q1**2*p2",
    "weighted dilation with a shear": "k*q1*p1 + q1**2*p2",
    "two rates": "q1*p1 + (q1**2 + q1)*p2",
    "square of a rotation": "(q1*p2 - q2*p1)**2/2",
    "any function of a rotation": "V(q1*p2 - q2*p1)",
    "square of an oscillator": "(p1**2/m + k*q1**2)**2/4",
    "square of a saddle": "(p1**2 - q1**2)**2",
    "rotation": "q1*p2 - q2*p1",
    "free fall": "p1**2/2 + p2*q1",
    "special conformal on a line": "p1*q1**2",
    "special conformal in the plane": "2*q1*(q1*p1 + q2*p2) - (q1**2 + q2**2)*p1",
    "projective": "q1*(q1 + 3)*p1",
    "inversion of momenta": "q2*p2**2",
}
#: Formulas without a flow for all times, or none in closed form.
OPEN = [
    "p1*(q1**2 + 1)",
    "p1**2/2 + q1**4",
    "sin(q1)*p1",
    "p1*V(q1)",
    "p1*sqrt(q1)",
    "(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)",
]
VALUES = {"m": 1.3, "k": 0.7}


def generator(text):
    return hs.Generator(text, SPACE)


@pytest.fixture(params=CLOSED.values(), ids=CLOSED.keys())
def g(request):
    return generator(request.param)


def test_flow_is_canonical(g):
    verdict = hs.is_canonical(g.flow("a"))
    assert verdict.status == "proved" and verdict.valence == 1 and verdict.check()


def test_derivative_of_the_flow_is_the_vector_field_there(g):
    images = g.flow("a").images
    for s, rate in g.vector_field().items():
        moved = rate.subs(images, simultaneous=True).doit()
        assert hs.is_zero(images[s].diff(SPACE.symbols["a"]) - moved, SPACE), s


def test_flows_form_a_group(g):
    first, second, both = g.flow("a"), g.flow("b"), g.flow(SPACE.symbols["a"] + SPACE.symbols["b"])
    for s, image in (second @ first).images.items():
        assert hs.is_zero(image.doit() - both.images[s], SPACE), s
    for s, image in g.flow(0).images.items():
        assert hs.is_zero(image - s, SPACE)


def test_inverse_undoes_the_flow(g):
    flow = g.flow("a")
    assert flow.inverse.inverse.images == flow.images
    for s, image in (flow.inverse @ flow).images.items():
        assert hs.is_zero(image.doit() - s, SPACE), s


@pytest.mark.parametrize(
    "text", [t for t in CLOSED.values() if "V" not in t and "U" not in t], ids=lambda text: text
)
def test_moved_arrays_follow_the_vector_field(text):
    """Against scipy's DOP853."""
    g = generator(text)
    values = {SPACE.symbols[n]: v for n, v in VALUES.items()}
    field = sp.lambdify(SPACE.variables, [e.subs(values) for e in g.vector_field().values()])
    start = np.random.default_rng(1).uniform(0.3, 0.9, (3, 4))
    q, p = g.flow(0.4)(start[:, :2], start[:, 2:], VALUES)
    for k in range(3):
        exact = solve_ivp(lambda _, s: field(*s), (0, 0.4), start[k], method="DOP853", rtol=1e-12, atol=1e-12)
        assert np.concatenate([q[k], p[k]]) == pytest.approx(exact.y[:, -1], abs=1e-9)


polynomials = st.dictionaries(
    st.tuples(*[st.integers(0, 3)] * 2), st.integers(-3, 3), min_size=1, max_size=4
).map(
    lambda terms: sum(
        c * i for (a, b), c in terms.items() for i in [sp.Symbol("x") ** a * sp.Symbol("y") ** b]
    )
)


@settings(max_examples=12, deadline=None)
@given(polynomials, st.sampled_from(["q1 q2", "p1 p2", "q1 p2", "p1 q2"]))
def test_functions_of_commuting_variables_have_nilpotent_flows(polynomial, names):
    """Σ x^a y^b of two variables that commute: both stay, so the field is constant along the motion."""
    x, y = (SPACE.symbols[n] for n in names.split())
    f = sp.sympify(polynomial).subs({sp.Symbol("x"): x, sp.Symbol("y"): y})
    flow = hs.Generator(f, SPACE).flow("a")
    assert flow.images[x] == x and flow.images[y] == y
    for s in SPACE.variables:
        assert hs.is_zero(flow.images[s] - s - SPACE.symbols["a"] * hs.poisson_bracket(s, f, SPACE), SPACE)
    assert hs.is_canonical(flow)


@pytest.mark.parametrize("text", OPEN)
def test_what_has_no_closed_flow_says_what_to_do(text):
    with pytest.raises(SymmetryError, match=r"does not close.*simulate\(Hamiltonian"):
        generator(text).flow("a")


def test_flow_on_a_lie_poisson_space_turns_the_momentum():
    space = hs.LiePoissonSpace("L1 L2 L3", "so3")
    flow = hs.Generator("L3", space).flow("a")
    assert hs.is_canonical(flow).status == "proved"
    turned = flow([1.0, 0.0, 5.0], parameters={"a": np.pi / 2})
    assert turned == pytest.approx([0, 1, 5], abs=1e-15)
    twist = hs.Generator("L3**2/2", space).flow("a")
    assert hs.is_canonical(twist).status == "proved"
    assert twist([[1.0, 0.0, 2.0]], parameters={"a": np.pi / 4})[0] == pytest.approx([0, 1, 2], abs=1e-15)


def test_time_is_a_parameter_of_the_flow():
    space = hs.PhaseSpace.standard(1, time="t")
    g = hs.Generator("p1*t - q1", space)
    t, a = space.time, sp.Symbol("a", real=True)
    assert g.flow("a").images == {
        space.symbols["q1"]: space.symbols["q1"] + a * t,
        space.symbols["p1"]: space.symbols["p1"] + a,
    }
    assert g.flow(2)([1.0], [0.0], {"t": 3.0})[0] == pytest.approx([7.0])


def test_composition_of_different_flows_is_canonical_and_does_not_commute():
    turn, kick = generator("q1*p2 - q2*p1").flow("a"), generator("q1**3").flow("b")
    both = kick @ turn
    assert hs.is_canonical(both).status == "proved"
    assert both.images != (turn @ kick).images
    q, p = both([0.3, 0.1], [0.2, -0.5], {"a": 0.2, "b": 0.7})
    step = kick(*turn([0.3, 0.1], [0.2, -0.5], {"a": 0.2}), {"b": 0.7})
    assert q == pytest.approx(step[0]) and p == pytest.approx(step[1])
    back = both.inverse(q, p, {"a": 0.2, "b": 0.7})
    assert np.concatenate(back) == pytest.approx([0.3, 0.1, 0.2, -0.5])


@pytest.mark.parametrize(
    "eps", [float("nan"), float("inf"), True, None, [1], 1j, sp.I, sp.nan, sp.oo], ids=repr
)
def test_a_group_parameter_is_a_real_number(eps):
    with pytest.raises(HamsymError):
        generator("p1").flow(eps)


@pytest.mark.parametrize("eps", ["q1", "2", "a b", "sin", "", sp.Symbol("q1") + 1, sp.Symbol("V")], ids=repr)
def test_a_group_parameter_is_a_new_name_or_constant(eps):
    with pytest.raises(HamsymError):
        generator("p1").flow(eps)


def test_bad_states_are_refused():
    kick = generator("q1**3").flow(0.5)
    with pytest.raises(ShapeError, match=r"q and p must both have shape \(\.\.\., 2\)"):
        kick([1.0], [2.0])
    with pytest.raises(ShapeError, match="coordinates q and momenta p"):
        kick([1.0, 2.0])
    with pytest.raises(ShapeError, match="arrays of numbers"):
        kick(["x", "y"], [0.0, 0.0])
    with pytest.raises(NonFiniteError):
        kick([np.nan, 0.0], [0.0, 0.0])
    with pytest.raises(NonFiniteError, match="outside the domain"):
        generator("p1*log(q2)").flow(0.5)([1.0, -1.0], [0.0, 0.0])
    for wrong in (float("nan"), True, "1", None, [1.0], 10**400):
        for text in ("q1**3", "q1**2"):
            with pytest.raises(ParameterError, match="a is a finite number"):
                generator(text).flow("a")([1.0, 0.0], [0.0, 0.0], {"a": wrong})
    with pytest.raises(ParameterError, match="values by name"):
        generator("q1**3").flow("a")([1.0, 0.0], [0.0, 0.0], 0.5)
    with pytest.raises(ParameterError, match="needs values for a"):
        generator("q1**3").flow("a")([1.0, 0.0], [0.0, 0.0])
    with pytest.raises(FormulaError, match="V, which has no formula"):
        generator("V(q1)").flow(0.5)([1.0, 0.0], [0.0, 0.0])
    with pytest.raises(SymmetryError, match="not linear"):
        kick.arrays()


@pytest.mark.parametrize("text", ["q1**3", "q1*p2 - q2*p1"])
def test_flows_travel_to_other_processes(text):
    flow = generator(text).flow("a") @ generator("p1**2").flow("b")
    again = pickle.loads(pickle.dumps(flow))  # noqa: S301
    assert again.images == flow.images and again.inverse.images == flow.inverse.images


def test_representations():
    flow = generator("q1**2").flow("a")
    assert repr(flow).startswith("LinearFlow(q1 -> q1") and r"\mapsto" in flow._repr_latex_()
    assert flow.to_dict()["p1"] == "-2*a*q1 + p1"


def test_special_conformal_maps_are_translations_of_the_inverse_point():
    space = hs.PhaseSpace.standard(3)
    q = space.coordinates
    for i in range(3):
        flow = hs.special_conformal(space, i).flow("a")
        moved = [flow.images[x] for x in q]
        for j, (x, y) in enumerate(zip(q, moved, strict=True)):
            before, after = x / sum(s**2 for s in q), y / sum(s**2 for s in moved)
            shift = -flow.space.symbols["a"] if i == j else 0
            assert hs.is_zero(after - before - shift, flow.space).status == "proved"
        assert hs.is_canonical(flow).status == "proved"
    line = hs.special_conformal(hs.PhaseSpace.standard(1), 0).flow("a")
    q1, a = line.space.symbols["q1"], line.space.symbols["a"]
    assert sp.cancel(line.images[q1] - q1 / (1 - a * q1)) == 0


def test_turns_about_a_diagonal_are_written_in_plain_sines_and_cosines():
    flow = hs.Generator("L1 + L2 + L3", hs.LiePoissonSpace("L1 L2 L3", "so3")).flow("a")
    arguments = {e.args[0] for image in flow.images.values() for e in image.atoms(sp.sin, sp.cos)}
    assert arguments == {sp.sqrt(3) * flow.space.symbols["a"]}
    assert hs.is_canonical(flow).status == "proved"
    third = flow([1.0, 2.0, 3.0], parameters={"a": 2 * np.pi / 3 / np.sqrt(3)})
    assert third == pytest.approx([3, 1, 2]) or third == pytest.approx([2, 3, 1])
