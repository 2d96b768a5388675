"""What a part of a formula can never be: positive where a root or logarithm needs it, nonzero where one divides.

sympy knows the signs of symbols, squares and exponentials; where that is not enough, the exact zero test and its
signs are asked, for small parts and for a short time.  An answer True is certain, False means not known.
"""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.tower import Clock, Converter, ProofStopped, Tower

#: Seconds for all questions about one formula.
BUDGET = 0.04
#: Operations of the largest part that is looked into.
MAX_OPERATIONS = 60


class Reality:
    """Questions about the parts of one formula; each is asked once, and all share one budget of time.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> reality = Reality()
        >>> reality.never_positive(x - x**2 - 1), reality.never_positive(1 - x**2)
        (True, False)
        >>> reality.vanishes((x + 1)**2 - x**2 - 2*x - 1), reality.vanishes(x - 1)
        (True, False)
    """

    def __init__(self) -> None:
        self._left = BUDGET
        self._signs: dict[sp.Expr, bool] = {}
        self._zeros: dict[sp.Expr, bool] = {}

    def never_positive(self, e: sp.Expr) -> bool:
        """Tell whether an expression is certainly positive nowhere."""
        if e not in self._signs:
            if e.is_nonpositive:
                self._signs[e] = True
            elif e.is_nonnegative:
                self._signs[e] = self.vanishes(e)
            else:
                self._signs[e] = not _is_plain(e) and self._ask(e, _never_positive)
        return self._signs[e]

    def vanishes(self, e: sp.Expr) -> bool:
        """Tell whether an expression is certainly zero everywhere."""
        if e not in self._zeros:
            if e.is_zero is not None or e.is_Symbol or e.is_Function:
                self._zeros[e] = bool(e.is_zero)
            elif e.is_Mul:
                self._zeros[e] = any(map(self.vanishes, e.args))
            elif e.is_Pow:
                self._zeros[e] = self.vanishes(e.base)
            elif all(a.is_nonnegative for a in e.args):
                self._zeros[e] = all(map(self.vanishes, e.args))
            else:
                self._zeros[e] = not _is_plain(e) and self._ask(e, _vanishes)
        return self._zeros[e]

    def _ask(self, e: sp.Expr, question) -> bool:  # type: ignore[no-untyped-def]
        if self._left <= 0 or e.count_ops() > MAX_OPERATIONS:
            return False
        clock = Clock(self._left)
        try:
            converter = Converter(Tower(clock))
            converter.prepare(e)
            return bool(question(converter, e))
        except (ProofStopped, ArithmeticError, ValueError, RecursionError):
            return False
        finally:
            self._left -= clock.seconds


def _never_positive(converter: Converter, e: sp.Expr) -> bool:
    factored = converter.factors(e)
    return factored[0] == 0 or converter.tower.signs.of_product(factored) == (-1, [])


def _vanishes(converter: Converter, e: sp.Expr) -> bool:
    return converter.factors(e)[0] == 0


def _is_plain(e: sp.Expr) -> bool:
    """Tell whether an expression is a sum of products of different symbols: zero nowhere but on a surface, and of both signs.

    A sum of terms that are all negative is known to be so before.
    """
    terms = sp.Add.make_args(e)
    monomials = all(f.is_Rational or f.is_Symbol for t in terms for f in sp.Mul.make_args(t))
    return monomials and bool(e.free_symbols)
