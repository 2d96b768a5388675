"""Discovery of first integrals: known systems, independent proofs, independent counts, special parameters."""

import itertools
import json
import math
import random
from fractions import Fraction
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals import independence
from hamsym.symbolic.integrals.ansatz import monomials
from hamsym.symbolic.integrals.completeness import doubt
from hamsym.symbolic.integrals.search import solve
from hamsym.symbolic.integrals.trials import Trials

CASES = json.loads((Path(__file__).parent / "data" / "discovery.json").read_text())["discovery"]
LINE, PLANE, ROOM, BODY, ROTOR = (
    ("q", "p"),
    ("x y", "px py"),
    ("x y z", "px py pz"),
    ("L1 L2 L3 g1 g2 g3", "e3"),
    ("L1 L2 L3", "so3"),
)
FREE = "(px**2 + py**2)/2"


def space_of(names, **options):
    kind = hs.LiePoissonSpace if names[1] in ("e3", "so3") else hs.PhaseSpace
    return kind(*names, **options)


def found(names, H, degree, ansatz=None, *, momentum_degree=None, max_exponents=None, **options):
    """Find integrals on a space given by its names and options."""
    return hs.find_integrals(
        hs.Hamiltonian(H, space_of(names, **options)), degree, ansatz, momentum_degree, max_exponents
    )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_checked_cases(case):
    names = (case["coordinates"], case["momenta"] if case["bracket"] == "canonical" else case["bracket"])
    ansatz, options = case["ansatz"], {"parameters": case["params"]}
    if case["bracket"] == "canonical":
        options["time"] = case["time"]
        space = hs.PhaseSpace(*names, **options)
    else:
        space = hs.LiePoissonSpace(*names, **options)
    H = hs.Hamiltonian(case["H"], space)
    basis = hs.find_integrals(
        H, ansatz["degree"], ansatz["generators"], ansatz["momentum_degree"], ansatz["max_exponents"]
    )
    assert basis.dimension == case["expected_dim"] == len(basis.integrals)
    assert basis.rank == case["expected_rank"] and basis.rank_is_exact
    assert all(basis.contains(g) for g in case["contains"])
    assert basis.complete, basis.reason
    assert all(v.status == "proved" for v in basis.proofs)


#: name: (names, H, degree, ansatz, options, dimension, rank, some that are contained, some that are not)
KNOWN = {
    "isotropic oscillator with m and k": (
        PLANE, "(px**2 + py**2)/(2*m) + k*(x**2 + y**2)/2", 2, None,
        {"parameters": {"m": "positive", "k": "real"}}, 4, 3, ["px*py/m + k*x*y", "x*py - y*px"], ["px**2", "x*y"],
    ),
    "coupling under a root": (
        PLANE, FREE + " + (sqrt(k)*x**2 + k*y**2)/2", 2, None,
        {"parameters": {"k": "positive"}}, 2, 2, ["px**2 + sqrt(k)*x**2"], ["px**2 + k*x**2"],
    ),
    "irrational ratio of frequencies": (PLANE, FREE + " + (x**2 + 2*y**2)/2", 4, None, {}, 5, 2, ["py**2 + 2*y**2"], []),
    "coupling sqrt(2)": (PLANE, FREE + " + (sqrt(2)*x**2 + y**2)/2", 2, None, {}, 2, 2, ["px**2 + sqrt(2)*x**2"], []),
    "Kepler in 2-D": (
        PLANE, FREE + " - k/sqrt(x**2 + y**2)", 3, ["x", "y", "px", "py", "1/sqrt(x**2 + y**2)"],
        {"parameters": {"k": "real"}}, 4, 3, ["py*(x*py - y*px) - k*x/sqrt(x**2 + y**2)"], ["px"],
    ),
    "entries that depend on one another": (
        PLANE, FREE + " - 1/sqrt(x**2 + y**2)", 3,
        ["x", "y", "px", "py", "sqrt(x**2 + y**2)", "1/sqrt(x**2 + y**2)", "1/(x**2 + y**2)"],
        {}, 4, 3, ["(px**2 + py**2)/2 - sqrt(x**2 + y**2)/(x**2 + y**2)"], [],
    ),
    "energy outside the ansatz": (PLANE, FREE + " - 1/sqrt(x**2 + y**2)", 3, None, {}, 1, 1, ["x*py - y*px"], [FREE]),
    "two fixed centres": (
        PLANE, FREE + " - a/sqrt((x - 1)**2 + y**2) - b/sqrt((x + 1)**2 + y**2)", 4,
        ["x", "y", "px", "py", "1/sqrt((x - 1)**2 + y**2)", "1/sqrt((x + 1)**2 + y**2)"],
        {"parameters": {"a": "real", "b": "real"}}, 3, 2,
        ["(x*py - y*px)**2 + px**2 - 2*a*x/sqrt((x - 1)**2 + y**2) + 2*b*x/sqrt((x + 1)**2 + y**2) - px**2 + px**2"], [],
    ),
    "Stark-Kepler": (
        PLANE, FREE + " - 1/sqrt(x**2 + y**2) + E*x", 4, ["x", "y", "px", "py", "1/sqrt(x**2 + y**2)"],
        {"parameters": {"E": "real"}}, 3, 2, ["py*(x*py - y*px) - x/sqrt(x**2 + y**2) - E*y**2/2"], [],
    ),
    "Calogero-Moser, 3 particles": (
        ROOM, "(px**2 + py**2 + pz**2)/2 + g/(x - y)**2 + g/(y - z)**2 + g/(z - x)**2", 3,
        ["px", "py", "pz", "1/(x - y)", "1/(y - z)", "1/(z - x)"],
        {"parameters": {"g": "real"}}, 6, 3, ["px + py + pz"], ["px"],
    ),
    "open Toda, 3 particles": (
        ROOM, "(px**2 + py**2 + pz**2)/2 + exp(x - y) + exp(y - z)", 3, ["px", "py", "pz", "exp(x - y)", "exp(y - z)"],
        {}, 6, 3, ["px*py*pz - px*exp(y - z) - pz*exp(x - y)"], [],
    ),
    "Henon-Heiles, Korteweg-de Vries case": (
        PLANE, FREE + " + (A*x**2 + B*y**2)/2 + x**2*y + 2*y**3", 4, None,
        {"parameters": {"A": "real", "B": "real"}}, 2, 2,
        ["x**4 + 4*x**2*y**2 - 4*px*(px*y - py*x) + 4*A*x**2*y + (4*A - B)*(px**2 + A*x**2)"], [],
    ),
    "Smorodinsky-Winternitz": (
        PLANE, FREE + " + w*(x**2 + y**2) + a/x**2 + b/y**2", 4, ["x", "y", "px", "py", "1/x", "1/y"],
        {"parameters": {"w": "real", "a": "real", "b": "real"}}, 7, 3,
        ["(x*py - y*px)**2 + 2*(x**2 + y**2)*(a/x**2 + b/y**2)"], ["x*py - y*px"],
    ),
    "sphere, Killing vectors": (
        ("t f", "pt pf"), "(pt**2 + pf**2/sin(t)**2)/2", 4,
        ["sin(t)", "cos(t)", "1/sin(t)", "sin(f)", "cos(f)", "pt", "pf"],
        {"momentum_degree": 1}, 3, 3, ["pt*sin(f) + pf*cos(f)*cos(t)/sin(t)"], [],
    ),
    "half plane, Killing vectors": (
        PLANE, "y**2*(px**2 + py**2)/2", 3, None, {"momentum_degree": 1, "parameters": {"y": "positive"}}, 3, 3,
        ["x*px + y*py", "(x**2 - y**2)*px + 2*x*y*py"], [],
    ),
    "surface of revolution": (
        ("u v", "pu pv"), "(pu**2/4 + pv**2/(3 + cos(u))**2)/2", 3, ["cos(u)", "sin(u)", "1/(3 + cos(u))", "pu", "pv"],
        {"momentum_degree": 1}, 1, 1, ["pv"], [],
    ),
    "any central potential": (
        ROOM, "(px**2 + py**2 + pz**2)/2 + V(sqrt(x**2 + y**2 + z**2))", 4,
        ["x", "y", "z", "px", "py", "pz", "V(sqrt(x**2 + y**2 + z**2))"],
        {"functions": {"V": 1}}, 14, 4, ["x*py - y*px", "(px**2 + py**2 + pz**2)/2 + V(sqrt(x**2 + y**2 + z**2))"], [],
    ),
    "any potential of the distance": (
        PLANE, FREE + " + U(x - y)", 2, ["x", "y", "px", "py", "U(x - y)"], {"functions": {"U": 1}}, 3, 2, ["px + py"], [],
    ),
    "forced oscillator": (
        LINE, "p**2/2 + q**2/2 - q*sin(t)", 2, ["q", "p", "sin(t)", "cos(t)", "t"], {"time": "t"}, 2, 2,
        ["2*p*sin(t) - 2*q*cos(t) - t + sin(t)*cos(t)"], ["p"],
    ),
    "free fall in time": (LINE, "p**2/2 + q", 3, ["q", "p", "t"], {"time": "t"}, 5, 2, ["p + t", "q - p*t - t**2/2"], []),
    "damped oscillator": (
        LINE, "p**2*exp(-g*t)/2 + q**2*exp(g*t)/2", 3, ["q", "p", "exp(g*t)", "exp(-g*t)"],
        {"time": "t", "parameters": {"g": "real"}}, 1, 1, ["g*p*q + p**2*exp(-g*t) + q**2*exp(g*t)"], [],
    ),
    "any force in time": (LINE, "p**2/2 + f(t)*q", 2, ["q", "p", "f(t)"], {"time": "t", "functions": {"f": 1}}, 0, 0, [], ["p"]),
    "free rotor with moments": (
        ROTOR, "L1**2/(2*a) + L2**2/(2*b) + L3**2/(2*c)", 2, None,
        {"parameters": {"a": "positive", "b": "positive", "c": "positive"}}, 2, 2, ["L1**2 + L2**2 + L3**2"], ["L1"],
    ),
    "Lagrange top": (BODY, "(L1**2 + L2**2)/2 + L3**2/3 + g3", 2, None, {}, 5, 4, ["L3", "L1*g1 + L2*g2 + L3*g3"], ["L1"]),
    "Kovalevskaya top": (
        BODY, "(L1**2 + L2**2)/2 + L3**2 + g1", 4, None, {}, 10, 4,
        ["((L1**2 - L2**2)/2 - g1)**2 + (L1*L2 - g2)**2"], [],
    ),
    "Clebsch body": (
        BODY, "(L1**2 + L2**2 + L3**2)/2 + (a*g1**2 + b*g2**2 + c*g3**2)/2", 2, None,
        {"parameters": {"a": "real", "b": "real", "c": "real"}}, 4, 4,
        ["a*L1**2 + b*L2**2 + c*L3**2 - b*c*g1**2 - c*a*g2**2 - a*b*g3**2"], [],
    ),
    "logarithm": (PLANE, FREE + " + log(x**2 + y**2)", 4, ["x", "y", "px", "py", "log(x**2 + y**2)"], {}, 5, 2, [], []),
    "cube root": (PLANE, FREE + " + (x**2 + y**2)**(1/3)", 3, ["x", "y", "px", "py", "(x**2 + y**2)**(1/3)"], {}, 2, 2, [], []),
    "hyperbolic": (LINE, "p**2/2 + cosh(q)**2", 4, ["p", "sinh(q)", "cosh(q)", "exp(q)"], {}, 2, 1, ["p**2 + 2*sinh(q)**2"], []),
    "Morse": (LINE, "p**2/2 + (1 - exp(-q))**2", 4, ["p", "exp(-q)"], {}, 2, 1, [], ["p"]),
    "decimal coefficient": (LINE, "p**2/2 + 0.1*q**4", 4, None, {}, 1, 1, ["p**2 + q**4/5"], []),
    "absolute value": (LINE, "p**2/2 + sqrt(q**2)", 4, ["q", "p", "sqrt(q**2)"], {}, 2, 1, [], ["p"]),
    "arctangent": (LINE, "p**2/2 + atan(q)", 4, ["q", "p", "atan(q)", "1/(1 + q**2)"], {}, 2, 1, [], ["p", "atan(q)"]),
    "parameter as an entry": (LINE, "p**2/2 + m*q**2/2", 3, ["q", "p", "m"], {"parameters": {"m": "real"}}, 1, 1, [], []),
    "constant as an entry": (LINE, "p**2/2 + q**2/2", 3, ["q", "p", "2", "pi"], {}, 1, 1, [], []),
    "entries twice": (LINE, "p**2/2 + q**2/2", 2, ["q", "q", "p", "p", "q*p"], {}, 1, 1, ["q**2 + p**2"], []),
    "angles that depend on one another": (
        LINE, "p**2/2 - cos(q)", 3, ["p", "sin(q)", "cos(q)", "sin(q)*cos(q)", "sin(2*q)", "cos(2*q)"], {}, 1, 1, [], [],
    ),
    "constant Hamiltonian": (PLANE, "3", 2, None, {}, 14, 4, ["x*px"], []),
    "degree 0": (PLANE, "px**2", 0, None, {}, 0, 0, ["5"], ["px"]),
    "exponents of reciprocals": (LINE, "p**2/2 + 1/q", 4, ["q", "p", "1/q"], {}, 2, 1, [], ["1/q"]),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_systems(name):
    names, H, degree, ansatz, options, dimension, rank, members, strangers = KNOWN[name]
    basis = found(names, H, degree, ansatz, **options)
    assert (basis.dimension, basis.rank, basis.rank_is_exact) == (dimension, rank, True)
    assert basis.complete, basis.reason
    assert all(basis.contains(g) for g in (*members, *basis.integrals[:3]))
    assert not any(basis.contains(g) for g in strangers)
    assert all(v.status == "proved" for v in basis.verify())


# -- completeness by another route ---------------------------------------------------------------------------------


def numeric_rank(functions, symbols, seed=0):
    """Rank of the values of functions at random points, computed by mpmath with 150 digits, by elimination."""
    generator, size = random.Random(seed), len(functions)
    compiled = sp.lambdify(symbols, functions, modules="mpmath", cse=True)
    table, rank, tiny = [], 0, flint.arb("1e-70")
    with mpmath.workdps(150), flint.ctx.workdps(150):
        for _ in range(size + 3):
            point = [mpmath.mpf(generator.randint(30, 250)) / 100 for _ in symbols]
            row = [mpmath.mpf(v) for v in compiled(*point)]
            scale = max(map(abs, row)) or 1
            table.append([flint.arb(mpmath.nstr(v / scale, 150)).mid() for v in row])
        for column in range(size):
            row = max(table, key=lambda r: abs(r[column]))
            if abs(row[column]) < tiny:
                continue
            rest = [(v / row[column]).mid() for v in row[column:]]
            table = [
                [*r[:column], *((a - r[column] * b).mid() for a, b in zip(r[column:], rest, strict=True))]
                for r in table
                if r is not row
            ]
            rank += 1
    return rank


def numeric_dimension(names, H, degree, ansatz, options):
    """Count conserved combinations by the ranks of two matrices of values, with sympy's derivatives only."""
    bounds = {k: options[k] for k in ("momentum_degree", "max_exponents") if k in options}
    space = space_of(names, **{k: v for k, v in options.items() if k not in bounds})
    tried = monomials(space, degree, ansatz, **bounds)
    numbers = (sp.Rational(7, 5), sp.Rational(13, 8), sp.Rational(19, 6))
    constants = dict(zip(space.parameters.values(), numbers, strict=False))

    def concrete(expression):
        for function in space.functions.values():
            expression = expression.replace(function, lambda u: sp.exp(-u / 3) + u**3 / 7)
        return expression.subs(constants)

    entries = [concrete(e) for e in tried.entries]
    columns = [sp.Mul(*(e**k for e, k in zip(entries, m, strict=True))) for m in tried.exponents]
    expr, moved = concrete(space.parse(H)), []
    for m in columns:
        rate = sp.Integer(0) if space.time is None else m.diff(space.time)
        for (a, b), entry in space.poisson_tensor.items():
            rate += entry * m.diff(a) * expr.diff(b)
        moved.append(rate)
    symbols = [s for s in space.symbols.values() if s not in constants]
    return numeric_rank([sp.Integer(1), *columns], symbols) - 1 - numeric_rank(moved, symbols)


SMALL = [
    "Kepler in 2-D", "sphere, Killing vectors", "forced oscillator", "hyperbolic", "Lagrange top", "arctangent", "free fall in time",
    "Henon-Heiles, Korteweg-de Vries case", "isotropic oscillator with m and k", "any potential of the distance",
    "cube root",
]  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_dimension_agrees_with_ranks_of_values(name):
    names, H, degree, ansatz, options, dimension, *_ = KNOWN[name]
    assert numeric_dimension(names, H, degree, ansatz, options) == dimension


# -- laws ----------------------------------------------------------------------------------------------------------

coefficients = st.sampled_from([0, 1, -1, 2, 3, sp.Rational(1, 2)])
POTENTIAL = [(2, 0), (1, 1), (0, 2), (2, 1), (0, 3), (4, 0), (2, 2), (0, 4)]


@given(st.lists(coefficients, min_size=len(POTENTIAL), max_size=len(POTENTIAL)), st.data())
@settings(max_examples=25, deadline=None)
def test_integrals_are_proved_and_span_what_they_generate(weights, data):
    """For random polynomial potentials: each integral is proved, sums and products are contained, others are not."""
    space = hs.PhaseSpace(*PLANE)
    x, y, px, py = space.variables
    potential = sp.Add(*(w * x**i * y**j for w, (i, j) in zip(weights, POTENTIAL, strict=True)))
    H = hs.Hamiltonian((px**2 + py**2) / 2 + potential, space)
    basis = hs.find_integrals(H, 4)
    assert basis.complete and basis.contains(H.expr) and basis.rank >= 1
    assert all(v.status == "proved" for v in basis.proofs)
    assert basis.contains(sp.Add(*(data.draw(coefficients) * g for g in basis.integrals)) + 5)
    monomial = data.draw(st.sampled_from([x, y, px, py, x * px, y * py, x**2]))
    assert basis.contains(monomial) == (hs.verify(H, monomial).status == "proved")


@pytest.mark.parametrize(
    "names, H, degree", [(PLANE, FREE + " + (x**2 + y**2)/2", 4), (ROTOR, "L1**2 + 2*L2**2 + 5*L3**2", 6)]
)
def test_generators_are_minimal_and_generate_everything(names, H, degree):
    """Products of the generators up to the degree span all integrals, and no generator can be left out."""
    basis = found(names, H, degree)
    space, gens = basis.space, basis.generators

    def spanned(chosen):
        degrees = [sp.Poly(g, *space.variables).total_degree() for g in chosen]
        products = []
        for powers in itertools.product(*(range(degree // d + 1) for d in degrees)):
            if 0 < sum(k * d for k, d in zip(powers, degrees, strict=True)) <= degree:
                products.append(sp.expand(sp.Mul(*(g**k for g, k in zip(chosen, powers, strict=True)))))
        columns = sorted(set().union(*(sp.Poly(f, *space.variables).monoms() for f in products)))
        rows = [[sp.Poly(f, *space.variables).coeff_monomial(m) for m in columns] for f in products]
        return sp.Matrix(rows).rank()

    assert spanned(gens) == basis.dimension
    for k in range(len(gens)):
        assert spanned(gens[:k] + gens[k + 1 :]) < basis.dimension


def test_result_does_not_depend_on_the_way_the_hamiltonian_is_written():
    one = found(PLANE, FREE + " + (x**2 + y**2)**2", 4)
    other = found(PLANE, "px**2/2 + 0.5*py**2 + x**4 + y**4 + 2*(x*y)**2", 4)
    assert one.integrals == other.integrals


def test_basis_is_written_with_coprime_integers_and_low_degrees_first():
    basis = found(PLANE, "(px**2 + py**2)/6 + (x**2 + 4*y**2)/6", 3)
    degrees = [sp.Poly(g, *basis.space.variables).total_degree() for g in basis.integrals]
    assert degrees == sorted(degrees) == [2, 2, 3, 3]
    for g in basis.integrals:
        numbers = sp.Poly(g, *basis.space.variables).coeffs()
        assert all(c.is_Integer for c in numbers) and math.gcd(*map(int, numbers)) == 1


def test_rank_is_exact_without_generators_where_the_flow_bounds_it(monkeypatch):
    """Integrals are constant on orbits, so that of functions on a space of 2n dimensions at most 2n - 1 are independent."""

    def stop(*_):
        raise hs.errors.UndecidedError("no time")

    basis = found(PLANE, FREE + " + (x**2 + y**2)/2", 2)
    monkeypatch.setattr(type(basis), "_find_generators", stop)
    assert basis.rank == 3 and basis.rank_is_exact


# -- special parameters --------------------------------------------------------------------------------------------


def cases_of(basis):
    return {frozenset(str(c) for c in case.conditions): case for case in basis.jumps}


def test_henon_heiles_has_its_three_integrable_cases():
    """Source: Chang, Tabor, Weiss (1982), Journal of Mathematical Physics 23, 531."""
    basis = found(
        PLANE, FREE + " + (A*x**2 + B*y**2)/2 + x**2*y + c*y**3", 6,
        parameters={"A": "real", "B": "real", "c": "real"},
    )  # fmt: skip
    assert (basis.dimension, basis.jumps_reason) == (2, "")
    jumps = {
        frozenset(sp.solve(case.conditions, sp.symbols("A B c", real=True), dict=True)[0].items()): case
        for case in basis.jumps
    }
    A, B, c = sp.symbols("A B c", real=True)
    third = sp.Rational(1, 3)
    expected = {
        frozenset({(c, sp.Integer(2))}): 3,
        frozenset({(A, B), (c, third)}): 5,
        frozenset({(A, B / 16), (c, 16 * third)}): 3,
    }
    assert {k: case.dimension for k, case in jumps.items()} == expected
    for conditions, case in jumps.items():
        values = dict(conditions)
        H = hs.Hamiltonian(basis.functions[0].subs(values), basis.space)
        for g in case.integrals:
            assert hs.verify(H, g.subs(values)).status == "proved"
            assert not hs.verify(hs.Hamiltonian(basis.functions[0], basis.space), g.subs(values))


def test_commensurable_oscillators_are_found_for_positive_frequencies_only():
    basis = found(
        PLANE, FREE + " + (a**2*x**2 + b**2*y**2)/2", 4, parameters={"a": "positive", "b": "positive"}
    )  # fmt: skip
    assert basis.dimension == 5 and basis.jumps_reason == "" and len(basis.jumps) == 5
    ratios = set()
    for case in basis.jumps:
        (condition,) = case.conditions
        a, b = sorted(condition.free_symbols, key=str)
        ratios.add(sp.solve(condition, b)[0] / a)
    assert ratios == {1, 2, 3, sp.Rational(1, 2), sp.Rational(1, 3)}


@pytest.mark.parametrize("kind, expected", [("positive", 0), ("real", 1)])
def test_assumptions_exclude_special_values(kind, expected):
    """With k = 0 the oscillator is free; m = 0 is no value at all, and m*k + k = 0 is k = 0."""
    basis = found(LINE, "p**2/(2*m) + k*(m + 1)*q**2/2", 2, parameters={"m": "positive", "k": kind})
    assert [str(c) for case in basis.jumps for c in case.conditions] == ["k"] * expected
    assert basis.jumps_reason == ""


def test_special_case_of_a_root_of_a_parameter():
    basis = found(PLANE, FREE + " + (sqrt(k)*x**2 + k*y**2)/2", 2, parameters={"k": "positive"})
    (case,) = basis.jumps
    assert [str(c) for c in case.conditions] == ["sqrt(k) - 1"] and case.dimension == 4


def test_numbers_are_no_parameters():
    """pi is pi: it is not varied, but a parameter may be equal to a multiple of its square."""
    basis = found(PLANE, FREE + " + (pi**2*x**2 + k*y**2)/2 + log(2)", 2, parameters={"k": "positive"})
    (case,) = basis.jumps
    assert (
        sp.expand(case.conditions[0] ** 2 - (basis.space.parse("k - pi**2")) ** 2) == 0
        and case.dimension == 4
    )
    assert found(LINE, "p**2/2 + 2**q", 3, ["p", "2**q", "exp(q)"]).jumps == []


def test_bodies_of_revolution_are_special_rotors():
    options = {"parameters": {"a": "positive", "b": "positive", "c": "positive"}}
    basis = found(ROTOR, "L1**2/(2*a) + L2**2/(2*b) + L3**2/(2*c)", 2, **options)
    dimensions = sorted((len(case.conditions), case.dimension) for case in basis.jumps)
    assert dimensions == [(1, 3), (1, 3), (1, 3), (2, 9)]


def test_what_is_more_counts_from_the_generic_integrals():
    """Each body of revolution has one integral more than the free rotor, the ball has seven."""
    options = {"parameters": {"A": "positive", "B": "positive", "C": "positive"}}
    basis = found(ROTOR, "L1**2/A + L2**2/B + L3**2/C", 2, **options)
    assert sorted(map(str, basis.jumps)) == [
        "A = B: 3 integrals, 1 more",
        "A = C, B = C: 9 integrals, 7 more",
        "A = C: 3 integrals, 1 more",
        "B = C: 3 integrals, 1 more",
    ]
    extra = {case.where: [str(g) for g in case.integrals] for case in basis.jumps}
    assert extra["B = C"] == ["L1"] and extra["A = C"] == ["L2"] and len(extra["A = C, B = C"]) == 7
    plane = found(PLANE, FREE + " + a*x + b*y", 2, parameters={"a": "real", "b": "real"})
    (free,) = plane.jumps
    assert str(free) == "a = 0, b = 0: 6 integrals, 2 more" and len(free.integrals) == free.more == 2
    (turning,) = found(PLANE, "px*py + k*x*y", 1, parameters={"k": "real"}).jumps
    assert str(turning) == "k = 0: 2 integrals, 2 more"
    (one,) = found(PLANE, FREE + " + k*x + y**3", 1, parameters={"k": "real"}).jumps
    assert str(one) == "k = 0: 1 integral, 1 more"


@given(st.tuples(*[st.fractions(-6, 6, max_denominator=5)] * 2))
@settings(max_examples=25, deadline=None)
def test_special_cases_are_all_special_cases(values):
    """At any numbers for a and b the dimension is the generic one, or that of a special case that contains them."""
    a, b = (sp.Rational(v.numerator, v.denominator) for v in values)
    H = FREE + " + x**4 + {}*x**2*y**2 + {}*y**4"
    basis = found(PLANE, H.format("a", "b"), 4, parameters={"a": "real", "b": "real"})
    point = dict(zip(basis.space.parameters.values(), (a, b), strict=True))
    held = [case.dimension for case in basis.jumps if all(c.subs(point) == 0 for c in case.conditions)]
    assert basis.jumps_reason == ""
    assert found(PLANE, H.format(f"({a})", f"({b})"), 4).dimension == max([basis.dimension, *held])


@pytest.mark.parametrize("point", [(0, 0), (2, 1), (6, 1), (0, 3), (1, 0)])
def test_special_cases_hold_at_special_points(point):
    test_special_cases_are_all_special_cases.hypothesis.inner_test(tuple(map(sp.Integer, point)))  # type: ignore[attr-defined]


#: H, degree, ansatz, parameters, special values with the dimension there.
BENT = [
    ("log(q + a)", 2, ["p", "log(q)"], {"a": "real", "q": "positive"}, {"a = 0": 1}),
    ("sqrt(q + a)", 2, ["p", "sqrt(q)"], {"a": "real", "q": "positive"}, {"a = 0": 1}),
    ("sqrt(q**2 + a)", 2, ["p", "q"], {"a": "real", "q": "positive"}, {"a = 0": 1}),
    ("exp(q + a*q**2)", 2, ["p", "exp(q)"], {"a": "real"}, {"a = 0": 1}),
    ("exp(q + (a**2 - 2)*q**2)", 2, ["p", "exp(q)"], {"a": "positive"}, {"a = sqrt(2)": 1}),
    ("q**2 + cos(a*q) - cos(q)", 2, ["p", "q"], {"a": "real"}, {"a = 1": 1, "a = -1": 1}),
    ("exp(a*q)", 2, ["p", "exp(b*q)"], {"a": "real", "b": "real"}, {"a = 0": 2, "a = b": 1, "a = 2*b": 1}),
    ("q**2/2", 1, ["p", "b*q"], {"b": "real"}, {}),
    ("q**2/2", 1, ["p", "cos(b*q)"], {"b": "real"}, {}),
    ("q**2/2", 1, ["p", "exp(b*q)"], {"b": "real"}, {}),
    ("0", 2, ["p", "exp(k*t)", "q"], {"k": "real"}, {}),
    ("q*exp(k*t)", 2, None, {"k": "real"}, {"k = 0": 1}),
    ("log(q + a) + log(q + b)", 2, ["p", "log(q)"], {"a": "real", "b": "real", "q": "positive"}, {"a = 0, b = 0": 1}),
    ("sqrt(a*q)", 2, None, {"a": "real", "q": "positive"}, {"a = 0": 2}),
    ("sqrt(a - b)*q**3", 2, None, {"a": "real", "b": "real"}, {"a = b": 2}),
    ("a**(1/3)*q**3", 2, None, {"a": "real"}, {"a = 0": 2}),
    ("(a + sin(a))*q**3 + log(b)*q**4", 2, None, {"a": "real", "b": "positive"}, {}),
    ("sin(a)*q**3", 2, None, {"a": "real"}, {"a = 0": 2}),
    ("log(b)*q**3", 2, None, {"b": "positive"}, {"b = 1": 2}),
    ("(sin(a) + 2)*q**3", 2, None, {"a": "real"}, {}),
    ("exp(a)*q**3", 2, None, {"a": "real"}, {}),
    ("cos(b*q)/b", 2, None, {"b": "real"}, {}),
    ("1/(k*q**2 + 1)", 3, ["p", "q", "1/(k*q**2 + 1)"], {"k": "real"}, {"k = 0": 3}),
]  # fmt: skip


@pytest.mark.parametrize("potential, degree, ansatz, parameters, expected", BENT)
def test_special_values_inside_functions_are_tried(potential, degree, ansatz, parameters, expected):
    """Dimensions count functions on the line modulo constants: b*q is no integral at b = 0, nor is cos(b*q)."""
    names, H = LINE, f"p**2/2 + {potential}"
    time = "t" if "k*t" in f"{potential}{ansatz}" else None
    basis = found(names, H, degree, ansatz, parameters=parameters, time=time)
    assert {case.where: case.dimension for case in basis.jumps} == expected
    assert "inside functions" in basis.jumps_reason and "not followed" not in basis.jumps_reason
    assert basis.jumps_reason in str(basis) and basis.jumps_reason in basis._repr_html_()
    told = json.loads(json.dumps(basis.to_dict()))
    assert told["special_reason"] == basis.jumps_reason and len(told["special"]) == len(expected)
    for case in basis.jumps:
        (values,) = sp.solve(case.conditions, dict=True)
        own = hs.Hamiltonian(basis.functions[0].subs(values), basis.space)
        assert all(hs.verify(own, g.subs(values)) for g in case.integrals)
        entries = [e.subs(values) for e in basis.ansatz.entries]
        assert hs.find_integrals(own, degree, entries).dimension == case.dimension


def test_overlaps_of_tried_values_that_give_nothing_new_are_not_listed():
    H, options = FREE + " + exp(a*x) + exp(b*y)", {"parameters": {"a": "real", "b": "real"}}
    assert {case.where for case in found(PLANE, H, 1, ["px", "py"], **options).jumps} == {"a = 0", "b = 0"}
    both = found(PLANE, H, 2, ["px", "py"], **options).jumps[-1]
    assert both.where == "a = 0, b = 0" and "px*py" in map(str, both.integrals)


def test_trials_of_special_values_end_with_the_budget():
    """What was not tried for lack of time is said."""
    basis = found(LINE, "p**2/2 + log(q + a)", 2, ["p", "log(q)"], parameters={"a": "real", "q": "positive"})
    trials = Trials(basis.ansatz, basis.functions, basis._ready(5.0), basis.integrals, 1e-9)
    trials.run()
    assert trials.cases == [] and any("budget" in reason for reason in trials.reasons)


def test_values_that_are_no_real_numbers_are_no_special_values():
    """Of a**2 = 2 only the positive root is left, a**2 + 2 and a + 1 have none, and 1/a is never zero."""
    for inner in ("q + (a**2 + 2)*q**2", "q + (a + 1)*q**2", "q + q**2/a"):
        assert (
            found(LINE, f"p**2/2 + exp({inner})", 2, ["p", "exp(q)"], parameters={"a": "positive"}).jumps
            == []
        )


def test_conditions_that_no_real_numbers_meet_are_no_special_values():
    """-(b - 1)**2 - 1 is negative, so that no positive a is equal to it; the terms alone do not say so."""
    H = FREE + " + (a + b**2 - 2*b + 2)*x**3"
    basis = found(PLANE, H, 2, parameters={"a": "positive", "b": "real"})
    assert basis.jumps == [] and "no real parameters were found" in basis.jumps_reason
    (case,) = found(PLANE, H, 2, parameters={"a": "real", "b": "real"}).jumps
    assert case.where == "a = -b**2 + 2*b - 2"


def test_special_values_of_what_is_not_complete_are_not_all():
    """Where a relation between functions may have been overlooked, so may special values."""
    basis = found(LINE, "p**2/2 + q + k*q**3", 2, ["p", "q", "atan(q)"], parameters={"k": "real"})
    assert [case.where for case in basis.jumps] == ["k = 0"] and "atan" in basis.jumps_reason


# -- what is said about completeness -------------------------------------------------------------------------------


def test_relations_that_the_normal_form_cannot_exclude_are_excluded_by_values(monkeypatch):
    """For the arctangent completeness rests on values at points; without them it is not claimed."""
    names, H, degree, ansatz, options, *_ = KNOWN["arctangent"]
    assert "values at points" in found(names, H, degree, ansatz, **options).reason
    monkeypatch.setattr(independence, "LARGEST", 3)
    basis = found(names, H, degree, ansatz, **options)
    assert not basis.complete and "atan" in basis.reason
    with pytest.raises(hs.errors.UndecidedError, match="atan"):
        basis.contains("q")


def test_roots_with_common_factors_may_be_related():
    """sqrt(x*y) = sqrt(x) sqrt(y) where all are real, and the normal form of the difference is not zero."""
    tower = tw.Tower(tw.Clock(5.0))
    x, y = (tower.symbol(sp.Symbol(name, real=True)) for name in "xy")
    whole, *parts = (tower.power(f, Fraction(1, 2)) for f in (x * y, x, y))
    assert not tower.reduce(whole - tower.ring.mul(*parts)).is_zero()
    assert "common factor" in doubt(tower, [whole, *parts]) and doubt(tower, parts) is None


def test_parameters_whose_sign_matters_are_not_called_complete():
    """With |k| = k the oscillator is isotropic, with |k| = -k it is not."""
    H = FREE + " + (sqrt(k**2)*x**2 + k*y**2)/2"
    basis = found(PLANE, H, 2, parameters={"k": "real"})
    assert basis.dimension == 2 and not basis.complete and "positive" in basis.reason
    assert found(PLANE, H, 2, parameters={"k": "positive"}).dimension == 4


def test_budget_leaves_the_lower_degrees():
    space = hs.PhaseSpace.standard(6)
    q, p = space.coordinates, space.momenta
    H = hs.Hamiltonian(sp.Add(*(a**2 for a in (*q, *p))), space)
    ansatz = monomials(space, 6)
    full = hs.find_integrals(H, 2)

    basis = solve(ansatz, [H.expr], 0.6)
    assert not basis.complete and "0.6 s" in basis.reason
    assert basis.dimension in (0, full.dimension, 477) and basis.contains("q1**2 + p1**2") == (
        basis.dimension > 0
    )


@pytest.mark.parametrize("budget", [1e-9, 0.003])
def test_no_time_is_no_error(budget):
    space = hs.PhaseSpace.standard(4)
    basis = hs.find_integrals(hs.Hamiltonian("(p1**2 + p2**2)/2 + exp(q1)*q2**4", space), 6, budget=budget)
    assert not basis.complete and "budget" in basis.reason
    assert (basis.dimension, basis.integrals, basis.rank, basis.jumps) == (0, [], 0, [])
    json.dumps(basis.to_dict())


# -- for people and programs ---------------------------------------------------------------------------------------


def test_reprs_and_json():
    basis = found(PLANE, FREE + " + k*(x**2 + 4*y**2)/2", 3, parameters={"k": "positive"})
    told = json.loads(json.dumps(basis.to_dict()))
    assert told["dimension"] == 4 == len(told["integrals"]) and told["complete"] and told["rank"] == 3
    assert [sp.expand(basis.space.parse(t)) for t in told["integrals"]] == [
        sp.expand(e) for e in basis.integrals
    ]
    assert "4 integrals, complete" in repr(basis) and "px**2" in str(basis)
    assert "<table>" in basis._repr_html_() and "px^{2} + k x^{2}" in basis._repr_html_()
    assert list(basis) == basis.integrals and len(basis) == 4 and basis[0] == basis.integrals[0]


def test_progress_is_shown_only_when_wanted(capsys):
    H = hs.Hamiltonian("p1**2 + q1**2", hs.PhaseSpace.standard(1))
    hs.find_integrals(H, 2, progress=True)
    hs.find_integrals(H, 2)
    assert capsys.readouterr().out == ""


SPACE = hs.PhaseSpace.standard(2)
H2 = hs.Hamiltonian("p1**2 + p2**2 + q1**4", SPACE)
BAD = {
    "no Hamiltonian": (hs.errors.SpaceError, lambda: hs.find_integrals("p1**2")),
    "negative degree": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, -1)),
    "degree no whole number": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2.5)),
    "degree absurd": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 150)),
    "ansatz a text": (hs.errors.FormulaError, lambda: hs.find_integrals(H2, 2, "q1")),
    "ansatz empty": (hs.errors.FormulaError, lambda: hs.find_integrals(H2, 2, [])),
    "ansatz with a foreign name": (hs.errors.FormulaError, lambda: hs.find_integrals(H2, 2, ["q1", "z"])),
    "ansatz with a foreign symbol": (hs.errors.FormulaError, lambda: hs.find_integrals(H2, 2, [sp.Symbol("z")])),
    "ansatz of objects": (hs.errors.FormulaError, lambda: hs.find_integrals(H2, 2, [object()])),
    "exponents too few": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, max_exponents=[1])),
    "exponents negative": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, max_exponents=[1, 1, 1, -1])),
    "exponents a number": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, max_exponents=3)),
    "momentum degree of a root": (
        hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, ["q1", "sqrt(1 + p1**2)"], 1),
    ),
    "momentum degree without momenta": (
        hs.errors.ParameterError,
        lambda: hs.find_integrals(hs.Hamiltonian("L1", hs.LiePoissonSpace(*ROTOR)), 2, momentum_degree=1),
    ),
    "no budget": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, budget=0)),
    "progress an array": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, progress=np.array([1, 2]))),
    "progress a text": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, progress="no")),
    "budget not finite": (hs.errors.ParameterError, lambda: hs.find_integrals(H2, 2, budget=float("nan"))),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason(name):
    error, call = BAD[name]
    with pytest.raises(error) as refusal:
        call()
    assert isinstance(refusal.value, hs.errors.HamsymError) and len(str(refusal.value)) > 20


def test_bounds_of_exponents_may_be_left_open():
    basis = hs.find_integrals(H2, 4, max_exponents=[None, 0, 2, None])
    assert basis.contains("p1**2 + q1**4") and basis.contains("p2**4") and not basis.contains("q2")
    assert not hs.find_integrals(H2, 4, max_exponents=[3, 0, 2, 0]).dimension
