"""The way from torch to the compiled loops on the CPU: which tensors they take, and the arrays they want.

numba is loaded and the loops are compiled (once for each number of inputs and precision, then cached on disk) with the
first call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn.features import Features

#: Inputs of a potential beyond which matrix products are faster than loops over registers.
MANY = 16
_LOCK = Lock()
_ENABLED = True
_KINDS = (Tensor, torch.nn.Parameter)


def applies(*tensors: Tensor) -> bool:
    """Tell whether the kernels can take these tensors: plain, on the CPU, all float32 or all float64.

    Example:
        >>> applies(torch.zeros(3)), applies(torch.zeros(3), torch.zeros(3, dtype=torch.float64))
        (True, False)
    """
    dtype = tensors[0].dtype
    return (
        _ENABLED
        and dtype in (torch.float32, torch.float64)
        and torch._C._functorch.peek_interpreter_stack() is None
        and all(type(t) in _KINDS and t.is_cpu and t.dtype == dtype for t in tensors)
    )


@contextmanager
def left_to_torch() -> Iterator[None]:
    """Let torch do what the kernels do, in this block: to compare, or where something looks wrong.

    Example:
        >>> with left_to_torch():
        ...     applies(torch.zeros(3))
        False
    """
    global _ENABLED
    before, _ENABLED = _ENABLED, False
    try:
        yield
    finally:
        _ENABLED = before


@dataclass(frozen=True)
class Ridges:
    """Several ridge potentials of one shape as arrays, one potential after the other.

    Attributes:
        weight, bias, out: W of shape (potentials, inputs, units), b and w of shape (potentials, units).
        curvature, unit: k and u, of shape (potentials,).
        features: what all of them look at.

    Example:
        >>> from learn.potentials import RidgePotential
        >>> U = RidgePotential(2, 8)
        >>> Ridges.of([[*U.ridges(), U.curvature, U.unit]], U.features).weight.shape
        (1, 2, 8)
    """

    weight: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    curvature: np.ndarray
    unit: np.ndarray
    features: Features

    @classmethod
    def of(cls, potentials: Sequence[Sequence[Tensor]], features: Features) -> Ridges:
        """Return the arrays of potentials given by W, b, w, k and u."""
        return cls(*[_stacked(column) for column in zip(*potentials, strict=True)], features=features)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """W, b and w."""
        return self.weight, self.bias, self.out

    @property
    def looks(self) -> tuple[Any, tuple[int, int]]:
        """The features as arrays, and the addresses of the loops over as many inputs."""
        inputs, double = self.weight.shape[1], self.weight.dtype == np.float64
        with _LOCK:
            loops = _compiled().slope_loop(inputs, double), _compiled().pulled_loop(inputs, double)
        return self.features.arrays(self.weight.dtype), loops


def gradients(ridges: Ridges, x: Tensor) -> Tensor:
    """Return the gradient of each potential at its own points, without autograd.

    Arguments:
        ridges: the potentials.
        x: points of shape (potentials, batch, dim).

    Example:
        >>> one, zero = torch.ones(1), torch.tensor(0.0)
        >>> U = Ridges.of([[one[:, None], 0 * one, one, zero, zero + 1]], Features.of(1, [0]))
        >>> x = torch.linspace(-3, 3, 7)[None, :, None]
        >>> torch.allclose(gradients(U, x), x.sin(), atol=1e-6)
        True
    """
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    given = _array(x)
    _compiled().gradients(given, *ridges.arrays, ridges.curvature, ridges.unit, *ridges.looks, result.numpy())
    return result


def gradients_pulled(ridges: Ridges, x: Tensor, cotangent: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the cotangents of x, and of W, b, w and k, for one of the value of :func:`gradients`.

    Arguments:
        ridges, x: as there.
        cotangent: of the shape of x.

    Example:
        >>> one, zero = torch.ones(1), torch.tensor(0.0)
        >>> U = Ridges.of([[one[:, None], 0 * one, one, zero, zero + 1]], Features.of(1, [0]))
        >>> x = torch.linspace(-3, 3, 7)[None, :, None]
        >>> torch.allclose(gradients_pulled(U, x, torch.ones_like(x))[0], x.cos(), atol=1e-6)
        True
    """
    to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    found = [np.zeros_like(a) for a in (*ridges.arrays, ridges.curvature)]
    _compiled().gradients_pulled(
        _array(x), _array(cotangent), *ridges.arrays, ridges.curvature, ridges.unit, *ridges.looks, to_x.numpy(), *found
    )  # fmt: skip
    return to_x, [torch.from_numpy(a) for a in found]


def leapfrog(q: Tensor, p: Tensor, ridges: Ridges, dt: np.ndarray, steps: int) -> tuple[Tensor, Tensor]:
    """Return (q, p) after kick–drift–kick steps of one Hamiltonian after the other, without autograd.

    Arguments:
        q, p: states of shape (batch, dim).
        ridges: U of each Hamiltonian, then K of each.
        dt: their time steps.
        steps: number of steps of each; the half kicks between them are merged.

    Example:
        >>> none, one, zero = torch.zeros(1, 4), torch.tensor(1.0), torch.zeros(4)
        >>> free = Ridges.of([[none, zero, zero, k, one] for k in (0 * one, one)], Features.of(1, [0]))
        >>> leapfrog(torch.zeros(3, 1), torch.ones(3, 1), free, np.array([0.5], np.float32), 2)[0].flatten()
        tensor([1., 1., 1.])
    """
    moved = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, p)]
    given = (*ridges.arrays, ridges.curvature, ridges.unit, dt, *ridges.looks, steps)
    _compiled().leapfrog(_array(q), _array(p), *given, *[x.numpy() for x in moved])
    return moved[0], moved[1]


def leapfrog_pulled(
    q: Tensor, p: Tensor, cotangents: Sequence[Tensor], ridges: Ridges, dt: np.ndarray, steps: int
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return the cotangents of q, p, dt, and of W, b, w and k, going back from the final states.

    The states on the way are found by undoing the steps, so memory does not grow with their number.

    Arguments:
        q, p: final states of shape (batch, dim).
        cotangents: of these.
        ridges, dt, steps: as for :func:`leapfrog`.
    """
    back = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, p)]
    found = [np.zeros_like(a) for a in (*ridges.arrays, ridges.curvature, dt)]
    given = (*ridges.arrays, ridges.curvature, ridges.unit, dt, *ridges.looks, steps)
    states = [_array(x) for x in (q, p, *cotangents)]
    _compiled().leapfrog_pulled(*states, *given, *found, *[x.numpy() for x in back])
    *weights, to_dt = (torch.from_numpy(a) for a in found)
    return back[0], back[1], to_dt, weights


def _stacked(tensors: Sequence[Tensor]) -> np.ndarray:
    first = tensors[0].detach()
    both = first[None] if len(tensors) == 1 else torch.stack([t.detach() for t in tensors])
    return both.contiguous().numpy()


def _array(t: Tensor) -> np.ndarray:
    return t.detach().contiguous().numpy()


def _compiled() -> Any:
    from learn import ridges

    return ridges
