"""Energies of the latent phase space, with closed-form gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learn.hnn.energies import JointEnergy, SeparableEnergy
from learn.hnn.functions import TanhNetwork

KINDS = ("natural", "separable", "joint")
#: Norm of the last layer of a network on top of a form, at first.
STRENGTH = 0.5


class PositiveForm(nn.Module):
    """xᵀ L Lᵀ x / 2 with a learned L, one at first: a kinetic energy with any masses, or a spring to the origin.

    Arguments:
        inputs: size of x.

    Example:
        >>> f = PositiveForm(2)
        >>> f.value(torch.ones(1, 2)), f.gradient(torch.ones(1, 2)).tolist()
        (tensor([1.], grad_fn=<MulBackward0>), [[1.0, 1.0]])
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.eye(inputs))

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return 0.5 * (x @ self.factor).square().sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        return x @ (self.factor @ self.factor.T)


class Trapped(nn.Module):
    """A network on top of a positive form: any smooth function near the data, and one that holds far away from them.

    Arguments:
        inputs: size of x.
        width, depth: of the network.

    Example:
        >>> f = Trapped(2, 8, 2)
        >>> x = torch.randn(5, 2, requires_grad=True)
        >>> (by_autograd,) = torch.autograd.grad(f.value(x).sum(), x)
        >>> torch.allclose(f.gradient(x), by_autograd, atol=1e-6)
        True
    """

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.form, self.network = PositiveForm(inputs), TanhNetwork(inputs, width, depth)
        with torch.no_grad():  # bent where the data are from the start, and weak
            self.network.layers[0].weight.normal_()  # type: ignore[operator, union-attr]
            self.network.layers[0].bias.uniform_(-2, 2)  # type: ignore[operator, union-attr]
            self.network.out.mul_(STRENGTH)

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return self.form.value(x) + self.network.value(x)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        return self.form.gradient(x) + self.network.gradient(x)


def build(kind: str, dim: int, width: int, depth: int) -> SeparableEnergy | JointEnergy:
    """Return an energy of ``dim`` coordinates with random first weights.

    Arguments:
        kind: "natural", H = pᵀ M⁻¹ p / 2 + U(q) with a learned positive M; "separable", H = K(p) + U(q) with two
            networks; "joint", one network of (q, p), which only Runge–Kutta methods can step.
        dim, width, depth: sizes.

    Example:
        >>> build("natural", 2, 8, 1).is_separable, build("joint", 2, 8, 1).is_separable
        (True, False)
    """
    if kind == "joint":
        return JointEnergy(Trapped(2 * dim, width, depth))
    kinetic = PositiveForm(dim) if kind == "natural" else Trapped(dim, width, depth)
    return SeparableEnergy(Trapped(dim, width, depth), kinetic)
