"""Sympy expressions pass the same gate as text, so no function without rules reaches a proof."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from expressions import P1, Q1, Q2, SPACE, A, V, formulas
from hypothesis import given

import hamsym as hs
from hamsym.errors import FormulaError, SpaceError
from hamsym.symbolic.formula.language import DEFINED, FUNCTIONS
from hamsym.symbolic.formula.text import to_text

X = sp.Symbol("q1")
STRANGE = [
    sp.sign(Q1), sp.Heaviside(Q1), sp.DiracDelta(Q1), sp.Max(Q1, Q2), sp.Min(Q1, 0), sp.floor(Q1), sp.ceiling(Q1),
    sp.Mod(Q1, 2), sp.frac(Q1), sp.Piecewise((Q1, Q1 > 0), (0, True)), sp.gamma(Q1), sp.erf(Q1), sp.zeta(Q1),
    sp.besselj(0, Q1), sp.LambertW(Q1), sp.sec(Q1), sp.acot(Q1), sp.factorial(Q1),
    sp.re(X), sp.arg(X), sp.conjugate(X), sp.Integral(sp.exp(Q1**2), (Q1, 0, Q1)), sp.Integral(sp.exp(-X**2), X),
    sp.Sum(Q1**A, (A, 1, 3)), sp.Limit(Q1, Q1, 0), sp.RootOf(sp.Symbol("q1") ** 5 - sp.Symbol("q1") - 1, 0),
    sp.I * Q1, sp.oo, -sp.oo, sp.zoo, sp.nan, sp.EulerGamma, sp.GoldenRatio, sp.Catalan, sp.Float("inf"),
    sp.Float("nan"), sp.Integer(-8) ** sp.Rational(1, 3), sp.Float("1e100000"), sp.MatrixSymbol("q1", 1, 1)[0, 0],
    sp.MatrixSymbol("q1", 2, 2), sp.Derivative(sp.gamma(Q1), Q1), sp.Subs(sp.gamma(X), X, Q1), sp.sin(sp.erf(V(Q1))),
    sp.Function("U")(Q1), V(Q1).func(Q1, Q2), sp.Symbol("elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=str)
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: P1**2 / 2 + 3 * e], ids=["alone", "within"])
def test_what_text_cannot_say_is_refused(strange, wrap):
    if isinstance(strange, sp.MatrixExpr) and wrap(0) != 0:
        return  # sympy itself adds no number to a matrix
    for use in (SPACE.express, lambda e: hs.Hamiltonian(e, SPACE), lambda e: hs.is_zero(e, SPACE)):
        with pytest.raises(FormulaError):
            use(wrap(strange))


@pytest.mark.parametrize(
    ("strange", "message"),
    [
        (sp.sign(Q1), r"sign is not smooth.*write x/sqrt\(x\*\*2\)"),
        (sp.Piecewise((Q1, Q1 > 0), (0, True)), "Piecewise is not smooth"),
        (sp.erf(Q1), r"erf\(q1\) is not part of a formula.*functions=\{'f': 1\}"),
        (sp.sec(Q1), r"write 1/cos\(x\)"),
        (sp.Integral(sp.exp(-(Q1**2)), Q1), r"Integral.*\.doit\(\)"),
        (sp.I * Q1, "imaginary unit"),
        (sp.nan, "nan is not a finite number"),
        (sp.Symbol("q11"), "'q11' is not declared in this space; did you mean 'q1'"),
    ],
    ids=str,
)
def test_a_refusal_names_what_and_says_what_to_do(strange, message):
    with pytest.raises(FormulaError, match=message):
        SPACE.express(strange)


@pytest.mark.parametrize(
    "strange",
    [math.nan, math.inf, np.float64("nan"), 1j, sp.true, True, Q1 > 0, sp.Eq(Q1, 1), sp.Matrix([Q1]), [Q1], None, {}],
    ids=str,
)  # fmt: skip
def test_what_is_no_real_number_is_refused(strange):
    with pytest.raises(FormulaError):
        SPACE.express(strange)


@pytest.mark.parametrize("number", [1, 0.25, np.float64(0.25), np.int64(3), np.float32(0.5), Fraction(1, 3)])
def test_numbers_are_taken_exactly(number):
    assert SPACE.express(number) == sp.Rational(str(number))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_of_text_are_the_functions_of_expressions(name):
    function, count = FUNCTIONS[name]
    arguments = (sp.Symbol("q1"), sp.Symbol("p1"))[:count]
    assert SPACE.express(function(*arguments)) == SPACE.parse(
        f"{name}({', '.join(a.name for a in arguments)})"
    )


@given(formulas())
def test_every_formula_and_every_bracket_of_it_is_admitted(e):
    assert SPACE.express(e) == e
    bracket = hs.poisson_bracket(e, "q1*p2 - q2*p1 + q1**2/2", SPACE)
    assert SPACE.express(bracket) == bracket


def test_brackets_with_an_absolute_value_stay_formulas():
    H = hs.Hamiltonian("p1**2/2 + sqrt(q1**2)", SPACE)
    once = hs.poisson_bracket("p1", H, SPACE)
    assert once == -sp.Abs(Q1) / Q1 == SPACE.parse(to_text(once))
    assert H.equations()[P1] == once == hs.Generator(H.expr, SPACE).vector_field()[P1]
    twice = hs.poisson_bracket(once, H, SPACE)  # constant on either side of 0
    verdict = hs.is_zero(twice, SPACE)
    assert verdict.status == "proved" and verdict.check()
    assert hs.verify(H, once).check()


def test_an_absolute_value_is_the_root_of_the_square():
    assert SPACE.express(sp.Abs(X)) == SPACE.parse("sqrt(q1**2)")
    assert SPACE.express(sp.Abs(sp.log(Q1))) == SPACE.parse("sqrt(log(q1)**2)")
    verdict = hs.is_zero(sp.Abs(Q1) * sp.Abs(P1) - sp.sqrt(Q1**2 * P1**2), SPACE)
    assert verdict.status == "proved" and verdict.check()


def test_derivatives_of_undefined_functions_are_read_whatever_the_symbols():
    U = sp.Function("V")
    given = sp.diff(U(X**2) * sp.sin(U(X)), X)
    ours = sp.diff(V(Q1**2) * sp.sin(V(Q1)), Q1)
    assert hs.is_zero(SPACE.express(given) - ours, SPACE)


def test_a_deep_expression_is_refused_not_a_crash():
    deep = Q1
    for _ in range(3000):
        deep = sp.Add(1, sp.Mul(deep, deep, evaluate=False), evaluate=False)
    with pytest.raises(FormulaError, match="deep"):
        SPACE.express(deep)


@pytest.mark.parametrize("name", DEFINED)
def test_functions_that_are_read_as_others_are_those_functions(name):
    """By sympy's own numbers, and the same from text and from expressions."""
    expression = SPACE.parse(f"{name}(q1)")
    assert expression == SPACE.express(getattr(sp, name)(X))
    at = sp.Rational(5, 4) if name == "acosh" else sp.Rational(-2, 3)
    value = getattr(sp, name)(at).evalf(30)
    assert abs(expression.subs(Q1, at).evalf(30) - value) < 1e-28
    with pytest.raises(FormulaError, match=name):
        SPACE.parse(f"{name}(q1, q2)")
    with pytest.raises(SpaceError):
        hs.PhaseSpace(name, "p")
