"""Integrators as coefficient tables: name, order and what they need of the Hamiltonian.

For H = K(p) + U(q) a kick ``p -= b h ∂U/∂q`` and a drift ``q += a h ∂K/∂p`` are exact flows of the two parts.
A splitting method is their alternation, so it is symplectic; it is a palindrome, so it is its own inverse under
h → -h and of even order (Hairer, Lubich, Wanner, Geometric Numerical Integration, chapters II.5 and V.3).  Other Hamiltonians
are stepped by implicit collocation, or explicitly in a doubled phase space.  Explicit Runge–Kutta methods keep nothing; they
are there to be compared with, and for vector fields that are no Hamiltonian's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamsym.errors import NotSeparableError, ParameterError, UnknownNameError, did_you_mean
from hamsym.numeric.coefficients import (
    Pair,
    around,
    blanes_moan4,
    blanes_moan6,
    compose,
    gauss,
    pefrl,
    runge_kutta,
    triple_jump,
)
from hamsym.numeric.kinetic import has_constant_mass
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.hamiltonian import Hamiltonian


@dataclass(frozen=True)
class Method(ABC):
    """An integrator; symmetric unless it is an explicit Runge–Kutta method.

    Attributes:
        name: what ``simulate(method=...)`` is given.
        order: the error over a fixed time is O(dt^order).
        source: where the coefficients come from.
        separable_only: whether H must be K(p) + U(q).
        quadratic_kinetic: whether K must moreover be quadratic in p with constant coefficients.
        symplectic: whether the step is a symplectic map of (q, p).
    """

    name: str
    order: int
    source: str
    separable_only: bool = False
    quadratic_kinetic: bool = False
    symplectic: bool = True

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Evaluations of the force, or of the whole gradient of H, per step."""

    @property
    def needs(self) -> str:
        """What H must be, in words; empty if anything will do."""
        if self.quadratic_kinetic:
            return "H = pᵀM⁻¹p/2 + U(q) with a constant mass matrix M"
        return "H = K(p) + U(q)" if self.separable_only else ""

    def admits(self, H: Hamiltonian) -> bool:
        """Whether the method applies to H, as far as could be shown.

        Example:
            >>> from hamsym import systems
            >>> method_named("leapfrog").admits(systems["double_pendulum"].hamiltonian)
            False
        """
        if not H.space.momenta or (self.separable_only and not H.is_separable):
            return False
        return not self.quadratic_kinetic or has_constant_mass(H)

    def require(self, H: Hamiltonian) -> None:
        """Refuse a Hamiltonian that the method does not apply to.

        Raises:
            NotSeparableError: names the methods that do apply.
        """
        if self.admits(H):
            return
        others = [m.name for m in _METHODS if m.order >= self.order and m.admits(H)]
        others = others or [m.name for m in _METHODS if m.admits(H)]
        if not others:
            _ = H.kinetic  # a Lie–Poisson space has no pairs (q, p) to step; the error says what to do
        raise NotSeparableError(
            f"{self.name} needs {self.needs}, and H = {shorten(H.text)} is not of that form; "
            f"use method={' or '.join(map(repr, others))}, or method='auto'"
        )

    def __repr__(self) -> str:
        needs = f", needs {self.needs}" if self.needs else ""
        return f"<{self.name}: order {self.order}, {self.evaluations} evaluation(s) a step{needs}>"


@dataclass(frozen=True, repr=False)
class Splitting(Method):
    """A palindrome of kicks and drifts.

    Attributes:
        outer: coefficients of the flow that starts and ends a step (one more than ``inner``).
        inner: coefficients of the flow in between.
        starts_with: ``"kick"`` or ``"drift"``, the flow with the outer coefficients.
    """

    separable_only: bool = True
    outer: tuple[float, ...] = ()
    inner: tuple[float, ...] = ()
    starts_with: str = "kick"

    @property
    def evaluations(self) -> int:
        """Force evaluations per step; the last kick of a step shares its force with the first of the next."""
        return len(self.inner)


@dataclass(frozen=True, repr=False)
class Gauss(Method):
    """Collocation at the Gauss points: implicit, for any H, and exact for quadratic invariants.

    Attributes:
        a, b, c: the Runge–Kutta tableau (Hairer, Lubich, Wanner, section II.1.3).
    """

    a: tuple[tuple[float, ...], ...] = ()
    b: tuple[float, ...] = ()
    c: tuple[float, ...] = ()

    @property
    def evaluations(self) -> int:
        """Gradients of H in one iteration of the implicit equations; a step takes about five."""
        return len(self.b)


@dataclass(frozen=True, repr=False)
class RungeKutta(Method):
    """An explicit Runge–Kutta method: for any H, neither symplectic nor symmetric.

    Attributes:
        a, b, c: the tableau; a is strictly lower triangular.
    """

    symplectic: bool = False
    a: tuple[tuple[float, ...], ...] = ()
    b: tuple[float, ...] = ()
    c: tuple[float, ...] = ()

    @property
    def evaluations(self) -> int:
        """Gradients of H per step."""
        return len(self.b)


@dataclass(frozen=True, repr=False)
class Doubled(Method):
    """Tao's explicit method for any H: two copies of the phase space, bound to each other.

    Attributes:
        weights: the fractions of a step in which the method of order two is run.
        binding: the frequency ω of the binding, in 1/time.  The copies drift apart if it is too small against the rates of
            the system; the error grows with it, and dt must resolve it.  Change it with
            ``dataclasses.replace(method, binding=...)``.
    """

    symplectic: bool = False
    weights: tuple[float, ...] = (1.0,)
    binding: float = 10.0

    @property
    def evaluations(self) -> int:
        """Gradients of H per step; the last of a step is also the first of the next."""
        return 3 * len(self.weights)


def _splitting(name: str, order: int, source: str, coefficients: Pair, **more: Any) -> Splitting:
    return Splitting(name, order, source, outer=coefficients[0], inner=coefficients[1], **more)


def _compose(name: str, order: int, weights: list[float], source: str) -> Splitting:
    return _splitting(name, order, source, compose(weights))


def _gauss(stages: int) -> Gauss:
    name = f"gauss{2 * stages}" if stages > 1 else "implicit_midpoint"
    return Gauss(name, 2 * stages, _HLW_GAUSS, **_tableau(*gauss(stages)))


def _tableau(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> dict[str, Any]:
    return {"a": tuple(map(tuple, a.tolist())), "b": tuple(b.tolist()), "c": tuple(c.tolist())}


_YOSHIDA = "Yoshida, Physics Letters A 150 (1990) 262"
_KAHAN_LI = "Kahan and Li, Mathematics of Computation 66 (1997) 1089"
_BLANES_MOAN = "Blanes and Moan, Journal of Computational and Applied Mathematics 142 (2002) 313"
_HLW = "Hairer, Lubich, Wanner, Geometric Numerical Integration, section V.3.2"
_HLW_GAUSS = "Hairer, Lubich, Wanner, Geometric Numerical Integration, section II.1.3"
_HNW = "Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, section II.1"
_TAO = "Tao, Physical Review E 94 (2016) 043303"
_OMELYAN = "Omelyan, Mryglod, Folk, Computer Physics Communications 146 (2002) 188"
_METHODS: tuple[Method, ...] = (
    Splitting("leapfrog", 2, "Störmer–Verlet, velocity form", outer=(0.5, 0.5), inner=(1.0,)),
    Splitting(
        "leapfrog_drift", 2, "Störmer–Verlet, position form", outer=(0.5, 0.5), inner=(1.0,), starts_with="drift"
    ),
    _gauss(1),
    Doubled("tao2", 2, _TAO),
    _compose("yoshida4", 4, triple_jump(2), _YOSHIDA),
    _splitting("pefrl", 4, _OMELYAN, pefrl(), starts_with="drift"),
    _splitting("blanes_moan4", 4, f"{_BLANES_MOAN}, SRKN 6ᵇ", blanes_moan4(), quadratic_kinetic=True),
    _gauss(2),
    Doubled("tao4", 4, _TAO, weights=tuple(triple_jump(2))),
    _compose(
        "yoshida6", 6, around(0.784513610477560, 0.235573213359357, -1.17767998417887), f"{_YOSHIDA}, solution A"
    ),
    _compose(
        "kahan_li6",
        6,
        around(
            0.39216144400731413928, 0.33259913678935943860, -0.70624617255763935981, 0.08221359629355080023
        ),
        f"{_KAHAN_LI}; {_HLW}",
    ),
    _splitting("blanes_moan6", 6, f"{_BLANES_MOAN}, SRKN 11ᵇ", blanes_moan6(), quadratic_kinetic=True),
    _gauss(3),
    _compose(
        "yoshida8",
        8,
        around(
            0.74167036435061295345, -0.40910082580003159400, 0.19075471029623837995, -0.57386247111608226666,
            0.29906418130365592384, 0.33462491824529818378, 0.31529309239676659663,
        ),
        f"{_YOSHIDA}, solution D; {_HLW}",
    ),
    _compose(
        "kahan_li8",
        8,
        around(
            0.13020248308889008088, 0.56116298177510838456, -0.38947496264484728641, 0.15884190655515560090,
            -0.39590389413323757734, 0.18453964097831570709, 0.25837438768632204729, 0.29501172360931029887,
        ),
        f"{_KAHAN_LI}; {_HLW}",
    ),
)  # fmt: skip
_RUNGE_KUTTA: tuple[Method, ...] = tuple(
    RungeKutta(f"rk{order}", order, _HNW, **_tableau(*runge_kutta(order))) for order in (1, 2, 3, 4)
)
#: What ``method="auto"`` takes: the first that applies.
_PREFERRED = ("blanes_moan6", "kahan_li6", "gauss6")


def methods(*, symmetric: bool = True) -> list[Method]:
    """Return the integrators, by order.

    Arguments:
        symmetric: leave out the explicit Runge–Kutta methods, which have a name but keep neither energy nor volume.

    Example:
        >>> [(m.name, m.order, m.evaluations) for m in methods()[:3]]
        [('leapfrog', 2, 1), ('leapfrog_drift', 2, 1), ('implicit_midpoint', 2, 1)]
        >>> [m.name for m in methods(symmetric=False) if m not in methods()]
        ['rk1', 'rk2', 'rk3', 'rk4']
    """
    return list(_METHODS) if symmetric else sorted(_METHODS + _RUNGE_KUTTA, key=lambda m: m.order)


def method_named(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UnknownNameError: with the closest name.
    """
    known = {m.name: m for m in methods(symmetric=False)}
    if isinstance(name, str) and name in known:
        return known[name]
    raise UnknownNameError(f"there is no method called {name!r}{did_you_mean(str(name), known)}")


def method_for(H: Hamiltonian, wanted: str | Method) -> Method:
    """Return the method that was asked for, or for ``"auto"`` the preferred one of order six that applies to H.

    Raises:
        UnknownNameError: with the closest name.
        NotSeparableError: if the method does not apply to H; names those that do.

    Example:
        >>> from hamsym import systems
        >>> method_for(systems["kepler"].hamiltonian, "auto").name
        'blanes_moan6'
    """
    if isinstance(wanted, str) and wanted == "auto":
        wanted = next((m for m in _PREFERRED if method_named(m).admits(H)), _PREFERRED[-1])
    method = wanted if isinstance(wanted, Method) else method_named(wanted)
    method.require(H)
    return method


def doubled(method: Method, *, compensated: bool) -> Doubled:
    """Return a method of the doubled phase space as that.

    Raises:
        ParameterError: if compensated, which only methods can be that do nothing but add.
    """
    if compensated or not isinstance(method, Doubled):
        raise ParameterError(
            f"{method.name} does more than add, so its rounding errors cannot be carried along; leave compensated=True out, "
            "or take another method"
        )
    return method
