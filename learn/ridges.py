"""Compiled loops over ridge potentials: slopes, what cotangents pull back, and whole chains of leapfrog steps.

Loaded with the first use, because it loads numba; :mod:`learn.kernels` is the way in.  A potential is one record of
numbers: W (inputs × units), b and w of the units, k and u; a member of a chain is log dt, then U, then K.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def"

from __future__ import annotations

import math

import numpy as np
from numba import njit

from learn.lanes import GROUP, call_loop

BLOCK = 512  # points worked on at once: their intermediate rows stay in the first cache

compiled = njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
# sums may be reordered, which is what lets them use vector registers
summed = njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


@compiled
def _slope(z, packed, result, loops):
    call_loop(loops[0], z.shape[1], packed.shape[0], (z, packed, result))


@compiled
def _pulled(z, g, packed, result, back, totals, loops):
    call_loop(loops[1], z.shape[1], packed.shape[0], (z, g, packed, result, back, totals))


# -- features: z = (C x, √(member·(rows x)² + ε²)); without rows the coordinates stand in their place --------------
# (loops are spelled out: array expressions cost ten times as long to compile)


@compiled
def _add_scaled(x, factor, y):
    for f in range(x.shape[0]):
        to, row = x[f], y[f]
        for n in range(to.size):
            to[n] += factor * row[n]


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
        _add_scaled(result, result.dtype.type(1), y)
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
def _inputs_of(x, y, features):
    """The features of x, whose rows are y, and the lengths among them."""
    linear, _, member, _, smoothing = features
    n, count = linear.shape[0], member.shape[0]
    z, lengths = np.zeros((n + count, x.shape[1]), x.dtype), np.empty((count, x.shape[1]), x.dtype)
    lengths[:] = smoothing[0] * smoothing[0]
    square = np.empty_like(y)
    _combine(y, 0, y, 0, square, 0)
    _add_product(member, square, lengths, 0, False)
    _combine(lengths, 0, lengths, 0, lengths, 2)
    _add_product(linear, x, z, 0, False)
    for f in range(count):
        z[n + f] = lengths[f]
    return z, lengths


@compiled
def _gradient(x, packed, curvature, features, loops, result):
    """result ← ∇U of the points x, in units of U."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _slope(x, packed, result, loops)
        _add_scaled(result, curvature, x)
    else:
        linear, rows, member, removed, _ = features
        y = _looked_at(rows, x)
        z, lengths = _inputs_of(x, y, features)
        slope, through = np.empty_like(z), np.zeros_like(y)
        _slope(z, packed, slope, loops)
        _combine(slope, linear.shape[0], lengths, 0, lengths, 1)
        _add_product(member, lengths, through, 0, True)
        _combine(through, 0, y, 0, through, 0)
        result[:] = 0
        _add_product(linear, slope, result, 0, True)
        _add_back(rows, through, result)
        _add_scaled(result, curvature, _centred(x, removed))


@compiled
def _gradient_pulled(x, g, packed, curvature, features, loops, totals, result, back):
    """result ← ∇U, back ← ∇∇U·g, and totals grow by what g·∇U pulls to the weights; returns g·x for the curvature."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _pulled(x, g, packed, result, back, totals, loops)
        _add_scaled(result, curvature, x)
        _add_scaled(back, curvature, g)
        return _dot(g, x)
    else:
        linear, rows, member, removed, _ = features
        n, count = linear.shape[0], member.shape[0]
        y, across = _looked_at(rows, x), _looked_at(rows, g)
        z, lengths = _inputs_of(x, y, features)
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
        _add_scaled(result, curvature, _centred(x, removed))
        away = _centred(g, removed)
        _add_scaled(back, curvature, away)
        return _dot(away, x)


@summed
def _dot(a, b):
    total = a[0, 0] - a[0, 0]
    for f in range(a.shape[0]):
        row, other = a[f], b[f]
        for n in range(row.size):
            total += row[n] * other[n]
    return total


# -- what learn.kernels calls --------------------------------------------------------------------------------------


@compiled
def _packed(records, units):
    """One row for each unit of each potential: W_j, b_j, w_j W_j."""
    members, count = records.shape[0], (records.shape[1] - 2) // units - 2
    packed = np.empty((members, units, 2 * count + 1), records.dtype)
    for m in range(members):
        for j in range(units):
            out = records[m, (count + 1) * units + j]
            for f in range(count):
                packed[m, j, f] = records[m, f * units + j]
                packed[m, j, count + 1 + f] = packed[m, j, f] * out
            packed[m, j, count] = records[m, count * units + j]
    return packed


@compiled
def _lanes_of(records, units):
    """Zeros in which the loops add up cotangents of weights, lane by lane."""
    return np.zeros(
        (records.shape[0], units, ((records.shape[1] - 2) // units) * (64 // records.itemsize)), records.dtype
    )


@compiled
def _fold(totals, record, to_record):
    """Sums over lanes for the weights of one potential."""
    units = totals.shape[0]
    columns = (record.size - 2) // units
    lanes = totals.shape[1] // columns
    for j in range(units):
        out = record[(columns - 1) * units + j]
        for c in range(columns):
            total = totals[j, c * lanes]
            for lane in range(1, lanes):
                total += totals[j, c * lanes + lane]
            to_record[c * units + j] = total if c == columns - 1 else total * out


@compiled
def _block(x, start, unit):
    """Points from ``start`` on as rows of coordinates in ``unit``, filled up with zeros."""
    stop = min(x.shape[0], start + BLOCK)
    rows = np.zeros((x.shape[1], -(-(stop - start) // GROUP) * GROUP), x.dtype)
    for f in range(x.shape[1]):
        for n in range(start, stop):
            rows[f, n - start] = x[n, f] / unit
    return rows


@compiled
def _put_back(rows, start, unit, x):
    for n in range(start, min(x.shape[0], start + BLOCK)):
        for f in range(x.shape[1]):
            x[n, f] = rows[f, n - start] * unit


@compiled
def gradients(x, records, units, features, loops, result):
    """result (potentials, points, dim) ← the gradient of each potential at its points x."""
    packed = _packed(records, units)
    for m in range(x.shape[0]):
        curvature, unit = records[m, -2], records[m, -1]
        for start in range(0, x.shape[1], BLOCK):
            rows = _block(x[m], start, unit)
            found = np.empty_like(rows)
            _gradient(rows, packed[m], curvature, features, loops, found)
            _put_back(found, start, 1 / unit, result[m])


@compiled
def gradients_pulled(x, g, records, units, features, loops, to_x, to_records):
    """The reverse pass of :func:`gradients` for the cotangents g of its result."""
    packed, totals = _packed(records, units), _lanes_of(records, units)
    for m in range(x.shape[0]):
        curvature, unit = records[m, -2], records[m, -1]
        for start in range(0, x.shape[1], BLOCK):
            rows, pull = _block(x[m], start, unit), _block(g[m], start, unit)
            found, back = np.empty_like(rows), np.empty_like(rows)
            to_records[m, -2] += _gradient_pulled(
                rows, pull, packed[m], curvature, features, loops, totals[m], found, back
            )
            _put_back(back, start, 1 / unit, to_x[m])
        _fold(totals[m], records[m], to_records[m])


@compiled
def _records(flat):
    """The potentials of a chain, then the kinetic energies."""
    members, size = flat.shape[0], (flat.shape[1] - 1) // 2
    records = np.empty((2 * members, size), flat.dtype)
    for m in range(members):
        for i in range(size):
            records[m, i], records[members + m, i] = flat[m, 1 + i], flat[m, 1 + size + i]
    return records


@compiled
def leapfrog(q, p, flat, units, sign, features, loops, steps, q_out, p_out):
    """Kick–drift–kick steps through a chain."""
    records, members = _records(flat), flat.shape[0]
    packed, unit = _packed(records, units), records[:, -1]
    half = flat.dtype.type(0.5)
    for start in range(0, q.shape[0], BLOCK):
        x, y = _block(q, start, unit[0]), _block(p, start, unit[members])
        slope = np.empty_like(x)
        for m in range(members):
            if m:
                x *= unit[m - 1] / unit[m]
                y *= unit[members + m - 1] / unit[members + m]
            step = sign * math.exp(flat[m, 0]) / (unit[m] * unit[members + m])
            for k in range(2 * steps + 1):  # kicks and drifts in turns, in one place: it is compiled once
                which, at, to, factor = m, x, y, -step
                if k % 2:
                    which, at, to, factor = members + m, y, x, step
                elif k == 0 or k == 2 * steps:
                    factor = -(half * step)
                _gradient(at, packed[which], records[which, -2], features, loops, slope)
                _add_scaled(to, factor, slope)
        _put_back(x, start, unit[members - 1], q_out)
        _put_back(y, start, unit[2 * members - 1], p_out)


@compiled
def leapfrog_pulled(q, p, to_q, to_p, flat, units, sign, features, loops, steps, to_flat, gq, gp):
    """The reverse pass of :func:`leapfrog` from its final states, which undoes the steps as it goes."""
    records, members = _records(flat), flat.shape[0]
    packed, totals, unit = _packed(records, units), _lanes_of(records, units), records[:, -1]
    to_records = np.zeros_like(records)
    half, one = flat.dtype.type(0.5), flat.dtype.type(1)
    for start in range(0, q.shape[0], BLOCK):
        x, y = _block(q, start, unit[members - 1]), _block(p, start, unit[2 * members - 1])
        a, b = _block(to_q, start, one / unit[members - 1]), _block(to_p, start, one / unit[2 * members - 1])
        slope, back, v = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        for m in range(members - 1, -1, -1):
            if m < members - 1:
                x *= unit[m + 1] / unit[m]
                a /= unit[m + 1] / unit[m]
                y *= unit[members + m + 1] / unit[members + m]
                b /= unit[members + m + 1] / unit[members + m]
            step = sign * math.exp(flat[m, 0]) / (unit[m] * unit[members + m])
            for k in range(2 * steps, -1, -1):
                which, at, to, cotangent, grown, share = m, x, y, b, a, -one
                if k % 2:
                    which, at, to, cotangent, grown, share = members + m, y, x, a, b, one
                elif k == 0 or k == 2 * steps:
                    share = -half
                v[:] = 0
                _add_scaled(v, share * step, cotangent)
                to_records[which, -2] += _gradient_pulled(
                    at, v, packed[which], records[which, -2], features, loops, totals[which], slope, back
                )
                to_flat[m, 0] += share * step * _dot(cotangent, slope)
                _add_scaled(grown, one, back)
                _add_scaled(to, -share * step, slope)
        _put_back(a, start, one / unit[0], gq)
        _put_back(b, start, one / unit[members], gp)
    size = records.shape[1]
    for m in range(2 * members):
        _fold(totals[m], records[m], to_records[m])
        first = 1 if m < members else 1 + size
        for i in range(size):
            to_flat[m % members, first + i] = to_records[m, i]
