"""What Hamiltonians, generators and Lagrangians share: an expression, its space, and how both are written."""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.space import Space


class SpaceFunction:
    """A function on a space.

    Arguments:
        expression: formula as text or sympy expression.
        space: the space whose names it uses.

    Attributes:
        expr: the sympy expression.
        space: the space.
        domain: what must hold for the formula as it was written and does not show in the expression.

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
        self.expr, self.domain = space.express_with_domain(expression)

    @property
    def text(self) -> str:
        """The formula as text that parses back to the same expression."""
        return to_text(self.expr)

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
        return (self.expr, self.space) == (other.expr, other.space)

    def __hash__(self) -> int:
        return hash((self.expr, self.space))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shorten(self.text)!r}, {self.space!r})"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.letter} = {sp.latex(self.expr)}$"
