"""Flows: a one-parameter group whose derivative is the vector field, canonical, and right on numbers."""

import pickle

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

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


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-2, 2), min_size=10, max_size=10),
    st.lists(st.integers(-1, 1), min_size=4, max_size=4),
)
def test_affine_flows_are_matrix_exponentials(quadratic, linear):
    """Any quadratic form in two degrees of freedom, against scipy's expm."""
    space = hs.PhaseSpace.standard(2)
    z = space.variables
    pairs = [(i, j) for i in range(4) for j in range(i + 1)]
    form = sum(c * z[i] * z[j] for c, (i, j) in zip(quadratic, pairs, strict=True))
    g = hs.Generator(form + sum(c * x for c, x in zip(linear, z, strict=True)), space)
    try:
        flow = g.flow("a")
    except SymmetryError as refusal:
        assert "eigenvalues" in str(refusal)
        return
    rates = [g.vector_field()[x] for x in z]
    field = np.zeros((5, 5))
    field[:4, :4] = [[float(sp.diff(r, x)) for x in z] for r in rates]
    field[:4, 4] = [float(r.subs(dict.fromkeys(z, 0))) for r in rates]
    exact = expm(0.3 * field)
    matrix, offset = flow.arrays({"a": 0.3})
    assert matrix == pytest.approx(exact[:4, :4], abs=1e-11)
    assert offset == pytest.approx(exact[:4, 4], abs=1e-11)


@pytest.mark.parametrize(
    "text",
    [
        "(p1 + b*q2)**2/2 + (p2 - b*q1)**2/2 + q1**2 + q2**2",
        "p1**2/2 + p2**2/2 + q1**2 + 2*q2**2 + q1*q2",
        "p1**2/2 + p2**2/2 + a*q1**2 + 2*q2**2 + b*q1*q2",
        "p1**2/2 + p2**2/2 + q1**2 - 2*q2**2 + q1*q2",
        "q1*p2 - q2*p1 + p1**2/2 + p2**2/2 + q2",
        "q1*p1 + q2*p2 + q1*p2 - 2*q2*p1",
        "p1**2/2 + a*q1**2/2",
    ],
)
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1)])
def test_linear_flows_with_parameters_of_any_sign_are_matrix_exponentials(text, signs):
    g = generator(text)
    values = {"a": signs[0] * 1.3, "b": signs[1] * 0.7}
    matrix, offset = g.flow("c").arrays({**values, "c": 0.4})
    rates = [r.subs({g.space.symbols[n]: v for n, v in values.items()}) for r in g.vector_field().values()]
    field = np.zeros((5, 5))
    field[:4, :4] = [[float(sp.diff(r, x)) for x in SPACE.variables] for r in rates]
    field[:4, 4] = [float(r.subs(dict.fromkeys(SPACE.variables, 0))) for r in rates]
    exact = expm(0.4 * field)
    assert matrix == pytest.approx(exact[:4, :4], abs=1e-12)
    assert offset == pytest.approx(exact[:4, 4], abs=1e-12)


def test_a_quartet_of_eigenvalues_turns_and_grows():
    """q1 p2 - q2 p1 + q1 p1 + q2 p2 with coupling: eigenvalues ±α ± iβ that need roots of roots."""
    g = generator("p1**2/2 - p2**2/2 + q1*q2")
    flow = g.flow("c")
    field = np.array([[0, 0, 1, 0], [0, 0, 0, -1], [0, -1, 0, 0], [-1, 0, 0, 0]])
    assert flow.arrays({"c": 0.6})[0] == pytest.approx(expm(0.6 * field), abs=1e-12)


def test_eigenvalues_that_need_more_than_square_roots_are_refused():
    space = hs.PhaseSpace.standard(3)
    with pytest.raises(SymmetryError, match="eigenvalues are roots of"):
        hs.Generator("p1**2 + p2**2 + p3**2 + q1**2 + 2*q2**2 + 5*q3**2 + q1*q2 + q2*q3", space).flow("a")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("p1**2/2 + a*q1**2/2", {"a": 0.0}),
        ("a*q1*p1 + b*q2*p2 + q1*p2", {"a": 1.0, "b": 1.0}),
        ("(p1 + a*q2)**2/2 + (p2 - a*q1)**2/2", {"a": 0.0}),
        ("(p1 + a*q2)**2/2 + (p2 - a*q1)**2/2 + b*q1", {"a": 0.0, "b": 2.0}),
    ],
)
def test_closed_forms_go_on_through_removable_singularities(text, values):
    """The map at the parameters, against the map close by; its inverse and its square too."""
    flow = generator(text).flow("c")
    near = {**{n: v + 1e-4 for n, v in values.items()}, "c": 0.5}
    if "b" in values and values["a"] == values["b"]:
        near["b"] += 1e-4
    at, state = {**values, "c": 0.5}, ([0.3, -0.4], [0.5, 0.2])
    for move in (flow, flow.inverse, flow @ flow):
        assert np.ravel(move(*state, at)) == pytest.approx(np.ravel(move(*state, near)), abs=2e-3)
    there = flow(*state, at)
    assert np.ravel(flow.inverse(*there, at)) == pytest.approx(np.ravel(state))


def test_states_outside_the_domain_are_told_from_singular_closed_forms():
    flow = hs.Generator("p1*q1**2", hs.PhaseSpace.standard(1)).flow("a")
    with pytest.raises(NonFiniteError, match=r"outside the domain of this map$"):
        flow([1.0], [1.0], {"a": 1.0})
