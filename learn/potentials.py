"""Learnable scalar functions whose gradient is a closed form, so that no step needs a second backward pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from learn import kernels
from learn.features import Constant, Features


def closed_gradient(
    x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, curvature: Tensor, unit: Tensor, features: Features
) -> Tensor:
    """Return ∇ of Σ_j w_j (−cos(W_j·φ(x/u) + b_j)) + k |x/u|²/2 by torch operations.

    Shapes: x (batch, dim), weight (inputs, width), bias and out (width,); the result is (batch, dim).

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> x = torch.tensor([[0.3]])
        >>> gradient = closed_gradient(x, torch.ones(1, 1), zero, one, torch.tensor(0.0), one, Features.of(1, [0]))
        >>> torch.allclose(gradient, x.sin())
        True
    """
    x = features.centre(x / unit)
    sine = (features(x).mm(weight) + bias).sin()
    return (features.pull(x, linear(sine, out * weight)) + curvature * x) / unit


class FusedGradient(torch.autograd.Function):
    """:func:`closed_gradient` on the CPU kernels, with a hand-written reverse pass: one node in place of twenty."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, weight, bias, out, curvature, unit, features = inputs
        ctx.save_for_backward(*inputs[:-1])
        ctx.features = features
        x = features.centre(x / unit)
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
        x, g = features.centre(x / unit), g / unit
        direct, inner = features.pull_reverse(x, ctx.inner, g)
        grad_z, *grads = kernels.ridge_gradient_backward(features(x), weight, bias, out, inner)
        grad_x = features.pull(x, grad_z) + curvature * features.centre(g)
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
        frequency: standard deviation of the first W in inverse units.  By default 3 for coordinates and 2 where
            lengths are among the inputs (with more, trainings were seen to blow up), less by the root where there are
            more than three, so that angles do not grow with their number.

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
        frequency: float | None = None,
    ) -> None:
        super().__init__()
        self.features = features or Features.of(dim, range(dim))
        if frequency is None:
            frequency = (3.0 if self.features.is_identity else 2.0) * min(
                1.0, math.sqrt(3 / self.features.size)
            )
        self.weight = nn.Parameter(frequency * torch.randn(self.features.size, width))
        self.bias = nn.Parameter(math.pi * (2 * torch.rand(width) - 1))
        self.out = nn.Parameter(0.1 / math.sqrt(width) * torch.randn(width))
        self.curvature = nn.Parameter(torch.tensor(float(curvature)))
        self.register_buffer("unit", torch.tensor(1.0))
        self.unit: Tensor

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W of shape (inputs, units), b and w of shape (units,)."""
        return self.weight, self.bias, self.out

    def value(self, x: Tensor) -> Tensor:
        """Return U(x), shape (batch,), for x of shape (batch, dim).

        Example:
            >>> RidgePotential(2, 8).value(torch.zeros(3, 2)).shape
            torch.Size([3])
        """
        x = self.features.centre(x / self.unit)
        weight, bias, out = self.ridges()
        return -((self.features(x) @ weight + bias).cos() @ out) + 0.5 * self.curvature * x.square().sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇U(x), in closed form, of the shape (batch, dim) of x.

        On the CPU in float32 and float64 by fused kernels, elsewhere by torch operations.

        Example:
            >>> RidgePotential(2, 8).gradient(torch.zeros(3, 2)).shape
            torch.Size([3, 2])
        """
        inputs = (x, *self.ridges(), self.curvature, self.unit)
        fused = kernels.applies(*inputs)
        return (
            FusedGradient.apply(*inputs, self.features) if fused else closed_gradient(*inputs, self.features)
        )


class AveragedPotential(RidgePotential):
    """The mean of a ridge potential over finitely many turned copies of its argument, (1/m) Σ_k U(R_k x).

    A turned ridge is a ridge with turned weights, W_j·(R_k x) = (R_kᵀW_j)·x, so the mean is a ridge potential with
    m times the units that share their weights, and costs as much.  If the R_k are a group, it is invariant under it.

    Arguments:
        dim: number of coordinates.
        group: orthogonal matrices R_k, of shape (m, dim, dim).
        width: number of units that are not copies.
        curvature: first value of k, learned; the quadratic part is invariant as it is.

    Example:
        >>> quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
        >>> U = AveragedPotential(2, np.stack([np.linalg.matrix_power(quarter, k) for k in range(4)]), 8)
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(U.value(x), U.value(x @ torch.tensor(quarter.T).float()), atol=1e-5)
        True
    """

    def __init__(self, dim: int, group: np.ndarray, width: int = 64, *, curvature: float = 0.0) -> None:
        super().__init__(dim, width, curvature=curvature)
        self.group = Constant(group)

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        m = len(self.group.exact)
        turned = torch.einsum("kij,iw->jkw", self.group.value, self.weight).flatten(1)
        return turned, self.bias.repeat(m), self.out.repeat(m) / m
