"""Learnable scalar functions whose gradient is a closed form, so that no step needs a second backward pass."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from hamsym.errors import ParameterError
from learn.flow.features import Constant, Features
from learn.kernels import cpu
from learn.kernels.twice import pulled


def closed_gradient(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    out: Tensor,
    curvature: Tensor,
    unit: Tensor,
    *,
    features: Features,
) -> Tensor:
    """Return ∇ of Σ_j w_j (−cos(W_j·φ(x/u) + b_j)) + k |x/u|²/2 by torch operations.

    Shapes: x (batch, dim), weight (inputs, width), bias and out (width,); the result is (batch, dim).

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> x = torch.tensor([[0.3]])
        >>> gradient = closed_gradient(x, torch.ones(1, 1), zero, one, torch.tensor(0.0), one, features=Features.of(1, [0]))
        >>> torch.allclose(gradient, x.sin())
        True
    """
    x = features.centre(x / unit)
    sine = (features(x).mm(weight) + bias).sin()
    return (features.pull(x, linear(sine, out * weight)) + curvature * x) / unit


class FusedGradients(torch.autograd.Function):
    """:func:`closed_gradient` of several potentials of one shape on the CPU kernels: one node of the graph for all.

    Called with the features, the points of all potentials, of shape (potentials, batch, dim), and W, b, w, k and u of
    one after the other; returns the gradients, of the shape of the points.
    """

    @staticmethod
    def forward(ctx: Any, features: Features, x: Tensor, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(x, *tensors)
        ctx.flat, ctx.shape = cpu.flattened(tensors), cpu.Shape(features, len(tensors[2]))
        return cpu.gradients(x, ctx.flat, ctx.shape)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        (x, *tensors), (g,) = ctx.saved_tensors, cotangents
        if (
            torch.is_grad_enabled()
        ):  # this pass is itself to be differentiated, so it must be made of torch operations

            def plain(x: Tensor, *tensors: Tensor) -> Tensor:
                own = [tensors[k : k + 5] for k in range(0, len(tensors), 5)]
                each = [
                    closed_gradient(y, *w, features=ctx.shape.features) for y, w in zip(x, own, strict=True)
                ]
                return torch.stack(each)

            return (None, *pulled(plain, [x, *tensors], g))
        to_x, to_flat = cpu.gradients_pulled(x, g, ctx.flat, ctx.shape)
        return (None, to_x, *cpu.unflattened(to_flat, tensors))


#: Frequencies of units that look at more than three coordinates spread down to this share of the highest.
LONGEST = 0.03


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
            more than three, so that angles do not grow with their number; of more than three coordinates the units have
            frequencies between that and 3 % of it, spread evenly in the logarithm.
        context: numbers that move the phases of the units, see :meth:`given`.

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
        context: int = 0,
    ) -> None:
        super().__init__()
        self.features = features or Features.of(dim, range(dim))
        if frequency is None:
            frequency = (3.0 if self.features.is_identity else 2.0) * min(
                1.0, math.sqrt(3 / self.features.size)
            )
        weight = frequency * torch.randn(self.features.size, width)
        if self.features.is_identity and dim > 3:
            # of many coordinates most waves should be long: a unit that is nearly straight moves them together
            weight *= LONGEST ** torch.rand(width)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(math.pi * (2 * torch.rand(width) - 1))
        self.out = nn.Parameter(0.1 / math.sqrt(width) * torch.randn(width))
        self.curvature = nn.Parameter(torch.tensor(float(curvature)))
        self.register_buffer("unit", torch.tensor(1.0))
        self.unit: Tensor
        self.steering = nn.Parameter(torch.randn(context, width)) if context else None
        self.told: Tensor | None = None  # a context, once it is given

    def given(self, context: Tensor) -> Self:
        """Return the potential at a context, with the same weights: each unit's phase is moved by V_j·c.

        Arguments:
            context: of shape (k,), or (batch, k) with one for each point.

        Example:
            >>> U = RidgePotential(1, 4, context=2)
            >>> U.given(torch.zeros(2)).value(torch.zeros(3, 1)).shape
            torch.Size([3])
        """
        if self.steering is None:
            raise ParameterError("this potential takes no context")
        given = copy.copy(self)  # the copy has parameters and buffers in common
        given.told = context
        return given

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W of shape (inputs, units), b and w of shape (units,); b is (batch, units) for a context per point.

        Raises:
            ParameterError: for a potential that needs a context and has none.
        """
        if self.steering is not None and self.told is not None:
            return self.weight, self.bias + self.told @ self.steering, self.out
        if self.steering is not None:
            raise ParameterError("this flow is conditional; use flow.given(context)")
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
        inputs = self.tensors()
        if self.suits_kernels and inputs[1].ndim == 1 and cpu.applies(x, *inputs):
            return FusedGradients.apply(self.features, x[None], *inputs)[0]
        return closed_gradient(x, *inputs, features=self.features)

    def tensors(self) -> tuple[Tensor, ...]:
        """Return W, b, w, k and u, all that the gradient depends on beside the features."""
        return *self.ridges(), self._parameters["curvature"], self._buffers["unit"]  # type: ignore[return-value]

    def steered_tensors(self) -> tuple[Tensor, ...]:
        """Return :meth:`tensors` where a context of each point is a further input: W has rows for its numbers too."""
        if self.told is None or self.told.ndim == 1 or self.steering is None:
            return self.tensors()
        given = copy.copy(self)
        given._parameters, given.told = {**self._parameters, "steering": None}, None
        weight, bias, out, *rest = given.tensors()
        copies = weight.shape[1] // self.steering.shape[1]
        return torch.cat([weight, self.steering.repeat(1, copies)]), bias, out, *rest

    @property
    def suits_kernels(self) -> bool:
        """Whether the features are such that the CPU kernels are right and fast."""
        told = 0 if self.told is None or self.told.ndim == 1 else self.told.shape[1]
        return self.features.is_regular and self.features.size + told <= cpu.MANY


class AveragedPotential(RidgePotential):
    """The mean of a ridge potential over finitely many turned copies of its argument, (1/m) Σ_k U(R_k x).

    A turned ridge is a ridge with turned weights, W_j·(R_k x) = (R_kᵀW_j)·x, so the mean is a ridge potential with
    m times the units that share their weights, and costs as much.  If the R_k are a group, it is invariant under it.

    Arguments:
        dim: number of coordinates.
        group: orthogonal matrices R_k, of shape (m, dim, dim).
        width: number of units that are not copies.
        curvature: first value of k, learned; the quadratic part is invariant as it is.
        context: numbers that move the phases of the units.

    Example:
        >>> quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
        >>> U = AveragedPotential(2, np.stack([np.linalg.matrix_power(quarter, k) for k in range(4)]), 8)
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(U.value(x), U.value(x @ torch.tensor(quarter.T).float()), atol=1e-5)
        True
    """

    def __init__(
        self, dim: int, group: np.ndarray, width: int = 64, *, curvature: float = 0.0, context: int = 0
    ) -> None:
        super().__init__(dim, width, curvature=curvature, context=context)
        self.group = Constant(group)

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        m = len(self.group.exact)
        weight, bias, out = super().ridges()
        turned = torch.einsum("kij,iw->jkw", self.group.value, weight).flatten(1)
        return turned, torch.cat([bias] * m, -1), out.repeat(m) / m
