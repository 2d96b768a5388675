"""Forecasts of pictures: three frames to the frames that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from hamsym.arguments import integer, shown
from hamsym.errors import CheckpointError, ParameterError
from hamsym.symbolic.integrals.invariants import invariants
from learn.arguments import MAX_NUMBERS, seed_number
from learn.foil.energies import turn_of_the_plane
from learn.foil.eye import Eye, turned_places
from learn.hnn.invariant import InvariantFunction
from learn.hnn.model import HNN
from learn.integrators import rollout
from learn.storage import write


class Forecast(nn.Module):
    """What forecasts share: an eye, and a call (frames, steps) ↦ frames.

    Arguments:
        eye: reads and draws pictures.
    """

    def __init__(self, eye: Eye) -> None:
        super().__init__()
        if not isinstance(eye, Eye):
            raise ParameterError(f"eye is a learn.foil.Eye, not {shown(eye)}")
        self.eye = eye
        self.register_buffer("unit_is_set", torch.tensor(False))
        self.unit_is_set: Tensor

    def forward(self, frames: Tensor, steps: int) -> Tensor:
        """Return the ``steps`` frames that follow, (batch, steps, bodies, size, size), on three given ones."""
        return self.eye.draw(self.places(*self.eye.read(frames), self.count(frames, steps)))

    def count(self, frames: Tensor, steps: int) -> int:
        """Return how many frames follow, one or more, or refuse them by name."""
        numbers = (
            max(1, len(frames)) * self.eye.bodies * self.eye.size**2 if hasattr(frames, "__len__") else 1
        )
        return integer("steps", steps, minimum=1, maximum=max(1, MAX_NUMBERS // numbers))

    def places(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return where bodies are in the frames that follow, (batch, steps, 2 bodies).

        The state (q, p), each of shape (batch, 2 bodies), is that at the second of three frames, so the first of those
        that follow is two time steps away.
        """
        raise TypeError(f"{type(self).__name__} moves no places")

    @torch.no_grad()
    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let the parts measure states in what they vary by over data, each of shape (n, 2 bodies)."""
        self.unit_is_set.fill_(True)

    def config(self) -> dict[str, Any]:
        """Return plain values that say what it is."""
        dtype = str(self.eye.log_radius.dtype).removeprefix("torch.")
        return {"forecast": type(self).__name__, "dtype": dtype, **self.eye.config()}

    def save(self, path: str | Path) -> None:
        """Write the forecast into the directory ``path``; ``learn.load`` reads it.

        Raises:
            CheckpointError: if the directory cannot be written, or the energy is one of the user's own.
        """
        write(path, "model", self.state_dict(), {"forecast": self.config()})


class EnergyForecast(Forecast):
    """Bodies move by Hamilton's equations of a learned energy, a leapfrog step for each frame.

    Arguments:
        eye: reads and draws pictures.
        model: of as many coordinates as the bodies have, with a separable energy.

    Example:
        >>> from learn.foil.energies import energy
        >>> forecast = EnergyForecast(Eye(2, 0.1), HNN(4, energy=energy("invariants", 2, width=8)))
        >>> forecast(torch.rand(5, 3, 2, 32, 32), 4).shape
        torch.Size([5, 4, 2, 32, 32])
    """

    def __init__(self, eye: Eye, model: HNN) -> None:
        super().__init__(eye)
        if not isinstance(model, HNN) or model.dim != 2 * eye.bodies:
            raise ParameterError(f"model is an HNN of {2 * eye.bodies} coordinates, not {shown(model)}")
        self.model = model

    def places(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return where bodies are in the frames that follow, (batch, steps, 2 bodies)."""
        return rollout(self.model.system, q, p, self.eye.dt, steps + 1)[0][:, 2:]

    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let the energy measure states in what they vary by over data, each of shape (n, 2 bodies)."""
        self.model.set_unit(q, p)
        super().set_unit(q, p)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild it without its weights."""
        options = getattr(self.model.hamiltonian, "options", None)
        if options is None:
            raise CheckpointError(
                "a forecast with an energy of your own cannot be described by plain values; save its state_dict() "
                "yourself, or make the energy by learn.foil.energy"
            )
        return {**super().config(), **options}


class Turning(Forecast):
    """What turns at a rate ω(q, p) that no turn of the state changes: a function of its invariants alone.

    Arguments:
        eye: reads and draws pictures.
        width, depth: of the network that gives ω.
        seed: of the first weights.
    """

    def __init__(self, eye: Eye, *, width: int = 64, depth: int = 2, seed: int = 0) -> None:
        super().__init__(eye)
        self.width, self.depth = width, depth
        turn = turn_of_the_plane(eye.bodies)
        variables = turn.space.variables
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.rate = InvariantFunction(
                invariants([turn], variables=variables, degree=2), variables, width, depth
            )

    def angles(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return by how much what was at the second frame has turned in those that follow, (batch, steps)."""
        times = self.eye.dt * torch.arange(2, steps + 2, dtype=q.dtype, device=q.device)
        return self.rate.value(torch.cat([q, p], -1)).unsqueeze(-1) * times

    def set_unit(self, q: Tensor, p: Tensor) -> None:
        """Let the rate measure states in what they vary by over data, each of shape (n, 2 bodies)."""
        self.rate.set_unit(torch.cat([q, p], -1))
        super().set_unit(q, p)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild it without its weights."""
        return {**super().config(), "width": self.width, "depth": self.depth}


class TurnedPlaces(Turning):
    """A direct transform of the representation: places at the second frame are turned by ω t, and drawn; no energy.

    Example:
        >>> TurnedPlaces(Eye(2, 0.1), width=8)(torch.rand(5, 3, 2, 32, 32), 4).shape
        torch.Size([5, 4, 2, 32, 32])
    """

    def places(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return where bodies are in the frames that follow, (batch, steps, 2 bodies)."""
        return turned_places(q.unsqueeze(1), self.angles(q, p, steps).unsqueeze(-1))


class TurnedPicture(Turning):
    """A direct transform of the representation as HoloGAN's: a latent picture is turned by ω t, resampled, and decoded.

    The second frame is encoded by two convolutions to channels of the same size, these are turned with bilinear
    interpolation, and two convolutions draw the frame.  Only ω is read by the eye.

    Source: Nguyen-Phuoc, Li, Theis, Richardt, Yang, *HoloGAN*, arXiv 1904.01326 (2019), in two dimensions; the latent
    tensor is not a constant here but that of a frame.

    Arguments:
        eye, width, depth, seed: as for :class:`Turning`.
        channels: of the latent picture.

    Example:
        >>> TurnedPicture(Eye(2, 0.1), width=8, channels=4)(torch.rand(5, 3, 2, 32, 32), 4).shape
        torch.Size([5, 4, 2, 32, 32])
    """

    def __init__(
        self, eye: Eye, *, width: int = 64, depth: int = 2, channels: int = 8, seed: int = 0
    ) -> None:
        super().__init__(eye, width=width, depth=depth, seed=seed)
        c = self.channels = integer("channels", channels, minimum=1, maximum=1024)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.encoder = nn.Sequential(
                nn.Conv2d(eye.bodies, c, 3, padding=1), nn.Tanh(), nn.Conv2d(c, c, 3, padding=1)
            )
            self.decoder = nn.Sequential(
                nn.Conv2d(c, c, 3, padding=1), nn.Tanh(), nn.Conv2d(c, eye.bodies, 3, padding=1)
            )

    def forward(self, frames: Tensor, steps: int) -> Tensor:
        """Return the ``steps`` frames that follow, (batch, steps, bodies, size, size), on three given ones."""
        state, steps = self.eye.read(frames), self.count(frames, steps)
        if len(frames) == 0:
            return frames.new_empty(0, steps, *frames.shape[2:])
        angle = self.angles(*state, steps).flatten()
        latent = self.encoder(frames[:, 1]).repeat_interleave(steps, 0)
        return self.decoder(turned(latent, angle)).unflatten(0, (len(frames), steps))

    def config(self) -> dict[str, Any]:
        """Return plain values that say what it is."""
        return {**super().config(), "channels": self.channels}


def turned(pictures: Tensor, angle: Tensor) -> Tensor:
    """Return pictures (batch, channels, size, size) turned about their centres, counterclockwise, by angles (batch,).

    Example:
        >>> picture = torch.rand(1, 1, 8, 8, dtype=torch.float64)
        >>> quarter = turned(picture, torch.tensor([torch.pi / 2], dtype=torch.float64))
        >>> torch.allclose(quarter, picture.rot90(1, (2, 3)))
        True
    """
    cos, sin = angle.cos(), angle.sin()
    zero = torch.zeros_like(cos)
    # where the light of each pixel comes from; rows of pictures run downward
    back = torch.stack([torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)], -2)
    grid = affine_grid(back, list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)
