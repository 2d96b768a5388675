"""Two bodies that turn independently, filmed: the latent states of a Hamiltonian generative network under the four tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import hamsym as hs
from learn.experiments.disentangling_problems import SPACE
from learn.experiments.foil_data import a_channel_each
from learn.hgn import HGN, VideoELBO
from learn.training.fit import fit

#: Each body of mass one on a spring of its own to the middle: both turn on ellipses about it.
ENERGY = hs.Hamiltonian("(p1**2 + p2**2 + p3**2 + p4**2 + q1**2 + q2**2 + q3**2 + q4**2)/2", SPACE)
#: Time between frames; pixels; what is seen; radius of the discs; frames that the encoder sees; frames of a film.
DT, SIZE, EXTENT, RADIUS, SEEN, FRAMES = 0.25, 16, 1.8, 0.3, 5, 25
#: Distances from the middle, and standard deviation of the momenta.
DISTANCES, MOMENTA = (0.4, 1.0), 0.4


def starts(n: int, seed: int) -> np.ndarray:
    """Return states (q, p) of shape (n, 8) of which every direction of each body is equally likely.

    Example:
        >>> bool(np.hypot(*starts(100, 0)[:, :2].T).max() <= 1.0)
        True
    """
    rng = np.random.default_rng(seed)
    distance, angle = rng.uniform(*DISTANCES, (n, 2, 1)), rng.uniform(-np.pi, np.pi, (n, 2))
    q = distance * np.stack([np.cos(angle), np.sin(angle)], -1)
    p = np.clip(MOMENTA * rng.normal(size=(n, 2, 2)), -1, 1)
    return np.concatenate([q.reshape(n, 4), p.reshape(n, 4)], -1)


def films(rows: np.ndarray, frames: int) -> torch.Tensor:
    """Return the films, bytes of shape (batch, frames, 2, size, size), that begin in states (q, p) of shape (batch, 8).

    Example:
        >>> films(starts(3, 0), 5).shape
        torch.Size([3, 5, 2, 16, 16])
    """
    met = hs.simulate(
        ENERGY,
        rows[:, :4],
        rows[:, 4:],
        dt=DT / 5,
        steps=5 * (frames - 1),
        save_every=5,
        method="blanes_moan4",
    )
    return torch.from_numpy(
        a_channel_each(SPACE, met.q, {}, size=SIZE, extent=EXTENT, radius=RADIUS).astype(np.uint8)
    )


class LatentStates:
    """The representation under test: a state ↦ the film that begins in it ↦ the latent state (q, p) that is read off it.

    Arguments:
        model: of films of two channels.

    Example:
        >>> LatentStates(HGN(SIZE, 2, SEEN, 4, width=8, seed=0))(starts(3, 0)).shape
        (3, 8)
    """

    def __init__(self, model: HGN) -> None:
        self.model = model
        self._known: dict[bytes, np.ndarray] = {}

    @torch.no_grad()
    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return latent states, shape (batch, 8), of states of the same shape."""
        key = np.asarray(rows).tobytes()
        if key not in self._known:  # other blocks and frames are tested on the same films
            found = self.model.states(films(np.asarray(rows), SEEN))
            self._known[key] = torch.cat(found, -1).double().numpy()
        return self._known[key]


def train(
    n: int, steps: int, batch: int, seed: int, *, width: int = 128, lr: float = 2e-3, **options: Any
) -> tuple[HGN, dict[str, float]]:
    """Return a network trained on films, and how well it draws films that it has not seen.

    Arguments:
        n: films to learn from.
        steps, batch, lr, options: of ``learn.fit``.
        seed: of films and weights.
        width: of the network.

    Returns:
        The model, and root mean square errors of pixels of the frames that it is shown and of those that follow.
    """
    model = HGN(SIZE, 2, SEEN, 4, dt=DT, width=width, seed=seed)
    objective = VideoELBO(model, frames=15, focus=0.3)
    fit(objective, films(starts(n, seed), FRAMES), steps=steps, batch=batch, lr=lr, seed=seed, **options)
    held_out = films(starts(200, seed + 1), FRAMES)
    with torch.no_grad():
        off = (model.predict(held_out, FRAMES - 1) - held_out / 255).square().mean((0, 2, 3, 4))
    return model, {"shown": float(off[:SEEN].mean()) ** 0.5, "following": float(off[SEEN:].mean()) ** 0.5}
