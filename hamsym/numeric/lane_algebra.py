"""Small matrices of many trajectories side by side; loaded only by generated kernels, because it loads numba.

A matrix of n rows stands in ``scratch`` from a place on: its element (i, j) of lane l at ``place + (i*n + j)*lanes + l``, so
that the innermost loops over l become SIMD.  Lanes do not see each other: pivots are chosen in each for itself.
"""

from __future__ import annotations

from typing import Any

from numba import njit

compiled = njit(error_model="numpy", nogil=True)


@compiled
def multiply(scratch: Any, out: int, left: int, right: int, n: int, lanes: int, width: int) -> None:
    """out = left·right."""
    for i in range(n):
        for j in range(n):
            o = out + (i * n + j) * lanes
            for l in range(width):
                scratch[o + l] = 0.0
            for k in range(n):
                a, b = left + (i * n + k) * lanes, right + (k * n + j) * lanes
                for l in range(width):
                    scratch[o + l] += scratch[a + l] * scratch[b + l]


@compiled
def apply(scratch: Any, out: int, matrix: int, vector: int, n: int, lanes: int, width: int) -> None:
    """out = matrix·vector."""
    for i in range(n):
        o = out + i * lanes
        for l in range(width):
            scratch[o + l] = 0.0
        for k in range(n):
            a, b = matrix + (i * n + k) * lanes, vector + k * lanes
            for l in range(width):
                scratch[o + l] += scratch[a + l] * scratch[b + l]


@compiled
def scale(
    scratch: Any, out: int, matrix: int, factor: float, diagonal: float, n: int, lanes: int, width: int
) -> None:
    """out = factor·matrix + diagonal·1."""
    for i in range(n):
        for j in range(n):
            o, a = out + (i * n + j) * lanes, matrix + (i * n + j) * lanes
            d = diagonal if i == j else 0.0
            for l in range(width):
                scratch[o + l] = factor * scratch[a + l] + d


@compiled
def invert(scratch: Any, out: int, matrix: int, spare: int, n: int, lanes: int, width: int) -> None:
    """out = matrix⁻¹ by Gauss's and Jordan's elimination with row pivots; the matrix is lost, ``spare`` is one number a lane."""
    scale(scratch, out, matrix, 0.0, 1.0, n, lanes, width)
    for k in range(n):
        diagonal = matrix + (k * n + k) * lanes
        for r in range(
            k + 1, n
        ):  # exchange with every row that has more there, so that the largest ends up here
            below = matrix + (r * n + k) * lanes
            for l in range(width):
                scratch[spare + l] = 1.0 if abs(scratch[below + l]) > abs(scratch[diagonal + l]) else 0.0
            for c in range(2 * n):
                first = (matrix if c < n else out - n * lanes) + (k * n + c) * lanes
                second = first + (r - k) * n * lanes
                for l in range(width):
                    a, b = scratch[first + l], scratch[second + l]
                    scratch[first + l] = b if scratch[spare + l] > 0.0 else a
                    scratch[second + l] = a if scratch[spare + l] > 0.0 else b
        for l in range(width):
            scratch[spare + l] = 1.0 / scratch[diagonal + l]
        for c in range(2 * n):
            first = (matrix if c < n else out - n * lanes) + (k * n + c) * lanes
            for l in range(width):
                scratch[first + l] *= scratch[spare + l]
        for r in range(n):
            if r != k:
                below = matrix + (r * n + k) * lanes
                for l in range(width):
                    scratch[spare + l] = scratch[below + l]
                for c in range(2 * n):
                    first = (matrix if c < n else out - n * lanes) + (k * n + c) * lanes
                    second = first + (r - k) * n * lanes
                    for l in range(width):
                        scratch[second + l] -= scratch[spare + l] * scratch[first + l]
