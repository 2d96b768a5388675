"""Roots that need no new generator: nested square roots, and radicands that depend on older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mpoly
from flint.utils.flint_exceptions import DomainError

from hamsym.symbolic.tower.limits import NotCovered
from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


def denested(tower: Tower, radicand: fmpq_mpoly) -> fmpq_mpoly | None:
    """Return sqrt(radicand) in generators that exist or lie lower, None if a new generator is needed.

    The radicand is nonnegative on the domain.  Every answer is accepted only if its square gives the radicand
    back, and it is nonnegative.
    """
    if radicand.is_constant() or not tower.is_algebraic(radicand):
        return None
    candidate = _nested(tower, radicand)
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
    """sqrt(a + b r) = |sqrt((a+s)/2) + sgn(b r) sqrt((a-s)/2)| when s**2 = a**2 - b**2 r**2 has a root s below.

    Since a + b r >= 0 and s is real, a >= |b r|, so both radicands on the right are nonnegative.
    """
    ring = tower.ring
    for index in reversed(ring.support(radicand)):
        top = tower.extensions[index]
        if top.kind not in ("root", "abs", "cos") or top.degree != 2 or top.relation is None:
            continue
        coefficients = ring.coefficients(radicand, index)
        if set(coefficients) != {0, 1}:
            continue
        a, b = coefficients[0], coefficients[1]
        square = ring.sub(ring.power(tower.gen(top), 2), top.relation)
        discriminant = tower.reduce(ring.sub(ring.power(a, 2), ring.mul(ring.power(b, 2), square)))
        s = _square_root_below(tower, discriminant)
        if s is None:
            continue
        parts = [ring.add(a, s) * fmpq(1, 2), ring.sub(a, s) * fmpq(1, 2)]
        if top.kind == "cos" and not all(_is_square(tower, part) for part in parts):
            continue
        try:
            first, product = tower.square_root(parts[0]), ring.mul(b, tower.gen(top))
            sign = tower.signs.of(product)
            if sign is not None:
                return tower.absolute(ring.add(first, tower.square_root(parts[1]) * sign))
            # first * second = |b r|/2 gives the second term its sign.
            whole = tower.absolute(ring.add(2 * parts[0], product))
            return ring.mul(whole, tower.inverse(2 * first))
        except NotCovered:
            continue
    return None


def _square_root_below(tower: Tower, element: fmpq_mpoly) -> fmpq_mpoly | None:
    """Return s with s*s = element in generators that exist; None if none is found.

    Reduction may have made an odd power of a root of odd degree from an even one, such as A r from r**4 where
    r**3 = A; so for each such root the square of A is also put in front as r**n A.
    """
    ring = tower.ring
    s = polynomial_square_root(element)
    for index in ring.support(element):
        if s is not None:
            break
        root = tower.extensions[index]
        if root.kind == "root" and root.degree % 2 and root.relation is not None:
            power = ring.power(tower.gen(root), root.degree)
            base = ring.sub(power, root.relation)
            s = polynomial_square_root(ring.mul(ring.mul(element, power), base))
            s = s if s is None else tower.reduce(ring.mul(s, tower.inverse(base)))
    return _square_root_over_root(tower, element) if s is None else s


def _square_root_over_root(tower: Tower, element: fmpq_mpoly) -> fmpq_mpoly | None:
    """Return x + y r with square a + b r = element, for a square root r that exists; None if there is none.

    From x**2 + y**2 r**2 = a and 2 x y = b follows x**2 = (a ± d)/2 with d**2 = a**2 - b**2 r**2; x and d do not
    contain r, so the search goes down the tower.
    """
    ring = tower.ring
    for index in reversed(ring.support(element)):
        root = tower.extensions[index]
        coefficients = ring.coefficients(element, index)
        if root.kind != "root" or root.degree != 2 or set(coefficients) != {0, 1}:
            continue
        a, b = coefficients[0], coefficients[1]
        square = ring.lift(root.arguments[0])
        d = _square_root_below(
            tower, tower.reduce(ring.sub(ring.power(a, 2), ring.mul(ring.power(b, 2), square)))
        )
        if d is None:
            continue
        for sum_of_squares in (ring.add(a, d), ring.sub(a, d)):
            x = _square_root_below(tower, sum_of_squares * fmpq(1, 2))
            if x is not None and not x.is_zero():
                y = ring.mul(b, tower.inverse(2 * x))
                return tower.reduce(ring.add(x, ring.mul(y, tower.gen(root))))
    return None


def _is_square(tower: Tower, element: fmpq_mpoly) -> bool:
    """Tell whether an element is a rational number times a square."""
    return all(k % 2 == 0 for _, k in tower.factored(element)[1])


def dependent(tower: Tower, radicand: fmpq_mpoly) -> tuple[fmpq_mpoly, fmpq_mpoly] | None:
    """Return (A*B, A) for the radicand B and an older radicand A such that A*B is a square or free of radicals.

    Then B**(1/n) = (A B)**(1/n) / A**(1/n), since A and B are nonnegative.
    """
    if not tower.is_algebraic(radicand):
        return None
    own = key(tower.ring.monic(radicand)[1])
    for other in tower.radicals.algebraic_radicands():
        product = tower.reduce(tower.ring.mul(other, radicand))
        if product.is_zero() or not (not tower.is_algebraic(product) or _is_square(tower, product)):
            continue
        if all(
            key(f) != own for f, _ in tower.factored(product)[1]
        ):  # or the root would be written by itself
            return product, other
    return None
