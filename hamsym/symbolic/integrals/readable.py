"""Bases that people can read: few terms, coprime integer coefficients, a fixed sign, low degrees first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.integrals.ansatz import Ansatz, Exponents
from hamsym.symbolic.integrals.conserved import Coefficient

Combination = dict[Exponents, Coefficient]
Rational = dict[Exponents, fmpq]
#: Bases with more vectors than this are not searched for sums with fewer terms.
MANY = 80


def degree_of(combination: Mapping[Exponents, object]) -> int:
    """Return the total degree in the ansatz entries.

    Example:
        >>> degree_of({(1, 0): fmpq(1), (2, 1): fmpq(3)})
        3
    """
    return max(map(sum, combination))


def readable(ansatz: Ansatz, vectors: Sequence[Combination]) -> list[Combination]:
    """Return another basis of the same space, and of each part of it of lower degree.

    Arguments:
        ansatz: tells which entries are momenta; the sign is that of the first term of highest degree in them.
        vectors: an echelon basis.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> ansatz = monomials(PhaseSpace.standard(1), 2)
        >>> readable(ansatz, [{(2, 0): fmpq(-1, 2), (0, 2): fmpq(-1, 2)}])
        [{(0, 2): 1, (2, 0): 1}]
    """
    momenta = [int(e in ansatz.space.momenta) for e in ansatz.entries]

    def order(exponents: Exponents) -> tuple[int, tuple[int, ...]]:
        return (-sum(k * m for k, m in zip(exponents, momenta, strict=True)), tuple(-k for k in exponents))

    found = [dict(v) for v in vectors]
    rational = [{e: x for e, x in v.items() if isinstance(x, fmpq)} for v in found]
    if len(found) <= MANY and rational == found:
        found = [dict(v) for v in _sparser(rational)]
    found = [_scaled({e: v[e] for e in sorted(v, key=order)}) for v in found]
    return sorted(found, key=lambda v: (degree_of(v), len(v), [order(e) for e in v]))


def _scaled(combination: Combination) -> Combination:
    """Return the multiple with coprime integers whose first coefficient is positive."""
    numbers: list[fmpq] = []
    for value in combination.values():
        numbers += value.coeffs() if isinstance(value, fmpq_mpoly) else [value]
    bottom = math.lcm(*(int(v.q) for v in numbers))
    top = math.gcd(*(int(v.p) * (bottom // int(v.q)) for v in numbers))
    factor = fmpq(bottom, top) * (1 if numbers[0] > 0 else -1)
    return {e: v * factor for e, v in combination.items()}


def _sparser(vectors: list[Rational]) -> list[Rational]:
    """Subtract multiples of vectors of no higher degree as long as terms disappear."""
    degrees = [degree_of(v) for v in vectors]
    changed = True
    while changed:
        changed = False
        for i, v in enumerate(vectors):
            for k, w in enumerate(vectors):
                if i == k or degrees[k] > degrees[i] or not v.keys() & w.keys():
                    continue
                better = _shorter(v, w)
                if better is not None and degree_of(better) == degrees[i]:
                    v = vectors[i] = better
                    changed = True
    return vectors


def _shorter(v: Rational, w: Rational) -> Rational | None:
    """Return v minus a rational multiple of w if that has fewer terms."""
    new = len(w.keys() - v.keys())
    ratios: dict[fmpq, int] = {}
    for e in v.keys() & w.keys():
        ratio = v[e] / w[e]
        ratios[ratio] = ratios.get(ratio, 0) + 1
    ratio, gone = max(ratios.items(), key=lambda item: item[1])
    if gone <= new:
        return None
    total = {e: v.get(e, fmpq(0)) - ratio * w.get(e, fmpq(0)) for e in v.keys() | w.keys()}
    return {e: value for e, value in total.items() if value != 0}
