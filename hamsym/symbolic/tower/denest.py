"""Square roots that need no new generator: perfect squares, nested radicals, dependent radicands."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mpoly
from flint.utils.flint_exceptions import DomainError

from hamsym.symbolic.tower.limits import NotCovered

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


def denested(tower: Tower, radicand: fmpq_mpoly) -> fmpq_mpoly | None:
    """Return sqrt(radicand) in generators that exist or lie lower, None if a new generator is needed.

    The radicand is nonnegative on the domain.  Every answer is accepted only if its square gives the radicand
    back, and it is nonnegative.
    """
    if radicand.is_constant() or not tower.is_algebraic(radicand):
        return None
    candidate = _nested(tower, radicand) or _dependent(tower, radicand)
    if candidate is None:
        return None
    numerator, _ = tower.cleared(tower.ring.sub(tower.ring.power(candidate, 2), radicand))
    return candidate if numerator.is_zero() else None


def polynomial_square_root(element: fmpq_mpoly) -> fmpq_mpoly | None:
    """Return s with s*s = element in the polynomial ring, None if there is none."""
    try:
        return element.sqrt()
    except (DomainError, ValueError):
        return None


def _nested(tower: Tower, radicand: fmpq_mpoly) -> fmpq_mpoly | None:
    """sqrt(a + b r) = |sqrt((a+s)/2) + sgn(b) sqrt((a-s)/2)| when s**2 = a**2 - b**2 r**2 has a root s below.

    Since a + b r >= 0 and s is real, a >= |b r|, so both radicands on the right are nonnegative.
    """
    ring = tower.ring
    for index in reversed(ring.support(radicand)):
        top = tower.extensions[index]
        if top.kind not in ("root", "abs") or top.degree != 2 or top.relation is None:
            continue
        parts = ring.coefficients(radicand, index)
        if set(parts) != {0, 1}:
            continue
        a, b = parts[0], parts[1]
        square = ring.sub(ring.power(tower.gen(top), 2), top.relation)
        discriminant = tower.reduce(ring.sub(ring.power(a, 2), ring.mul(ring.power(b, 2), square)))
        s = polynomial_square_root(discriminant)
        if s is None:
            continue
        half = fmpq(1, 2)
        try:
            first, second = (
                tower.power(part * half, Fraction(1, 2)) for part in (ring.add(a, s), ring.sub(a, s))
            )
            sign = tower.signs.of(b)
            sigma = ring.mul(tower.absolute(b), tower.inverse(b)) if sign is None else ring.constant(sign)
            total = ring.add(first, ring.mul(sigma, second))
            return tower.absolute(total)
        except NotCovered:
            continue
    return None


def _dependent(tower: Tower, radicand: fmpq_mpoly) -> fmpq_mpoly | None:
    """sqrt(B) = sqrt(A B)/sqrt(A) when sqrt(A) exists and A*B lies below the radicals of both."""
    ring = tower.ring
    for extension in tower.radicals.square_roots():
        other = extension.arguments[0]
        if not tower.is_algebraic(other):
            continue
        product = tower.reduce(ring.mul(other, radicand))
        if product.is_zero():
            continue
        even = all(k % 2 == 0 for _, k in tower.factored(product)[1])
        if even or not tower.is_algebraic(product):
            return ring.mul(tower.power(product, Fraction(1, 2)), tower.inverse(tower.gen(extension)))
    return None
