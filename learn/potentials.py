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


class RidgeGradient(torch.autograd.Function):
    """∇ of Σ_j w_j (−cos(W_j·z + b_j)) with a hand-written reverse pass.

    Shapes: z (batch, inputs), weight (inputs, width), bias and out (width,); the result is (batch, inputs).
    The factors are laid out so that every product has its long side where matrix libraries want it; for two
    coordinates that is three times faster than the obvious order.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        if kernels.applies(z, weight, bias, out):
            return kernels.ridge_gradient(z, weight, bias, out)
        return linear(z.mm(weight).add_(bias).sin_(), out * weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, ...]:
        z, weight, bias, out = ctx.saved_tensors
        # with gradients on, this pass is itself to be differentiated, so it must be made of torch operations
        if not torch.is_grad_enabled() and kernels.applies(cotangent, z, weight, bias, out):
            return kernels.ridge_gradient_backward(z, weight, bias, out, cotangent)
        angle = z.mm(weight) + bias
        across = cotangent.mm(weight)
        sine, bent = angle.sin(), angle.cos() * across
        grad_weight = out * (cotangent.T.mm(sine) + z.T.mm(bent))
        return linear(bent, out * weight), grad_weight, out * bent.sum(0), (sine * across).sum(0)


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
        """Return U(x)."""
        x = x / self.unit
        angle = self.features(x) @ self.weight + self.bias
        return -(angle.cos() @ self.out) + 0.5 * self.curvature * x.square().sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇U(x), in closed form."""
        x = x / self.unit
        z = self.features(x)
        cotangent = RidgeGradient.apply(z, self.weight, self.bias, self.out)
        return (self.features.pull(x, cotangent) + self.curvature * x) / self.unit
