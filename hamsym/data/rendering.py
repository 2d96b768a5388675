"""Small pictures of a configuration: every particle a disc with a Gaussian edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, did_you_mean
from hamsym.numeric.codegen import array_function
from hamsym.symbolic.space import Space

#: Pixels that are computed at once; bounds the memory.
_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Renderer:
    """Draws configurations as images of one channel.

    Each particle adds exp(−r²/2s²) at distance r from its centre; the sum is cut at one and stored as 0 … 255.  Row 0 is
    the largest y.

    Attributes:
        space: the phase space of the coordinates.
        extent: x and y from −extent to extent, what is outside is not seen; None for one that holds the first trajectories.
        size: pixels in a row and in a column.
        radius: s; None for a tenth of the extent.
        particles: x and y of each as formulas in the coordinates; without, (q1, q2), (q3, q4), …, or (q1, 0) for one.

    Example:
        >>> from hamsym import PhaseSpace
        >>> images = Renderer.of({}, PhaseSpace.standard(2)).draw(np.array([[0.5, -0.5]]), {}, extent=1.0)
        >>> images.shape, images.dtype, tuple(int(i) for i in np.argwhere(images[0] == images.max())[0])
        ((1, 32, 32), dtype('uint8'), (23, 23))
    """

    space: Space
    extent: float | None
    size: int
    radius: float | None
    particles: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, given: Mapping[str, Any], space: Space) -> Renderer:
        """Return the renderer that a spec describes.

        Raises:
            ParameterError: for an unknown or missing key, or a value out of range.
            FormulaError: for a particle that is no formula in the coordinates.
        """
        for key in given:
            if key not in ("extent", "size", "radius", "particles"):
                hint = did_you_mean(str(key), ("extent", "size", "radius", "particles"))
                raise ParameterError(f"render has no key {key!r}{hint}")
        extent, radius = (
            None if given.get(key) is None else real(f"render: {key}", given[key], above=0.0)
            for key in ("extent", "radius")
        )
        size = integer("render: size", given.get("size", 32), minimum=4, maximum=1024)
        particles = given.get("particles") or _pairs([s.name for s in space.coordinates])
        if not _is_list(particles) or not all(_is_list(pair) and len(pair) == 2 for pair in particles):
            raise ParameterError(
                f"render: particles is a list of pairs such as ['q1', 'q2'], not {shown(particles)}"
            )
        renderer = cls(space, extent, size, radius, tuple((str(x), str(y)) for x, y in particles))
        for pair in renderer.particles:
            for formula in pair:
                used = space.parse(formula).free_symbols
                if used - {*space.coordinates, *space.parameters.values()}:
                    raise ParameterError(
                        f"render: particles are formulas in the coordinates; {formula!r} is not"
                    )
        return renderer

    def centres(self, q: np.ndarray, parameters: Mapping[str, float]) -> np.ndarray:
        """Return x and y of every particle, shape ``(particle, 2, …)``, at configurations of shape ``(…, dof)``."""

        def value(formula: str) -> np.ndarray:
            return array_function(self.space.parse(formula), self.space)(q, q, parameters)

        return np.stack([[value(x), value(y)] for x, y in self.particles])

    def draw(self, q: np.ndarray, parameters: Mapping[str, float], *, extent: float) -> np.ndarray:
        """Return images, uint8, shape ``(…, size, size)``, of configurations of shape ``(…, dof)``."""
        flat = np.ascontiguousarray(q.reshape(-1, q.shape[-1]))
        centres = self.centres(flat, parameters)
        step, radius = 2 * extent / self.size, self.radius or extent / 10
        pixels = -extent + step * (np.arange(self.size) + 0.5)
        images = np.empty((len(flat), self.size, self.size), np.uint8)
        chunk = max(1, _AT_ONCE // self.size**2)
        for first in range(0, len(flat), chunk):
            part = centres[:, :, first : first + chunk, None]
            along_x, along_y = (np.exp(-(((pixels - part[:, i]) / radius) ** 2) / 2) for i in range(2))
            light = np.zeros((part.shape[2], self.size, self.size))
            for x, y in zip(
                along_x, along_y, strict=True
            ):  # a Gaussian of r is a product of one in x and one in y
                light += y[:, ::-1, None] * x[:, None, :]
            images[first : first + chunk] = np.rint(255 * np.minimum(light, 1))
        return images.reshape(*q.shape[:-1], self.size, self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a spec gives them."""
        return {"extent": self.extent, "size": self.size, "radius": self.radius,
                "particles": [list(pair) for pair in self.particles]}  # fmt: skip


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    if len(names) % 2:
        return [(name, "0") for name in names]
    return list(zip(names[::2], names[1::2], strict=True))
