"""Graphs of different sizes side by side: particles and springs of all of them in flat lists.

On disk and in batches a graph is a row padded to the size of the largest; networks see no padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import shown
from hamsym.errors import ShapeError


@dataclass(frozen=True)
class Graphs:
    """Some graphs, disjoint; nodes are particles, edges springs without a direction.

    Attributes:
        nodes: what is known of each particle and does not move, as its mass; shape (particles, attributes).
        ends: the two particles of each spring, by their place in ``nodes``; shape (2, springs).
        edges: what is known of each spring, as constant and length; shape (springs, attributes).
        graph_of_node, graph_of_edge: which graph each is of.
        present: which places of padded rows are particles; shape (graphs, longest).

    Example:
        >>> pair = Graphs.of([2], [[[2.0], [3.0]]], [[[0, 1]]], [[[1.5]]])
        >>> pair, pair.nodes.flatten()
        (<1 graph, 2 particles, 1 spring>, tensor([2., 3.]))
    """

    nodes: Tensor
    ends: Tensor
    edges: Tensor
    graph_of_node: Tensor
    graph_of_edge: Tensor
    present: Tensor

    @classmethod
    def of(cls, sizes: Any, nodes: Any, ends: Any, edges: Any) -> Graphs:
        """Return the graphs of padded rows.

        Arguments:
            sizes: number of particles of each graph, shape (graphs,).
            nodes: attributes of particles, the first ``size`` of each row; shape (graphs, longest, attributes).
            ends: two particles of each spring, counted within the graph, -1 where there is none; shape
                (graphs, most, 2).
            edges: attributes of springs; shape (graphs, most, attributes).

        Raises:
            ShapeError: if the shapes do not fit together, or a spring has an end that is no particle or both ends in
                one.
        """
        sizes, nodes, ends, edges = (
            _as_tensor(name, x)
            for name, x in (("sizes", sizes), ("nodes", nodes), ("ends", ends), ("edges", edges))
        )
        if not (
            sizes.ndim == 1
            and nodes.ndim == ends.ndim == edges.ndim == 3
            and len(sizes) == len(nodes) == len(ends) == len(edges)
            and ends.shape[1:] == (edges.shape[1], 2)
            and not (sizes.is_floating_point() or ends.is_floating_point())
        ):
            raise ShapeError(
                "graphs are whole numbers sizes (graphs,) and ends (graphs, most, 2), nodes (graphs, longest, attributes) "
                f"and edges (graphs, most, attributes), not {_shapes(sizes, ends, nodes, edges)}"
            )
        longest = nodes.shape[1]
        if len(sizes) == 0 or int(sizes.min()) < 1 or int(sizes.max()) > longest:
            raise ShapeError(
                f"a graph has from 1 to {longest} particles, the length of its row, not sizes = {shown(sizes.tolist())}"
            )
        present = torch.arange(longest, device=sizes.device) < sizes[:, None]
        is_spring = (ends >= 0).all(-1)
        graph_of_edge, place = is_spring.nonzero(as_tuple=True)
        inside = ends[graph_of_edge, place]
        wrong = (inside >= sizes[graph_of_edge, None]).any(-1) | (inside[:, 0] == inside[:, 1])
        if bool(wrong.any()):
            where = int(graph_of_edge[wrong.nonzero()[0, 0]])
            raise ShapeError(
                f"graph {where} has a spring whose ends are not two of its {int(sizes[where])} particles"
            )
        first = sizes.cumsum(0) - sizes
        return cls(
            nodes=nodes[present],
            ends=(inside + first[graph_of_edge, None]).T.contiguous(),
            edges=edges[graph_of_edge, place],
            graph_of_node=present.nonzero(as_tuple=True)[0],
            graph_of_edge=graph_of_edge,
            present=present,
        )

    def __len__(self) -> int:
        return len(self.present)

    def __repr__(self) -> str:
        def plural(count: int, noun: str) -> str:
            return f"{count} {noun}{'' if count == 1 else 's'}"

        counts = ((len(self), "graph"), (len(self.nodes), "particle"), (len(self.edges), "spring"))
        return f"<{', '.join(plural(*count) for count in counts)}>"

    def pack(self, x: Tensor) -> Tensor:
        """Return padded rows (graphs, longest, …) as a flat list (particles, …).

        Raises:
            ShapeError: if the rows are not those of these graphs.
        """
        if x.shape[:2] != self.present.shape:
            raise ShapeError(
                f"states of these graphs have shape {tuple(self.present.shape)} and one axis more, not {tuple(x.shape)}"
            )
        return x[self.present]

    def unpack(self, x: Tensor) -> Tensor:
        """Return a flat list (particles, …) as padded rows (graphs, longest, …), zero where there is no particle."""
        rows = x.new_zeros(*self.present.shape, *x.shape[1:])
        rows[self.present] = x
        return rows

    def total(self, of_nodes: Tensor | None = None, of_edges: Tensor | None = None) -> Tensor:
        """Return sums over the particles and springs of each graph, shape (graphs,).

        Example:
            >>> graphs = Graphs.of([1, 2], [[[1.0], [0.0]], [[2.0], [3.0]]], [[[-1, -1]], [[0, 1]]], [[[0.0]], [[7.0]]])
            >>> graphs.total(graphs.nodes[:, 0], graphs.edges[:, 0])
            tensor([ 1., 12.])
        """
        given = [x for x in (of_nodes, of_edges) if x is not None]
        sums = given[0].new_zeros(len(self))
        if of_nodes is not None:
            sums = sums.index_add(0, self.graph_of_node, of_nodes)
        return sums if of_edges is None else sums.index_add(0, self.graph_of_edge, of_edges)

    def at_ends(self, of_edges: Tensor, sign: float = 1.0) -> Tensor:
        """Return for each particle the sum over its springs: as they are at first ends, times ``sign`` at second ones."""
        sums = of_edges.new_zeros(len(self.nodes), *of_edges.shape[1:])
        sums = sums.index_add(0, self.ends[0], of_edges)
        return sums.index_add(0, self.ends[1], of_edges, alpha=sign)


def _shapes(*tensors: Tensor) -> str:
    return ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in tensors)


def _as_tensor(name: str, x: Any) -> Tensor:
    try:
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ShapeError(f"{name} of graphs are numbers in rows of one length, not {shown(x)}") from error
