"""What the models of graphs are trained on: the next state, through the integrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import real, shown
from hamsym.errors import ParameterError, ShapeError
from learn.hogn.graphs import Graphs
from learn.hogn.model import GraphModel
from learn.training.objective import Batch, Objective, Progress


class NextState(Objective):
    """Mean square of the error of one step, in units of the step: ((q̂' - q')/dt)² + ((p̂' - p')/dt)², over particles and axes.

    Rows of the data are (sizes, nodes, ends, edges, q, p, next q, next p): the first four as :meth:`Graphs.of` takes
    them, states of shape (graphs, longest, dim).

    Arguments:
        model: HOGN, OGN or DeltaGN.
        dt: time step of the data.

    Raises:
        ParameterError: if dt is no positive number, or not the one that a DeltaGN is made for.

    Example:
        >>> from learn import HOGN, fit
        >>> from learn.hogn import springs
        >>> data = springs(graphs=4, sizes=(2, 3), trajectories=1, steps=2, dt=0.1, seed=0)
        >>> objective = NextState(HOGN(width=8), dt=0.1)
        >>> len(fit(objective, data.steps(), steps=2, batch=4, progress=False).history["loss"])
        2
    """

    kind = "hogn"
    names = ("sizes", "nodes", "ends", "edges", "q", "p", "q_next", "p_next")

    def __init__(self, model: GraphModel, dt: float) -> None:
        if not isinstance(model, GraphModel):
            raise ParameterError(f"model is HOGN, OGN or DeltaGN, not {shown(model)}")
        super().__init__(model)
        self.graph_model = model
        self.dt = real("dt", dt, above=0)
        if getattr(model, "dt", self.dt) != self.dt:
            raise ParameterError(
                f"{model.name} is made for steps of dt={model.dt}, the data have dt={self.dt:g}; give both the same"
            )

    def settings(self) -> dict[str, Any]:
        """Return plain values that a resumed run must share."""
        return {"dt": self.dt, "model": self.config()}

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the loss of a batch: the mean over graphs of the mean over their particles."""
        if len(batch.rows) != len(self.names):
            raise ShapeError(f"rows are ({', '.join(self.names)}), not {len(batch.rows)} tensors")
        sizes, nodes, ends, edges, *states = batch.rows
        graphs = Graphs.of(sizes, nodes, ends, edges)
        q, p, q_next, p_next = (graphs.pack(x) for x in states)
        for name, x in (("q_next", q_next), ("p_next", p_next)):
            if x.shape != q.shape or not x.is_floating_point():
                raise ShapeError(
                    f"{name} has {tuple(x.shape)[1:]} {x.dtype} for each particle, unlike q: {tuple(q.shape)[1:]} {q.dtype}"
                )
        moved = self.graph_model.move(graphs, q, p, self.dt)
        error = (moved[0] - q_next).square().mean(-1) + (moved[1] - p_next).square().mean(-1)
        return (graphs.total(error) / sizes).mean() / self.dt**2, {}
