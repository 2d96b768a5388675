"""Polynomial invariants of actions: classical ones, their number by Molien's formula, and exact invariance."""

import json

import pytest
import sympy as sp

import hamsym as hs

PLANE, ROOM = hs.PhaseSpace.standard(2), hs.PhaseSpace.standard(3)


def rotations(space):
    return [hs.angular_momentum(space, i, j) for i in range(3) for j in range(i)]


def span_rank(expressions, variables):
    polynomials = [sp.Poly(e, *variables) for e in expressions]
    monomials = sorted(set().union(*(p.monoms() for p in polynomials)))
    return sp.Matrix([[p.coeff_monomial(m) for m in monomials] for p in polynomials]).rank()


def same_span(ours, theirs, variables):
    rank = span_rank(ours, variables)
    return rank == len(ours) == len(theirs) == span_rank([*ours, *theirs], variables)


def test_rotation_of_the_plane_keeps_the_radius():
    found = hs.invariants([hs.angular_momentum(PLANE, 0, 1)], variables=PLANE.coordinates, degree=2)
    assert found == [PLANE.parse("q1**2 + q2**2")]
    assert found == hs.invariants([hs.angular_momentum(PLANE, 0, 1)], variables="q1 q2", degree=5)


def test_rotations_of_pairs_of_vectors():
    """First fundamental theorem of the rotation group (Weyl): dot products, and in 2-D the determinant too."""
    q, p = ROOM.coordinates, ROOM.momenta
    dots = [sum(a * b for a, b in zip(u, v, strict=True)) for u, v in ((q, q), (q, p), (p, p))]
    assert same_span(hs.invariants(rotations(ROOM), ROOM.variables, 3), dots, ROOM.variables)
    assert same_span(hs.invariants(rotations(ROOM), ROOM.variables, 4), dots, ROOM.variables)
    flat = [PLANE.parse(t) for t in ("q1**2 + q2**2", "p1**2 + p2**2", "q1*p1 + q2*p2", "q1*p2 - q2*p1")]
    found = hs.invariants([hs.angular_momentum(PLANE, 0, 1)], PLANE.variables, 4)
    assert same_span(found, flat, PLANE.variables)


def test_translations_leave_differences():
    momentum = hs.Generator("p1 + p2 + p3", ROOM)
    found = hs.invariants([momentum], ROOM.coordinates, 3)
    assert same_span(found, [ROOM.parse("q1 - q2"), ROOM.parse("q1 - q3")], ROOM.coordinates)


def test_several_generators_act_together():
    """Rotation about the third axis and translation along it: only the distance from the axis is left."""
    generators = [hs.angular_momentum(ROOM, 0, 1), hs.translation(ROOM, 2)]
    assert hs.invariants(generators, ROOM.coordinates, 3) == [ROOM.parse("q1**2 + q2**2")]
    assert hs.invariants([*generators, hs.translation(ROOM, 0)], ROOM.coordinates, 3) == []


def test_a_hyperbolic_action_has_no_definite_form():
    boost = hs.Generator("q1*p2 + q2*p1", PLANE)
    assert hs.invariants([boost], PLANE.coordinates, 2) == [PLANE.parse("q1**2 - q2**2")]
    squeeze = hs.Generator("q1*p1 - q2*p2", PLANE)
    assert hs.invariants([squeeze], PLANE.coordinates, 4) == [PLANE.parse("q1*q2")]


def test_weights_of_a_torus_give_one_monomial_each():
    """q1**3*q2**2 has weight 3*2 - 2*3 = 0."""
    scaling = hs.Generator("2*q1*p1 - 3*q2*p2", PLANE)
    assert hs.invariants([scaling], PLANE.coordinates, 4) == []
    assert hs.invariants([scaling], PLANE.coordinates, 5) == [PLANE.parse("q1**3*q2**2")]


def test_every_invariant_is_proved_to_commute():
    generator = hs.Generator("q1*p2 - q2*p1 + 2*(q2*p3 - q3*p2)", ROOM)
    found = hs.invariants([generator], ROOM.variables, 2)
    assert len(found) > 3
    for f in found:
        assert hs.is_zero(hs.poisson_bracket(f, generator, ROOM), ROOM).status == "proved"


def test_casimirs_are_the_invariants_of_the_whole_algebra():
    space = hs.LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3")
    found = hs.invariants([hs.Generator(s, space) for s in space.coordinates], space.coordinates, 2)
    assert same_span(
        found, [space.parse("g1**2 + g2**2 + g3**2"), space.parse("L1*g1 + L2*g2 + L3*g3")], space.coordinates
    )


def test_parameters_stay_symbols():
    space = hs.PhaseSpace.standard(2, parameters={"w": "positive"})
    turn = hs.Generator("w*q1*p2 - q2*p1/w", space)
    (found,) = hs.invariants([turn], space.coordinates, 2)
    assert sp.expand(found - space.parse("w**2*q1**2 + q2**2")) == 0
    json.dumps(str(found))


@pytest.mark.parametrize(
    "generators, variables",
    [
        ([], PLANE.coordinates),
        (["q1*p2 - q2*p1"], PLANE.coordinates),
        ([hs.angular_momentum(PLANE, 0, 1), hs.angular_momentum(ROOM, 0, 1)], PLANE.coordinates),
        ([hs.angular_momentum(PLANE, 0, 1)], [sp.Symbol("z")]),
        ([hs.angular_momentum(PLANE, 0, 1)], ["q1**2"]),
        ([hs.angular_momentum(PLANE, 0, 1)], []),
        (3, PLANE.coordinates),
        ([hs.angular_momentum(PLANE, 0, 1)], None),
        ([hs.angular_momentum(PLANE, 0, 1)], 5),
    ],
)
def test_bad_input_is_refused(generators, variables):
    with pytest.raises(hs.errors.HamsymError):
        hs.invariants(generators, variables, 2)


def test_too_little_time_is_said():
    with pytest.raises(hs.errors.UndecidedError, match="budget"):
        hs.invariants(rotations(ROOM), ROOM.variables, 8, budget=1e-6)


def test_texts_are_read_on_a_space():
    turn, names = "q1*p2 - q2*p1", ["q1", "q2", "p1", "p2"]
    wanted = hs.invariants([hs.angular_momentum(PLANE, 0, 1)], PLANE.variables, 2)
    for given in (
        turn,
        [turn],
        [PLANE.parse(turn)],
        [hs.Generator(turn, PLANE), "2*" + turn.replace(" - ", " - 2*")],
    ):
        found = hs.invariants(given, names, 2, space=PLANE)
        assert set(found) == set(wanted) and len(found) == len(wanted)
    assert hs.invariants([hs.angular_momentum(PLANE, 0, 1), turn], names, 2) == wanted
    with pytest.raises(hs.errors.SpaceError, match="space="):
        hs.invariants([turn], names, 2)
    with pytest.raises(hs.errors.SpaceError, match="different spaces"):
        hs.invariants([hs.angular_momentum(ROOM, 0, 1)], names, 2, space=PLANE)
    with pytest.raises(hs.errors.SpaceError, match="phase space"):
        hs.invariants([turn], names, 2, space="plane")
