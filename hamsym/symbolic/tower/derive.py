"""Derivations of the tower: total derivatives and Poisson brackets inside the ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.limits import NotCovered

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower


class Gradient:
    """Total derivatives of one element, sharing its partial derivatives between variables.

    Arguments:
        tower: the tower the element lives in.
        element: the element to differentiate.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> import sympy as sp
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> r = tower.power(x*x + 1, Fraction(1, 2))
        >>> r_slope = Gradient(tower, r).by(0)  # x/r, written as x*r*u with u = 1/(x**2 + 1)
        >>> r_slope
        g2*g1*g0
    """

    def __init__(self, tower: Tower, element: fmpq_mpoly) -> None:
        self.tower = tower
        element = tower.ring.lift(element)
        self.partials = {i: tower.ring.derivative(element, i) for i in tower.ring.support(element)}

    def by(self, variable: int) -> fmpq_mpoly:
        """Return the total derivative with respect to the symbol generator of this number."""
        ring = self.tower.ring
        total = ring.zero
        for index, partial in self.partials.items():
            extension = self.tower.extensions[index]
            if variable in extension.depends:
                total = ring.add(total, ring.mul(partial, derivative_of(self.tower, extension, variable)))
        return total


def derivative(tower: Tower, element: fmpq_mpoly, variable: int) -> fmpq_mpoly:
    """Return the total derivative of an element with respect to a symbol generator."""
    if variable not in tower.depends(element):
        return tower.ring.zero
    return Gradient(tower, element).by(variable)


def derivative_of(tower: Tower, extension: Extension, variable: int) -> fmpq_mpoly:
    """Return the derivative of a generator, computed once for each variable."""
    if variable not in extension.derivatives:
        tower.clock.check()
        extension.derivatives[variable] = _derive(tower, extension, variable)
    return tower.ring.lift(extension.derivatives[variable])


def _derive(tower: Tower, e: Extension, variable: int) -> fmpq_mpoly:
    ring = tower.ring
    if e.kind in ("symbol", "constant"):
        return ring.one if e.index == variable else ring.zero
    inner = [derivative(tower, a, variable) for a in e.arguments]
    match e.kind:
        case "inverse":
            return -ring.mul(ring.power(tower.gen(e), 2), inner[0])
        case "root":
            growth = ring.mul(inner[0], tower.inverse(e.arguments[0]))
            return ring.mul(tower.gen(e), growth) / e.degree
        case "abs":
            return ring.mul(tower.gen(e), ring.mul(inner[0], tower.inverse(e.arguments[0])))
        case "exp":
            return ring.mul(tower.gen(e), inner[0])
        case "log":
            return ring.mul(inner[0], tower.inverse(e.arguments[0]))
        case "sin":
            return ring.mul(tower.gen(e.partner), inner[0])
        case "cos":
            return -ring.mul(tower.gen(e.partner), inner[0])
        case "function":
            terms = []
            for k, slope in enumerate(inner):
                if not slope.is_zero():
                    orders = tuple(n + (j == k) for j, n in enumerate(e.orders))
                    terms.append(ring.mul(tower.function(e.name, orders, e.arguments), slope))
            return ring.sum(terms)
        case "atan":
            one = ring.add(ring.one, ring.power(e.arguments[0], 2))
            return ring.mul(inner[0], tower.inverse(one))
        case "asin":
            one = ring.sub(ring.one, ring.power(e.arguments[0], 2))
            return ring.mul(inner[0], tower.inverse(tower.square_root(one)))
        case "atan2":
            y, x = e.arguments
            cross = ring.sub(ring.mul(x, inner[0]), ring.mul(y, inner[1]))
            square = ring.add(ring.power(x, 2), ring.power(y, 2))
            return ring.mul(cross, tower.inverse(square))
    raise NotCovered(f"no derivative is known for {e.kind}")


def bracket(
    tower: Tower,
    f: fmpq_mpoly,
    g: fmpq_mpoly,
    tensor: dict[tuple[int, int], fmpq_mpoly],
) -> fmpq_mpoly:
    """Return Σ J[a, b] ∂f/∂a ∂g/∂b.

    Arguments:
        tower: the tower of both elements.
        f, g: the elements.
        tensor: entries of the Poisson tensor by the numbers of two symbol generators.
    """
    ring = tower.ring
    by_f, by_g = Gradient(tower, f), Gradient(tower, g)
    of_f: dict[int, fmpq_mpoly] = {}
    of_g: dict[int, fmpq_mpoly] = {}
    total = ring.zero
    for (a, b), entry in tensor.items():
        tower.clock.check()
        if a not in of_f:
            of_f[a] = by_f.by(a)
        if of_f[a].is_zero():
            continue
        if b not in of_g:
            of_g[b] = by_g.by(b)
        if of_g[b].is_zero():
            continue
        term = ring.mul(of_f[a], of_g[b])
        total = ring.add(total, term if entry.is_one() else ring.mul(entry, term))
    return total
