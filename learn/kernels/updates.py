"""The compiled loop of Adam's update over weights wherever they lie; loaded with the first use, because it loads numba."""

# compiled functions carry no types:
# mypy: disable-error-code="no-untyped-def, call-arg"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from learn.kernels.compiled import compiled, summed


@intrinsic
def _pointer(context: Any, address: Any, like: Any) -> Any:
    """The address as a pointer to numbers of the type of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), emit


@summed
def _square(x):
    total = x.dtype.type(0)
    for n in range(x.size):
        total += x[n] * x[n]
    return total


@compiled
def adam(pointers, like, clip, lr, beta1, beta2, eps):
    """Move weights by Adam's rule; each row holds addresses of weight, gradient, both means and step, and a size."""
    total = 0.0
    for k in range(pointers.shape[0]):
        total += _square(carray(_pointer(pointers[k, 1], like), (pointers[k, 5],)))
    number = like.dtype.type
    norm = math.sqrt(total)
    share = number(clip / (norm + 1e-6))
    if share > 1:
        share = number(1)
    counters = np.empty(0, np.float32)
    first, second = number(1 - beta1), number(1 - beta2)
    for k in range(pointers.shape[0]):
        size = (pointers[k, 5],)
        weight, gradient = (
            carray(_pointer(pointers[k, 0], like), size),
            carray(_pointer(pointers[k, 1], like), size),
        )
        mean, square = (
            carray(_pointer(pointers[k, 2], like), size),
            carray(_pointer(pointers[k, 3], like), size),
        )
        step = carray(_pointer(pointers[k, 4], counters), (1,))
        step[0] += np.float32(1)
        rate = number(lr / (1 - beta1 ** step[0]))
        root = number(math.sqrt(1 - beta2 ** step[0]))
        small = number(eps)
        for n in range(weight.size):
            g = share * gradient[n]
            mean[n] += first * (g - mean[n])
            square[n] += second * (g * g - square[n])
            weight[n] -= rate * mean[n] / (math.sqrt(square[n]) / root + small)
