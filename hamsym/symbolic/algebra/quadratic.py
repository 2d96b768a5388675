"""Generators whose brackets are polynomials in them: quadratic algebras of integrals."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import sympy as sp

from hamsym.errors import HamsymError
from hamsym.symbolic.algebra.arguments import stops
from hamsym.symbolic.algebra.closing import Closing
from hamsym.symbolic.algebra.invariants import number
from hamsym.symbolic.algebra.level_sets import LevelSets
from hamsym.symbolic.algebra.polynomials import Polynomials, expression
from hamsym.symbolic.formula.text import shorten, to_text

#: Names of algebras by the degree of their brackets.
_KINDS = {2: "quadratic", 3: "cubic"}
#: Brackets that are written out.
MAX_LINES = 12


class Quadratic(LevelSets):
    """What a set of generators has to say where brackets are products of generators."""

    given: tuple[sp.Expr, ...]
    budget: float
    _hamiltonian: sp.Expr | None

    @abstractmethod
    def _of(self, given: tuple[sp.Expr, ...]) -> Any:
        """Return the algebra of some of the generators."""

    @cached_property
    def generator_symbols(self) -> tuple[sp.Symbol, ...]:
        """Symbols X1, X2, … that stand for the generators in :attr:`products` and :attr:`polynomial_brackets`."""
        return tuple(sp.Symbol(f"X{i + 1}", real=True) for i in range(self.dimension))

    @cached_property
    def products(self) -> dict[sp.Expr, sp.Expr]:
        """Generators that are polynomials of degree 2 or 3 in the others, with these in :attr:`generator_symbols`.

        Each equation is proved; relations of higher degree, and those among very many generators, are not looked for.

        Raises:
            UndecidedError: if the budget is used up.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> space = PhaseSpace.standard(1)
            >>> LieAlgebra(["q1*p1", "p1", "q1*p1**2 - p1"], space).products
            {p1**2*q1 - p1: X1*X2 - X2}
        """
        with self._budgeted(self.budget):
            return self._find_products()

    @cached_property
    def polynomial_brackets(self) -> dict[tuple[int, int], sp.Expr]:
        """All brackets that are not 0, as polynomials in the generators, where every one is; else an empty dict.

        Keys (i, j) with i < j count generators from 0; the Hamiltonian that was passed is written as
        :attr:`level_symbol`.  Each equation is proved.  Where the generators satisfy relations, it is one of many.

        Raises:
            UndecidedError: if the budget is used up.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> A = LieAlgebra(["q1**2", "p1**3", "p1"], PhaseSpace.standard(1))
            >>> A.polynomial_brackets
            {}
            >>> A = LieAlgebra(["q1", "q1**2*p1"], PhaseSpace.standard(1))
            >>> A.polynomial_brackets
            {(0, 1): X1**2}
        """
        with self._budgeted(self.budget):
            return self._find_brackets()

    @property
    def without_products(self) -> Any:
        """The Lie algebra of the generators that are no polynomials in others.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> space = PhaseSpace("x y z", "px py pz")
            >>> L = ["y*pz - z*py", "z*px - x*pz", "x*py - y*px"]
            >>> A = LieAlgebra([*L, "x", "y", "z", f"({L[0]})**2 + ({L[1]})**2 + ({L[2]})**2"], space)
            >>> A.closes, A.without_products.name
            (False, 'e(3)')
        """
        if not self.products:
            return self
        return self._of(tuple(g for g in self.generators if g not in self.products))

    # -- finding them ----------------------------------------------------------------------------------

    def _budgeted(self, seconds: float) -> Any:
        return _Budgeted(self, seconds)

    @cached_property
    def _polynomials(self) -> Polynomials:
        closing, functions = self._closing, self._functions
        elements = list(closing.basis)
        if self._hamiltonian is not None and self._hamiltonian not in self.generators:
            h = functions.tower.reduce(functions.converter.convert(self._hamiltonian))
            elements.append(h)
        return Polynomials(functions, elements, dict(zip(closing.outside, closing.missing, strict=True)))

    def _find_products(self) -> dict[sp.Expr, sp.Expr]:
        if not self.given or not self._closing.outside:
            return {}
        found, critical = self._polynomials, dict(self._functions.critical)
        symbols = (*self.generator_symbols, self.level_symbol)
        left_out: list[int] = []
        products = {}
        candidates = [k for k in found.candidates() if k < self.dimension]
        for k in sorted(candidates, key=lambda k: -len(str(self.generators[k]))):
            polynomial = found.of_member(k, left_out)
            if polynomial is not None:
                left_out.append(k)
                products[self.generators[k]] = expression(polynomial, symbols, number)
        self._functions.critical = critical
        return products

    def _find_brackets(self) -> dict[tuple[int, int], sp.Expr]:
        if not self.given or not self._closing.outside:
            return {}
        found, critical = self._polynomials, dict(self._functions.critical)
        symbols = (*self.generator_symbols, self.level_symbol)
        brackets: dict[tuple[int, int], sp.Expr] = {}
        for pair in self._closing.outside:
            polynomial = found.of_bracket(pair)
            if polynomial is None:
                brackets = {}
                break
            brackets[pair] = expression(polynomial, symbols, number)
        else:
            units = [*self.generator_symbols, sp.Integer(1), *brackets.values()]
            linear = {pair: vector for pair, vector in self._closing.expanded.items() if vector}
            for pair, vector in linear.items():
                brackets[pair] = sp.expand(sp.Add(*(number(c) * units[k] for k, c in vector.items())))
        self._functions.critical = critical
        return dict(sorted(brackets.items()))

    def _is_product(self, closing: Closing) -> bool:
        """Whether a bracket that leaves the span is one of a product of generators that do not commute with all.

        Then coefficients that depend on a central function do not help, and none is looked for.
        """
        self._closing = closing
        found = self.__dict__["products"] = self._find_products()
        moving = {self.generator_symbols[k] for pair in closing.nonzero for k in pair}
        for g, polynomial in found.items():
            k = self.generators.index(g)
            if any(k in pair for pair in closing.outside) and sp.Poly(polynomial, *moving).total_degree() > 1:
                return True
        return False

    # -- for people and programs -----------------------------------------------------------------------

    def _polynomial_facts(self, seconds: float) -> dict[str, Any]:
        """Return what can be said in so much time."""
        if not self.given or not self._closing.outside:
            return {}
        try:
            with self._budgeted(min(seconds, self.budget)):
                if "products" not in self.__dict__:
                    self.__dict__["products"] = self._find_products()
                if "polynomial_brackets" not in self.__dict__:
                    self.__dict__["polynomial_brackets"] = self._find_brackets()
        except HamsymError:
            pass  # what was found until then is told
        products: dict[sp.Expr, sp.Expr] = self.__dict__.get("products", {})
        brackets: dict[tuple[int, int], sp.Expr] = self.__dict__.get("polynomial_brackets", {})
        return {
            "products": {to_text(g): to_text(e) for g, e in products.items()},
            "polynomial_brackets": {f"{i},{j}": to_text(e) for (i, j), e in brackets.items()},
        }

    @property
    def kind(self) -> str:
        """``"quadratic algebra"`` or ``"cubic algebra"`` where all brackets are polynomials, or an empty text."""
        brackets = self.__dict__.get("polynomial_brackets")
        if not brackets:
            return ""
        symbols = (*self.generator_symbols, self.level_symbol)
        degree = max(sp.Poly(e, *symbols).total_degree() for e in brackets.values())
        return f"{_KINDS.get(degree, 'polynomial')} algebra"

    def _polynomial_lines(self) -> Iterator[str]:
        """Write what was found by :meth:`_polynomial_facts`."""
        products: dict[sp.Expr, sp.Expr] = self.__dict__.get("products", {})
        for g, e in products.items():
            k = self.generators.index(g)
            yield f"{self.generator_symbols[k]} = {shorten(to_text(e))} is a polynomial in the other generators"
        if products:
            yield "leave such products out, as .without_products does: their brackets are products again"
        brackets: dict[tuple[int, int], sp.Expr] = self.__dict__.get("polynomial_brackets", {})
        if brackets:
            yield f"the brackets are polynomials in the generators, a {self.kind}; not linear are"
            symbols = self.generator_symbols
            curved = [(pair, e) for pair, e in brackets.items() if sp.Poly(e, *symbols).total_degree() > 1]
            for (i, j), e in curved[:MAX_LINES]:
                yield f"  {{{symbols[i]}, {symbols[j]}}} = {shorten(to_text(e))}"
            if len(curved) > MAX_LINES:
                yield f"  … and {len(curved) - MAX_LINES} more"
            if any(e.has(self.level_symbol) for e in brackets.values()):
                yield f"where {self.level_symbol} is the Hamiltonian"


class _Budgeted:
    """Gives work its own deadline, and what stops it as an error that a user can act on."""

    def __init__(self, owner: Quadratic, seconds: float) -> None:
        self.owner, self.seconds = owner, seconds
        self.stops = stops("the search for polynomials")

    def __enter__(self) -> None:
        if self.owner.given:
            self.owner._functions.restart(self.seconds)

    def __exit__(self, *what: Any) -> None:
        if self.owner.given:
            self.owner._functions.restart(math.inf)
        self.stops.__exit__(*what)
