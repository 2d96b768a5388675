"""Learnable scalar functions whose gradient is a closed form, so that no step needs a second backward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from learn import kernels


class Features(nn.Module):
    """The inputs of a potential: chosen coordinates and smoothed lengths of chosen blocks of coordinates.

    Maps x to (x_i for i in ``kept``, √(|x_block|² + ε²) for each block).  Lengths alone give exactly rotation
    invariant functions; lengths beside all coordinates make invariance easy to learn.

    Arguments:
        dim: number of coordinates.
        kept: indices of coordinates passed through.
        blocks: sets of coordinates of which the length is taken.
        smoothing: ε, in the unit of x; it keeps the functions smooth at the origin.

    Example:
        >>> Features(3, kept=[2], blocks=[(0, 1)], smoothing=0.0)(torch.tensor([[3.0, 4.0, 7.0]]))
        tensor([[7., 5.]])
    """

    def __init__(
        self, dim: int, kept: Sequence[int], blocks: Sequence[Sequence[int]] = (), smoothing: float = 0.2
    ) -> None:
        super().__init__()
        self.kept, self.blocks, self.smoothing = tuple(kept), tuple(map(tuple, blocks)), smoothing
        self.size = len(self.kept) + len(self.blocks)
        self.is_identity = not self.blocks and self.kept == tuple(range(dim))
        member = torch.zeros(len(self.blocks), dim)
        for row, block in zip(member, self.blocks, strict=True):
            row[list(block)] = 1
        self.register_buffer("member", member, persistent=False)
        self.register_buffer("select", torch.eye(dim)[list(self.kept)], persistent=False)
        self.member: Tensor
        self.select: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, shape (..., size)."""
        if self.is_identity:
            return x
        lengths = self.lengths(x)
        return torch.cat([x @ self.select.T, lengths], -1) if self.kept else lengths

    def lengths(self, x: Tensor) -> Tensor:
        """Return the smoothed block lengths, shape (..., blocks)."""
        return (x.square() @ self.member.T + self.smoothing**2).sqrt()

    def pull(self, x: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient with respect to x of a function with gradient ``cotangent`` in the features."""
        if self.is_identity:
            return cotangent
        n = len(self.kept)
        through_lengths = x * ((cotangent[..., n:] / self.lengths(x)) @ self.member)
        return through_lengths + cotangent[..., :n] @ self.select if n else through_lengths

    def pull_reverse(self, x: Tensor, cotangent: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return the cotangents of both arguments of :meth:`pull` for the cotangent ``g`` of its value.

        The first is None where ``pull`` does not depend on x.
        """
        if self.is_identity:
            return None, g
        n, lengths = len(self.kept), self.lengths(x)
        slope = cotangent[..., n:] / lengths
        along = (g * x) @ self.member.T / lengths
        grad_x = g * (slope @ self.member) - x * ((along * slope / lengths) @ self.member)
        return grad_x, torch.cat([g @ self.select.T, along], -1) if n else along


def closed_gradient(
    x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, curvature: Tensor, unit: Tensor, features: Features
) -> Tensor:
    """Return ∇ of Σ_j w_j (−cos(W_j·φ(x/u) + b_j)) + k |x/u|²/2 by torch operations.

    Shapes: x (batch, dim), weight (inputs, width), bias and out (width,); the result is (batch, dim).

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> x = torch.tensor([[0.3]])
        >>> gradient = closed_gradient(x, torch.ones(1, 1), zero, one, torch.tensor(0.0), one, Features(1, [0]))
        >>> torch.allclose(gradient, x.sin())
        True
    """
    x = x / unit
    sine = (features(x).mm(weight) + bias).sin()
    return (features.pull(x, linear(sine, out * weight)) + curvature * x) / unit


class FusedGradient(torch.autograd.Function):
    """:func:`closed_gradient` on the CPU kernels, with a hand-written reverse pass: one node in place of twenty."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, weight, bias, out, curvature, unit, features = inputs
        ctx.save_for_backward(*inputs[:-1])
        ctx.features = features
        x = x / unit
        ctx.inner = kernels.ridge_gradient(features(x), weight, bias, out)
        return (features.pull(x, ctx.inner) + curvature * x).div_(unit)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, out, curvature, unit = inputs = ctx.saved_tensors
        features, (g,) = ctx.features, cotangents
        if (
            torch.is_grad_enabled()
        ):  # this pass is itself to be differentiated, so it must be made of torch operations
            value = closed_gradient(x, weight, bias, out, curvature, unit, features)
            wanted = [t for t in inputs if t.requires_grad]
            found = iter(torch.autograd.grad(value, wanted, g, create_graph=True))
            return (*(next(found) if t.requires_grad else None for t in inputs), None)
        x, g = x / unit, g / unit
        direct, inner = features.pull_reverse(x, ctx.inner, g)
        grad_z, *grads = kernels.ridge_gradient_backward(features(x), weight, bias, out, inner)
        grad_x = features.pull(x, grad_z) + curvature * g
        if direct is not None:
            grad_x += direct
        return grad_x.div_(unit), *grads, (g * x).sum(), None, None


class RidgePotential(nn.Module):
    """U(x) = Σ_j w_j (−cos(W_j·φ(x/u) + b_j)) + k |x/u|²/2, with features φ and a unit u.

    The network part has bounded gradients, which is what keeps leapfrog from blowing up early in training.

    Arguments:
        dim: number of coordinates.
        width: number of units.
        features: the inputs φ; all coordinates if None.
        curvature: first value of k, learned.
        frequency: standard deviation of the first W, in inverse units.

    Shapes: x is (batch, dim); ``value`` is (batch,), ``gradient`` is (batch, dim).

    Example:
        >>> U = RidgePotential(2, 16)
        >>> x = torch.randn(5, 2, requires_grad=True)
        >>> (by_autograd,) = torch.autograd.grad(U.value(x).sum(), x)
        >>> torch.allclose(U.gradient(x), by_autograd, atol=1e-5)
        True
    """

    def __init__(
        self,
        dim: int,
        width: int = 64,
        *,
        features: Features | None = None,
        curvature: float = 0.0,
        frequency: float = 2.0,
    ) -> None:
        super().__init__()
        self.features = features or Features(dim, range(dim))
        self.weight = nn.Parameter(frequency * torch.randn(self.features.size, width))
        self.bias = nn.Parameter(math.pi * (2 * torch.rand(width) - 1))
        self.out = nn.Parameter(0.1 / math.sqrt(width) * torch.randn(width))
        self.curvature = nn.Parameter(torch.tensor(float(curvature)))
        self.register_buffer("unit", torch.tensor(1.0))
        self.unit: Tensor

    def value(self, x: Tensor) -> Tensor:
        """Return U(x), shape (batch,), for x of shape (batch, dim).

        Example:
            >>> RidgePotential(2, 8).value(torch.zeros(3, 2)).shape
            torch.Size([3])
        """
        x = x / self.unit
        angle = self.features(x) @ self.weight + self.bias
        return -(angle.cos() @ self.out) + 0.5 * self.curvature * x.square().sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇U(x), in closed form, of the shape (batch, dim) of x.

        On the CPU in float32 and float64 by fused kernels, elsewhere by torch operations.

        Example:
            >>> RidgePotential(2, 8).gradient(torch.zeros(3, 2)).shape
            torch.Size([3, 2])
        """
        inputs = (x, self.weight, self.bias, self.out, self.curvature, self.unit)
        fused = kernels.applies(*inputs)
        return (
            FusedGradient.apply(*inputs, self.features) if fused else closed_gradient(*inputs, self.features)
        )
