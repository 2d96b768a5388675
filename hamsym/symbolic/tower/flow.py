"""The derivative of elements along a vector field, generator by generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.derive import Gradient, derivative_of

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


class Flow:
    """A derivation of the tower: the velocity of every generator, each computed once.

    Arguments:
        tower: the tower.
        velocities: number of a symbol's generator -> its velocity; other symbols do not move.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> q, p = (tower.symbol(sp.Symbol(n, real=True)) for n in "qp")
        >>> Flow(tower, {0: p, 1: -q}).along(q**2 + p*q)
        g1^2 + 2*g1*g0 - g0^2
    """

    def __init__(self, tower: Tower, velocities: dict[int, fmpq_mpoly]) -> None:
        self.tower = tower
        self.velocities = {i: v for i, v in velocities.items() if not v.is_zero()}
        self._moving: dict[int, fmpq_mpoly] = {}

    @classmethod
    def of_hamiltonian(
        cls, tower: Tower, h: fmpq_mpoly, tensor: dict[tuple[int, int], fmpq_mpoly], time: int | None = None
    ) -> Flow:
        """Return d/dt = {·, h} + ∂/∂time."""
        ring, by_h = tower.ring, Gradient(tower, h)
        velocities: dict[int, fmpq_mpoly] = {}
        for (a, b), entry in tensor.items():
            term = ring.mul(entry, by_h.by(b))
            velocities[a] = ring.add(velocities[a], term) if a in velocities else term
        if time is not None:
            velocities[time] = ring.one
        return cls(tower, {a: tower.reduce(v) for a, v in velocities.items()})

    def of_generator(self, index: int) -> fmpq_mpoly:
        """Return the velocity of a generator, reduced."""
        ring = self.tower.ring
        if index not in self._moving:
            extension = self.tower.extensions[index]
            terms = [
                ring.mul(derivative_of(self.tower, extension, variable), velocity)
                for variable, velocity in self.velocities.items()
                if variable in extension.depends
            ]
            self._moving[index] = self.tower.reduce(ring.sum(terms))
        return ring.lift(self._moving[index])

    def prepare(self, element: fmpq_mpoly) -> None:
        """Compute the velocities of the generators of an element, which may add generators to the tower."""
        for index in self.tower.ring.support(element):
            self.of_generator(index)

    def along(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return the derivative of an element."""
        ring, total = self.tower.ring, self.tower.ring.zero
        for index in ring.support(element):
            velocity = self.of_generator(index)
            if not velocity.is_zero():
                slope = ring.derivative(element, index)
                total = ring.add(total, ring.mul(slope, velocity))
        return total
