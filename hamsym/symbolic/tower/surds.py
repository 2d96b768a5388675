"""Roots of constants that lie in the field of the roots which exist: (2 + sqrt(5))**(1/3) = (1 + sqrt(5))/2.

X**p - b is irreducible over a real field exactly if b is not a p-th power there, for p prime (Lang, Algebra,
VI.9).  So the tower of real constants stays a field if a root is looked for below before it is adjoined.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flint import arb, ctx, fmpq, fmpq_mpoly, fmpz, fmpz_mat

from hamsym.symbolic.tower.constants import constant_sign, constant_value

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

#: Largest degree over the rationals of a field in which a root is looked for.
MAX_DEGREE = 36
#: Bits for each unknown coefficient of a root, at least.
BITS_EACH = 48


def root_below(tower: Tower, base: fmpq_mpoly, n: int) -> tuple[fmpq_mpoly, int] | None:
    """Return (s, p) with p a prime divisor of n and s > 0 the p-th root of a constant base; None if none is found.

    Lattice reduction guesses the coefficients of s in the powers of the roots that exist; the guess counts only
    if s**p gives the base back and s is certainly positive.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> root = tower.power(tower.ring.constant(5), Fraction(1, 2))
        >>> root_below(tower, root + 2, 3)
        (1/2*g0 + 1/2, 3)
    """
    if tower.depends(base):
        return None
    roots = [e for e in tower.extensions if e.kind == "root" and not e.depends]
    if base.is_constant() and all(e.arguments[0].is_constant() for e in roots):
        return None  # roots of different primes are independent (Besicovitch 1940)
    degree = math.prod(e.degree for e in roots)
    if not roots or degree > MAX_DEGREE or not _are_surds(tower, base, {e.index for e in roots}):
        return None
    powers = itertools.product(*(range(e.degree) for e in roots))
    basis = [
        math.prod((tower.gen(e) ** k for e, k in zip(roots, exponents, strict=True)), start=tower.ring.one)
        for exponents in powers
    ]
    for p in _primes(n):
        tower.clock.check()
        s = _combination(tower, base, p, basis)
        if s is not None and constant_sign(tower, s) == 1:
            difference = tower.ring.sub(tower.ring.power(s, p), base)
            if tower.cleared(difference)[0].is_zero():
                return s, p
    return None


def _are_surds(tower: Tower, element: fmpq_mpoly, roots: set[int]) -> bool:
    """Tell whether an element is made of roots of constants and their inverses only."""
    return all(
        i in roots or (e.kind == "inverse" and _are_surds(tower, tower.ring.lift(e.arguments[0]), roots))
        for i in tower.ring.support(element)
        for e in [tower.extensions[i]]
    )


def _combination(tower: Tower, base: fmpq_mpoly, p: int, basis: list[fmpq_mpoly]) -> fmpq_mpoly | None:
    """Return the rational combination of the basis that is the p-th root of the base, as far as digits tell."""
    bits = BITS_EACH * (len(basis) + 2)
    with ctx.workprec(bits + 64):
        values = [constant_value(tower, e) for e in basis]
        values.append(constant_value(tower, base).root(p))
        if not all(v.is_finite() for v in values):
            return None
        scaled = [_nearest(v * arb(2) ** bits) for v in values]
    rows = [[fmpz(i == j) for j in range(len(values))] + [scaled[i]] for i in range(len(values))]
    *coefficients, last, _ = (int(c) for c in fmpz_mat(rows).lll().tolist()[0])
    if last == 0:
        return None
    return tower.ring.sum(e * fmpq(-c, last) for e, c in zip(basis, coefficients, strict=True))


def _nearest(value: arb) -> fmpz:
    mantissa, exponent = value.mid().man_exp()
    return mantissa << int(exponent) if exponent >= 0 else mantissa >> int(-exponent)


def _primes(n: int) -> Iterator[int]:
    return (p for p in range(2, n + 1) if n % p == 0 and all(p % d for d in range(2, p)))
