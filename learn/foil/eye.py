"""The eye that all forecasts share: pictures to places and momenta of bodies, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hamsym.arguments import integer, real, shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError
from learn.fields import Pair
from learn.flow.features import Constant

#: Pictures that a forecast is made from.
GIVEN = 3


class Eye(nn.Module):
    """Places are centres of light, one picture for each body; momenta are central differences; discs are drawn at places.

    Three pictures at times −dt, 0, dt give the state at time 0: q is the place in the second, p = (q(dt) − q(−dt))/(2 dt), the
    momentum of a body of mass one by Störmer and Verlet's rule (Hairer, Lubich, Wanner, section I.1.4).  Turned
    pictures have turned centres up to what pixels and bytes round off, so the eye is equivariant for every radius of the
    discs, the one number that it learns.

    Arguments:
        bodies: how many, each a channel of the pictures.
        dt: time between pictures.
        size: pixels in a row and in a column.
        extent: pictures show x and y from −extent to extent, the largest y in row 0.
        radius: of discs exp(−r²/(2 radius²)), a first guess.

    Example:
        >>> eye = Eye(2, 0.1, size=32, extent=1.0, radius=0.1)
        >>> places = torch.tensor([[[0.5, 0.25, -0.5, 0.0]] * 3])
        >>> q, p = eye.read(eye.draw(places))
        >>> torch.allclose(q, places[:, 1], atol=1e-4), bool(p.abs().max() < 1e-4)
        (True, True)
    """

    def __init__(
        self, bodies: int, dt: float, *, size: int = 32, extent: float = 1.5, radius: float = 0.2
    ) -> None:
        super().__init__()
        self.bodies = integer("bodies", bodies, minimum=1, maximum=100)
        self.size = integer("size", size, minimum=4, maximum=1024)
        self.dt, self.extent = real("dt", dt, above=0), real("extent", extent, above=0)
        self.log_radius = nn.Parameter(
            torch.tensor(real("radius", radius, above=0), dtype=torch.get_default_dtype()).log()
        )
        step = 2 * self.extent / self.size
        pixels = -self.extent + step * (torch.arange(self.size, dtype=torch.float64) + 0.5)
        self.pixels = Constant(pixels.numpy())

    def places(self, pictures: Tensor) -> Tensor:
        """Return the centres of light (…, 2 bodies), x and y of one body after the other, of pictures (…, bodies, size, size)."""
        if pictures.ndim < 3 or tuple(pictures.shape[-3:]) != (self.bodies, self.size, self.size):
            raise ShapeError(
                f"pictures have shape (…, {self.bodies}, {self.size}, {self.size}), one channel for each body, not "
                f"{tuple(pictures.shape)}"
            )
        light = pictures.sum((-2, -1)).clamp(min=1e-6)
        x = (pictures.sum(-2) @ self.pixels.value) / light
        y = (pictures.sum(-1) @ self.pixels.value.flip(0)) / light
        return torch.stack([x, y], -1).flatten(-2)

    def read(self, frames: Tensor) -> Pair:
        """Return the state (q, p), each of shape (batch, 2 bodies), at the second of three frames.

        Arguments:
            frames: (batch, 3, bodies, size, size), light from 0 to 1.

        Raises:
            ShapeError: for another shape.
        """
        if not isinstance(frames, Tensor) or frames.ndim != 5 or frames.shape[1] != GIVEN:
            raise ShapeError(
                f"a forecast is made from {GIVEN} frames, shape (batch, {GIVEN}, {self.bodies}, {self.size}, {self.size}), "
                f"as a tensor, not {shown(getattr(frames, 'shape', frames))}"
            )
        self.require_light(frames)
        before, now, after = self.places(frames).unbind(1)
        return now, (after - before) / (2 * self.dt)

    def require_light(self, frames: Tensor) -> None:
        """Refuse pictures of another precision than that of the eye, and such as are not finite."""
        if frames.dtype != self.log_radius.dtype:
            raise ParameterError(
                f"frames hold light from 0 to 1 in {self.log_radius.dtype}, not {frames.dtype}; bytes are divided by 255"
            )
        if not bool(torch.isfinite(frames.sum())) and not bool(torch.isfinite(frames).all()):
            bad = ~torch.isfinite(frames).flatten(1).all(1)
            index = int(bad.nonzero()[0])
            raise NonFiniteError(f"frames {index} hold numbers that are not finite", index=index)

    def draw(self, places: Tensor) -> Tensor:
        """Return pictures (…, bodies, size, size) with a disc at each of the places (…, 2 bodies)."""
        at = places.unflatten(-1, (self.bodies, 2))
        across = -0.5 * torch.exp(-2 * self.log_radius) * (self.pixels.value - at.unsqueeze(-1)).square()
        x, y = across.exp().unbind(-2)
        return y.flip(-1).unsqueeze(-1) * x.unsqueeze(-2)

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the eye but for its radius."""
        return {"bodies": self.bodies, "dt": self.dt, "size": self.size, "extent": self.extent}


def turned_places(places: Tensor, angle: Tensor) -> Tensor:
    """Return places (…, 2 bodies) turned about the origin, counterclockwise, by angles that broadcast against bodies.

    Example:
        >>> turned_places(torch.tensor([[3.0, 4.0]]), torch.tensor([[torch.pi / 2]])).round(decimals=5)
        tensor([[-4.,  3.]])
    """
    x, y = places.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1).flatten(-2)
