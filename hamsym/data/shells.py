"""States on one energy surface of H = K(p) + U(q) with a quadratic K.

The measure is the microcanonical one, δ(H − E) dq dp: what a long ergodic trajectory of that energy visits.  For d degrees
of freedom it gives q the density (E − U(q))^(d/2 − 1) where U < E, and then p the direction u/|u| of a normal vector u in
the metric of K, with the length that K(p) = E − U(q) leaves (Ray, Physical Review A 44 (1991)
4061).  q is drawn in a box by rejection, so it is this density on the part of the surface above the box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hamsym.errors import ParameterError
from hamsym.numeric.masses import Masses, kinetic_form
from hamsym.numeric.values import value_function
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Points that are drawn in the box before the surface counts as not found.
_TRIES = 1_000_000
_BATCH = 64
#: Cells in which turning points of one degree of freedom are looked for, and points at which its density is.
_CELLS, _ANGLES = 4096, 1025

Potential = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Shell:
    """The energy surfaces of a Hamiltonian at given parameters.

    Attributes:
        potential: U of an array of shape ``(…, dof)``.
        masses: those of K = pᵀ M⁻¹ p/2.

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("p1**2/2 + p2**2 + q1**2 + q2**2", PhaseSpace.standard(2))
        >>> q, p = Shell.of(H, {}).draw(3.0, np.array([[-2.0, 2.0]] * 2), np.random.default_rng(0))
        >>> bool(abs(p[0] ** 2 / 2 + p[1] ** 2 + q @ q - 3) < 1e-14)
        True
    """

    potential: Potential
    masses: Masses
    _prepared: dict[tuple[float, bytes], Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, H: Hamiltonian, parameters: Mapping[str, float]) -> Shell:
        """Return the surfaces of H.

        Raises:
            NotSeparableError: if H is not K(p) + U(q).
            ParameterError: if K is no positive quadratic form.
        """
        U = value_function(H.written_potential, H.space)
        form = kinetic_form(H, parameters)
        try:
            if form is None or form[1].any():
                raise np.linalg.LinAlgError
            masses = Masses.of(form[0])
        except np.linalg.LinAlgError:
            raise ParameterError(
                "initial: an energy shell needs a kinetic energy that is a positive quadratic form in the momenta, "
                f"which {shorten(to_text(H.written_kinetic))} is not; give distributions of the variables instead"
            ) from None
        return cls(lambda q: U(q, np.zeros_like(q), parameters), masses)

    def momentum(self, rng: np.random.Generator, dof: int, kinetic: float) -> np.ndarray:
        """Return p with K(p) = ``kinetic`` in a random direction, uniform in the metric of K, shape ``(dof,)``."""
        return self.scaled(self.masses.momenta(rng.standard_normal(dof)), kinetic)

    def scaled(self, p: np.ndarray, kinetic: float) -> np.ndarray:
        """Return a multiple of p, shape ``(dof,)``, that has the kinetic energy ``kinetic``."""
        return p * math.sqrt(2 * kinetic / float(p @ self.masses.velocities(p)))

    def draw(self, energy: float, box: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return one state of the microcanonical measure.

        Arguments:
            energy: E.
            box: low and high of each coordinate, shape ``(dof, 2)``.
            rng: random numbers.

        Returns:
            q and p, shape ``(dof,)``.

        Raises:
            ParameterError: if no point of the box with U < E is found, or the density has no bound there.
        """
        on_line = len(box) == 1
        key = (energy if on_line else 0.0, box.tobytes())
        if key not in self._prepared:
            self._prepared.clear()
            made = _Line.of(self.potential, energy, box) if on_line else _Volume.of(self.potential, box)
            self._prepared[key] = made
        q = self._prepared[key].draw(energy, rng)
        return q, self.momentum(rng, len(q), energy - float(self.potential(q)))


@dataclass(frozen=True)
class _Volume:
    """The density (E − U)^(d/2 − 1) of d > 1 coordinates in a box, and the lowest U there."""

    potential: Potential
    box: np.ndarray
    lowest: float

    @classmethod
    def of(cls, potential: Potential, box: np.ndarray) -> _Volume:
        # for two degrees of freedom the density is constant, and U may have a pole
        return cls(potential, box, _lowest(potential, box) if len(box) > 2 else -math.inf)

    def draw(self, energy: float, rng: np.random.Generator) -> np.ndarray:
        power, bound = len(self.box) / 2 - 1, 1.01 * (energy - self.lowest)
        for _ in range(_TRIES // _BATCH):
            q = rng.uniform(self.box[:, 0], self.box[:, 1], (_BATCH, len(self.box)))
            kinetic, level = energy - self.potential(q), rng.random(_BATCH)
            if (kinetic > bound).any():
                raise _unbounded(energy)
            inside = kinetic > 0  # false for NaN
            if power:
                inside[inside] = (kinetic[inside] / bound) ** power > level[inside]
            if inside.any():
                return q[np.argmax(inside)]
        raise _not_found(energy)


@dataclass(frozen=True)
class _Line:
    """The density (E − U)^(−1/2) of one coordinate x: as x = m + h sin θ between turning points m ± h, that of θ is bounded."""

    potential: Potential
    middle: np.ndarray
    half: np.ndarray
    bound: float

    @classmethod
    def of(cls, potential: Potential, energy: float, box: np.ndarray) -> _Line:
        x = np.linspace(box[0, 0], box[0, 1], _CELLS + 1)
        inside = potential(x[:, None]) < energy
        if not inside.any():
            raise _not_found(energy)
        change = np.flatnonzero(inside[1:] != inside[:-1])
        turning = _bisect(potential, energy, x[change], x[change + 1], inside[change])
        ends = np.concatenate([x[:1][inside[:1]], turning, x[-1:][inside[-1:]]]).reshape(-1, 2)
        line = cls(potential, ends.mean(axis=1), (ends[:, 1] - ends[:, 0]) / 2, math.inf)
        angles = np.linspace(-math.pi / 2, math.pi / 2, _ANGLES)[1:-1]
        densities = line.density(energy, np.arange(len(ends))[:, None], angles[None, :])[1]
        return replace(line, bound=1.1 * float(densities.max()))

    def density(self, energy: float, well: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x, and the density of θ times a constant."""
        x = self.middle[well] + self.half[well] * np.sin(angle)
        kinetic = energy - self.potential(x[..., None])
        allowed = kinetic > 0
        return x, np.where(
            allowed, self.half[well] * np.cos(angle) / np.sqrt(np.where(allowed, kinetic, 1)), 0
        )

    def draw(self, energy: float, rng: np.random.Generator) -> np.ndarray:
        for _ in range(_TRIES // _BATCH):
            angle = rng.uniform(-math.pi / 2, math.pi / 2, _BATCH)
            x, density = self.density(energy, rng.integers(len(self.half), size=_BATCH), angle)
            kept = rng.random(_BATCH) * self.bound < density
            if (density > self.bound).any():
                raise _unbounded(energy)
            if kept.any():
                return x[np.argmax(kept)][None]
        raise _not_found(energy)


def _bisect(U: Potential, energy: float, a: np.ndarray, b: np.ndarray, a_is_inside: np.ndarray) -> np.ndarray:
    """Return where U = E between a and b, on the inner side."""
    inner, outer = np.where(a_is_inside, a, b), np.where(a_is_inside, b, a)
    for _ in range(60):
        middle = (inner + outer) / 2
        is_inside = U(middle[:, None]) < energy
        inner, outer = np.where(is_inside, middle, inner), np.where(is_inside, outer, middle)
    return inner


def _lowest(U: Potential, box: np.ndarray) -> float:
    """Return about the lowest value of U in a box, by a search that shrinks around the best points found."""
    rng = np.random.default_rng(0)
    points = rng.uniform(box[:, 0], box[:, 1], (8192, len(box)))
    width = box[:, 1] - box[:, 0]
    for _ in range(40):
        values = np.nan_to_num(U(points), nan=np.inf)
        best = points[np.argsort(values, kind="stable")[:16]]
        width = width * 0.7
        moves = rng.uniform(-0.5, 0.5, (32, 16, len(box))) * width
        points = np.concatenate([best, np.clip(best + moves, box[:, 0], box[:, 1]).reshape(-1, len(box))])
    return float(np.nanmin(U(points)))


def _not_found(energy: float) -> ParameterError:
    return ParameterError(
        f"initial: no point of the box with a potential below the energy {energy:g} was found; raise the energy, or take a "
        "box that fits the surface"
    )


def _unbounded(energy: float) -> ParameterError:
    return ParameterError(
        f"initial: the density of the surface of energy {energy:g} has no bound in the box: a deep well or a barrier of just "
        "this height; change the energy or the box"
    )
