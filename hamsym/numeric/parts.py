"""Sums made ready for loops: their derivatives, and the sums and weights that stand inside of other formulas.

A Hamiltonian with sums inside of functions is H = F(S₁, S₂, …) with further sums Sₖ, each a function of those before it.  Its
gradient is Σ wₖ ∇Sₖ + ∇F with weights wₖ = ∂H/∂Sₖ, found from the last to the first (reverse differentiation; Griewank and
Walther, Evaluating Derivatives, chapter 3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import sympy as sp

from hamsym.numeric.log_sum_exp import shift_exponentials
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import Access, Term, auxiliaries, summands
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.ranges import Range

#: Pairs of operands of more than so many are not tried for being differences.
_MANY_OPERANDS = 16


@dataclass(frozen=True)
class Slope:
    """A derivative of a summand, and the variables whose slope it is, each with a sign."""

    expr: sp.Expr
    targets: tuple[tuple[Access, int], ...]


@dataclass(frozen=True)
class Part:
    """A summand in plain symbols.

    Attributes:
        expr: the summand.
        ranges: its indices, the outermost first.
        operands: symbols to the places of their values.
        differences: symbols that stand for the difference of two operands.
    """

    expr: sp.Expr
    ranges: tuple[Range, ...]
    operands: Mapping[sp.Symbol, Access]
    differences: Mapping[sp.Symbol, tuple[sp.Symbol, sp.Symbol]]

    def slopes(self, kinds: Collection[str]) -> list[Slope]:
        """Return the derivatives that are not zero by the variables of some kinds, ``"q"`` or ``"p"``."""
        targets: dict[sp.Expr, list[tuple[Access, int]]] = {}

        def add(symbol: sp.Symbol, *to: tuple[Access, int]) -> None:
            slope = self.expr.diff(symbol)
            if slope != 0:
                targets.setdefault(slope, []).extend(to)

        for difference, (a, b) in self.differences.items():
            if self.operands[a].kind in kinds:
                add(difference, (self.operands[a], 1), (self.operands[b], -1))
        for symbol, access in self.operands.items():
            if access.kind in kinds:
                add(symbol, (access, 1))
        return [Slope(slope, tuple(to)) for slope, to in targets.items()]


def part_of(term: Term) -> Part:
    """Return a term in plain symbols, its loops in the order that suits SIMD, and differences of operands as such.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(4)
        >>> [term] = summands(space.parse("Sum((q[i + 1] - q[i])**4, (i, 1, 3))"), space)
        >>> part_of(term).expr
        u0**4
    """
    expr, operands = _plain(term.expr, term.accesses)
    expr = shift_exponentials(expr)
    ranges, operands = _ordered(expr, term.ranges.ranges, operands)
    differences: dict[sp.Symbol, tuple[sp.Symbol, sp.Symbol]] = {}
    candidates = [s for s, a in operands.items() if a.kind != "k"]
    if len(candidates) <= _MANY_OPERANDS and ranges:
        for a, b in combinations(candidates, 2):
            if operands[a].kind != operands[b].kind or not {a, b} <= expr.free_symbols:
                continue
            u = sp.Symbol(f"u{len(differences)}", real=True)
            trial = expr.xreplace({a: b + u})
            if b not in trial.free_symbols and u in trial.free_symbols:
                differences[u], expr = (a, b), trial
    return Part(expr, ranges, operands, differences)


def _plain(expr: sp.Expr, accesses: Mapping[sp.Expr, Access]) -> tuple[sp.Expr, dict[sp.Symbol, Access]]:
    """Return an expression with a symbol for each place, and these."""
    names: dict[tuple, sp.Symbol] = {}
    operands: dict[sp.Symbol, Access] = {}
    forth = {}
    for e, access in accesses.items():
        key = (access.kind, access.offset, *sorted((s.name, k) for s, k in access.strides.items() if k))
        if key not in names:
            sign = {"positive": True} if e.is_positive else {"real": True}
            names[key] = sp.Symbol(f"a{len(names)}", **sign)
            operands[names[key]] = access
        forth[e] = names[key]
    return expr.xreplace(forth), operands


def _ordered(
    expr: sp.Expr, ranges: tuple[Range, ...], operands: dict[sp.Symbol, Access]
) -> tuple[tuple[Range, ...], dict[sp.Symbol, Access]]:
    """Put the index along which most operands are neighbours innermost, and make one loop of two where that is possible."""
    if len(ranges) < 2 or any(r.lower.strides or r.upper.strides for r in ranges):
        return ranges, operands

    def neighbours(r: Range) -> tuple[int, int]:
        strides = [abs(a.strides.get(r.index, 0)) for a in operands.values()]
        return sum(k == 1 for k in strides), -max(strides)

    best = max(range(len(ranges)), key=lambda n: (*neighbours(ranges[n]), n))
    ordered = [*ranges[:best], *ranges[best + 1 :], ranges[best]]
    while len(ordered) > 1:
        inner = ordered[-1]
        length = inner.upper.constant - inner.lower.constant + 1
        merged = next((r for r in ordered[:-1] if _merges(expr, r, inner, length, operands.values())), None)
        if merged is None:
            break
        count = (merged.upper.constant - merged.lower.constant + 1) * length
        # the place at which both indices are lowest stays, and the inner index runs on
        low = inner.lower.constant
        operands = {
            s: Access(
                a.kind,
                a.offset + a.strides.get(merged.index, 0) * merged.lower.constant,
                {i: k for i, k in a.strides.items() if i != merged.index},
            )
            for s, a in operands.items()
        }
        ordered.remove(merged)
        ordered[-1] = Range(inner.index, Affine(low, {}), Affine(low + count - 1, {}))
    return tuple(ordered), operands


def _merges(expr: sp.Expr, outer: Range, inner: Range, length: int, operands: Iterable[Access]) -> bool:
    """Whether one step of the outer index is as far as the whole length of the inner one, for all operands."""
    if {outer.index, inner.index} & expr.free_symbols:
        return False
    return all(a.strides.get(outer.index, 0) == length * a.strides.get(inner.index, 0) for a in operands)


@dataclass(frozen=True)
class Sums:
    """A formula with sums: its terms, and the values and weights of sums inside of it, in the order of their computation.

    Attributes:
        parts: the terms whose sum is the formula.
        values: symbol to the parts whose sum is its value.
        weights: symbol to the parts whose sum is its value; needed for the gradient only.
        gradient: the parts whose gradients add up to that of the formula.
    """

    parts: tuple[Part, ...]
    values: Mapping[sp.Symbol, tuple[Part, ...]]
    weights: Mapping[sp.Symbol, tuple[Part, ...]]
    gradient: tuple[Part, ...]

    @property
    def every_part(self) -> list[Part]:
        """All parts that occur."""
        listed: list[Sequence[Part]] = [
            self.parts,
            self.gradient,
            *self.values.values(),
            *self.weights.values(),
        ]
        return [part for parts in listed for part in parts]


def sums_of(expression: sp.Expr, space: Space) -> Sums:
    """Return a formula with sums, prepared for loops.

    Arguments:
        expression: a written form, as ``H.written``.
        space: its space.

    Raises:
        FormulaError: if a sum in a function depends on the index of a sum around it.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(3)
        >>> sums = sums_of(space.parse("Sum(q[i], (i, 1, 3))**2"), space)
        >>> [part.expr for part in sums.parts], [w[0].expr for w in sums.weights.values()]
        ([Sum 1**2], [2*Sum 1])
    """
    left, inside = auxiliaries(expression, space)
    terms = summands(left, space)
    of_sums = {symbol: summands(s, space) for symbol, s in inside.items()}
    weight = {symbol: sp.Symbol(f"Weight {n}", real=True) for n, symbol in enumerate(inside, 1)}
    weights: dict[sp.Symbol, list[Term]] = {}
    for symbol in reversed(list(inside)):
        pieces = [_derivative(t, symbol) for t in terms]
        for later, its_terms in of_sums.items():
            if weight[later] in weights:
                pieces += [_times(weight[later], _derivative(t, symbol)) for t in its_terms]
        if pieces := [t for t in pieces if t.expr != 0]:
            weights[weight[symbol]] = pieces
    gradient = [*terms]
    for symbol, its_terms in of_sums.items():
        if weight[symbol] in weights:
            gradient += [_times(weight[symbol], t) for t in its_terms]
    return Sums(
        tuple(map(part_of, terms)),
        {symbol: tuple(map(part_of, ts)) for symbol, ts in of_sums.items()},
        {symbol: tuple(map(part_of, ts)) for symbol, ts in weights.items()},
        tuple(map(part_of, gradient)) if inside else tuple(map(part_of, terms)),
    )


def _derivative(term: Term, symbol: sp.Symbol) -> Term:
    return replace(term, expr=term.expr.diff(symbol))


def _times(factor: sp.Expr, term: Term) -> Term:
    return replace(term, expr=factor * term.expr)
