"""The definition of a disentangled representation as four tests on samples, each a number beside its noise floor.

Source: Higgins et al., arXiv 1812.02230 (2018), sections 3.2 (disentangled) and 3.3 (linear disentangled): Z is
disentangled with respect to G = G₁ × … × Gₙ if (1) G acts on Z, (2) f is equivariant, (3) Z = Z₁ × … × Zₙ, where each
Zᵢ is moved by Gᵢ alone, and linearly so if the action is a direct sum of representations ρᵢ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, ShapeError
from learn.arguments import seed_number
from learn.disentanglement.actions import Action, FittedAction, Rows, in_frame, induced
from learn.disentanglement.arguments import as_blocks, as_frame, as_rows
from learn.disentanglement.group import MAX_ELEMENTS, Element, ProductGroup
from learn.disentanglement.report import DisentanglementReport, Score


def measure(
    f: Callable[[np.ndarray], Any],
    group: ProductGroup,
    x: Any,
    *,
    blocks: Sequence[Sequence[int]],
    action: str | Action = "fitted",
    inverse: Callable[[np.ndarray], Any] | None = None,
    frame: Any = None,
    affine: bool = False,
    elements: int = 8,
    seed: int = 0,
) -> DisentanglementReport:
    """Return how far f(x) is from a disentangled representation of a product group that is known to act on x.

    The definition asks for some action on Z; the tests need to know which.  If f is invertible there is just one
    candidate, the induced g·z = f(g·f⁻¹(z)), for which equivariance and group law hold as far as the inverse does.  For
    a flow with an exact symmetry the candidate is the action on the data itself.  Where neither is known, the best
    linear one is fitted for each g, and is tested on points that were held out.  T4 always fits.

    Arguments:
        f: rows of data ↦ rows of the representation, shape (batch, k); called with float64 arrays, and what it
            returns is read as one.
        group: with its action on rows of data.
        x: rows of data, shape (batch, …); half of them serve fits, half the tests.
        blocks: for each factor the coordinates Zᵢ of the representation that it may move; coordinates in no block are to
            be moved by none.
        action: "fitted", "same" (Z is moved as the data are) or a callable (g, z) ↦ g·z with a
            :class:`~learn.disentanglement.group.Element`.
        inverse: of f, callable; the action is then the induced one.
        frame: invertible matrix of shape (k, k): Z is looked at in the coordinates frame · z.
        affine: whether fitted actions have a constant part, as for translations.
        elements: drawn for each factor, and for the whole group.
        seed: of elements and pairs of points.

    Returns:
        The four numbers with their floors and parts.

    Raises:
        ShapeError: if shapes do not fit, or there are fewer than 4(k + 1) points.
        NonFiniteError: if x or f(x) is not finite.
        ParameterError: if f is constant, blocks overlap, or another argument makes no sense.

    Source: Higgins et al., arXiv 1812.02230 (2018); the numbers are ours.

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> space = PhaseSpace.standard(4)
        >>> group = ProductGroup.of(angular_momentum(space, 0, 1), angular_momentum(space, 2, 3))
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> warp = measure(np.sinh, group, x, blocks=[(0, 1), (2, 3)], inverse=np.arcsinh)
        >>> warp.failing(1e-9)
        ('linear',)
    """
    elements = integer("elements", elements, minimum=1, maximum=MAX_ELEMENTS)
    random = np.random.default_rng(seed_number(seed))
    if not isinstance(group, ProductGroup):
        raise ParameterError(f"group is a ProductGroup, not {shown(group)}")
    if not callable(f) or not (inverse is None or callable(inverse)):
        raise ParameterError("f and its inverse are callables, rows to rows")
    rows = as_rows("x", x)
    width = as_rows("f(x)", f(rows[:1])).shape[-1]
    if len(rows) < 4 * (width + 1):
        raise ShapeError(
            f"{len(rows)} points are too few to fit maps of {width} coordinates and to test them; give {4 * (width + 1)}"
        )
    turn = np.eye(width) if frame is None else as_frame(frame, width)
    kept = as_blocks(blocks, len(group.factors), width)

    def plain(points: np.ndarray) -> np.ndarray:
        z = as_rows("f(x)", f(points))
        if z.shape != (len(points), width):
            raise ShapeError(f"f turns {len(points)} rows into an array of shape {z.shape}")
        return z

    def represented(points: np.ndarray) -> np.ndarray:
        return plain(points) @ turn.T

    half = len(rows) // 2
    fitted = FittedAction(represented, group, rows[:half], affine=affine)
    name, acts = _action(action, inverse, plain, group, fitted, turn, rows)
    bench = _Bench(represented, group, acts, rows[half:], random)
    singles = [[group.draw(k, random) for _ in range(elements)] for k in range(len(group.factors))]
    joint = [group.draw_jointly(random) for _ in range(elements)]
    names = _names(group)
    product, moved = _product(bench, singles, kept, names)
    linear, r_squared, energy = _linear(bench, fitted, singles, kept, names)
    return DisentanglementReport(
        equivariance=_equivariance(bench, {**dict(zip(names, singles, strict=True)), "jointly": joint}),
        product=product, law=_law(bench, singles, names), linear=linear, r_squared=r_squared, off_block_energy=energy,
        moved=moved, action=name, blocks=kept, proofs=tuple(v.status for v in group.proofs), points=len(rows), elements=elements,
    )  # fmt: skip


class _Bench:
    """The held-out points with what all tests ask about them."""

    def __init__(
        self, f: Rows, group: ProductGroup, action: Action, rows: np.ndarray, random: np.random.Generator
    ) -> None:
        self.f, self.group, self.act, self.rows = f, group, action, rows
        self.z = f(rows)
        # every point beside another one: a cycle has no fixed points
        order = random.permutation(len(rows))
        self.other = np.empty_like(order)
        self.other[order] = np.roll(order, 1)
        self.size = _length(self.z - self.z[self.other])
        if not self.size > 0:
            raise ParameterError("f is the same at all points, so there is no representation to test")
        self._images: dict[Element, np.ndarray] = {}

    def image(self, element: Element) -> np.ndarray:
        """f(g·x)."""
        if element not in self._images:
            self._images[element] = self.f(self.group.act(element, self.rows))
        return self._images[element]

    def idle(self, element: Element) -> np.ndarray:
        """f(g⁻¹·(g·x)), which is f(x) but for rounding and chance."""
        return self.f(self.group.act(element.inverse, self.group.act(element, self.rows)))


def _equivariance(bench: _Bench, drawn: dict[str, list[Element]]) -> Score:
    parts, floors = {}, []
    for name, listed in drawn.items():
        off = [_length(bench.image(g) - bench.act(g, bench.z)) for g in listed]
        parts[name] = float(np.mean(off)) / bench.size
        floors.append(float(np.mean([_length(bench.idle(g) - bench.z) for g in listed])) / bench.size)
    return Score(max(parts.values()), max(floors), parts)


def _product(
    bench: _Bench, singles: list[list[Element]], blocks: tuple[tuple[int, ...], ...], names: list[str]
) -> tuple[Score, dict[str, float]]:
    parts, moved, floors = {}, {}, [0.0]
    width = bench.z.shape[1]
    for name, listed, block in zip(names, singles, blocks, strict=True):
        rest = [k for k in range(width) if k not in block]
        changes = np.stack([bench.image(g) - bench.z for g in listed])
        own = _rms(changes[..., block])
        moved[name] = own / bench.size
        if not rest:
            continue
        parts[f"others moved by {name}"] = _ratio(_rms(changes[..., rest]), own)
        floors.append(_ratio(_rms(np.stack([(bench.idle(g) - bench.z)[:, rest] for g in listed])), own))
        # the same block beside the other coordinates of another point: the action may not notice
        mixed = bench.z[bench.other].copy()
        mixed[:, block] = bench.z[:, block]
        seen = [(bench.act(g, mixed) - bench.act(g, bench.z))[:, block] for g in listed]
        parts[f"{name} depends on others"] = _ratio(_rms(np.stack(seen)), own)
    if not parts:
        parts = {"nothing else to move": 0.0}
    return Score(max(parts.values()), max(floors), parts), moved


def _law(bench: _Bench, singles: list[list[Element]], names: list[str]) -> Score:
    z, act, size = bench.z, bench.act, bench.size
    parts, floors = {"identity": _length(act(Element(), z) - z) / size}, []
    for name, listed in zip(names, singles, strict=True):
        pairs = list(zip(listed, np.roll(np.arange(len(listed)), -1), strict=True))
        off, floor = [], []
        for g, k in pairs:
            h = listed[k]
            off.append(_length(act(g, act(h, z)) - act(g @ h, z)))
            moved = bench.group.act(g, bench.group.act(h, bench.rows))
            floor.append(_length(bench.f(moved) - bench.image(g @ h)))
        parts[f"products in {name}"] = float(np.mean(off)) / size
        floors.append(float(np.mean(floor)) / size)
    for a, b in ((a, b) for a, b in permutations(range(len(names)), 2) if a < b):
        off, floor = [], []
        for g, h in zip(singles[a], singles[b], strict=True):
            off.append(_length(act(g, act(h, z)) - act(h, act(g, z))))
            floor.append(_length(bench.image(g @ h) - bench.image(h @ g)))
        parts[f"{names[a]} and {names[b]} commute"] = float(np.mean(off)) / size
        floors.append(float(np.mean(floor)) / size)
    return Score(max(parts.values()), max(floors), parts)


def _linear(
    bench: _Bench,
    fitted: FittedAction,
    singles: list[list[Element]],
    blocks: tuple[tuple[int, ...], ...],
    names: list[str],
) -> tuple[Score, dict[str, float], dict[str, float]]:
    parts, r_squared, energies, floors = {}, {}, {}, [0.0]
    variance = float(np.square(bench.z - bench.z.mean(0)).sum())
    weights = np.square(bench.z).mean(0)
    if fitted.affine:
        weights = np.append(weights, 1.0)
    for name, listed, block in zip(names, singles, blocks, strict=True):
        inside = np.zeros((bench.z.shape[1], len(weights)), dtype=bool)
        # what is added to a block by a constant is of the block too
        inside[np.ix_(block, [*block, *range(bench.z.shape[1], len(weights))])] = True
        left, total, off, idle = [], [], [], []
        for g in listed:
            image = bench.image(g)
            left.append(float(np.square(image - fitted(g, bench.z)).sum()))
            total.append(float(np.square(image - image.mean(0)).sum()))
            entries = np.square(fitted.matrix(g)) * weights
            off.append((entries[~inside].sum(), entries.sum()))
            idle.append(float(np.square(bench.idle(g) - bench.z).sum()))
        unexplained = float(np.mean(np.divide(left, total)))
        r_squared[name] = 1 - unexplained
        energies[name] = _ratio(*np.sum(off, 0))
        parts[f"residual of {name}"] = unexplained**0.5
        parts[f"off the block of {name}"] = energies[name] ** 0.5
        floors.append(float(np.mean(idle) / variance) ** 0.5)
    return Score(max(parts.values()), max(floors), parts), r_squared, energies


# -- arguments -----------------------------------------------------------------------------------------------


def _action(
    action: str | Action,
    inverse: Rows | None,
    f: Rows,
    group: ProductGroup,
    fitted: FittedAction,
    frame: np.ndarray,
    x: np.ndarray,
) -> tuple[str, Action]:
    """Return the name of the action on frame · z, and the action."""
    if inverse is not None:
        if not isinstance(action, str) or action != "fitted":
            raise ParameterError("either an action is given, or an inverse that induces one")
        back = inverse
        return "induced", in_frame(induced(f, lambda z: as_rows("the inverse of f", back(z)), group), frame)
    if not (callable(action) or isinstance(action, str)):
        raise ParameterError(f"action is 'fitted', 'same' or a callable, not {shown(action)}")
    if action == "fitted":
        return "fitted", fitted
    if action == "same":
        if x.shape[1:] != (len(frame),):
            raise ShapeError(f"Z of {len(frame)} coordinates cannot be moved as data of shape {x.shape} are")
        return "same", in_frame(group.act, frame)
    if not callable(action):
        raise ParameterError(f"action is 'fitted', 'same' or a callable, not {shown(action)}")
    given = action

    def moved(element: Element, z: np.ndarray) -> np.ndarray:
        found = as_rows("g·z", given(element, z))
        if found.shape != z.shape:
            raise ShapeError(f"the action turns rows of shape {z.shape} into {found.shape}")
        return found

    return "given", in_frame(moved, frame)


def _names(group: ProductGroup) -> list[str]:
    names = [factor.name for factor in group.factors]
    return [name if names.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names)]


# -- lengths -------------------------------------------------------------------------------------------------


def _length(rows: np.ndarray) -> float:
    return float(np.linalg.norm(rows, axis=-1).mean())


def _rms(rows: np.ndarray) -> float:
    return float(np.sqrt(np.square(rows).sum(-1).mean()))


def _ratio(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return float(part / whole) if whole > 0 else float("inf")
