"""Sums without subscripts: each ``q[i + 1]`` of a summand becomes a symbol of its own that remembers where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sympy as sp

from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.sums import Families, Ranges, Term, summands
from hamsym.symbolic.sums.affine import Affine

#: A family (its name and how many subscripts it has), constants of the subscripts, and strides by names of indices.
Key = tuple[tuple[str, int], tuple[tuple[int, tuple[tuple[str, int], ...]], ...]]


class NoTermwise(Exception):
    """The bracket is not a sum over terms of the kind that is treated here; the text says why."""


@dataclass(frozen=True)
class Summand:
    """A summand in plain symbols, and the ranges of its indices.

    Attributes:
        expr: without subscripts; see :class:`Atoms`.
        ranges: of its indices.
    """

    expr: sp.Expr
    ranges: Ranges

    @property
    def size(self) -> int:
        """The number of its indices."""
        return len(self.ranges.ranges)


class Atoms:
    """Symbols for subscripted names, and which of them are conjugate.

    Two subscripted names have the same symbol if they are the same name with the same subscripts.  Where subscripts are
    numbers the symbol is that of the space.

    Arguments:
        space: the phase space.

    Example:
        >>> space = PhaseSpace.standard(4)
        >>> atoms = Atoms(space)
        >>> term, = atoms.terms(space.parse("Sum((q[i + 1] - q[i])**2, (i, 1, 3))"))
        >>> term.expr, len(term.expr.free_symbols)
        ((q[i + 1] - q[i])**2, 2)
        >>> i, = term.ranges.indices
        >>> atoms.substituted(term.expr, {i: Affine(2, {})})
        (-q2 + q3)**2
    """

    def __init__(self, space: PhaseSpace) -> None:
        self.space = space
        self.families: Families = space.families
        self.numbered: dict[sp.Symbol, tuple[tuple[str, int], tuple[int, ...]]] = {
            s: (key, numbers)
            for key, family in self.families.all.items()
            for numbers, s in family.symbols.items()
        }
        self._symbols: dict[Key, sp.Symbol] = {}
        self.keys: dict[sp.Symbol, Key] = {}
        self._strides: dict[sp.Symbol, sp.Symbol] = {}
        self.conjugate: dict[sp.Symbol, tuple[sp.Symbol, int]] = {}
        for q, p in zip(space.coordinates, space.momenta, strict=True):
            self.conjugate[q], self.conjugate[p] = (p, -1), (q, 1)
        self.partner = self._partners()

    def _partners(self) -> dict[tuple[str, int], tuple[tuple[str, int], int]]:
        """Return for each family the one of the conjugate variables with the same numbers, if that is so for all."""
        found: dict[tuple[str, int], tuple[tuple[str, int], int]] = {}
        for key, family in self.families.all.items():
            others = {self._opposite(s, numbers) for numbers, s in family.symbols.items()}
            other = next(iter(others))
            if len(others) == 1 and other is not None:
                found[key] = other
        return {key: other for key, other in found.items() if found.get(other[0], (None,))[0] == key}

    def _opposite(self, s: sp.Symbol, numbers: tuple[int, ...]) -> tuple[tuple[str, int], int] | None:
        other, sign = self.conjugate.get(s, (None, 0))
        if other not in self.numbered or self.numbered[other][1] != numbers:
            return None
        return self.numbered[other][0], sign

    def terms(self, expression: sp.Expr) -> list[Summand]:
        """Return the summands of a written form."""
        return [self._plain(t) for t in summands(expression, self.space)]

    def _plain(self, term: Term) -> Summand:
        return Summand(self.without_subscripts(term.expr, term.ranges.indices), term.ranges)

    def without_subscripts(self, expression: sp.Expr, indices: Iterable[sp.Symbol]) -> sp.Expr:
        """Return an expression with symbols for its subscripted names."""
        indices = tuple(indices)
        return expression.xreplace({e: self._of(e, indices) for e in expression.atoms(sp.Indexed)})

    def _of(self, e: sp.Indexed, indices: tuple[sp.Symbol, ...]) -> sp.Symbol:
        return self.at((e.base.label.name, len(e.indices)), [Affine.of(s, indices) for s in e.indices])

    def at(self, family: tuple[str, int], subscripts: Iterable[Affine]) -> sp.Symbol:
        """Return the symbol for a member of a family."""
        subscripts = list(subscripts)
        if not any(s.strides for s in subscripts):
            return self.families.symbol(family[0], tuple(s.constant for s in subscripts))
        key: Key = (
            family,
            tuple((s.constant, tuple(sorted((i.name, k) for i, k in s.strides.items()))) for s in subscripts),
        )
        if key not in self._symbols:
            positive = all(s.is_positive for s in self.families.all[family].symbols.values())
            text = f"{family[0]}[{', '.join(str(s.expression) for s in subscripts)}]"
            symbol = sp.Symbol(text, **{"positive" if positive else "real": True})
            self._symbols[key], self.keys[symbol] = symbol, key
        return self._symbols[key]

    def subscripts(self, symbol: sp.Symbol) -> tuple[tuple[str, int], list[Affine]] | None:
        """Return family and subscripts of a symbol; None if it has none."""
        if symbol in self.keys:
            family, entries = self.keys[symbol]
            return family, [
                Affine(c, {sp.Symbol(name, integer=True): k for name, k in strides}) for c, strides in entries
            ]
        if symbol in self.numbered:
            family, numbers = self.numbered[symbol]
            return family, [Affine(n, {}) for n in numbers]
        return None

    def substituted(self, expression: sp.Expr, values: Mapping[sp.Symbol, Affine]) -> sp.Expr:
        """Return an expression with other values of indices, in subscripts too."""
        replace: dict[sp.Basic, sp.Basic] = {}
        for s in expression.free_symbols:
            if s in values:
                replace[s] = values[s].expression
            elif s in self.keys:
                family, subscripts = self.subscripts(s) or ((s.name, 0), [])
                if any(i in values for a in subscripts for i in a.strides):
                    replace[s] = self.at(family, [_substituted(a, values) for a in subscripts])
        return expression.xreplace(replace)

    def variables(self, expression: sp.Expr) -> list[sp.Symbol]:
        """Return the coordinates and momenta of an expression, subscripted ones too, in a fixed order."""
        found = [
            s
            for s in expression.free_symbols
            if s in self.conjugate
            or (s in self.keys and self.families.all[self.keys[s][0]].kinds & {"q", "p"})
        ]
        return sorted(found, key=lambda s: s.name)

    def partial(self, expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
        """Return a partial derivative, in which symbols that may mean the same variable stay apart."""
        return derivative(expression, symbol)


def _substituted(a: Affine, values: Mapping[sp.Symbol, Affine]) -> Affine:
    """Replace all indices at once."""
    found = Affine(a.constant, {i: k for i, k in a.strides.items() if i not in values})
    for i, k in a.strides.items():
        if i in values:
            found = found.plus(values[i], k)
    return found
