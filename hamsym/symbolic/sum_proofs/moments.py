"""Sums inside of functions and products: sums over one index become symbols, whatever their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from hamsym.symbolic.sum_proofs.atoms import Atoms, NoTermwise, Summand
from hamsym.symbolic.sum_proofs.residual import INDEX, Residual, bracket
from hamsym.symbolic.sums import auxiliaries


class Split:
    """A written form F(S_1, S_2, …, variables), with the sums S_k that enter it nonlinearly as symbols.

    Arguments:
        expression: the written form.
        atoms: of its space.
        letter: distinguishes the symbols of two functions.

    Attributes:
        terms: the summands of F.
        values: each S_k to the summands of its value.

    Raises:
        NoTermwise: if the value of one contains another.
    """

    def __init__(self, expression: sp.Expr, atoms: Atoms, letter: str) -> None:
        left, values = auxiliaries(expression, atoms.space)
        own = {s: sp.Symbol(f"{s.name} of {letter}", real=True) for s in values}
        self.terms = [Summand(t.expr.xreplace(own), t.ranges) for t in atoms.terms(left)]
        self.values: dict[sp.Symbol, list[Summand]] = {}
        for s, value in values.items():
            if value.free_symbols & set(values):
                raise NoTermwise("sums inside of functions contain such sums")
            self.values[own[s]] = atoms.terms(value)

    def slope(self, s: sp.Symbol) -> list[Summand]:
        """Return the summands of ∂F/∂S."""
        return [Summand(sp.diff(t.expr, s), t.ranges) for t in self.terms if s in t.expr.free_symbols]


class Moments:
    """Symbols for sums over one index: equal summands over the same range have the same symbol.

    Arguments:
        atoms: of the space.
        require_zero: raises NoTermwise unless a summand over several indices vanishes.
    """

    def __init__(self, atoms: Atoms, require_zero: Callable[[sp.Expr, str], None]) -> None:
        self.atoms = atoms
        self._require_zero = require_zero
        self.symbols: dict[tuple[int, int, sp.Expr], sp.Symbol] = {}

    def of(self, residual: Residual) -> sp.Expr:
        """Return the value of a sum in these symbols."""
        for where, (_, parts) in residual.several.items():
            self._require_zero(sp.Add(*parts), where)
        taken = residual.split(self.atoms)
        total = list(taken.plain)
        for first, last, e in taken.single:
            moving = [s for s in e.free_symbols if s == INDEX or s in self.atoms.keys]
            factor, rest = e.as_independent(*moving, as_Add=False)
            key = (first, last, rest)
            if key not in self.symbols:
                self.symbols[key] = sp.Symbol(f"Sum {len(self.symbols) + 1}", real=True)
            total.append(factor * self.symbols[key])
        return sp.Add(*total)

    def of_terms(self, terms: Sequence[Summand]) -> sp.Expr:
        """Return the value of summands."""
        found = Residual()
        for t in terms:
            found.add(self.atoms, t.expr, t.ranges)
        return self.of(found)


def total_derivative(g: Split, H: Split, moments: Moments) -> sp.Expr:
    """Return {g, H} + ∂g/∂t by the chain rule, in symbols for sums."""
    atoms = moments.atoms
    left = [(None, g.terms), *g.values.items()]
    right = [(None, H.terms), *H.values.items()]
    by_left = {s: moments.of_terms(g.slope(s)) for s in g.values}
    by_right = {s: moments.of_terms(H.slope(s)) for s in H.values}
    total = []
    for s, terms in left:
        for r, others in right:
            factor = by_left.get(s, sp.S.One) * by_right.get(r, sp.S.One)
            if factor != 0:
                total.append(factor * moments.of(bracket(terms, others, atoms)))
        rate = by_time(terms, atoms)
        if rate:
            total.append(by_left.get(s, sp.S.One) * moments.of_terms(rate))
    values = {s: moments.of_terms(terms) for split in (g, H) for s, terms in split.values.items()}
    return sp.Add(*total).xreplace(values)


def by_time(terms: Sequence[Summand], atoms: Atoms) -> list[Summand]:
    """Return the summands of the derivative by time."""
    time = atoms.space.time
    if time is None:
        return []
    return [Summand(atoms.partial(t.expr, time), t.ranges) for t in terms if time in t.expr.free_symbols]
