"""Proofs in the differential tower: on the whole domain, or apart on the regions where undetermined signs are fixed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.tower.certificate import Reader, relations
from hamsym.symbolic.zero_test.claim import EVERYWHERE, Claim
from hamsym.symbolic.zero_test.witness import Point

#: Quantities whose two signs are told apart, at most: that makes twice as many regions each.
MAX_SIGNS = 4
#: Why a proof failed if nothing else is known.
UNKNOWN = "no proof and no certified nonzero value was found; a relation between functions may be missing"

Certificate = list[tuple[str, sp.Expr, sp.Expr | None]]


@dataclass(frozen=True)
class Region:
    """A part of the domain and the tower in which the claim reduces to zero there.

    Attributes:
        positive: polynomials in symbols that are positive there; none for the whole domain.
        tower: its generators and relations.
    """

    positive: tuple[sp.Expr, ...]
    tower: tw.Tower

    def holds(self, point: Point) -> bool:
        """Tell whether a point lies in the region."""
        return all(bool(e.xreplace(point) > 0) for e in self.positive)


@dataclass(frozen=True)
class Proof:
    """A proof of a claim, or the reason why there is none.

    Attributes:
        regions: parts of the domain that leave out no open set, each with its tower; empty if there is no proof.
        reason: what was missing.
    """

    regions: tuple[Region, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.regions)

    def certificate(self, point: Point, functions: dict[str, type]) -> Certificate:
        """Return the generators and relations that are used where a point lies."""
        region = next((r for r in self.regions if r.holds(point)), self.regions[0])
        return relations(region.tower, functions)


def prove(claim: Claim, clock: tw.Clock) -> Proof:
    """Try to prove a claim in a fresh tower, without any look at numbers.

    Where the sign of a quantity is not known but matters, such as that of x in cos(|x|) = cos(x), the claim is proved
    for both signs: a polynomial vanishes on no open set, so nothing is left out.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> bool(prove(Claim(space, space.parse("(q1 + 1)**2 - q1**2 - 2*q1 - 1")), tw.Clock(1.0)))
        True
        >>> proof = prove(Claim(space, space.parse("cos(sqrt(q1**2)) - cos(q1)")), tw.Clock(1.0))
        >>> [region.positive for region in proof.regions]
        [(q1,), (-q1,)]
    """
    tower, failure = _attempt(claim, clock)
    if failure is None:
        return Proof((Region((), tower),))
    signs = _undetermined(tower, claim)
    if signs and not isinstance(failure, (tw.EmptyDomain, tw.Overrun)):
        regions = _by_signs(claim, signs, clock)
        if regions:
            return Proof(tuple(regions))
    if claim.domain.positive:  # what is zero on a larger domain is zero on this one
        return prove(replace(claim, domain=EVERYWHERE), clock)
    return Proof(reason=str(failure))


def _attempt(claim: Claim, clock: tw.Clock) -> tuple[tw.Tower, tw.ProofStopped | None]:
    """Return a tower, and what stopped the proof in it."""
    tower = tw.Tower(clock, size=claim.size)
    try:
        element = claim.element(tower)
        if tw.vanishes(tower, element) or tw.is_zero_angle(tower, element):
            return tower, None
    except tw.ProofStopped as stop:
        return tower, stop
    return tower, tw.ProofStopped(UNKNOWN)


def _undetermined(tower: tw.Tower, claim: Claim) -> list[sp.Expr]:
    reader = Reader(tower, claim.space.functions)
    return [reader.expand(f) for f in tower.signs.unknown()][:MAX_SIGNS]


def _by_signs(claim: Claim, signs: Sequence[sp.Expr], clock: tw.Clock) -> list[Region] | None:
    """Return a proof for every choice of signs that leaves something of the domain; None if one is missing."""
    regions = []
    for choice in itertools.product((1, -1), repeat=len(signs)):
        positive = tuple(sign * f for sign, f in zip(choice, signs, strict=True))
        domain = Domain((*claim.domain.positive, *positive), claim.domain.nonzero)
        tower, failure = _attempt(replace(claim, domain=domain), clock)
        if failure is None:
            regions.append(Region(positive, tower))
        elif not isinstance(failure, tw.EmptyDomain):
            return None
    return regions
