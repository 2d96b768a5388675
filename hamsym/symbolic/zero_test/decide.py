"""Witness, proof, deeper search: how the question "is it zero?" is decided.

A certified nonzero value ends a false claim in a fraction of a millisecond, so it is looked for first.  The proof
in the differential tower comes next, then more points with more bits.  A proof counts only together with a sample
point at which everything is finite: on an empty domain every expression is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import sympy as sp
from flint import arb

from hamsym.symbolic import tower as tw
from hamsym.symbolic.zero_test.claim import Claim as Claim
from hamsym.symbolic.zero_test.claim import formal_bracket as formal_bracket
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain, TooLarge
from hamsym.symbolic.zero_test.polynomial import Polynomial
from hamsym.symbolic.zero_test.proof import prove as prove
from hamsym.symbolic.zero_test.proved import Proved
from hamsym.symbolic.zero_test.refuted import Refuted
from hamsym.symbolic.zero_test.undecided import Undecided
from hamsym.symbolic.zero_test.verdict import Verdict
from hamsym.symbolic.zero_test.witness import Point, choices, enclosure, is_short, nearer, points

#: Bits of the first look, points of the first look.
FIRST_BITS, FIRST_POINTS = (128,), 2
#: Bits and points of the two searches after a proof was not found: precise, then wide.
DEEP_BITS, DEEP_POINTS = (256, 1024, 2048), 40
WIDE_BITS, WIDE_POINTS = (128,), 200
#: Points that are tried before the domain is called empty or tiny.
DOMAIN_POINTS = 400


def decide(claim: Claim, budget: float) -> Verdict:
    """Answer a claim within a budget of seconds; never raises for a claim in the space's own symbols."""
    clock = tw.Clock(budget)
    try:
        return _decide(claim, clock)
    except (NoTape, tw.ProofStopped) as stop:
        reason = str(stop)
    except RecursionError:
        reason = "the expression is nested too deeply"
    except (ArithmeticError, ValueError, MemoryError) as failure:
        reason = f"the arithmetic gave up: {failure}"
    return _undecided(claim, reason, clock)


def _decide(claim: Claim, clock: tw.Clock) -> Verdict:
    search = _Search(claim, clock)
    found = search.look(FIRST_POINTS, FIRST_BITS)
    if found is not None:
        return found
    proof = prove(claim, clock)
    reason = proof.reason
    if proof:
        if search.sample is None:
            found = search.look(DOMAIN_POINTS, FIRST_BITS[:1], stop_at_sample=True)
        if found is not None:
            reason = "a proof and a certified nonzero value contradict each other: please report this formula"
        elif search.sample is not None:
            point, functions = search.sample
            return Proved(
                claim.question,
                claim.formula,
                partial(proof.certificate, point, claim.space.functions),
                point,
                _lambdas(functions),
                regions=tuple(r.positive for r in proof.regions if r.positive),
                domain=claim.domain,
                subject=claim.subject,
                seconds=clock.seconds,
            )
    else:
        # A refutation is False as a truth value, so it is compared with None.
        found = search.look(DEEP_POINTS, DEEP_BITS)
        if found is None:
            found = search.look(WIDE_POINTS, WIDE_BITS)
        if found is None and search.sample is None:
            found = search.look(DOMAIN_POINTS, WIDE_BITS)
        if found is not None:
            return found
    if search.sample is None:
        reason = (
            "at no point that was tried all values are within reach of ball arithmetic: an exponential is too large"
            if search.overflown
            else "no point of the domain found: the domain is empty or tiny"
        )
    return _undecided(claim, reason, clock)


def _undecided(claim: Claim, reason: str, clock: tw.Clock) -> Undecided:
    return Undecided(
        claim.question, claim.formula, reason=reason, subject=claim.subject, seconds=clock.seconds
    )


def _lambdas(functions: Mapping[str, Polynomial]) -> dict[str, sp.Lambda]:
    return {name: polynomial.as_lambda() for name, polynomial in functions.items()}


class _Search:
    """A search for a point with a certified nonzero value that remembers the first point of the domain."""

    def __init__(self, claim: Claim, clock: tw.Clock) -> None:
        self.claim, self.clock = claim, clock
        self.sample: tuple[Point, dict[str, Polynomial]] | None = None
        self.overflown = False
        self._trials: Iterator[tuple[Point, dict[str, Polynomial]]] = zip(
            points(claim.symbols), choices(claim.arity), strict=False
        )

    def look(self, count: int, bits: tuple[int, ...], stop_at_sample: bool = False) -> Refuted | None:
        """Try so many further points, each with rising precision until the value is told from zero or the bits end."""
        tried = 0
        for point, functions in self._trials:
            for precision in bits:
                self.clock.check()
                try:
                    ball = self.claim.value(point, functions, precision)
                except OutsideDomain as outside:
                    self.overflown = self.overflown or isinstance(outside, TooLarge)
                    if precision == bits[0]:
                        break
                    continue
                self.sample = self.sample or (point, functions)
                if not ball.contains(0):
                    found = self._refuted(point, functions, ball, precision)
                    if found is not None:
                        return found
                    break
            tried += 1
            if tried >= count or (stop_at_sample and self.sample):
                break
        return None

    def _refuted(
        self, point: Point, functions: dict[str, Polynomial], ball: arb, bits: int
    ) -> Refuted | None:
        """Return the refutation; nearer to zero where numbers have thousands of digits, or checked at once."""
        if self._is_short(point, functions, ball, bits):
            return self._refutation(point, functions, ball)
        for other in nearer(point):
            self.clock.check()
            try:
                value = self.claim.value(other, functions, bits)
            except OutsideDomain:
                continue
            if not value.contains(0) and self._is_short(other, functions, value, bits):
                return self._refutation(other, functions, value)
        found = self._refutation(point, functions, ball)
        return found if found.check() else None

    def _is_short(self, point: Point, functions: dict[str, Polynomial], ball: arb, bits: int) -> bool:
        values = self.claim.tape.run(point, functions, bits=bits).values
        return is_short(ball) and all(is_short(value) for value in values)

    def _refutation(self, point: Point, functions: dict[str, Polynomial], ball: arb) -> Refuted:
        return Refuted(
            self.claim.question,
            self.claim.formula,
            point,
            enclosure(ball),
            _lambdas(functions),
            domain=self.claim.domain,
            subject=self.claim.subject,
            seconds=self.clock.seconds,
        )
