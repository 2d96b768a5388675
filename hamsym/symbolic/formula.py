"""Text to expression, safely: a hand-written parser that builds sympy objects and runs no code.

The grammar is Python's arithmetic and nothing else::

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/") signed)*
    signed  = ("+" | "-") signed | power
    power   = atom ["**" signed]
    atom    = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"

Integer quotients and decimal literals are exact (``0.1`` is 1/10).  ``x**(a/b)`` is the principal real
power.  Everything is bounded *before* sympy sees it: length, nesting, digits, exponents (also after nested
powers merge) and the number of terms an expansion would have.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import sympy as sp

from hamsym.errors import FormulaError, did_you_mean
from hamsym.symbolic.language import CONSTANTS, FUNCTIONS, NOT_FINITE, NOT_SMOOTH

MAX_LENGTH = 20_000
MAX_DEPTH = 100
MAX_DIGITS = 400
MAX_EXPONENT = 400
MAX_RATIONAL_EXPONENT = 200
MAX_ROOT = 60
MAX_NUMBER_BITS = 20_000
MAX_TERMS = 100_000

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>\*\*|[-+*/(),])",
    re.ASCII,
)
_REMEDIES = {
    "^": "powers are written **",
    "//": "integer division is not smooth; write /",
    "%": "the remainder is not smooth and not supported",
    ".": "attributes are not part of a formula",
    "=": "a formula is one expression, without assignment or comparison",
    "<": "comparisons are not part of a formula",
    ">": "comparisons are not part of a formula",
    "!": "write a product or a call instead",
    "'": "text is not part of a formula",
    '"': "text is not part of a formula",
    "[": "lists and indices are not part of a formula",
    "{": "braces are not part of a formula; group with ( )",
    ";": "a formula is one expression",
    ":": "a formula is one expression",
    "#": "comments are not part of a formula",
}


def parse(
    text: str,
    symbols: Mapping[str, sp.Symbol],
    functions: Mapping[str, Callable[..., sp.Expr]] | None = None,
    arity: Mapping[str, int] | None = None,
) -> sp.Expr:
    """Turn text into a sympy expression in the given names.

    Arguments:
        text: the formula, at most 20 000 ASCII characters.
        symbols: declared names and their symbols.
        functions: declared undefined functions.
        arity: their numbers of arguments.

    Returns:
        A finite real-valued sympy expression with exact numbers.

    Raises:
        FormulaError: with the position and the remedy.

    Example:
        >>> q = sp.Symbol("q", real=True)
        >>> parse("0.5*q**2 + q/3", {"q": q})
        q**2/2 + q/3
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read")
    if not text.strip():
        raise FormulaError("the formula is empty", text, 0)
    return _Parser(text, symbols, functions or {}, arity or {}).formula()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class _Value:
    """A subexpression and the number of terms it would have when expanded."""

    expr: sp.Expr
    terms: int


class _Parser:
    def __init__(
        self,
        text: str,
        symbols: Mapping[str, sp.Symbol],
        functions: Mapping[str, Callable[..., sp.Expr]],
        arity: Mapping[str, int],
    ) -> None:
        self.text, self.symbols, self.functions, self.arity = text, symbols, functions, arity
        self.tokens = self._tokenize()
        self.at = 0
        self.depth = 0

    def formula(self) -> sp.Expr:
        value = self._sum()
        token = self.tokens[self.at]
        if token.kind != "end":
            if token.text == ")":
                self._fail("this parenthesis closes nothing", token.position)
            if token.text == ",":
                self._fail("a formula is one expression; the comma separates nothing", token.position)
            self._fail(
                f"an operator is missing before {token.text!r}; products are written with *", token.position
            )
        self._require_finite(value.expr, 0)
        return value.expr

    # -- tokens -----------------------------------------------------------------------------------

    def _tokenize(self) -> list[_Token]:
        tokens, position, depth = [], 0, 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                character = self.text[position]
                if not character.isascii() or not character.isprintable():
                    self._fail(f"the character {character!r} is not plain ASCII; retype it", position)
                remedy = _REMEDIES.get(character, "only + - * / ** ( ) , numbers and names are read")
                self._fail(f"{character!r} is not part of a formula: {remedy}", position)
            kind, found = str(match.lastgroup), match.group()
            if kind == "op" and found == "/" and self.text.startswith("//", position):
                self._fail(f"'//' is not part of a formula: {_REMEDIES['//']}", position)
            if kind == "number":
                self._check_literal(found, position)
            depth += (found == "(") - (found == ")")
            if depth > MAX_DEPTH:
                self._fail(f"parentheses are nested more than {MAX_DEPTH} deep", position)
            if kind != "space":
                tokens.append(_Token(kind, found, position))
            position = match.end()
        tokens.append(_Token("end", "", len(self.text)))
        return tokens

    def _check_literal(self, literal: str, position: int) -> None:
        mantissa, _, exponent = literal.lower().partition("e")
        if sum(c.isdigit() for c in mantissa) > MAX_DIGITS:
            self._fail(f"a number has more than {MAX_DIGITS} digits", position)
        if len(exponent) > 6 or abs(int(exponent or "0")) > MAX_DIGITS:
            self._fail(f"a decimal exponent is larger than {MAX_DIGITS}", position)

    def _take(self, *texts: str) -> _Token | None:
        token = self.tokens[self.at]
        if token.kind == "op" and token.text in texts:
            self.at += 1
            return token
        return None

    def _fail(self, message: str, position: int) -> NoReturn:
        raise FormulaError(message, self.text, position)

    # -- grammar ----------------------------------------------------------------------------------

    def _sum(self) -> _Value:
        values = [self._product()]
        while token := self._take("+", "-"):
            value = self._product()
            values.append(value if token.text == "+" else _Value(-value.expr, value.terms))
        if len(values) == 1:
            return values[0]
        return self._bounded(_Value(sp.Add(*(v.expr for v in values)), sum(v.terms for v in values)), 0)

    def _product(self) -> _Value:
        start = self.tokens[self.at].position
        values = [self._signed()]
        while token := self._take("*", "/"):
            value = self._signed()
            if token.text == "/":
                if value.expr.is_zero:
                    self._fail("division by zero", token.position)
                value = _Value(sp.Pow(value.expr, -1), 1)
            values.append(value)
        if len(values) == 1:
            return values[0]
        terms = math.prod(v.terms for v in values)
        self._check_terms(terms, start)
        expr = sp.Mul(*(v.expr for v in values))
        self._check_exponents(expr, start)
        return _Value(expr, terms)

    def _signed(self) -> _Value:
        token = self._take("+", "-")
        if token is None:
            return self._power()
        self._enter(token.position)
        value = self._signed()
        self.depth -= 1
        return value if token.text == "+" else _Value(-value.expr, value.terms)

    def _power(self) -> _Value:
        base = self._atom()
        token = self._take("**")
        if token is None:
            return base
        self._enter(token.position)
        exponent = self._signed()
        self.depth -= 1
        return self._raise(base, exponent.expr, token.position)

    def _atom(self) -> _Value:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "number":
            fraction = Fraction(token.text)
            return _Value(sp.Rational(fraction.numerator, fraction.denominator), 1)
        if token.kind == "name":
            return self._call(token) if self._take("(") else self._name(token)
        if token.text == "(":
            self._enter(token.position)
            value = self._sum()
            self.depth -= 1
            self._close(token)
            return value
        if token.kind == "end":
            self._fail("the formula ends where a number, a name or '(' should follow", token.position)
        self._fail(f"a number, a name or '(' should stand where {token.text!r} is", token.position)

    def _call(self, token: _Token) -> _Value:
        """Parse the arguments and apply the function; the opening parenthesis is taken already."""
        name = token.text
        if name in self.functions:
            function, wanted = self.functions[name], self.arity[name]
        elif name in FUNCTIONS:
            function, wanted = FUNCTIONS[name]
        elif name in self.symbols:
            self._fail(f"{name!r} is a variable, not a function; products are written with *", token.position)
        elif name in NOT_SMOOTH:
            self._fail(
                f"{name} is not smooth, so brackets with it are not defined everywhere", token.position
            )
        else:
            known = [*self.functions, *FUNCTIONS]
            self._fail(f"the function {name!r} is not known" + did_you_mean(name, known), token.position)
        self._enter(token.position)
        arguments = [self._sum().expr]
        while self._take(","):
            arguments.append(self._sum().expr)
        self.depth -= 1
        self._close(token)
        if len(arguments) != wanted:
            self._fail(f"{name} takes {wanted} argument(s), not {len(arguments)}", token.position)
        if name == "sqrt":
            return self._raise(_Value(arguments[0], 1), sp.Rational(1, 2), token.position)
        if name == "log" and arguments[0].is_nonpositive:
            self._fail("log of a quantity that is never positive has no real value", token.position)
        if name in ("asin", "acos") and arguments[0].is_number and not -1 <= arguments[0] <= 1:
            self._fail(f"{name} is real only between -1 and 1", token.position)
        expr = function(*arguments)
        self._require_finite(expr, token.position)
        return _Value(expr, 1)

    def _name(self, token: _Token) -> _Value:
        name = token.text
        if name in self.symbols:
            return _Value(self.symbols[name], 1)
        if name in CONSTANTS:
            return _Value(CONSTANTS[name], 1)
        if name in FUNCTIONS or name in self.functions:
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

    def _close(self, opened: _Token) -> None:
        token = self.tokens[self.at]
        if self._take(")"):
            return
        if token.kind == "end":
            self._fail("a parenthesis is not closed", opened.position)
        self._fail(f"an operator or ')' is missing before {token.text!r}", token.position)

    def _enter(self, position: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"the formula is nested more than {MAX_DEPTH} deep", position)

    # -- bounds -----------------------------------------------------------------------------------

    def _raise(self, base: _Value, exponent: sp.Expr, position: int) -> _Value:
        terms = 1
        if isinstance(exponent, sp.Rational):
            size = abs(exponent)
            if exponent.q != 1 and (size.p > MAX_RATIONAL_EXPONENT or exponent.q > MAX_ROOT):
                self._fail(f"the exponent {exponent} is beyond {MAX_RATIONAL_EXPONENT}/{MAX_ROOT}", position)
            if size > MAX_EXPONENT:
                self._fail(f"an exponent is larger than {MAX_EXPONENT}", position)
            if isinstance(base.expr, sp.Rational):
                bits = max(base.expr.p.bit_length(), base.expr.q.bit_length()) * float(size)
                if bits > MAX_NUMBER_BITS or (exponent.q != 1 and base.expr.p.bit_length() > 1000):
                    self._fail("a power of a number has too many digits", position)
                if base.expr == 0 and exponent <= 0:
                    self._fail("zero is raised to a power that is not positive", position)
            if exponent.q != 1 and base.expr.is_negative:
                self._fail(
                    "a root of a quantity that is always negative has no real value; its domain is empty",
                    position,
                )
            if exponent.q == 1 and exponent > 1:
                terms = math.comb(base.terms + int(exponent) - 1, int(exponent))
                self._check_terms(terms, position)
        elif exponent.is_number and not base.expr.is_number:
            pass
        elif base.expr.is_zero:
            self._fail("zero to a symbolic power is not defined", position)
        expr = sp.Pow(base.expr, exponent)
        self._check_exponents(expr, position)
        self._require_finite(expr, position)
        return _Value(expr, terms)

    def _check_exponents(self, expr: sp.Expr, position: int) -> None:
        """Bound the exponents that sympy made by merging nested powers and equal factors."""
        for factor in sp.Mul.make_args(expr):
            exponent = factor.as_base_exp()[1]
            if isinstance(exponent, sp.Rational) and (
                abs(exponent) > MAX_EXPONENT or exponent.q > MAX_ROOT * MAX_ROOT
            ):
                self._fail(f"nested powers merge to an exponent larger than {MAX_EXPONENT}", position)

    def _check_terms(self, terms: int, position: int) -> None:
        if terms > MAX_TERMS:
            self._fail(f"expanded, this would have more than {MAX_TERMS} terms", position)

    def _bounded(self, value: _Value, position: int) -> _Value:
        self._check_terms(value.terms, position)
        return value

    def _require_finite(self, expr: sp.Expr, position: int) -> None:
        if expr.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            self._fail("the value is not finite", position)
        if expr.has(sp.I):
            self._fail("the value is not real", position)
