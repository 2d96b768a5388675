"""The level sets of a central function: one Lie algebra for each value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import sympy as sp

from hamsym.errors import SymmetryError
from hamsym.symbolic.algebra.arguments import level_value
from hamsym.symbolic.algebra.closing import Closing
from hamsym.symbolic.algebra.display import Display
from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.invariants import number, rational_number
from hamsym.symbolic.algebra.levels import Case, cases
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Structure


class LevelSets(Display):
    """What a Lie algebra has to say where its structure constants are polynomials in a central function h."""

    space: Space
    _functions: Functions
    _closing: Closing

    @classmethod
    @abstractmethod
    def _abstract(
        cls, structure: Structure, basis: tuple[sp.Expr, ...], parent: LevelSets, value: sp.Rational
    ) -> Any:
        """Return the algebra with given structure constants, on the level set of another one."""

    @abstractmethod
    def with_parameters(self, values: Mapping[Any, Any]) -> Any:
        """Return the algebra at values of parameters."""

    @cached_property
    def level(self) -> sp.Rational | None:
        """The value of the central function at which the invariants are given, or None."""
        if self.coefficients_depend_on is None:
            return None
        borders = {c.value for c in self.cases if c.is_border}
        value = sp.Rational(-1, 2)
        return value if value not in borders else next(c.value for c in self.cases if not c.is_border)

    def at(self, value: Any) -> LevelSets:
        """Return the algebra on the level set h = value of the central function, or at values of parameters.

        Arguments:
            value: an exact number (integer, fraction, sympy rational) or a float, taken as a decimal; or a mapping
                of names of parameters to such numbers, as for :meth:`with_parameters`.

        Raises:
            SymmetryError: if the coefficients depend on no central function.
            ParameterError: if the value is no finite number.

        Example:
            >>> from hamsym import Hamiltonian, LieAlgebra, PhaseSpace, runge_lenz
            >>> H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
            >>> A = LieAlgebra([*runge_lenz(H), "q1*p2 - q2*p1"], H.space, hamiltonian=H)
            >>> A.at(-0.5).name, A.at(1).name
            ('so(3)', 'sl(2,R)')
        """
        if isinstance(value, Mapping):
            return self.with_parameters(value)
        if self.coefficients_depend_on is None:
            raise SymmetryError(
                "no coefficient depends on a central function, so there is no level to choose; "
                "values of parameters are given by name, as .at({'a': 1})"
            )
        exact = level_value(value)
        basis = (*self.generators, *self.adjoined)
        return self._abstract(self._closing.at(rational_number(exact)), basis, self, exact)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The isomorphism class by the value of the central function h; empty if there is none."""
        return () if self.coefficients_depend_on is None else cases(self._closing, self._functions)

    @cached_property
    def level_symbol(self) -> sp.Symbol:
        """The symbol that stands for the central function in brackets: h, or h_ where the space has an h."""
        taken = self.space.symbols
        return sp.Symbol(next(name for name in ("h", "h_", "h__") if name not in taken), real=True)

    def entries(self, i: int, j: int) -> dict[int, sp.Expr]:
        if self.coefficients_depend_on is None:
            return super().entries(i, j)
        sign, pair = (1, (i, j)) if i < j else (-1, (j, i))
        found: dict[int, sp.Expr] = {}
        for a, part in enumerate(self._closing.powers):
            for k, c in part.get(pair, {}).items():
                found[k] = found.get(k, sp.S.Zero) + sign * number(c) * self.level_symbol**a
        return {k: c for k, c in sorted(found.items()) if c != 0}
