"""Compiled network with two inner layers of SiLU: its outputs, and what a cotangent pulls back, block by block.

What lies between the layers stays in the second cache, and is made again in the reverse pass: that is faster than to
fetch it from memory.  Loaded with the first use, because it loads numba; :mod:`learn.kernels` is the way in.
"""

# compiled functions carry no types:
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from learn.compiled import compiled
from learn.products import product, silu

BLOCK = 256  # rows worked on at once


# (loops are spelled out: array expressions cost ten times as long to compile)


@compiled
def _copy(a, start, rows, columns, b, to):
    """Rows of a from ``start`` on, put into those of b from ``to`` on."""
    for n in range(rows):
        for j in range(columns):
            b[to + n, j] = a[start + n, j]


@compiled
def _clear(a, rows):
    for n in range(rows):
        for j in range(a.shape[1]):
            a[n, j] = 0


@compiled
def _wide(n, like):
    """n filled up to whole registers."""
    lanes = 64 // like.itemsize
    return (n + lanes - 1) // lanes * lanes


@compiled
def _filled(w):
    """A matrix whose rows are filled up to whole registers with zeros."""
    result = np.zeros((w.shape[0], _wide(w.shape[1], w)), w.dtype)
    _copy(w, 0, w.shape[0], w.shape[1], result, 0)
    return result


@compiled
def _turned(w):
    """The transposed matrix, filled up likewise."""
    result = np.zeros((w.shape[1], _wide(w.shape[0], w)), w.dtype)
    for i in range(w.shape[0]):
        for k in range(w.shape[1]):
            result[k, i] = w[i, k]
    return result


@compiled
def _row(b):
    """Biases, then zeros, in one row of whole registers."""
    return _filled(b.reshape(1, -1))


@compiled
def _block(x, width):
    return np.empty((BLOCK, width), x.dtype)


@compiled
def _begin(b, rows, layer):
    """Every row of a layer ← its biases, then zeros."""
    for n in range(rows):
        for j in range(layer.shape[1]):
            layer[n, j] = b[0, j]


@compiled
def _inner(x, shift, start, rows, w1, b1, w2, b2, first, s1, second, s2):
    """What lies between the layers for a block of rows; the slopes of SiLU in place of what it was taken of."""
    _begin(b1, rows, first)
    for n in range(rows * min(1, shift.shape[0])):
        given = shift[start + n] if shift.shape[0] > 1 else shift[0]
        for j in range(given.size):
            first[n, j] += given[j]
    product(x[start:], x.shape[1], 1, rows, x.shape[1], first.shape[1], w1, first)
    silu(first, rows * first.shape[1], s1)
    _begin(b2, rows, second)
    product(s1, s1.shape[1], 1, rows, w2.shape[0], second.shape[1], w2, second)
    silu(second, rows * second.shape[1], s2)


@compiled
def perceptron(x, shift, w1, b1, w2, b2, w3, b3, result):
    """result (batch, outputs) ← the outputs for inputs x; shift is (0, units), (1, units) or (batch, units)."""
    w1, w2, w3 = _turned(w1), _turned(w2), _turned(w3)
    bias1, bias2, bias3 = _row(b1), _row(b2), _row(b3)
    first, s1 = _block(x, bias1.size), _block(x, bias1.size)
    second, s2, last = _block(x, bias2.size), _block(x, bias2.size), _block(x, bias3.size)
    for start in range(0, x.shape[0], BLOCK):
        rows = min(BLOCK, x.shape[0] - start)
        _inner(x, shift, start, rows, w1, bias1, w2, bias2, first, s1, second, s2)
        _begin(bias3, rows, last)
        product(s2, s2.shape[1], 1, rows, b2.size, bias3.size, w3, last)
        _copy(last, 0, rows, b3.size, result, start)


@compiled
def _times(g, slope, rows):
    for n in range(rows):
        row, other = g[n], slope[n]
        for j in range(row.size):
            row[j] *= other[j]


@compiled
def _add_rows(g, rows, total):
    for n in range(rows):
        row = g[n]
        for j in range(total.size):
            total[j] += row[j]


@compiled
def perceptron_pulled(
    x, shift, w1, b1, w2, b2, w3, b3, g, to_x, to_shift, to_w1, to_b1, to_w2, to_b2, to_w3, to_b3
):
    """The reverse pass of :func:`perceptron` for cotangents g of its outputs.

    to_x and to_shift may have no rows, which means that they are not wanted; the others are zero before.
    """
    turned1, turned2, filled1, filled2, filled3 = (
        _turned(w1),
        _turned(w2),
        _filled(w1),
        _filled(w2),
        _filled(w3),
    )
    inputs, outputs, bias1, bias2 = x.shape[1], b3.size, _row(b1), _row(b2)
    n1, n2 = bias1.size, bias2.size
    first, s1, pull1, second, s2, pull2 = (
        _block(x, n1),
        _block(x, n1),
        _block(x, n1),
        _block(x, n2),
        _block(x, n2),
        _block(x, n2),
    )
    back = _block(x, filled1.shape[1])
    sum1, sum2, sum3 = np.zeros_like(turned1), np.zeros_like(filled2), np.zeros_like(filled3)
    for start in range(0, x.shape[0], BLOCK):
        rows = min(BLOCK, x.shape[0] - start)
        _inner(x, shift, start, rows, turned1, bias1, turned2, bias2, first, s1, second, s2)
        given = g[start:]
        product(given, 1, outputs, outputs, rows, n2, s2, sum3)
        _add_rows(given, rows, to_b3)
        _clear(pull2, rows)
        product(given, outputs, 1, rows, outputs, n2, filled3, pull2)
        _times(pull2, second, rows)
        product(pull2, 1, n2, b2.size, rows, n1, s1, sum2)
        _add_rows(pull2, rows, to_b2)
        _clear(pull1, rows)
        product(pull2, n2, 1, rows, b2.size, n1, filled2, pull1)
        _times(pull1, first, rows)
        product(x[start:], 1, inputs, inputs, rows, n1, pull1, sum1)
        _add_rows(pull1, rows, to_b1)
        if to_shift.shape[0]:
            _copy(pull1, 0, rows, b1.size, to_shift, start)
        if to_x.shape[0]:
            _clear(back, rows)
            product(pull1, n1, 1, rows, b1.size, back.shape[1], filled1, back)
            _copy(back, 0, rows, inputs, to_x, start)
    _copy(sum2, 0, b2.size, b1.size, to_w2, 0)
    _copy(sum3, 0, outputs, b2.size, to_w3, 0)
    for j in range(b1.size):
        for k in range(inputs):
            to_w1[j, k] = sum1[k, j]
