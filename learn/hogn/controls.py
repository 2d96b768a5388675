"""The controls of HOGN on the same graph network: rates without an energy (OGN), and changes without a time (DeltaGN).

Source: Sanchez-Gonzalez, Bapst, Cranmer, Battaglia, arXiv 1909.12790; there they see coordinate differences and
momenta as vectors, as here unless ``equivariant``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import flag, integer, real
from hamsym.errors import ParameterError
from learn.fields import Pair, System
from learn.hogn.functions import joined
from learn.hogn.graphs import Graphs
from learn.hogn.model import GraphModel, apart, dot, length
from learn.hogn.network import GraphNetwork


class OGN(GraphModel):
    """A graph network that reads out dq/dt and dp/dt of each particle, for an integrator: an ODE, with no energy behind it.

    Arguments:
        dim, node_attributes, edge_attributes, width, rounds, method, seed: as for
            :class:`learn.hogn.model.GraphModel`; one round of messages by default, without which particles would not
            know of each other.
        equivariant: see distances and scalar products, and read out coefficients of the vectors at hand: then the
            motion turns with its start, as that of HOGN does.

    Example:
        >>> model = OGN(2, width=8)
        >>> graphs = Graphs.of([3], [[[1.0]] * 3], [[[0, 1], [1, 2]]], [[[1.0, 0.5]] * 2])
        >>> [x.shape for x in model.move(graphs, torch.randn(3, 2), torch.randn(3, 2), 0.1, method="rk2")]
        [torch.Size([3, 2]), torch.Size([3, 2])]
    """

    name = "OGN"

    def __init__(self, dim: int = 2, *, rounds: int = 1, equivariant: bool = False, **options: Any) -> None:
        super().__init__(dim, rounds=rounds, **options)
        self.equivariant = flag("equivariant", equivariant)
        n, e = self.node_attributes, self.edge_attributes
        sizes = {**self.sizes(), "rounds": self.rounds, "directed": True}
        if self.equivariant:
            self.network = GraphNetwork(4 + e, n + 1, 2, 2, **sizes)
        else:
            self.network = GraphNetwork(self.dim + e, n + self.dim, 0, 2 * self.dim, **sizes)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the model without its weights."""
        return {**super().config(), "equivariant": self.equivariant}

    def rates(self, graphs: Graphs, q: Tensor, p: Tensor) -> Pair:
        """Return (dq/dt, dp/dt), each of shape (particles, dim)."""
        d = apart(graphs, q)
        d, known = torch.cat([d, -d]), torch.cat([graphs.edges, graphs.edges])
        if not self.equivariant:
            out = self.network(graphs, joined([d, known]), joined([graphs.nodes, p]))[1]
            return out[:, : self.dim], out[:, self.dim :]
        receivers, senders = graphs.ends.reshape(-1), graphs.ends.flip(0).reshape(-1)
        mine, theirs = p[receivers], p[senders]
        seen = joined([length(d), dot(d, mine), dot(d, theirs), dot(mine, theirs), known])
        of_edges, of_nodes = self.network(graphs, seen, joined([graphs.nodes, dot(p, p)]))

        def vectors(k: int) -> Tensor:
            return (of_nodes[:, k : k + 1] * p).index_add(0, receivers, of_edges[:, k : k + 1] * d)

        return vectors(0), vectors(1)

    def on(self, graphs: Graphs) -> System:
        """Return the motion on given graphs, what :func:`learn.integrate` steps."""
        return lambda q, p: self.rates(graphs, q, p)


class DeltaGN(OGN):
    """The same graph network that reads out the change of the state over one step of the data: no ODE, no other step.

    At the time step of the data it is an :class:`OGN` that is stepped by Euler's method; it does not know of another.

    Arguments:
        dim, node_attributes, edge_attributes, width, rounds, equivariant, seed: as for :class:`OGN`.
        dt: time step of the data; what is read out is the change divided by it, so that it is of order one.

    Example:
        >>> model = DeltaGN(2, dt=0.1, width=8)
        >>> graphs = Graphs.of([2], [[[1.0]] * 2], [[[0, 1]]], [[[1.0, 0.5]]])
        >>> q, p = torch.randn(2, 2, 2)
        >>> torch.equal(model.move(graphs, q, p, 0.1)[0], model.move(graphs, q, p, 0.2)[0])
        True
    """

    name = "DeltaGN"

    def __init__(self, dim: int = 2, *, dt: float = 0.1, **options: Any) -> None:
        if "method" in options:
            raise ParameterError("DeltaGN steps by itself and takes no method; use OGN for an integrator")
        super().__init__(dim, **options)
        self.dt = real("dt", dt, above=0)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the model without its weights."""
        return {**{k: v for k, v in super().config().items() if k != "method"}, "dt": self.dt}

    def move(
        self, graphs: Graphs, q: Tensor, p: Tensor, dt: float, steps: int = 1, *, method: str | None = None
    ) -> Pair:
        """Return (q, p) after some steps, each of the shape (particles, dim) of q.

        Arguments:
            graphs, q, p, steps: as for every model.
            dt, method: not heard of: a step is that of the data, whatever is asked for.
        """
        self.require(graphs, q, p)
        for _ in range(integer("steps", steps, minimum=1)):
            of_q, of_p = self.rates(graphs, q, p)
            q, p = q + self.dt * of_q, p + self.dt * of_p
        return q, p
