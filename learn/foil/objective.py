"""What forecasts are trained on: the pixels of the frames that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import shown
from hamsym.errors import ParameterError, ShapeError
from learn.foil.energies import turn_of_the_plane
from learn.foil.eye import GIVEN, turned_places
from learn.foil.forecasts import EnergyForecast, Forecast
from learn.hnn.symmetry import KnownSlopes
from learn.symmetry.action import Rotations
from learn.symmetry.constraint import BracketConstraint
from learn.training.objective import Batch, Objective, Progress

#: Share of the training in which forecasts grow to their full length: a body that is thrown out of the picture by wrong
#: forces leaves no light, and so no gradient, and within two frames none is.
RAMP = 0.3


class FrameLoss(Objective):
    """Mean square of the light that a forecast puts in the wrong place, over frames and pixels, in thousandths.

    Forecasts are of two frames at first and of all after a third of the training.

    Rows are (frames, places): bytes of shape (batch, time, bodies, size, size), three given frames and those to be
    forecast; and where the bodies truly are, (batch, time, 2 bodies), which only ``redraw`` looks at.

    Arguments:
        model: a forecast.
        constraint: makes {g, H} of an energy small on the states that the eye reads off the batch; None for no
            constraint.
        redraw: draws bytes (batch, time, bodies, size, size) at places (batch, time, 2 bodies); given one, every row is
            turned at random and drawn again: augmentation without interpolation.

    Raises:
        ParameterError: for a constraint on what has no energy.

    Example:
        >>> from learn.foil import Eye, TurnedPlaces
        >>> rows = (torch.randint(256, (4, 5, 2, 32, 32), dtype=torch.uint8), torch.zeros(4, 5, 4))
        >>> objective = FrameLoss(TurnedPlaces(Eye(2, 0.1), width=8))
        >>> batch = Batch(objective.transform(rows, torch.Generator()))
        >>> bool(objective.loss(batch, torch.Generator(), Progress(0, 1))[0] > 0)
        True
    """

    kind = "forecast"
    names = ("frames", "places")

    def __init__(
        self,
        model: Forecast,
        *,
        constraint: BracketConstraint | None = None,
        redraw: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if not isinstance(model, Forecast):
            raise ParameterError(f"model is a forecast of learn.foil, not {shown(model)}")
        if not (constraint is None or isinstance(constraint, BracketConstraint)):
            raise ParameterError(f"constraint is a BracketConstraint or None, not {shown(constraint)}")
        if not (redraw is None or callable(redraw)):
            raise ParameterError(f"redraw is a callable places ↦ bytes or None, not {shown(redraw)}")
        super().__init__(model)
        self.forecast, self.constraint, self.redraw = model, constraint, redraw
        if constraint is not None:
            if not isinstance(model, EnergyForecast):
                raise ParameterError("a bracket {g, H} needs an energy H, which a direct transform has not")
            constraint.bind(2 * model.eye.bodies)
            constraint.reset()
        self.group = Rotations([turn_of_the_plane(model.eye.bodies)])
        self.columns = {"pixels": None} | ({"lambda": 1, "residual": 1} if constraint is not None else {})

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return frames with light from 0 to 1, turned if they are to be; the first batch sets the units of the model."""
        if len(batch) != 2:
            raise ShapeError(f"rows are frames and places, two tensors, not {len(batch)}")
        frames, places = batch
        if frames.ndim != 5 or frames.shape[1] <= GIVEN:
            raise ShapeError(
                f"a row has {GIVEN} given frames and those to be forecast, not shape {tuple(frames.shape)}"
            )
        like = self.forecast.eye.log_radius
        if self.redraw is not None:
            frames = self.redraw(turned_at_random(places, random))
        light = frames.to(like) / 255
        if not bool(self.forecast.unit_is_set):
            self.forecast.set_unit(*self.forecast.eye.read(light[:, :GIVEN]))
        return light, places

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the loss; the part of the pixels, multiplier and bracket."""
        light = batch.rows[0]
        frames = light.shape[1] - GIVEN
        soon = min(frames, 2 + int(frames * progress.share / RAMP))
        made = self.forecast(light[:, :GIVEN], soon)
        pixels = 1e3 * (made - light[:, GIVEN : GIVEN + soon]).square().mean()
        if self.constraint is None:
            return pixels, {"pixels": pixels}
        q, p = self.forecast.eye.read(batch.whole[0][: self.constraint.batch, :GIVEN])
        if self.constraint.sampling == "orbit":
            q, p = self.group.move(random, q, p)
        slopes: Any = KnownSlopes(*self.forecast.model.hamiltonian.slopes(q, p))  # type: ignore[union-attr, operator]
        residuals = self.constraint.residuals([(slopes, q, p)])
        return pixels + self.constraint.penalty(residuals), {
            "pixels": pixels, "lambda": list(self.constraint.multipliers), "residual": residuals.tolist(),
        }  # fmt: skip

    def after_step(self, numbers: Mapping[str, Any], progress: Progress) -> None:
        """Move the multiplier."""
        if self.constraint is not None:
            self.constraint.update(numbers["residual"], progress.step, progress.steps)

    def state(self) -> dict[str, Any]:
        """Return multiplier and running mean of the constraint."""
        return {} if self.constraint is None else dict(self.constraint.state())

    def restore(self, state: dict[str, Any]) -> None:
        """Take up multiplier and running mean."""
        if self.constraint is not None:
            self.constraint.restore(state)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the constraint, and whether rows are turned."""
        described = None if self.constraint is None else self.constraint.settings()
        return {"constraint": described, "turned": self.redraw is not None}


def turned_at_random(places: Tensor, random: torch.Generator) -> Tensor:
    """Return places (batch, time, 2 bodies), each row turned about the origin by an angle of its own.

    Example:
        >>> places = torch.tensor([[[3.0, 4.0, 0.0, 1.0]]])
        >>> moved = turned_at_random(places, torch.Generator().manual_seed(0))[0, 0]
        >>> [round(float(x.norm()), 5) for x in (moved[:2], moved[2:])]
        [5.0, 1.0]
    """
    angle = 2 * torch.pi * torch.rand(len(places), 1, 1, generator=random, dtype=places.dtype)
    return turned_places(places, angle)
