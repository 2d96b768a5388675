"""What a conditional flow is told beside the point: a vector of real numbers, measured in units of its own spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hamsym.errors import ParameterError, ShapeError
from learn.points import as_points, require_finite


class Context(nn.Module):
    """Reads contexts of k numbers: one for all points, or one for each, standardised by the training's mean and spread.

    Arguments:
        size: k.

    Example:
        >>> context = Context(1)
        >>> context.set_unit(torch.tensor([[1.0], [5.0]]))
        >>> context.read([3.0], 7, torch.zeros(1)), context.read([[1.0], [5.0]], 2, torch.zeros(1))
        (tensor([0.]), tensor([[-1.],
                [ 1.]]))
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def set_unit(self, contexts: Tensor) -> None:
        """Measure contexts from the mean of these, of shape (n, k), in their standard deviations.

        Numbers that do not vary keep the unit one.

        Example:
            >>> context = Context(1)
            >>> context.set_unit(torch.tensor([[2.0], [2.0]]))
            >>> context.mean, context.scale
            (tensor([2.]), tensor([1.]))
        """
        x = contexts.double()
        spread = x.std(0, correction=0)
        self.mean.copy_(x.mean(0))
        self.scale.copy_(torch.where(spread > 1e-30, spread, 1.0))

    def read(self, context: Any, n: int, like: Tensor) -> Tensor:
        """Return a context in the units of the flow, of shape (k,) if one was given for all points, else (n, k).

        Arguments:
            context: real numbers of shape (k,) or (n, k).
            n: number of points.
            like: a tensor with the wanted dtype and device.

        Raises:
            ParameterError: if there is none.
            ShapeError: for another shape.
            NonFiniteError: for numbers that are not finite.
        """
        if context is None:
            raise ParameterError(
                f"this flow is conditional; give context=…, {self.size} number(s) for all points or for each, or use "
                "flow.given(context)"
            )
        single = _dimensions(context) < 2
        if single:
            context = context.reshape(1, -1) if isinstance(context, Tensor) else np.reshape(context, (1, -1))
        try:
            rows = as_points(context, self.size, like)
        except ShapeError as error:
            raise ShapeError(f"a context has shape ({self.size},) or ({n}, {self.size}): {error}") from error
        if not single and len(rows) != n:
            raise ShapeError(
                f"there are {len(rows)} contexts for {n} points; give one for each, or one for all"
            )
        rows = (require_finite(rows.detach(), "context") - self.mean) / self.scale
        return rows[0] if single else rows


def rows_of(context: Tensor | None, part: slice | Tensor) -> Tensor | None:
    """Return the contexts of some of the points; one for all points stays as it is.

    Example:
        >>> rows_of(torch.tensor([[1.0], [2.0]]), slice(1, 2)), rows_of(torch.tensor([3.0]), slice(1, 2))
        (tensor([[2.]]), tensor([3.]))
    """
    return context if context is None or context.ndim == 1 else context[part]


def repeated(context: Tensor | None, times: int) -> Tensor | None:
    """Return the contexts for points that are repeated each so many times in a row.

    Example:
        >>> repeated(torch.tensor([[1.0], [2.0]]), 2).flatten()
        tensor([1., 1., 2., 2.])
    """
    return context if context is None or context.ndim == 1 else context.repeat_interleave(times, 0)


def _dimensions(values: Any) -> int:
    if isinstance(values, Tensor):
        return values.ndim
    try:
        return np.ndim(values)
    except ValueError:  # rows of unequal lengths, which reading them will say
        return 2
