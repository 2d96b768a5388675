"""Hamiltonian neural networks read back from disk; what a file says is data, never code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learn.hnn.field import FieldNetwork
from learn.hnn.model import HNN
from learn.hnn.pixels import PixelHNN


def hnn_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> HNN:
    """Return the model of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = HNN(1, width=4)
        >>> hnn_from(model.config(), model.state_dict()).width
        4
    """
    dim, width, depth = _bounded(config, tensors)
    texts = config["generators"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its generators are no list of formulas")
    if not isinstance(config["energy"], str):
        raise ValueError("its energy is no name")
    model = HNN(dim, width, depth, energy=config["energy"], symmetry=config["symmetry"], generators=texts)
    if model.config()["invariants"] != config["invariants"]:
        raise ValueError("its weights belong to other invariants than are found for its generators")
    return model.to(_dtype(config))


def field_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> FieldNetwork:
    """Return the baseline of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = FieldNetwork(1, width=4)
        >>> field_from(model.config(), model.state_dict()).width
        4
    """
    return FieldNetwork(*_bounded(config, tensors)).to(_dtype(config))


def pixels_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> PixelHNN:
    """Return the model of pictures of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = PixelHNN(9, width=4)
        >>> pixels_from(model.config(), model.state_dict()).pixels
        9
    """
    dim, width, pixels = _bounded(config, tensors, ("dim", "width", "pixels"))
    if type(config["energy"]) is not bool or 4 * width * (pixels + width) > sum(
        t.numel() for t in tensors.values()
    ):
        raise ValueError("it describes other weights than those that it holds")
    return PixelHNN(pixels, dim, width=width, energy=config["energy"]).to(_dtype(config))


def _bounded(
    config: dict[str, Any], tensors: Mapping[str, Tensor], names: tuple[str, ...] = ("dim", "width", "depth")
) -> tuple[int, int, int]:
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    sizes = []
    for name in names:
        size = config.get(name)
        if type(size) is not int or not 1 <= size <= max(numbers, 1000):
            raise ValueError(f"it claims {name}={size!r}, which its weights do not support")
        sizes.append(size)
    dim, width, depth = sizes
    if (
        names[-1] == "depth"
        and config.get("energy") != "quadratic"
        and width * (1 + width * (depth - 1)) > numbers
    ):
        raise ValueError(f"it describes more weights than the {numbers} that it holds")
    return dim, width, depth


def _dtype(config: dict[str, Any]) -> torch.dtype:
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(config.get("dtype")))
    if dtype is None:
        raise ValueError(f"it claims dtype {config.get('dtype')!r}; float32 and float64 are known")
    return dtype
