"""Canonical maps: coordinate changes of the textbooks are, near misses are not, and Poisson maps between spaces count."""

import itertools

import pytest
import sympy as sp
from changes import CANONICAL, LINE, SOLID
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import FormulaError, ParameterError, SpaceError


@pytest.mark.parametrize(("images", "space", "target"), CANONICAL.values(), ids=CANONICAL.keys())
def test_coordinates_of_the_textbooks_are_canonical(images, space, target):
    verdict = hs.is_canonical(images, space, target)
    n = len(target.variables)
    assert verdict.status == "proved" and verdict and verdict.check()
    assert verdict.valence == 1 and verdict.failing is None and len(verdict.brackets) == n * (n - 1) // 2


@pytest.mark.parametrize(("images", "space", "target"), CANONICAL.values(), ids=CANONICAL.keys())
def test_a_map_with_one_image_changed_is_refuted_at_a_point_of_the_pair_it_names(images, space, target):
    last = list(images)[-1]
    wrong = {**images, last: f"({images[last]})*3/2 + 1"}
    verdict = hs.is_canonical(wrong, space, target)
    assert verdict.status == "refuted" and not verdict and verdict.check()
    a, b = verdict.failing
    expressions = {s: space.parse(wrong[s.name]) for s in (a, b)}
    wanted = target.poisson_tensor.get((a, b), sp.Integer(0))
    wanted = wanted.subs({s: space.parse(wrong[s.name]) for s in target.variables}, simultaneous=True)
    value = hs.poisson_bracket(expressions[a], expressions[b], space) - wanted
    lower, upper = verdict.value
    assert lower * upper > 0
    for image in wrong.values():
        assert space.parse(image).subs(verdict.point).is_real
    assert float(value.subs(verdict.point)) == pytest.approx(float(lower), rel=1e-6)


@pytest.mark.parametrize(
    ("images", "valence"),
    [
        ({"q": "2*q", "p": "3*p"}, 6),
        ({"q": "p", "p": "q"}, -1),
        ({"q": "a*q*cos(f(p))**2 + a*q*sin(f(p))**2", "p": "p"}, sp.Symbol("a", real=True)),
        ({"q": "q**2", "p": "p"}, None),
        ({"q": "q", "p": "q**2"}, None),
        ({"q": "exp(q)", "p": "b*p*exp(-q)"}, sp.Symbol("b", positive=True)),
    ],
)
def test_scaled_brackets_have_their_valence(images, valence):
    verdict = hs.is_canonical(images, LINE)
    assert verdict.status == "refuted" and verdict.valence == valence
    assert (valence is not None) is ("all brackets are" in str(verdict))


def test_different_scales_have_no_valence():
    images = {"q1": "2*q1", "q2": "3*q2", "p1": "p1", "p2": "p2"}
    verdict = hs.is_canonical(images, hs.PhaseSpace.standard(2))
    assert verdict.status == "refuted" and verdict.valence is None


def test_time_is_a_parameter():
    space = hs.PhaseSpace.standard(1, time="t")
    assert hs.is_canonical({"q1": "q1*cos(t) + p1*sin(t)", "p1": "p1*cos(t) - q1*sin(t)"}, space)
    assert not hs.is_canonical({"q1": "q1*t", "p1": "p1"}, space)


small = st.integers(-2, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(small, min_size=16, max_size=16))
def test_linear_maps_are_canonical_exactly_if_their_matrix_is_symplectic(entries):
    space = hs.PhaseSpace.standard(2)
    M = sp.Matrix(4, 4, entries)
    J = sp.Matrix(sp.BlockMatrix([[sp.zeros(2), sp.eye(2)], [-sp.eye(2), sp.zeros(2)]]))
    images = dict(zip(space.variables, M * sp.Matrix(space.variables), strict=True))
    verdict = hs.is_canonical(images, space)
    value = M * J * M.T
    assert (verdict.status == "proved") is (value == J)
    multiple = value[0, 2] if value == value[0, 2] * J and value[0, 2] != 0 else None
    assert verdict.valence == multiple


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.sampled_from(["q1**2*q2", "p1*p2", "q1*p2 - q2*p1", "p1**3", "q1*p1", "q2**2*p1", "exp(p2)"]),
        min_size=2,
        max_size=4,
    )
)
def test_compositions_of_flows_are_canonical(texts):
    space = hs.PhaseSpace.standard(2)
    flow = hs.Generator(texts[0], space).flow(1)
    for text in texts[1:3]:
        flow = hs.Generator(text, space).flow(sp.Rational(1, 2)) @ flow
    assert hs.is_canonical(flow).status == "proved"


def test_representations():
    verdict = hs.is_canonical({"q": "2*q", "p": "p"}, LINE)
    assert str(verdict).startswith(
        "refuted: the map is canonical\n  q -> 2*q\n  p -> p\n  all brackets are 2 times what they should be\n  refuted: {q, p} = 1"
    )
    assert verdict.to_dict()["images"] == {"q": "2*q", "p": "p"}
    data = verdict.to_dict()
    assert data["status"] == "refuted" and data["valence"] == "2" and len(data["brackets"]) == 1
    assert "refuted" in verdict._repr_html_()


def test_words_fit_the_spaces_and_the_count():
    turning = hs.LiePoissonSpace("L1 L2 L3", "so3")
    plane = hs.PhaseSpace.standard(3)
    q, p = plane.coordinates, plane.momenta
    L = {f"L{i + 1}": q[i - 2] * p[i - 1] - q[i - 1] * p[i - 2] for i in range(3)}
    verdict = hs.is_canonical(L, plane, turning)
    assert verdict.status == "proved" and verdict.question == "the map keeps the Poisson bracket"
    assert "3 brackets proved" in str(verdict)
    assert "1 bracket proved" in str(hs.is_canonical({"q": "p", "p": "-q"}, LINE))


def test_a_budget_that_is_too_short_leaves_it_undecided():
    images, space, target = CANONICAL["spherical"]
    verdict = hs.is_canonical(images, space, target, budget=1e-6)
    assert verdict.status == "undecided"
    with pytest.raises(hs.errors.UndecidedError):
        bool(verdict)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"q": "q"}, "missing: p"),
        ({"q": "q", "p": "p", "z": "q"}, "'z' is no variable"),
        ({"q": "q", "pp": "p"}, "did you mean 'p'"),
        ({}, "missing: q, p"),
        ("q p", "given by name"),
        ({"q": "q", "p": "p", sp.Symbol("p"): "p"}, "twice"),
    ],
    ids=str,
)
def test_images_name_each_variable_once(images, message):
    with pytest.raises(SpaceError, match=message):
        hs.is_canonical(images, LINE)


def test_bad_input():
    with pytest.raises(FormulaError):
        hs.is_canonical({"q": "q + z", "p": "p"}, LINE)
    with pytest.raises(SpaceError, match="needs the space"):
        hs.is_canonical({"q": "q", "p": "p"})
    with pytest.raises(SpaceError, match="needs the space"):
        hs.is_canonical({"q": "q", "p": "p"}, LINE, "q p")
    with pytest.raises(ParameterError, match="budget"):
        hs.is_canonical({"q": "q", "p": "p"}, LINE, budget=-1)


def test_symbols_may_name_the_variables():
    q, p = sp.symbols("q p")
    assert hs.is_canonical({q: p, p: -q}, LINE)


def test_every_pair_is_asked_once():
    verdict = hs.is_canonical({s.name: s for s in SOLID.variables}, SOLID)
    assert list(verdict.brackets) == list(itertools.combinations(SOLID.variables, 2))
