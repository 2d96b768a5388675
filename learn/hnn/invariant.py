"""Learnable functions of nothing but the invariants of a symmetry, with closed-form gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from hamsym.symbolic.formula.text import to_text
from learn.arguments import MAX_NUMBERS
from learn.flow.architecture import MAX_WEIGHTS
from learn.flow.features import Constant
from learn.hnn.functions import TanhNetwork
from learn.symmetry.invariants import coefficients

#: Lengths are smoothed at this share of their root mean square, so that they and their logarithms have a slope where
#: they vanish.
SMOOTHING = 0.03
#: A mean square below this share of its summands is what rounding leaves of nought.
ROUNDING = 1e-6
_TINY = 1e-12


class InvariantFunction(nn.Module):
    """f(I_1(x), I_2(x), …) of given polynomials of degree one or two, so exactly as invariant as they are.

    f is a network and, beside it, a linear function.  Quadratic invariants enter the network as logarithms of lengths:
    of the smoothed root of every form that is nowhere negative, and of both parts of a form that takes both signs,
    where these are sums of given forms, as |a + b| and |a − b| for a·b.  In them attraction is as smooth near a
    collision as far away, and a law of powers is one exponential, which goes on where data end.  What no lengths
    determine enters as it is.  The linear function has invariants, lengths and logarithms, so that a kinetic energy
    is one.  Everything is measured as (I − mean)/spread with constants that :meth:`set_unit` reads off data once; a
    function of invariants stays one.

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
        width = integer("width", width, minimum=1, maximum=MAX_NUMBERS)
        depth = integer("depth", depth, minimum=1, maximum=100)
        # a form gives two inputs beside itself: of either sign
        if (weights := width * (3 * k + width * (depth - 1))) > MAX_WEIGHTS:
            raise ParameterError(
                f"width={width} and depth={depth} make {weights:.3g} weights, more than the {MAX_WEIGHTS:.0e} that are allowed"
            )
        slopes, forms = np.zeros((k, n)), np.zeros((k, n, n))
        for i, u in enumerate(invariants):
            slopes[i], form = coefficients(u, variables)
            forms[i] = 0.0 if form is None else form
        squares = squares_of_lengths(slopes, forms)
        self.lengths = len(squares)
        # all forms one below the other, so that values and gradients of all take one product
        self.slopes, self.forms = Constant(slopes), Constant(forms.reshape(k * n, n))
        self.squares = Constant(squares)
        others = [i for i in range(k) if not _is_sum(np.eye(k)[i], squares)]
        inside = [*others, *range(k + self.lengths, k + 2 * self.lengths)]
        self.register_buffer("inside", torch.tensor(inside, dtype=torch.long), persistent=False)
        self.network = TanhNetwork(len(inside), width, depth)
        # a network alone would bend a kinetic energy where there were no data
        self.line = nn.Parameter(torch.zeros(k + 2 * self.lengths))
        self.register_buffer("mean", torch.zeros(k + 2 * self.lengths))
        self.register_buffer("spread", torch.ones(k + 2 * self.lengths))
        self.register_buffer("smoothing", torch.full((self.lengths,), SMOOTHING**2))
        self.inside: Tensor
        self.mean: Tensor
        self.spread: Tensor
        self.smoothing: Tensor

    def _found(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The invariants, (batch, k), lengths, (batch, m), and B x of each invariant, (batch, k, n)."""
        bent = (x @ self.forms.value.T).unflatten(-1, (len(self.texts), -1))
        found = x @ self.slopes.value.T + (bent * x.unsqueeze(-2)).sum(-1)
        # rounding makes a square of nought negative
        return found, ((found @ self.squares.value.T).clamp(min=0.0) + self.smoothing).sqrt(), bent

    def _seen(self, found: Tensor, lengths: Tensor) -> Tensor:
        """Invariants, lengths and logarithms of lengths in their units, (batch, k + 2m)."""
        return (torch.cat([found, lengths, lengths.log()], -1) - self.mean) / self.spread

    def value(self, x: Tensor) -> Tensor:
        """Return f(I(x)) of shape (batch,)."""
        seen = self._seen(*self._found(x)[:2])
        return self.network.value(seen[..., self.inside]) + seen @ self.line

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient in x, of its shape (batch, n)."""
        found, lengths, bent = self._found(x)
        seen = self._seen(found, lengths)
        of_network = self.network.gradient(seen[..., self.inside])
        pulled = self.line.expand_as(seen).index_add(-1, self.inside, of_network) / self.spread
        pulled, of_lengths, of_logarithms = pulled.split([len(self.texts), self.lengths, self.lengths], -1)
        of_squares = (of_lengths + of_logarithms / lengths) / (2 * lengths)
        pulled = pulled + of_squares @ self.squares.value
        return pulled @ self.slopes.value + 2 * (pulled.unsqueeze(-1) * bent).sum(-2)

    @torch.no_grad()
    def set_unit(self, x: Tensor) -> None:
        """Measure everything from its mean over data, in its standard deviation there.

        Arguments:
            x: points of shape (n, size).

        Example:
            >>> a, b = sp.symbols("a b")
            >>> f = InvariantFunction([a, b], (a, b), 4)
            >>> f.set_unit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
            >>> f.mean, f.spread  # what does not vary keeps its unit
            (tensor([1., 5.]), tensor([1., 1.]))
        """
        found = self._found(x)[0].double()
        squares = self.squares.value.double()
        size, summed = (found @ squares.T).mean(0), (found.abs() @ squares.abs().T).mean(0)
        # a sum of momenta that is nought in all data has no unit
        is_there = size > ROUNDING * summed
        self.smoothing.copy_((SMOOTHING**2 * torch.where(is_there, size, summed)).clamp(min=_TINY))
        self.mean.zero_()
        self.spread.fill_(1.0)
        seen = self._seen(*self._found(x)[:2]).double()
        mean, spread = seen.mean(0), seen.std(0, correction=0)
        varies = spread > 1e-6 * seen.abs().amax(0).clamp(min=1e-300)
        varies[len(self.texts) :] &= is_there.repeat(2)
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(varies, spread, torch.ones_like(spread)))


def squares_of_lengths(slopes: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """Return the squares of lengths among sums of invariants c·x + xᵀBx, as their coefficients.

    A form that takes both signs is the difference of two that do not, its spectral parts.  Where these are sums of
    the given forms they are as invariant: x₁₂·x₁₃ brings the distance |x₂ − x₃|.

    Arguments:
        slopes, forms: c and B of each invariant, shapes (k, n) and (k, n, n).

    Returns:
        Shape (lengths, k).

    Example:
        >>> product = np.array([[0.0, 0.5], [0.5, 0.0]])  # a b, with a² + b²: (a + b)²/4 and (a − b)²/4
        >>> squares_of_lengths(np.zeros((2, 2)), np.stack([np.eye(2), product])).tolist()
        [[1.0, 0.0], [0.25, 0.5], [0.25, -0.5]]
    """
    plain = np.array([not slope.any() for slope in slopes], dtype=bool)
    flat = np.where(plain[:, None], forms.reshape(len(forms), -1), 0.0)
    found: list[np.ndarray] = []
    for form in forms[plain]:
        values, vectors = np.linalg.eigh(form)
        for part in (values > _TINY, values < -_TINY):
            square = (vectors[:, part] * np.abs(values[part])) @ vectors[:, part].T
            combined = np.linalg.lstsq(flat.T, square.ravel(), rcond=None)[0].round(12)
            is_new = not any(np.allclose(combined, other, rtol=0, atol=1e-9) for other in found)
            if part.any() and is_new and np.allclose(combined @ flat, square.ravel(), rtol=0, atol=1e-9):
                found.append(combined)
    return np.array(found).reshape(-1, len(forms)) + 0.0


def _is_sum(row: np.ndarray, rows: np.ndarray) -> bool:
    """Whether a row is a linear combination of others."""
    return len(rows) > 0 and np.linalg.matrix_rank([*rows, row], tol=1e-9) == np.linalg.matrix_rank(
        rows, tol=1e-9
    )
