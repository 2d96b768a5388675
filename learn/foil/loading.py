"""Forecasts read back from disk; what a file says is data, never code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learn.foil.energies import energy
from learn.foil.eye import Eye
from learn.foil.forecasts import EnergyForecast, Forecast, TurnedPicture, TurnedPlaces
from learn.hnn.model import HNN

OPTIONS = {
    "EnergyForecast": ("width", "depth", "elements"),
    "TurnedPlaces": ("width", "depth"),
    "TurnedPicture": ("width", "depth", "channels"),
}


def forecast_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> Forecast:
    """Return the forecast of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> made = TurnedPlaces(Eye(2, 0.1), width=4)
        >>> forecast_from(made.config(), made.state_dict()).config() == made.config()
        True
    """
    name, dtype = (
        config["forecast"],
        {"float32": torch.float32, "float64": torch.float64}.get(str(config["dtype"])),
    )
    if name not in OPTIONS or dtype is None:
        raise ValueError(f"it claims to be a {name!r} of {config['dtype']!r}")
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    options = {key: config[key] for key in OPTIONS[name]}
    for key, value in {"bodies": config["bodies"], **options}.items():
        if type(value) is not int or not 1 <= value <= max(numbers, 100):
            raise ValueError(f"it claims {key}={value!r}, which its weights do not support")
    width, bodies = config["width"], config["bodies"]
    if max(width * bodies, width**2 * (config["depth"] - 1), options.get("channels", 1) ** 2) > numbers:
        raise ValueError(f"it describes more weights than the {numbers} that it holds")
    eye = Eye(bodies, config["dt"], size=config["size"], extent=config["extent"])
    if name == "EnergyForecast":
        learned = energy(config["way"], bodies, **options)
        made: Forecast = EnergyForecast(eye, HNN(2 * bodies, energy=learned))
    else:
        made = (TurnedPlaces if name == "TurnedPlaces" else TurnedPicture)(eye, **options)
    return made.to(dtype)
