"""How the isomorphism class depends on the value of a central function, and why it is constant in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from hamsym.errors import UndecidedError
from hamsym.symbolic.algebra.closing import Closing
from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.invariants import rational_number
from hamsym.symbolic.algebra.scalars import Scalar
from hamsym.symbolic.lie_names import name_of
from hamsym.symbolic.structure import Structure, killing_form, signature
from hamsym.symbolic.structure.elimination import intersection
from hamsym.symbolic.structure.quadratic import diagonal
from hamsym.symbolic.tower import ProofStopped, Tower

#: Stands for the central function where its values are solved for.
_H = sp.Dummy("h", real=True)


@dataclass(frozen=True)
class Case:
    """The algebra for some values of the central function h.

    Attributes:
        where: the values, in words: ``"h < 0"``, ``"h = 0"``.
        value: the value at which the algebra was computed.
        name: its name, or None.
        killing_signature: of the Killing form there; None where ``value`` is an irrational number with which nothing
            could be computed.
        holds_throughout: whether the isomorphism class was shown to be the same for all values in ``where``.
        is_border: whether ``where`` is a single value between two regions.
    """

    where: str
    value: sp.Expr
    name: str | None
    killing_signature: tuple[int, int, int] | None
    holds_throughout: bool
    is_border: bool

    def __str__(self) -> str:
        if self.killing_signature is None:
            return f"{self.where}: not computed"
        name = self.name or f"Killing signature {self.killing_signature}"
        return f"{self.where}: {name}" + ("" if self.holds_throughout else f" (computed at h = {self.value})")


def cases(closing: Closing, functions: Functions) -> tuple[Case, ...]:
    """Return the regions of h and their borders, each with its algebra.

    Let Z be what is central for every h.  The discriminant is the determinant of the Killing form of L/Z, a
    polynomial in h.  Where it is not zero L/Z is semisimple and L = Z ⊕ [L, L].  Semisimple algebras are rigid
    (their second cohomology vanishes, so nearby structure constants are isomorphic), hence the class is constant
    between the real zeros of the discriminant.  Where it vanishes identically only single values are computed.

    Arguments:
        closing: brackets that depend on a central function.
        functions: where they were computed.

    Source: Nijenhuis and Richardson, Bull. Amer. Math. Soc. 73 (1967) 175, with Whitehead's second lemma.
    """
    borders = _real_zeros(closing, functions)
    if borders is None:
        values = [
            (f"h = {v}", v, True, False) for v in (sp.Rational(-1, 2), sp.Integer(0), sp.Rational(1, 2))
        ]
        return tuple(_case(closing, functions, *entry) for entry in values)
    found = []
    for k in range(len(borders) + 1):
        low = borders[k - 1] if k else None
        high = borders[k] if k < len(borders) else None
        found.append(_case(closing, functions, _words(low, high), _between(low, high), True, False))
        if high is not None:
            found.append(_case(closing, functions, f"h = {high}", high, True, True))
    return tuple(found)


def _real_zeros(closing: Closing, functions: Functions) -> list[sp.Expr] | None:
    """Return the real zeros of the discriminant in h; None if it is zero, or if its zeros depend on parameters."""
    tower = functions.tower
    parts = [Structure(part, closing.size) for part in closing.powers]
    centre = parts[0].centre
    for part in parts[1:]:
        centre = intersection(centre, part.centre)
    h = Scalar(tower, tower.symbol(_H))
    reduced = closing.at(h).quotient(centre)
    squares = diagonal(killing_form(reduced))
    if len(squares) < reduced.dimension or not squares:
        return None
    number = tower.number(_H)
    zeros: set[sp.Expr] = set()
    for factor, exponent in tower.factored(_product(squares, tower).element)[1]:
        if exponent < 0 or number not in tower.depends(factor):
            continue
        if len(tower.depends(factor)) > 1:
            return None
        polynomial = sp.Poly(functions.expression(factor), _H)
        if not polynomial.get_domain().is_QQ and not polynomial.get_domain().is_ZZ:
            return None
        zeros.update(polynomial.real_roots())
    return sorted(zeros)


def _product(squares: Sequence[Any], tower: Tower) -> Scalar:
    """Return the determinant of a form from the squares of a congruent one; the congruences have determinant 1."""
    total = Scalar(tower, tower.ring.one)
    for square in squares:
        total = total * square
    return total


def _case(
    closing: Closing, functions: Functions, where: str, value: sp.Expr, throughout: bool, border: bool
) -> Case:
    if value.is_Rational:
        algebra = closing.at(rational_number(value))
        return Case(where, value, name_of(algebra), signature(killing_form(algebra)), throughout, border)
    try:
        functions.converter.prepare(value)
        algebra = closing.at(Scalar(functions.tower, functions.converter.convert(value)))
        squares = signature(killing_form(algebra))
    except (ProofStopped, UndecidedError):  # a root that no formula can say, a sign that is not seen
        return Case(where, value, None, None, throughout, border)
    return Case(where, value, name_of(algebra), squares, throughout, border)


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
