"""What Hamiltonians, generators and Lagrangians share: an expression, its space, and how both are written."""

from __future__ import annotations

from functools import cached_property

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.space import Space


class SpaceFunction:
    """A function on a space.

    Arguments:
        expression: formula as text or sympy expression.
        space: the space whose names it uses.

    Attributes:
        written: the sympy expression as it was written, with its sums.
        space: the space.

    Example:
        >>> from hamsym import Generator, PhaseSpace
        >>> g = Generator("q1*p1", PhaseSpace.standard(1))
        >>> isinstance(g, SpaceFunction), g.to_dict()["expression"], g == Generator("p1*q1", g.space)
        (True, 'p1*q1', True)
    """

    #: The letter that stands for it.
    letter = "f"

    def __init__(self, expression: str | sp.Expr, space: Space) -> None:
        self.space = space
        self.written, self._written_domain = space.written_with_domain(expression)

    @cached_property
    def expr(self) -> sp.Expr:
        """The sympy expression in plain symbols, sums written out when it is first asked for.

        Raises:
            FormulaError: if the sums have too many terms for that, or something is divided by sums that are zero.

        Example:
            >>> from hamsym import Hamiltonian, PhaseSpace
            >>> H = Hamiltonian("Sum(p[i]**2/2, (i, 1, 3))", PhaseSpace.standard(3))
            >>> H.expr, H.written
            (p1**2/2 + p2**2/2 + p3**2/2, Sum(p[i]**2/2, (i, 1, 3)))
        """
        explicit = self.space.written_out(self.written)
        if explicit is not self.written and explicit.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            raise FormulaError(
                f"{shorten(self.text)} is not finite once its sums are written out: it divides by what is zero everywhere"
            )
        return explicit

    @cached_property
    def domain(self) -> Domain:
        """What must hold for the formula as it was written and does not show in the expression."""
        return self.space.domain_written_out(self._written_domain)

    @property
    def text(self) -> str:
        """The formula as text that parses back to the same expression."""
        return to_text(self.written)

    def to_dict(self) -> dict[str, object]:
        """Return ``expression`` as text and ``space`` in types that JSON knows.

        Example:
            >>> from hamsym import Hamiltonian, PhaseSpace
            >>> Hamiltonian("p1**2/2", PhaseSpace.standard(1)).to_dict()["space"]["momenta"]
            ['p1']
        """
        return {"expression": self.text, "space": self.space.to_dict()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpaceFunction) or type(self) is not type(other):
            return NotImplemented
        return (self.written, self.space) == (other.written, other.space)

    def __hash__(self) -> int:
        return hash((self.written, self.space))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shorten(self.text)!r}, {self.space!r})"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.letter} = {sp.latex(self.written)}$"
