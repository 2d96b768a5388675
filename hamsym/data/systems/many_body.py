"""Bodies that attract each other by gravity."""

from __future__ import annotations

import math

import numpy as np

from hamsym.data.systems.bodies import cartesian, square_distance, square_momentum, total_momenta
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Facts, States
from hamsym.data.systems.writing import MOST_PARTICLES, over, over_pairs

#: Bodies up to which all distances are looked at together.
_TOGETHER = 100


@entry(
    "bodies that attract each other by gravity",
    n=Size("number of bodies", 3, 2, MOST_PARTICLES),
    d=Size("number of dimensions", 3, 2, 3),
)
def nbody(n: int, d: int) -> Facts:
    masses = [f"m{i}" for i in range(1, n + 1)]
    space = cartesian(n, d, dict.fromkeys(["G", *masses], "positive"), time="t")
    kinetic = over(f"{square_momentum(d)}/(2*m[i])", 1, n)
    attraction = over_pairs(f"-G*m[i]*m[j]/sqrt({square_distance(d)})", n)
    known = total_momenta(n, d)
    for axis in "xyz"[:d]:
        known[f"centre of mass {axis}"] = (
            f"{over(f'm[i]*{axis}[i]', 1, n)} - t*{known[f'total momentum {axis}']}"
        )

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return _cluster(count, n, d, rng, k)

    return Facts(
        space,
        f"{kinetic} + {attraction}",
        {"G": 1.0, **dict.fromkeys(masses, 1.0)},
        "Landau and Lifshitz, Mechanics, sections 7 to 9; Szebehely, Theory of Orbits; "
        "coordinates body by body, t is the time",
        draw,
        known,
        rank=1 + len(known),
    )


def _cluster(count: int, n: int, d: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    """A rotating cloud, bound and at rest as a whole: one body to a cell of a grid, so that none start close."""
    side = math.ceil(n ** (1 / d))
    cells = np.stack(np.meshgrid(*[np.arange(side)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    chosen = np.argsort(rng.random((count, len(cells))), axis=1)[:, :n]
    x = cells[chosen] + rng.uniform(-0.2, 0.2, (count, n, d))
    m = np.array([k[f"m{i}"] for i in range(1, n + 1)])
    share = (m / m.sum())[:, None]
    x -= (share * x).sum(axis=1, keepdims=True)
    v = 0.3 * rng.standard_normal((count, n, d))
    v[..., 0] -= x[..., 1]
    v[..., 1] += x[..., 0]
    v -= (share * v).sum(axis=1, keepdims=True)
    # Half of the kinetic energy at which the cloud would fly apart, so that it is in equilibrium on average.
    depth = k["G"] * _depth(x, m)
    kinetic = (m[:, None] * v**2).sum(axis=(1, 2)) / 2
    v *= np.sqrt(depth / 2 / kinetic)[:, None, None]
    return x.reshape(count, -1), (m[:, None] * v).reshape(count, -1)


def _depth(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Σ m m/r over all pairs, for places of shape ``(count, n, d)``."""
    n = len(m)
    if n <= _TOGETHER:
        i, j = np.triu_indices(n, 1)
        return (m[i] * m[j] / np.linalg.norm(x[:, i] - x[:, j], axis=-1)).sum(axis=1)
    depth, columns = np.zeros(len(x)), np.moveaxis(x, 2, 0).copy()
    for first in range(n - 1):
        others = slice(first + 1, None)
        square = sum((c[:, others] - c[:, first : first + 1]) ** 2 for c in columns)
        depth += m[first] * (m[others] / np.sqrt(square)).sum(axis=1)
    return depth
