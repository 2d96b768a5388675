"""Random expressions, identity rewrites and checked cases for the tests of the exact zero test."""

import json
from pathlib import Path

import sympy as sp
from hypothesis import strategies as st

from hamsym.symbolic.lie_poisson import LiePoissonSpace
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.zero_test.evaluation import evaluate
from hamsym.symbolic.zero_test.witness import choices, points

DATA = Path(__file__).parent / "data"
#: Published cases, and further ones from the literature; the truth of each was found by other code at 60 digits.
CASES, CLASSICAL = (
    json.loads((DATA / name).read_text())["cases"] for name in ("conservation.json", "classical.json")
)
SPACE = PhaseSpace.standard(2, functions={"V": 1, "W": 2}, parameters={"a": "real", "m": "positive"})
Q1, Q2, P1, P2, A, M = (SPACE.symbols[n] for n in ("q1", "q2", "p1", "p2", "a", "m"))
V, W = SPACE.functions["V"], SPACE.functions["W"]


def case_space(case):
    options = {"parameters": case["parameters"], "functions": case["functions"], "time": case["time"]}
    if case["bracket"] == "canonical":
        return PhaseSpace(case["coordinates"], case["momenta"], **options)
    return LiePoissonSpace(case["coordinates"], case["bracket"], **options)


def monomial(space, generator):
    """A random monomial in the variables of a space, with a coefficient that may be small."""
    factors = [
        generator.choice(space.variables) ** generator.randint(1, 2) for _ in range(generator.randint(1, 3))
    ]
    return sp.Mul(generator.choice([sp.Integer(1), sp.Rational(1, 10**6)]), *factors)


def is_truly_zero(claim):
    """Evaluate the bracket of sympy at points of the domain with 100 digits, by code the prover does not use."""
    seen = 0
    for point, functions in zip(points(claim.symbols, seed=7), choices(claim.arity, seed=7), strict=False):
        value = evaluate(claim.formula(), point, {n: f.as_lambda() for n, f in functions.items()})
        if value is not None:
            if not value.is_negligible:
                return False
            seen += 1
        if seen == 4:
            return True


def _finite(made, otherwise):
    """The expression that was made, unless sympy found a pole or nothing real in it (coth(0), for example)."""
    made = sp.sympify(made)
    return sp.sympify(otherwise) if made.has(sp.nan, sp.zoo, sp.oo, sp.I) else made


def formulas(depth=2, circular=True):
    """Smooth real expressions in q1 q2 p1 p2 a m, defined on an open set."""
    numbers = st.sampled_from([sp.Integer(1), sp.Integer(2), sp.Integer(-3), sp.Rational(1, 2)])
    leaves = st.one_of(st.sampled_from([Q1, Q2, P1, P2, A, M]), st.sampled_from([Q1, P1, Q2, P2]), numbers)
    if depth == 0:
        return leaves
    inner = formulas(depth - 1, circular)
    unary = [
        lambda e: e**2,
        lambda e: 1 / (1 + e**2),
        lambda e: sp.sqrt(1 + e**2),
        lambda e: (2 + e**2) ** sp.Rational(-2, 3),
        sp.exp,
        lambda e: sp.log(1 + e**2),
        lambda e: sp.log(M) * e,
        lambda e: M**A * e,
        lambda e: V(e),
        lambda e: sp.sqrt(e**2),
        lambda e: sp.sqrt(1 + sp.sqrt(1 + e**2)),
        lambda e: (1 + e**2) ** A,
        sp.cosh,
    ]
    binary = [
        lambda e, f: W(e, f),
        lambda e, f: sp.sqrt((1 + e**2) * (2 + f**2)),
        lambda e, f: e / (2 + f**2),
    ]
    if circular:
        unary += [sp.sin, sp.cos, sp.tanh, sp.atan, sp.tan, sp.cot, sp.coth, sp.sinh]
        unary += [lambda e: sp.asin(e / (1 + e**2)), lambda e: sp.acos(sp.sin(e) / 2)]
        binary += [lambda e, f: sp.atan2(e, 1 + f**2), lambda e, f: sp.sin(e + f) * sp.cos(e - f)]
    return st.one_of(
        leaves,
        st.tuples(inner, inner).map(lambda t: t[0] + t[1]),
        st.tuples(inner, inner).map(lambda t: t[0] * t[1]),
        st.tuples(st.sampled_from(unary), inner).map(lambda t: _finite(t[0](t[1]), t[1])),
        st.tuples(st.sampled_from(binary), inner, inner).map(lambda t: _finite(t[0](t[1], t[2]), t[1])),
    )


#: Rewrites e -> e' with e' = e wherever e' is real and finite; the second entry says what e' needs.
REWRITES = {
    "expand": sp.expand,
    "together": sp.together,
    "factor": sp.factor,
    "third binomial": lambda e: (e**2 - 4) / (e - 2) - 2,
    "geometric sum": lambda e: (e**4 - 1) / (e**3 + e**2 + e + 1) + 1,
    "root over root": lambda e: (1 + e**2) / sp.sqrt(1 + e**2) * sp.sqrt(1 + e**2) - 1 - e**2 + e,
    "nested root": lambda e: sp.sqrt(e**2 + 2 + 2 * sp.sqrt(1 + e**2)) - 1 - sp.sqrt(1 + e**2) + e,
    "cube root": lambda e: e + (1 + e**2) - ((1 + e**2) ** 3) ** sp.Rational(1, 3),
    "product of roots": lambda e: e + sp.sqrt((1 + e**2) * M) - sp.sqrt(1 + e**2) * sp.sqrt(M),
    "log of a product": lambda e: e + sp.log(M * (1 + e**2)) - sp.log(M) - sp.log(1 + e**2),
    "log of a power": lambda e: e + sp.log((1 + e**2) ** 3) - 3 * sp.log(1 + e**2),
    "log of exp": lambda e: sp.log(sp.exp(e) + sp.exp(2 * e)) - sp.log(1 + sp.exp(e)),
    "exp of a sum": lambda e: e + sp.exp(e + Q1) - sp.exp(e) * sp.exp(Q1 / 2) ** 2,
    "power law": lambda e: e + (1 + e**2) ** (A + 1) - (1 + e**2) * sp.exp(A * sp.log(1 + e**2)),
    "absolute value": lambda e: e + sp.sqrt(e**2 * Q1**2) - sp.Abs(e) * sp.Abs(Q1),
    "Pythagoras": lambda e: e * (sp.sin(Q2) ** 2 + sp.cos(Q2) ** 2),
    "addition": lambda e: e + sp.sin(Q1 + Q2) - sp.sin(Q1) * sp.cos(Q2) - sp.cos(Q1) * sp.sin(Q2),
    "half angle": lambda e: e + sp.tan(Q1 / 2) - sp.sin(Q1) / (1 + sp.cos(Q1)),
    "hyperbola": lambda e: e * (sp.cosh(P1) ** 2 - sp.sinh(P1) ** 2),
    "tanh addition": lambda e: (
        e + sp.tanh(Q1 + P2) - (sp.tanh(Q1) + sp.tanh(P2)) / (1 + sp.tanh(Q1) * sp.tanh(P2))
    ),
    "coth by tanh": lambda e: e + 2 * sp.coth(2 * Q1) - sp.tanh(Q1) - sp.coth(Q1),
    "tan addition": lambda e: e * sp.tan(Q1 + Q2) * (1 - sp.tan(Q1) * sp.tan(Q2)) / (sp.tan(Q1) + sp.tan(Q2)),
    "triple angle": lambda e: e + sp.cos(3 * Q2) - 4 * sp.cos(Q2) ** 3 + 3 * sp.cos(Q2),
    "third of an angle": lambda e: e + sp.sin(P1) - 3 * sp.sin(P1 / 3) + 4 * sp.sin(P1 / 3) ** 3,
    "product to sum": lambda e: e + 2 * sp.sin(Q1) * sp.cos(Q2) - sp.sin(Q1 + Q2) - sp.sin(Q1 - Q2),
    "hyperbolic product to sum": lambda e: (
        e + 2 * sp.cosh(Q1) * sp.cosh(Q2) - sp.cosh(Q1 + Q2) - sp.cosh(Q1 - Q2)
    ),
    "phase": lambda e: e + sp.sin(Q1 + sp.pi / 6) * 2 - sp.sqrt(3) * sp.sin(Q1) - sp.cos(Q1),
    "complement": lambda e: e + sp.asin(Q1 / 9) + sp.acos(Q1 / 9) - sp.pi / 2,
    "sine of an arc": lambda e: e + sp.sin(2 * sp.atan(Q2)) - 2 * Q2 / (1 + Q2**2),
    "cosine of an angle": lambda e: e * sp.cos(sp.atan2(Q2, P1)) * sp.sqrt(Q2**2 + P1**2) / P1,
    "slope of an arc": lambda e: e + sp.diff(sp.atan(e), Q1) * (1 + e**2) - sp.diff(e, Q1),
    "chain rule": lambda e: e + sp.diff(V(Q1 * Q2), Q1) * Q1 - sp.diff(V(Q1 * Q2), Q2) * Q2,
    "mixed derivatives": lambda e: e + sp.diff(W(Q1, Q2), Q1, Q2) - sp.diff(W(Q1, Q2), Q2, Q1),
    "equal arguments": lambda e: e + W(Q1 * (1 + P1**2) / (1 + P1**2), Q2) - W(sp.log(sp.exp(Q1)), Q2),
    "denested": lambda e: (
        e + sp.sqrt(sp.sqrt(Q1**2 + P1**2) + Q1) * sp.sqrt(sp.sqrt(Q1**2 + P1**2) - Q1) - sp.Abs(P1)
    ),
    "cubic surd": lambda e: e * (2 + sp.sqrt(5)) ** sp.Rational(1, 3) * (sp.sqrt(5) - 1) / 2,
    "sign branches": lambda e: e + sp.cosh(sp.Abs(P2) * Q1) - sp.cosh(P2 * Q1),
    "conjugate logs": lambda e: e + sp.log(sp.sqrt(Q1**2 + 1) + Q1) + sp.log(sp.sqrt(Q1**2 + 1) - Q1),
    "base and exponent": lambda e: e * (2 * M) ** A / sp.exp(A * sp.log(2)) / M**A,
}
