"""Numbers that the implicit equations of a Runge–Kutta tableau are solved with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def continuation(nodes: Sequence[float]) -> list[list[float]]:
    """Return weights of slopes at c… and c - 1… for the integrals from 1 to 1 + cᵢ of the polynomial through them.

    Example:
        >>> continuation([0.5])  # the slope half a step ahead of 1 is that at 1/2 and half of the growth since -1/2
        [[0.875, -0.375]]
    """
    points = np.concatenate([np.array(nodes), np.array(nodes) - 1])
    powers = np.arange(len(points))
    vandermonde = points ** powers[:, None]
    ends = 1 + np.array(nodes)
    integrals = (ends[:, None] ** (powers + 1) - 1) / (powers + 1)
    return [np.linalg.solve(vandermonde, b).tolist() for b in integrals]


def denominator(a: Sequence[Sequence[float]]) -> list[float]:
    """Return the coefficients of P(x) = det(1 - xA), from the constant on.

    Example:
        >>> denominator([[0.5]])
        [1.0, -0.5]
    """
    return [float(c) for c in np.poly(np.array(a))]


def adjugate(a: Sequence[Sequence[float]]) -> list[list[list[float]]]:
    """Return D₀ = 1 and Dₖ = A Dₖ₋₁ + pₖ, for which Σₖ xᵏ Dₖ is the adjugate of 1 - xA.

    Example:
        >>> adjugate([[1.0, 2.0], [3.0, 4.0]])[1]
        [[-4.0, 2.0], [3.0, -1.0]]
    """
    A = np.array(a)
    D = [np.eye(len(A))]
    for coefficient in denominator(a)[1 : len(A)]:
        D.append(A @ D[-1] + coefficient * np.eye(len(A)))
    return [d.tolist() for d in D]
