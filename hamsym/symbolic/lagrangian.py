"""A Lagrangian: an expression in coordinates and velocities."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import FormulaError, SpaceError
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.names import Name, name_list
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.function import SpaceFunction
from hamsym.symbolic.phase_space import PhaseSpace


class Lagrangian(SpaceFunction):
    """A Lagrangian function of coordinates, velocities and perhaps time.

    Arguments:
        expression: formula as text or sympy expression in the coordinates, velocities, parameters and time.
        space: the phase space of the coordinates; momenta must not occur.
        velocities: names as text separated by spaces or as a sequence, one for each coordinate; None takes the
            coordinates' names followed by ``dot``.

    Attributes:
        expr: the sympy expression.
        space: the phase space, with the velocities among its parameters.
        velocities: tuple of symbols.

    Raises:
        FormulaError: if the formula is refused.
        SpaceError: for velocities that clash or do not pair up, and spaces without momenta.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 12.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> space = PhaseSpace("x", "p", parameters={"m": "positive"}, functions={"V": 1})
        >>> L = Lagrangian("m*v**2/2 - V(x)", space, "v")
        >>> L.momenta()
        {p: m*v}
        >>> Hamiltonian.from_lagrangian(L, space).expr
        V(x) + p**2/(2*m)
    """

    letter = "L"

    def __init__(
        self,
        expression: str | sp.Expr,
        space: PhaseSpace,
        velocities: Name | Sequence[Name] | None = None,
    ) -> None:
        if not isinstance(space, PhaseSpace):
            raise SpaceError(f"a Lagrangian needs a PhaseSpace, not {type(space).__name__}")
        names = [f"{q.name}dot" for q in space.coordinates] if velocities is None else name_list(velocities)
        if len(names) != space.dof or len(set(names)) < space.dof:
            raise SpaceError(
                f"{plural(space.dof, 'coordinate')} but {len(names)} velocities ({', '.join(names)}); give one name for each"
            )
        super().__init__(expression, space.with_parameters(dict.fromkeys(names, "real")))
        self.velocities = tuple(self.space.symbols[n] for n in names)
        momenta = sorted(s.name for s in self.expr.free_symbols & set(space.momenta))
        if momenta:
            raise FormulaError(
                f"a Lagrangian contains velocities ({', '.join(names)}) and no momenta ({', '.join(momenta)})"
            )

    def momenta(self) -> dict[sp.Symbol, sp.Expr]:
        """Return each canonical momentum as ∂L/∂v.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 12.

        Example:
            >>> Lagrangian("v**2/2 + x*v", PhaseSpace("x", "p"), "v").momenta()
            {p: v + x}
        """
        return {p: derivative(self.expr, v) for p, v in zip(self.space.momenta, self.velocities, strict=True)}

    def mass_matrix(self) -> sp.Matrix:
        """Return ∂²L/∂v∂v, which must be invertible for a Hamiltonian to exist.

        Example:
            >>> Lagrangian("x**2*v**2/2", PhaseSpace("x", "p"), "v").mass_matrix()
            Matrix([[x**2]])
        """
        return sp.Matrix([[derivative(p, v) for v in self.velocities] for p in self.momenta().values()])

    def to_dict(self) -> dict[str, object]:
        """Return ``expression``, ``space`` (with the velocities among its parameters) and ``velocities``."""
        return {**super().to_dict(), "velocities": [v.name for v in self.velocities]}

    def __repr__(self) -> str:
        names = " ".join(v.name for v in self.velocities)
        return f"Lagrangian({shorten(self.text)!r}, velocities={names!r})"
