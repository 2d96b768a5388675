"""The canonical phase space: coordinates q and their momenta p, in this order.

Bracket and order are fixed once, here: q before p, and ``{f, g} = Σ ∂f/∂qᵢ ∂g/∂pᵢ − ∂f/∂pᵢ ∂g/∂qᵢ``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import SpaceError
from hamsym.symbolic.formula.names import Name, shown_names
from hamsym.symbolic.space import Space


class PhaseSpace(Space):
    """Canonical coordinates and momenta with their assumptions, parameters and undefined functions.

    Arguments:
        coordinates: names as text separated by spaces, or a sequence of names; sympy symbols are taken by name.
        momenta: as many names, in the same order.
        parameters: name to ``"real"`` or ``"positive"``; a coordinate's name may appear here to assume it positive.
        functions: name of an undefined function to its number of arguments; a proof then holds for every such function.
        time: name of the explicit time variable, or None.

    Raises:
        SpaceError: for names that clash, are not identifiers, or do not pair up.

    Example:
        >>> space = PhaseSpace("x y", "px py", parameters={"m": "positive"}, functions={"V": 1})
        >>> space.parse("(px**2 + py**2)/(2*m) + V(sqrt(x**2 + y**2))")
        V(sqrt(x**2 + y**2)) + (px**2 + py**2)/(2*m)
        >>> space
        PhaseSpace(q=(x, y), p=(px, py), parameters={'m': 'positive'}, functions={'V': 1})
    """

    def __init__(
        self,
        coordinates: Name | Sequence[Name],
        momenta: Name | Sequence[Name],
        *,
        parameters: Mapping[Name, str] | None = None,
        functions: Mapping[str, int] | None = None,
        time: Name | None = None,
    ) -> None:
        super().__init__(coordinates, momenta, parameters=parameters, functions=functions, time=time)
        if not self.coordinates:
            raise SpaceError(
                "a phase space needs at least one coordinate, for example PhaseSpace('q1', 'p1')"
            )
        if len(self.coordinates) != len(self.momenta):
            raise SpaceError(
                f"{plural(len(self.coordinates), 'coordinate')} but {len(self.momenta)} momenta; give one momentum each"
            )

    @classmethod
    def standard(
        cls,
        n: int,
        *,
        parameters: Mapping[Name, str] | None = None,
        functions: Mapping[str, int] | None = None,
        time: Name | None = None,
    ) -> PhaseSpace:
        """Return the space with coordinates q1…qn and momenta p1…pn.

        Arguments:
            n: number of degrees of freedom, at least 1.
            parameters, functions, time: as for :class:`PhaseSpace`.

        Raises:
            SpaceError: for a number that is no positive integer.

        Example:
            >>> PhaseSpace.standard(2).coordinates
            (q1, q2)
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise SpaceError(f"the number of degrees of freedom is a positive integer, not {n!r}")
        q, p = ([f"{letter}{i}" for i in range(1, n + 1)] for letter in "qp")
        return cls(q, p, parameters=parameters, functions=functions, time=time)

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return len(self.coordinates)

    @cached_property
    def poisson_tensor(self) -> dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]:  # type: ignore[override]
        """``J[q_i, p_i] = 1`` and ``J[p_i, q_i] = -1``."""
        tensor: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {}
        for q, p in zip(self.coordinates, self.momenta, strict=True):
            tensor[q, p], tensor[p, q] = sp.Integer(1), sp.Integer(-1)
        return tensor

    def to_dict(self) -> dict[str, object]:
        """Return the arguments that make an equal space, in types that JSON knows.

        Example:
            >>> space = PhaseSpace("x", "p", parameters={"m": "positive"})
            >>> PhaseSpace(**space.to_dict()) == space
            True
        """
        q, p = ([s.name for s in symbols] for symbols in (self.coordinates, self.momenta))
        return {"coordinates": q, "momenta": p, **self._declared()}

    def _repr_latex_(self) -> str:
        q, p = (r",\, ".join(map(sp.latex, symbols)) for symbols in (self.coordinates, self.momenta))
        return rf"$\displaystyle \left({q};\; {p}\right)$"

    def __repr__(self) -> str:
        parts = [f"q={shown_names(self.coordinates)}", f"p={shown_names(self.momenta)}", *self._options()]
        return f"PhaseSpace({', '.join(parts)})"
