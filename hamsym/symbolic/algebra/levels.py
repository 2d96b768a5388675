"""How the isomorphism class depends on the value of a central function, and why it is constant in between."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sympy as sp
from flint import fmpq, fmpq_mat

from hamsym.symbolic.algebra.closing import Closing
from hamsym.symbolic.lie_names import name_of
from hamsym.symbolic.structure import Structure, killing_form, signature
from hamsym.symbolic.structure.elimination import intersection

_H = sp.Symbol("h", real=True)


@dataclass(frozen=True)
class Case:
    """The algebra for some values of the central function h.

    Attributes:
        where: the values, in words: ``"h < 0"``, ``"h = 0"``.
        value: the value at which the algebra was computed.
        name: its name, or None.
        killing_signature: of the Killing form there.
        holds_throughout: whether the isomorphism class was shown to be the same for all values in ``where``.
        is_border: whether ``where`` is a single value between two regions.
    """

    where: str
    value: sp.Rational
    name: str | None
    killing_signature: tuple[int, int, int]
    holds_throughout: bool
    is_border: bool

    def __str__(self) -> str:
        name = self.name or f"Killing signature {self.killing_signature}"
        return f"{self.where}: {name}" + ("" if self.holds_throughout else f" (computed at h = {self.value})")


def cases(closing: Closing) -> tuple[Case, ...]:
    """Return the regions of h and their borders, each with its algebra.

    Let Z be what is central for every h.  The discriminant is the determinant of the Killing form of L/Z, a
    polynomial in h.  Where it is not zero L/Z is semisimple and L = Z ⊕ [L, L].  Semisimple algebras are rigid
    (their second cohomology vanishes, so nearby structure constants are isomorphic), hence the class is constant
    between the real zeros of the discriminant.  Where it vanishes identically only single values are computed.

    Source: Nijenhuis and Richardson, Bull. Amer. Math. Soc. 73 (1967) 175, with Whitehead's second lemma.
    """
    polynomial = discriminant(closing)
    if polynomial is None:
        values = [
            (f"h = {v}", v, True, False) for v in (sp.Rational(-1, 2), sp.Integer(0), sp.Rational(1, 2))
        ]
        return tuple(_case(closing, *entry) for entry in values)
    roots = sp.Poly(polynomial, _H).real_roots(multiple=False) if polynomial.has(_H) else []
    borders = [root for root, _ in roots]
    found = []
    for k in range(len(borders) + 1):
        low = borders[k - 1] if k else None
        high = borders[k] if k < len(borders) else None
        found.append(_case(closing, _words(low, high), _between(low, high), True, False))
        if high is not None and high.is_Rational:
            found.append(_case(closing, f"h = {high}", high, True, True))
    return tuple(found)


def discriminant(closing: Closing) -> sp.Expr | None:
    """Return det K of L/Z as a polynomial in h, or None where it is zero or not over Q."""
    n = closing.size
    parts = [Structure(part, n) for part in closing.powers]
    if any(not isinstance(c, fmpq) for p in parts for v in p.brackets.values() for c in v.values()):
        return None
    centre = parts[0].centre
    for part in parts[1:]:
        centre = intersection(centre, part.centre)
    size = n - centre.dimension
    if not size:
        return None
    degree = 2 * (len(parts) - 1) * size
    points = [fmpq(v) for v in range(degree + 1)]
    values = [_determinant(closing.at(v).quotient(centre)) for v in points]
    power_table = fmpq_mat(degree + 1, degree + 1, [v**k for v in points for k in range(degree + 1)])
    found = power_table.solve(fmpq_mat(degree + 1, 1, values))
    coefficients = [found[k, 0] for k in range(degree + 1)]
    if all(c == 0 for c in coefficients):
        return None
    return sp.Add(*(sp.Rational(int(c.p), int(c.q)) * _H**k for k, c in enumerate(coefficients)))


def _determinant(algebra: Structure) -> fmpq:
    n, form = algebra.dimension, killing_form(algebra)
    return fmpq_mat(n, n, [form[i].get(j, fmpq(0)) for i in range(n) for j in range(n)]).det()


def _case(closing: Closing, where: str, value: sp.Rational, throughout: bool, border: bool) -> Case:
    algebra = closing.at(fmpq(int(value.p), int(value.q)))
    return Case(where, value, name_of(algebra), signature(killing_form(algebra)), throughout, border)


def _words(low: sp.Expr | None, high: sp.Expr | None) -> str:
    if low is None and high is None:
        return "every h"
    if low is None:
        return f"h < {high}"
    return f"h > {low}" if high is None else f"{low} < h < {high}"


def _between(low: sp.Expr | None, high: sp.Expr | None) -> sp.Rational:
    """Return a simple rational number between two real numbers; -1/2 and 1/2 where they fit."""
    half = sp.Rational(1, 2)
    for value in (-half, half):
        if (low is None or low < value) and (high is None or value < high):
            return value
    if low is None:
        return sp.floor(high) - 1
    if high is None:
        return sp.ceiling(low) + 1
    middle, width = (low + high) / 2, high - low
    digits = 2 - int(sp.floor(sp.log(width, 10).evalf(8)))
    return sp.Rational(
        str(Fraction(str(sp.N(middle, max(digits, 1) + 15))).limit_denominator(10 ** max(digits, 1)))
    )
