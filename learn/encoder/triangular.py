"""Gaussians with a triangular factor for each point, drawn on the CPU kernels where these apply."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from learn.encoder.moments import LOG_SD_LIMIT, Moments, lower_triangle
from learn.kernels import cpu
from learn.kernels.twice import pulled


class TriangularMoments(Moments):
    """Moments with a triangular factor, from which momenta are drawn on the CPU kernels; the rest is made when asked for.

    Arguments:
        raw: mean, log of the diagonal of the factor and what is below it, shape (batch, dim + dim (dim + 1)/2).
        unit: of length.
        below: places of what is below the diagonal.

    Example:
        >>> moments = TriangularMoments(torch.zeros(3, 5), torch.tensor(1.0), torch.tril_indices(2, 2, -1))
        >>> moments.factor[0]
        tensor([[1., 0.],
                [0., 1.]])
    """

    def __init__(self, raw: Tensor, unit: Tensor, below: Tensor) -> None:
        d = (1 + math.isqrt(1 + 8 * below.shape[1])) // 2
        object.__setattr__(self, "_given", (raw, unit, below, d))
        object.__setattr__(self, "removed", None)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        raw, _, below, d = self._given  # type: ignore[attr-defined]
        mean, log_sd, off = raw.split([d, d, below.shape[1]], -1)
        return mean, log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT), off

    @property
    def _like(self) -> Tensor:
        return self._given[0]  # type: ignore[attr-defined,no-any-return]

    @property
    def _dim(self) -> int:
        return self._given[3]  # type: ignore[attr-defined,no-any-return]

    @property
    def freedom(self) -> int:
        """Number of dimensions of the law."""
        return self._given[3]  # type: ignore[attr-defined,no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean, shape (batch, dim)."""
        return self._parts()[0] / self._given[1]  # type: ignore[attr-defined]

    @property
    def factor(self) -> Tensor:  # type: ignore[override]
        """The factor, shape (batch, dim, dim)."""
        _, unit, below, _ = self._given  # type: ignore[attr-defined]
        _, log_sd, off = self._parts()
        return lower_triangle(log_sd.exp(), off, below) / unit

    @property
    def log_det(self) -> Tensor:  # type: ignore[override]
        """The logarithm of its determinant, shape (batch,)."""
        _, unit, _, d = self._given  # type: ignore[attr-defined]
        return self._parts()[1].sum(-1) - d * unit.log()

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        raw, unit, *_ = self._given  # type: ignore[attr-defined]
        if cpu.applies(raw, noise) and not noise.requires_grad:
            return FusedDraw.apply(raw, noise, unit)
        return super().draw(noise)

    draw.__doc__ = Moments.draw.__doc__


class FusedDraw(torch.autograd.Function):
    """p and log f(p|q) from the outputs of a network, on the CPU kernels."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor, noise: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(raw, noise, unit)
        return cpu.draw(raw, noise, float(unit), LOG_SD_LIMIT)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        raw, noise, unit = ctx.saved_tensors
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            d = noise.shape[-1]
            below = torch.tril_indices(d, d, -1)
            return (
                *pulled(
                    lambda own: Moments.draw(TriangularMoments(own, unit, below), noise), [raw], cotangents
                ),
                None,
                None,
            )
        return cpu.draw_pulled(raw, noise, float(unit), LOG_SD_LIMIT, *cotangents), None, None
