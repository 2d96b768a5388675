"""The bumps of which the targets are made: each ``exp(-a(q))`` as formula, in numpy, and with a direct sampler."""

from __future__ import annotations

import math
from typing import Protocol, TypeAlias

import numpy as np
import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.phase_space import PhaseSpace

_Q1, _Q2 = PhaseSpace.standard(2).coordinates
#: An exact number: a sympy number or text such as "5.1" or "49/400".
Number: TypeAlias = sp.Expr | str
#: Digits kept of numbers that formulas would have to say at length.
_DIGITS = 20


class Component(Protocol):
    """One bump ``exp(-a(q))``: its energy twice (formula and numpy), its integral, and a direct sampler."""

    integral: sp.Expr
    radial: bool

    @property
    def formula(self) -> sp.Expr:
        """a(q) in q1 and q2."""

    def energy(self, q: np.ndarray) -> np.ndarray:
        """Return a(q), shape ``(...)``, for q of shape ``(..., 2)``."""

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n independent points, shape ``(n, 2)``."""

    def box(self) -> tuple[float, float, float, float]:
        """Return (x_min, x_max, y_min, y_max) outside which the mass is below 1e-16."""


class Ring:
    """The bump ``exp(-(r - R)²/(2 s²))`` of the plane.

    Its integral is ``2π [s² exp(-R²/2s²) + R s √(π/2) (1 + erf(R/(s√2)))]``.

    Arguments:
        radius: R ≥ 0, as an exact number (text such as ``"5.1"``).
        sd: radial scale s > 0, likewise.
    """

    radial = True

    def __init__(self, radius: str, sd: str) -> None:
        R, s = sp.Rational(radius), sp.Rational(sd)
        self.radius, self.sd = float(R), float(s)
        self.formula = (sp.sqrt(_Q1**2 + _Q2**2) - R) ** 2 / (2 * s**2)
        gauss, inside = sp.exp(-(R**2) / (2 * s**2)), 1 + sp.erf(R / (s * sp.sqrt(2)))
        self.integral = 2 * sp.pi * (s**2 * gauss + R * s * sp.sqrt(sp.pi / 2) * inside)

    def energy(self, q: np.ndarray) -> np.ndarray:
        return 0.5 * ((np.hypot(q[..., 0], q[..., 1]) - self.radius) / self.sd) ** 2

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw r from ∝ r exp(-(r-R)²/2s²) by exact rejection, and a uniform angle.

        With z = (r-R)/s the density is ∝ (R + s z) φ(z); the envelope (R + s|z|) φ(z) is a mixture of a
        normal and a two-sided Rayleigh distribution.
        """
        normal_share = self.radius / (self.radius + self.sd * math.sqrt(2 / math.pi))
        kept, count = [], 0
        while count < n:
            m = 2 * (n - count) + 16
            rayleigh = np.sqrt(2 * rng.standard_exponential(m)) * rng.choice([-1.0, 1.0], m)
            z = np.where(rng.random(m) < normal_share, rng.standard_normal(m), rayleigh)
            r = self.radius + self.sd * z
            r = r[rng.random(m) * (self.radius + self.sd * np.abs(z)) < r]
            kept.append(r)
            count += len(r)
        r, angle = np.concatenate(kept)[:n], rng.uniform(0, 2 * math.pi, n)
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1)

    def box(self) -> tuple[float, float, float, float]:
        edge = self.radius + 9 * self.sd
        return -edge, edge, -edge, edge


class Gaussian:
    """The bump ``exp(-|q - c|²/(2 s²) + shift)``; its integral is ``2π s² exp(shift)``.

    Arguments:
        centre: c, two exact numbers.
        variance: s² > 0, an exact number.
        shift: an exact number.
    """

    def __init__(self, centre: tuple[Number, Number], variance: str, shift: str = "0") -> None:
        cx, cy = (c if isinstance(c, sp.Expr) else sp.Rational(c) for c in centre)
        v, b = sp.Rational(variance), sp.Rational(shift)
        self.radial = bool(cx == 0 and cy == 0)
        self.centre, self.variance, self.shift = np.array([float(cx), float(cy)]), float(v), float(b)
        self.formula = ((_Q1 - cx) ** 2 + (_Q2 - cy) ** 2) / (2 * v) - b
        self.integral = 2 * sp.pi * v * sp.exp(b)

    def energy(self, q: np.ndarray) -> np.ndarray:
        return 0.5 * ((q - self.centre) ** 2).sum(-1) / self.variance - self.shift

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.centre + math.sqrt(self.variance) * rng.standard_normal((n, 2))

    def box(self) -> tuple[float, float, float, float]:
        (x, y), w = self.centre, 9 * math.sqrt(self.variance)
        return x - w, x + w, y - w, y + w


class Wave:
    """The bump ``exp(-½((y - sin kx)/s)² - ½((x - m)/t)²)``; shears keep area, so its integral is ``2π s t``.

    Arguments:
        wavenumber, sd: k and s, exact numbers.
        mean, variance: m and t² of x, exact numbers.
    """

    radial = False

    def __init__(self, wavenumber: str, sd: str, mean: str, variance: str) -> None:
        k, s, m, v = (sp.Rational(x) for x in (wavenumber, sd, mean, variance))
        self.k, self.sd, self.mean, self.variance = float(k), float(s), float(m), float(v)
        self.formula = ((_Q2 - sp.sin(k * _Q1)) / s) ** 2 / 2 + (_Q1 - m) ** 2 / (2 * v)
        self.integral = 2 * sp.pi * s * sp.sqrt(v)

    def energy(self, q: np.ndarray) -> np.ndarray:
        x, y = q[..., 0], q[..., 1]
        return 0.5 * ((y - np.sin(self.k * x)) / self.sd) ** 2 + 0.5 * (x - self.mean) ** 2 / self.variance

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((n, 2))
        x = self.mean + math.sqrt(self.variance) * z[:, 0]
        return np.stack([x, np.sin(self.k * x) + self.sd * z[:, 1]], axis=-1)

    def box(self) -> tuple[float, float, float, float]:
        w, h = 9 * math.sqrt(self.variance), 1 + 9 * self.sd
        return self.mean - w, self.mean + w, -h, h


class PinwheelArm:
    """A Gaussian at (2, 0), s.d. 0.6 radial and 0.2 tangential, turned by 2πk/5 and twisted by the angle r/2.

    The twist turns each circle rigidly, so it keeps area and the integral stays ``2π · 0.6 · 0.2``.
    """

    radial = False

    def __init__(self, arm: int) -> None:
        self.turn = 2 * math.pi * arm / 5
        r = sp.sqrt(_Q1**2 + _Q2**2)
        c, s = (sp.sqrtdenest(f(2 * sp.pi * arm / 5)) for f in (sp.cos, sp.sin))
        cosine, sine = sp.cos(r / 2), sp.sin(r / 2)
        x, y = cosine * _Q1 + sine * _Q2, cosine * _Q2 - sine * _Q1
        u, v = c * x + s * y, c * y - s * x
        self.formula = (u - 2) ** 2 * sp.Rational(25, 18) + v**2 * sp.Rational(25, 2)
        self.integral = 2 * sp.pi * sp.Rational(12, 100)

    def energy(self, q: np.ndarray) -> np.ndarray:
        r, angle = np.hypot(q[..., 0], q[..., 1]), np.arctan2(q[..., 1], q[..., 0])
        angle = angle - self.turn - 0.5 * r
        return 0.5 * ((r * np.cos(angle) - 2) / 0.6) ** 2 + 0.5 * (r * np.sin(angle) / 0.2) ** 2

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((n, 2))
        x, y = 2 + 0.6 * z[:, 0], 0.2 * z[:, 1]
        r, angle = np.hypot(x, y), np.arctan2(y, x)
        angle = angle + self.turn + 0.5 * r
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1)

    def box(self) -> tuple[float, float, float, float]:
        return -8.0, 8.0, -8.0, 8.0


class Arc:
    """A half circle of radius 2 and uniform mass, blurred by an isotropic Gaussian: one moon of two.

    exp(-a(q)) = (1/π) ∫₀^π exp(-|q - m(t)|²/(2 s²)) dt along m(t) = (x + 2 cos t, y ± 2 sin t).  The formula and numpy
    take the integral by Gauss–Legendre quadrature with 64 nodes, to about 1e-13 of its largest value for s = 1/5; the
    sampler draws t itself.  The integral over the plane is 2π s².

    Arguments:
        centre: (x, y), exact numbers.
        up: whether the arc bends upwards.
        sd: s, an exact number of at least 1/5.
    """

    radial = False
    _NODES = 64

    def __init__(self, centre: tuple[Number, Number], up: bool, sd: str) -> None:
        s = sp.Rational(sd)
        cx, cy = (c if isinstance(c, sp.Expr) else sp.Rational(c) for c in centre)
        self.centre, self.sign, self.sd = np.array([float(cx), float(cy)]), 1 if up else -1, float(s)
        nodes, weights = np.polynomial.legendre.leggauss(self._NODES)
        angles = [sp.Rational(float(t)) for t in math.pi * (nodes + 1) / 2]
        shares = [sp.Rational(float(w)) / 2 for w in weights]
        shares[0] += 1 - sp.Add(*shares)  # by rounding alone
        places = [
            [sp.Rational(str(x.evalf(_DIGITS))) for x in (cx + 2 * sp.cos(t), cy + 2 * self.sign * sp.sin(t))]
            for t in angles
        ]
        self._log_shares = np.log(np.array(shares, dtype=float))
        self._places = np.array(places, dtype=float)
        bumps = zip(shares, places, strict=True)
        terms = [w * sp.exp(-((_Q1 - x) ** 2 + (_Q2 - y) ** 2) / (2 * s**2)) for w, (x, y) in bumps]
        self.formula = -sp.log(sp.Add(*terms))
        self.integral = 2 * sp.pi * s**2

    def energy(self, q: np.ndarray) -> np.ndarray:
        square = ((q[..., None, :] - self._places) ** 2).sum(-1)
        parts = self._log_shares - 0.5 * square / self.sd**2
        largest = parts.max(-1)
        return -largest - np.log(np.exp(parts - largest[..., None]).sum(-1))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        t = rng.uniform(0, math.pi, n)
        arc = np.stack([2 * np.cos(t), 2 * self.sign * np.sin(t)], axis=-1)
        return self.centre + arc + self.sd * rng.standard_normal((n, 2))

    def box(self) -> tuple[float, float, float, float]:
        (x, y), w = self.centre, 9 * self.sd
        low, high = (0.0, 2.0) if self.sign > 0 else (-2.0, 0.0)
        return x - 2 - w, x + 2 + w, y + low - w, y + high + w


class Square:
    """The indicator of a square; its integral is the area.  Its density jumps, so it has no formula.

    Arguments:
        corner: lower left corner, two exact numbers.
        side: length, an exact number.
    """

    radial = False

    def __init__(self, corner: tuple[Number, Number], side: str) -> None:
        x, y = (c if isinstance(c, sp.Expr) else sp.Rational(c) for c in corner)
        self.corner, self.side = np.array([float(x), float(y)]), float(sp.Rational(side))
        self.integral = sp.Rational(side) ** 2

    @property
    def formula(self) -> sp.Expr:
        raise FormulaError(
            "a density that jumps has no formula, so no Hamiltonian; take its sample(n) and log_prob(q)"
        )

    def energy(self, q: np.ndarray) -> np.ndarray:
        inside = ((q >= self.corner) & (q < self.corner + self.side)).all(-1)
        return np.where(inside, 0.0, np.inf)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.corner + self.side * rng.random((n, 2))

    def box(self) -> tuple[float, float, float, float]:
        (x, y), side = self.corner, self.side
        return x, x + side, y, y + side
