"""What the four tests found, in numbers beside their noise floors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hamsym.arguments import real

TESTS = {
    "equivariance": "T1 equivariance",
    "product": "T2 product action",
    "law": "T3 group law",
    "linear": "T4 linear action",
}


@dataclass(frozen=True)
class Score:
    """The number of one test: 0 where the definition holds.

    Attributes:
        value: the worst of the parts.
        noise_floor: the same number with every g replaced by g⁻¹g, which is the identity but for rounding (and for
            what a random representation varies by); for the group law, that law on the data themselves.  Nothing
            below it is resolved.
        parts: what the value is the worst of, by name.

    Example:
        >>> Score(0.5, 1e-16, {"first factor": 0.5, "second factor": 0.1}).value
        0.5
    """

    value: float
    noise_floor: float
    parts: Mapping[str, float]


@dataclass(frozen=True)
class DisentanglementReport:
    """How far a representation Z is from a disentangled one, test by test; all numbers are relative, without units.

    Attributes:
        equivariance: T1, mean |f(g·x) − g·f(x)| over mean |f(x) − f(x′)|, for g of each factor and of the whole group.
        product: T2, root mean square change of the other coordinates over that of the block of the factor whose g acts;
            and how much the action on a block depends on the other coordinates.
        law: T3, |g·(g′·z) − (gg′)·z|, |e·z − z| and |g·(h·z) − h·(g·z)| for g and h of different factors, means over
            mean |z − z′|.
        linear: T4, of linear maps ρ(g) fitted by least squares: √(1 − R²) on points that were held out, and the root of
            the off-block energy.
        r_squared: R² of these maps, by factor; the mean over elements.
        off_block_energy: share of the energy of ρ(g) − 1 outside the block of its factor, by factor; entries count by
            the mean square of the coordinate that they multiply.
        moved: root mean square change of the block of each factor over the size of Z: 0 for what is not represented.
        action: which action on Z was tested: "fitted", "same", "induced" or "given".
        blocks: coordinates of each factor.
        proofs: status of {g, h} = 0 for generators of different factors.
        points, elements: how many were measured.

    Example:
        >>> import numpy as np
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> from learn.disentanglement import ProductGroup, measure
        >>> space = PhaseSpace.standard(4)
        >>> group = ProductGroup.of(angular_momentum(space, 0, 1), angular_momentum(space, 2, 3))
        >>> x = np.random.default_rng(0).normal(size=(64, 4))
        >>> report = measure(lambda x: 3 * x, group, x, blocks=[(0, 1), (2, 3)])
        >>> report.passes(1e-12), measure(lambda x: x[:, [0, 2, 1, 3]], group, x, blocks=[(0, 1), (2, 3)]).failing(1e-12)
        (True, ('product', 'linear'))
    """

    equivariance: Score
    product: Score
    law: Score
    linear: Score
    r_squared: Mapping[str, float]
    off_block_energy: Mapping[str, float]
    moved: Mapping[str, float]
    action: str
    blocks: tuple[tuple[int, ...], ...]
    proofs: tuple[str, ...]
    points: int
    elements: int

    def passes(self, tolerance: float) -> bool:
        """Return whether all four values are at most the tolerance, and every factor is represented at all.

        A representation that forgets a factor passes every test about it, so each factor must move its block by
        more than the tolerance.

        Arguments:
            tolerance: a positive number; a sensible one lies above the noise floors.

        Raises:
            ParameterError: if it is not.
        """
        return not self.failing(tolerance)

    def failing(self, tolerance: float) -> tuple[str, ...]:
        """Return the names of the tests that fail at a tolerance; "moved" where a factor is not represented.

        Raises:
            ParameterError: if the tolerance is no positive number.
        """
        tolerance = real("tolerance", tolerance, above=0)
        failed = [name for name in TESTS if not getattr(self, name).value <= tolerance]
        if not min(self.moved.values()) > tolerance:
            failed.append("moved")
        return tuple(failed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        lines = [
            f"DisentanglementReport, {self.action} action, {self.points} points, {self.elements} elements"
        ]
        for name, title in TESTS.items():
            score = getattr(self, name)
            worst = max(score.parts, key=lambda part: score.parts[part])
            lines.append(
                f"  {title:<18}{score.value:9.2e}  (noise floor {score.noise_floor:.1e}; worst: {worst})"
            )
        for name, moved in self.moved.items():
            lines.append(
                f"  ⟨{name}⟩ moves its block by {moved:.2g}; R² {self.r_squared[name]:.6f}, "
                f"off-block energy {self.off_block_energy[name]:.2g}"
            )
        return "\n".join(lines)
