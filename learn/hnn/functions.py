"""Learnable scalar functions of a point with closed-form gradients, of which energies are made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from hamsym.symbolic.formula.text import to_text
from learn.features import Constant
from learn.invariants import coefficients

#: Lengths are smoothed at this share of their root mean square, so that they have a slope where they vanish.
SMOOTHING = 0.03
_TINY = 1e-12


class Function(Protocol):
    """A scalar function of a point: ``value`` is (batch,), ``gradient`` (batch, size), for x of shape (batch, size)."""

    def value(self, x: Tensor) -> Tensor: ...
    def gradient(self, x: Tensor) -> Tensor: ...


def orthogonal(module: nn.Module) -> nn.Module:
    """Return the module with every matrix of weights made orthogonal, rows or columns, as in arXiv 1906.01563.

    Example:
        >>> weight = orthogonal(nn.Linear(3, 3)).weight.detach()
        >>> torch.allclose(weight @ weight.T, torch.eye(3), atol=1e-6)
        True
    """
    for parameter in module.parameters():
        if parameter.ndim == 2:
            nn.init.orthogonal_(parameter)
    return module


class TanhNetwork(nn.Module):
    """w·tanh(W_k … tanh(W_1 x + b_1) … + b_k), with the gradient in x as a closed form.

    The gradient is the reverse pass written out: g_k = w ⊙ (1 − a_k²), g_{i−1} = W_iᵀg_i ⊙ (1 − a_{i−1}²), so that
    a loss on it takes one backward pass and no graph of a graph.  Weights start orthogonal, as in arXiv 1906.01563.

    Arguments:
        inputs: size of x.
        width: units of every inner layer.
        depth: inner layers, one or more.

    Example:
        >>> f = TanhNetwork(3, 8, 2)
        >>> x = torch.randn(5, 3, requires_grad=True)
        >>> (by_autograd,) = torch.autograd.grad(f.value(x).sum(), x)
        >>> torch.allclose(f.gradient(x), by_autograd, atol=1e-6)
        True
    """

    def __init__(self, inputs: int, width: int = 200, depth: int = 2) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.out = nn.Parameter(torch.empty(1, width))
        orthogonal(self)

    def _activations(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers:
            x = layer(x).tanh()
            found.append(x)
        return found

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return self._activations(x)[-1] @ self.out[0]

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        activations = self._activations(x)
        pulled: Tensor = self.out
        for layer, a in zip(reversed(self.layers), reversed(activations), strict=True):
            pulled = (pulled - pulled * a.square()) @ layer.weight  # type: ignore[operator]
        return pulled


class QuadraticFunction(nn.Module):
    """b·x + xᵀA x/2 with a symmetric A, all coefficients learned.

    Arguments:
        inputs: size of x.

    Example:
        >>> f = QuadraticFunction(2)
        >>> f.gradient(torch.zeros(1, 2)).shape
        torch.Size([1, 2])
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.form = nn.Parameter(torch.randn(inputs, inputs) / inputs)
        self.slope = nn.Parameter(torch.zeros(inputs))

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return x @ self.slope + 0.5 * (x * (x @ self._symmetric())).sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        return self.slope + x @ self._symmetric()

    def _symmetric(self) -> Tensor:
        return 0.5 * (self.form + self.form.T)


class InvariantFunction(nn.Module):
    """f(I_1(x), I_2(x), …) with f, a network and a linear function, of given polynomials of degree one or two, so exactly as invariant as they are.

    Beside a form that is nowhere negative, a square of a length, the network sees its smoothed root, in which attraction
    is a steep function near nought and a plain one far away.  Everything enters as (I − mean)/spread with constants
    that :meth:`set_unit` reads off data once; a function of invariants stays one.

    Arguments:
        invariants: polynomials of degree one or two without constant term.
        variables: the coordinates of x, in order.
        width, depth: of the network.

    Example:
        >>> a, b = sp.symbols("a b")
        >>> f = InvariantFunction([a**2 + b**2], (a, b), 8)
        >>> bool(f.value(torch.tensor([[3.0, 4.0]])) == f.value(torch.tensor([[4.0, 3.0]])))
        True
    """

    def __init__(
        self, invariants: Sequence[sp.Expr], variables: Sequence[sp.Symbol], width: int = 200, depth: int = 2
    ) -> None:
        super().__init__()
        self.texts = [to_text(u) for u in invariants]
        k, n = len(invariants), len(variables)
        slopes, forms = np.zeros((k, n)), np.zeros((k, n, n))
        for i, u in enumerate(invariants):
            slopes[i], form = coefficients(u, variables)
            forms[i] = 0.0 if form is None else form
        # all forms one below the other, so that values and gradients of all take one product
        self.slopes, self.forms = Constant(slopes), Constant(forms.reshape(k * n, n))
        lengths = [i for i in range(k) if not slopes[i].any() and np.linalg.eigvalsh(forms[i])[0] > -_TINY]
        self.register_buffer("lengths", torch.tensor(lengths, dtype=torch.long), persistent=False)
        self.network = TanhNetwork(k + len(lengths), width, depth)
        # a kinetic energy is linear in its invariant; a network alone would bend it where there were no data
        self.line = nn.Parameter(torch.zeros(k + len(lengths)))
        self.register_buffer("mean", torch.zeros(k + len(lengths)))
        self.register_buffer("spread", torch.ones(k + len(lengths)))
        self.register_buffer("smoothing", torch.full((len(lengths),), SMOOTHING**2))
        self.lengths: Tensor
        self.mean: Tensor
        self.spread: Tensor
        self.smoothing: Tensor

    def _found(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The invariants, (batch, k), the lengths among them, and B x of each invariant, (batch, k, n)."""
        bent = (x @ self.forms.value.T).unflatten(-1, (len(self.texts), -1))
        found = x @ self.slopes.value.T + (bent * x.unsqueeze(-2)).sum(-1)
        return found, (found[..., self.lengths] + self.smoothing).sqrt(), bent

    def _seen(self, found: Tensor, lengths: Tensor) -> Tensor:
        """What the network sees of them."""
        return (torch.cat([found, lengths], -1) - self.mean) / self.spread

    def value(self, x: Tensor) -> Tensor:
        """Return f(I(x)) of shape (batch,)."""
        seen = self._seen(*self._found(x)[:2])
        return self.network.value(seen) + seen @ self.line

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient in x, of its shape (batch, n)."""
        found, lengths, bent = self._found(x)
        pulled = (self.network.gradient(self._seen(found, lengths)) + self.line) / self.spread
        pulled, of_lengths = pulled.split([len(self.texts), len(self.lengths)], -1)
        pulled = pulled.index_add(-1, self.lengths, of_lengths / (2 * lengths))
        return pulled @ self.slopes.value + 2 * (pulled.unsqueeze(-1) * bent).sum(-2)

    @torch.no_grad()
    def set_unit(self, x: Tensor) -> None:
        """Measure every invariant from its mean over data, in its standard deviation there.

        Arguments:
            x: points of shape (n, size).

        Example:
            >>> a, b = sp.symbols("a b")
            >>> f = InvariantFunction([a, b], (a, b), 4)
        >>> f.set_unit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
        >>> f.mean, f.spread  # what does not vary keeps its unit
        (tensor([1., 5.]), tensor([1., 1.]))
        """
        found = self._found(x)[0]
        self.smoothing.copy_((SMOOTHING**2 * found[..., self.lengths].mean(0)).clamp(min=_TINY))
        self.mean.zero_()
        self.spread.fill_(1.0)
        seen = self._seen(*self._found(x)[:2]).double()
        mean, spread = seen.mean(0), seen.std(0, correction=0)
        varies = spread > 1e-6 * seen.abs().amax(0).clamp(min=1e-300)
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(varies, spread, torch.ones_like(spread)))
