"""Compiled loops over points and ridge potentials: slopes, what cotangents pull back, and whole chains of leapfrog steps.

Loaded with the first use, because it loads numba; :mod:`learn.kernels.cpu` is the way in.  A potential is one record of
numbers: W (inputs × units), b and w of the units, k and u; a member of a chain is log dt, then U, then K, which may
have no units.
"""

# compiled functions carry no types:
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from learn.kernels.compiled import compiled, part
from learn.kernels.forces import add_scaled, dot, gradient, gradient_pulled, zeros
from learn.kernels.lanes import GROUP

BLOCK = 512  # points worked on at once: their intermediate rows stay in the first cache


@part
def _packed(records, units, told):
    """One row for each unit of each potential: W_j and b_j in half turns, w_j W_j."""
    turn = records.dtype.type(1 / math.pi)
    members, count = records.shape[0], (records.shape[1] - 2) // units - 2
    packed = np.empty((members, units, 2 * count + 1), records.dtype)
    for m in range(members):
        for j in range(units):
            out = records[m, (count + 1) * units + j]
            for f in range(count):
                packed[m, j, f] = records[m, f * units + j] * turn
                # nothing moves a context
                packed[m, j, count + 1 + f] = records[m, f * units + j] * out if f < count - told else 0
            packed[m, j, count] = records[m, count * units + j] * turn
    return packed


@part
def _lanes_of(records, units):
    """Zeros in which the loops add up cotangents of weights, lane by lane."""
    shape = records.shape[0], units, ((records.shape[1] - 2) // units) * (64 // records.itemsize)
    result = np.empty(shape, records.dtype)
    for m in range(shape[0]):
        for j in range(units):
            for n in range(shape[2]):
                result[m, j, n] = 0
    return result


@part
def _fold(totals, record, to_record):
    """Sums over lanes for the weights of one potential."""
    units = totals.shape[0]
    columns, turn = (record.size - 2) // units, record.dtype.type(math.pi)
    lanes = totals.shape[1] // columns
    for j in range(units):
        out = record[(columns - 1) * units + j]
        for c in range(columns):
            total = totals[j, c * lanes]
            for lane in range(1, lanes):
                total += totals[j, c * lanes + lane]
            to_record[c * units + j] = total * (turn if c == columns - 1 else out)


@part
def _stop(x, start):
    return start + BLOCK if start + BLOCK < x.shape[0] else x.shape[0]


@part
def _told(x, start, unit, context):
    """Points from ``start`` on as rows of coordinates in ``unit``, and their contexts in further rows, filled up with zeros."""
    dim, stop = x.shape[1], _stop(x, start)
    rows = zeros(dim + context.shape[1], (stop - start + GROUP - 1) // GROUP * GROUP, x)
    for f in range(dim):
        row = rows[f]
        for n in range(start, stop):
            row[n - start] = x[n, f] / unit
    for f in range(context.shape[1]):
        row = rows[dim + f]
        for n in range(start, stop):
            row[n - start] = context[n, f]
    return rows


@part
def _scale(x, factor, told):
    for f in range(x.shape[0] - told):
        row = x[f]
        for n in range(row.size):
            row[n] *= factor


@part
def _scaled(x, factor, y):
    """y ← factor · x."""
    for f in range(x.shape[0]):
        row, to = x[f], y[f]
        for n in range(to.size):
            to[n] = factor * row[n]


@part
def _put_back(rows, start, unit, x):
    stop = _stop(x, start)
    for f in range(x.shape[1]):
        row = rows[f]
        for n in range(start, stop):
            x[n, f] = row[n - start] * unit


@compiled
def gradients(x, records, units, features, loops, result):
    """result (potentials, points, dim) ← the gradient of each potential at its points x."""
    packed, none = _packed(records, units, 0), np.empty((0, 0), x.dtype)
    for m in range(x.shape[0]):
        curvature, unit = records[m, -2], records[m, -1]
        for start in range(0, x.shape[1], BLOCK):
            rows = _told(x[m], start, unit, none)
            found = zeros(rows.shape[0], rows.shape[1], rows)
            gradient(rows, packed[m], curvature, features, loops, 0, found)
            _put_back(found, start, 1 / unit, result[m])


@compiled
def gradients_pulled(x, g, records, units, features, loops, to_x, to_records):
    """The reverse pass of :func:`gradients` for the cotangents g of its result."""
    packed, totals, none = _packed(records, units, 0), _lanes_of(records, units), np.empty((0, 0), x.dtype)
    for m in range(x.shape[0]):
        curvature, unit = records[m, -2], records[m, -1]
        for start in range(0, x.shape[1], BLOCK):
            rows, pull = _told(x[m], start, unit, none), _told(g[m], start, unit, none)
            found, back = zeros(rows.shape[0], rows.shape[1], x[m]), zeros(rows.shape[0], rows.shape[1], x[m])
            to_records[m, -2] += gradient_pulled(
                rows, pull, packed[m], curvature, features, loops, 0, totals[m], found, back
            )
            _put_back(back, start, 1 / unit, to_x[m])
        _fold(totals[m], records[m], to_records[m])


@part
def _sizes(flat, moving):
    """Numbers in the record of a potential, and in that of a kinetic energy."""
    return ((flat.shape[1] - 1) // 2, (flat.shape[1] - 1) // 2) if moving else (flat.shape[1] - 3, 2)


@part
def _records(flat, moving):
    """The potentials of a chain, then the kinetic energies, in records of one size: k and u are the last of each."""
    members, (size, own) = flat.shape[0], _sizes(flat, moving)
    records = zeros(2 * members, size, flat)
    for m in range(members):
        for i in range(size):
            records[m, i] = flat[m, 1 + i]
        for i in range(own):
            records[members + m, size - own + i] = flat[m, 1 + size + i]
    return records


@compiled
def leapfrog(q, p, context, flat, counts, sign, features, loops, steps, q_out, p_out):
    """Kick–drift–kick steps through a chain; counts are the units of each potential and of each kinetic energy."""
    units, moving = counts
    records, members = _records(flat, moving), flat.shape[0]
    packed, unit, told = _packed(records, units, context.shape[1]), records[:, -1], context.shape[1]
    half = flat.dtype.type(0.5)
    for start in range(0, q.shape[0], BLOCK):
        x, y = _told(q, start, unit[0], context), _told(p, start, unit[members], context)
        high = x.shape[0]
        slope = zeros(high, x.shape[1], x)
        for m in range(members):
            if m:
                _scale(x, unit[m - 1] / unit[m], told)
                _scale(y, unit[members + m - 1] / unit[members + m], told)
            step = sign * math.exp(flat[m, 0]) / (unit[m] * unit[members + m])
            for k in range(2 * steps + 1):  # kicks and drifts in turns, in one place: it is compiled once
                which, at, to, factor, count = m, x, y, -step, units
                if k % 2:
                    which, at, to, factor, count = members + m, y, x, step, moving
                elif k == 0 or k == 2 * steps:
                    factor = -(half * step)
                gradient(at, packed[which, :count], records[which, -2], features, loops, told, slope)
                add_scaled(to, factor, slope, high)
        _put_back(x, start, unit[members - 1], q_out)
        _put_back(y, start, unit[2 * members - 1], p_out)


@compiled
def leapfrog_pulled(q, p, context, to_q, to_p, flat, counts, sign, features, loops, steps, to_flat, gq, gp):
    """The reverse pass of :func:`leapfrog` from its final states, which undoes the steps as it goes."""
    units, moving = counts
    records, members = _records(flat, moving), flat.shape[0]
    told = context.shape[1]
    packed, totals, unit = _packed(records, units, told), _lanes_of(records, units), records[:, -1]
    to_records = zeros(records.shape[0], records.shape[1], records)
    half, one = flat.dtype.type(0.5), flat.dtype.type(1)
    for start in range(0, q.shape[0], BLOCK):
        x, y = (_told(q, start, unit[members - 1], context), _told(p, start, unit[2 * members - 1], context))
        a, b = (
            _told(to_q, start, one / unit[members - 1], context),
            _told(to_p, start, one / unit[2 * members - 1], context),
        )
        for f in range(q.shape[1], q.shape[1] + told):
            for n in range(a.shape[1]):
                a[f, n] = b[f, n] = 0
        high, wide = x.shape
        slope, back, v = zeros(high, wide, x), zeros(high, wide, x), zeros(high, wide, x)
        for m in range(members - 1, -1, -1):
            if m < members - 1:
                _scale(x, unit[m + 1] / unit[m], told)
                _scale(a, unit[m] / unit[m + 1], told)
                _scale(y, unit[members + m + 1] / unit[members + m], told)
                _scale(b, unit[members + m] / unit[members + m + 1], told)
            step = sign * math.exp(flat[m, 0]) / (unit[m] * unit[members + m])
            for k in range(2 * steps, -1, -1):
                which, at, to, cotangent, grown, share, count = m, x, y, b, a, -one, units
                if k % 2:
                    which, at, to, cotangent, grown, share, count = members + m, y, x, a, b, one, moving
                elif k == 0 or k == 2 * steps:
                    share = -half
                _scaled(cotangent, share * step, v)
                to_records[which, -2] += gradient_pulled(
                    at,
                    v,
                    packed[which, :count],
                    records[which, -2],
                    features,
                    loops,
                    told,
                    totals[which],
                    slope,
                    back,
                )
                to_flat[m, 0] += share * step * dot(cotangent, slope)
                add_scaled(grown, one, back, high)
                add_scaled(to, -share * step, slope, high)
        _put_back(a, start, one / unit[0], gq)
        _put_back(b, start, one / unit[members], gp)
    size, own = _sizes(flat, moving)
    for m in range(members):
        _fold(totals[m], records[m], to_records[m])
        for i in range(size):
            to_flat[m, 1 + i] = to_records[m, i]
        if moving:
            _fold(totals[members + m], records[members + m], to_records[members + m])
        for i in range(own):
            to_flat[m, 1 + size + i] = to_records[members + m, size - own + i]
