"""Learnable scalar functions whose gradient is a closed form, so that no step needs a second backward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from learn import kernels


class Constant(nn.Module):
    """A matrix known in float64 that stays exact to rounding when the module changes its precision back and forth.

    Arguments:
        value: the matrix.

    Example:
        >>> third = Constant(np.array([[1 / 3]]))
        >>> float(third.float().double().value) == 1 / 3
        True
    """

    def __init__(self, value: np.ndarray) -> None:
        super().__init__()
        self.exact = np.array(value, dtype=np.float64)
        self.register_buffer("value", torch.tensor(self.exact, dtype=torch.float32), persistent=False)
        self.value: Tensor

    def _apply(self, fn: Any, recurse: bool = True) -> Constant:
        super()._apply(fn, recurse)
        self.value = torch.as_tensor(self.exact, dtype=self.value.dtype, device=self.value.device)
        return self


class Features(nn.Module):
    """The inputs of a potential: linear functions and smoothed lengths of parts of a point.

    Maps x to (C x, √(|F₁ x|² + ε²), √(|F₂ x|² + ε²), …), where x loses given directions first.  Invariant functions
    and lengths alone give exactly invariant potentials; lengths beside all coordinates make invariance easy to learn.

    Arguments:
        linear: C, of shape (functions, dim).
        frames: the F, each of shape (rank, dim).
        removed: orthonormal directions that x loses, of shape (t, dim).
        smoothing: ε, in the unit of x; it keeps the functions smooth where a length vanishes.

    Example:
        >>> Features.of(3, kept=[2], blocks=[(0, 1)], smoothing=0.0)(torch.tensor([[3.0, 4.0, 7.0]]))
        tensor([[7., 5.]])
    """

    def __init__(
        self,
        linear: np.ndarray,
        frames: Sequence[np.ndarray] = (),
        removed: np.ndarray | None = None,
        smoothing: float = 0.2,
    ) -> None:
        super().__init__()
        n, dim = linear.shape
        removed = None if removed is None or not len(removed) else removed
        self.dim, self.smoothing, self.size = dim, smoothing, n + len(frames)
        self.functions = n
        self.is_identity = not len(frames) and removed is None and np.array_equal(linear, np.eye(dim))
        rows = np.concatenate([np.zeros((0, dim)), *frames])
        member = np.zeros((len(frames), len(rows)))
        at = 0
        for k, frame in enumerate(frames):
            member[k, at : at + len(frame)] = 1
            at += len(frame)
        # coordinates themselves need no product with a matrix of rows
        columns = np.abs(rows).argmax(-1) if len(rows) else np.zeros(0, int)
        plain = np.array_equal(rows, np.eye(dim)[columns]) and len(set(columns)) == len(columns)
        if plain:
            member = member @ rows
        self.linear, self.member = Constant(linear), Constant(member)
        self.rows = None if plain else Constant(rows)
        self.removed = None if removed is None else Constant(removed)

    @classmethod
    def of(
        cls, dim: int, kept: Sequence[int], blocks: Sequence[Sequence[int]] = (), smoothing: float = 0.2
    ) -> Features:
        """Return the features x_i for i in ``kept`` and |x_block| for each of ``blocks``.

        Arguments:
            dim: number of coordinates.
            kept: indices of coordinates passed through.
            blocks: disjoint sets of coordinates of which the length is taken.
            smoothing: ε.

        Example:
            >>> Features.of(2, [0, 1]).is_identity
            True
        """
        unit = np.eye(dim)
        return cls(unit[list(kept)], [unit[list(block)] for block in blocks], smoothing=smoothing)

    def centre(self, x: Tensor) -> Tensor:
        """Return x without the removed directions."""
        if self.removed is None:
            return x
        away = self.removed.value
        return x - (x @ away.T) @ away

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of centred x, shape (..., size)."""
        if self.is_identity:
            return x
        lengths = self.lengths(x)
        return torch.cat([x @ self.linear.value.T, lengths], -1) if self.functions else lengths

    def lengths(self, x: Tensor) -> Tensor:
        """Return the smoothed lengths of centred x, shape (..., frames)."""
        return (self._rows(x).square() @ self.member.value.T + self.smoothing**2).sqrt()

    def pull(self, x: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient with respect to x of a function with gradient ``cotangent`` in the features."""
        if self.is_identity:
            return cotangent
        n = self.functions
        through_lengths = self._rows_back(
            self._rows(x) * ((cotangent[..., n:] / self.lengths(x)) @ self.member.value)
        )
        return through_lengths + cotangent[..., :n] @ self.linear.value if n else through_lengths

    def pull_reverse(self, x: Tensor, cotangent: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return the cotangents of both arguments of :meth:`pull` for the cotangent ``g`` of its value.

        The first is None where ``pull`` does not depend on x.
        """
        if self.is_identity:
            return None, g
        n, member = self.functions, self.member.value
        lengths, y, across = self.lengths(x), self._rows(x), self._rows(g)
        slope = cotangent[..., n:] / lengths
        along = (across * y) @ member.T / lengths
        grad_x = self._rows_back(across * (slope @ member) - y * ((along * slope / lengths) @ member))
        return grad_x, torch.cat([g @ self.linear.value.T, along], -1) if n else along

    def _rows(self, x: Tensor) -> Tensor:
        return x if self.rows is None else x @ self.rows.value.T

    def _rows_back(self, y: Tensor) -> Tensor:
        return y if self.rows is None else y @ self.rows.value


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
        self.features = features or Features.of(dim, range(dim))
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
