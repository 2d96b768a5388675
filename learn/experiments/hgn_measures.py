"""What is measured of a model of films: pictures at other times and speeds, the energy, and whether its motion is Hamiltonian."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hamsym.errors import NonFiniteError
from learn.evaluation.pullback import symplecticity
from learn.experiments.hgn_data import Films
from learn.hgn import HGN

#: Films that are drawn at once.
_AT_ONCE = 25
#: What is looked at of a rollout for the two-form: every third frame.
_EVERY = 3


class FreeField(nn.Module):
    """(q, p) ↦ their rates, any function at all: a motion that keeps nothing.

    It stands in the place of an energy of an HGN, which asks for the slopes (∂H/∂q, ∂H/∂p) = (−dp/dt, dq/dt).

    Arguments:
        dim: number of coordinates.
        width, depth: of the network.
    """

    is_separable = False

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [2 * dim] + [width] * depth + [2 * dim]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Tanh(), nn.Linear(a, b))]
        self.network = nn.Sequential(*layers[1:])

    def slopes(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (−dp/dt, dq/dt), each of shape (batch, dim)."""
        minus_p, of_q = self.network(torch.cat([q, p], -1)).chunk(2, -1)
        return minus_p, of_q


class FreeMotion(HGN):
    """An HGN without an energy: the same encoder, decoder and loss, and a latent motion by any vector field.

    Example:
        >>> FreeMotion(size=8, dim=1, width=16, seed=0).predict(torch.zeros(1, 5, 8, 8), 3).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, *, seed: int, **options: Any) -> None:
        super().__init__(seed=seed, **options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hamiltonian = FreeField(self.dim, self.width, self.depth)  # type: ignore[assignment]
        self.hamiltonian_kind = "free"


@torch.no_grad()
def measured(
    model: HGN, test: Films, *, learned: int, horizon: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what is measured of a model, and its pictures of the first film, bytes by the kind of motion.

    Arguments:
        model: trained.
        test: films at half the time step of the model, at least ``2 (horizon + frames)`` long.
        learned: frames of the pieces that it was trained on.
        horizon: steps of the rollouts.
    """
    whole = test.images[:, ::2]
    runs = {
        "forward": (whole[:, : model.frames], model.dt, horizon, whole),
        "backward": (whole[:, horizon : horizon + model.frames], -model.dt, horizon, whole[:, horizon::-1]),
        "half": (whole[:, : model.frames], model.dt / 2, horizon, test.images),
        "double": (whole[:, : model.frames], 2 * model.dt, horizon // 2, whole[:, ::2]),
    }
    found: dict[str, Any] = {}
    pictures = {}
    for name, (seen, dt, steps, truth) in runs.items():
        states = _rolled(model, seen, dt, steps)
        if states is None:
            found |= {name: None, f"{name}_at": None}
            continue
        by_time, pictures[name] = _pixels(model, states[0], truth[:, : steps + 1])
        found |= {name: float(by_time.mean()), f"{name}_at": by_time.tolist()}
        if name == "forward":
            found |= {
                "reconstruction": float(by_time[:learned].mean()),
                "extrapolation": float(by_time[learned:].mean()),
            }
            found |= _energy(model, *states, test.energy)
            for part, until in (("learned", learned), ("whole", horizon + 1)):
                times = slice(0, until, _EVERY)
                q, p = (x[:, times] for x in states)
                true_q, true_p = (x[:, ::2][:, times] for x in (test.q, test.p))
                found[f"form_{part}"] = symplecticity(q, p, true_q, true_p).to_dict()
    found["form_encoded"] = _encoded(model, test, horizon)
    return found, pictures


def _encoded(model: HGN, test: Films, horizon: int) -> dict[str, Any]:
    """The form of states that are inferred afresh at every time, which no motion has carried."""
    times = range(0, horizon + 1, 2 * _EVERY)
    inferred = [model.states(test.images[:, 2 * k : 2 * (k + model.frames) : 2]) for k in times]
    q, p = (torch.stack(x, 1) for x in zip(*inferred, strict=True))
    return symplecticity(q, p, test.q[:, ::2][:, times], test.p[:, ::2][:, times]).to_dict()


def trivial(train: Films, test: Films, *, frames: int, learned: int, horizon: int) -> dict[str, Any]:
    """Return the pixel errors of the mean picture and of the last frame that an encoder sees, held still.

    Arguments:
        train, test: films, ``test`` at half the time step.
        frames: that an encoder sees.
        learned, horizon: as for :func:`measured`.
    """
    truth = test.images[:, : 2 * horizon + 1 : 2] / 255
    found: dict[str, Any] = {}
    for name, still in (("mean", train.images.mean((0, 1)) / 255), ("frozen", truth[:, frames - 1, None])):
        by_time = ((truth - still) ** 2).mean((0, 2, 3))
        found[name] = {
            "at": by_time.tolist(),
            "reconstruction": float(by_time[:learned].mean()),
            "extrapolation": float(by_time[learned:].mean()),
        }
    return found


def as_bytes(pictures: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1] as bytes."""
    found: np.ndarray = np.rint(255 * pictures).astype(np.uint8)
    return found


def _rolled(model: HGN, seen: np.ndarray, dt: float, steps: int) -> tuple[Tensor, Tensor] | None:
    try:
        return model.rollout(*model.states(torch.from_numpy(np.ascontiguousarray(seen))), steps, dt=dt)
    except NonFiniteError:
        return None


def _pixels(model: HGN, q: Tensor, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean square error at every time, and the pictures of the first film."""
    total, first = np.zeros(q.shape[1]), None
    for some, true in zip(
        q.split(_AT_ONCE), np.split(truth, range(_AT_ONCE, len(truth), _AT_ONCE)), strict=True
    ):
        drawn = model.decode(some).double().numpy()
        total += ((drawn - true / 255) ** 2).mean((2, 3)).sum(0)
        first = as_bytes(drawn[0]) if first is None else first
    assert first is not None
    return total / len(q), first


def _energy(model: HGN, q: Tensor, p: Tensor, truth: np.ndarray) -> dict[str, Any]:
    """How well the learned energy is kept, and how well its first value goes with the true energy."""
    if isinstance(model, FreeMotion):
        return {}
    flat = model.energy(q.flatten(0, 1), p.flatten(0, 1)).reshape(q.shape[:2]).double().numpy()
    spread = flat[:, 0].std()
    return {
        "drift": float(np.sqrt(((flat - flat[:, :1]) ** 2).mean()) / spread),
        "correlation": float(np.corrcoef(flat[:, 0], truth)[0, 1]),
        "energies": [[float(a), float(b)] for a, b in zip(truth, flat[:, 0], strict=True)],
    }
