"""The generators and relations of a tower in the user's own symbols, for people and for the checker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp
from flint import fmpq_mpoly

if TYPE_CHECKING:
    from hamsym.symbolic.tower.extension import Extension
    from hamsym.symbolic.tower.field import Tower

_LETTERS = {"inverse": "u", "root": "r", "abs": "a", "exp": "e", "log": "l", "sin": "s", "cos": "c"}


class Reader:
    """Writes elements of a tower as sympy expressions.

    Arguments:
        tower: the tower to read.
        functions: sympy classes of the undefined functions, by name.
    """

    def __init__(self, tower: Tower, functions: dict[str, type]) -> None:
        self.tower = tower
        self.functions = functions
        self._meanings: dict[int, sp.Expr] = {}

    def name(self, index: int) -> str:
        """Return the short name of a generator."""
        extension = self.tower.extensions[index]
        if extension.symbol is not None:
            return str(extension.symbol)
        return f"{_LETTERS.get(extension.kind, extension.name or extension.kind)}_{index}"

    def meaning(self, index: int) -> sp.Expr:
        """Return what a generator stands for."""
        if index not in self._meanings:
            self._meanings[index] = self._meaning(self.tower.extensions[index])
        return self._meanings[index]

    def expand(self, element: fmpq_mpoly) -> sp.Expr:
        """Return an element in the user's symbols."""
        return self._write(element, self.meaning)

    def shorten(self, element: fmpq_mpoly) -> sp.Expr:
        """Return an element in symbols and generator names."""
        extensions = self.tower.extensions
        return self._write(element, lambda i: extensions[i].symbol or sp.Symbol(self.name(i)))

    def _write(self, element: fmpq_mpoly, read) -> sp.Expr:  # type: ignore[no-untyped-def]
        ring = self.tower.ring
        element = ring.lift(element)
        last = ring.size - 1
        terms = []
        for monomial, value in element.terms():
            factors = [read(last - k) ** int(e) for k, e in enumerate(monomial) if e]
            terms.append(sp.Mul(sp.Rational(int(value.p), int(value.q)), *factors))
        return sp.Add(*terms)

    def _meaning(self, e: Extension) -> sp.Expr:
        if e.symbol is not None:
            return e.symbol
        inner = [self.expand(a) for a in e.arguments]
        match e.kind:
            case "inverse":
                return 1 / inner[0]
            case "root":
                return sp.Pow(inner[0], sp.Rational(1, e.degree))
            case "abs":
                return sp.Abs(inner[0])
            case "log":
                return sp.log(sp.Abs(inner[0]))
            case "function":
                function = self.functions[e.name]
                if not any(e.orders):
                    return function(*inner)
                # Only what is differentiated gets a slot: sympy takes W_1 and W_2 at (x, x) for equal otherwise.
                slots = {k: sp.Dummy(f"xi_{k + 1}", real=True) for k, n in enumerate(e.orders) if n}
                counts = [(slot, e.orders[k]) for k, slot in slots.items()]
                places = [slots.get(k, a) for k, a in enumerate(inner)]
                at = [inner[k] for k in slots]
                return sp.Subs(sp.Derivative(function(*places), *counts), list(slots.values()), at)
        return getattr(sp, e.kind)(*inner)


def relations(tower: Tower, functions: dict[str, type]) -> list[tuple[str, sp.Expr, sp.Expr | None]]:
    """Return (name, meaning, vanishing expression or None) for every generator that is not a symbol.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> r = tower.power(x*x + 1, Fraction(1, 2))
        >>> relations(tower, {})
        [('r_1', sqrt(x**2 + 1), r_1**2 - x**2 - 1)]
    """
    reader = Reader(tower, functions)
    found = []
    for e in tower.extensions:
        if e.symbol is not None:
            continue
        if e.kind == "inverse":
            product = tower.ring.mul(tower.gen(e), e.arguments[0])
            vanishing = reader.shorten(tower.ring.sub(product, tower.ring.one))
        else:
            vanishing = None if e.relation is None else reader.shorten(e.relation)
        found.append((reader.name(e.index), reader.meaning(e.index), vanishing))
    return found
