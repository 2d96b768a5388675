"""Films of four systems: masses and constants of *Hamiltonian Generative Networks*, drawn by hamsym's renderer.

Toth et al., arXiv 1909.13789, and public versions of its data.  Bodies are described by relative coordinates, which are
canonical and in which nothing moves as a whole; pictures tell them apart by their brightness, for one picture of two equal
bodies would not say which is which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hamsym as hs

#: Time between frames, as published, and steps of the simulator from one to the next.
DT, _SUBSTEPS = 0.125, 20
SIZE = 32


@dataclass(frozen=True)
class Scene:
    """What is filmed.

    Attributes:
        title: in tables.
        dim: degrees of freedom.
        words: what it is and where it starts.
        spec: options of ``hs.DatasetSpec``: system, parameters, renderer.
        starts: initial states as ``hs.DatasetSpec`` takes them; equally many films begin with each.
    """

    title: str
    dim: int
    words: str
    spec: Mapping[str, Any]
    starts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Films:
    """Films with what they show.

    Attributes:
        images: shape (films, time, size, size), bytes.
        q, p: true states, shape (films, time, dim).
        energy: true, shape (films,).
    """

    images: np.ndarray
    q: np.ndarray
    p: np.ndarray
    energy: np.ndarray


def films(name: str, folder: Path, *, count: int, frames: int, seed: int, finer: int = 1) -> Films:
    """Make a data set in a folder, or find it there, and return it.

    Arguments:
        name: of a scene.
        folder: of the data set.
        count: films.
        frames: in each, ``DT / finer`` apart.
        seed: of the starts.
        finer: frames in the time DT.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = films("spring", Path(folder) / "data", count=3, frames=5, seed=0, finer=2)
        >>> found.images.shape, found.q.shape, bool(abs(found.energy - (found.q**2 + found.p**2)[:, 0, 0]).max() < 1e-12)
        ((3, 5, 32, 32), (3, 5, 1), True)
    """
    found: list[list[np.ndarray]] = []
    starts = SCENES[name].starts
    for k, initial in enumerate(starts):
        share = (count + len(starts) - 1 - k) // len(starts)
        if share:
            spec = hs.DatasetSpec(
                **SCENES[name].spec, initial=initial, trajectories=share, steps=(frames - 1) * _SUBSTEPS // finer,
                dt=DT / _SUBSTEPS, save_every=_SUBSTEPS // finer, seed=seed + (k << 24),
            )  # fmt: skip
            data = hs.open_dataset(hs.generate_dataset(spec, folder / str(k), progress=False))
            found.append([np.asarray(data[key]) for key in ("image", "q", "p", "energy")])
    images, q, p, energy = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Films(images, q, p, energy[:, 0])


def _listed(*bodies: tuple[str, str, int]) -> list[list[str]]:
    """Discs of several brightnesses: one that is listed n times is n times as bright, up to white."""
    return [[x, y] for x, y, times in bodies for _ in range(times)]


def _around(q: np.ndarray, p: np.ndarray, coordinates: float, momenta: float) -> tuple[dict[str, Any], ...]:
    """Starts near a state of vectors of the plane, shape (vectors, 2), and near the same state turned by steps of 30°."""
    found = []
    for angle in np.pi / 6 * np.arange(12):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        found.append({
            f"{letter}{i}": {"uniform": [round(float(x) - half, 12), round(float(x) + half, 12)]}
            for letter, vectors, half in (("q", q, coordinates), ("p", p, momenta))
            for i, x in enumerate((vectors @ turn).ravel(), start=1)
        })  # fmt: skip
    return tuple(found)


def triangle(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return three bodies of mass 1 on a circle about their centre, G = 1, in relative coordinates and their momenta.

    These are r = x₂ − x₁ and ρ = x₃ − (x₁ + x₂)/2, rows of the result.

    Example:
        >>> r, rho = triangle(1.0)[0]
        >>> float(np.hypot(*r).round(6)), float((r @ rho).round(12) + 0)
        (1.732051, 0.0)
    """
    angle = 2 * np.pi / 3 * np.arange(3)
    x = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    v = (np.sqrt(3) * radius**3) ** -0.5 * np.stack([-x[:, 1], x[:, 0]], 1)
    places, speeds = (np.stack([y[1] - y[0], y[2] - (y[0] + y[1]) / 2]) for y in (x, v))
    return places, speeds * [[1 / 2], [2 / 3]]


_RING = {"choice": [round((0.1 + 0.01 * k) ** 2, 6) for k in range(91)]}
_THREE = (("-q1/2-q3/3", "-q2/2-q4/3"), ("q1/2-q3/3", "q2/2-q4/3"), ("2*q3/3", "2*q4/3"))
SCENES = {
    "spring": Scene(
        "mass on a spring", 1, "H = p² + q² (k = 2, m = 0.5), on circles of radius 0.1 to 1, as published",
        {
            "system": "harmonic_oscillator", "parameters": {"m": 0.5, "k": 2.0},
            "render": {"extent": 1.8, "size": SIZE, "radius": 0.25},
        },
        ({"energy": _RING, "box": [-1.0, 1.0]},),
    ),
    "pendulum": Scene(
        "pendulum", 1,
        "H = 3 (1 − cos q) + p², from |q| < 1.5, |p| < 1.3, evenly: swings of up to about two thirds of the way up (published: circles of "
        "radius 1.3 to 2.3)",
        {
            "system": "pendulum", "parameters": {"m": 0.5, "l": 1.0, "g": 6.0},
            "render": {"extent": 1.5, "size": SIZE, "radius": 0.2, "particles": [["sin(q1)", "-cos(q1)"]]},
        },
        ({"q1": {"uniform": [-1.5, 1.5]}, "p1": {"uniform": [-1.3, 1.3]}},),
    ),
    "two-body": Scene(
        "two bodies", 2,
        "masses 1, G = 1, about circular orbits of radius 0.75 from twelve directions, relative coordinates off by up to 0.2 and momenta by up to "
        "0.04, evenly (published: radius 0.5 to 1.5 and noise of 0.1)",
        {
            "system": {"hamiltonian": "p1**2 + p2**2 - 1/sqrt(q1**2 + q2**2)", "coordinates": "q1 q2", "momenta": "p1 p2"},
            "render": {"extent": 1.5, "size": SIZE, "radius": 0.17,
                       "particles": _listed(("q1/2", "q2/2", 1), ("-q1/2", "-q2/2", 4))},
        },
        _around(np.array([[1.5, 0.0]]), np.array([[0.0, 3**-0.5]]), 0.2, 0.04),
    ),
    "three-body": Scene(
        "three bodies", 4,
        "masses 1, G = 1, about circular orbits of radius 1.05 from twelve directions, relative coordinates off by up to 0.05 and momenta by up to "
        "0.02, evenly (published: radius 0.9 to 1.2 and noise of 0.1)",
        {
            "system": {
                "hamiltonian": "p1**2 + p2**2 + 3*(p3**2 + p4**2)/4 - 1/sqrt(q1**2 + q2**2)"
                " - 1/sqrt((q3 + q1/2)**2 + (q4 + q2/2)**2) - 1/sqrt((q3 - q1/2)**2 + (q4 - q2/2)**2)",
                "coordinates": "q1 q2 q3 q4", "momenta": "p1 p2 p3 p4",
            },
            "render": {"extent": 2.2, "size": SIZE, "radius": 0.22,
                       "particles": _listed((*_THREE[0], 1), (*_THREE[1], 3), (*_THREE[2], 9))},
        },
        _around(*triangle(1.05), 0.05, 0.02),
    ),
}  # fmt: skip
