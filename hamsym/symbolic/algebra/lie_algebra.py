"""LieAlgebra: the algebra that phase-space functions generate under the Poisson bracket."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sympy as sp
from flint import fmpq

from hamsym.errors import SymmetryError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.algebra.arguments import require, space_of, stops
from hamsym.symbolic.algebra.closing import Closing, close
from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.independence import proved_independent
from hamsym.symbolic.algebra.invariants import number, rational_number
from hamsym.symbolic.algebra.level_sets import LevelSets
from hamsym.symbolic.algebra.scalars import rational
from hamsym.symbolic.bracket import Formula, budget_seconds
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Structure

#: The dimension up to which a closure is followed.
MAX_DIMENSION = 64
#: Seconds that a representation may spend on a closure; asking for an invariant spends the whole budget.
DISPLAY_SECONDS = 2.0


class LieAlgebra(LevelSets):
    """The Lie algebra spanned by phase-space functions, exactly.

    Linear combinations are over the reals with exact coefficients: rational and irrational constants, and functions
    of the space's parameters.  With parameters, every statement holds for generic values of them.

    Where the generators do not close, the structure constants and all invariants describe the smallest algebra that
    was found around them, and :attr:`describes` says which: with the constant 1 adjoined; or on the level set
    h = -1/2 of a central function h (bound motion, where h is an energy); or the closure under repeated brackets.

    Arguments:
        generators: texts, sympy expressions or generators; at most 200.
        space: the phase space or Lie–Poisson space.
        hamiltonian: a function that commutes with the generators, on which coefficients may depend; without it,
            one is looked for among the ratios of brackets and generators.
        budget: seconds after which the work stops with an error.

    Attributes:
        generators: the independent generators, in the order given.
        basis: the basis that structure constants and invariants refer to: the generators and what was adjoined.
        dimension: number of independent generators.
        closes: whether exactly these generators close, without functions in the coefficients.
        dependent: the generators that were linear combinations of the others.
        dependences: position of a dependent generator to its combination, as generator -> coefficient.
        adjoined: what was added to the generators to close the algebra.
        missing: brackets of generators that leave their span, each independent of the ones before.
        coefficients_depend_on: the central function h that structure constants depend on, or None.

    Raises:
        FormulaError: for formulas that are refused.
        SymmetryError: for no generators, too many, or none that is not zero.
        UndecidedError: if the budget is used up.

    Source: Goldstein, Classical Mechanics, section 9.7; Jacobson, Lie Algebras, for the invariants.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace("x y z", "px py pz")
        >>> A = LieAlgebra(["y*pz - z*py", "z*px - x*pz", "x*py - y*px"], space)
        >>> A.closes, A.killing_signature, A.name, A.casimirs(2)
        (True, (0, 3, 0), 'so(3)', [X1**2 + X2**2 + X3**2])
        >>> A = LieAlgebra(["x", "px"], space)
        >>> A.closes, A.adjoined, A.name
        (False, (1,), 'h_3')
    """

    given: tuple[sp.Expr, ...]
    budget: float
    _hamiltonian: sp.Expr | None
    _critical: tuple[sp.Expr, ...]

    def __init__(
        self,
        generators: Sequence[Formula],
        space: Space,
        *,
        hamiltonian: Formula | None = None,
        budget: float = 30.0,
    ) -> None:
        require(generators, space)
        self.space = space
        self.budget = budget_seconds(budget)
        given = [space.express_with_domain(g) for g in generators]
        self.given = tuple(e for e, _ in given)
        domains = [d for _, d in given]
        self._hamiltonian = None
        if hamiltonian is not None:
            self._hamiltonian, of_h = space.express_with_domain(hamiltonian)
            domains.append(of_h)
        positive = [space.express(e) for d in domains for e in d.positive]
        with stops("the brackets of the generators"):
            everything = [*self.given, *([] if self._hamiltonian is None else [self._hamiltonian])]
            self._functions = Functions(space, everything, positive, tw.Clock(self.budget))
            self._find_basis()
            self._functions.restart()

    def _find_basis(self) -> None:
        functions, count = self._functions, len(self.given)
        elements = [functions.tower.reduce(e) for e in functions.elements[:count]]
        settled = functions.is_heavy and proved_independent(functions.space, self.given)
        found = {} if settled else functions.dependences(elements)
        independent = [i for i in range(count) if i not in found]
        if not independent:
            raise SymmetryError("every generator is zero; a Lie algebra needs one that is not")
        self.generators = tuple(self.given[i] for i in independent)
        self.dimension = len(independent)
        self.dependent = tuple(self.given[i] for i in found)
        self.dependences = {
            i: {self.given[j]: number(c) for j, c in combination.items()} for i, combination in found.items()
        }
        closing = close(functions, [elements[i] for i in independent], self._hamiltonian)
        self._closing = closing
        found_critical = map(functions.expression, functions.critical.values())
        self._critical = tuple(e for e in found_critical if not e.is_nonzero)
        self.closes = not closing.missing and not closing.adjoined
        self.coefficients_depend_on = closing.central

    @classmethod
    def from_structure_constants(cls, constants: Sequence[Sequence[Sequence[Any]]]) -> LieAlgebra:
        """Return the abstract Lie algebra with given structure constants.

        Arguments:
            constants: c[i][j][k] with [X_i, X_j] = Σ_k c[i][j][k] X_k, shape (n, n, n), exact rational numbers.

        Returns:
            The algebra of the coordinates X1, X2, … of the Lie–Poisson space with these constants.

        Raises:
            SpaceError: for another shape, entries that are no exact numbers, and constants that are not antisymmetric
                or violate the Jacobi identity.

        Example:
            >>> affine = [[[0, 0], [0, 1]], [[0, -1], [0, 0]]]
            >>> LieAlgebra.from_structure_constants(affine).name
            'aff(1)'
        """
        space = space_of(constants)
        return cls(space.coordinates, space)

    @classmethod
    def _abstract(
        cls, structure: Structure, describes: str, basis: tuple[sp.Expr, ...], space: Space
    ) -> LieAlgebra:
        made = cls.__new__(cls)
        made.space, made.given, made._hamiltonian = space, (), None
        made.__dict__["structure"] = structure
        made.__dict__["describes"] = describes
        made.__dict__["basis"] = basis
        made.__dict__["missing"] = ()
        made.__dict__["adjoined"] = ()
        made.generators, made._critical = made.basis, ()
        made.dimension, made.closes = structure.dimension, True
        made.dependent, made.dependences, made.coefficients_depend_on = (), {}, None
        return made

    # -- what the generators close to ------------------------------------------------------------------

    @cached_property
    def missing(self) -> tuple[sp.Expr, ...]:
        """Brackets of generators that leave their span, each independent of the ones before."""
        ones = (sp.Integer(1),) if self._closing.adjoined else ()
        return (*ones, *(self._functions.expression(b) for b in self._closing.missing))

    @property
    def critical(self) -> tuple[sp.Expr, ...]:
        """Functions of the parameters such that dimension and closure are as found wherever none of them vanishes.

        The invariants hold for generic values of the parameters and may change at others too.

        Example:
            >>> from hamsym import PhaseSpace
            >>> LieAlgebra(["q1", "a*q1 + b*p1"], PhaseSpace.standard(1, parameters={"a": "real", "b": "real"})).critical
            (b,)
        """
        return self._critical

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

    def _prepare_display(self) -> None:
        if "structure" not in self.__dict__ and "_closed" not in self.__dict__:
            self.__dict__["_closed"] = self._close(min(self.budget, DISPLAY_SECONDS))

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
            return f"the level set h = {self.level} of h = {self.coefficients_depend_on}"
        if not self._closing.missing:
            return "the generators with the constant 1 adjoined"
        return f"the closure under repeated brackets, of dimension {self._closed.size}"

    @cached_property
    def closure(self) -> LieAlgebra:
        """The smallest Lie algebra that contains the generators.

        Raises:
            SymmetryError: if it has more than 64 dimensions.
        """
        if self.closes:
            return self
        if self.coefficients_depend_on is not None:
            raise SymmetryError(
                "over the numbers the closure is infinite: the coefficients depend on "
                f"h = {self.coefficients_depend_on}; use .at(value) or .cases"
            )
        return LieAlgebra(self.basis, self.space, budget=self.budget)

    # -- back to functions -----------------------------------------------------------------------------

    def function(self, polynomial: sp.Expr) -> sp.Expr:
        """Return a polynomial in :attr:`symbols`, for example a Casimir invariant, as a function on the space.

        Example:
            >>> from hamsym import PhaseSpace
            >>> A = LieAlgebra(["p1", "q1*p1", "q1**2*p1"], PhaseSpace.standard(1))
            >>> A.casimirs(2), A.function(A.casimirs(2)[0])
            ([X1*X3 - X2**2], 0)
        """
        return polynomial.xreplace(dict(zip(self.symbols, self.basis, strict=True)))
