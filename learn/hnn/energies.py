"""Learned energies H(q, p): values and closed-form slopes, of any kind of function of the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hamsym.arguments import shown
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from hamsym.symbolic.integrals.invariants import invariants
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from learn.fields import CanonicalField
from learn.flow.architecture import MAX_WEIGHTS
from learn.hnn.functions import QuadraticFunction, TanhNetwork
from learn.hnn.invariant import InvariantFunction

KINDS = ("network", "separable", "quadratic")


@runtime_checkable
class Energy(Protocol):
    """What an HNN needs of H: ``value(q, p)`` of shape (batch,) and ``slopes(q, p)``, (∂H/∂q, ∂H/∂p), each (batch, dim)."""

    def value(self, q: Tensor, p: Tensor) -> Tensor: ...
    def slopes(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]: ...


class JointEnergy(nn.Module):
    """H(q, p) = f(q, p), one function of the whole state.

    Arguments:
        function: f, with ``value`` and ``gradient`` of states of shape (batch, 2 dim), coordinates first.

    Example:
        >>> H = JointEnergy(QuadraticFunction(2))
        >>> [slope.shape for slope in H.slopes(torch.zeros(3, 1), torch.zeros(3, 1))]
        [torch.Size([3, 1]), torch.Size([3, 1])]
    """

    is_separable = False

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def value(self, q: Tensor, p: Tensor) -> Tensor:
        """Return H(q, p) of shape (batch,)."""
        return self.function.value(torch.cat([q, p], -1))

    def slopes(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (∂H/∂q, ∂H/∂p), each of shape (batch, dim)."""
        h_q, h_p = self.function.gradient(torch.cat([q, p], -1)).chunk(2, -1)
        return h_q, h_p

    @property
    def texts(self) -> dict[str, list[str]]:
        """The invariants that the function sees, as formulas, by the part of H; empty where it sees the state."""
        return {"H": self.function.texts} if isinstance(self.function, InvariantFunction) else {}

    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let functions of invariants measure them in what they vary by over data of shape (n, dim)."""
        if isinstance(self.function, InvariantFunction):
            self.function.set_unit(torch.cat([q, p], -1))


class SeparableEnergy(nn.Module):
    """H(q, p) = U(q) + K(p), which explicit symplectic integrators can step.

    Arguments:
        potential, kinetic: U and K, with ``value`` and ``gradient`` of points of shape (batch, dim).

    Example:
        >>> H = SeparableEnergy(TanhNetwork(2, 8), TanhNetwork(2, 8))
        >>> H.value(torch.zeros(3, 2), torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    is_separable = True

    def __init__(self, potential: Any, kinetic: Any) -> None:
        super().__init__()
        self.potential, self.kinetic = potential, kinetic

    def value(self, q: Tensor, p: Tensor) -> Tensor:
        """Return H(q, p) of shape (batch,)."""
        return self.potential.value(q) + self.kinetic.value(p)

    def slopes(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (∂H/∂q, ∂H/∂p), each of shape (batch, dim)."""
        return self.potential.gradient(q), self.kinetic.gradient(p)

    def grad_potential(self, q: Tensor) -> Tensor:
        """Return ∇U(q), of the shape (batch, dim) of q."""
        return self.potential.gradient(q)

    def grad_kinetic(self, p: Tensor) -> Tensor:
        """Return ∇K(p), of the shape (batch, dim) of p: the velocity."""
        return self.kinetic.gradient(p)

    @property
    def texts(self) -> dict[str, list[str]]:
        """The invariants that each function sees, as formulas, by the part of H; empty where it sees the state."""
        parts = {"U": self.potential, "K": self.kinetic}
        return {name: f.texts for name, f in parts.items() if isinstance(f, InvariantFunction)}

    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let functions of invariants measure them in what they vary by over data of shape (n, dim)."""
        for function, x in ((self.potential, q), (self.kinetic, p)):
            if isinstance(function, InvariantFunction):
                function.set_unit(x)


class AnyEnergy(nn.Module):
    """H(q, p) by any module or function that torch can differentiate; slopes cost a backward pass of their own.

    Arguments:
        function: maps (q, p), each of shape (batch, dim), to H of shape (batch,), row by row.

    Example:
        >>> H = AnyEnergy(lambda q, p: (p.square() / 2 - q.cos()).sum(-1))
        >>> H.slopes(torch.zeros(1, 1), torch.ones(1, 1))[1].tolist()
        [[1.0]]
    """

    is_separable = False

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def value(self, q: Tensor, p: Tensor) -> Tensor:
        """Return H(q, p) of shape (batch,)."""
        try:
            found = self.function(q, p)
        except TypeError as error:
            raise ParameterError(
                f"the energy is called with (q, p), which it does not take: {error}"
            ) from error
        if not isinstance(found, Tensor):
            raise ShapeError(f"an energy returns a tensor of shape (batch,), not {shown(found)}")
        if found.shape not in ((len(q),), (len(q), 1)):
            raise ShapeError(
                f"an energy returns shape ({len(q)},) for {len(q)} states, not {tuple(found.shape)}"
            )
        return found.squeeze(-1) if found.ndim == 2 and found.shape[-1] == 1 else found

    def _differentiable(self, q: Tensor, p: Tensor) -> Tensor:
        found = self.value(q, p)
        if not found.requires_grad:
            raise ParameterError(
                "the energy does not depend on q and p in a way that torch can differentiate: it was detached, is constant, "
                "or is called in torch.inference_mode(), for which torch.no_grad() serves"
            )
        return found

    def slopes(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (∂H/∂q, ∂H/∂p), each of shape (batch, dim), differentiable where gradients are wanted."""
        dq, dp = CanonicalField(self._differentiable)(q, p)
        return -dp, dq


def build(
    dim: int, kind: str, width: int, depth: int, generators: tuple[Generator, ...] = ()
) -> JointEnergy | SeparableEnergy:
    """Return an energy with random first weights, invariant under generators if there are any.

    Every smooth function that linear generators leave invariant is one of their polynomial invariants where the group
    is compact (Schwarz, Topology 14, 1975); ``generators`` give those of degree one and two.

    Arguments:
        dim: number of coordinates.
        kind: "network", one network of the whole state; "separable", one of q and one of p; "quadratic".
        width, depth: of each network.
        generators: of linear or affine actions; the networks then see nothing but their invariants, of q and p together
            or, in a separable energy, of each alone.

    Raises:
        SymmetryError: if an energy that the generators leave invariant cannot depend on anything.

    Example:
        >>> turn = Generator("q1*p2 - q2*p1", PhaseSpace.standard(2))
        >>> build(2, "network", 8, 2, (turn,)).function.texts
        ['p1**2 + p2**2', 'p1*q1 + p2*q2', '-p1*q2 + p2*q1', 'q1**2 + q2**2']
    """
    if generators:
        space = PhaseSpace.standard(dim)
        return _invariant(space, kind, width, depth, generators)
    if kind == "quadratic":
        if (weights := 4 * dim**2) > MAX_WEIGHTS:
            raise ParameterError(
                f"a quadratic energy of dim={dim} has {weights:.3g} weights, more than the {MAX_WEIGHTS:.0e} that are allowed"
            )
        return JointEnergy(QuadraticFunction(2 * dim))
    if kind == "separable":
        return SeparableEnergy(TanhNetwork(dim, width, depth), TanhNetwork(dim, width, depth))
    return JointEnergy(TanhNetwork(2 * dim, width, depth))


def energy_of(energy: Any, dim: int, width: int, depth: int, generators: tuple[Generator, ...] = ()) -> Any:
    """Return the energy that is meant by a name of :func:`build`, or a module or function of (q, p).

    Raises:
        ParameterError: if it is none.
        SymmetryError: if an energy of the user's own is to be made of invariants.

    Example:
        >>> type(energy_of("separable", 1, 8, 2)).__name__, type(energy_of(lambda q, p: p[..., 0], 1, 8, 2)).__name__
        ('SeparableEnergy', 'AnyEnergy')
    """
    if isinstance(energy, str):
        if energy not in KINDS:
            raise ParameterError(
                f"energy={shown(energy)} is not known; it is {', '.join(map(repr, KINDS))}, or a module or function of (q, p)"
            )
        return build(dim, energy, width, depth, generators)
    if not callable(energy) and not isinstance(energy, Energy):
        raise ParameterError(f"energy is a name, or a module or function of (q, p), not {shown(energy)}")
    if generators:
        raise SymmetryError(
            "symmetry='exact' makes the energy of invariants itself; with an energy of your own use symmetry='penalty'"
        )
    return energy if isinstance(energy, nn.Module) and isinstance(energy, Energy) else AnyEnergy(energy)


def _invariant(
    space: PhaseSpace, kind: str, width: int, depth: int, generators: tuple[Generator, ...]
) -> JointEnergy | SeparableEnergy:
    if kind == "quadratic":
        raise ParameterError(
            "a quadratic energy takes no generators for now; use energy='network' or 'separable'"
        )

    def function(variables: tuple[Any, ...]) -> InvariantFunction:
        found = invariants(list(generators), variables=variables, degree=2)
        return InvariantFunction(found, variables, width, depth)

    if kind == "separable":
        return SeparableEnergy(function(space.coordinates), function(space.momenta))
    return JointEnergy(function(space.variables))
