"""Actions of a group on a representation: the same as on the data, induced by an inverse, given, or fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from learn.disentanglement.group import Element, ProductGroup

#: Rows of data ↦ rows of the representation, or back.
Rows: TypeAlias = Callable[[np.ndarray], np.ndarray]
#: (g, z) ↦ g·z.
Action: TypeAlias = Callable[[Element, np.ndarray], np.ndarray]

#: Singular values below this share of the largest are taken for rounding.
_RANK = 1e-10


def induced(f: Rows, inverse: Rows, group: ProductGroup) -> Action:
    """Return g·z = f(g·f⁻¹(z)): the only action that can make an invertible f equivariant.

    Example:
        >>> from learn.disentanglement.group import Factor
        >>> group = ProductGroup([Factor("shift", (lambda e, x: x + e,), (1.0,))])
        >>> induced(np.exp, np.log, group)(Element(((0, 0, np.log(2.0)),)), np.ones((1, 1))).round(12)
        array([[2.]])
    """
    return lambda element, z: f(group.act(element, inverse(z)))


def in_frame(action: Action, frame: np.ndarray) -> Action:
    """Return the action in the coordinates F z.

    Example:
        >>> swap = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> in_frame(lambda g, z: z * [2, 1], swap)(Element(), np.ones((1, 2)))
        array([[1., 2.]])
    """
    back = np.linalg.inv(frame)
    return lambda element, z: action(element, z @ back.T) @ frame.T


class FittedAction:
    """g·z = z + B(g) z, with B fitted by least squares to pairs f(x), f(g·x); a constant is fitted too if asked for.

    B has the smallest norm of all that fit, so directions in which Z does not vary stay where they are.

    Arguments:
        f: rows of data ↦ rows of the representation.
        group: acts on the data.
        rows: of data to fit to.
        affine: whether g·z = z + B(g) z + b(g).

    Example:
        >>> from learn.disentanglement.group import Factor
        >>> group = ProductGroup([Factor("scale", (lambda e, x: np.exp(e) * x,), (1.0,))])
        >>> fitted = FittedAction(lambda x: 3 * x, group, np.eye(2))
        >>> fitted.matrix(Element(((0, 0, np.log(2.0)),))).round(12)
        array([[1., 0.],
               [0., 1.]])
    """

    def __init__(self, f: Rows, group: ProductGroup, rows: np.ndarray, *, affine: bool = False) -> None:
        self.f, self.group, self.rows, self.affine = f, group, rows, affine
        self.z = f(rows)
        self.inputs = np.linalg.pinv(self._extended(self.z), rcond=_RANK)
        self._found: dict[Element, np.ndarray] = {}

    def _extended(self, z: np.ndarray) -> np.ndarray:
        return np.column_stack([z, np.ones(len(z))]) if self.affine else z

    def matrix(self, element: Element) -> np.ndarray:
        """Return B(g), shape (k, k), or (k, k + 1) with b(g) in the last column."""
        if element not in self._found:
            change = self.f(self.group.act(element, self.rows)) - self.z
            self._found[element] = (self.inputs @ change).T
        return self._found[element]

    def __call__(self, element: Element, z: np.ndarray) -> np.ndarray:
        """Return g·z."""
        return z + self._extended(z) @ self.matrix(element).T
