"""Coefficients of integrators: compositions of leapfrog, splittings with kicks and drifts of their own, Runge–Kutta tableaus."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

#: Outer and inner coefficients of a splitting.
Pair = tuple[tuple[float, ...], tuple[float, ...]]


def compose(weights: list[float]) -> Pair:
    """Return the kicks and drifts of leapfrog with the steps w₁h, w₂h, …, the kicks that meet merged.

    Example:
        >>> compose([0.5, 0.5])
        ((0.25, 0.5, 0.25), (0.5, 0.5))
    """
    outer = [w / 2 for w in weights] + [0.0]
    for i, w in enumerate(weights):
        outer[i + 1] += w / 2
    return tuple(outer), tuple(weights)


def clocks(outer: Sequence[float], inner: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the times in a step at which the slopes of outer and of inner flows are taken: each where the other variable is.

    Example:
        >>> clocks((0.25, 0.5, 0.25), (0.5, 0.5))
        ([0.0, 0.5, 1.0], [0.25, 0.75])
    """
    return [0.0, *list(accumulate(inner))[:-1], 1.0], list(accumulate(outer[:-1]))


def triple_jump(order: int) -> list[float]:
    """Return weights w₁, w₀, w₁ with 2w₁ + w₀ = 1 and 2w₁^(k+1) + w₀^(k+1) = 0 that raise an even order k by two.

    Example:
        >>> w = triple_jump(2)
        >>> round(sum(w), 12), round(sum(x**3 for x in w), 12)
        (1.0, 0.0)
    """
    root = 2 ** (1 / (order + 1))
    return [1 / (2 - root), -root / (2 - root), 1 / (2 - root)]


def around(*side: float) -> list[float]:
    """Return the weights of one side, mirrored around the middle one that makes the sum one.

    Example:
        >>> around(0.25)
        [0.25, 0.5, 0.25]
    """
    return [*side, 1 - 2 * sum(side), *side[::-1]]


def blanes_moan4() -> Pair:
    """Return the kicks and drifts of the method SRKN 6ᵇ of Blanes and Moan (2002)."""
    b = (0.0829844064174052, 0.396309801498368, -0.0390563049223486)
    a = (0.245298957184271, 0.604872665711080)
    return tuple(around(*b)), (*a, 0.5 - sum(a), 0.5 - sum(a), *a[::-1])


def blanes_moan6() -> Pair:
    """Return the kicks and drifts of the method SRKN 11ᵇ of Blanes and Moan (2002)."""
    b = (0.0414649985182624, 0.198128671918067, -0.0400061921041533, 0.0752539843015807, -0.0115113874206879)
    a = (0.123229775946271, 0.290553797799558, -0.127049212625417, -0.246331761062075, 0.357208872795928)
    return (*b, 0.5 - sum(b), 0.5 - sum(b), *b[::-1]), tuple(around(*a))


def pefrl() -> Pair:
    """Return the drifts and kicks of the position-extended Forest–Ruth-like method of Omelyan, Mryglod and Folk (2002)."""
    xi, lam, chi = 0.1786178958448091, -0.2123418310626054, -0.06626458266981849
    return tuple(around(xi, chi)), (0.5 - lam, lam, lam, 0.5 - lam)


def gauss(stages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A, b and c of the collocation method at the zeros of the Legendre polynomial of that degree.

    Example:
        >>> gauss(1)
        (array([[0.5]]), array([1.]), array([0.5]))
    """
    nodes, weights = np.polynomial.legendre.leggauss(stages)
    c = (nodes + 1) / 2
    powers = np.arange(1, stages + 1)
    # exact for degree < stages
    return (c[:, None] ** powers / powers) @ np.linalg.inv(c[:, None] ** (powers - 1)), weights / 2, c


def runge_kutta(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A, b and c of the explicit method of an order from one to four that has as many stages.

    Euler's method, Runge's midpoint method, Kutta's methods of order three and four (Hairer, Nørsett, Wanner, Solving
    Ordinary Differential Equations I, section II.1).

    Example:
        >>> a, b, c = runge_kutta(4)
        >>> b.tolist(), c.tolist()
        ([0.16666666666666666, 0.3333333333333333, 0.3333333333333333, 0.16666666666666666], [0.0, 0.5, 0.5, 1.0])
    """
    tableaux: dict[int, tuple[list[list[float]], list[float]]] = {
        1: ([], [1]),
        2: ([[1 / 2]], [0, 1]),
        3: ([[1 / 2], [-1, 2]], [1 / 6, 2 / 3, 1 / 6]),
        4: ([[1 / 2], [0, 1 / 2], [0, 0, 1]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    }
    below, weights = tableaux[order]
    a = np.zeros((order, order))
    for i, row in enumerate(below, start=1):
        a[i, :i] = row
    return a, np.array(weights, dtype=float), a.sum(1)  # a stage stands at the time up to which its row sums
