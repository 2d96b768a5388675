"""Compiled network with two inner layers of SiLU: its outputs, and what a cotangent pulls back, block by block.

What lies between the layers stays in the second cache, and is made again in the reverse pass: that is faster than to
fetch it from memory.  Loaded with the first use, because it loads numba; :mod:`learn.kernels.cpu` is the way in.
"""

# compiled functions carry no types:
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from learn.kernels.compiled import ONE, STRAIGHT, TURNED, ZERO, compiled, part
from learn.kernels.products import product, silu

BLOCK = 256  # rows worked on at once


# (loops are spelled out: array expressions cost ten times as long to compile)


@part
def _copy(a, rows, columns, b, start):
    """The first numbers of the first rows of a, put into those of b from ``start`` on."""
    for n in range(rows):
        for j in range(columns):
            b[start + n, j] = a[n, j]


@part
def _clear(a, rows):
    for n in range(rows):
        for j in range(a.shape[1]):
            a[n, j] = 0


@part
def _filled(flat, begin, rows, columns, turned):
    """A matrix that begins in ``flat`` there, transposed if TURNED; its rows are filled up to whole registers."""
    lanes = 64 // flat.itemsize
    high, wide = (columns, rows) if turned == TURNED else (rows, columns)
    result = np.empty((high, (wide + lanes - 1) // lanes * lanes), flat.dtype)
    _clear(result, high)
    for i in range(rows):
        for k in range(columns):
            w = flat[begin + i * columns + k]
            if turned == TURNED:
                result[k, i] = w
            else:
                result[i, k] = w
    return result


@part
def _put(a, rows, columns, flat, begin):
    """The first numbers of the first rows of a, put into ``flat`` from there on."""
    for i in range(rows):
        for k in range(columns):
            flat[begin + i * columns + k] = a[i, k]


@part
def _places(inputs, n1, n2, outputs):
    """Where biases and weights of the second and third layer begin."""
    b1 = n1 * inputs
    w2 = b1 + n1
    b2 = w2 + n2 * n1
    w3 = b2 + n2
    return b1, w2, b2, w3, w3 + outputs * n2


@part
def _begin(b, rows, layer):
    """Every row of a layer ← its biases, then zeros."""
    for n in range(rows):
        for j in range(layer.shape[1]):
            layer[n, j] = b[0, j]


@part
def _inner(x, shift, start, rows, w1, b1, w2, b2, first, s1, second, s2):
    """What lies between the layers for a block of rows; the slopes of SiLU in place of what it was taken of."""
    inputs, n1, n2 = x.shape[1], first.shape[1], second.shape[1]
    _begin(b1, rows, first)
    if shift.shape[0]:
        for n in range(rows):
            from_row = start + n if shift.shape[0] > 1 else 0
            for j in range(shift.shape[1]):
                first[n, j] += shift[from_row, j]
    product(x, start * inputs, inputs, ONE, rows, inputs, n1, w1, first)
    silu(first, rows * n1, s1)
    _begin(b2, rows, second)
    product(s1, ZERO, n1, ONE, rows, w2.shape[0], n2, w2, second)
    silu(second, rows * n2, s2)


@compiled
def perceptron(x, shift, flat, units1, units2, result):
    """result (batch, outputs) ← the outputs for inputs x; shift is (0, units), (1, units) or (batch, units).

    ``flat`` holds weights and biases, layer by layer.
    """
    inputs, outputs = x.shape[1], result.shape[1]
    at_b1, at_w2, at_b2, at_w3, at_b3 = _places(inputs, units1, units2, outputs)
    w1, b1 = _filled(flat, ZERO, units1, inputs, TURNED), _filled(flat, at_b1, ONE, units1, STRAIGHT)
    w2, b2 = _filled(flat, at_w2, units2, units1, TURNED), _filled(flat, at_b2, ONE, units2, STRAIGHT)
    w3, b3 = _filled(flat, at_w3, outputs, units2, TURNED), _filled(flat, at_b3, ONE, outputs, STRAIGHT)
    n1, n2, n3 = b1.shape[1], b2.shape[1], b3.shape[1]
    first, s1 = np.empty((BLOCK, n1), x.dtype), np.empty((BLOCK, n1), x.dtype)
    second, s2 = np.empty((BLOCK, n2), x.dtype), np.empty((BLOCK, n2), x.dtype)
    last = np.empty((BLOCK, n3), x.dtype)
    for start in range(0, x.shape[0], BLOCK):
        rows = x.shape[0] - start
        if rows > BLOCK:
            rows = BLOCK
        _inner(x, shift, start, rows, w1, b1, w2, b2, first, s1, second, s2)
        _begin(b3, rows, last)
        product(s2, ZERO, n2, ONE, rows, units2, n3, w3, last)
        _copy(last, rows, outputs, result, start)


@part
def _times(g, slope, rows):
    for n in range(rows):
        for j in range(g.shape[1]):
            g[n, j] *= slope[n, j]


@part
def _add_rows(g, start, rows, columns, total, to):
    """total[to + j] ← total[to + j] + Σ_n g[n, j], over rows from ``start`` on."""
    for n in range(rows):
        for j in range(columns):
            total[0, to + j] += g[start + n, j]


@compiled
def perceptron_pulled(x, shift, flat, units1, units2, g, to_x, to_shift, to_flat):
    """The reverse pass of :func:`perceptron` for cotangents g of its outputs.

    to_x and to_shift may have no rows, which means that they are not wanted.
    """
    inputs, outputs = x.shape[1], g.shape[1]
    at_b1, at_w2, at_b2, at_w3, at_b3 = _places(inputs, units1, units2, outputs)
    w1, b1 = _filled(flat, ZERO, units1, inputs, TURNED), _filled(flat, at_b1, ONE, units1, STRAIGHT)
    w2, b2 = _filled(flat, at_w2, units2, units1, TURNED), _filled(flat, at_b2, ONE, units2, STRAIGHT)
    back1, back2 = (
        _filled(flat, ZERO, units1, inputs, STRAIGHT),
        _filled(flat, at_w2, units2, units1, STRAIGHT),
    )
    back3 = _filled(flat, at_w3, outputs, units2, STRAIGHT)
    n0, n1, n2 = back1.shape[1], b1.shape[1], b2.shape[1]
    first, s1 = np.empty((BLOCK, n1), x.dtype), np.empty((BLOCK, n1), x.dtype)
    pull1, back = np.empty((BLOCK, n1), x.dtype), np.empty((BLOCK, n0), x.dtype)
    second, s2 = np.empty((BLOCK, n2), x.dtype), np.empty((BLOCK, n2), x.dtype)
    pull2 = np.empty((BLOCK, n2), x.dtype)
    sum1, sum2 = np.empty((inputs, n1), x.dtype), np.empty((units2, n1), x.dtype)
    sum3, biases = np.empty((outputs, n2), x.dtype), np.empty((1, n1 + n2 + outputs), x.dtype)
    _clear(sum1, inputs)
    _clear(sum2, units2)
    _clear(sum3, outputs)
    _clear(biases, ONE)
    for start in range(0, x.shape[0], BLOCK):
        rows = x.shape[0] - start
        if rows > BLOCK:
            rows = BLOCK
        _inner(x, shift, start, rows, w1, b1, w2, b2, first, s1, second, s2)
        product(g, start * outputs, ONE, outputs, outputs, rows, n2, s2, sum3)
        _add_rows(g, start, rows, outputs, biases, n1 + n2)
        _clear(pull2, rows)
        product(g, start * outputs, outputs, ONE, rows, outputs, n2, back3, pull2)
        _times(pull2, second, rows)
        product(pull2, ZERO, ONE, n2, units2, rows, n1, s1, sum2)
        _add_rows(pull2, ZERO, rows, n2, biases, n1)
        _clear(pull1, rows)
        product(pull2, ZERO, n2, ONE, rows, units2, n1, back2, pull1)
        _times(pull1, first, rows)
        product(x, start * inputs, ONE, inputs, inputs, rows, n1, pull1, sum1)
        _add_rows(pull1, ZERO, rows, n1, biases, ZERO)
        if to_shift.shape[0]:
            _copy(pull1, rows, units1, to_shift, start)
        if to_x.shape[0]:
            _clear(back, rows)
            product(pull1, ZERO, n1, ONE, rows, units1, n0, back1, back)
            _copy(back, rows, inputs, to_x, start)
    _put(sum2, units2, units1, to_flat, at_w2)
    _put(sum3, outputs, units2, to_flat, at_w3)
    for j in range(units1):
        to_flat[at_b1 + j] = biases[0, j]
        for k in range(inputs):
            to_flat[j * inputs + k] = sum1[k, j]
    for j in range(units2):
        to_flat[at_b2 + j] = biases[0, n1 + j]
    for j in range(outputs):
        to_flat[at_b3 + j] = biases[0, n1 + n2 + j]
