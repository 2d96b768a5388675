"""Verdicts: what they are worth as truth values, what their checks catch, how they travel."""

import json
import pickle

import mpmath
import pytest
import sympy as sp
from expressions import P1, Q1, SPACE, V

from hamsym import Generator, Hamiltonian, PhaseSpace
from hamsym.errors import UndecidedError
from hamsym.symbolic.bracket import is_zero, poisson_bracket, verify
from hamsym.symbolic.zero_test.proved import Proved, Relation
from hamsym.symbolic.zero_test.refuted import Refuted
from hamsym.symbolic.zero_test.undecided import Undecided
from hamsym.symbolic.zero_test.verdict import Constant, Verdict


@pytest.fixture(scope="module")
def proved():
    H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
    return verify(H, "q1*p2 - q2*p1")


@pytest.fixture(scope="module")
def refuted():
    H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + 2*q2**2)", PhaseSpace.standard(2))
    return verify(H, "q1*p2 - q2*p1")


@pytest.fixture(scope="module")
def undecided():
    return is_zero("sqrt(q1) + sqrt(-1 - q1) + q2", SPACE)  # real nowhere


def test_truth_values(proved, refuted, undecided):
    assert (proved.status, refuted.status, undecided.status) == ("proved", "refuted", "undecided")
    assert bool(proved) is True and bool(refuted) is False
    with pytest.raises(UndecidedError, match="domain"):
        bool(undecided)
    assert all(isinstance(v, Verdict) for v in (proved, refuted, undecided))


def test_the_expression_is_the_bracket_that_was_decided(proved, refuted):
    space = PhaseSpace.standard(2)
    for verdict, a in ((proved, 1), (refuted, 2)):
        H = f"(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + {a}*q2**2)"
        assert verdict.expression == poisson_bracket("q1*p2 - q2*p1", H, space)


def test_a_refutation_holds_a_point_and_an_interval_without_zero(refuted):
    assert set(refuted.point) == set(PhaseSpace.standard(2).variables[:2]) | set(refuted.point)
    assert all(isinstance(v, sp.Rational) for v in refuted.point.values())
    lower, upper = refuted.value
    assert lower <= upper and lower * upper > 0
    exact = refuted.expression.xreplace(refuted.point)
    assert lower <= exact <= upper


def test_a_proof_holds_relations_and_a_sample(proved):
    roots = [r for r in proved.certificate if r.name.startswith("r_")]
    assert len(roots) == 1 and roots[0].meaning == sp.sqrt(
        sp.Add(*(q**2 for q in PhaseSpace.standard(2).coordinates))
    )
    assert sp.expand(roots[0].vanishing.subs(sp.Symbol(roots[0].name), roots[0].meaning)) == 0
    assert set(proved.sample) == set(PhaseSpace.standard(2).variables)


def test_checks_pass(proved, refuted, undecided):
    assert proved.check() and refuted.check() and undecided.check()


def test_the_check_of_a_proof_sees_a_false_claim_and_a_false_relation():
    sample = {Q1: sp.Rational(3, 2), P1: sp.Integer(1)}
    false_claim = Proved("x = 0", Constant(Q1**2 - sp.Rational(9, 4) + P1 - 1), sample=sample)
    assert not false_claim.check()
    r = sp.Symbol("r")
    wrong = Proved(
        "0 = 0", Constant(sp.Integer(0)), Constant([("r", sp.sqrt(1 + Q1**2), r**2 - Q1**2)]), sample
    )
    assert not wrong.check()
    right = Proved(
        "0 = 0", Constant(sp.Integer(0)), Constant([("r", sp.sqrt(1 + Q1**2), r**2 - Q1**2 - 1)]), sample
    )
    assert right.check()


def test_the_check_of_a_proof_needs_a_point_of_the_domain():
    nowhere = Proved(
        "sqrt(-1 - x**2) = 0", Constant(sp.sqrt(-1 - Q1**2) * 0 + sp.sqrt(Q1)), sample={Q1: sp.Integer(-1)}
    )
    assert not nowhere.check()


def test_the_check_of_a_refutation_sees_a_wrong_interval(refuted):
    lower, upper = refuted.value
    width = abs(lower)
    for value in ((lower + width, upper + width), (-upper, -lower), (-width, width)):
        wrong = Refuted(refuted.question, refuted.formula, refuted.point, value)
        assert not wrong.check()


def test_tiny_values_are_checked_with_enough_digits():
    tiny = is_zero("1/10**300 + q1 - q1", SPACE)
    assert tiny.status == "refuted" and tiny.check()
    assert not Refuted("", Constant(sp.Integer(0)), {}, tiny.value).check()


def test_a_refutation_for_every_function_names_one():
    verdict = is_zero(V(Q1) - V(P1), SPACE)
    assert list(verdict.functions) == ["V"] and isinstance(verdict.functions["V"], sp.Lambda)
    assert verdict.check()


@pytest.mark.parametrize("name", ["proved", "refuted", "undecided"])
def test_verdicts_are_json_text_html_and_pickle(name, request):
    verdict = request.getfixturevalue(name)
    record = json.loads(json.dumps(verdict.to_dict()))
    assert record["status"] == name == verdict.status and record["seconds"] >= 0
    assert str(verdict).startswith(name) and name.capitalize() in repr(verdict)
    assert name in verdict._repr_html_() and "<script" not in verdict._repr_html_()
    copy = pickle.loads(pickle.dumps(verdict))  # noqa: S301
    assert type(copy) is type(verdict) and copy.to_dict() == verdict.to_dict() and copy.check()
    assert copy.expression == verdict.expression


def test_json_gives_exact_numbers_back(refuted):
    record = refuted.to_dict()
    assert {n: sp.Rational(v) for n, v in record["point"].items()} == {
        s.name: v for s, v in refuted.point.items()
    }
    assert tuple(map(sp.Rational, record["value"])) == refuted.value


@pytest.mark.parametrize(
    "text",
    [
        "exp(exp(q1**2+8))", "exp(exp(q1**2+18))", "exp(exp(q1**2+22))", "exp(-exp(q1**2+20))", "cosh(10**9*q1)",
        "(3+q1**2)**(10**9*q2**2)", "exp(q1*10**10)", "exp(10**300*q1**2)", "1/(1+exp(exp(q1**2+8)))+1",
        "exp(exp(exp(q1**2+2)))", "sinh(q1**(exp(1)**3))",
    ],
)  # fmt: skip
def test_values_of_any_size_are_refuted_checked_and_written_in_few_digits(text):
    verdict = is_zero(text, PhaseSpace.standard(2), budget=5.0)
    assert verdict.status == "refuted" and verdict.check()
    assert len(str(verdict)) < 500 and len(json.dumps(verdict.to_dict())) < 8000
    lower, upper = verdict.value
    assert lower <= upper and lower * upper > 0
    assert all(len(str(v)) < 2500 for v in (*verdict.value, *verdict.point.values()))
    copy = pickle.loads(pickle.dumps(verdict))  # noqa: S301
    assert copy.value == verdict.value and copy.check()
    assert not Refuted("", verdict.formula, verdict.point, (-upper, -lower)).check()
    assert not Refuted("", verdict.formula, verdict.point, (2 * lower, 3 * upper)).check()


def test_bounds_without_a_rational_are_written_rounded_outward():
    verdict = is_zero("exp(exp(q1**2+22))", PhaseSpace.standard(2))
    for low, high in (verdict.value, tuple(-v for v in reversed(verdict.value))):
        written = Refuted("", verdict.formula, verdict.point, (low, high)).to_dict()["value"]
        with mpmath.workdps(40):
            ends = [mpmath.make_mpf(v._mpf_) for v in (low, high)]
            assert mpmath.mpf(written[0]) < ends[0] <= ends[1] < mpmath.mpf(written[1])
            assert abs(mpmath.mpf(written[0]) / ends[0] - 1) < 1e-12


def test_a_refutation_that_no_other_route_can_check_is_not_given():
    verdict = is_zero("sin(exp(exp(q1**2+20))) - 2", PhaseSpace.standard(1))
    assert verdict.status == "undecided"


def test_relations_with_endless_numbers_are_still_written():
    relation = Relation(
        "r", sp.sqrt(Q1 + sp.Integer(7) ** 9000), sp.Symbol("r") ** 2 - Q1 - sp.Integer(7) ** 9000
    )
    assert len(str(relation)) < 500


def test_relations_read_well():
    assert str(Relation("r", sp.sqrt(Q1), sp.Symbol("r") ** 2 - Q1)) == "r = sqrt(q1),  -q1 + r**2 = 0"
    assert str(Undecided("x = 0", Constant(Q1), reason="no rule")) == "undecided: x = 0\n  no rule"


def test_json_says_where_the_verdict_holds():
    verdict = is_zero("sqrt(q1)**2 - sqrt(q1**2)", PhaseSpace.standard(1))
    assert verdict.status == "proved"
    assert "q1 > 0" in verdict.to_dict()["where"]
    assert is_zero("q1 - q1", PhaseSpace.standard(1)).to_dict()["where"] == []


def test_notebooks_get_latex(proved, undecided):
    space = PhaseSpace.standard(1, functions={"V": 1})
    moved = verify(Hamiltonian("p1**2/2 + V(q1)", space), "p1")
    assert proved._repr_latex_().startswith(
        r"$\{g, H\} = 0,\quad g = - p_{1} q_{2} + p_{2} q_{1},\quad H = \frac{"
    )
    assert r"\neq 0" in moved._repr_latex_() and r"V{\left(z_{1} \right)} =" in moved._repr_latex_()
    assert r"\overset{?}{=}" in undecided._repr_latex_()
    assert all(v._repr_latex_().count("{") == v._repr_latex_().count("}") for v in (proved, moved, undecided))


def test_a_copy_through_pickle_says_the_same_and_another_claim_does_not(proved, refuted, undecided):
    for verdict in (proved, refuted, undecided):
        assert pickle.loads(pickle.dumps(verdict)) == verdict  # noqa: S301
    identities = "sin(q1)**2 + cos(q1)**2 - 1", "cosh(q1)**2 - sinh(q1)**2 - 1"
    first, second = (is_zero(text, SPACE) for text in identities)
    assert first == is_zero(identities[0], SPACE) and first != second and proved != refuted


def test_derivatives_of_undefined_functions_are_written_as_in_books():
    space = PhaseSpace("x y", "px py", functions={"V": 1, "W": 2})
    H = Hamiltonian("(px**2 + py**2)/2 + V(x**2 + y**2) + W(x**2 + y**2, x**2 + y**2)", space)
    proof = verify(H, "x*py - y*px")
    text = str(proof)
    assert (
        "= V'(x**2 + y**2)" in text and "= W'[1, 0](x**2 + y**2, x**2 + y**2)" in text and "Subs" not in text
    )
    slopes = [r.meaning for r in proof.certificate if "'" in str(r)]
    assert slopes == [sp.Subs(*s.args) for s in slopes if isinstance(s, sp.Subs)] and slopes
    assert "Subs" not in json.dumps(proof.to_dict())


def test_a_verdict_says_what_was_judged(proved, refuted):
    space = PhaseSpace.standard(2)
    texts = {"generator": "-p1*q2 + p2*q1", "hamiltonian": "p1**2/2 + p2**2/2 - 1/sqrt(q1**2 + 2*q2**2)"}
    record = refuted.to_dict()
    for name, letter, text in zip(texts, "gH", texts.values(), strict=True):
        assert space.parse(record[name]) == space.parse(text) == refuted.subject[name]
        assert f"\n  {letter} = {record[name]}\n" in str(refuted)
        assert record[name] in repr(refuted) and record[name] in refuted._repr_html_()
    assert str(proved) != str(refuted) and repr(proved).split("(")[0] != repr(refuted).split("(")[0]
    assert is_zero("q1 - q2", space).to_dict()["expression"] == "q1 - q2"
    kept = Generator("q1*p2 - q2*p1", space).preserves("exp(-q1**2 - q2**2)")
    assert kept.to_dict()["density"] == "exp(-q1**2 - q2**2)" and "rho = exp(" in str(kept)


def test_a_long_expression_is_short_in_print_and_whole_in_json():
    space = PhaseSpace.standard(1)
    verdict = is_zero("+".join(f"q1**{k}" for k in range(1, 200)), space)
    assert space.parse(verdict.to_dict()["expression"]) == verdict.expression
    assert all(len(line) < 300 for line in str(verdict).splitlines()) and len(repr(verdict)) < 300
