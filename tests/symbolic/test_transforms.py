"""Hamiltonians in new variables: the forms of the textbooks, the same motion, and refusals that say where."""

import pytest
import sympy as sp
from changes import CANONICAL, LINE, PLANE, POLAR

import hamsym as hs
from hamsym.errors import NotCanonicalError, SpaceError


@pytest.mark.parametrize(
    ("name", "H", "wanted"),
    [
        ("polar", "(px**2 + py**2)/2 + V(sqrt(x**2 + y**2))", "pr**2/2 + pphi**2/(2*r**2) + V(r)"),
        ("parabolic", "(px**2 + py**2)/2 - 1/sqrt(x**2 + y**2)", "((pu**2 + pv**2)/2 - 2)/(u**2 + v**2)"),
        (
            "spherical",
            "(px**2 + py**2 + pz**2)/2 + x**2 + y**2",
            "pr**2/2 + (pth**2 + pphi**2/sin(th)**2)/(2*r**2) + r**2*sin(th)**2",
        ),
        ("action and angle", "p**2/(2*m) + m*w**2*q**2/2", "w*J"),
    ],
)
def test_hamiltonians_in_the_coordinates_of_the_textbooks(name, H, wanted):
    images, space, target = CANONICAL[name]
    old = hs.PhaseSpace(
        target.coordinates,
        target.momenta,
        functions={"V": 1},
        parameters={n: k for n, k in space.assumptions.items() if n in space.parameters},
    )
    new = hs.PhaseSpace(space.coordinates, space.momenta, functions={"V": 1}, parameters=space.assumptions)
    moved = hs.change_variables(hs.Hamiltonian(H, old), images, new)
    assert hs.is_zero(moved.expr - new.parse(wanted), new).status == "proved"
    assert sp.count_ops(moved.expr) <= sp.count_ops(sp.expand(new.parse(wanted))) + 8


def test_velocities_do_not_depend_on_the_variables():
    """{x, H} in old variables, moved, is {x∘φ, H∘φ}."""
    images, space, target = CANONICAL["parabolic"]
    H = hs.Hamiltonian("(px**2 + py**2)/2 + x*y**2", target)
    moved = hs.change_variables(H, images, space)
    expressions = {s: space.parse(images[s.name]) for s in target.variables}
    for s, rate in H.equations().items():
        there = hs.poisson_bracket(expressions[s], moved, space)
        assert hs.is_zero(there - rate.subs(expressions, simultaneous=True), space).status == "proved"


def test_changes_of_variables_that_are_not_canonical_say_where():
    H = hs.Hamiltonian("p**2/2", LINE)
    with pytest.raises(
        NotCanonicalError, match=r"\{q, p\} = 1 fails everywhere; all brackets are 2 times"
    ) as caught:
        hs.change_variables(H, {"q": "2*q", "p": "p"}, LINE)
    assert caught.value.verdict.valence == 2
    moving = hs.PhaseSpace("q", "p", time="t")
    with pytest.raises(NotCanonicalError, match="extended"):
        hs.change_variables(hs.Hamiltonian("p**2/2", moving), {"q": "q + t", "p": "p"}, moving)
    with pytest.raises(SpaceError, match="not in str"):
        hs.change_variables("p**2", {"q": "q", "p": "p"}, LINE)


def test_a_moving_frame_by_extended_time():
    """Galilei: p²/2 seen from a frame that moves with velocity 3."""
    H = hs.Hamiltonian("p**2/2", hs.PhaseSpace("q", "p", time="t")).extended()
    images = {"q": "q + 3*t", "p": "p", "t": "t", "p_t": "p_t - 3*p"}
    moved = hs.change_variables(H, images, H.space)
    assert moved.expr == H.space.parse("p**2/2 - 3*p + p_t")


@pytest.mark.parametrize("name", ["polar", "parabolic", "elliptic", "spherical"])
def test_momenta_follow_from_coordinates(name):
    """The momenta of the textbook are those of the lift."""
    images, space, target = CANONICAL[name]
    lifted = hs.point_transformation({q.name: images[q.name] for q in target.coordinates}, space, target)
    assert list(lifted) == list(target.variables)
    for s in target.variables:
        assert hs.is_zero(lifted[s] - space.parse(images[s.name]), space).status == "proved", s


def test_coordinates_alone_change_a_hamiltonian():
    H = hs.Hamiltonian("(px**2 + py**2)/2 + x*y", PLANE)
    moved = hs.change_variables(H, {"x": "r*cos(phi)", "y": "r*sin(phi)"}, POLAR)
    wanted = "pr**2/2 + pphi**2/(2*r**2) + r**2*sin(2*phi)/2"
    assert hs.is_zero(moved.expr - POLAR.parse(wanted), POLAR).status == "proved"


def test_a_lift_is_the_finite_form_of_a_point_action():
    """Rotations of coordinates, lifted, are the flow of the angular momentum, inverted for the momenta."""
    space = hs.PhaseSpace.standard(2, parameters={"a": "real"})
    flow = hs.angular_momentum(space, 0, 1).flow("a")
    images = {q.name: flow.images[q] for q in space.coordinates}
    for s, image in hs.point_transformation(images, space, space).items():
        assert hs.is_zero(image - flow.images[s], space).status == "proved"


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ({"x": "r", "y": "2*r"}, NotCanonicalError, "not invertible"),
        ({"x": "r*cos(phi)"}, SpaceError, "missing: y"),
        ({"x": "r", "y": "phi + pr"}, SpaceError, "not of pr"),
        ({"x": "r", "y": "phi", "px": "pr"}, SpaceError, "no variable"),
        ("x y", SpaceError, "given by name"),
    ],
    ids=str,
)
def test_changes_of_coordinates_that_are_none(images, error, message):
    with pytest.raises(error, match=message):
        hs.point_transformation(images, POLAR, PLANE)


def test_point_transformations_are_between_phase_spaces_of_one_size():
    for space, target in ((POLAR, LINE), (POLAR, hs.LiePoissonSpace("L1 L2 L3", "so3")), ("r", PLANE)):
        with pytest.raises(SpaceError, match="two phase spaces"):
            hs.point_transformation({"q": "r"}, space, target)
