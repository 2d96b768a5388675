"""Polynomial maps between spaces of a few dimensions, fitted by least squares and differentiated exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np

#: Penalties on the coefficients that are tried, in units of the mean square of a monomial.
RIDGES = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)
#: Rows that each coefficient needs.
_ROWS = 4


@dataclass(frozen=True)
class PrincipalAxes:
    """The directions in which points spread, and how far.

    Attributes:
        centre: mean of the points, shape (dim,).
        axes: columns are directions times their standard deviation, shape (dim, kept).
        inverse: from differences to the centre to coordinates of unit variance, shape (kept, dim).
    """

    centre: np.ndarray
    axes: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, smallest: float = 1e-6) -> PrincipalAxes:
        """Return those of points of shape (n, dim) that spread more than ``smallest`` times the widest one.

        Example:
            >>> found = PrincipalAxes.of(np.array([[0.0, 0.0], [2.0, 2.0]]))
            >>> found.axes.shape, np.abs(found.of_points(np.array([[2.0, 2.0]]))).round(9)
            ((2, 1), array([[1.]]))
        """
        centre = points.mean(0)
        _, spread, directions = np.linalg.svd((points - centre) / np.sqrt(len(points)), full_matrices=False)
        kept = spread > max(smallest * spread[0], np.finfo(float).tiny)
        axes = directions[kept].T * spread[kept]
        return cls(centre, axes, directions[kept] / spread[kept, None])

    def of_points(self, points: np.ndarray) -> np.ndarray:
        """Return the coordinates of unit variance of points (…, dim), shape (…, kept)."""
        found: np.ndarray = (points - self.centre) @ self.inverse.T
        return found


@dataclass(frozen=True)
class PolynomialMap:
    """A polynomial map, in principal axes of its argument.

    Attributes:
        axes: of the argument.
        exponents: of the monomials, shape (monomials, kept).
        sizes: root mean square of each monomial where the map was fitted.
        coefficients: shape (monomials, out), for monomials divided by their sizes.
        order: the total degree.
        ridge: the penalty that it was fitted with.
    """

    axes: PrincipalAxes
    exponents: np.ndarray
    sizes: np.ndarray
    coefficients: np.ndarray
    order: int
    ridge: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the values at points of shape (n, dim), shape (n, out)."""
        found: np.ndarray = self.design(points) @ self.coefficients
        return found

    def design(self, points: np.ndarray) -> np.ndarray:
        """Return the monomials at points of shape (n, dim), shape (n, monomials)."""
        return _monomials(self.axes.of_points(points), self.exponents) / self.sizes

    def derivative(self, points: np.ndarray) -> np.ndarray:
        """Return the derivative with respect to the coordinates of unit variance, shape (n, out, kept).

        Example:
            >>> x = np.linspace(-1, 1, 50)[:, None]
            >>> cubic = fitted(x, x**3, np.arange(50) % 5 > 0, (3,))
            >>> slope = cubic.derivative(np.array([[0.5]]))[:, :, 0] / cubic.axes.axes[0, 0]
            >>> float(slope[0, 0].round(9))
            0.75
        """
        x = self.axes.of_points(points)
        found = np.empty((len(x), self.coefficients.shape[1], x.shape[1]))
        for k in range(x.shape[1]):
            lowered = self.exponents.copy()
            factor = lowered[:, k] / self.sizes
            lowered[:, k] = np.maximum(lowered[:, k] - 1, 0)
            found[:, :, k] = (_monomials(x, lowered) * factor) @ self.coefficients
        return found


def fitted(
    x: np.ndarray,
    y: np.ndarray,
    learning: np.ndarray,
    orders: Sequence[int],
    smallest: Sequence[float] = (1e-6,),
) -> PolynomialMap:
    """Return the polynomial map that predicts best where it was not fitted, fitted again to all rows.

    Arguments:
        x: arguments, shape (n, dim).
        y: values, shape (n, out).
        learning: which rows a candidate is fitted to; the others choose among the candidates, shape (n,).
        orders: total degrees to try; those that have too few rows for their coefficients are left out.
        smallest: how far a direction of the argument must spread to be used, relative to the widest one; each is tried.

    Returns:
        the map with the smallest mean square error on the other rows.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> found = fitted(x, x[:, :1] * x[:, 1:], np.arange(200) < 150, (1, 2, 3))
        >>> found.order >= 2, bool(abs(found(np.array([[2.0, 3.0]])) - 6).max() < 1e-6)
        (True, True)
    """
    best, least = None, np.inf
    for size in dict.fromkeys(smallest):
        axes = PrincipalAxes.of(x, size)
        for order in orders:
            terms = comb(axes.axes.shape[1] + order, order)
            if order > min(orders) and terms * _ROWS > learning.sum():
                continue
            exponents = _exponents(axes.axes.shape[1], order)
            design = _monomials(axes.of_points(x), exponents)
            sizes = np.sqrt((design**2).mean(0)) + np.finfo(float).tiny
            design /= sizes
            for ridge, found in zip(RIDGES, _solutions(design[learning], y[learning], RIDGES), strict=True):
                error = float(((design[~learning] @ found - y[~learning]) ** 2).sum())
                if error < least or best is None:
                    best, least = PolynomialMap(axes, exponents, sizes, found, order, ridge), error
    assert best is not None
    return refitted(best, x, y)


def refitted(like: PolynomialMap, x: np.ndarray, y: np.ndarray) -> PolynomialMap:
    """Return a map of the same monomials and the same penalty, fitted to other rows."""
    (found,) = _solutions(like.design(x), y, (like.ridge,))
    return PolynomialMap(like.axes, like.exponents, like.sizes, found, like.order, like.ridge)


def _solutions(design: np.ndarray, y: np.ndarray, ridges: Sequence[float]) -> list[np.ndarray]:
    """Least squares with each penalty, by one decomposition."""
    turned, triangle = np.linalg.qr(design)
    left, values, right = np.linalg.svd(triangle)
    image = left.T @ (turned.T @ y)
    kept = values > 1e-12 * values[0]
    found = []
    for ridge in ridges:
        weight = np.where(kept, values / (values**2 + ridge * len(design) + ~kept), 0.0)
        found.append(right.T @ (weight[:, None] * image))
    return found


def _exponents(variables: int, order: int) -> np.ndarray:
    """Every monomial up to a total degree, the constant first.

    Example:
        >>> _exponents(2, 2).tolist()
        [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    """
    rows = [chosen for n in range(order + 1) for chosen in combinations_with_replacement(range(variables), n)]
    return np.array([np.bincount(np.array(chosen, int), minlength=variables) for chosen in rows])


def _monomials(x: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """The products of powers, shape (n, monomials)."""
    found = np.ones((len(x), len(exponents)))
    for k in range(x.shape[1]):
        powers = x[:, k, None] ** np.arange(exponents.max() + 1)
        found *= powers[:, exponents[:, k]]
    return found
