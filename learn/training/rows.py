"""The data of a training as tensors of equal length: read, checked, told apart by a fingerprint."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hamsym.arguments import shown
from hamsym.errors import ShapeError
from learn.points import require_finite


def as_rows(data: Any, name: str, device: torch.device) -> tuple[Tensor, ...]:
    """Return data as tensors of equal length on one device; their dtypes stay.

    Arguments:
        data: a tensor or numpy array, or a tuple or list of them; the first dimension counts rows.
        name: of the data, for messages.
        device: where the model is.

    Raises:
        ShapeError: if they are no such arrays, or their lengths differ or are below 2.
        NonFiniteError: if a number is not finite.

    Example:
        >>> [t.shape for t in as_rows((np.zeros((5, 2)), torch.ones(5)), "data", torch.device("cpu"))]
        [torch.Size([5, 2]), torch.Size([5])]
    """
    listed = data if isinstance(data, (tuple, list)) else (data,)
    tensors = []
    for each in listed:
        if isinstance(each, np.ndarray) and each.dtype.kind in "biuf":
            kept = (
                np.float64 if each.dtype == np.longdouble else each.dtype.newbyteorder("=")
            )  # torch has no longer one
            each = torch.from_numpy(np.require(each, kept, ["C", "W"]))
        if (
            not isinstance(each, Tensor)
            or each.ndim == 0
            or each.layout != torch.strided
            or each.is_meta
            or each.is_quantized
        ):
            raise ShapeError(
                f"{name} is a tensor or an array, or a tuple of them with one row for each example; not {shown(each)}"
            )
        tensors.append(each.detach().to(device))
    lengths = sorted({len(t) for t in tensors})
    if len(lengths) != 1 or lengths[0] < 2:
        raise ShapeError(f"{name} has tensors of {lengths} rows; at least 2 are needed, as many in each")
    return tuple(require_finite(t, name) if t.is_floating_point() else t for t in tensors)


def fingerprint(q: Tensor | None) -> str | None:
    """Return the SHA-256 of points, their shape and their precision; None for none.

    Example:
        >>> fingerprint(torch.zeros(2, 1))[:8], fingerprint(torch.zeros(1, 2)) == fingerprint(torch.zeros(2, 1))
        ('2635359c', False)
    """
    if q is None:
        return None
    digest = hashlib.sha256(f"{q.dtype} {tuple(q.shape)} ".encode())
    digest.update(q.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
