"""What can be rolled out: a learned vector field, and the network without an energy that HNNs are compared with."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from hamsym.arguments import integer
from hamsym.errors import ParameterError, ShapeError
from hamsym.numeric.methods import Method
from learn.arguments import MAX_NUMBERS, seed_number
from learn.flow.architecture import MAX_WEIGHTS
from learn.hnn.functions import orthogonal
from learn.hnn.objectives import DerivativeLoss
from learn.integrators import rollout
from learn.points import as_points, require_finite
from learn.storage import write

Pair: TypeAlias = tuple[Tensor, Tensor]


class VectorField(nn.Module):
    """What can be rolled out: states (q, p), their rates of change, trajectories.

    Arguments:
        dim: number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = integer("dim", dim, minimum=1, maximum=MAX_NUMBERS)

    def rates(self, q: Tensor, p: Tensor) -> Pair:
        """Return (dq/dt, dp/dt), each of the shape (batch, dim) of q, without a look at the states."""
        raise TypeError(f"{type(self).__name__} has no rates(q, p)")

    def field(self, q: Any, p: Any) -> Pair:
        """Return (dq/dt, dp/dt), each of shape (batch, dim), differentiable in the weights.

        Arguments:
            q, p: states of shape (batch, dim), tensors or arrays of any precision.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite.

        Example:
            >>> from learn.hnn import HNN
            >>> [x.shape for x in HNN(2, width=8).field([[1.0, 0.0]], [[0.0, 1.0]])]
            [torch.Size([1, 2]), torch.Size([1, 2])]
        """
        return self.rates(*self.states(q, p))

    @torch.no_grad()
    def rollout(
        self, q: Any, p: Any, dt: float, steps: int, *, save_every: int = 1, method: str | Method = "auto"
    ) -> Pair:
        """Return trajectories from given states, by the integrators of the simulator.

        Arguments:
            q, p: first states of shape (batch, dim).
            dt: time step.
            steps: how many.
            save_every: steps between stored states.
            method: a name of ``learn.integrators.integrators()``; "auto" for one of order four: a symplectic one for a
                separable energy, Runge–Kutta's otherwise.

        Returns:
            (q, p), each of shape (batch, steps // save_every + 1, dim), the first states first.

        Raises:
            NotSeparableError: if a splitting method is given an energy that is not U(q) + K(p).
            NonFiniteError: if a trajectory leaves the numbers.
            ShapeError, ParameterError, UnknownNameError: for bad arguments.

        Example:
            >>> from learn.hnn import HNN
            >>> q, p = HNN(1, width=8, energy="separable", seed=0).rollout([[1.0]], [[0.0]], 0.1, 10, save_every=5)
            >>> q.shape
            torch.Size([1, 3, 1])
        """
        q, p = self.states(q, p)
        system = self.system
        if isinstance(method, str) and method == "auto":
            method = "rk4" if callable(system) and not hasattr(system, "grad_potential") else "yoshida4"
        return rollout(system, q, p, dt, steps, save_every=save_every, method=method)

    @property
    def system(self) -> Any:
        """What ``learn.integrators`` steps: the rates, or the two gradients of a separable energy."""
        return self.rates

    def states(self, q: Any, p: Any) -> Pair:
        """Return states as tensors of shape (batch, dim) in the precision and on the device of the weights.

        Raises:
            ShapeError: if they have another shape.
            NonFiniteError: if one is not finite.
        """
        like = next(iter(self.parameters()), torch.empty(0))
        q, p = as_points(q, self.dim, like), as_points(p, self.dim, like)
        if q.shape != p.shape:
            raise ShapeError(
                f"q and p must have the same shape (batch, {self.dim}), not {(*q.shape,)} and {(*p.shape,)}"
            )
        return require_finite(q, "q"), require_finite(p, "p")


class FieldNetwork(VectorField):
    """The baseline: a network that outputs (dq/dt, dp/dt) itself, of the same size and training as an HNN.

    Arguments:
        dim: number of coordinates.
        width, depth: of the network; 200 and 2 as published.
        seed: of the first weights.

    Example:
        >>> [x.shape for x in FieldNetwork(2, width=8).field([[1.0, 0.0]], [[0.0, 1.0]])]
        [torch.Size([1, 2]), torch.Size([1, 2])]
    """

    def __init__(self, dim: int, width: int = 200, depth: int = 2, *, seed: int | None = None) -> None:
        super().__init__(dim)
        self.width, self.depth = sizes(self.dim, width, depth)
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed_number(seed))
            units = [2 * self.dim] + [self.width] * self.depth
            layers: list[nn.Module] = []
            for a, b in pairwise(units):
                layers += [nn.Linear(a, b), nn.Tanh()]
            self.network = orthogonal(nn.Sequential(*layers, nn.Linear(self.width, 2 * self.dim, bias=False)))

    def rates(self, q: Tensor, p: Tensor) -> Pair:
        """Return the outputs of the network, (dq/dt, dp/dt)."""
        dq, dp = self.network(torch.cat([q, p], -1)).chunk(2, -1)
        return dq, dp

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the model without its weights."""
        dtype = str(next(iter(self.parameters())).dtype).removeprefix("torch.")
        return {"dim": self.dim, "width": self.width, "depth": self.depth, "dtype": dtype}

    def save(self, path: str | Path) -> None:
        """Write the model into the directory ``path``; ``learn.load`` reads it.

        Raises:
            CheckpointError: if the directory cannot be written.
        """
        write(path, "model", self.state_dict(), {"vector_field": self.config()})

    def derivative_loss(self, *, weight_decay: float = 0.0) -> DerivativeLoss:
        """Return the objective |ds/dt − output|², for ``learn.fit`` on rows (q, p, dq/dt, dp/dt)."""
        return DerivativeLoss(self, weight_decay=weight_decay)


def sizes(dim: int, width: Any, depth: Any) -> tuple[int, int]:
    """Return width and depth of a network of (q, p), checked.

    Raises:
        ParameterError: if one is out of range, or they make too many weights.

    Example:
        >>> sizes(1, 200, 2)
        (200, 2)
    """
    width = integer("width", width, minimum=1, maximum=MAX_NUMBERS)
    depth = integer("depth", depth, minimum=1, maximum=100)
    weights = width * (2 * dim + width * (depth - 1) + 2 * dim)
    if weights > MAX_WEIGHTS:
        raise ParameterError(
            f"dim={dim}, width={width} and depth={depth} make {weights:.3g} weights, more than the "
            f"{MAX_WEIGHTS:.0e} that are allowed"
        )
    return width, depth
