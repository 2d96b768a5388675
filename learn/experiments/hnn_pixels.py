"""The pixel pendulum: an energy learned from pictures alone, read in units of the true one.

The published pictures are those of OpenAI Gym's Pendulum-v0, which is not at hand; these are drawn by hamsym's renderer,
of a rod of the same length, mass and gravity, at the same number of frames, pixels and trials.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hamsym as hs
from hamsym.data.rendering import Renderer
from learn.hnn.pixels import PixelHNN
from learn.integrators import rollout
from learn.training.fit import fit
from learn.training.objective import Batch, Progress

SIZE, FRAMES, DT = 28, 103, 0.05
#: A rod of mass 1 and length 1 with g = 10: H = 3 p²/2 + 5 (1 − cos q), so that q'' = −15 sin q.
SYSTEM = {"m": 1 / 3, "l": 1.0, "g": 15.0}
#: What is drawn: three discs along the rod, whose end is at (sin q, −cos q).
PICTURE = {
    "size": SIZE, "extent": 1.2, "radius": 0.15,
    "particles": [[f"{s}*sin(q1)", f"-{s}*cos(q1)"] for s in ("0.5", "0.75", "1")],
}  # fmt: skip
#: Momentum in the published unit of energy: a quarter of the angular velocity.
QUARTER = 0.25
#: Symplectic, as the states of frames are; Euler's, as published, bends the energy.
STEP = "midpoint"
_ROLLOUTS, _AT_ONCE = 15, 256


def trials(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures and states of pendula let go at rest within 30° of hanging.

    Arguments:
        count: of trials.
        rng: draws the first angles.

    Returns:
        Pictures (count, frames, pixels), bytes; angles and angular velocities (count, frames).

    Example:
        >>> pictures, angle, speed = trials(2, np.random.default_rng(0))
        >>> pictures.shape, pictures.dtype, bool(abs(angle).max() < np.pi / 6)
        ((2, 103, 784), dtype('uint8'), True)
    """
    H = hs.systems["pendulum"].hamiltonian
    q0 = rng.uniform(-np.pi / 6, np.pi / 6, (count, 1))
    met = hs.simulate(
        H, q0, np.zeros_like(q0), dt=DT / 10, steps=(FRAMES - 1) * 10, save_every=10, method="kahan_li6",
        parameters=SYSTEM,
    )  # fmt: skip
    pictures = Renderer.of(PICTURE, H.space).draw(met.q, SYSTEM, extent=PICTURE["extent"])  # type: ignore[arg-type]
    return pictures.reshape(count, FRAMES, -1), met.q[..., 0], met.p[..., 0] / SYSTEM["m"]


def energy(angle: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Return the energy p² + 15 (1 − cos q)/8 with p = q'/4, a multiple of the rod's: the published unit.

    Example:
        >>> float(energy(np.array(0.0), np.array(4.0)))
        1.0
    """
    return (QUARTER * speed) ** 2 + 2 * QUARTER**2 * 15 * (1 - np.cos(angle))


def measure_pixels(
    seed: int, *, hamiltonian: bool, count: int, steps: int, batch: int, lr: float
) -> dict[str, Any]:
    """Train on pictures, roll the latent state out from the first two of held-out trials, and measure its energy.

    The energy of a latent state is that of the training picture whose latent state is nearest, looked up after the
    training; the pictures are all that the training itself has seen.  A state outside of them counts as the edge, so an
    error that runs away is understated.

    Arguments:
        seed: of trials and weights.
        hamiltonian: whether the latent state moves by an HNN, or by the baseline.
        count: trials; a fifth is held out.
        steps, batch, lr: of the training.
    """
    rng = np.random.default_rng(seed)
    pictures, angle, speed = trials(count, rng)
    held_out = max(2, count // 5)
    model = PixelHNN(SIZE**2, energy=hamiltonian, seed=seed)
    objective = model.loss(STEP)
    rows = _triples(pictures)
    train, test = rows[:-held_out].flatten(0, 1), rows[-held_out:].flatten(0, 1)
    started = time.process_time()
    fit(objective, train, steps=steps, batch=batch, lr=lr, seed=seed, progress=False)
    seconds = time.process_time() - started
    losses, parts = [], {}
    with torch.no_grad():
        for few in (train[:: max(1, len(train) // 2000)], test[:: max(1, len(test) // 2000)]):
            whole = objective.transform((few,), torch.Generator())
            loss, found = objective.loss(Batch(whole), torch.Generator(), Progress(1, 1))
            losses.append(float(loss))
            parts = {name: float(value) for name, value in found.items()}
    return {
        "train": losses[0], "test": losses[1], "parts": parts, "cpu_seconds": seconds,
        **_latent_energy(model, rows, angle, speed, held_out),
    }  # fmt: skip


def _triples(pictures: np.ndarray) -> Tensor:
    """Rows of three frames, (trials, frames − 2, 3, pixels)."""
    frames = torch.from_numpy(pictures)
    return torch.stack([frames[:, :-2], frames[:, 1:-1], frames[:, 2:]], 2)


@torch.no_grad()
def _latent_energy(
    model: PixelHNN, rows: Tensor, angle: np.ndarray, speed: np.ndarray, held_out: int
) -> dict[str, Any]:
    """Energy of latent rollouts against the true one, and what reading it off the latent state costs by itself."""
    latents = []
    for trial in rows:
        z = torch.cat(model.encode(trial[:, :2].float() / 255), -1)
        latents.append(z.double().numpy())
    seen = np.stack(latents)
    # the pair of frames k, k + 1 shows the time between them
    angles, speeds = ((x[:, :-2] + x[:, 1:-1]) / 2 for x in (angle, speed))
    known, energies_known = seen[:-held_out].reshape(-1, 2), energy(angles, speeds)[:-held_out].ravel()
    unit = known.std(0)
    table = torch.from_numpy(known / unit)

    def energies(z: np.ndarray) -> np.ndarray:
        states = torch.from_numpy(z.reshape(-1, 2) / unit)
        nearest = torch.cat([torch.cdist(some, table).argmin(1) for some in states.split(_AT_ONCE)])
        return energies_known[nearest.numpy()].reshape(z.shape[:-1])

    model.double()
    first = torch.from_numpy(seen[-held_out:][:_ROLLOUTS, 0])
    looks = seen.shape[1]
    made = rollout(
        model.latent.system, first[:, :1], first[:, 1:], 0.5, 2 * (looks - 1), save_every=2, method="rk4"
    )
    found = energies(torch.cat(made, -1).numpy())
    truth = energy(angles, speeds)[-held_out:][:_ROLLOUTS]
    squares = (found - truth) ** 2
    return {
        "energy": float(squares.mean()),
        "energy_by_rollout": squares.mean(1).tolist(),
        "readout": float(((energies(seen[-held_out:][:_ROLLOUTS]) - truth) ** 2).mean()),
        "variance": float(energy(angles, speeds)[:, 0].var()),
        "times": (DT * np.arange(looks)).tolist(),
        "track": np.sqrt(squares.mean(0)).tolist(),
    }  # fmt: skip
