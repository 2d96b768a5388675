"""What is measured of a forecast: light in the wrong place, whether turned pictures have turned forecasts, and the cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hamsym as hs
from learn.experiments.foil_data import DT, Scene, Sequences
from learn.foil.eye import GIVEN, turned_places
from learn.foil.forecasts import EnergyForecast, Forecast
from learn.hnn.energies import Energy


class Still(Forecast):
    """What stays where it is: a reference, and what the eye alone contributes to every error."""

    def places(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return the places of the second frame, again and again, (batch, steps, 2 bodies)."""
        return q.unsqueeze(1).expand(-1, steps, -1)


class TrueMotion(Forecast):
    """The eye and leapfrog steps of the true energy: a reference that is not trained."""

    def __init__(self, eye: Any, scene: Scene) -> None:
        super().__init__(eye)
        self.scene = scene

    def places(self, q: Tensor, p: Tensor, steps: int) -> Tensor:
        """Return where bodies are in the frames that follow, (batch, steps, 2 bodies)."""
        met = hs.simulate(
            self.scene.hamiltonian, q.double().numpy(), p.double().numpy(), dt=DT, steps=steps + 1, method="leapfrog",
            parameters=self.scene.parameters,
        )  # fmt: skip
        return torch.from_numpy(met.q[:, 2:]).to(q)


@torch.no_grad()
def pixel_error(forecast: Forecast, sequences: Sequences) -> float:
    """Return the mean square error of the light of all frames but the given ones; light goes from 0 to 1."""
    light = sequences.frames.to(forecast.eye.log_radius) / 255
    made = forecast(light[:, :GIVEN], light.shape[1] - GIVEN)
    return float((made - light[:, GIVEN:]).square().mean())


@cache
def turning(size: int, angle: float) -> Tensor:
    """Return what turns pictures of ``size``² pixels about their centre, counterclockwise, as a matrix in float64.

    The value at the point that each pixel comes from is that of the trigonometric polynomial through all pixels, which
    is exact for what is periodic and band-limited; discs of a radius of 1.5 pixels are to 10⁻⁴, so that turning adds
    nothing to what is measured.  Pixels outside of the largest circle become dark.

    Arguments:
        size: pixels in a row and in a column, an even number.
        angle: in radians.

    Returns:
        Shape (size², size²), rows of pictures one after the other.

    Example:
        >>> quarter = turning(8, np.pi / 2)
        >>> picture = torch.zeros(8, 8, dtype=torch.float64)
        >>> picture[2, 3] = 1.0
        >>> torch.allclose((quarter @ picture.flatten()).reshape(8, 8), picture.rot90(), atol=1e-12)
        True
    """
    middle = (size - 1) / 2
    row, column = np.meshgrid(*[np.arange(size) - middle] * 2, indexing="ij")
    cos, sin = np.cos(angle), np.sin(angle)
    # x runs with columns, y against rows: the source of (x, y) is that point turned back
    from_x, from_y = cos * column - sin * row, -sin * column - cos * row
    across, down = (_between(u.reshape(-1, 1) + middle - np.arange(size), size) for u in (from_x, -from_y))
    matrix = down[:, :, None] * across[:, None, :]
    matrix[np.hypot(row, column).ravel() > size / 2] = 0.0
    return torch.from_numpy(matrix.reshape(size**2, size**2))


def _between(distance: np.ndarray, size: int) -> np.ndarray:
    """The trigonometric polynomial that is one at pixel 0 and zero at the others, at points between pixels."""
    turns = np.pi * distance / size
    on_pixel = np.abs(np.sin(turns)) < 1e-12
    safe = np.where(on_pixel, 1.0, turns)
    return np.where(on_pixel, 1.0, np.sin(size * safe) / (size * np.tan(safe)))


@torch.no_grad()
def turning_error(
    forecast: Forecast, scene: Scene, places: Tensor, angles: Sequence[float], steps: int
) -> float:
    """Return ‖f(R x) − R f(x)‖/‖R f(x)‖, rms over sequences, frames, pixels and angles.

    R x is drawn from turned places, and f(x) is turned as a band-limited picture: neither is resampled.

    Arguments:
        forecast: f, in float64.
        scene: draws.
        places: of bodies in the given frames, (count, 3, 2 bodies).
        angles: of R, in radians.
        steps: frames that are forecast.
    """
    size = forecast.eye.size
    plain = forecast(scene.render(places).double() / 255, steps).flatten(-2)
    off = total = 0.0
    for angle in angles:
        turned = plain @ turning(size, angle).T
        seen = scene.render(turned_places(places, torch.tensor(angle, dtype=places.dtype)))
        made = forecast(seen.double() / 255, steps).flatten(-2)
        inside = turning(size, angle).abs().sum(1) > 0
        off += float((made - turned)[..., inside].square().sum())
        total += float(turned.square().sum())
    return float(np.sqrt(off / total))


@torch.no_grad()
def state_turning_error(
    forecast: Forecast, q: Tensor, p: Tensor, angles: Sequence[float], steps: int
) -> float:
    """Return the same of places without the eye, relative to how far bodies go: the error of the motion alone.

    Arguments:
        forecast: in float64.
        q, p: states, each of shape (count, 2 bodies).
        angles: of R, in radians.
        steps: frames that are forecast.
    """
    plain = forecast.places(q, p, steps)
    gone = float((plain - q.unsqueeze(1)).square().mean())
    off = []
    for angle in torch.tensor(angles, dtype=q.dtype):
        made = forecast.places(turned_places(q, angle), turned_places(p, angle), steps)
        off.append(float((made - turned_places(plain, angle)).square().mean()))
    return float(np.sqrt(np.mean(off) / gone)) if gone else 0.0


def bracket(forecast: Forecast, scene: Scene, sequences: Sequences) -> float | None:
    """Return rms{g, H} of a learned energy over the states of sequences, as a share of what it could be; None without one."""
    if not isinstance(forecast, EnergyForecast) or not isinstance(forecast.model.hamiltonian, Energy):
        return None
    like = forecast.eye.log_radius
    q, p = (x.flatten(0, 1).to(like) for x in (sequences.places, sequences.momenta))
    return float(forecast.model.bracket_residual(q, p, [scene.generator])[0].relative)


@torch.no_grad()
def seconds_of(forecast: Forecast, sequences: Sequences, repeats: int = 5) -> float:
    """Return the CPU time of one forecast of one sequence, all at once, median of some repeats."""
    light = sequences.frames[:, :GIVEN].to(forecast.eye.log_radius) / 255
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        forecast(light, sequences.frames.shape[1] - GIVEN)
        spent.append(time.process_time() - began)
    return float(np.median(spent)) / len(light)
