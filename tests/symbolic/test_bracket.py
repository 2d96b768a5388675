"""Brackets and their zero test: laws of the bracket, identities, domains, limits."""

import pytest
import sympy as sp
from expressions import P1, P2, Q1, Q2, REWRITES, SPACE, M, V, formulas, is_truly_zero
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamsym import Generator, Hamiltonian, LiePoissonSpace, PhaseSpace
from hamsym.errors import FormulaError, ParameterError, SpaceError
from hamsym.symbolic.bracket import is_zero, jacobiator, poisson_bracket, vector_field, verify
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.parser import parse_with_domain
from hamsym.symbolic.tower import Clock
from hamsym.symbolic.zero_test.decide import Claim, decide, prove
from hamsym.symbolic.zero_test.evaluation import evaluate
from hamsym.symbolic.zero_test.refuted import Refuted

relaxed = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def bracket(f, g):
    return poisson_bracket(f, g, SPACE)


def proved(expression):
    verdict = is_zero(expression, SPACE, budget=30.0)
    assert verdict.status == "proved", verdict
    return verdict


# -- the bracket ---------------------------------------------------------------------------------------------


def test_convention_is_q_before_p():
    space = PhaseSpace.standard(1)
    assert poisson_bracket("q1", "p1", space) == 1
    H = Hamiltonian("p1**2/2 + q1**4", space)
    assert {s: poisson_bracket(s, H, space) for s in space.variables} == H.equations()


def test_bracket_takes_text_expressions_and_generators():
    g = Generator("q1*p2 - q2*p1", SPACE)
    assert bracket("q1", g) == bracket(Q1, "q1*p2 - q2*p1") == -Q2


@relaxed
@given(formulas(), formulas())
def test_antisymmetry(f, g):
    proved(bracket(f, g) + bracket(g, f))


@relaxed
@given(formulas(), formulas(), formulas())
def test_bilinearity(f, g, h):
    proved(bracket(3 * f + M * g, h) - 3 * bracket(f, h) - M * bracket(g, h))


@relaxed
@given(formulas(), formulas(), formulas())
def test_leibniz(f, g, h):
    proved(bracket(f * g, h) - f * bracket(g, h) - bracket(f, h) * g)


@settings(relaxed, max_examples=15)
@given(formulas(1), formulas(1), formulas(1))
def test_jacobi(f, g, h):
    proved(jacobiator(f, g, h, SPACE))


def test_jacobi_with_roots_exponentials_and_an_undefined_function():
    f, g, h = "V(q1**2+q2)*p1", "exp(q1*p2)/(1+q2**2)", "sqrt(q1**2+p2**2)*log(1+q2**2)"
    assert proved(jacobiator(f, g, h, SPACE)).check()


@st.composite
def functions_of(draw, space):
    """Products and sums of coordinates, roots, exponentials and an undefined function of them."""
    x, y = (draw(st.sampled_from(space.coordinates)) for _ in range(2))
    V = space.functions["V"]
    one = draw(st.sampled_from([x, x * y, x**2, V(x), sp.sqrt(1 + x**2), sp.exp(x), V(x * y), sp.sin(x)]))
    other = draw(st.sampled_from(space.coordinates))
    return draw(st.sampled_from([one, one * other, one + other**2]))


@pytest.mark.parametrize(
    ("names", "algebra"),
    [
        ("L1 L2 L3", "so3"),
        ("L1 L2 L3 g1 g2 g3", "e3"),
        ("L1 L2 L3 K1 K2 K3", "so(3,1)"),
        ("h e f", "sl2"),
        ("a b", [[[0, 0], [0, "1/3"]], [[0, "-1/3"], [0, 0]]]),
    ],
    ids=str,
)
@settings(relaxed, max_examples=10)
@given(st.data())
def test_jacobi_on_lie_poisson_spaces(names, algebra, data):
    space = LiePoissonSpace(names, algebra, functions={"V": 1})
    f, g, h = (data.draw(functions_of(space)) for _ in range(3))
    assert is_zero(jacobiator(f, g, h, space), space).status == "proved"


@settings(relaxed, max_examples=15)
@given(formulas(1), formulas(1), formulas(1))
def test_hamiltonian_vector_fields_are_derivations_of_the_bracket(f, g, h):
    """X_h {f, g} = {X_h f, g} + {f, X_h g} and X_h f = {f, h}, with X_h acting by sympy's own derivatives."""
    field = vector_field(h, SPACE)

    def moved(e):
        return sp.Add(*(rate * derivative(e, s) for s, rate in field.items()))

    proved(moved(f) - bracket(f, h))
    proved(moved(bracket(f, g)) - bracket(moved(f), g) - bracket(f, moved(g)))


# -- identities ----------------------------------------------------------------------------------------------


@settings(relaxed, max_examples=60)
@given(formulas(1, circular=False), st.sampled_from(sorted(REWRITES)))
def test_rewritten_expressions_are_equal(e, name):
    difference = sp.Add(e, -REWRITES[name](e), evaluate=False)
    if difference.has(sp.nan, sp.zoo):
        return
    proved(difference)


@pytest.mark.parametrize("name", sorted(REWRITES))
@pytest.mark.parametrize("e", [Q1 * P2 - Q2 * P1, sp.sqrt(Q1**2 + Q2**2), sp.exp(-Q1) + V(Q1 * Q2)], ids=str)
def test_every_rewrite_is_proved_and_its_spoilt_form_refuted(name, e):
    rewritten = REWRITES[name](e)
    assert proved(e - rewritten).check()
    spoilt = is_zero(e - rewritten + P1 / 10**12, SPACE)
    assert spoilt.status == "refuted" and spoilt.check()


@pytest.mark.parametrize(
    "zero",
    [
        "sqrt(5 + 2*sqrt(6)) - sqrt(2) - sqrt(3)",
        "sqrt(q1*q2) - sqrt(q1)*sqrt(q2)",
        "log(q1*q2) - log(q1) - log(q2)",
        "sqrt(q1 + sqrt(q1**2 - q2**2)) - sqrt((q1 + q2)/2) - sqrt((q1 - q2)/2)",
        "exp(1/(q1 - 1) - 1/(q1 + 1)) - exp(2/(q1**2 - 1))",
        "V(1/(q1 - 1) - 1/(q1 + 1)) - V(2/(q1**2 - 1))",
        "(q1**3)**(1/3) - q1",
        "1/(sqrt(q1)*q1 - 1) - 1/((sqrt(q1) - 1)*(q1 + sqrt(q1) + 1))",
        "q1/q1**(3/2) - 1/sqrt(q1) + log(q1**2) - 4*log(sqrt(q1))",
        "(sqrt(3)/3 + 1)**(1/4)*(3 - sqrt(3))**(1/4) - 2**(1/4)",
        "sqrt(1 + sin(q1)) - sqrt((sin(q1/2) + cos(q1/2))**2)",
        "log((q2 + sqrt(q1**2))**2) - log(q1**2 + q2**2 + 2*q2*sqrt(q1**2))",
        "m**(a + 1/2) - sqrt(m)*exp(a*log(m))",
        "sin(3*q1) - 3*sin(q1) + 4*sin(q1)**3",
        "cos(q1 + pi/3) - cos(q1)/2 + sqrt(3)*sin(q1)/2",
        "sin(2*atan(q1)) - 2*q1/(1 + q1**2)",
        "cos(atan2(q2, q1)/2)**2 - (1 + q1/sqrt(q1**2 + q2**2))/2",
        "acos(q1) + asin(q1) - pi/2",
        "sqrt(1 - cos(q1)**2) - sqrt(sin(q1)**2)",
        "tanh(2*q1) - 2*tanh(q1)/(1 + tanh(q1)**2)",
        "sqrt((q1**2 + sin(q2) + 2)**2) - q1**2 - sin(q2) - 2",
        "log(sqrt(q1**2 + 1) + q1) + log(sqrt(q1**2 + 1) - q1)",
        "(2 + sqrt(5))**(1/3) - (1 + sqrt(5))/2",
        "(sqrt(5) + 2)**(1/3) - (sqrt(5) - 2)**(1/3) - 1",
        "(2**(1/3) - 1)**(1/3)*9**(1/3) - 1 + 2**(1/3) - 4**(1/3)",
        "3*sqrt(5**(1/3) - 4**(1/3)) - 2**(1/3) - 20**(1/3) + 25**(1/3)",
        "sqrt(q1*q2)*sqrt(q2*p1)*sqrt(p1*q1) - sqrt(q1**2*q2**2*p1**2)",
        "asin(-q1) + asin(q1) + atan(q1 - q2) + atan(q2 - q1)",
        "atan2(2*q2, 2*q1) - atan2(q2, q1)",
        "atan2(-m*q2, m*q1) + atan2(q2, q1)",
    ],
)
def test_true_identities(zero):
    assert proved(SPACE.parse(zero)).check()


@pytest.mark.parametrize(
    "nonzero",
    [
        "sqrt(q1**2) - q1",
        "sqrt(q1**2*q2**2) - q1*q2",
        "cos(q1) - sqrt(1 - sin(q1)**2)",
        "log(q1**2) - 2*log(q2)",
        "V(q1) - V(q2)",
        "V(q1)**2 - 1",
        "sqrt(V(q1)**2) - V(q1)",
        "exp(q1) - exp(q2)",
        "1/10**400",
        "exp(pi*sqrt(163)) - 262537412640768744",
        "(1 + q1/10**30)*q2 - q2",
        "atan(q1) + atan(q2) - atan((q1 + q2)/(1 - q1*q2))",
        "atan2(a*q2, a*q1) - atan2(q2, q1)",
        "sqrt(q1*q2)*sqrt(q2*p1)*sqrt(p1*q1) - q1*q2*p1",
        "sqrt(q1*q2)*sqrt(q1*p2) - q1*sqrt(q2*p2)",
        "sin(sqrt(q1**2)) - sin(q1)",
        "(1 + sqrt(2))**(1/3) - (sqrt(2) - 1)**(1/3) - 1/2",
    ],
)
def test_false_identities(nonzero):
    verdict = is_zero(nonzero, SPACE)
    assert verdict.status == "refuted" and verdict.check(), verdict


def test_conserved_for_every_function_of_the_invariant():
    """Needed by flows that are proved equivariant whatever their weights are."""
    g = Generator("q1*p2 - q2*p1", SPACE)
    assert proved(bracket("V(q1**2 + q2**2)", g))
    assert proved(bracket("V(p1**2 + p2**2) + V(q1*p1 + q2*p2)", g))
    refuted = is_zero(bracket("V(q1**2 + 2*q2**2)", g), SPACE)
    assert refuted.status == "refuted" and set(refuted.functions) == {"V"} and refuted.check()


def test_explicit_time():
    space = PhaseSpace("x", "p", parameters={"m": "positive"}, time="t")
    H = Hamiltonian("p**2/(2*m)", space)
    assert verify(H, "m*x - t*p").status == "proved"
    assert verify(H, "m*x + t*p").status == "refuted"


@pytest.mark.parametrize(
    ("zero", "regions"),
    [
        ("cos(sqrt(q1**2)) - cos(q1)", 2),
        ("tanh(sqrt(q1**2))*sqrt(q1**2) - q1*tanh(q1)", 2),
        ("sqrt(q1*q2)*sqrt(q1*p2) - sqrt(q1**2)*sqrt(q2*p2)", 2),
        ("(q1*q2)**(1/3)*(q2*p1)**(1/3)*(p1*q1)**(1/3) - (q1**2*q2**2*p1**2)**(1/3)", 2),
        ("sin(sqrt(q1**2)*sqrt(q2**2))**2 - sin(q1*q2)**2", 4),
    ],
)
def test_signs_that_are_not_known_are_told_apart(zero, regions):
    verdict = proved(SPACE.parse(zero))
    assert len(verdict.regions) == regions and verdict.check()
    assert any(all(e.subs(verdict.sample) > 0 for e in region) for region in verdict.regions)
    assert len(verdict.to_dict()["regions"]) == regions and "apart for" in str(verdict)


@pytest.mark.parametrize(
    "zero",
    [
        "atan(m) + atan(1/m) - pi/2", "atan(exp(q1)) + atan(exp(-q1)) - pi/2", "asin(q1/sqrt(1 + q1**2)) - atan(q1)",
        "atan(q1) + atan(1/q1) - pi*sqrt(q1**2)/(2*q1)", "acos(1/sqrt(1 + q1**2)) - atan(sqrt(q1**2))",
        "asin(sqrt(q1)) - asin(2*q1 - 1)/2 - pi/4", "acos(1 - 2*q1**2) - 2*asin(sqrt(q1**2))",
        "atan2(q2, q1) - 2*atan(q2/(sqrt(q1**2 + q2**2) + q1))", "4*atan(1/5) - atan(1/239) - pi/4",
        "atan(1) + atan(2) + atan(3) - pi", "asin(3/5) + asin(4/5) - pi/2", "acos(1/3) + acos(-1/3) - pi",
    ],
)  # fmt: skip
def test_sums_of_arcs_are_known_by_sine_cosine_and_bounds(zero):
    assert proved(SPACE.parse(zero)).check()


@pytest.mark.parametrize(
    "nonzero",
    [
        "atan(q1) + atan(1/q1) - pi/2", "2*atan(q1) - asin(2*q1/(1 + q1**2))", "acos(1 - 2*q1**2) - 2*asin(q1)",
        "acos(2*q1**2 - 1) - 2*acos(q1)", "atan2(q2, q1) - atan(q2/q1)", "atan(tan(q1)) - q1", "acos(cos(q1)) - q1",
        "2*atan(q1) - atan(2*q1/(1 - q1**2))", "3*atan(q1) - atan((3*q1 - q1**3)/(1 - 3*q1**2))",
    ],
)  # fmt: skip
def test_branches_of_arcs_are_told_apart(nonzero):
    """Sine and cosine of each sum are 0 and 1 somewhere, or everywhere."""
    verdict = is_zero(nonzero, SPACE)
    assert verdict.status == "refuted" and verdict.check()
    expression = SPACE.parse(nonzero)
    assert not prove(Claim(SPACE, expression), Clock(5.0))


def test_a_refutation_that_only_many_digits_show_is_kept():
    """The slopes cancel in eighty digits."""
    space = PhaseSpace("x y", "px py")
    H = Hamiltonian("(px**2 + py**2)/2 - 1e40/sqrt(x**2 + y**2) + x*1e-40", space)
    verdict = verify(H, "x*py - y*px")
    assert verdict.status == "refuted" and verdict.check()


def test_an_overflow_is_not_called_an_empty_domain():
    verdict = is_zero("exp(exp(exp(exp(q1**2 + 9)))) - exp(exp(exp(exp(9)*exp(q1**2))))", SPACE)
    assert verdict.status == "undecided" and "too large" in verdict.reason


# -- domains -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "empty",
    [
        sp.sqrt(-1 - Q1**2),
        sp.log(-1 - Q1**2) * Q2,
        sp.sqrt(-1 - Q1**2) - sp.sqrt(-1 - Q1**2 - 0 * Q2) * (Q2 + 1) / (Q2 + 1) * 2,
        sp.sqrt(-(Q1**2) - sp.exp(Q2)) - Q1 + Q1 * sp.sin(Q2) ** 2 + Q1 * sp.cos(Q2) ** 2,
        sp.asin(2 + Q1**2),
        sp.sqrt(Q1 - Q2) * sp.sqrt(Q2 - Q1 - 1),
        sp.Pow(-2 - Q1**2, sp.Symbol("a", real=True)),
    ],
    ids=str,
)
def test_an_empty_domain_proves_nothing(empty):
    verdict = is_zero(empty, SPACE)
    assert verdict.status == "undecided" and "domain" in verdict.reason


def test_a_proof_without_a_point_of_the_domain_is_no_verdict():
    """The tower proves this zero, and nowhere is it defined."""
    claim = Claim(SPACE, SPACE.parse("sqrt(q1 - q2)*sqrt(q2 - q1 - 1)*((q1 + 1)**2 - q1**2 - 2*q1 - 1)"))
    assert prove(claim, Clock(5.0))
    verdict = is_zero(claim.first, SPACE)
    assert verdict.status == "undecided" and "domain" in verdict.reason


@pytest.mark.parametrize(
    "partial",
    [
        "sqrt(1 - q1**2 - q2**2) - sqrt((1 - q1**2 - q2**2)**3)/(1 - q1**2 - q2**2)",
        "log(q1 - 5) + log(q1 + 5) - log(q1**2 - 25)",
        "sqrt(q1 - 7)*sqrt(q1 - 7) - q1 + 7",
        "acos(q1/100) + asin(q1/100) - pi/2 + sqrt(q2 - 20) - sqrt((q2 - 20)**3)/(q2 - 20)",
    ],
)
def test_proofs_on_a_part_of_space_come_with_a_point_of_it(partial):
    verdict = proved(SPACE.parse(partial))
    assert verdict.check()
    assert evaluate(verdict.expression, verdict.sample) is not None


# -- what cannot be decided ----------------------------------------------------------------------------------


def test_a_budget_overrun_is_undecided():
    q = PhaseSpace.standard(8)
    total = sum(q.variables, sp.Integer(1))
    claim = sp.Add(total**60, -sp.expand(total**2) * total**58, evaluate=False)
    verdict = is_zero(claim, q, budget=0.3)
    assert verdict.status == "undecided" and ("budget" in verdict.reason or "terms" in verdict.reason)
    assert verdict.seconds < 5


def test_a_merged_giant_power_does_not_hang():
    giant = sp.Pow(Q1 + 1, 96059601)
    assert is_zero(giant - giant.subs(Q1, Q2), SPACE, budget=1.0).status == "refuted"
    even = sp.Pow(Q1**2, sp.Integer(10) ** 30) - sp.Pow(Q1, 2 * sp.Integer(10) ** 30)
    assert is_zero(even, SPACE, budget=1.0).status in ("proved", "undecided")


def test_deep_nesting_is_survived():
    deep = Q1
    for _ in range(400):
        deep = sp.sqrt(1 + deep**2)
    assert is_zero(deep - sp.sqrt(Q1**2 + 400), SPACE, budget=5.0).status in ("proved", "undecided")


# -- wrong input ---------------------------------------------------------------------------------------------


def test_wrong_input_is_named():
    H = Hamiltonian("p1**2", SPACE)
    with pytest.raises(FormulaError, match="zz"):
        verify(H, "zz")
    with pytest.raises(SpaceError, match="Hamiltonian"):
        verify("p1**2", "p1")
    with pytest.raises(SpaceError, match="PhaseSpace"):
        is_zero("0", "q1 p1")
    with pytest.raises(SpaceError, match="PhaseSpace"):
        poisson_bracket("q1", "p1", None)
    for budget in (0, -1, float("nan"), float("inf"), "10", True):
        with pytest.raises(ParameterError, match="budget"):
            verify(H, "p1", budget=budget)


@relaxed
@given(formulas(2), formulas(1))
def test_verdicts_agree_with_evaluation(f, g):
    claim = Claim(SPACE, f, g)
    verdict = verify(Hamiltonian(g, SPACE), f)
    assert verdict.status == ("proved" if is_truly_zero(claim) else "refuted"), verdict
    assert verdict.check()


@pytest.mark.parametrize(
    "power", [sp.Rational(k, n) for k, n in [(-2, 3), (2, 3), (-1, 3), (3, 5), (-1, 1), (-1, 2)]]
)
def test_nested_roots_of_roots_of_odd_degree_are_found(power):
    e = (2 + Q1**2) ** power
    assert proved(sp.sqrt(e**2 + 2 + 2 * sp.sqrt(1 + e**2)) - 1 - sp.sqrt(1 + e**2)).check()
    assert (
        is_zero(sp.sqrt(e**2 + 2 + 2 * sp.sqrt(1 + e**2)) + 1 - sp.sqrt(1 + e**2), SPACE).status == "refuted"
    )


def _claimed(text, space):
    expression, domain = parse_with_domain(text, space.symbols, space.functions, space.function_arity)
    return decide(Claim(space, expression, domain=domain), 5.0)


@pytest.mark.parametrize(
    "text",
    [
        "sqrt(q1)**2 - sqrt(q1**2)", "exp(log(q1)) - sqrt(q1**2)", "sqrt(q1)*sqrt(q1) - sqrt(q1**2)",
        "sqrt(q1*q2)**2 - sqrt(q1**2)*sqrt(q2**2)", "sqrt(q1 - 1)**2 + 1 - sqrt(q1**2)",
    ],
)  # fmt: skip
def test_a_formula_is_decided_on_the_domain_it_was_written_for(text):
    space = PhaseSpace.standard(2)
    verdict = _claimed(text, space)
    assert verdict.status != "refuted"
    if verdict.status == "proved":
        assert verdict.check() and all(e.subs(verdict.sample) > 0 for e in verdict.domain.positive)


def test_a_formula_is_proved_by_the_domain_it_was_written_for():
    assert _claimed("sqrt(q1)**2 - sqrt(q1**2)", PhaseSpace.standard(1)).status == "proved"


def test_a_refutation_outside_of_the_domain_does_not_check():
    q = PhaseSpace.standard(1).coordinates[0]
    verdict = is_zero("q1 - sqrt(q1**2)", PhaseSpace.standard(1))
    assert verdict.status == "refuted" and verdict.check()
    for domain in (Domain(positive=(q,)), Domain(nonzero=(q - verdict.point[q],))):
        moved = Refuted("", verdict.formula, verdict.point, verdict.value, domain=domain)
        assert not moved.check()


def test_witnesses_and_samples_lie_in_the_domain():
    space = PhaseSpace.standard(1)
    q = space.coordinates[0]
    refuted = decide(Claim(space, q - 1, domain=Domain(positive=(q - 2,))), 5.0)
    assert refuted.status == "refuted" and refuted.point[q] > 2 and refuted.check()
    empty = decide(Claim(space, q - q, domain=Domain(positive=(q, -q))), 5.0)
    assert empty.status == "undecided"


def test_the_domain_of_a_hamiltonian_counts_in_the_bracket():
    space = PhaseSpace.standard(1)
    q, p = space.variables

    class OnHalfLine:
        expr, domain = p**2 / 2 + sp.Abs(q) - q, Domain(positive=(q,))

    OnHalfLine.space = space
    assert verify(OnHalfLine(), "p1").status == "proved"


def test_the_domain_travels_to_a_space_with_other_assumptions_and_is_told():
    one, other = PhaseSpace.standard(1), PhaseSpace.standard(1, parameters={"q1": "positive"})
    verdict = is_zero(Generator("sqrt(q1)**2*p1", one), other)
    assert verdict.status == "refuted" and verdict.check()
    assert "where q1 > 0" in str(is_zero("sqrt(q1)**2 - sqrt(q1**2)", one))
