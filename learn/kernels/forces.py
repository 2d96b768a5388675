"""Compiled forces of ridge potentials on rows of coordinates: the gradient, and what a cotangent pulls back through it.

Loaded with the first use, because it loads numba; :mod:`learn.kernels.ridges` walks through points and chains with them.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from learn.kernels.compiled import ONE, STRAIGHT, TURNED, ZERO, part, summed
from learn.kernels.lanes import call_loop

PRODUCT, QUOTIENT, ROOT = np.int64(0), np.int64(1), np.int64(2)


@part
def clear(x):
    """x ← 0."""
    for f in range(x.shape[0]):
        row = x[f]
        for n in range(row.size):
            row[n] = 0


@part
def zeros(rows, columns, like):
    """An array of zeros."""
    result = np.empty((rows, columns), like.dtype)
    clear(result)
    return result


@part
def add_scaled(x, factor, y, rows):
    """x ← x + factor · y in the first ``rows``."""
    for f in range(rows):
        to, row = x[f], y[f]
        for n in range(to.size):
            to[n] += factor * row[n]


# -- features: z = (C x, √(member·(rows x)² + ε²)); without rows the coordinates stand in their place --------------
# (loops are spelled out: array expressions cost ten times as long to compile)


@part
def _add_product(matrix, sign, x, result, to, turned):
    """result[to + i] ← result[to + i] + sign Σ_k matrix[i, k] x[k], with the transposed matrix if TURNED."""
    rows, columns = matrix.shape
    for i in range(rows):
        for k in range(columns):
            w = matrix[i, k] if sign > 0 else -matrix[i, k]
            if w != 0:
                target, row = (result[to + k], x[i]) if turned == TURNED else (result[to + i], x[k])
                for n in range(row.size):
                    target[n] += w * row[n]


@part
def _combine(a, at, b, start, result, kind):
    """result ← a b, a / b or √a, row by row, those of a from ``at`` on and those of b from ``start`` on."""
    for f in range(result.shape[0]):
        x, y, to = a[at + f], b[start + f], result[f]
        if kind == PRODUCT:
            for n in range(to.size):
                to[n] = x[n] * y[n]
        elif kind == QUOTIENT:
            for n in range(to.size):
                to[n] = x[n] / y[n]
        else:
            for n in range(to.size):
                to[n] = math.sqrt(x[n])


@part
def _looked_at(rows, x):
    """The rows of a matrix times x, all of x if there are none."""
    if rows.shape[0] == 0:
        return x
    y = zeros(rows.shape[0], x.shape[1], x)
    _add_product(rows, ONE, x, y, ZERO, STRAIGHT)
    return y


@part
def _add_back(rows, y, result):
    """The transposed of :func:`_looked_at`, added."""
    if rows.shape[0] == 0:
        add_scaled(result, result.dtype.type(1), y, y.shape[0])
    else:
        _add_product(rows, ONE, y, result, ZERO, TURNED)


@part
def _centred(x, removed):
    if removed.shape[0] == 0:
        return x
    away, result = zeros(removed.shape[0], x.shape[1], x), zeros(x.shape[0], x.shape[1], x)
    add_scaled(result, x.dtype.type(1), x, x.shape[0])
    _add_product(removed, ONE, x, away, ZERO, STRAIGHT)
    _add_product(removed, -ONE, away, result, ZERO, TURNED)
    return result


@part
def _inputs_of(x, y, features, told):
    """The features of x, whose rows are y, and the lengths among them."""
    linear, _, member, _, smoothing = features
    n, count, columns = linear.shape[0], member.shape[0], x.shape[1]
    z, lengths = zeros(n + count + told, columns, x), zeros(count, columns, x)
    square = zeros(y.shape[0], columns, x)
    _combine(y, ZERO, y, ZERO, square, PRODUCT)
    for f in range(count):
        row = lengths[f]
        for i in range(columns):
            row[i] = smoothing[0] * smoothing[0]
    _add_product(member, ONE, square, lengths, ZERO, STRAIGHT)
    _combine(lengths, ZERO, lengths, ZERO, lengths, ROOT)
    _add_product(linear, ONE, x, z, ZERO, STRAIGHT)
    for f in range(count + told):
        row, given = z[n + f], lengths[f] if f < count else x[x.shape[0] - told + f - count]
        for i in range(columns):
            row[i] = given[i]
    return z, lengths


@part
def _featured(x, packed, features, loops, told, result):
    """result ← ∇U without its quadratic part."""
    linear, rows, member, _, _ = features
    y, columns = _looked_at(rows, x), x.shape[1]
    z, lengths = _inputs_of(x, y, features, told)
    slope, through = zeros(z.shape[0], columns, x), zeros(y.shape[0], columns, x)
    # rows beyond the inputs of a unit are further points
    call_loop(loops[0], z.size // ((packed.shape[1] - 1) // 2), packed.shape[0], (z, packed, slope))
    _combine(slope, linear.shape[0], lengths, ZERO, lengths, QUOTIENT)
    _add_product(member, ONE, lengths, through, ZERO, TURNED)
    _combine(through, ZERO, y, ZERO, through, PRODUCT)
    clear(result)
    _add_product(linear, ONE, slope, result, ZERO, TURNED)
    _add_back(rows, through, result)


@part
def gradient(x, packed, curvature, features, loops, told, result):
    """result ← ∇U of the points x, in units of U; the last ``told`` rows of x are a context, which stays as it is."""
    if features is None:  # coordinates themselves; what is not taken of the two is not compiled
        call_loop(loops[0], x.size // ((packed.shape[1] - 1) // 2), packed.shape[0], (x, packed, result))
        add_scaled(result, curvature, x, x.shape[0] - told)
    else:
        if packed.shape[0]:
            _featured(x, packed, features, loops, told, result)
        else:
            clear(result)
        add_scaled(result, curvature, _centred(x, features[3]), x.shape[0] - told)


@part
def _featured_pulled(x, g, packed, features, loops, told, totals, result, back):
    """The reverse pass of :func:`_featured`."""
    linear, rows, member, _, _ = features
    n, count, columns = linear.shape[0], member.shape[0], x.shape[1]
    y, across = _looked_at(rows, x), _looked_at(rows, g)
    z, lengths = _inputs_of(x, y, features, told)
    high, wide = z.shape[0], y.shape[0]
    slope, to_z, inner = zeros(high, columns, x), zeros(high, columns, x), zeros(high, columns, x)
    _add_product(linear, ONE, g, inner, ZERO, STRAIGHT)
    forces, bent, product = zeros(wide, columns, x), zeros(wide, columns, x), zeros(wide, columns, x)
    _combine(across, ZERO, y, ZERO, product, PRODUCT)
    _add_product(member, ONE, product, inner, n, STRAIGHT)
    for f in range(count):
        length, row = lengths[f], inner[n + f]
        for i in range(length.size):
            row[i] /= length[i]
    points = z.size // ((packed.shape[1] - 1) // 2)
    call_loop(loops[1], points, packed.shape[0], (z, inner, packed, slope, to_z, totals))
    clear(result)
    clear(back)
    _add_product(linear, ONE, slope, result, ZERO, TURNED)
    _add_product(linear, ONE, to_z, back, ZERO, TURNED)
    by_length, second = zeros(count, columns, x), zeros(count, columns, x)
    _combine(slope, n, lengths, ZERO, by_length, QUOTIENT)
    for f in range(count):
        length, force, along, pulled, to = lengths[f], by_length[f], inner[n + f], to_z[n + f], second[f]
        for i in range(to.size):
            to[i] = (pulled[i] - along[i] * force[i]) / length[i]
    _add_product(member, ONE, by_length, forces, ZERO, TURNED)
    _add_product(member, ONE, second, bent, ZERO, TURNED)
    for f in range(wide):
        to, row, force, other = bent[f], y[f], forces[f], across[f]
        for i in range(to.size):
            to[i] = to[i] * row[i] + other[i] * force[i]
    _combine(forces, ZERO, y, ZERO, forces, PRODUCT)
    _add_back(rows, forces, result)
    _add_back(rows, bent, back)


@part
def gradient_pulled(x, g, packed, curvature, features, loops, told, totals, result, back):
    """result ← ∇U, back ← ∇∇U·g, and totals grow by what g·∇U pulls to the weights; returns g·x for the curvature."""
    kept = x.shape[0] - told
    if features is None:
        points = x.size // ((packed.shape[1] - 1) // 2)
        call_loop(loops[1], points, packed.shape[0], (x, g, packed, result, back, totals))
        add_scaled(result, curvature, x, kept)
        add_scaled(back, curvature, g, kept)
        return dot(g, x)
    else:
        if packed.shape[0]:
            _featured_pulled(x, g, packed, features, loops, told, totals, result, back)
        else:
            clear(result)
            clear(back)
        add_scaled(result, curvature, _centred(x, features[3]), kept)
        away = _centred(g, features[3])
        add_scaled(back, curvature, away, kept)
        return dot(away, x)


@summed
def dot(a, b):
    total = a[0, 0] - a[0, 0]
    for f in range(a.shape[0]):
        row, other = a[f], b[f]
        for n in range(row.size):
            total += row[n] * other[n]
    return total
