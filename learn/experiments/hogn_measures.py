"""What is measured of a model of graphs: how far it strays from true trajectories, what it does to the true energy, what it
learned of H, and whether it turns along."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn.hogn import HOGN, Graphs, Springs, spring_energy
from learn.hogn.model import GraphModel

#: Stored steps from one look at a trajectory to the next: every time step that is tried divides them.
LOOK = 4
#: A trajectory has gone astray when its energy is off by so many times its kinetic energy, or no number at all.
ASTRAY = 10.0


@dataclass(frozen=True)
class Truth:
    """True trajectories of some graphs, packed.

    Attributes:
        graphs: one for each trajectory.
        q, p: states, shape (time, particles, dim).
        dt: time between them.
        trajectories: how many there are of each graph, one after the other.
    """

    graphs: Graphs
    q: Tensor
    p: Tensor
    dt: float
    trajectories: int

    @classmethod
    def of(cls, data: Springs, dtype: torch.dtype = torch.float32) -> Truth:
        """Return the trajectories of a data set."""
        graphs = data.graphs(dtype)
        return cls(graphs, *data.states(graphs, dtype), data.dt, data.q.shape[1])

    @property
    def kinetic(self) -> Tensor:
        """Mean kinetic energy of each trajectory, shape (graphs,), in whose units errors of the energy are told."""
        return self.graphs.total(self.p.square().sum(-1).mean(0) / (2 * self.graphs.nodes[:, 0]))


@torch.no_grad()
def follow(model: GraphModel, truth: Truth, *, dt: float, method: str | None = None) -> dict[str, Any]:
    """Return errors along trajectories from the first true states on.

    Arguments:
        model: what moves.
        truth: what it should do.
        dt: its time step, which divides four stored steps.
        method: another integrator than its own.

    Returns:
        Medians over trajectories of the root mean square over time: ``position`` of the distance of a particle from
        where it should be, ``energy`` of H - H₀ with the true H, in units of the mean kinetic energy; ``worst``, the
        same of the tenth that is worst; ``astray``, the share of trajectories that went astray; ``soon``, the median
        error of positions at the first look; ``energy_at``, medians of |H - H₀| at each look.
    """
    graphs, (q, p) = truth.graphs, (truth.q[0], truth.p[0])
    start, unit, sizes = spring_energy(graphs, q, p), truth.kinetic, graphs.present.sum(1)
    steps = round(LOOK * truth.dt / dt)
    positions, energies = [], []
    for look in range(LOOK, len(truth.q), LOOK):
        q, p = model.move(graphs, q, p, dt, steps, method=method)
        positions.append((graphs.total((q - truth.q[look]).square().sum(-1)) / sizes).sqrt())
        energies.append(((spring_energy(graphs, q, p) - start) / unit).abs())
    position, energy = (
        torch.stack(x).double().nan_to_num(math.inf, math.inf).numpy() for x in (positions, energies)
    )
    with np.errstate(over="ignore"):  # the square of what went astray may be no number any more
        of_each = {"position": np.sqrt(np.mean(position**2, 0)), "energy": np.sqrt(np.mean(energy**2, 0))}
    return {
        **{name: float(np.median(x)) for name, x in of_each.items()},
        "worst": {name: float(np.quantile(x, 0.9, method="higher")) for name, x in of_each.items()},
        "astray": float(np.mean(~(energy.max(0) < ASTRAY))),
        "soon": float(np.median(position[0])),
        "energy_at": np.median(energy, 1).tolist(),
    }


@torch.no_grad()
def one_step(model: GraphModel, truth: Truth, *, method: str | None = None) -> float:
    """Return the root mean square error of q and p after one step of the data, over particles and axes."""
    square, looks = 0.0, range(0, len(truth.q) - 1, LOOK)
    for k in looks:
        moved = model.move(truth.graphs, truth.q[k], truth.p[k], truth.dt, method=method)
        errors = [(a - b[k + 1]).square().mean() for a, b in zip(moved, (truth.q, truth.p), strict=True)]
        square += float(sum(errors)) / 2
    return math.sqrt(square / len(looks))


def leapfrog_correction(graphs: Graphs, q: Tensor, p: Tensor, dt: float) -> Tensor:
    """Return H̃ - H to order dt² for the energy H̃ whose kick–drift–kick leapfrog of step dt moves as H does; shape (graphs,).

    The step of H conserves H + dt²(vᵀU''v/12 - |∇U|²/(24m)) with the velocities v, so the step of H less that
    correction conserves H (Hairer, Lubich, Wanner, Geometric Numerical Integration, section IX.3.1, backwards).
    """
    with torch.enable_grad():
        x = q.detach().requires_grad_()
        velocity = p / graphs.nodes
        total = spring_energy(graphs, x, torch.zeros_like(p)).sum()
        (slope,) = torch.autograd.grad(total, x, create_graph=True)
        (bent,) = torch.autograd.grad((slope * velocity).sum(), x)
    slope = slope.detach()
    of_nodes = (velocity * bent).sum(-1) / 12 - slope.square().sum(-1) / (24 * graphs.nodes[:, 0])
    return -(dt**2) * graphs.total(of_nodes)


@torch.no_grad()
def learned_energy(model: HOGN, truth: Truth, dt: float) -> dict[str, Any]:
    """Return how much of H a model knows: R² of its energy against the true one, and against that which leapfrog calls for.

    States take the coordinates of one time and the momenta of another, so that H varies within a graph; a constant for
    each graph is left out, since no motion tells it.

    Arguments:
        model: what learned.
        truth: true trajectories.
        dt: the time step it learned with.

    Returns:
        ``r2``; ``unexplained``, √(1 - R²); the same with ``leapfrog_`` in front; ``pairs``, some (true, learned)
        energies for a figure.
    """
    graphs, kinds = truth.graphs, ([], [], [])  # type: tuple[Graphs, tuple[list[Tensor], ...]]
    for k in range(0, len(truth.q), LOOK):
        q, p = truth.q[k], truth.p[len(truth.p) - 1 - k]
        true = spring_energy(graphs, q, p)
        for kind, value in zip(
            kinds, (true, model.energy(graphs, q, p), leapfrog_correction(graphs, q, p, dt)), strict=True
        ):
            kind.append(value)
    true, learned, correction = (_centred(torch.stack(kind), truth.trajectories) for kind in kinds)
    found: dict[str, Any] = {}
    for name, aim in (("", true), ("leapfrog_", true + correction)):
        left = float((learned - aim).square().sum() / aim.square().sum())
        found |= {f"{name}r2": 1 - left, f"{name}unexplained": math.sqrt(left)}
    found["pairs"] = torch.stack([true.flatten(), learned.flatten()], 1)[::3].tolist()
    return found


def _centred(of_states: Tensor, trajectories: int) -> Tensor:
    """Values (time, graphs) less the mean of each system, whose trajectories stand side by side."""
    values = of_states.double().unflatten(1, (-1, trajectories))
    return values - values.mean((0, 2), keepdim=True)


@torch.no_grad()
def turning_error(model: GraphModel, truth: Truth) -> float:
    """Return by how much a step of a turned start misses the turned step, relative to the step, in float64."""
    exact = copy.deepcopy(model).double()
    graphs = truth.graphs
    graphs = Graphs(
        graphs.nodes.double(), graphs.ends, graphs.edges.double(), graphs.graph_of_node, graphs.graph_of_edge,
        graphs.present,
    )  # fmt: skip
    q, p = truth.q[LOOK].double(), truth.p[LOOK].double()
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(q.shape[1], q.shape[1], generator=random, dtype=q.dtype))[0]
    moved = exact.move(graphs, q, p, truth.dt)[0]
    turned = exact.move(graphs, q @ turn.T, p @ turn.T, truth.dt)[0]
    return float((turned - moved @ turn.T).norm() / (moved - q).norm())
