"""From sympy expressions to elements of the tower."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.formula.applied import application
from hamsym.symbolic.tower.field import Factored, Tower
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
        """Convert what stands inside radicals and functions first, the innermost and simplest first.

        What a simple radicand says about signs is then known when a compound one is split, and one lattice
        serves all exponents and all angles of the same depth.
        """
        levels: dict[int, _Level] = {}
        depths: dict[sp.Basic, int] = {}
        for e in _postorder(expressions, depths):
            level = levels.setdefault(depths[e], _Level())
            if e.is_Pow and e.base is not sp.E and not e.exp.is_Integer:
                level.positive.append(e.base)
                if not e.exp.is_Rational:
                    level.powers.append(e)
            elif isinstance(e, sp.log):
                level.positive.append(e.args[0])
            elif isinstance(e, _EXPONENTIAL):
                level.exponents.append(e.args[0])
            elif isinstance(e, _CIRCULAR):
                level.angles.append(e.args[0])
        tower = self.tower
        for _, level in sorted(levels.items()):
            for base in sorted(
                level.positive, key=lambda e: (len(sp.Mul.make_args(e)), e.count_ops(), str(e))
            ):
                factored = self.factors(base)
                if factored[0] != 0:
                    tower.signs.assume_positive(factored)
            exponents = [self.convert(e) for e in level.exponents]
            for e in level.powers:
                exponents.append(
                    tower.ring.mul(self.convert(e.exp), tower.exponentials.log(self.factors(e.base)))
                )
            rests = [tower.without(tower.reduce(e), ("log",))[0] for e in exponents]
            tower.exponentials.lattice.settle([r for r in rests if not r.is_zero()])
            tower.angles.settle([self.convert(e) for e in level.angles])

    def factors(self, e: sp.Expr) -> Factored:
        """Return a product in factors, without multiplying out what is written as a product."""
        if e.is_Mul:
            return self.tower.merged((self.factors(a), 1) for a in e.args)
        if e.is_Pow and e.exp.is_Integer:
            return self.tower.merged([(self.factors(e.base), int(e.exp))])
        if e.is_Pow and e.exp.is_Rational and e.base is not sp.E:
            inner, whole = self.factors(e.base), int(sp.floor(e.exp))
            part = self.tower.radicals.power(inner, Fraction(int(e.exp.p), int(e.exp.q)) - whole)
            return self.tower.merged([(inner, whole), (self.tower.factored(part), 1)])
        return self.tower.factored(self.convert(e))

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
        applied = application(e)
        if applied is not None:
            return self.tower.function(
                applied.name, applied.orders, tuple(map(self.convert, applied.arguments))
            )
        if isinstance(e, (sp.Derivative, sp.Subs)):
            return self.convert(carried_out(e))
        if isinstance(e, sp.log):
            return self.tower.exponentials.log(self.factors(e.args[0]))
        if isinstance(e, sp.Abs):
            return self.tower.signs.absolute(self.factors(e.args[0]))
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
            if q.denominator == 1:
                return self.tower.integer_power(self.convert(base), q.numerator)
            return self.tower.radicals.power(self.factors(base), q)
        logarithm = self.tower.exponentials.log(self.factors(base))
        return self.tower.exp(self.tower.ring.mul(self.convert(exponent), logarithm))


class _Level:
    """What has to be converted before the functions of one nesting depth."""

    def __init__(self) -> None:
        self.positive: list[sp.Expr] = []
        self.powers: list[sp.Expr] = []
        self.exponents: list[sp.Expr] = []
        self.angles: list[sp.Expr] = []


def _postorder(expressions: Iterable[sp.Expr], depths: dict[sp.Basic, int]) -> Iterator[sp.Expr]:
    """Yield each subexpression once, arguments first, and note how deep radicals and functions are nested."""
    waiting = list(expressions)
    while waiting:
        e = waiting[-1]
        missing = [a for a in e.args if a not in depths]
        if missing and e not in depths:
            waiting += missing
            continue
        waiting.pop()
        if e not in depths:
            own = (e.is_Pow and not e.exp.is_Integer) or e.is_Function
            depths[e] = int(bool(own)) + max((depths[a] for a in e.args), default=0)
            if isinstance(e, sp.Expr):
                yield e


def carried_out(e: sp.Expr) -> sp.Expr:
    """Return a derivative or substitution after it was carried out.

    Raises:
        NotCovered: if that changes nothing.
    """
    done = e.doit()
    if done == e:
        raise NotCovered(f"there is no exact rule for {e}")
    return done


_EXPONENTIAL = (sp.exp, sp.sinh, sp.cosh, sp.tanh, sp.coth)
_CIRCULAR = (sp.sin, sp.cos, sp.tan, sp.cot)


def _quotient(tower: Tower, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
    return tower.ring.mul(a, tower.inverse(b))


def _hyperbolic(tower: Tower, a: fmpq_mpoly) -> tuple[fmpq_mpoly, fmpq_mpoly]:
    """Return (sinh a, cosh a)."""
    grown = tower.exp(a)
    shrunk = tower.inverse(grown)
    return tower.ring.sub(grown, shrunk) / 2, tower.ring.add(grown, shrunk) / 2


def _tanh(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return _quotient(tower, *_hyperbolic(tower, a))


def _coth(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return _quotient(tower, *_hyperbolic(tower, a)[::-1])


def _tan(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return _quotient(tower, *tower.angles.sin_cos(a))


def _cot(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return _quotient(tower, *tower.angles.sin_cos(a)[::-1])


def _acos(tower: Tower, a: fmpq_mpoly) -> fmpq_mpoly:
    return tower.ring.sub(tower.symbol(sp.pi) / 2, tower.primitive("asin", a))


_RULES: dict[type, Callable[..., fmpq_mpoly]] = {
    sp.exp: Tower.exp,
    sp.sin: lambda tower, a: tower.angles.sin_cos(a)[0],
    sp.cos: lambda tower, a: tower.angles.sin_cos(a)[1],
    sp.tan: _tan,
    sp.cot: _cot,
    sp.sinh: lambda tower, a: _hyperbolic(tower, a)[0],
    sp.cosh: lambda tower, a: _hyperbolic(tower, a)[1],
    sp.tanh: _tanh,
    sp.coth: _coth,
    sp.asin: lambda tower, a: tower.primitive("asin", a),
    sp.acos: _acos,
    sp.atan: lambda tower, a: tower.primitive("atan", a),
    sp.atan2: lambda tower, y, x: tower.primitive("atan2", y, x),
}
