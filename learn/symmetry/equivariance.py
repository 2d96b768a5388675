"""Public measures of symmetry: brackets on states, and invariance of the density beside its noise floor."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from hamsym.symbolic.symmetry.generator import Generator
from learn.arguments import seed_number
from learn.flow.density import HamiltonianFlow
from learn.flow.quadrature import quadrature_log_prob, sobol_log_prob
from learn.points import OVERFLOW, as_points, require_finite
from learn.symmetry.generators import BracketResidual, as_generators, measure_brackets

METHODS = ("importance", "quadrature")


@dataclass(frozen=True)
class BracketResiduals:
    """Bracket residuals of several generators; the numbers are those of the worst.

    Attributes:
        records: one :class:`learn.symmetry.generators.BracketResidual` per generator.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
        >>> measured = bracket_residual(flow, ["q1*p2 - q2*p1", "p1"], *flow.sample_base(100))
        >>> measured.rms == max(record.rms for record in measured.records) == float(measured)
        True
    """

    records: tuple[BracketResidual, ...]

    @property
    def worst(self) -> BracketResidual:
        """The record with the largest rms."""
        return max(self.records, key=lambda r: r.rms)

    @property
    def mean_square(self) -> float:
        """Largest mean of {g, H}²."""
        return self.worst.mean_square

    @property
    def rms(self) -> float:
        """Largest root mean square of {g, H}."""
        return self.worst.rms

    @property
    def relative(self) -> float:
        """Largest residual relative to the size of the gradients, which no rescaling of H changes."""
        return max(r.relative for r in self.records)

    def __float__(self) -> float:
        return self.rms

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"rms": self.rms, "relative": self.relative, "records": [r.to_dict() for r in self.records]}


def bracket_residual(flow: HamiltonianFlow, generators: Any, q: Any, p: Any) -> BracketResiduals:
    """Return how far the Hamiltonians of a flow are from {g, H} = 0 on given states.

    Arguments:
        flow: its chain is averaged over.
        generators: hamsym generators, or formulas in q1…qn, p1…pn.
        q, p: states of shape (batch, dim).

    Returns:
        One record per generator, and the numbers of the worst.

    Raises:
        ShapeError: if the states have another shape, or there are none.
        NonFiniteError: if a state or its bracket is not finite.
        SymmetryError: if no generator is named, or one lives on another number of coordinates.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
        >>> bracket_residual(flow, flow.generators, *flow.sample_base(100)).relative < 1e-5
        True
    """
    q, p = (require_finite(as_points(x, flow.dim, flow.unit), name) for x, name in ((q, "q"), (p, "p")))
    if q.shape != p.shape or not len(q):
        raise ShapeError(
            f"q and p must have the same shape (batch, {flow.dim}), not {(*q.shape,)} and {(*p.shape,)}"
        )
    return BracketResiduals(tuple(measure_brackets(flow.chain, _at_least_one(generators, flow.dim), q, p)))


@dataclass(frozen=True)
class OrbitVariation:
    """How much log p(q) varies along the orbit of one generator.

    Attributes:
        generator: the formula of g.
        value: root mean square over points of the standard deviation of log p over group elements, in nats.
        noise_floor: the same number with every group element replaced by the identity and fresh noise for each; what
            the estimator itself varies by.  Nothing below it is resolved.
        spread: largest difference of log p over group elements, over all points.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, symmetry="exact", generators="q1*p2 - q2*p1", seed=0)
        >>> (record,) = density_invariance(flow, flow.generators, [[1.0, 0.5]]).records
        >>> record.generator, record.value < record.noise_floor
        ('-p1*q2 + p2*q1', True)
    """

    generator: str
    value: float
    noise_floor: float
    spread: float


@dataclass(frozen=True)
class DensityInvariance:
    """Variation of log p(q) along orbits; unpacks as ``value, noise_floor``, those of the worst generator.

    Attributes:
        records: one :class:`OrbitVariation` per generator.
        points: number of points.
        elements: number of group elements.
        method: "quadrature" or "importance".

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
        >>> measured = density_invariance(flow, ["q1*p2 - q2*p1"], [[1.0, 0.5]])
        >>> value, noise_floor = measured
        >>> value == measured.worst.value, measured.to_dict()["points"]
        (True, 1)
    """

    records: tuple[OrbitVariation, ...]
    points: int
    elements: int
    method: str

    @property
    def worst(self) -> OrbitVariation:
        """The record with the largest value."""
        return max(self.records, key=lambda r: r.value)

    @property
    def value(self) -> float:
        """Largest variation, in nats."""
        return self.worst.value

    @property
    def noise_floor(self) -> float:
        """Noise floor of the record with the largest variation, in nats."""
        return self.worst.noise_floor

    @property
    def spread(self) -> float:
        """Largest difference of log p over any orbit, in nats."""
        return max(r.spread for r in self.records)

    def __iter__(self) -> Iterator[float]:
        yield self.value
        yield self.noise_floor

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        summary = {"value": self.value, "noise_floor": self.noise_floor, "spread": self.spread}
        return summary | asdict(self)


def density_invariance(
    flow: HamiltonianFlow,
    generators: Any,
    q: Any,
    *,
    elements: int = 8,
    method: str = "importance",
    samples: int = 2048,
    seed: int = 0,
    extent: float = 2 * math.pi,
) -> DensityInvariance:
    """Return how invariant the density of a flow is under finite group elements, with the noise floor beside it.

    Everything is computed in float64.  log p(q) = log ∫ p(q, p) dp is estimated on scrambled Sobol points (or a
    shifted grid); Sobol points in place of independent ones lower the error of importance sampling several times at
    the same cost (Owen, Annals of Statistics 25, 1997).

    The elements of one generator share their noise, turned along with the point where the element is a rotation
    (common random numbers: Glasserman, Yao, Management Science 38, 1992).  An isotropic Gaussian does not notice a
    rotation, so each single estimate has the law that it has with noise of its own, and the floor, the standard
    deviation over as many independent seeds, says how far it may be off.  Sharing only correlates these errors, so
    that they cancel from differences: what is left of an exactly invariant flow is rounding, and a flow that is not
    invariant reads what it would read with less noise.  Variation below the floor is not resolved all the same,
    because errors that depend on the element in the right way could hide it.

    Arguments:
        flow: the density.
        generators: hamsym generators, or formulas; each must act linearly and on coordinates alone.
        q: points of shape (batch, dim).
        elements: number of group elements, spread evenly over one turn, with a random first one for each generator.
        method: "importance" sampling from the encoder, or "quadrature" over p in one or two dimensions.
        samples: K of the importance sampling; a power of two serves Sobol points best.
        seed: of noise, grid shifts and first elements.
        extent: largest group parameter; 2π is one turn.

    Returns:
        One record per generator; unpacks as ``value, noise_floor`` of the worst.

    Raises:
        SymmetryError: if a generator mixes coordinates with momenta or does not act linearly.
        ParameterError: for settings out of range, and quadrature in more than two dimensions.
        ShapeError: if the points have another shape, or there are none.
        NonFiniteError: if a point or its density is not finite.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, symmetry="exact", generators="q1*p2 - q2*p1", seed=0)
        >>> value, noise_floor = density_invariance(flow, flow.generators, [[1.0, 0.5]], elements=3)
        >>> value < 1e-12 < noise_floor
        True
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ParameterError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    if method == "quadrature" and flow.dim > 2:
        raise ParameterError("quadrature over p is for one or two dimensions; use method='importance'")
    elements = integer("elements", elements, minimum=2, maximum=10**6)
    samples = integer("samples", samples, minimum=2, maximum=2**24)
    extent, seed = real("extent", extent, above=-math.inf), seed_number(seed)
    exact = copy.deepcopy(flow).double()
    q = require_finite(as_points(q, flow.dim, exact.unit), "q")
    if not len(q):
        raise ShapeError("q holds no points")
    random = torch.Generator().manual_seed(seed)

    def log_p(points: Tensor, noise_seed: int, turn: Tensor | None = None) -> Tensor:
        if method == "quadrature":
            values = quadrature_log_prob(exact, points, shift_seed=noise_seed, turn=turn)
        else:
            values = sobol_log_prob(exact, points, samples, noise_seed, turn)
        return require_finite(values, "log p(q)", OVERFLOW)

    measured = []
    for g in _at_least_one(generators, flow.dim):
        first = float(torch.rand((), generator=random, dtype=torch.float64))
        moves = [_point_map(g, extent * (k + first) / elements, exact.unit) for k in range(elements)]
        shared = _draw(random)
        moved = torch.stack([log_p(q @ m.T + b, shared, _rotation(m)) for m, b in moves])
        still = torch.stack([log_p(q, _draw(random)) for _ in moves])
        measured.append(
            OrbitVariation(
                generator=g.text,
                value=float(moved.std(0).square().mean().sqrt()),
                noise_floor=float(still.std(0).square().mean().sqrt()),
                spread=float((moved.amax(0) - moved.amin(0)).max()),
            )
        )
    return DensityInvariance(tuple(measured), points=len(q), elements=elements, method=method)


def _at_least_one(generators: Any, dim: int) -> tuple[Generator, ...]:
    listed = as_generators(generators, dim)
    if not listed:
        raise SymmetryError("name at least one generator to measure, for example 'q1*p2 - q2*p1'")
    return listed


def _point_map(g: Generator, parameter: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The finite action on coordinates, q → M q + b."""
    if not g.is_point_action:
        raise SymmetryError(
            f"g = {g.text} moves coordinates by momenta, so it does not act on the density of q"
        )
    n = len(g.space.coordinates)
    matrix, offset = g.flow("eps_").arrays({"eps_": parameter})
    return torch.as_tensor(matrix[:n, :n]).to(like), torch.as_tensor(offset[:n]).to(like)


def _rotation(matrix: Tensor) -> Tensor | None:
    """The matrix if it is orthogonal: then noise may be turned by it without changing its law."""
    one = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    return matrix if torch.allclose(matrix @ matrix.T, one, rtol=0, atol=1e-12) else None


def _draw(random: torch.Generator) -> int:
    return int(torch.randint(1 << 62, (), generator=random))
