"""The canonical map of a flow: leapfrog through a chain of learned Hamiltonians, of unit Jacobian and with an exact inverse.

Source: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hamsym.arguments import real
from hamsym.errors import ParameterError, ShapeError
from learn.flow.context import Context
from learn.flow.leapfrog import SeparableHamiltonian, leapfrog, leapfrog_chain
from learn.points import OVERFLOW, as_points, blames_weights, require_finite

MAX_UNIT = 1e30


class CanonicalMap(nn.Module):
    """States (q₀, p₀) carried to (q, p) by leapfrog through a chain of Hamiltonians, and back.

    Arguments:
        dim: number of coordinates.
        chain: the Hamiltonians, the first one next to (q₀, p₀).
        steps: leapfrog steps of each.
        context: numbers in the context that a conditional flow is given with its points; 0 for none.

    Example:
        >>> from learn.flow.potentials import RidgePotential
        >>> U, K = RidgePotential(1, 8), RidgePotential(1, 8, curvature=1.0)
        >>> q, p = CanonicalMap(1, [SeparableHamiltonian(U, K)]).push_forward([[0.5]], [[1.0]])
        >>> q.shape, p.shape
        (torch.Size([1, 1]), torch.Size([1, 1]))
    """

    def __init__(
        self, dim: int, chain: Sequence[SeparableHamiltonian], steps: int = 1, context: int = 0
    ) -> None:
        super().__init__()
        self.dim, self.steps = dim, steps
        self.context = Context(context) if context else None
        self.chain: Sequence[SeparableHamiltonian] = nn.ModuleList(chain)  # type: ignore[assignment]
        self.register_buffer("unit", torch.tensor(1.0))
        self.register_buffer("unit_is_set", torch.tensor(False))
        self.unit: Tensor
        self.unit_is_set: Tensor

    # -- units -----------------------------------------------------------------------------------------------

    def set_unit(self, length: float) -> None:
        """Measure coordinates in ``length`` and momenta in 1/``length``.

        This is a canonical change of variables, one number for all coordinates, so it keeps every rotation and
        needs no Jacobian.  ``fit`` calls it once with the root mean square of the data, before the first step.

        Arguments:
            length: in the unit of the data.

        Raises:
            ParameterError: if it is not a number between 1e-30 and 1e30, so that its inverse is one too.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
            >>> flow.set_unit(3.0)
            >>> [round(scale.item(), 3) for scale in flow.base_scales]
            [3.0, 0.333]
        """
        length = real("a unit of length", length, above=1 / MAX_UNIT, maximum=MAX_UNIT)
        for h in self.chain:
            h.potential_energy.unit.fill_(length)
            h.kinetic_energy.unit.fill_(1 / length)
        self.unit.fill_(length)
        self.unit_is_set.fill_(True)

    def units_agree(self) -> bool:
        """Return whether all parts measure in one unit, a positive number, as :meth:`set_unit` leaves them.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
            >>> flow.units_agree(), flow.unit.fill_(-1.0).item(), flow.units_agree()
            (True, -1.0, False)
        """
        unit = float(self.unit)
        lengths = [float(h.potential_energy.unit) for h in self.chain]
        inverses = [float(h.kinetic_energy.unit) for h in self.chain]
        return 1 / MAX_UNIT <= unit <= MAX_UNIT and all(
            math.isclose(found, wanted, rel_tol=1e-5)
            for wanted, several in ((unit, lengths), (1 / unit, inverses))
            for found in several
        )

    # -- the map ---------------------------------------------------------------------------------------------

    @blames_weights
    def push_forward(self, q0: Tensor, p0: Tensor, *, context: Any = None) -> tuple[Tensor, Tensor]:
        """Carry base states to data states, by leapfrog through the chain.

        Arguments:
            q0, p0: states of shape (batch, dim).
            context: of a conditional flow, of shape (k,) or (batch, k).

        Returns:
            (q, p), each of shape (batch, dim), differentiable in the states and in the weights.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite, before or after.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=2, width=4, seed=0).double()
            >>> q0, p0 = flow.sample_base(5)
            >>> q, p = flow.push_forward(q0, p0)
            >>> torch.allclose(flow.pull_back(q, p)[0], q0)
            True
        """
        q, p = self._states(q0, p0)
        q, p = leapfrog_chain(self.chain_given(self.read_context(context, len(q))), q, p, steps=self.steps)
        return require_finite(q, "q", OVERFLOW), require_finite(p, "p", OVERFLOW)

    @blames_weights
    def pull_back(self, q: Tensor, p: Tensor, *, context: Any = None) -> tuple[Tensor, Tensor]:
        """Carry data states to base states, the exact inverse of :meth:`push_forward`.

        Arguments:
            q, p: states of shape (batch, dim).
            context: of a conditional flow, of shape (k,) or (batch, k).

        Returns:
            (q₀, p₀), each of shape (batch, dim), differentiable in the states and in the weights.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite, before or after.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> q0, p0 = flow.pull_back([[0.5]], [[1.0]])
            >>> torch.allclose(torch.cat(flow.push_forward(q0, p0)), torch.tensor([[0.5], [1.0]]))
            True
        """
        q, p = self._states(q, p)
        q0, p0 = self._pull_back(q, p, self.read_context(context, len(q)))
        return require_finite(q0, "q₀", OVERFLOW), require_finite(p0, "p₀", OVERFLOW)

    def _pull_back(self, q: Tensor, p: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return leapfrog_chain(self.chain_given(context), q, p, steps=self.steps, inverse=True)

    def trajectory(
        self, q: Tensor, p: Tensor, *, context: Any = None
    ) -> list[tuple[SeparableHamiltonian, Tensor, Tensor]]:
        """Return (H, q, p) for each member of the chain: the data-side state that it meets on the way to the base.

        The list runs from the data to the base, in the order of :meth:`pull_back`.

        Arguments:
            q, p: data states of shape (batch, dim).
            context: of a conditional flow, of shape (k,) or (batch, k).

        Returns:
            One (Hamiltonian, q, p) for each member of the chain.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite; what they lead to is not looked at.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=3, width=4)
            >>> met = flow.trajectory([[0.5]], [[1.0]])
            >>> len(met), met[0][0] is flow.chain[-1], float(met[0][1])
            (3, True, 0.5)
        """
        q, p = self._states(q, p)
        return self.trajectory_through(self.chain_given(self.read_context(context, len(q))), q, p)

    def trajectory_through(
        self, chain: Sequence[SeparableHamiltonian], q: Tensor, p: Tensor
    ) -> list[tuple[SeparableHamiltonian, Tensor, Tensor]]:
        """Return :meth:`trajectory` of finite states of the right shape through a chain that knows its context."""
        met = []
        for h in reversed(chain):
            met.append((h, q, p))
            q, p = leapfrog(h, q, p, steps=self.steps, inverse=True)
        return met

    # -- contexts --------------------------------------------------------------------------------------------

    def read_context(self, context: Any, n: int) -> Tensor | None:
        """Return a context in units of the flow, of shape (k,) or (n, k); None for a flow that is not conditional.

        Arguments:
            context: as it was given, of shape (k,) for all points or (n, k) with one for each.
            n: number of points.

        Raises:
            ParameterError: if a conditional flow was given none, or another flow one.
            ShapeError: for another shape.
            NonFiniteError: for numbers that are not finite.
        """
        if self.context is not None:
            return self.context.read(context, n, self.unit)
        if context is not None:
            raise ParameterError("this flow is not conditional; make one with HamiltonianFlow(…, context=k)")
        return None

    def chain_given(self, context: Tensor | None) -> Sequence[SeparableHamiltonian]:
        """Return the Hamiltonians at a context, as :meth:`read_context` returns it; the weights are the same."""
        return self.chain if context is None else [h.given(context) for h in self.chain]

    def _points(self, q: Any) -> Tensor:
        return as_points(q, self.dim, self.unit)

    def _states(self, q: Any, p: Any) -> tuple[Tensor, Tensor]:
        q, p = self._points(q), self._points(p)
        if q.shape != p.shape:
            raise ShapeError(
                f"q and p must have the same shape (batch, {self.dim}), not {(*q.shape,)} and {(*p.shape,)}"
            )
        return require_finite(q, "q"), require_finite(p, "p")
