"""Certified evaluation: balls contain the truth, gradients are gradients, and doubt is not hidden."""

import itertools

import mpmath
import pytest
import sympy as sp
from expressions import P1, Q1, Q2, SPACE, A, M, V, formulas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamsym.symbolic.zero_test.evaluation import evaluate
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.polynomial import Polynomial
from hamsym.symbolic.zero_test.tape import Tape
from hamsym.symbolic.zero_test.witness import choices, enclosure, points

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SYMBOLS = list(SPACE.symbols.values())


def inside(ball, value):
    lower, upper = enclosure(ball)
    return value.lies_in(lower, upper)


@relaxed
@given(formulas(3), st.integers(0, 5), st.sampled_from([64, 192]))
def test_balls_contain_the_value_that_mpmath_finds(e, seed, bits):
    point, functions = next(points(SYMBOLS, seed)), next(choices(SPACE.function_arity, seed))
    run = Tape([e]).run(point, functions, bits=bits)
    value = evaluate(e, point, {n: f.as_lambda() for n, f in functions.items()})
    assert value is None or inside(run.value(0), value)


@relaxed
@given(formulas(2), st.integers(0, 5))
def test_gradients_contain_sympys_derivatives(e, seed):
    point, functions = next(points(SYMBOLS, seed)), next(choices(SPACE.function_arity, seed))
    gradient = Tape([e]).run(point, functions, bits=128).gradient(0)
    for symbol in SYMBOLS:
        value = evaluate(sp.diff(e, symbol), point, {n: f.as_lambda() for n, f in functions.items()})
        if symbol in gradient:
            assert inside(gradient[symbol], value)
        else:
            assert value.is_negligible


NAMES = "exp log sin cos tan cot sinh cosh tanh coth asin acos atan"


@pytest.mark.parametrize("name", NAMES.split())
def test_every_function_has_the_right_value_and_slope(name):
    x, at = sp.Symbol("x", real=True), sp.Rational(2, 7)
    e = getattr(sp, name)(x)
    run = Tape([e]).run({x: at}, {}, bits=128)
    assert inside(run.value(0), evaluate(e, {x: at}))
    assert inside(run.gradient(0)[x], evaluate(sp.diff(e, x), {x: at}))


def test_more_bits_give_smaller_balls():
    tape, point = Tape([sp.exp(sp.sqrt(M)) * sp.log(M)]), {M: sp.Rational(5, 3)}
    radii = [float(tape.run(point, {}, bits=b).value(0).rad()) for b in (64, 128, 256)]
    assert radii[0] > radii[1] * 2**30 > radii[2] * 2**60


@pytest.mark.parametrize(
    "e",
    [
        sp.sqrt(Q1), sp.log(Q1), Q1 ** sp.Rational(1, 3), Q1**A, 1 / (Q1 + 1), sp.sqrt(Q1 + 1), sp.Abs(Q1 + 1),
        sp.asin(Q1 - 1), sp.acos(2 * Q1), sp.atan2(Q1 + 1, Q1), sp.coth(Q1 + 1),
    ],
    ids=str,
)  # fmt: skip
def test_the_edge_of_the_domain_is_outside(e):
    with pytest.raises(OutsideDomain):
        run = Tape([e]).run({Q1: sp.Integer(-1), A: sp.Rational(1, 2)}, {}, bits=64)
        run.gradient(0)


def test_functions_without_a_value_are_named():
    with pytest.raises(NoTape, match="gamma"):
        Tape([sp.gamma(Q1)])


def test_undefined_functions_and_their_derivatives_are_concrete_polynomials():
    cubic = Polynomial(1, {(3,): sp.Integer(2), (0,): sp.Integer(1)})
    e = sp.diff(V(Q1**2 + P1), Q1)
    run = Tape([e]).run({Q1: sp.Integer(2), P1: sp.Integer(1)}, {"V": cubic}, bits=64)
    assert run.value(0) == 6 * 5**2 * 2 * 2
    assert run.gradient(0)[P1] == 12 * 5 * 2 * 2


def test_a_polynomial_of_two_arguments_differentiates_like_sympy():
    f = next(choices({"W": 2}))["W"]
    z1, z2 = f.as_lambda().variables
    direct = sp.diff(f.as_lambda().expr, z1, 2, z2)
    assert sp.expand(f.differentiated((2, 1)).as_lambda()(z1, z2) - direct) == 0


def test_points_are_rational_respect_signs_and_cover_magnitudes():
    found = list(itertools.islice(points([Q1, Q2, M]), 200))
    assert all(isinstance(v, sp.Rational) and v != 0 for p in found for v in p.values())
    assert all(p[M] > 0 for p in found)
    signs = {(p[Q1] > 0, p[Q2] > 0) for p in found[:12]}
    assert len(signs) == 4
    sizes = [abs(p[Q1]) for p in found]
    assert min(sizes) < sp.Rational(1, 50) and max(sizes) > 50
    assert found == list(itertools.islice(points([Q1, Q2, M]), 200))


def test_enclosures_are_exact_and_outward():
    ball = Tape([sp.sqrt(M)]).run({M: sp.Integer(2)}, {}, bits=64).value(0)
    lower, upper = enclosure(ball)
    assert lower**2 < 2 < upper**2
    assert float(upper - lower) < 1e-17


def test_evaluation_reports_what_is_not_real_and_carries_enough_digits():
    assert evaluate(sp.log(Q1), {Q1: sp.Integer(-1)}) is None
    assert evaluate(1 / Q1, {Q1: sp.Integer(0)}) is None
    big = sp.exp(Q1) * sp.exp(-Q1 / 2) ** 2 - 1 + sp.Rational(1, 10**90)
    value = evaluate(
        sp.Add(sp.exp(Q1) - sp.exp(Q1 - 1) * sp.E, sp.Rational(1, 10**90)), {Q1: sp.Integer(500)}
    )
    assert not value.is_negligible and mpmath.almosteq(value.number * mpmath.mpf(10) ** 90, 1, 1e-5)
    assert not evaluate(big, {Q1: sp.Integer(3)}).is_negligible
