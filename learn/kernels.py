"""Fused CPU kernels for the gradient of a ridge potential and its reverse pass.

Block by block of points and unit by unit, the points side by side in vector registers, nothing stored between passes.
Sine and cosine come from one range reduction (Cody, Waite, *Software Manual for the Elementary Functions*, 1980)
and their Taylor series on ±π/2, which are exact to rounding there in both precisions.  numba is loaded and the
kernels are compiled (once, then cached on disk) with the first call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LOCK = Lock()
_BLOCK = 512  # points worked on at once: their intermediate rows stay in the first cache
_TERMS = 11  # of the sine's series in float64, one more for the cosine; float32 needs six and seven
_SINE, _COSINE = 9, 9 + _TERMS  # where the series start among the constants
_SHORT = 5e3  # the largest ordinary angle tells the precisions apart

#: π in three parts, the first two short enough that multiples of them are exact.
_PI_PARTS = {
    np.dtype(np.float32): (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7),
    np.dtype(np.float64): (3.141592502593994, 1.5099578831723193e-7, 1.0780605716316238e-14),
}
#: x + m − m rounds x to an integer; beyond the second number angles go to the library's sine.
_ROUND = {np.dtype(np.float32): (12582912.0, 4e3), np.dtype(np.float64): (6755399441055744.0, 1e5)}


def applies(*tensors: Tensor) -> bool:
    """Tell whether the kernels can take these tensors: plain, on the CPU, all float32 or all float64.

    Example:
        >>> applies(torch.zeros(3)), applies(torch.zeros(3), torch.zeros(3, dtype=torch.float64))
        (True, False)
    """
    first = tensors[0]
    return all(
        type(t) in (Tensor, torch.nn.Parameter)
        and t.device.type == "cpu"
        and t.dtype == first.dtype
        and not torch._C._functorch.is_functorch_wrapped_tensor(t)
        for t in tensors
    ) and first.dtype in (torch.float32, torch.float64)


def ridge_gradient(z: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """Return Σ_j w_j sin(W_j·z + b_j) W_j for z (batch, inputs), weight (inputs, width), bias and out (width,).

    Returns:
        A tensor of the shape of z, without gradient.

    Example:
        >>> z = torch.linspace(-3, 3, 7)[:, None]
        >>> sine = ridge_gradient(z, torch.ones(1, 1), torch.zeros(1), torch.ones(1))
        >>> torch.allclose(sine, z.sin(), atol=1e-6)
        True
    """
    arrays = [_array(t) for t in (z.T, weight, bias, out * weight)]
    result = torch.zeros(z.shape[1], z.shape[0], dtype=z.dtype)
    _compiled("gradient")(*arrays, _constants(arrays[0].dtype), result.numpy())
    return result.T.contiguous()


def ridge_gradient_backward(
    z: Tensor, weight: Tensor, bias: Tensor, out: Tensor, cotangent: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the cotangents of the four inputs of :func:`ridge_gradient`, for one of its value.

    Arguments:
        z, weight, bias, out: the inputs.
        cotangent: of the shape of z.

    Example:
        >>> z, one = torch.tensor([[0.5]]), torch.ones(1)
        >>> grad_z, *_ = ridge_gradient_backward(z, one[:, None], 0 * one, one, one[:, None])
        >>> torch.allclose(grad_z, z.cos(), atol=1e-6)
        True
    """
    arrays = [_array(t) for t in (z.T, weight, bias, out * weight, cotangent.T)]
    grad_z = torch.zeros(z.shape[1], z.shape[0], dtype=z.dtype)
    grad_weight, grad_bias, grad_out = (torch.zeros(t.shape, dtype=z.dtype) for t in (weight, bias, out))
    results = [t.numpy() for t in (grad_z, grad_weight, grad_bias, grad_out)]
    _compiled("backward")(*arrays, _constants(arrays[0].dtype), *results)
    return grad_z.T.contiguous(), grad_weight.mul_(out.detach()), grad_bias.mul_(out.detach()), grad_out


Ridges = tuple[Tensor, Tensor, Tensor]  # weight (inputs, width), bias and out (width,)


def leapfrog(
    q: Tensor, p: Tensor, potential: Ridges, kinetic: Ridges, numbers: Sequence[float], steps: int
) -> tuple[Tensor, Tensor]:
    """Return (q, p) after kick–drift–kick steps with ∇U = Σ_j w_j sin(W_j·q + b_j) W_j + k q, and K likewise.

    Arguments:
        q, p: states of shape (batch, dim).
        potential, kinetic: W, b and w of U and of K.
        numbers: the time step, k of U and k of K.
        steps: number of steps; the half kicks between them are merged.

    Example:
        >>> still = torch.zeros(1, 4), torch.zeros(4), torch.zeros(4)
        >>> leapfrog(torch.zeros(3, 1), torch.ones(3, 1), still, still, [0.5, 0.0, 1.0], 2)[0].flatten()
        tensor([1., 1., 1.])
    """
    moved = [x.T.detach().contiguous().clone() for x in (q, p)]
    x, y = (t.numpy() for t in moved)
    given = [_array(t) for w, b, out in (potential, kinetic) for t in (w, b, out * w)]
    _compiled("leapfrog")(x, y, *given, np.array(numbers, x.dtype), _constants(x.dtype), steps)
    return moved[0].T.contiguous(), moved[1].T.contiguous()


def leapfrog_backward(
    q: Tensor,
    p: Tensor,
    cotangent_q: Tensor,
    cotangent_p: Tensor,
    potential: Ridges,
    kinetic: Ridges,
    numbers: Sequence[float],
    steps: int,
) -> tuple[Tensor, Tensor, list[Tensor], np.ndarray]:
    """Return the cotangents of states, of the six ridge tensors and of ``numbers``, going back from the final states.

    The states on the way are found by undoing the steps, so memory does not grow with their number.

    Arguments:
        q, p: final states of shape (batch, dim).
        cotangent_q, cotangent_p: their cotangents.
        potential, kinetic, numbers, steps: as for :func:`leapfrog`.
    """
    states = [x.T.detach().contiguous().clone() for x in (q, p, cotangent_q, cotangent_p)]
    tensors = [t for ridges in (potential, kinetic) for t in ridges]
    given = [_array(t) for w, b, out in (potential, kinetic) for t in (w, b, out * w)]
    found = [torch.zeros(t.shape, dtype=q.dtype) for t in tensors]
    grad_numbers = np.zeros(3, given[0].dtype)
    _compiled("leapfrog_backward")(
        *[t.numpy() for t in states], *given, np.array(numbers, given[0].dtype), _constants(given[0].dtype), steps,
        *[t.numpy() for t in found], grad_numbers,
    )  # fmt: skip
    for at, (_, _, out) in zip((0, 3), (potential, kinetic), strict=True):
        found[at].mul_(out.detach())
        found[at + 1].mul_(out.detach())
    return states[2].T.contiguous(), states[3].T.contiguous(), found, grad_numbers


def _array(t: Tensor) -> np.ndarray:
    return t.detach().contiguous().numpy()


@cache
def _constants(dtype: np.dtype) -> np.ndarray:
    sine = [(-1) ** k / math.factorial(2 * k + 1) for k in range(_TERMS)]
    cosine = [(-1) ** k / math.factorial(2 * k) for k in range(_TERMS + 1)]
    return np.array([1 / math.pi, *_ROUND[dtype], *_PI_PARTS[dtype], 0.5, 1, 4, *sine, *cosine], dtype)


def _compiled(name: str) -> Any:
    with _LOCK:
        return _compile_once()[name]


@cache
def _compile_once() -> dict[str, Any]:
    import numba

    compiled = numba.njit(cache=True, fastmath={"contract", "nsz"})
    # sums may be reordered, which is what lets them use vector registers; the range reduction may not
    summed = numba.njit(cache=True, fastmath={"contract", "nsz", "reassoc"})
    global _dot, _angles, _spread, _reduced, _is_ordinary, _sine, _cosine, _slope, _pulled
    if not hasattr(_dot, "py_func"):
        _dot, _angles, _spread, _reduced, _is_ordinary, _sine, _cosine, _slope, _pulled = (
            summed(_dot),
            *[
                compiled(f)
                for f in (_angles, _spread, _reduced, _is_ordinary, _sine, _cosine, _slope, _pulled)
            ],
        )
    kernels = {"gradient": _gradient, "backward": _backward}
    kernels |= {"leapfrog": _leapfrog, "leapfrog_backward": _leapfrog_backward}
    return {name: compiled(f) for name, f in kernels.items()}


def _dot(a, b):  # type: ignore[no-untyped-def]
    total = a[0] * b[0]
    for j in range(1, a.size):
        total += a[j] * b[j]
    return total


def _angles(x, weight, start, result):  # type: ignore[no-untyped-def]
    """result ← start + Σ_f weight[f] x[f], along the points."""
    for n in range(result.size):
        result[n] = start
    for f in range(x.shape[0]):
        row, w = x[f], weight[f]
        for n in range(result.size):
            result[n] += w * row[n]


def _spread(values, weight, result):  # type: ignore[no-untyped-def]
    """result[f] ← result[f] + weight[f] values, along the points."""
    for f in range(result.shape[0]):
        row, w = result[f], weight[f]
        for n in range(values.size):
            row[n] += w * values[n]


def _reduced(x, c):  # type: ignore[no-untyped-def]
    """(r, ±1) with x = r + kπ, |r| ≤ π/2, and −1 for odd k."""
    k = (x * c[0] + c[1]) - c[1]
    half = k * c[6]
    return ((x - k * c[3]) - k * c[4]) - k * c[5], c[7] - c[8] * abs(half - ((half + c[1]) - c[1]))


def _is_ordinary(angle, c):  # type: ignore[no-untyped-def]
    return _dot(angle, angle) < c[2] * c[2]  # False for huge angles and for NaN


def _sine(angle, c, sine):  # type: ignore[no-untyped-def]
    s = c[_SINE:]
    if not _is_ordinary(angle, c):
        for j in range(angle.size):
            sine[j] = math.sin(angle[j])
    elif c[2] < _SHORT:
        for j in range(angle.size):
            r, sign = _reduced(angle[j], c)
            y = r * r
            sine[j] = sign * r * (s[0] + y * (s[1] + y * (s[2] + y * (s[3] + y * (s[4] + y * s[5])))))
    else:
        for j in range(angle.size):
            r, sign = _reduced(angle[j], c)
            y = r * r
            tail = s[6] + y * (s[7] + y * (s[8] + y * (s[9] + y * s[10])))
            sine[j] = (
                sign * r * (s[0] + y * (s[1] + y * (s[2] + y * (s[3] + y * (s[4] + y * (s[5] + y * tail))))))
            )


def _cosine(angle, c, cosine):  # type: ignore[no-untyped-def]
    t = c[_COSINE:]
    if not _is_ordinary(angle, c):
        for j in range(angle.size):
            cosine[j] = math.cos(angle[j])
    elif c[2] < _SHORT:
        for j in range(angle.size):
            r, sign = _reduced(angle[j], c)
            y = r * r
            cosine[j] = sign * (
                t[0] + y * (t[1] + y * (t[2] + y * (t[3] + y * (t[4] + y * (t[5] + y * t[6])))))
            )
    else:
        for j in range(angle.size):
            r, sign = _reduced(angle[j], c)
            y = r * r
            tail = t[6] + y * (t[7] + y * (t[8] + y * (t[9] + y * (t[10] + y * t[11]))))
            cosine[j] = sign * (
                t[0] + y * (t[1] + y * (t[2] + y * (t[3] + y * (t[4] + y * (t[5] + y * tail)))))
            )


def _slope(z, weight, bias, scaled, c, found, angle, sine):  # type: ignore[no-untyped-def]
    """found ← found + Σ_j scaled_j sin(W_j·z + b_j) of one block."""
    for j in range(bias.size):
        _angles(z, weight[:, j], bias[j], angle)
        _sine(angle, c, sine)
        _spread(sine, scaled[:, j], found)


def _pulled(z, v, weight, bias, scaled, c, slope, found, grad_weight, grad_bias, grad_out, rows):  # type: ignore[no-untyped-def]
    """Add to slope what :func:`_slope` does, to found its derivative along v, and what v·slope pulls to the weights.

    The last but for the factor ``out``, which weights and biases share.
    """
    angle, sine, bent, across, one = rows[0], rows[1], rows[2], rows[3], rows[4]
    for j in range(bias.size):
        _angles(z, weight[:, j], bias[j], angle)
        _angles(v, weight[:, j], c[9] - c[9], across)
        _sine(angle, c, sine)
        _cosine(angle, c, bent)
        for n in range(bent.size):
            bent[n] *= across[n]
        _spread(sine, scaled[:, j], slope)
        _spread(bent, scaled[:, j], found)
        grad_out[j] += _dot(sine, across)
        grad_bias[j] += _dot(bent, one)
        for f in range(z.shape[0]):
            grad_weight[f, j] += _dot(v[f], sine) + _dot(z[f], bent)


def _gradient(z, weight, bias, scaled, c, result):  # type: ignore[no-untyped-def]
    for start in range(0, z.shape[1], _BLOCK):
        block = z[:, start : start + _BLOCK].copy()
        found = np.zeros_like(block)
        _slope(block, weight, bias, scaled, c, found, np.empty_like(block[0]), np.empty_like(block[0]))
        result[:, start : start + _BLOCK] = found


def _backward(z, weight, bias, scaled, cotangent, c, grad_z, grad_weight, grad_bias, grad_out):  # type: ignore[no-untyped-def]
    for start in range(0, z.shape[1], _BLOCK):
        stop = start + _BLOCK
        block, v = z[:, start:stop].copy(), cotangent[:, start:stop].copy()
        slope, found = np.zeros_like(block), np.zeros_like(block)
        rows = np.ones((5, block.shape[1]), block.dtype)
        _pulled(block, v, weight, bias, scaled, c, slope, found, grad_weight, grad_bias, grad_out, rows)
        grad_z[:, start:stop] = found


def _leapfrog(q, p, uw, ub, us, kw, kb, ks, numbers, c, steps):  # type: ignore[no-untyped-def]
    dt, of_u, of_k, half = numbers[0], numbers[1], numbers[2], c[6]
    for start in range(0, q.shape[1], _BLOCK):
        stop = start + _BLOCK
        x, y = q[:, start:stop].copy(), p[:, start:stop].copy()
        angle, sine = np.empty_like(x[0]), np.empty_like(x[0])
        for k in range(steps + 1):
            slope = of_u * x
            _slope(x, uw, ub, us, c, slope, angle, sine)
            y -= ((half * dt) if k == 0 or k == steps else dt) * slope
            if k < steps:
                slope = of_k * y
                _slope(y, kw, kb, ks, c, slope, angle, sine)
                x += dt * slope
        q[:, start:stop], p[:, start:stop] = x, y


def _leapfrog_backward(  # type: ignore[no-untyped-def]
    q, p, to_q, to_p, uw, ub, us, kw, kb, ks, numbers, c, steps, guw, gub, guo, gkw, gkb, gko, grad_numbers
):
    dt, of_u, of_k, half = numbers[0], numbers[1], numbers[2], c[6]
    for start in range(0, q.shape[1], _BLOCK):
        stop = start + _BLOCK
        x, y = q[:, start:stop].copy(), p[:, start:stop].copy()
        a, b = to_q[:, start:stop].copy(), to_p[:, start:stop].copy()
        rows = np.ones((5, x.shape[1]), x.dtype)
        for k in range(steps, -1, -1):
            share = half if k == 0 or k == steps else c[7]
            v = (-share * dt) * b
            slope, found = of_u * x, of_u * v
            _pulled(x, v, uw, ub, us, c, slope, found, guw, gub, guo, rows)
            for f in range(x.shape[0]):
                grad_numbers[1] += _dot(x[f], v[f])
                grad_numbers[0] -= share * _dot(b[f], slope[f])
            a += found
            y += (share * dt) * slope
            if k:
                v = dt * a
                slope, found = of_k * y, of_k * v
                _pulled(y, v, kw, kb, ks, c, slope, found, gkw, gkb, gko, rows)
                for f in range(x.shape[0]):
                    grad_numbers[2] += _dot(y[f], v[f])
                    grad_numbers[0] += _dot(a[f], slope[f])
                b += found
                x -= dt * slope
        to_q[:, start:stop], to_p[:, start:stop] = a, b
