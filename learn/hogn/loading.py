"""Models of graphs from their description on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learn.hogn.controls import OGN, DeltaGN
from learn.hogn.energy import HOGN
from learn.hogn.model import GraphModel

MODELS: dict[str, type[GraphModel]] = {model.name: model for model in (HOGN, OGN, DeltaGN)}


def build(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> GraphModel:
    """Return the model of a description, with other weights than those saved.

    Raises:
        ParameterError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = HOGN(2, width=4)
        >>> build(model.config(), model.state_dict()).config() == model.config()
        True
    """
    options = dict(config)
    name, dtype = options.pop("model"), options.pop("dtype")
    if name not in MODELS:
        raise ValueError(f"it claims to be a {name!r}; {', '.join(MODELS)} are known")
    known = {"float32": torch.float32, "float64": torch.float64}
    if dtype not in known:
        raise ValueError(f"it claims dtype {dtype!r}; float32 and float64 are known")
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    for size in ("dim", "node_attributes", "edge_attributes", "width", "rounds"):
        value = options[size]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= max(numbers, 100):
            raise ValueError(f"it claims {size}={value!r}, which its weights do not support")
    if options["width"] ** 2 * (1 + 2 * options["rounds"]) > numbers:
        raise ValueError(f"it describes more weights than the {numbers} that it holds")
    return MODELS[name](**options).to(known[dtype])
