"""Sums and subscripts in a formula: what the parser knows of indices, and how it reads ranges before summands.

While a formula is worked with, a plain symbol stands for each sum and each subscripted name, so that all bounds and questions
of domain hold for them as for any name.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.bounds import Bounds, Value
from hamsym.symbolic.formula.domain import for_each
from hamsym.symbolic.formula.tokens import MAX_DEPTH, Token, tokenize
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.families import Families
from hamsym.symbolic.sums.reading import index_symbol, require_index, stand_in, subscripted

#: Indices around one summand.
MOST_INDICES = 6


class Summation(Bounds, ABC):
    """The part of the parser that reads sums.

    Arguments:
        text: the formula.
        symbols: declared names and their symbols.
        functions: declared undefined functions.
        families: what subscripts mean; None takes the names in ``symbols``.

    Attributes:
        indices: those of the sums around the place where one reads, by name.
        meant: symbols to the sums and subscripted names that they stand for.
    """

    def __init__(
        self,
        text: str,
        symbols: Mapping[str, sp.Symbol],
        functions: Mapping[str, Callable[..., sp.Expr]],
        families: Families | None,
    ) -> None:
        super().__init__(text)
        self.symbols, self.functions = symbols, functions
        self.families = families or Families(tuple(symbols.values()), (), ())
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.indices: dict[str, sp.Symbol] = {}
        self.meant: dict[sp.Symbol, sp.Expr] = {}

    @abstractmethod
    def _sum(self) -> Value:
        """Read terms with plus and minus between them."""

    def with_sums(self, conditions: Iterable[sp.Basic]) -> list[sp.Basic]:
        """Return conditions with the sums that symbols stood for."""
        return [e.xreplace(self.meant) for e in conditions]

    def _take(self, *texts: str) -> Token | None:
        token = self.tokens[self.at]
        if token.kind == "op" and token.text in texts:
            self.at += 1
            return token
        return None

    def _enter(self, position: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"the formula is nested more than {MAX_DEPTH} deep", position)

    def _subscripted(self, token: Token) -> Value:
        """Read the subscripts of a name; the opening bracket is taken already."""
        subscripts = [self._affine()]
        while self._take(","):
            subscripts.append(self._affine())
        closing = self.tokens[self.at]
        if not self._take("]"):
            self._fail("a bracket is not closed" if closing.kind == "end" else f"']' is missing before {closing.text!r}",
                       token.position if closing.kind == "end" else closing.position)  # fmt: skip
        with self._at(token.position):
            return self._stand_in(subscripted(token.text, subscripts, self.families))

    def _affine(self) -> Affine:
        position = self.tokens[self.at].position
        value = self._sum()
        with self._at(position):
            return Affine.of(value.expr, self.indices.values())

    def _total(self, token: Token) -> Value:
        """Read a sum over ranges of indices, these first; the opening parenthesis is taken already."""
        starts, end = self._arguments()
        if len(starts) < 2:
            self._fail("a sum needs ranges, as in Sum(q[i]**2, (i, 1, 3))", token.position)
        self._enter(token.position)
        outer, limits = dict(self.indices), []
        for start, stop in reversed(list(itertools.pairwise([*starts[1:], end + 1]))):
            self.at = start
            limits.append(self._range(stop - 1))
        before = [set(some) for some in (self.positive, self.nonzero)]
        self.at = starts[0]
        body = self._sum().expr
        if self.at != starts[1] - 1:
            self._fail(
                f"an operator is missing before {self.tokens[self.at].text!r}", self.tokens[self.at].position
            )
        self.at, self.indices = end + 1, outer
        self.depth -= 1
        limits.reverse()
        for some, old in zip((self.positive, self.nonzero), before, strict=True):
            self._for_each(some, old, limits)
        with self._at(token.position):
            return self._stand_in(sp.Sum(body.xreplace(self.meant), *limits))

    def _arguments(self) -> tuple[list[int], int]:
        """Return where the arguments of a call begin, and where it ends, among the tokens."""
        starts, depth, at = [self.at], 0, self.at
        while True:
            token = self.tokens[at]
            if token.kind == "end":
                self._fail("a parenthesis is not closed", self.tokens[self.at - 1].position)
            if token.kind == "op":
                depth += (token.text in "([") - (token.text in ")]")
                if depth < 0:
                    return starts, at
                if token.text == "," and depth == 0:
                    starts.append(at + 1)
            at += 1

    def _range(self, end: int) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
        """Read an index with its limits, up to a token, and let it be known."""
        opened = self.tokens[self.at]
        example = "a range is an index with its first and last value, as in (i, 1, 3)"
        if not self._take("("):
            self._fail(example, opened.position)
        index = self.tokens[self.at]
        self.at += 1
        if index.kind != "name" or not self._take(","):
            self._fail(example, opened.position)
        with self._at(index.position):
            require_index(index.text, {**self.symbols, **self.functions, **self.indices}, self.families)
        if len(self.indices) >= MOST_INDICES:
            self._fail(f"more than {MOST_INDICES} indices around one summand", index.position)
        lower = self._affine()
        if not self._take(","):
            self._fail(example, opened.position)
        upper = self._affine()
        if not self._take(")") or self.at != end:
            self._fail(example, opened.position)
        symbol = index_symbol(index.text)
        self.indices[index.text] = symbol
        return symbol, lower.expression, upper.expression

    def _for_each(self, conditions: dict[sp.Basic, None], old: set[sp.Basic], limits: list[tuple]) -> None:
        """Say of new conditions in indices that they hold for all values of these."""
        bound = {limit[0] for limit in limits}
        for e in [e for e in conditions if e not in old]:
            meant = e.xreplace(self.meant)
            if meant.free_symbols & bound:
                del conditions[e]
                conditions[for_each(meant, limits)] = None

    def _stand_in(self, e: sp.Expr) -> Value:
        if isinstance(e, sp.Symbol):
            return Value(e, 1)
        symbol = stand_in(e)
        self.meant[symbol] = e
        return Value(symbol, 1)

    @contextmanager
    def _at(self, position: int) -> Iterator[None]:
        """Give errors about sums their place."""
        try:
            yield
        except FormulaError as error:
            if error.position is not None:
                raise
            self._fail(str(error), position)
