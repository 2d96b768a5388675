"""Two-dimensional densities with everything known about them, each as a Hamiltonian.

A target is a mixture: ``p(q) = Σ_k c_k exp(-a_k(q))``.  The formula ``U = -log p`` goes to the proofs and to
the compiled kernels; the closed forms in numpy beside it give the likelihood, the entropy and independent
samples without touching that formula, so each can be used to test the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from hamsym.arguments import integer, real
from hamsym.data.bumps import Arc, Component, Gaussian, Number, PinwheelArm, Ring, Square, Wave
from hamsym.data.catalogue import Catalogue
from hamsym.errors import ParameterError
from hamsym.numeric.arguments import points
from hamsym.symbolic.phase_space import PhaseSpace

if TYPE_CHECKING:
    from hamsym.symbolic.hamiltonian import Hamiltonian

#: Digits kept of a normaliser that has no closed form in the language of formulas (it involves erf).
_DIGITS = 20


class Target:
    """A normalised density of the plane, as a formula and in closed form.

    Arguments:
        name: its name in the catalogue.
        components: the bumps.
        masses: probability of each bump, exact numbers up to a common factor; None keeps the bumps' own
            integrals as masses.
        entropy: if it is known exactly, where quadrature does not serve.

    Attributes:
        name: str.
        components: tuple of bumps.
        masses: exact probability of each bump, shape ``(k,)``; the mean of :meth:`responsibilities`.

    Example:
        >>> rings = targets["paper_rings"]
        >>> rings.masses
        array([0.5, 0.5])
        >>> rings.sample(3, seed=1).shape, round(rings.entropy, 4)
        ((3, 2), 4.0613)
    """

    def __init__(
        self,
        name: str,
        components: Sequence[Component],
        masses: Sequence[str] | None = None,
        entropy: sp.Expr | None = None,
    ) -> None:
        self.name, self.components, self._entropy = name, tuple(components), entropy
        integrals = [c.integral for c in self.components]
        weights = integrals if masses is None else [sp.Rational(m) for m in masses]
        total = sp.Add(*weights)
        self.masses = np.array([float((w / total).evalf(30)) for w in weights])
        heights = [w / (total * z) for w, z in zip(weights, integrals, strict=True)]
        self._log_heights = np.array([float(sp.log(h).evalf(30)) for h in heights])
        self._constant = _in_language(1 / heights[0])
        self._amplitudes = [_in_language(h / heights[0]) for h in heights]

    @cached_property
    def potential(self) -> sp.Expr:
        """U = -log p(q), an expression in q1 and q2; ring normalisers, which involve erf, to 20 digits."""
        bumps = zip(self._amplitudes, self.components, strict=True)
        return sp.log(self._constant) - sp.log(sp.Add(*(a * sp.exp(-c.formula) for a, c in bumps)))

    @cached_property
    def hamiltonian(self) -> Hamiltonian:
        """H = |p|²/2 + U(q) on the space q1, q2, p1, p2."""
        from hamsym.symbolic.hamiltonian import Hamiltonian

        space = PhaseSpace.standard(2)
        p1, p2 = space.momenta
        return Hamiltonian((p1**2 + p2**2) / 2 + self.potential, space)

    def component_log_prob(self, q: ArrayLike) -> np.ndarray:
        """Return log(mass_k p_k(q)), the share of each component in the density, in nats.

        Arguments:
            q: points, shape ``(..., 2)``, finite.

        Returns:
            float64 array of shape ``(..., k)``; the log-sum-exp over its last axis is :meth:`log_prob`.

        Raises:
            ShapeError, NonFiniteError: for bad points.

        Example:
            >>> rings = targets["paper_rings"]
            >>> parts = rings.component_log_prob([[2.0, 0.0], [5.1, 0.0]])
            >>> parts.argmax(-1), bool(np.allclose(np.exp(parts).sum(-1), np.exp(rings.log_prob([[2, 0], [5.1, 0]]))))
            (array([0, 1]), True)
        """
        q = points("q", q, 2)
        bumps = zip(self._log_heights, self.components, strict=True)
        return np.stack([h - c.energy(q) for h, c in bumps], axis=-1)

    def log_prob(self, q: ArrayLike) -> np.ndarray:
        """Return the logarithm of the density in nats.

        Arguments:
            q: points, shape ``(..., 2)``, finite.

        Returns:
            float64 array of shape ``(...)``.

        Raises:
            ShapeError, NonFiniteError: for bad points.

        Example:
            >>> float(targets["paper_blobs"].log_prob([50.0, 0.0]).round(3))
            -4032.223
        """
        parts = self.component_log_prob(q)
        largest = parts.max(-1)
        largest = np.where(np.isfinite(largest), largest, 0.0)  # -inf where there is no density
        with np.errstate(divide="ignore"):
            return largest + np.log(np.exp(parts - largest[..., None]).sum(-1))

    def responsibilities(self, q: ArrayLike) -> np.ndarray:
        """Return the probability that q came from each component.

        Its expectation under the density is exactly ``masses``, also where components overlap; so the mean
        over samples is the unbiased estimate of the shares.

        Arguments:
            q: points, shape ``(..., 2)``, finite.

        Returns:
            float64 array of shape ``(..., k)`` whose last axis sums to 1; NaN where there is no density.

        Raises:
            ShapeError, NonFiniteError: for bad points.

        Source: Bishop, Pattern Recognition and Machine Learning, equation 9.13.

        Example:
            >>> targets["paper_rings"].responsibilities([5.1, 0.0]).round(6)
            array([0., 1.])
        """
        parts = self.component_log_prob(q)
        with np.errstate(invalid="ignore"):
            parts = np.exp(parts - parts.max(-1, keepdims=True))
        return parts / parts.sum(-1, keepdims=True)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw independent points directly (no Markov chain).

        Arguments:
            n: how many.
            seed: seed of numpy's default generator.

        Returns:
            float64 array of shape ``(n, 2)`` in random order.

        Raises:
            ParameterError: if n is no positive or seed no natural number.

        Example:
            >>> q = targets["ring"].sample(1000, seed=1)
            >>> q.shape, bool(abs(np.hypot(*q.T).mean() - 2) < 0.05)
            ((1000, 2), True)
        """
        n = integer("n", n, minimum=1)
        rng = np.random.default_rng(integer("seed", seed))
        which = rng.choice(len(self.masses), n, p=self.masses)
        q = np.empty((n, 2))
        for k, component in enumerate(self.components):
            q[which == k] = component.sample(int((which == k).sum()), rng)
        return q

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(x_min, x_max, y_min, y_max) that holds all but 1e-16 of the mass."""
        low_x, high_x, low_y, high_y = zip(*(c.box() for c in self.components), strict=True)
        return min(low_x), max(high_x), min(low_y), max(high_y)

    @cached_property
    def entropy(self) -> float:
        """Differential entropy -∫ p log p in nats, by quadrature to 1e-7 or exact.

        The trapezoidal rule converges exponentially for these smooth, rapidly decaying integrands (Trefethen
        and Weideman, SIAM Review 56, 2014); the grid is halved until the value stands.  Radial densities need
        one dimension only.
        """
        if self._entropy is not None:
            return float(self._entropy)
        radial = all(c.radial for c in self.components)
        integrand = self._radial_integrand if radial else self._plane_integrand
        old, n = math.inf, 128
        while True:
            value, mass = integrand(n)
            if abs(value - old) < 1e-8 and abs(mass - 1) < 1e-8:
                return value
            if n >= 8192:
                raise ParameterError(f"the entropy of {self.name!r} does not settle; is a bump too narrow?")
            old, n = value, 2 * n

    def _radial_integrand(self, n: int) -> tuple[float, float]:
        # r p(r) log p(r) does not vanish to all orders at 0, so Gauss-Legendre replaces the trapezoidal rule.
        nodes, weights = np.polynomial.legendre.leggauss(n)
        edge = self.box[1]
        r, w = edge * (nodes + 1) / 2, weights * edge / 2
        log_p = self.log_prob(np.stack([r, np.zeros_like(r)], axis=-1))
        density = 2 * math.pi * r * np.exp(log_p) * w
        return float(-(density * log_p).sum()), float(density.sum())

    def _plane_integrand(self, n: int) -> tuple[float, float]:
        x0, x1, y0, y1 = self.box
        x, y = np.linspace(x0, x1, n), np.linspace(y0, y1, n)
        entropy = mass = 0.0
        for row in y:  # one row at a time: memory stays small on the finest grids
            log_p = self.log_prob(np.stack([x, np.full(n, row)], axis=-1))
            p = np.exp(log_p)
            entropy, mass = entropy - float((p * log_p).sum()), mass + float(p.sum())
        cell = (x[1] - x[0]) * (y[1] - y[0])
        return entropy * cell, mass * cell

    def plot(self, ax: Any = None, *, extent: float | None = None, pixels: int = 200) -> Any:
        """Draw the density as an image and return the matplotlib axes.

        Arguments:
            ax: axes to draw on; a new figure without.
            extent: half-width of the square shown; without, what holds the mass.
            pixels: image width, at least 2.

        Returns:
            The axes.

        Raises:
            ParameterError: if pixels is below 2, or extent not positive.

        Example:
            >>> from matplotlib.figure import Figure
            >>> targets["ring"].plot(Figure().subplots(), extent=3, pixels=20).get_title()
            'ring'
        """
        from matplotlib import pyplot

        largest = max(abs(edge) for edge in self.box)
        half = 0.8 * largest if extent is None else real("extent", extent, above=0)
        axis = np.linspace(-half, half, integer("pixels", pixels, minimum=2))
        ax = ax if ax is not None else pyplot.subplots()[1]
        grid = np.stack(np.meshgrid(axis, axis), axis=-1)
        ax.imshow(np.exp(self.log_prob(grid)), origin="lower", extent=(-half, half, -half, half))
        ax.set(xlabel="$q_1$", ylabel="$q_2$", title=self.name.replace("_", " "), aspect="equal")
        return ax

    def __repr__(self) -> str:
        kinds = ", ".join(sorted({type(c).__name__ for c in self.components}))
        return f"<target {self.name}: {len(self.components)} component(s) of kind {kinds}>"


def ring_mixture(name: str, radii: Sequence[str], sd: str, masses: Sequence[str]) -> Target:
    """Return concentric rings with a common radial s.d.; numbers are exact, given as text."""
    return Target(name, [Ring(r, sd) for r in radii], masses)


def gaussian_mixture(
    name: str, centres: Sequence[tuple[Number, Number]], variances: Sequence[str], masses: Sequence[str]
) -> Target:
    """Return isotropic Gaussians; numbers are exact, given as text or sympy numbers."""
    bumps = [Gaussian(c, v) for c, v in zip(centres, variances, strict=True)]
    return Target(name, bumps, masses)


def _in_language(number: sp.Expr) -> sp.Expr:
    """Return the number itself if formulas can say it exactly, else a rational with 20 correct digits."""
    return sp.Rational(str(number.evalf(_DIGITS))) if number.has(sp.erf) else number


def _paper_blobs() -> Target:
    # Read off the paper's figure in units of the half-width of its panels, which is 6.
    figure = "-.20,.88 .39,.47 -.17,.29 -.61,.06 .36,-.05 -.17,-.35 .86,-.34 .22,-.63 -.67,-.69"
    pairs = [pair.split(",") for pair in figure.split()]
    centres = [(6 * sp.Rational(x), 6 * sp.Rational(y)) for x, y in pairs]
    return gaussian_mixture("paper_blobs", centres, ["1/4"] * 9, ["1"] * 9)


def _gaussians8() -> Target:
    angles = [sp.pi * k / 4 for k in range(8)]
    centres = [(2 * sp.sqrt(2) * sp.cos(a), 2 * sp.sqrt(2) * sp.sin(a)) for a in angles]
    return gaussian_mixture("gaussians8", centres, ["1/8"] * 8, ["1"] * 8)


def _gaussians4() -> Target:
    centres = [("-1.6", "-.6"), (".4", "1.7"), ("1.8", "-.4"), ("-.3", "-2.1")]
    variances = ["49/400", "1/4", "9/100", "81/400"]
    return gaussian_mixture("gaussians4", centres, variances, ["1", "2", "1", "3/2"])


def _asymmetric() -> Target:
    return Target("asymmetric", [Wave("3/2", "9/20", "2/5", "2"), Gaussian(("-3/2", "2"), "1/4", "1/2")])


def _moons() -> Target:
    # The arcs (cos t, sin t) and (1 - cos t, 1/2 - sin t), minus (1/2, 1/4), times 2, blurred by s.d. 1/5.
    return Target("moons", [Arc(("-1", "-1/2"), True, "1/5"), Arc(("1", "1/2"), False, "1/5")], ["1", "1"])


def _checkerboard() -> Target:
    corners = [(2 * i, 2 * j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0]
    squares = [Square((sp.Integer(x), sp.Integer(y)), "2") for x, y in corners]
    return Target("checkerboard", squares, entropy=sp.log(32))


_BUILDERS: dict[str, Callable[[], Target]] = {
    "paper_rings": partial(ring_mixture, "paper_rings", ["2", "5.1"], "0.35", ["1", "1"]),
    "paper_blobs": _paper_blobs,
    "ring": partial(ring_mixture, "ring", ["2"], "0.2", ["1"]),
    "two_rings": partial(ring_mixture, "two_rings", ["1", "2.5"], "0.15", ["1", "2"]),
    "gaussians8": _gaussians8,
    "gaussians4": _gaussians4,
    "pinwheel": lambda: Target("pinwheel", [PinwheelArm(k) for k in range(5)], ["1"] * 5),
    "moons": _moons,
    "checkerboard": _checkerboard,
    "asymmetric": _asymmetric,
}
#: The densities by name; the flows' paper (arXiv 1909.13739) shows ``paper_rings`` and ``paper_blobs``.
targets: Catalogue[Target] = Catalogue("target", _BUILDERS)
