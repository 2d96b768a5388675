"""What the structure constants of a Lie algebra say about it, exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import sympy as sp
from flint import fmpq

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, SymmetryError
from hamsym.symbolic.algebra.scalars import Scalar
from hamsym.symbolic.lie_names import name_of
from hamsym.symbolic.structure import (
    Structure,
    cartan_subalgebra,
    casimirs,
    direct_sum,
    killing_form,
    levi_subalgebra,
    nilradical,
    radical,
    signature,
)
from hamsym.symbolic.tower.certificate import Reader

#: Monomials in Sym^d up to which Casimir invariants are computed.
MAX_MONOMIALS = 20_000


class Invariants(ABC):
    """Invariants of a Lie algebra; all are exact, and generic where parameters occur."""

    @property
    @abstractmethod
    def structure(self) -> Structure:
        """The structure constants that the invariants belong to."""

    @property
    def reference(self) -> Structure:
        """The same algebra in a basis that may be simpler; invariants are computed there."""
        return self.structure

    @cached_property
    def structure_constants(self) -> tuple[tuple[tuple[sp.Expr, ...], ...], ...]:
        """``c[i][j][k]`` with {X_i, X_j} = Σ_k c[i][j][k] X_k, as exact sympy numbers."""
        n, zero = self.structure.dimension, sp.Integer(0)
        return tuple(
            tuple(tuple(number(v[k]) if k in v else zero for k in range(n)) for v in row)
            for row in self.structure.ad
        )

    @property
    def center_dimension(self) -> int:
        """Dimension of the centre."""
        return self.reference.centre.dimension

    @property
    def derived_dimension(self) -> int:
        """Dimension of the derived algebra [L, L]."""
        return self.reference.derived.dimension

    @property
    def derived_series(self) -> tuple[int, ...]:
        """Dimensions of L, [L, L], [[L, L], [L, L]], … until they repeat or vanish."""
        return tuple(step.dimension for step in self.reference.derived_series)

    @property
    def lower_central_series(self) -> tuple[int, ...]:
        """Dimensions of L, [L, L], [L, [L, L]], … until they repeat or vanish."""
        return tuple(step.dimension for step in self.reference.lower_central_series)

    @cached_property
    def killing_form(self) -> sp.Matrix:
        """The symmetric matrix K_ij = trace(ad_i ad_j)."""
        n, form = self.structure.dimension, killing_form(self.structure)
        return sp.ImmutableMatrix(n, n, lambda i, j: number(form[i][j]) if j in form[i] else sp.Integer(0))

    @cached_property
    def killing_signature(self) -> tuple[int, int, int]:
        """(n_plus, n_minus, n_zero) of the Killing form, by congruence over the rationals.

        Raises:
            UndecidedError: if it depends on the values of parameters.
        """
        return signature(killing_form(self.reference))

    @cached_property
    def radical_dimension(self) -> int:
        """Dimension of the largest solvable ideal."""
        return radical(self.reference).dimension

    @cached_property
    def nilradical_dimension(self) -> int:
        """Dimension of the largest nilpotent ideal."""
        return nilradical(self.reference).dimension

    @cached_property
    def rank(self) -> int:
        """Dimension of the Cartan subalgebras."""
        return cartan_subalgebra(self.reference).dimension

    @cached_property
    def levi_factor(self) -> tuple[sp.Expr, ...]:
        """A basis of a semisimple subalgebra that complements the radical, in :attr:`symbols`."""
        return tuple(
            sp.Add(*(number(c) * self.symbols[i] for i, c in sorted(v.items())))
            for v in levi_subalgebra(self.structure)
        )

    @cached_property
    def levi_name(self) -> str | None:
        """The name of the algebra modulo its radical; None if there is none, or if nothing is left."""
        factor = self.reference.quotient(radical(self.reference))
        return name_of(factor) if factor.dimension else None

    @property
    def is_abelian(self) -> bool:
        """Whether all brackets vanish."""
        return self.derived_dimension == 0

    @property
    def is_nilpotent(self) -> bool:
        """Whether the lower central series ends at zero."""
        return self.reference.is_nilpotent

    @property
    def is_solvable(self) -> bool:
        """Whether the derived series ends at zero."""
        return self.reference.is_solvable

    @property
    def is_semisimple(self) -> bool:
        """Whether there is no solvable ideal (the Killing form is nondegenerate)."""
        return self.reference.dimension > 0 and self.radical_dimension == 0

    @cached_property
    def is_simple(self) -> bool:
        """Whether it is not abelian and has no ideals over the rationals but itself and zero."""
        return self.is_semisimple and len(direct_sum(self.reference)) == 1

    @cached_property
    def ideals(self) -> tuple[int, ...]:
        """Dimensions of ideals whose direct sum is the algebra, as fine as was found over the rationals."""
        return tuple(sorted(part.dimension for part in direct_sum(self.reference)))

    @cached_property
    def name(self) -> str | None:
        """The name of the algebra where its invariants prove the isomorphism class over the reals, else None."""
        return name_of(self.reference)

    def is_isomorphic_to(self, other: Invariants) -> bool | None:
        """Tell whether another Lie algebra is isomorphic over the reals; None where the invariants at hand do not say.

        Arguments:
            other: another algebra.

        Raises:
            SymmetryError: for anything else.

        Example:
            >>> from hamsym import LieAlgebra, LiePoissonSpace, PhaseSpace
            >>> rotor = LieAlgebra(["L1", "L2", "L3"], LiePoissonSpace("L1 L2 L3", "so3"))
            >>> line = PhaseSpace.standard(1)
            >>> rotor.is_isomorphic_to(LieAlgebra(["p1", "q1*p1", "q1**2*p1"], line))
            False
            >>> rotor.is_isomorphic_to(rotor.closure)
            True
        """
        if not isinstance(other, Invariants):
            raise SymmetryError(f"a Lie algebra is compared with another LieAlgebra, not with {shown(other)}")
        if self._fingerprint() != other._fingerprint():
            return False
        if self.structure.dimension == other.structure.dimension and self.name == other.name is not None:
            return True
        return None

    def _fingerprint(self) -> tuple[object, ...]:
        """Return numbers that isomorphic algebras share."""
        return (
            self.structure.dimension,
            self.center_dimension,
            self.derived_series,
            self.lower_central_series,
            self.killing_signature,
            self.rank,
            self.nilradical_dimension,
            len(self.casimirs(2)),
        )

    @cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """Symbols X1, X2, … that stand for the basis elements in Casimir invariants."""
        return tuple(sp.Symbol(f"X{i + 1}", real=True) for i in range(self.structure.dimension))

    def casimirs(self, degree: int) -> list[sp.Expr]:
        """Return a basis of the invariant homogeneous polynomials of a degree in the basis elements.

        Products of invariants of lower degree are among them.

        Arguments:
            degree: d >= 1.

        Returns:
            Polynomials in :attr:`symbols`; an empty list if there is none.

        Raises:
            ParameterError: for a degree that is no positive integer, or too large for this dimension.

        Source: Dixmier, Enveloping Algebras, section 2.4.

        Example:
            >>> from hamsym import LieAlgebra, LiePoissonSpace
            >>> LieAlgebra(["L1", "L2", "L3"], LiePoissonSpace("L1 L2 L3", "so3")).casimirs(2)
            [X1**2 + X2**2 + X3**2]
        """
        degree = integer("the degree of a Casimir invariant", degree, minimum=1)
        n = self.structure.dimension
        size = int(sp.binomial(n + degree - 1, degree))
        if size > MAX_MONOMIALS:
            raise ParameterError(
                f"degree {degree} in {n} basis elements has {size} monomials, more than {MAX_MONOMIALS}; "
                "ask for a lower degree"
            )
        return [
            sp.Add(*(number(c) * sp.Mul(*(self.symbols[i] for i in m)) for m, c in invariant.items()))
            for invariant in casimirs(self.structure, degree)
        ]


def number(c: Any) -> sp.Expr:
    """Return an exact scalar as a sympy expression.

    Example:
        >>> number(fmpq(-2, 3))
        -2/3
    """
    if isinstance(c, Scalar):
        return Reader(c.tower, {}).expand(c.element)
    c = fmpq(c)
    return sp.Rational(int(c.p), int(c.q))


def rational_number(c: sp.Rational) -> fmpq:
    """Return a sympy rational as a scalar.

    Example:
        >>> rational_number(sp.Rational(-2, 3))
        -2/3
    """
    return fmpq(int(c.p), int(c.q))
