"""LieAlgebra: the algebra that phase-space functions generate under the Poisson bracket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import sympy as sp

from hamsym.errors import SymmetryError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.algebra.arguments import in_symbols, require, space_of, stops
from hamsym.symbolic.algebra.closed import Closed
from hamsym.symbolic.algebra.closing import close
from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.independence import proved_independent
from hamsym.symbolic.algebra.invariants import number
from hamsym.symbolic.algebra.level_sets import LevelSets
from hamsym.symbolic.algebra.parameters import put_in, values_of
from hamsym.symbolic.bracket import Formula, budget_seconds
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Structure


class LieAlgebra(Closed):
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

    _hamiltonian: sp.Expr | None
    _positive: tuple[sp.Expr, ...]
    _origin: tuple[LevelSets, sp.Rational] | None

    def __init__(
        self,
        generators: Sequence[Formula],
        space: Space,
        *,
        hamiltonian: Formula | None = None,
        budget: float = 30.0,
    ) -> None:
        require(generators, space)
        given = [space.express_with_domain(g) for g in generators]
        domains, h = [d for _, d in given], None
        if hamiltonian is not None:
            h, of_h = space.express_with_domain(hamiltonian)
            domains.append(of_h)
        positive = tuple(space.express(e) for d in domains for e in d.positive)
        self._begin(space, tuple(e for e, _ in given), h, positive, budget_seconds(budget))

    def _begin(
        self,
        space: Space,
        given: tuple[sp.Expr, ...],
        hamiltonian: sp.Expr | None,
        positive: tuple[sp.Expr, ...],
        budget: float,
    ) -> None:
        self.space, self.given, self.budget = space, given, budget
        self._hamiltonian, self._positive, self._origin = hamiltonian, positive, None
        with stops("the brackets of the generators"):
            everything = [*given, *([] if hamiltonian is None else [hamiltonian])]
            self._functions = Functions(space, everything, positive, tw.Clock(budget))
            self._find_basis()
            self._functions.restart()

    @classmethod
    def _again(cls, *parts: Any) -> LieAlgebra:
        made = cls.__new__(cls)
        made._begin(*parts)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Give pickle what the algebra was made of; a copy computes the rest again."""
        if self._origin is not None:
            return LevelSets.at, self._origin
        return type(self)._again, (self.space, self.given, self._hamiltonian, self._positive, self.budget)

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
        closing = close(
            functions, [elements[i] for i in independent], self._hamiltonian, hopeless=self._is_product
        )
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

    def _of(self, given: tuple[sp.Expr, ...]) -> LieAlgebra:
        return self._again(self.space, given, self._hamiltonian, self._positive, self.budget)

    @classmethod
    def _abstract(
        cls, structure: Structure, basis: tuple[sp.Expr, ...], parent: LevelSets, value: sp.Rational
    ) -> LieAlgebra:
        made = cls.__new__(cls)
        made.space, made.given, made._hamiltonian = parent.space, (), None
        made._origin = (parent, value)
        made.__dict__["structure"] = structure
        made.__dict__["describes"] = f"the level set h = {value}"
        made.__dict__["basis"] = basis
        made.__dict__["missing"] = ()
        made.__dict__["adjoined"] = ()
        made.generators, made._critical = made.basis, ()
        made.dimension, made.closes = structure.dimension, True
        made.dependent, made.dependences, made.coefficients_depend_on = (), {}, None
        return made

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
                f"h = {shorten(to_text(self.coefficients_depend_on), 80)}; use .at(value) or .cases"
            )
        return LieAlgebra(self.basis, self.space, budget=self.budget)

    def with_parameters(self, values: Mapping[Any, Any]) -> LieAlgebra:
        """Return the algebra of the same generators at values of some parameters.

        Arguments:
            values: names of parameters to exact numbers, or floats, taken as decimals.

        Raises:
            ParameterError: for unknown names, values that were excluded, and generators that are not finite there.

        Example:
            >>> from hamsym import PhaseSpace
            >>> A = LieAlgebra(["x*py - a*y*px", "px", "py"], PhaseSpace("x y", "px py", parameters={"a": "real"}))
            >>> A.with_parameters({"a": 4}).name, A.with_parameters({"a": -4}).name
            ('e(2)', 'iso(1,1)')
        """
        exact = values_of(self.space, values)
        h = None if self._hamiltonian is None else put_in(self._hamiltonian, exact)
        given = tuple(put_in(e, exact) for e in self.given)
        positive = tuple(e for e in (put_in(p, exact) for p in self._positive) if not e.is_number)
        if not given:
            raise SymmetryError("this algebra is given by numbers; choose the parameters before the level")
        return self._again(self.space, given, h, positive, self.budget)

    # -- back to functions -----------------------------------------------------------------------------

    def function(self, polynomial: Formula) -> sp.Expr:
        """Return a polynomial in :attr:`symbols`, for example a Casimir invariant, as a function on the space.

        Arguments:
            polynomial: text or expression in the symbols X1, X2, … of the basis and in parameters.

        Raises:
            FormulaError: for anything else.

        Example:
            >>> from hamsym import PhaseSpace
            >>> A = LieAlgebra(["p1", "q1*p1", "q1**2*p1"], PhaseSpace.standard(1))
            >>> A.casimirs(2), A.function(A.casimirs(2)[0])
            ([X1*X3 - X2**2], 0)
        """
        written = in_symbols(polynomial, self.symbols, self.space)
        return written.xreplace(dict(zip(self.symbols, self.basis, strict=True)))
