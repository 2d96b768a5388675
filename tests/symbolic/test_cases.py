"""Conserved or not: cases of known truth, and mutations of the true ones."""

import random

import pytest
import sympy as sp
from expressions import CASES, CLASSICAL, case_space, is_truly_zero, monomial

from hamsym import Hamiltonian
from hamsym.symbolic.bracket import verify
from hamsym.symbolic.tower import Clock
from hamsym.symbolic.zero_test.decide import Claim, prove

slow = pytest.mark.slow


def by_size(cases):
    """Cases as parameters, those tagged as slow apart."""
    return [pytest.param(c, id=c["name"], marks=[slow] if "slow" in c["tags"] else []) for c in cases]


@pytest.mark.parametrize("case", by_size([*CASES, *CLASSICAL]))
def test_the_truth_is_found_and_checks(case):
    space = case_space(case)
    verdict = verify(Hamiltonian(case["H"], space), case["g"])
    assert verdict.status == ("proved" if case["expected"] else "refuted"), verdict
    assert bool(verdict) is case["expected"]
    assert verdict.check()


@pytest.mark.parametrize("case", [c for c in CASES if c["witness"]], ids=lambda c: c["name"])
def test_published_witness_value(case):
    """The value at the published point, computed by others, lies where ours is."""
    if case["functions"]:
        pytest.skip("the published function is not in the file")
    space = case_space(case)
    claim = Claim(space, space.parse(case["g"]), space.parse(case["H"]))
    point = {space.symbols[n]: sp.Rational(v) for n, v in case["witness"]["point"].items()}
    ball = claim.value(point, {}, 256)
    published = sp.Rational(case["witness"]["bracket"])
    assert abs(float(ball.mid()) - float(published)) <= 1e-10 * abs(float(published))


def mutate(case, count, seed):
    space, generator = case_space(case), random.Random(seed)
    H, g = space.parse(case["H"]), space.parse(case["g"])
    for _ in range(count):
        claim = Claim(space, g + monomial(space, generator), H)
        if prove(claim, Clock(5.0)):
            assert is_truly_zero(claim), f"{case['name']}: {claim.first}"


SMALL = [c for c in CASES if c["expected"] and len(c["H"]) + len(c["g"]) < 900]


@pytest.mark.parametrize("case", SMALL, ids=lambda c: c["name"])
def test_the_prover_alone_proves_no_mutation(case):
    mutate(case, 4, seed=1)


@slow
@pytest.mark.parametrize("case", [c for c in [*CASES, *CLASSICAL] if c["expected"]], ids=lambda c: c["name"])
def test_the_prover_alone_proves_no_mutation_of_many(case):
    mutate(case, 15, seed=2)
