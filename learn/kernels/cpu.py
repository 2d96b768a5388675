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

from learn.flow.features import Features

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
class Shape:
    """What several ridge potentials have in common beside numbers.

    Attributes:
        features: what they look at.
        units: how many each has.
        told: numbers in a context of every point, which units look at too.
        moving: units of the kinetic energies of a chain; as many as those of the potentials if None, else 0.

    Example:
        >>> shape = Shape(Features.of(2, [0, 1]), 8)
        >>> shape.size, shape.columns, Shape(shape.features, 8, moving=0).columns
        (34, 69, 37)
    """

    features: Features
    units: int
    told: int = 0
    moving: int | None = None

    @property
    def size(self) -> int:
        """Numbers in a record of one potential: W, b, w, k and u."""
        return (self.features.size + self.told + 2) * self.units + 2

    @property
    def columns(self) -> int:
        """Numbers in a member of a chain: log dt, and the records of U and K."""
        return 1 + self.size + (self.size if self.moving is None else 2)

    @property
    def counts(self) -> tuple[int, int]:
        """Units of each potential and of each kinetic energy."""
        return self.units, self.units if self.moving is None else self.moving

    def arguments(self, dtype: torch.dtype) -> tuple[Any, tuple[int, int]]:
        """The features as arrays (None for the coordinates themselves), and the addresses of the loops over as many inputs."""
        double = dtype == torch.float64
        with _LOCK:
            from learn.kernels import lanes

            loops = (
                lanes.slope_loop(self.features.size + self.told, double),
                lanes.pulled_loop(self.features.size + self.told, double),
            )
        if self.features.is_identity:
            return None, loops
        return self.features.arrays(np.dtype(np.float64 if double else np.float32)), loops


def flattened(tensors: Sequence[Tensor]) -> Tensor:
    """Return the numbers of all tensors in one, without autograd.

    Example:
        >>> flattened([torch.zeros(()), torch.ones(1, 2)])
        tensor([0., 1., 1.])
    """
    with torch.no_grad():
        return torch._C._nn.flatten_dense_tensors(list(tensors)).detach()


def unflattened(flat: Tensor, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the numbers in the shapes of the tensors, the reverse of :func:`flattened`."""
    return torch._C._nn.unflatten_dense_tensors(flat, list(tensors))


def gradients(x: Tensor, records: Tensor, shape: Shape) -> Tensor:
    """Return the gradient of each potential at its own points, without autograd.

    Arguments:
        x: points of shape (potentials, batch, dim).
        records: W, b, w, k and u of each potential, of shape (potentials · size,).
        shape: of the potentials.

    Example:
        >>> sine = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
        >>> x = torch.linspace(-3, 3, 7)[None, :, None]
        >>> torch.allclose(gradients(x, sine, Shape(Features.of(1, [0]), 1)), x.sin(), atol=1e-6)
        True
    """
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    given = (array(records).reshape(-1, shape.size), shape.units, *shape.arguments(x.dtype))
    _compiled().gradients(array(x), *given, result.numpy())
    return result


def gradients_pulled(x: Tensor, cotangent: Tensor, records: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Return the cotangents of x and of the records, 0 for u, for one of the value of :func:`gradients`.

    Arguments:
        x, records, shape: as there.
        cotangent: of the shape of x.

    Example:
        >>> sine = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
        >>> x = torch.linspace(-3, 3, 7)[None, :, None]
        >>> to_x, _ = gradients_pulled(x, torch.ones_like(x), sine, Shape(Features.of(1, [0]), 1))
        >>> torch.allclose(to_x, x.cos(), atol=1e-6)
        True
    """
    to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    to_records = torch.zeros_like(records)
    given = (array(records).reshape(-1, shape.size), shape.units, *shape.arguments(x.dtype))
    back = (to_x.numpy(), to_records.numpy().reshape(-1, shape.size))
    _compiled().gradients_pulled(array(x), array(cotangent), *given, *back)
    return to_x, to_records


def leapfrog(
    q: Tensor,
    p: Tensor,
    flat: Tensor,
    shape: Shape,
    *,
    steps: int,
    sign: int = 1,
    context: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (q, p) after kick–drift–kick steps of one Hamiltonian after the other, without autograd.

    Arguments:
        q, p: states of shape (batch, dim).
        flat: for each Hamiltonian log dt, then the record of U and that of K.
        shape: of all the potentials.
        steps: number of steps of each; the half kicks between them are merged.
        sign: of time.
        context: of every point, of shape (batch, told).

    Example:
        >>> still, free = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0])
        >>> flat = torch.cat([torch.tensor([0.5]).log(), still, free])
        >>> q, p = torch.zeros(3, 1), torch.ones(3, 1)
        >>> leapfrog(q, p, flat, Shape(Features.of(1, [0]), 1), steps=2)[0].flatten()
        tensor([1., 1., 1.])
    """
    moved = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, p)]
    given = (array(flat).reshape(-1, shape.columns), shape.counts, sign, *shape.arguments(q.dtype), steps)
    _compiled().leapfrog(array(q), array(p), _contexts(context, q), *given, *[x.numpy() for x in moved])
    return moved[0], moved[1]


def leapfrog_pulled(
    q: Tensor,
    p: Tensor,
    cotangents: Sequence[Tensor],
    flat: Tensor,
    shape: Shape,
    *,
    steps: int,
    sign: int = 1,
    context: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cotangents of q, p and ``flat``, 0 for units, going back from the final states.

    The states on the way are found by undoing the steps, so memory does not grow with their number.

    Arguments:
        q, p: final states of shape (batch, dim).
        cotangents: of these.
        flat, shape, steps, sign, context: as for :func:`leapfrog`.
    """
    back = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, p)]
    columns, to_flat = shape.columns, torch.zeros_like(flat)
    given = (array(flat).reshape(-1, columns), shape.counts, sign, *shape.arguments(q.dtype), steps)
    states = [array(q), array(p), _contexts(context, q), *[array(x) for x in cotangents]]
    results = (to_flat.numpy().reshape(-1, columns), *[x.numpy() for x in back])
    _compiled().leapfrog_pulled(*states, *given, *results)
    return back[0], back[1], to_flat


def draw(raw: Tensor, noise: Tensor, unit: float, limit: float) -> tuple[Tensor, Tensor]:
    """Return p = (mean + L·noise)/unit and its log density, without autograd.

    Arguments:
        raw: of shape (batch, dim + dim (dim + 1)/2): mean, logarithms of the diagonal of L, what is below it row by row.
        noise: standard normal numbers of shape (batch, samples, dim).
        unit: of momenta, inverted.
        limit: of the logarithms.

    Example:
        >>> draw(torch.zeros(1, 2), torch.ones(1, 1, 1), 2.0, 6.0)[0].item()
        0.5
    """
    p = torch.empty_like(noise, memory_format=torch.contiguous_format)
    log_f = noise.new_empty(noise.shape[:2])
    _gaussians().draw(array(raw), array(noise), unit, limit, p.numpy(), log_f.numpy())
    return p, log_f


def draw_pulled(
    raw: Tensor, noise: Tensor, unit: float, limit: float, to_p: Tensor, to_log_f: Tensor
) -> Tensor:
    """Return the cotangent of ``raw`` for those of the values of :func:`draw`."""
    to_raw = torch.zeros_like(raw, memory_format=torch.contiguous_format)
    given = [array(t) for t in (to_p, to_log_f)]
    _gaussians().draw_pulled(array(raw), array(noise), unit, limit, *given, to_raw.numpy())
    return to_raw


def log_base(q: Tensor, p: Tensor, removed: Tensor, scales: tuple[float, float], constant: float) -> Tensor:
    """Return ``constant`` − |q/a|²/2 − |p/b|²/2 without the removed directions, shape (batch,), without autograd.

    Example:
        >>> log_base(torch.ones(1, 2), torch.zeros(1, 2), torch.zeros(0, 2), (1.0, 1.0), 0.5)
        tensor([-0.5000])
    """
    result = q.new_empty(len(q))
    _gaussians().base(array(q), array(p), array(removed), *scales, constant, result.numpy())
    return result


def log_base_pulled(
    q: Tensor, p: Tensor, removed: Tensor, scales: tuple[float, float], g: Tensor
) -> tuple[Tensor, Tensor, tuple[float, float, float]]:
    """Return the cotangents of q and p for that of :func:`log_base`, Σ g |q/a|², Σ g |p/b|² and Σ g."""
    back = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, p)]
    states = [array(x) for x in (q, p, removed)]
    sums = _gaussians().base_pulled(*states, *scales, array(g), *[x.numpy() for x in back])
    return back[0], back[1], sums


def adam(pointers: np.ndarray, like: np.ndarray, *numbers: float) -> None:
    """Move weights by Adam's rule after clipping; see :func:`learn.kernels.updates.adam`."""
    from learn.kernels import updates

    updates.adam(pointers, like, *numbers)


def array(t: Tensor) -> np.ndarray:
    """Return the numbers of a tensor on the CPU as an array, without a copy where they lie in order."""
    return t.detach().contiguous().numpy()


def _contexts(context: Tensor | None, like: Tensor) -> np.ndarray:
    return array(like.new_empty(len(like), 0) if context is None else context)


def _compiled() -> Any:
    from learn.kernels import ridges

    return ridges


def _gaussians() -> Any:
    from learn.kernels import gaussians

    return gaussians
