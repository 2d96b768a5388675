"""Compiled forces of ridge potentials on rows of coordinates: the gradient, and what a cotangent pulls back through it.

Loaded with the first use, because it loads numba; :mod:`learn.ridges` walks through points and chains with them.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from learn.compiled import compiled, summed
from learn.lanes import call_loop


@compiled
def _slope(z, packed, result, loops):
    # rows beyond the inputs of a unit are further points
    points = z.size // ((packed.shape[1] - 1) // 2)
    call_loop(loops[0], points, packed.shape[0], (z, packed, result))


@compiled
def _pulled(z, g, packed, result, back, totals, loops):
    points = z.size // ((packed.shape[1] - 1) // 2)
    call_loop(loops[1], points, packed.shape[0], (z, g, packed, result, back, totals))


# -- features: z = (C x, √(member·(rows x)² + ε²)); without rows the coordinates stand in their place --------------
# (loops are spelled out: array expressions cost ten times as long to compile)


@compiled
def add_scaled(x, factor, y):
    for f in range(x.shape[0]):
        to, row = x[f], y[f]
        for n in range(to.size):
            to[n] += factor * row[n]


@compiled
def _add_straight(curvature, x, told, y):
    """y ← y + curvature · x but for the context."""
    for f in range(x.shape[0] - told):
        to, row = y[f], x[f]
        for n in range(to.size):
            to[n] += curvature * row[n]


@compiled
def _add_product(matrix, x, result, to, turned):
    """result[to + i] ← result[to + i] + Σ_k matrix[i, k] x[k], with the transposed matrix where ``turned``."""
    rows, columns = matrix.shape
    for i in range(rows):
        for k in range(columns):
            w = matrix[i, k]
            if w != 0:
                target, row = (result[to + k], x[i]) if turned else (result[to + i], x[k])
                for n in range(row.size):
                    target[n] += w * row[n]


@compiled
def _combine(a, at, b, start, result, kind):
    """result ← a b, a / b or √a, row by row, those of a from ``at`` on and those of b from ``start`` on."""
    for f in range(result.shape[0]):
        x, y, to = a[at + f], b[start + f], result[f]
        for n in range(to.size):
            if kind == 0:
                to[n] = x[n] * y[n]
            elif kind == 1:
                to[n] = x[n] / y[n]
            else:
                to[n] = math.sqrt(x[n])


@compiled
def _looked_at(rows, x):
    """The rows of a matrix times x, all of x if there are none."""
    if rows.shape[0] == 0:
        return x
    y = np.zeros((rows.shape[0], x.shape[1]), x.dtype)
    _add_product(rows, x, y, 0, False)
    return y


@compiled
def _add_back(rows, y, result):
    """The transposed of :func:`_looked_at`, added."""
    if rows.shape[0] == 0:
        add_scaled(result, result.dtype.type(1), y)
    else:
        _add_product(rows, y, result, 0, True)


@compiled
def _centred(x, removed):
    if removed.shape[0] == 0:
        return x
    away, result = np.zeros((removed.shape[0], x.shape[1]), x.dtype), x.copy()
    _add_product(removed, x, away, 0, False)
    _add_product(-removed, away, result, 0, True)
    return result


@compiled
def _inputs_of(x, y, features, told):
    """The features of x, whose rows are y, and the lengths among them."""
    linear, _, member, _, smoothing = features
    n, count = linear.shape[0], member.shape[0]
    z = np.zeros((n + count + told, x.shape[1]), x.dtype)
    lengths = np.empty((count, x.shape[1]), x.dtype)
    lengths[:] = smoothing[0] * smoothing[0]
    square = np.empty_like(y)
    _combine(y, 0, y, 0, square, 0)
    _add_product(member, square, lengths, 0, False)
    _combine(lengths, 0, lengths, 0, lengths, 2)
    _add_product(linear, x, z, 0, False)
    for f in range(count):
        z[n + f] = lengths[f]
    for f in range(told):
        z[n + count + f] = x[x.shape[0] - told + f]
    return z, lengths


@compiled
def gradient(x, packed, curvature, features, loops, told, result):
    """result ← ∇U of the points x, in units of U; the last ``told`` rows of x are a context, which stays as it is."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _slope(x, packed, result, loops)
        _add_straight(curvature, x, told, result)
    else:
        linear, rows, member, removed, _ = features
        y = _looked_at(rows, x)
        z, lengths = _inputs_of(x, y, features, told)
        slope, through = np.empty_like(z), np.zeros_like(y)
        _slope(z, packed, slope, loops)
        _combine(slope, linear.shape[0], lengths, 0, lengths, 1)
        _add_product(member, lengths, through, 0, True)
        _combine(through, 0, y, 0, through, 0)
        result[:] = 0
        _add_product(linear, slope, result, 0, True)
        _add_back(rows, through, result)
        _add_straight(curvature, _centred(x, removed), told, result)


@compiled
def gradient_pulled(x, g, packed, curvature, features, loops, told, totals, result, back):
    """result ← ∇U, back ← ∇∇U·g, and totals grow by what g·∇U pulls to the weights; returns g·x for the curvature."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _pulled(x, g, packed, result, back, totals, loops)
        _add_straight(curvature, x, told, result)
        _add_straight(curvature, g, told, back)
        return dot(g, x)
    else:
        linear, rows, member, removed, _ = features
        n, count = linear.shape[0], member.shape[0]
        y, across = _looked_at(rows, x), _looked_at(rows, g)
        z, lengths = _inputs_of(x, y, features, told)
        slope, to_z, inner = np.empty_like(z), np.empty_like(z), np.zeros_like(z)
        _add_product(linear, g, inner, 0, False)
        forces, bent, product = np.zeros_like(y), np.zeros_like(y), np.empty_like(y)
        _combine(across, 0, y, 0, product, 0)
        _add_product(member, product, inner, n, False)
        for f in range(count):
            length, row = lengths[f], inner[n + f]
            for i in range(length.size):
                row[i] /= length[i]
        _pulled(z, inner, packed, slope, to_z, totals, loops)
        result[:] = 0
        back[:] = 0
        _add_product(linear, slope, result, 0, True)
        _add_product(linear, to_z, back, 0, True)
        by_length, second = np.empty_like(lengths), np.empty_like(lengths)
        _combine(slope, n, lengths, 0, by_length, 1)
        for f in range(count):
            length, force, along, pulled, to = lengths[f], by_length[f], inner[n + f], to_z[n + f], second[f]
            for i in range(to.size):
                to[i] = (pulled[i] - along[i] * force[i]) / length[i]
        _add_product(member, by_length, forces, 0, True)
        _add_product(member, second, bent, 0, True)
        for f in range(y.shape[0]):
            to, row, force, other = bent[f], y[f], forces[f], across[f]
            for i in range(to.size):
                to[i] = to[i] * row[i] + other[i] * force[i]
        _combine(forces, 0, y, 0, forces, 0)
        _add_back(rows, forces, result)
        _add_back(rows, bent, back)
        _add_straight(curvature, _centred(x, removed), told, result)
        away = _centred(g, removed)
        _add_straight(curvature, away, told, back)
        return dot(away, x)


@summed
def dot(a, b):
    total = a[0, 0] - a[0, 0]
    for f in range(a.shape[0]):
        row, other = a[f], b[f]
        for n in range(row.size):
            total += row[n] * other[n]
    return total
