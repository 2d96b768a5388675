"""Hamiltonian generative networks read back from disk; what a file says is data, never code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learn.hgn.model import HGN

_SIZES = ("size", "channels", "frames", "dim", "width", "depth")


def hgn_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> HGN:
    """Return the model of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = HGN(size=8, dim=1, width=4)
        >>> hgn_from(model.config(), model.state_dict()).width
        4
    """
    options = dict(config)
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(options.pop("dtype")))
    if dtype is None:
        raise ValueError(f"it claims dtype {config['dtype']!r}; float32 and float64 are known")
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    for name in _SIZES:
        size = options[name]
        if type(size) is not int or not 1 <= size <= max(numbers, 1000):
            raise ValueError(f"it claims {name}={size!r}, which its weights do not support")
    width, pixels = options["width"], options["channels"] * options["size"] ** 2
    seen = width * pixels if options["networks"] == "dense" else 0
    if seen + width**2 * (options["depth"] - 1) + width * options["dim"] > numbers:
        raise ValueError(f"it describes more weights than the {numbers} that it holds")
    return HGN(**options).to(dtype)
