"""From sympy expressions to elements of the tower."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import sympy as sp
from flint import fmpq, fmpq_mpoly
from sympy.core.function import AppliedUndef

from hamsym.symbolic.tower.field import Tower
from hamsym.symbolic.tower.limits import NotCovered


class Converter:
    """Writes expressions as elements of one tower; equal subexpressions are converted once.

    Arguments:
        tower: where the generators are created.

    Example:
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> x = sp.Symbol("x", real=True)
        >>> Converter(Tower(Clock(1.0))).convert((x + 1)**2)
        g0^2 + 2*g0 + 1
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._known: dict[sp.Expr, fmpq_mpoly] = {}

    def convert(self, expression: sp.Expr) -> fmpq_mpoly:
        """Return the expression as an element.

        Raises:
            NotCovered: for functions that the tower has no rule for.
        """
        found = self._known.get(expression)
        if found is None:
            self.tower.clock.check()
            found = self._convert(expression)
            self._known[expression] = found
        return self.tower.ring.lift(found)

    def prepare(self, *expressions: sp.Expr) -> None:
        """Convert radicands and arguments first, the innermost and simplest first.

        What a simple radicand says about signs is then known when a compound one is split.
        """
        inner: dict[sp.Expr, int] = {}
        for expression in expressions:
            for node in sp.preorder_traversal(expression):
                if isinstance(node, sp.Pow) and not node.exp.is_Integer:
                    inner[node.base] = 0
                elif isinstance(node, sp.log):
                    inner[node.args[0]] = 0
        depth = {e: _depth(e) for e in inner}
        for base in sorted(inner, key=lambda e: (depth[e], len(sp.Mul.make_args(e)), e.count_ops(), str(e))):
            c, factors = self.tower.factored(self.convert(base))
            if c != 0:
                self.tower.assume_positive(c, factors)

    def _convert(self, e: sp.Expr) -> fmpq_mpoly:
        ring = self.tower.ring
        if e.is_Rational:
            return ring.constant(fmpq(int(e.p), int(e.q)))
        if e.is_Symbol or e is sp.pi:
            return self.tower.symbol(e)
        if e.is_Add:
            return ring.sum(self.convert(a) for a in e.args)
        if e.is_Mul:
            result = ring.one
            for a in sorted((self.convert(a) for a in e.args), key=len):
                result = ring.mul(result, a)
            return result
        if e.is_Pow:
            return self._power(e.base, e.exp)
        if e is sp.E:
            return self.tower.exp(ring.one)
        if isinstance(e, AppliedUndef):
            return self.tower.function(_name(e), (0,) * len(e.args), tuple(self.convert(a) for a in e.args))
        if isinstance(e, (sp.Derivative, sp.Subs)):
            return self._derivative(e)
        rule = _RULES.get(e.func)
        if rule is None:
            raise NotCovered(f"there is no exact rule for {e.func.__name__}")
        return rule(self.tower, *(self.convert(a) for a in e.args))

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> fmpq_mpoly:
        if base is sp.E:
            return self.tower.exp(self.convert(exponent))
        if exponent.is_Rational:
            q = Fraction(int(exponent.p), int(exponent.q))
            if isinstance(base, sp.exp) and q.denominator != 1:
                return self.tower.exp(self.convert(base.args[0] * exponent))
            return self.tower.power(self.convert(base), q)
        logarithm = self.tower.log(self.convert(base))
        return self.tower.exp(self.tower.ring.mul(self.convert(exponent), logarithm))

    def _derivative(self, e: sp.Expr) -> fmpq_mpoly:
        """Convert ∂V/∂(its own arguments), possibly taken at other arguments by Subs."""
        inner, values = e, {}
        if isinstance(e, sp.Subs):
            inner, values = e.expr, dict(zip(e.variables, e.point, strict=True))
        if isinstance(inner, sp.Derivative) and isinstance(inner.expr, AppliedUndef):
            function = inner.expr
            orders = [0] * len(function.args)
            for variable, count in inner.variable_count:
                places = [k for k, a in enumerate(function.args) if a == variable]
                others = [a for a in function.args if a != variable and a.has(variable)]
                if len(places) != 1 or others or not count.is_Integer:
                    break
                orders[places[0]] += int(count)
            else:
                arguments = tuple(self.convert(a.subs(values) if values else a) for a in function.args)
                return self.tower.function(_name(function), tuple(orders), arguments)
        done = e.doit()
        if done == e:
            raise NotCovered(f"there is no exact rule for {e}")
        return self.convert(done)


def _depth(e: sp.Expr) -> int:
    """Return how deep radicals and functions are nested."""
    own = int((e.is_Pow and not e.exp.is_Integer) or e.is_Function)
    return own + max((_depth(a) for a in e.args), default=0)


def _name(function: AppliedUndef) -> str:
    return function.func.__name__


def _sign(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return tower.ring.mul(tower.absolute(a), tower.inverse(a))


_RULES: dict[type, Callable[..., fmpq_mpoly]] = {
    sp.exp: Tower.exp,
    sp.log: Tower.log,
    sp.Abs: Tower.absolute,
    sp.sign: _sign,
}
