"""HOGN: one scalar energy for each graph, and the motion that follows from it.

Source: Sanchez-Gonzalez, Bapst, Cranmer, Battaglia, *Hamiltonian Graph Networks with ODE Integrators*, arXiv 1909.12790.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hamsym.arguments import flag
from hamsym.symbolic.zero_test.verdict import Verdict
from learn.fields import CanonicalField, Separated, System
from learn.hogn.functions import joined
from learn.hogn.graphs import Graphs
from learn.hogn.model import GraphModel, apart, dot, length
from learn.hogn.network import GraphNetwork
from learn.hogn.proof import prove_invariance


class HOGN(GraphModel):
    """A Hamiltonian graph network: H(q, p) of a graph is a sum over its springs and particles of what they are read out as.

    Springs are seen through the distance of their ends, particles through |p|, and both through their attributes, so H
    does not notice when everything is shifted, turned, mirrored or named in another order: :meth:`prove_symmetry`.

    Separable, H = K(p) + U(q): K is a function of |p|² and the attributes of each particle, U a sum over springs.
    Without rounds of messages both gradients are closed forms; with rounds, U is of many bodies, and its gradient that
    of automatic differentiation.  Otherwise H is one graph network that sees q and p together, which only the
    Runge–Kutta methods can step.

    Arguments:
        dim, node_attributes, edge_attributes, width, rounds, method, seed: as for
            :class:`learn.hogn.model.GraphModel`.
        separable: whether H = K(p) + U(q).

    Example:
        >>> import torch
        >>> model = HOGN(2, width=8)
        >>> graphs = Graphs.of([3], [[[1.0]] * 3], [[[0, 1], [1, 2]]], [[[1.0, 0.5]] * 2])
        >>> q, p = torch.randn(2, 3, 2)
        >>> moved = model.move(graphs, q, p, 0.1)
        >>> turned = model.move(graphs, q.flip(1), p.flip(1), 0.1)
        >>> torch.allclose(turned[0], moved[0].flip(1), atol=1e-6)
        True
    """

    name = "HOGN"

    def __init__(self, dim: int = 2, *, separable: bool = True, **options: Any) -> None:
        super().__init__(dim, **options)
        self.separable = flag("separable", separable)
        n, e = self.node_attributes, self.edge_attributes
        sizes = self.sizes()
        if self.separable:
            self.potential = GraphNetwork(1 + e, n, 1, 0, rounds=self.rounds, **sizes)
            self.kinetic = GraphNetwork(0, n + 1, 0, 1, **sizes)
        else:
            self.joint = GraphNetwork(3 + e, n + 1, 1, 1, rounds=self.rounds, **sizes)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the model without its weights."""
        return {**super().config(), "separable": self.separable}

    def energy(self, graphs: Graphs, q: Tensor, p: Tensor) -> Tensor:
        """Return H of each graph, shape (graphs,), up to a constant of its own that no motion tells."""
        self.require(graphs, q, p)
        return self._energy(graphs, q, p, twice=False)

    def _energy(self, graphs: Graphs, q: Tensor, p: Tensor, *, twice: bool) -> Tensor:
        if self.separable:
            of_edges = self._potential(graphs, q, twice=twice)
            of_nodes = self.kinetic.node_readout(joined([graphs.nodes, dot(p, p)]))  # type: ignore[misc]
        else:
            d, w = apart(graphs, q), apart(graphs, p)
            i, j = graphs.ends
            edges = joined([length(d), dot(d, w), dot(p[i], p[j]), graphs.edges])
            of_edges, of_nodes = self.joint(graphs, edges, joined([graphs.nodes, dot(p, p)]), twice=twice)
        return graphs.total(of_nodes[:, 0], of_edges[:, 0])

    def _potential(self, graphs: Graphs, q: Tensor, *, twice: bool) -> Tensor:
        edges = joined([length(apart(graphs, q)), graphs.edges])
        found: Tensor = self.potential(graphs, edges, graphs.nodes, twice=twice)[0]
        return found

    def on(self, graphs: Graphs) -> System:
        """Return the motion on given graphs, what :func:`learn.integrate` steps."""
        if not self.separable:
            return CanonicalField(lambda q, p: self._energy(graphs, q, p, twice=True))
        return Separated(lambda q: self.grad_potential(graphs, q), lambda p: self.grad_kinetic(graphs, p))

    def grad_potential(self, graphs: Graphs, q: Tensor) -> Tensor:
        """Return ∂U/∂q, shape (particles, dim)."""
        if self.rounds:
            of_many = CanonicalField(lambda x, _: self._potential(graphs, x, twice=True).sum(-1))
            return -of_many(q, q)[1]
        d = apart(graphs, q)
        r = length(d)
        seen = self.potential.ends_of(graphs, joined([r, graphs.edges]), graphs.nodes)
        of_r = self.potential.edge_readout.gradient(seen)[:, :1]  # type: ignore[union-attr]
        return graphs.at_ends(of_r / r * d, sign=-1.0)

    def grad_kinetic(self, graphs: Graphs, p: Tensor) -> Tensor:
        """Return ∂K/∂p, the velocities, shape (particles, dim)."""
        seen = joined([graphs.nodes, dot(p, p)])
        of_square = self.kinetic.node_readout.gradient(seen)[:, -1:]  # type: ignore[union-attr]
        return 2 * of_square * p

    def prove_symmetry(self, *, budget: float = 10.0) -> list[Verdict]:
        """Prove that shifts and turns leave H as it is, for every value of the weights.

        Arguments:
            budget: seconds for each verdict.

        Returns:
            One verdict for each generator and part of H; :mod:`learn.hogn.proof` says what each of them claims.

        Example:
            >>> {verdict.status for verdict in HOGN(2, width=4).prove_symmetry()}
            {'proved'}
        """
        return prove_invariance(self.dim, separable=self.separable, budget=budget)
