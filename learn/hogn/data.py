"""Particles bound by springs: random masses, constants, lengths and graphs, with trajectories of high order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError
from hamsym.numeric.simulate import simulate
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from learn.arguments import seed_number
from learn.hogn.graphs import Graphs

#: Ranges of masses, of spring constants, and of the length of a spring against the distance that it starts with.
MASS, CONSTANT, STRETCH = (0.5, 2.0), (0.5, 2.0), (0.8, 1.2)
#: No two particles start nearer; the side of the box for each particle; standard deviation of momenta over √m.
APART, ROOM, THERMAL = 1.0, 1.6, 0.3
#: Springs for each particle beyond those that hold the graph together.
FURTHER = 0.5
#: Steps of the reference for each one that is stored.
FINE = 8
AXES = "xyz"


@lru_cache(maxsize=32)
def spring_hamiltonian(n: int, dim: int = 2) -> Hamiltonian:
    """Return H = Σ |p_i|²/(2m_i) + Σ k_ij (|x_i - x_j| - l_ij)²/2 of n particles, a spring between every two.

    Where k_ij is zero there is none.

    Example:
        >>> H = spring_hamiltonian(3)
        >>> len(H.space.coordinates), H.is_separable
        (6, True)
    """
    axes = AXES[:dim]
    names = [[f"{prefix}{a}{i}" for i in range(1, n + 1) for a in axes] for prefix in ("", "p")]
    parameters = {f"m{i}": "positive" for i in range(1, n + 1)}
    parameters |= {
        f"{c}{i}_{j}": "real" for c in "kl" for i in range(1, n + 1) for j in range(1, n + 1)
    }  # fmt: skip
    space = PhaseSpace(" ".join(names[0]), " ".join(names[1]), parameters=parameters)
    kinetic = " + ".join(f"p{a}[i]**2" for a in axes)
    if n == 1:
        return Hamiltonian(f"({kinetic.replace('[i]', '1')})/(2*m1)", space)
    square = " + ".join(f"({a}[i] - {a}[j])**2" for a in axes)
    return Hamiltonian(
        f"Sum(({kinetic})/(2*m[i]), (i, 1, {n}))"
        f" + Sum(k[i, j]*(sqrt({square}) - l[i, j])**2/2, (j, i + 1, {n}), (i, 1, {n}))",
        space,
    )


def spring_energy(graphs: Graphs, q: Tensor, p: Tensor) -> Tensor:
    """Return the true H of each graph, shape (graphs,), for states of shape (particles, dim).

    Example:
        >>> graphs = Graphs.of([2], [[[1.0], [1.0]]], [[[0, 1]]], [[[2.0, 1.0]]])
        >>> spring_energy(graphs, torch.tensor([[0.0], [3.0]]), torch.zeros(2, 1))
        tensor([4.])
    """
    k, rest = graphs.edges.unbind(1)
    stretched = (q[graphs.ends[0]] - q[graphs.ends[1]]).square().sum(-1).sqrt() - rest
    return graphs.total(p.square().sum(-1) / (2 * graphs.nodes[:, 0]), k * stretched.square() / 2)


@dataclass(frozen=True)
class Springs:
    """Particle–spring systems and their trajectories, in rows padded to the largest.

    Attributes:
        sizes: particles of each graph, shape (graphs,).
        nodes: masses, shape (graphs, longest, 1).
        ends: ends of springs, -1 where there is none; shape (graphs, most, 2).
        edges: constant and length of springs, shape (graphs, most, 2).
        q, p: states, shape (graphs, trajectories, time, longest, dim).
        dt: time between stored states.
    """

    sizes: np.ndarray
    nodes: np.ndarray
    ends: np.ndarray
    edges: np.ndarray
    q: np.ndarray
    p: np.ndarray
    dt: float

    def __repr__(self) -> str:
        graphs, trajectories, time, _, dim = self.q.shape
        sizes = f"{self.sizes.min()} to {self.sizes.max()}"
        return f"<{graphs} graphs of {sizes} particles in {dim} dimensions, {trajectories} × {time} states of each>"

    def steps(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
        """Return each state with the one that follows it, the rows that :class:`learn.hogn.objective.NextState` takes."""
        count = self.q.shape[1] * (self.q.shape[2] - 1)

        def each(x: np.ndarray) -> Tensor:
            return torch.from_numpy(np.repeat(x, count, axis=0))

        states = [x[:, :, part] for part in (slice(-1), slice(1, None)) for x in (self.q, self.p)]
        flat = [torch.from_numpy(np.ascontiguousarray(x)).flatten(0, 2) for x in states]
        rows = [each(self.sizes), each(self.nodes), each(self.ends), each(self.edges), *flat]
        return tuple(x.to(dtype) if x.is_floating_point() else x for x in rows)

    def graphs(self, dtype: torch.dtype = torch.float32) -> Graphs:
        """Return the graph of every trajectory, all trajectories of the first graph first."""
        times = self.q.shape[1]
        rows = [
            torch.from_numpy(np.repeat(x, times, axis=0))
            for x in (self.sizes, self.nodes, self.ends, self.edges)
        ]
        return Graphs.of(*(x.to(dtype) if x.is_floating_point() else x for x in rows))

    def states(self, graphs: Graphs, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Return all trajectories packed, each of shape (time, particles, dim)."""
        q, p = (torch.from_numpy(x).flatten(0, 1).to(dtype) for x in (self.q, self.p))
        return torch.stack([graphs.pack(x) for x in q.unbind(1)]), torch.stack(
            [graphs.pack(x) for x in p.unbind(1)]
        )


def springs(
    *,
    graphs: int,
    sizes: Sequence[int] = (4, 5, 6, 7, 8, 9),
    trajectories: int = 1,
    steps: int = 20,
    dt: float = 0.1,
    dim: int = 2,
    seed: int = 0,
) -> Springs:
    """Draw random particle–spring systems, and follow them with a method of order six and steps of dt/8.

    Every graph is connected: a random tree, and at random half as many springs more as there are particles.  Masses and
    constants are uniform in [0.5, 2], springs 0.8 to 1.2 times as long as they start; in all, nothing moves.

    Arguments:
        graphs: how many.
        sizes: numbers of particles, taken in turn.
        trajectories: initial states of each graph.
        steps: of each trajectory.
        dt: time between stored states.
        dim: dimensions of space, 1 to 3.
        seed: the same seed gives the same bytes.

    Raises:
        ParameterError: for numbers out of range.

    Example:
        >>> springs(graphs=3, sizes=(2, 3), trajectories=2, steps=4)
        <3 graphs of 2 to 3 particles in 2 dimensions, 2 × 5 states of each>
    """
    count = integer("graphs", graphs, minimum=1)
    trajectories = integer("trajectories", trajectories, minimum=1)
    steps, dim = integer("steps", steps, minimum=1), integer("dim", dim, minimum=1, maximum=len(AXES))
    dt = real("dt", dt, above=0)
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
        raise ParameterError(f"sizes lists numbers of particles, such as (4, 5), not {shown(sizes)}")
    listed = [integer("sizes", n, minimum=1, maximum=200) for n in sizes]
    if not listed:
        raise ParameterError("sizes names at least one number of particles")
    random = np.random.default_rng(seed_number(seed))
    systems = [_draw(random, listed[i % len(listed)], dim, trajectories) for i in range(count)]
    longest, most = max(len(s["m"]) for s in systems), max(len(s["ends"]) for s in systems)
    found = Springs(
        sizes=np.array([len(s["m"]) for s in systems]),
        nodes=np.zeros((count, longest, 1)),
        ends=np.full((count, most, 2), -1),
        edges=np.zeros((count, most, 2)),
        q=np.zeros((count, trajectories, steps + 1, longest, dim)),
        p=np.zeros((count, trajectories, steps + 1, longest, dim)),
        dt=dt,
    )
    for i, system in enumerate(systems):
        n, bonds = len(system["m"]), len(system["ends"])
        found.nodes[i, :n, 0] = system["m"]
        found.ends[i, :bonds], found.edges[i, :bonds] = system["ends"], system["edges"]
        track = simulate(
            spring_hamiltonian(n, dim), system["q"], system["p"], dt / FINE, FINE * steps, save_every=FINE,
            method="auto", parameters=_parameters(system), threads=1,
        )  # fmt: skip
        for to, states in ((found.q, track.q), (found.p, track.p)):
            to[i, :, :, :n] = states.reshape(trajectories, steps + 1, n, dim)
    return found


def _draw(random: np.random.Generator, n: int, dim: int, trajectories: int) -> dict[str, Any]:
    """Masses, springs and initial states of one system."""
    side = ROOM * n ** (1 / dim) if dim > 1 else 3 * n
    places: list[np.ndarray] = []
    while len(places) < n:
        place = random.uniform(0, side, dim)
        if all(np.linalg.norm(place - other) > APART for other in places):
            places.append(place)
    q = np.array(places)
    order = random.permutation(n)
    bonds = [(order[random.integers(i)], order[i]) for i in range(1, n)]
    taken = {frozenset(bond) for bond in bonds}
    free = [(i, j) for i in range(n) for j in range(i + 1, n) if frozenset((i, j)) not in taken]
    more = random.permutation(len(free))[: int(FURTHER * n)]
    ends = np.array([sorted(map(int, bond)) for bond in [*bonds, *(free[k] for k in more)]]).reshape(-1, 2)
    distances = np.linalg.norm(q[ends[:, 0]] - q[ends[:, 1]], axis=1)
    edges = np.stack(
        [random.uniform(*CONSTANT, len(ends)), distances * random.uniform(*STRETCH, len(ends))], 1
    )
    m = random.uniform(*MASS, n)
    p = THERMAL * np.sqrt(m)[:, None] * random.normal(size=(trajectories, n, dim))
    p -= m[:, None] * (p.sum(1, keepdims=True) / m.sum())  # the centre of mass rests
    starts = np.broadcast_to(q.reshape(-1), (trajectories, n * dim))
    return {"m": m, "ends": ends, "edges": edges, "q": starts, "p": p.reshape(trajectories, -1)}


def _parameters(system: Mapping[str, Any]) -> dict[str, float]:
    n = len(system["m"])
    values = {f"{c}{i}_{j}": 0.0 for c in "kl" for i in range(1, n + 1) for j in range(1, n + 1)}
    values |= {f"m{i}": float(m) for i, m in enumerate(system["m"], start=1)}
    for (i, j), (k, rest) in zip(system["ends"], system["edges"], strict=True):
        values[f"k{i + 1}_{j + 1}"], values[f"l{i + 1}_{j + 1}"] = float(k), float(rest)
    return values
