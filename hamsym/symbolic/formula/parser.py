"""Text to expression, safely: a hand-written parser that builds sympy objects and runs no code.

The grammar is Python's arithmetic::

    sum     = product (("+" | "-") product)*
    product = ["-"] signed (("*" | "/") signed)*
    signed  = ("+" | "-") signed | power
    power   = atom ["**" signed]
    atom    = number | name | name [order] "(" sum ("," sum)* ")" | "(" sum ")" | name "[" sum ("," sum)* "]" | total
    order   = "'"+ | "'[" digits ("," digits)* "]"
    total   = "Sum" "(" sum ("," "(" index "," sum "," sum ")")+ ")"

but for the orders of derivatives of undefined functions: ``V''(x)``, and ``W'[1, 0](x, y)`` for the derivative of W by
its first argument; and for sums over indices, ``Sum(q[i]*p[i], (i, 1, 3))``, in which ``q[i]`` is the name q with the number i:
q1, q2, q3.  Inner ranges stand first, and may depend on outer indices: ``Sum(f, (j, i + 1, 9), (i, 1, 9))``.

Integer quotients and decimal literals are exact (``0.1`` is 1/10).  ``x**(a/b)`` is the principal real
power.  Everything is bounded *before* sympy sees it: length, nesting, digits, exponents (also after nested
powers merge) and the number of terms an expansion would have.
"""

from __future__ import annotations

import difflib
import keyword
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import NoReturn

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import FormulaError, did_you_mean
from hamsym.symbolic.formula.applied import applied_derivative, order_text, read_orders
from hamsym.symbolic.formula.bounds import MAX_NUMBER_BITS, Value
from hamsym.symbolic.formula.constants import combined, function_size, rational_size
from hamsym.symbolic.formula.domain import Domain, of_each
from hamsym.symbolic.formula.language import (
    CONSTANTS,
    DEFINED,
    FUNCTIONS,
    NOT_FINITE,
    NOT_SMOOTH,
    REMEDIES,
    SUM,
)
from hamsym.symbolic.formula.summation import Summation
from hamsym.symbolic.formula.tokens import Token
from hamsym.symbolic.sums.families import Families

#: The highest derivative of an undefined function.
MAX_ORDER = 20


def parse(
    text: str,
    symbols: Mapping[str, sp.Symbol],
    functions: Mapping[str, Callable[..., sp.Expr]] | None = None,
    arity: Mapping[str, int] | None = None,
    families: Families | None = None,
) -> sp.Expr:
    """Turn text into a sympy expression in the given names.

    Arguments:
        text: the formula, at most 20 000 ASCII characters.
        symbols: declared names and their symbols.
        functions: declared undefined functions.
        arity: their numbers of arguments.
        families: what subscripts mean; None takes the names in ``symbols``.

    Returns:
        A finite real-valued sympy expression with exact numbers.

    Raises:
        FormulaError: with the position and the remedy.

    Example:
        >>> q = sp.Symbol("q", real=True)
        >>> parse("0.5*q**2 + q/3", {"q": q})
        q**2/2 + q/3
    """
    return parse_with_domain(text, symbols, functions, arity, families)[0]


def parse_with_domain(
    text: str,
    symbols: Mapping[str, sp.Symbol],
    functions: Mapping[str, Callable[..., sp.Expr]] | None = None,
    arity: Mapping[str, int] | None = None,
    families: Families | None = None,
) -> tuple[sp.Expr, Domain]:
    """Return the expression of :func:`parse` and the part of the formula's domain that the expression forgot.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> parse_with_domain("sqrt(x)**2", {"x": x})
        (x, Domain(positive=(x,), nonzero=()))
        >>> parse_with_domain("sqrt(x)", {"x": x})[1]
        Domain(positive=(), nonzero=())
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is text, not {type(text).__name__}")
    parser = _Parser(text, symbols, functions or {}, arity or {}, families)
    expr = parser.formula()
    roots, logs = expr.atoms(sp.Pow), expr.atoms(sp.log)
    kept = {r.base for r in roots if not r.exp.is_integer} | {a.args[0] for a in logs}
    denominators = {d for r in roots if r.exp.is_negative for d in (r.base, 1 / r)}
    positive, nonzero = (parser.with_sums(some) for some in (parser.positive, parser.nonzero))
    return expr, Domain(
        tuple(e for e in positive if of_each(e) not in kept),
        tuple(e for e in nonzero if of_each(e) not in denominators),
    )


_HALF = Value(sp.Rational(1, 2), 1, 0.5)


class _Parser(Summation):
    def __init__(
        self,
        text: str,
        symbols: Mapping[str, sp.Symbol],
        functions: Mapping[str, Callable[..., sp.Expr]],
        arity: Mapping[str, int],
        families: Families | None = None,
    ) -> None:
        super().__init__(text, symbols, functions, families)
        self.arity = arity

    def formula(self) -> sp.Expr:
        return self._whole().expr.xreplace(self.meant)

    def _whole(self) -> Value:
        """Read everything to the end."""
        value = self._sum()
        token = self.tokens[self.at]
        if token.kind != "end":
            if token.text == ")":
                self._fail("this parenthesis closes nothing", token.position)
            if token.text in "[]":
                self._fail("brackets follow a name, as in q[1]", token.position)
            if token.text == ",":
                self._fail("a formula is one expression; the comma separates nothing", token.position)
            self._fail(
                f"an operator is missing before {token.text!r}; products are written with *", token.position
            )
        self._require_finite(value.expr, 0)
        numbers = value.expr.atoms(sp.Rational)
        if any(max(n.p.bit_length(), n.q.bit_length()) > MAX_NUMBER_BITS for n in numbers):
            self._fail("a number has too many digits when the formula is worked out", 0)
        return value

    # -- grammar ----------------------------------------------------------------------------------

    def _sum(self) -> Value:
        values = [self._product()]
        while token := self._take("+", "-"):
            value = self._product()
            values.append(value if token.text == "+" else -value)
        if len(values) == 1:
            return values[0]
        terms, size = sum(v.terms for v in values), combined(sum, [v.size for v in values])
        return self._bounded(Value(sp.Add(*(v.expr for v in values)), terms, size), 0)

    def _product(self) -> Value:
        """Read factors; a minus sign before the first negates their product, lest it be distributed over a sum."""
        return -self._factors() if self._take("-") else self._factors()

    def _factors(self) -> Value:
        start = self.tokens[self.at].position
        values = [self._signed()]
        while token := self._take("*", "/"):
            value = self._signed()
            if token.text == "/":
                self._require_nonzero(value.expr, token.position)
                value = Value(sp.Pow(value.expr, -1), 1, combined(lambda s: 1 / s[0], [value.size]))
            values.append(value)
        if len(values) == 1:
            return values[0]
        terms = math.prod(v.terms for v in values)
        self._check_terms(terms, start)
        expr = sp.Mul(*(v.expr for v in values))
        self._check_exponents(expr, start)
        return self._bounded(Value(expr, terms, combined(math.prod, [v.size for v in values])), start)

    def _signed(self) -> Value:
        token = self._take("+", "-")
        if token is None:
            return self._power()
        self._enter(token.position)
        value = self._signed()
        self.depth -= 1
        return value if token.text == "+" else -value

    def _power(self) -> Value:
        base = self._atom()
        token = self._take("**")
        if token is None:
            return base
        self._enter(token.position)
        exponent = self._signed()
        self.depth -= 1
        return self._raise(base, exponent, token.position)

    def _atom(self) -> Value:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "number":
            fraction = Fraction(token.text)
            number = sp.Rational(fraction.numerator, fraction.denominator)
            return Value(number, 1, rational_size(number))
        if token.kind == "name":
            orders = self._orders(token)
            if self._take("("):
                return self._total(token) if token.text == SUM else self._call(token, orders)
            return self._subscripted(token) if self._take("[") else self._name(token)
        if token.text == "(":
            self._enter(token.position)
            value = self._sum()
            self.depth -= 1
            self._close(token)
            return value
        if token.kind == "end":
            self._fail("the formula ends where a number, a name or '(' should follow", token.position)
        if token.text == "[":
            self._fail(
                "lists are not part of a formula; subscripts follow a name, as in q[1]", token.position
            )
        self._fail(f"a number, a name or '(' should stand where {token.text!r} is", token.position)

    def _orders(self, token: Token) -> tuple[int, ...]:
        """Return how often the function of this name is differentiated by each argument, empty if it is not."""
        order = self.tokens[self.at]
        if order.kind != "order":
            return ()
        self.at += 1
        name, orders, count = token.text, read_orders(order.text), self.arity.get(token.text, 0)
        if name not in self.functions:
            self._fail(f"only undefined functions have primes, and {name!r} is none", order.position)
        if len(orders) != count:
            example = order_text([1, *[0] * (count - 1)])
            self._fail(f"{name} has {plural(count, 'argument')}; write {name}{example}(…)", order.position)
        if sum(orders) > MAX_ORDER:
            self._fail(f"a derivative of order larger than {MAX_ORDER}", order.position)
        return orders

    def _call(self, token: Token, orders: tuple[int, ...] = ()) -> Value:
        """Parse the arguments and apply the function; the opening parenthesis is taken already."""
        name = token.text
        if name in self.functions:
            function, wanted = self.functions[name], self.arity[name]
            if orders:
                function = partial(applied_derivative, function, orders)
        elif name in FUNCTIONS:
            function, wanted = FUNCTIONS[name]
        elif name in self.symbols:
            self._fail(f"{name!r} is a variable, not a function; products are written with *", token.position)
        elif name in DEFINED:
            wanted = 1
        else:
            self._fail(self._unknown(name), token.position)
        self._enter(token.position)
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        arguments, sizes = [v.expr for v in values], [v.size for v in values]
        self.depth -= 1
        self._close(token)
        if len(arguments) != wanted:
            self._fail(f"{name} takes {plural(wanted, 'argument')}, not {len(arguments)}", token.position)
        if name in DEFINED and name not in self.functions:
            return _Definition(name, values[0], self, token.position).value()
        if name == "sqrt":
            return self._raise(Value(arguments[0], 1, sizes[0]), _HALF, token.position)
        if name == "log":
            self._require_positive("log", arguments[0], token.position)
        if name in ("asin", "acos"):
            self._require_arc(name, arguments[0], sizes[0], token.position)
        size = function_size(name, sizes)
        self._check_size(size, None, token.position)
        expr = function(*arguments)
        self._require_finite(expr, token.position)
        return Value(expr, 1, size)

    def _unknown(self, name: str) -> str:
        """Say that this is no function of the language, and what to do about it."""
        remedy = f"; {REMEDIES[name]}" if name in REMEDIES else ""
        if name in NOT_SMOOTH:
            return f"{name} is not smooth, so brackets with it are not defined everywhere{remedy}"
        known = [*self.functions, *FUNCTIONS, *DEFINED, SUM]
        if not remedy:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            remedy = f"; did you mean {' or '.join(close)}?" if close else f"; known: {', '.join(known)}"
        return f"the function {name!r} is not known{remedy}"

    def _name(self, token: Token) -> Value:
        name = token.text
        if name in self.indices:
            return Value(self.indices[name], 1)
        if name in self.symbols:
            return Value(self.symbols[name], 1)
        if name == SUM:
            self._fail("Sum is a function; write Sum(q[i]**2, (i, 1, 3))", token.position)
        if name in CONSTANTS:
            return Value(CONSTANTS[name], 1, float(CONSTANTS[name]))
        if name in FUNCTIONS or name in DEFINED or name in self.functions:
            self._fail(f"{name} is a function; write {name}(…)", token.position)
        if name in NOT_FINITE:
            self._fail(f"{name} is not a finite number", token.position)
        if name == "I":
            self._fail(
                "the imaginary unit is not real; write the real and imaginary parts apart", token.position
            )
        if name == "E":
            self._fail("the name 'E' is not declared; Euler's number is written exp(1)", token.position)
        if keyword.iskeyword(name):
            self._fail(f"{name!r} is not part of a formula", token.position)
        self._fail(f"the name {name!r} is not declared" + did_you_mean(name, self.symbols), token.position)

    def _close(self, opened: Token) -> None:
        token = self.tokens[self.at]
        if self._take(")"):
            return
        if token.kind == "end":
            self._fail("a parenthesis is not closed", opened.position)
        self._fail(f"an operator or ')' is missing before {token.text!r}", token.position)


class _Definition(_Parser):
    """The text behind a function that is read as others, for one argument within an outer formula."""

    def __init__(self, name: str, argument: Value, outer: _Parser, position: int) -> None:
        super().__init__(DEFINED[name], {}, {}, {})
        self.name, self.argument, self.outer, self.position = name, argument, outer, position
        self.positive, self.nonzero, self.reality = outer.positive, outer.nonzero, outer.reality

    def value(self) -> Value:
        return self._whole()

    def _name(self, token: Token) -> Value:
        return self.argument

    def _fail(self, message: str, position: int) -> NoReturn:
        self.outer._fail(f"in {self.name}(x) = {self.text}: {message}", self.position)
