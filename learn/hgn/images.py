"""Films as a user gives them, made into tensors of numbers in [0, 1], or refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hamsym.errors import NonFiniteError, ParameterError, ShapeError

#: Round-off that a brightness may exceed its range by.
_SLACK = 1e-6


def as_film(images: Any, channels: int, size: int, like: Tensor, *, frames: int = 1) -> Tensor:
    """Return films as numbers in [0, 1] of shape (batch, time, channels, size, size).

    Arguments:
        images: anything that numpy reads, of that shape; with one channel also without its axis.  Bytes 0 … 255 are
            divided by 255, every other dtype holds numbers in [0, 1].
        channels, size: what the model sees.
        like: a tensor with the wanted dtype and device.
        frames: how many there are at least.

    Raises:
        ShapeError: if the shape is another, or the frames are too few.
        NonFiniteError: if a number is NaN or infinite.
        ParameterError: if a number is outside of [0, 1].

    Example:
        >>> as_film(np.full((1, 2, 4, 4), 255, np.uint8), 1, 4, torch.zeros(1)).amax()
        tensor(1.)
    """
    film = images if isinstance(images, Tensor) else _from_array(images)
    shape = tuple(film.shape)
    wanted = f"(batch, time, {channels}, {size}, {size})"
    if channels == 1:
        wanted += f" or (batch, time, {size}, {size})"
        if film.ndim == 4:
            film = film.unsqueeze(2)
    if film.is_meta or film.is_quantized or film.layout != torch.strided:
        raise ShapeError(
            f"films are ordinary dense tensors of shape {wanted}, not sparse, quantised or without values"
        )
    if film.ndim != 5 or film.shape[2:] != (channels, size, size):
        raise ShapeError(f"films have shape {wanted}, not {shape}")
    if film.shape[1] < frames:
        raise ShapeError(f"a film has at least {frames} frames here, not {film.shape[1]}")
    if film.dtype == torch.uint8:
        return film.to(like) / 255
    if film.is_complex() or film.dtype == torch.bool:
        raise ParameterError(f"films hold bytes or numbers in [0, 1], not {film.dtype}")
    film = film.to(like)
    if film.numel():
        low, high = (float(x) for x in film.detach().aminmax())
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = ~film.detach().isfinite().flatten(1).all(1)
            index = int(bad.nonzero()[0])
            raise NonFiniteError(f"film {index} holds numbers that are not finite", index=index)
        if low < -_SLACK or high > 1 + _SLACK:
            raise ParameterError(
                f"films hold numbers in [0, 1], not {low:g} to {high:g}; bytes are given as uint8, and scaled"
            )
    return film


def _from_array(images: Any) -> Tensor:
    try:
        array = np.asarray(images)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"films are an array of pictures of one size: {error}") from error
    if array.dtype.kind not in "iuf":
        raise ParameterError(f"films hold bytes or numbers in [0, 1], not {array.dtype}")
    kept = np.uint8 if array.dtype == np.uint8 else np.float64 if array.dtype.itemsize > 4 else np.float32
    return torch.from_numpy(np.require(array, kept, ["C", "W"]))
