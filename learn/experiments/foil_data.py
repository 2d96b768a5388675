"""Pictures of bodies that turn about each other, of every orientation or of some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

import hamsym as hs
from hamsym.data.rendering import Renderer
from learn.experiments.hnn_tasks import circle

#: Time between frames; pixels; what is seen; radius of the discs.
DT, SIZE, EXTENT, RADIUS = 0.25, 32, 1.75, 0.16
#: Radii of the orbits, and by how much their first velocities are off those of circles, along and across.
RADII, ALONG, ACROSS = (0.7, 1.1), (0.92, 1.06), 0.06
#: By how much their centre is off that of the pictures, and its velocity, in each direction.
CENTRE, DRIFT = 0.06, 0.02
#: Where the first body starts: what is trained on, and what is not.
SEEN, UNSEEN, EVERYWHERE = (-np.pi / 6, np.pi / 6), (11 * np.pi / 12, 13 * np.pi / 12), (-np.pi, np.pi)
#: Strength of the trap that pulls to the line y = 0.
TRAP = 0.15


class Sequences(NamedTuple):
    """Pictures and what they show.

    Attributes:
        frames: bytes, (count, time, bodies, size, size).
        places: (count, time, 2 bodies), float64.
        momenta: of the same shape.
    """

    frames: Tensor
    places: Tensor
    momenta: Tensor


@dataclass(frozen=True)
class Scene:
    """Bodies of mass one that attract each other, and whatever else acts on them.

    Attributes:
        name: for tables.
        bodies: how many.
        hamiltonian: theirs.
        generator: of rotations of all of them about the origin.
        trained: range of the first angles of the training.
        tested: ranges of the first angles of the tests, by name.
    """

    name: str
    bodies: int
    hamiltonian: Any
    generator: Any
    trained: tuple[float, float]
    tested: dict[str, tuple[float, float]]

    @property
    def parameters(self) -> dict[str, float]:
        """Their masses, and the strengths of what acts on them."""
        values = {"G": 1.0, "k": TRAP} | {f"m{i}": 1.0 for i in range(1, self.bodies + 1)}
        return {name: values[name] for name in self.hamiltonian.space.parameters}

    def draw(self, count: int, where: tuple[float, float], frames: int, seed: int) -> Sequences:
        """Return sequences of nearly circular orbits that start with the first body in a range of angles.

        Arguments:
            count: of sequences.
            where: the range.
            frames: of each sequence.
            seed: of radii, angles and velocities.
        """
        rng = np.random.default_rng(seed)
        x, v = circle(self.bodies, rng.uniform(*RADII, count), rng.uniform(*where, count))
        out = x / np.linalg.norm(x, axis=-1, keepdims=True)
        along, across = rng.uniform(*ALONG, count), rng.uniform(-ACROSS, ACROSS, count)
        speed = np.linalg.norm(v, axis=-1, keepdims=True)
        v = along[:, None, None] * v + across[:, None, None] * speed * out
        x, v = (y + spread * rng.uniform(-1, 1, (count, 1, 2)) for y, spread in ((x, CENTRE), (v, DRIFT)))
        met = hs.simulate(
            self.hamiltonian, x.reshape(count, -1), v.reshape(count, -1), dt=DT / 20, steps=20 * (frames - 1),
            save_every=20, method="blanes_moan4", parameters=self.parameters,
        )  # fmt: skip
        return Sequences(
            self.render(torch.from_numpy(met.q)), torch.from_numpy(met.q), torch.from_numpy(met.p)
        )

    def render(self, places: Tensor) -> Tensor:
        """Return bytes (…, bodies, size, size) of bodies at places (…, 2 bodies)."""
        q = places.numpy().astype(np.float64)
        drawn = a_channel_each(
            self.hamiltonian.space, q, self.parameters, size=SIZE, extent=EXTENT, radius=RADIUS
        )
        return torch.from_numpy(drawn)

    def prove(self) -> dict[str, Any]:
        """Prove or refute {g, H} = 0, and check the verdict by independent code."""
        verdict = hs.verify(self.hamiltonian, self.generator)
        return {
            "target": self.name, "hamiltonian": self.hamiltonian.text, "generator": self.generator.text,
            **verdict.to_dict(), "checked": verdict.check(), "text": str(verdict).splitlines(),
        }  # fmt: skip


def a_channel_each(
    space: Any, q: np.ndarray, parameters: dict[str, float], *, size: int, extent: float, radius: float
) -> np.ndarray:
    """Return bytes (…, bodies, size, size): a picture for each body of the plane at places (…, 2 bodies).

    Arguments:
        space: whose coordinates are x and y of one body after the other.
        q: places.
        parameters: of the space.
        size, extent, radius: of the renderer.

    Example:
        >>> a_channel_each(hs.PhaseSpace.standard(4), np.zeros((3, 4)), {}, size=8, extent=1.0, radius=0.3).shape
        (3, 2, 8, 8)
    """
    drawn = [
        Renderer.of({"size": size, "radius": radius, "particles": [[x.name, y.name]]}, space)
        .draw(q, parameters, extent=extent)
        for x, y in zip(space.coordinates[::2], space.coordinates[1::2], strict=True)
    ]  # fmt: skip
    return np.stack(drawn, -3)


def scene(name: str, bodies: int, trap: bool) -> Scene:
    """Return bodies that attract each other by Newton's law, with or without a trap that singles out a direction."""
    H = hs.systems["nbody"](n=bodies, d=2).hamiltonian
    space = cast(hs.PhaseSpace, H.space)
    seen = {"seen": SEEN, "unseen": UNSEEN}
    if trap:
        names = [[s.name for s in part] for part in (space.coordinates, space.momenta)]
        masses = [f"m{i}" for i in range(1, bodies + 1)]
        space = hs.PhaseSpace(*names, parameters=dict.fromkeys(["G", *masses, "k"], "positive"))
        pulls = " + ".join(f"m{i}*y{i}**2" for i in range(1, bodies + 1))
        H = hs.Hamiltonian(f"{H.text} + k*({pulls})/2", space)
        seen = {"everywhere": EVERYWHERE}
    (turn,) = hs.total_angular_momentum(space, 2)
    return Scene(name, bodies, H, turn, EVERYWHERE if trap else SEEN, seen)
