"""Integrators as coefficient tables: name, order and what they need of the Hamiltonian.

For H = K(p) + U(q) a kick ``p -= b h ∂U/∂q`` and a drift ``q += a h ∂K/∂p`` are exact flows of the two parts.
A method is their alternation, so it is symplectic; it is a palindrome, so it is its own inverse under h → -h
and of even order (Hairer, Lubich, Wanner, Geometric Numerical Integration, chapters II.5 and V.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hamsym.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Method:
    """A symmetric splitting method.

    Attributes:
        name: what ``simulate(method=...)`` is given.
        order: the error over a fixed time is O(dt^order).
        separable_only: whether H must be K(p) + U(q).
        outer: coefficients of the flow that starts and ends a step (one more than ``inner``).
        inner: coefficients of the flow in between.
        starts_with: ``"kick"`` or ``"drift"``, the flow with the outer coefficients.
        source: where the coefficients come from.
    """

    name: str
    order: int
    outer: tuple[float, ...]
    inner: tuple[float, ...]
    starts_with: str
    source: str
    separable_only: bool = True

    @cached_property
    def evaluations(self) -> int:
        """Force evaluations per step; the last kick of a step shares its force with the first of the next."""
        return len(self.inner)

    def __repr__(self) -> str:
        needs = ", needs H = K(p) + U(q)" if self.separable_only else ""
        return f"<{self.name}: order {self.order}, {self.evaluations} force evaluation(s) a step{needs}>"


def _compose(name: str, order: int, weights: list[float], source: str) -> Method:
    """Run leapfrog with the steps w₁h, w₂h, …, merging the kicks that meet."""
    outer = [w / 2 for w in weights] + [0.0]
    for i, w in enumerate(weights):
        outer[i + 1] += w / 2
    return Method(name, order, tuple(outer), tuple(weights), "kick", source)


def _triple_jump(order: int) -> list[float]:
    """Weights w₁, w₀, w₁ with 2w₁ + w₀ = 1 and 2w₁^(k+1) + w₀^(k+1) = 0 that raise an even order k by two."""
    root = 2 ** (1 / (order + 1))
    return [1 / (2 - root), -root / (2 - root), 1 / (2 - root)]


def _yoshida6_weights() -> list[float]:
    # Solution A of table 1 in Yoshida 1990; the middle weight follows from the sum being one.
    side = [-1.17767998417887, 0.235573213359357, 0.784513610477560]
    return [*side[::-1], 1 - 2 * sum(side), *side]


_METHODS = (
    Method("leapfrog", 2, (0.5, 0.5), (1.0,), "kick", "Störmer–Verlet, velocity form"),
    Method("leapfrog_drift", 2, (0.5, 0.5), (1.0,), "drift", "Störmer–Verlet, position form"),
    _compose("yoshida4", 4, _triple_jump(2), "Yoshida, Physics Letters A 150 (1990) 262"),
    _compose("yoshida6", 6, _yoshida6_weights(), "Yoshida, Physics Letters A 150 (1990) 262, solution A"),
)


def methods() -> list[Method]:
    """Return the integrators, simplest first.

    Example:
        >>> [(m.name, m.order, m.evaluations) for m in methods()]
        [('leapfrog', 2, 1), ('leapfrog_drift', 2, 1), ('yoshida4', 4, 3), ('yoshida6', 6, 7)]
    """
    return list(_METHODS)


def method_named(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UnknownNameError: with the closest name.
    """
    for method in _METHODS:
        if method.name == name:
            return method
    raise UnknownNameError(
        f"there is no method called {name!r}{did_you_mean(str(name), [m.name for m in _METHODS])}"
    )
