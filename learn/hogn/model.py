"""What the models of graphs share: they are put on graphs, and then moved by an integrator."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, ShapeError
from hamsym.numeric.methods import method_named
from learn.arguments import seed_number
from learn.fields import Pair, System
from learn.flow.architecture import MAX_WEIGHTS
from learn.hogn.graphs import Graphs
from learn.integrators import integrate, integrators
from learn.points import require_finite
from learn.storage import write

#: Distances are smoothed below this length, so that their slope is finite where two particles meet.
SMOOTHING = 0.01
MOST = 10_000


class GraphModel(nn.Module):
    """A model of motion on graphs of any size; what moves is ``(q, p)``, each of shape (particles, dim).

    Arguments:
        dim: dimensions of space.
        node_attributes, edge_attributes: numbers that are known of each particle and of each spring.
        width: units of every inner layer.
        rounds: how often messages are passed along springs.
        method: the integrator, a name of :func:`learn.integrators.integrators`, unless a call names another.
        seed: of the first weights.
    """

    name: ClassVar[str]

    def __init__(
        self,
        dim: int = 2,
        *,
        node_attributes: int = 1,
        edge_attributes: int = 2,
        width: int = 64,
        rounds: int = 0,
        method: str = "rk4",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.dim = integer("dim", dim, minimum=1, maximum=MOST)
        self.node_attributes = integer("node_attributes", node_attributes, maximum=MOST)
        self.edge_attributes = integer("edge_attributes", edge_attributes, maximum=MOST)
        self.width = integer("width", width, minimum=1, maximum=MOST)
        self.rounds = integer("rounds", rounds, maximum=100)
        self.method = method_named(method).name
        if self.method not in integrators():
            raise ParameterError(
                f"{method} has no form for learned motion; use one of {', '.join(integrators())}"
            )
        seen = self.dim + self.node_attributes + self.edge_attributes
        weights = self.width * ((2 * self.rounds + 1) * 4 * self.width + (self.rounds + 1) * 4 * seen)
        if weights > MAX_WEIGHTS:
            raise ParameterError(
                f"dim={dim}, width={width} and rounds={rounds} make some {weights:.3g} weights, more than the "
                f"{MAX_WEIGHTS:.0e} that are allowed"
            )
        self.seed = seed_number(seed)

    def sizes(self) -> dict[str, Any]:
        """Return the options that every network of the model takes: its width, and what draws its first weights."""
        return {"width": self.width, "random": torch.Generator().manual_seed(self.seed)}

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the model without its weights."""
        sizes = ("dim", "node_attributes", "edge_attributes", "width", "rounds", "method")
        dtype = str(next(self.parameters()).dtype).removeprefix("torch.")
        return {"model": self.name, **{k: getattr(self, k) for k in sizes}, "dtype": dtype}

    def save(self, path: str | Path) -> None:
        """Write the model into the directory ``path`` (safetensors and json), atomically; ``learn.load`` reads it.

        Raises:
            CheckpointError: if the directory cannot be written.
        """
        write(path, "model", self.state_dict(), {"hogn": self.config()})

    @abstractmethod
    def on(self, graphs: Graphs) -> System:
        """Return the motion on given graphs, what :func:`learn.integrate` steps."""

    def move(
        self, graphs: Graphs, q: Tensor, p: Tensor, dt: float, steps: int = 1, *, method: str | None = None
    ) -> Pair:
        """Return (q, p) after some steps, each of the shape (particles, dim) of q.

        Arguments:
            graphs: the graphs.
            q, p: states of their particles.
            dt: time step.
            steps: how many.
            method: another integrator than the model's own.

        Raises:
            ShapeError: if the states are not those of the graphs.
            NotSeparableError, ParameterError, UnknownNameError: as :func:`learn.integrate`.
        """
        self.require(graphs, q, p)
        return integrate(self.on(graphs), q, p, dt, steps, method=method or self.method)

    def require(self, graphs: Graphs, q: Tensor, p: Tensor) -> None:
        """Refuse graphs with other attributes than the model knows, and states of other graphs."""
        if not isinstance(graphs, Graphs):
            raise ShapeError(f"graphs are made by learn.hogn.Graphs.of, not {shown(graphs)}")
        known = (graphs.nodes.shape[1], graphs.edges.shape[1])
        if known != (self.node_attributes, self.edge_attributes):
            raise ShapeError(
                f"{self.name} knows {self.node_attributes} attributes of particles and {self.edge_attributes} of springs, "
                f"and these graphs have {known[0]} and {known[1]}"
            )
        dtype = next(self.parameters(), graphs.nodes).dtype
        for name, x in (("q", q), ("p", p)):
            if not isinstance(x, Tensor) or x.shape != (len(graphs.nodes), self.dim):
                raise ShapeError(
                    f"states of {graphs} are tensors of shape ({len(graphs.nodes)}, {self.dim}), and {name} is "
                    f"{shown(tuple(getattr(x, 'shape', ())) or x)}; rows are packed with graphs.pack"
                )
            if {x.dtype, graphs.nodes.dtype, graphs.edges.dtype} != {dtype}:
                raise ParameterError(
                    f"{self.name} computes in {dtype}; {name} is {x.dtype}, the graphs are {graphs.nodes.dtype} and "
                    f"{graphs.edges.dtype}: give all the same, with .double() or .float()"
                )
            require_finite(x, name)


def apart(graphs: Graphs, x: Tensor) -> Tensor:
    """Return the differences of the ends of each spring, the first minus the second; shape (springs, dim)."""
    i, j = graphs.ends
    return x[i] - x[j]


def length(x: Tensor) -> Tensor:
    """Return smoothed lengths √(|x|² + ε²), of shape (n, 1), for x of shape (n, dim)."""
    return (x.square().sum(-1, keepdim=True) + SMOOTHING**2).sqrt()


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Return scalar products, shape (n, 1)."""
    return (x * y).sum(-1, keepdim=True)
