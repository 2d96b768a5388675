"""What generators close to: the structure constants that the invariants belong to, and in which basis."""

from __future__ import annotations

from functools import cached_property

import sympy as sp
from flint import fmpq

from hamsym.errors import SymmetryError, UndecidedError
from hamsym.symbolic.algebra.arguments import stops
from hamsym.symbolic.algebra.closing import Closing, close
from hamsym.symbolic.algebra.independence import proved_independent
from hamsym.symbolic.algebra.invariants import rational_number
from hamsym.symbolic.algebra.parameters import conditions
from hamsym.symbolic.algebra.quadratic import Quadratic
from hamsym.symbolic.algebra.scalars import rational
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.structure import Structure

#: The dimension up to which a closure is followed.
MAX_DIMENSION = 64
#: Seconds that a representation may spend on a closure; asking for an invariant spends the whole budget.
DISPLAY_SECONDS = 2.0


class Closed(Quadratic):
    """Generators with their brackets, and the smallest Lie algebra that was found around them."""

    _critical: tuple[sp.Expr, ...]

    @cached_property
    def missing(self) -> tuple[sp.Expr, ...]:
        """Brackets of generators that leave their span, each independent of the ones before."""
        ones = (sp.Integer(1),) if self._closing.adjoined else ()
        return (*ones, *(self._functions.expression(b) for b in self._closing.missing))

    @cached_property
    def critical(self) -> tuple[sp.Expr, ...]:
        """Functions of the parameters such that what was found holds wherever none of them vanishes.

        That is: dimension and closure, and where the generators close, with a 1 if need be, also the dimensions of
        centre and series of ideals and the rank of the Killing form; its signature can change at their zeros only.
        Other invariants hold for generic values of the parameters.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> LieAlgebra(["q1", "a*q1 + b*p1"], PhaseSpace.standard(1, parameters={"a": "real", "b": "real"})).critical
            (b,)
            >>> plane = PhaseSpace("x y", "px py", parameters={"a": "real"})
            >>> A = LieAlgebra(["x*py - a*y*px", "px", "py"], plane)
            >>> A.critical, [A.at({"a": a}).name for a in (-1, 0, 1)]
            ((a,), ['iso(1,1)', 'h_3', 'e(2)'])
        """
        if not self.given or self._closing.missing:
            return self._critical
        tower, found = self._functions.tower, dict.fromkeys(self._critical)
        for c in conditions(self.reference):
            for factor, _ in tower.factored(c.element)[1]:
                written = self._functions.expression(self._functions.monic(factor))
                if not written.is_nonzero and -written not in found:
                    found[written] = None
        return tuple(found)

    @property
    def stopped(self) -> str:
        """Why the search for a central function ended before its end, or an empty text."""
        return self._closing.stopped if self.given else ""

    @cached_property
    def is_certified(self) -> bool:
        """Whether the generators, and a bracket that leaves their span, were proved to be independent.

        Dependences, structure constants and all that follows from them are proved in any case.  Independence rests on
        the tower's knowledge of relations between radicals, exponentials and so on; this proves it by ball arithmetic.
        """
        if not self.given:
            return True
        ones = [sp.Integer(1)] if self._closing.adjoined else []
        return proved_independent(self.space, [*self.generators, *ones], self._closing.outside[:1])

    @cached_property
    def _closed(self) -> Closing:
        """The closure under repeated brackets, where no central function helps."""
        return self._close(self.budget)

    def _close(self, budget: float) -> Closing:
        functions, closing = self._functions, self._closing
        if not closing.missing or closing.central is not None:
            return closing
        functions.restart(budget)
        try:
            with stops("the closure under brackets"):
                while closing.missing:
                    basis = [*closing.basis, *map(functions.monic, closing.missing)]
                    if len(basis) > MAX_DIMENSION:
                        raise SymmetryError(
                            "the brackets of these generators leave their span, and what they generate has more "
                            f"than {MAX_DIMENSION} dimensions, perhaps infinitely many; .missing lists the "
                            "brackets to begin with"
                        )
                    closing = close(functions, basis, None, search=False)
        finally:
            functions.restart()
        return closing

    def _prepare_display(self, known: bool) -> None:
        if "structure" in self.__dict__ or "_closed" in self.__dict__:
            return
        seconds = min(self.budget, DISPLAY_SECONDS / 8 if known else DISPLAY_SECONDS)
        try:
            self.__dict__["_closed"] = self._close(seconds)
        except UndecidedError as error:
            if seconds == self.budget:
                raise
            raise UndecidedError(
                f"no finite closure was found in the {seconds:g} s that a representation takes; "
                f".closure looks for one for up to {self.budget:g} s, and may find none at all"
            ) from error

    @cached_property
    def structure(self) -> Structure:
        """The structure constants that the invariants belong to; see :attr:`describes`.

        Raises:
            SymmetryError: if the generators were not found to close to a finite algebra.
        """
        if self.coefficients_depend_on is not None:
            return self._closing.at(rational_number(self.level))
        return self._closed.structure

    @cached_property
    def reference(self) -> Structure:
        """The algebra in the reduced basis of its span, where parameters that only mix generators drop out."""
        structure = self.structure
        if not self.given or self.coefficients_depend_on is not None:
            return structure
        if all(isinstance(c, fmpq) for v in structure.brackets.values() for c in v.values()):
            return structure
        functions, closed = self._functions, self._closed
        ones = [functions.tower.ring.one] if closed.adjoined else []
        moved = structure.changed(functions.reduced_basis([*closed.basis, *ones]))
        return Structure(
            {pair: {k: rational(c) for k, c in v.items()} for pair, v in moved.brackets.items()},
            moved.dimension,
        )

    @cached_property
    def basis(self) -> tuple[sp.Expr, ...]:
        """The functions that structure constants and invariants refer to."""
        return (*self.generators, *self.adjoined)

    @cached_property
    def adjoined(self) -> tuple[sp.Expr, ...]:
        """What was added to the generators to close the algebra."""
        closed = self._closed
        added = [self._functions.expression(b) for b in closed.basis[self.dimension :]]
        return (*added, *((sp.Integer(1),) if closed.adjoined else ()))

    @cached_property
    def describes(self) -> str:
        """Which algebra the structure constants and invariants belong to, in words."""
        if self.closes:
            return "the span of the generators"
        if self.coefficients_depend_on is not None:
            return (
                f"the level set h = {self.level} of h = {shorten(to_text(self.coefficients_depend_on), 80)}"
            )
        if not self._closing.missing:
            return "the generators with the constant 1 adjoined"
        return f"the closure under repeated brackets, of dimension {self._closed.size}"
