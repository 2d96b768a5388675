"""Integer-affine expressions in the indices of a sum: what limits and subscripts are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.text import shorten

#: The largest integer in a subscript or limit.
LARGEST = 10**12


@dataclass(frozen=True)
class Affine:
    """An integer plus integer multiples of indices.

    Attributes:
        constant: the integer.
        strides: index to its multiple, without zeros.

    Example:
        >>> i = sp.Symbol("i", integer=True)
        >>> Affine.of(2*i + 3, [i]).at({i: 5})
        13
    """

    constant: int
    strides: Mapping[sp.Symbol, int]

    @classmethod
    def of(cls, expression: sp.Expr, indices: Collection[sp.Symbol]) -> Affine:
        """Read a sympy expression.

        Raises:
            FormulaError: if it is something else.
        """
        constant, strides = 0, dict.fromkeys(indices, 0)
        for term in sp.Add.make_args(expression if expression.is_Atom else sp.expand_mul(expression)):
            number, rest = term.as_coeff_Mul()
            if not number.is_Integer or not (rest == 1 or rest in strides):
                names = ", ".join(s.name for s in indices) or "none here"
                raise FormulaError(
                    f"{shorten(str(expression), 60)} is not made of integers and integer multiples of the indices ({names}), "
                    "as limits of sums and subscripts are"
                )
            if abs(number.p) > LARGEST:
                raise FormulaError(f"a subscript or limit is larger than {LARGEST}")
            if rest == 1:
                constant += number.p
            else:
                strides[rest] += number.p
        return cls(constant, {s: k for s, k in strides.items() if k})

    @property
    def expression(self) -> sp.Expr:
        """The sympy expression."""
        return sp.Add(self.constant, *(k * s for s, k in self.strides.items()))

    def at(self, values: Mapping[sp.Symbol, int]) -> int:
        """Return the value where every index has one."""
        return self.constant + sum(k * values[s] for s, k in self.strides.items())

    def __sub__(self, other: Affine) -> Affine:
        return self.plus(other, -1)

    def plus(self, other: Affine, factor: int = 1) -> Affine:
        """Return self + factor·other.

        Example:
            >>> i = sp.Symbol("i", integer=True)
            >>> Affine.of(2*i + 3, [i]).plus(Affine.of(i, [i]), -2)
            Affine(constant=3, strides={})
        """
        strides = dict(self.strides)
        for s, k in other.strides.items():
            strides[s] = strides.get(s, 0) + factor * k
        return Affine(self.constant + factor * other.constant, {s: k for s, k in strides.items() if k})

    def substitute(self, index: sp.Symbol, value: Affine) -> Affine:
        """Return the expression with an index replaced."""
        k = self.strides.get(index, 0)
        rest = Affine(self.constant, {s: c for s, c in self.strides.items() if s != index})
        return rest.plus(value, k) if k else self
