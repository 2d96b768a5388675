"""Representations to be tested: the base states of a flow, and the coordinates in which a linear action splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hamsym.arguments import integer, real
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from learn.arguments import seed_number
from learn.disentanglement.actions import FittedAction
from learn.disentanglement.arguments import as_rows
from learn.disentanglement.group import MAX_ELEMENTS, ProductGroup
from learn.flow.canonical_map import CanonicalMap
from learn.points import as_points


class BaseStates:
    """f(q, p) = T⁻¹(q, p): rows (q, p) of data ↦ rows (q₀, p₀) of the base of a flow, with the exact inverse.

    Where every Hamiltonian of the chain commutes with the generators of point actions, T⁻¹ commutes with the action,
    and the base states are equivariant with the action "same" (Rezende et al., arXiv 1909.13739, section 3).
    Whether they are disentangled is a question about coordinates.

    Arguments:
        flow: a flow, or another canonical map; its precision is that of the representation.

    Raises:
        ParameterError: if it is none, or is conditional; ``flow.given(context)`` is not.

    Example:
        >>> from learn import HamiltonianFlow
        >>> f = BaseStates(HamiltonianFlow(2, hamiltonians=2, width=8, seed=0).double())
        >>> x = np.random.default_rng(0).normal(size=(5, 4))
        >>> bool(abs(f.inverse(f(x)) - x).max() < 1e-12)
        True
    """

    def __init__(self, flow: CanonicalMap) -> None:
        if not isinstance(flow, CanonicalMap) or flow.context is not None:
            raise ParameterError(
                "base states are those of a flow without context; flow.given(context) is one"
            )
        self.flow = flow

    def __call__(self, rows: Any) -> np.ndarray:
        """Return (q₀, p₀), shape (batch, 2 dim), of states (q, p) of the same shape."""
        return self._carried(self.flow.pull_back, rows)

    def inverse(self, rows: Any) -> np.ndarray:
        """Return the states (q, p) of base states (q₀, p₀)."""
        return self._carried(self.flow.push_forward, rows)

    @torch.no_grad()
    def _carried(self, way: Callable[..., Any], rows: Any) -> np.ndarray:
        states = as_points(rows, 2 * self.flow.dim, self.flow.unit)
        q, p = states.chunk(2, -1)
        return torch.cat(way(q, p), -1).double().cpu().numpy()


def adapted_frame(
    f: Callable[[np.ndarray], Any],
    group: ProductGroup,
    x: Any,
    *,
    affine: bool = False,
    elements: int = 8,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]]:
    """Return coordinates in which a linear action of a product group splits, if there are any.

    Linear maps ρ(g) = 1 + B(g) are fitted for elements of each factor.  The images of the B(g) of a factor span Zᵢ, what
    it can change at all; the spaces of different factors must be independent.  What no factor changes completes them.

    Arguments:
        f, group, x, affine, elements, seed: as in :func:`learn.disentanglement.measure`.
        tolerance: singular values of B below this share of the largest are taken for errors of the fit.

    Returns:
        The frame, shape (k, k), and the blocks, both for ``measure(…, frame=…, blocks=…)``.

    Raises:
        SymmetryError: if the spaces of the factors are not independent, so that no linear change of coordinates
            disentangles, or a factor changes nothing.

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> from learn.disentanglement import measure
        >>> space = PhaseSpace.standard(4)
        >>> group = ProductGroup.of(angular_momentum(space, 0, 1), angular_momentum(space, 2, 3))
        >>> random = np.random.default_rng(0)
        >>> x, mixture = random.normal(size=(100, 4)), random.normal(size=(4, 4))
        >>> mixed = lambda x: x @ mixture
        >>> frame, blocks = adapted_frame(mixed, group, x)
        >>> blocks, measure(mixed, group, x, blocks=blocks, frame=frame).passes(1e-10)
        (((0, 1), (2, 3)), True)
    """
    tolerance = real("tolerance", tolerance, above=0, maximum=1)
    elements = integer("elements", elements, minimum=1, maximum=MAX_ELEMENTS)
    random = np.random.default_rng(seed_number(seed))
    rows = as_rows("x", x)
    if not callable(f) or not isinstance(group, ProductGroup):
        raise ParameterError("f is a callable rows ↦ rows, and group a ProductGroup")
    fitted = FittedAction(lambda points: as_rows("f(x)", f(points)), group, rows, affine=affine)
    if fitted.z.ndim != 2:
        raise ShapeError(f"f(x) has shape (batch, k), not {fitted.z.shape}")
    width = fitted.z.shape[1]
    spaces, linear = [], []
    for k, factor in enumerate(group.factors):
        maps = [fitted.matrix(group.draw(k, random)) for _ in range(elements)]
        left, values, _ = np.linalg.svd(np.concatenate(maps, 1), full_matrices=False)
        if not values[0] > tolerance:
            raise SymmetryError(f"the factor {factor.name} changes nothing in the representation")
        spaces.append(left[:, values > tolerance * values[0]])
        linear += [m[:, :width] for m in maps]
    spanned = np.concatenate(spaces, 1)
    sizes = [s.shape[1] for s in spaces]
    if spanned.shape[1] > width or np.linalg.svd(spanned, compute_uv=False)[-1] < tolerance:
        raise SymmetryError(
            f"the factors change spaces of {', '.join(map(str, sizes))} of {width} dimensions, which are not independent: "
            "no linear change of coordinates disentangles this representation"
        )
    basis = np.concatenate([spanned, _left_alone(np.concatenate(linear), spanned, tolerance)], 1)
    starts = np.cumsum([0, *sizes])
    blocks = tuple(tuple(range(a, a + n)) for a, n in zip(starts.tolist(), sizes, strict=False))
    return np.linalg.inv(basis), blocks


def _left_alone(maps: np.ndarray, spanned: np.ndarray, tolerance: float) -> np.ndarray:
    """Return directions that complete ``spanned``, such that all maps vanish on them as far as possible."""
    width, missing = spanned.shape[0], spanned.shape[0] - spanned.shape[1]
    _, values, right = np.linalg.svd(maps)
    fixed = right[int((values > tolerance * max(values[0], tolerance)).sum()) :].T
    orthonormal = np.linalg.qr(spanned)[0]
    outside = np.eye(width) - orthonormal @ orthonormal.T
    _, values, turn = np.linalg.svd(outside @ fixed)
    found = fixed @ turn[: min(missing, int((values > tolerance).sum()))].T
    if found.shape[1] < missing:
        orthonormal = np.linalg.qr(np.concatenate([spanned, found], 1))[0]
        rest = np.linalg.svd(np.eye(width) - orthonormal @ orthonormal.T)[0]
        found = np.concatenate([found, rest[:, : missing - found.shape[1]]], 1)
    return np.asarray(found)
