"""Compiled loops over Gaussians: draws with a triangular factor, and the log density of the base.

Loaded with the first use, because it loads numba; :mod:`learn.kernels.cpu` is the way in.
"""

# compiled functions carry no types:
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from learn.kernels.compiled import compiled, part


@compiled
def draw(raw, noise, unit, limit, p, log_f):
    """p ← (mean + L·noise)/unit and log_f ← its log density; raw holds mean, log of L's diagonal, and what is below."""
    points, samples, d = noise.shape
    constant = 0.5 * d * math.log(2 * math.pi) - d * math.log(unit)
    sd = np.empty((1, d), raw.dtype)
    for b in range(points):
        log_det = 0.0
        for i in range(d):
            log_sd = 1.0 * raw[b, d + i]
            if log_sd < -limit:
                log_sd = -limit
            elif log_sd > limit:
                log_sd = limit
            log_det += log_sd
            sd[0, i] = math.exp(log_sd)
        for s in range(samples):
            square, at = 0.0, 2 * d
            for i in range(d):
                value = raw[b, i] + sd[0, i] * noise[b, s, i]
                for j in range(i):
                    value += raw[b, at] * noise[b, s, j]
                    at += 1
                p[b, s, i] = value / unit
                square += noise[b, s, i] * noise[b, s, i]
            log_f[b, s] = -0.5 * square - constant - log_det


@compiled
def draw_pulled(raw, noise, unit, limit, to_p, to_log_f, to_raw):
    """The reverse pass of :func:`draw` for the cotangents of p and of log_f."""
    points, samples, d = noise.shape
    for b in range(points):
        for s in range(samples):
            at = 2 * d
            for i in range(d):
                g = to_p[b, s, i] / unit
                to_raw[b, i] += g
                log_sd = raw[b, d + i]
                if -limit <= log_sd <= limit:
                    to_raw[b, d + i] += g * math.exp(log_sd) * noise[b, s, i] - to_log_f[b, s]
                for j in range(i):
                    to_raw[b, at] += g * noise[b, s, j]
                    at += 1


@part
def _square_without(x, n, removed, scale, y):
    """|y|²/2, with y ← x/scale of a row without the directions ``removed``."""
    d, total = x.shape[1], x.dtype.type(0)
    for i in range(d):
        y[0, i] = x[n, i] * scale
    for k in range(removed.shape[0]):
        away = x.dtype.type(0)
        for i in range(d):
            away += removed[k, i] * y[0, i]
        for i in range(d):
            y[0, i] -= away * removed[k, i]
    for i in range(d):
        total += y[0, i] * y[0, i]
    return x.dtype.type(0.5) * total


@compiled
def base(q, p, removed, scale_q, scale_p, constant, result):
    """result ← the log density of q and p under isotropic Gaussians."""
    number = q.dtype.type
    y = np.empty((1, q.shape[1]), q.dtype)
    for n in range(q.shape[0]):
        total = _square_without(q, n, removed, number(1 / scale_q), y)
        total += _square_without(p, n, removed, number(1 / scale_p), y)
        result[n] = number(constant) - total


@compiled
def base_pulled(q, p, removed, scale_q, scale_p, g, to_q, to_p):
    """Cotangents of q and p for that of :func:`base`; returns those of the logarithms of the scales but for their part in
    the constant, and the sum of g."""
    number = q.dtype.type
    by_q, by_p = number(1 / scale_q), number(1 / scale_p)
    y = np.empty((1, q.shape[1]), q.dtype)
    from_q = from_p = total = 0.0
    for n in range(q.shape[0]):
        total += g[n]
        from_q += 2 * g[n] * _square_without(q, n, removed, by_q, y)
        for i in range(y.size):
            to_q[n, i] = -g[n] * y[0, i] * by_q
        from_p += 2 * g[n] * _square_without(p, n, removed, by_p, y)
        for i in range(y.size):
            to_p[n, i] = -g[n] * y[0, i] * by_p
    return from_q, from_p, total
