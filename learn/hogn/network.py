"""The graph network that all models here share: messages along springs, updates of particles, read-outs of both.

Source: Battaglia et al., *Relational inductive biases, deep learning, and graph networks*, arXiv 1806.01261, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learn.hogn.functions import Perceptron, joined, plain
from learn.hogn.graphs import Graphs


class GraphNetwork(nn.Module):
    """Functions of springs and of particles that know their surroundings as far as messages were passed.

    In a round every spring sends a message, a function of itself and of both ends, and every particle becomes a
    function of itself and of the sum of what arrives.  In the end springs and particles are read out.  Without rounds
    these are energies or rates of single pairs and single particles.

    Directed springs are looked at from both ends, receiver first; otherwise sums and products of the ends are seen, so
    that nothing depends on which end is called the first.

    Arguments:
        edge_inputs, node_inputs: sizes of what is given of each.
        edge_outputs, node_outputs: sizes of the read-outs; 0 for none.
        width: units of every inner layer, and size of messages.
        rounds: how often messages are passed.
        directed: whether a spring is seen from each end on its own.
        random: of the first weights.

    Example:
        >>> graphs = Graphs.of([2], [[[1.0], [2.0]]], [[[0, 1]]], [[[0.5]]])
        >>> network = GraphNetwork(1, 1, 1, 3, width=8, rounds=1)
        >>> [out.shape for out in network(graphs, graphs.edges, graphs.nodes)]
        [torch.Size([1, 1]), torch.Size([2, 3])]
    """

    def __init__(
        self,
        edge_inputs: int,
        node_inputs: int,
        edge_outputs: int,
        node_outputs: int,
        *,
        width: int = 64,
        rounds: int = 0,
        directed: bool = False,
        random: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.directed = directed
        self.messages, self.updates = nn.ModuleList(), nn.ModuleList()
        known = node_inputs
        for _ in range(rounds):
            self.messages.append(Perceptron(edge_inputs + 2 * known, width, width, random))
            self.updates.append(Perceptron(node_inputs + width, width, width, random))
            known = width
        self.edge_readout = (
            Perceptron(edge_inputs + 2 * known, edge_outputs, width, random) if edge_outputs else None
        )
        seen = known + node_inputs if rounds else node_inputs
        self.node_readout = Perceptron(seen, node_outputs, width, random) if node_outputs else None

    def ends_of(self, graphs: Graphs, edges: Tensor, nodes: Tensor) -> Tensor:
        """Return what a function of springs sees: the spring and both its ends."""
        i, j = graphs.ends
        if self.directed:
            i, j = torch.cat([i, j]), torch.cat([j, i])
            return joined([edges, nodes[i], nodes[j]])
        a, b = nodes[i], nodes[j]
        return joined([edges, a + b, a * b])

    def forward(
        self, graphs: Graphs, edges: Tensor, nodes: Tensor, *, twice: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the read-outs of springs and of particles.

        Arguments:
            graphs: who is bound to whom.
            edges: of shape (springs, edge_inputs); directed: (2 · springs, edge_inputs), seen from all first ends, then
                from all second ones.
            nodes: of shape (particles, node_inputs).
            twice: whether a gradient of the result will itself be differentiated; what serves that is slower otherwise.

        Returns:
            Tensors of shape (springs or 2 · springs, edge_outputs) and (particles, node_outputs); None for none.
        """

        def of(network: nn.Module, x: Tensor) -> Tensor:
            return plain(network, x) if twice and isinstance(network, Perceptron) else network(x)

        known = nodes
        for message, update in zip(self.messages, self.updates, strict=True):
            sent = of(message, self.ends_of(graphs, edges, known))
            if self.directed:
                receivers = graphs.ends.reshape(-1)
                arrived = sent.new_zeros(len(nodes), sent.shape[1]).index_add(0, receivers, sent)
            else:
                arrived = graphs.at_ends(sent)
            known = of(update, joined([nodes, arrived]))
        of_edges = of_nodes = None
        if self.edge_readout is not None:
            of_edges = of(self.edge_readout, self.ends_of(graphs, edges, known))
        if self.node_readout is not None:
            of_nodes = of(self.node_readout, joined([nodes, known]) if len(self.messages) else nodes)
        return of_edges, of_nodes
