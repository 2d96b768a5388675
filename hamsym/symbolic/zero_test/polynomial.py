"""Concrete polynomials that stand for undefined functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from flint import arb, fmpq


@dataclass(frozen=True)
class Polynomial:
    """A concrete choice for an undefined function: exponents of its arguments to coefficients.

    Example:
        >>> Polynomial(1, {(0,): sp.Integer(1), (2,): sp.Rational(1, 2)}).as_lambda()
        Lambda(z1, z1**2/2 + 1)
    """

    arity: int
    terms: Mapping[tuple[int, ...], sp.Rational]

    def as_lambda(self) -> sp.Lambda:
        """Return the polynomial as a sympy function of z1, z2, …"""
        z = sp.symbols(f"z1:{self.arity + 1}", real=True)
        body = sp.Add(
            *(c * sp.Mul(*(x**k for x, k in zip(z, e, strict=True))) for e, c in self.terms.items())
        )
        return sp.Lambda(z, body)

    def differentiated(self, orders: Sequence[int]) -> Polynomial:
        """Return the partial derivative of the given orders."""
        terms = {}
        for exponents, c in self.terms.items():
            if all(e >= n for e, n in zip(exponents, orders, strict=True)):
                falling = math.prod(math.perm(e, n) for e, n in zip(exponents, orders, strict=True))
                terms[tuple(e - n for e, n in zip(exponents, orders, strict=True))] = c * falling
        return Polynomial(self.arity, terms)

    def at(self, values: Sequence[arb]) -> arb:
        """Return the value at balls."""
        total = arb(0)
        for exponents, c in self.terms.items():
            total += ball(c) * math.prod((x**k for x, k in zip(values, exponents, strict=True)), start=arb(1))
        return total


def ball(value: sp.Rational | fmpq | arb) -> arb:
    """Return a rational number as a ball; a ball as it is."""
    if isinstance(value, arb):
        return value
    return arb(value if isinstance(value, fmpq) else fmpq(int(value.p), int(value.q)))
