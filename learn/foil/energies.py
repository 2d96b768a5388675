"""Energies of the plane that differ in one thing only: what of a state they see."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError
from hamsym.symbolic.integrals.invariants import invariants
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from learn.arguments import seed_number
from learn.flow.features import Constant
from learn.hnn.energies import SeparableEnergy
from learn.hnn.invariant import InvariantFunction
from learn.symmetry.action import Rotations

#: What U sees, by the way in which it is made symmetric.
WAYS = ("coordinates", "features", "invariants", "average")


def turn_of_the_plane(bodies: int) -> Generator:
    """Return the generator of a rotation of all bodies about the origin, in q1…, p1….

    Example:
        >>> turn_of_the_plane(1).text
        '-p1*q2 + p2*q1'
    """
    n = 2 * integer("bodies", bodies, minimum=1, maximum=100)
    turns = (f"q{k}*p{k + 1} - q{k + 1}*p{k}" for k in range(1, n, 2))
    return Generator(" + ".join(turns), PhaseSpace.standard(n))


class AveragedFunction(nn.Module):
    """The mean of a function over finitely many turns of its argument, (1/m) Σ_k f(R_k x).

    If the R_k are a group it is invariant under that group, whatever f is; under other turns as far as f has no part
    that only finer turns would average away.

    Arguments:
        function: f, with ``value`` and ``gradient``.
        group: orthogonal matrices R_k, of shape (m, size, size).

    Example:
        >>> from learn.hnn.functions import TanhNetwork
        >>> half = np.stack([np.eye(2), -np.eye(2)])
        >>> f = AveragedFunction(TanhNetwork(2, 8), half)
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(f.value(x), f.value(-x)), torch.allclose(f.gradient(x), -f.gradient(-x))
        (True, True)
    """

    def __init__(self, function: Any, group: np.ndarray) -> None:
        super().__init__()
        self.function, self.group = function, Constant(group)

    def _turned(self, x: Tensor) -> Tensor:
        return torch.einsum("kij,bj->bki", self.group.value, x).flatten(0, 1)

    def value(self, x: Tensor) -> Tensor:
        """Return the mean of shape (batch,)."""
        return self.function.value(self._turned(x)).unflatten(0, (len(x), -1)).mean(1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient in x, (1/m) Σ_k R_kᵀ∇f(R_k x), of its shape (batch, size)."""
        slopes = self.function.gradient(self._turned(x)).unflatten(0, (len(x), -1))
        return torch.einsum("kij,bki->bj", self.group.value, slopes) / len(self.group.exact)

    def set_unit(self, x: Tensor) -> None:
        """Let the function measure its inputs in what they vary by over turned data of shape (n, size)."""
        self.function.set_unit(self._turned(x))


class Newtonian(nn.Module):
    """K(p) = |p|²/2 of bodies of mass one, which makes p the velocity.

    Example:
        >>> Newtonian().value(torch.tensor([[3.0, 4.0]]))
        tensor([12.5000])
    """

    def value(self, x: Tensor) -> Tensor:
        """Return K of shape (batch,)."""
        return 0.5 * x.square().sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the velocity, of the shape (batch, dim) of the momentum."""
        return x


class Energy(SeparableEnergy):
    """H = |p|²/2 + U(q), of which U measures its inputs in units that it takes from data.

    The eye reads velocities, so the kinetic energy is known; what is learned is U, and with it whether H is invariant.

    Arguments:
        potential: U, with ``set_unit`` beside ``value`` and ``gradient``.
        options: what :func:`energy` made it with, plain values; none for one of another make.
    """

    def __init__(self, potential: Any, options: dict[str, Any] | None = None) -> None:
        super().__init__(potential, Newtonian())
        self.options = options

    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let U measure its inputs in what the one that varies most varies by over data of shape (n, dim).

        In units of their own, invariants that hardly vary, as the vector product of opposite places, would make forces
        so steep that no step of the size of a frame is stable.
        """
        self.potential.set_unit(q)
        function = getattr(self.potential, "function", self.potential)
        function.spread.fill_(float(function.spread.max()))


def energy(
    way: str, bodies: int, *, width: int = 64, depth: int = 2, elements: int = 8, seed: int = 0
) -> Energy:
    """Return |p|²/2 + U(q) with one architecture for U, a tanh network beside a linear function.

    Arguments:
        way: what U sees: "coordinates"; "invariants", the scalar and vector products of two places, and the lengths,
            which makes H invariant for every value of the weights; "features", coordinates and invariants;
            "average", coordinates, with U averaged over equal turns.
        bodies: how many in the plane.
        width, depth: of the network.
        elements: turns that are averaged over.
        seed: of the first weights.

    Raises:
        ParameterError: for another way.

    Example:
        >>> energy("invariants", 1, width=4).texts
        {'U': ['q1**2 + q2**2']}
        >>> energy("features", 1, width=4).texts["U"]
        ['q1', 'q2', 'q1**2 + q2**2']
    """
    if not isinstance(way, str) or way not in WAYS:
        raise ParameterError(f"the ways of an energy are {', '.join(map(repr, WAYS))}, not {shown(way)}")
    turn = turn_of_the_plane(bodies)
    places = turn.space.coordinates
    seen: list[Any] = [] if way == "invariants" else list(places)
    if way in ("invariants", "features"):
        seen += invariants([turn], variables=places, degree=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_number(seed))
        potential: Any = InvariantFunction(seen, places, width, depth)
    with torch.no_grad():
        potential.network.out.zero_()  # bodies in strong first forces would leave the picture, where no gradient is
    if way == "average":
        group = Rotations([turn]).elements(integer("elements", elements, minimum=1, maximum=1024))
        potential = AveragedFunction(potential, group)
    return Energy(potential, {"way": way, "width": width, "depth": depth, "elements": elements})
