"""The field that structure constants live in when generators have parameters or irrational constants."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from flint import fmpq, fmpq_mpoly

from hamsym.errors import UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.tower.certificate import Reader


class Scalar:
    """An element of a tower that depends on parameters and constants only, as a number of a field.

    Statements about it hold for generic values of the parameters: "not zero" means not identically zero.

    Arguments:
        tower: where the parameters are.
        element: the element.

    Example:
        >>> import sympy as sp
        >>> tower = tw.Tower(tw.Clock(1.0))
        >>> k = Scalar(tower, tower.symbol(sp.Symbol("k", positive=True)))
        >>> ((k + 1) * (k - 1) / (k - 1) - 1) / k, bool(k - k), (k / (k + 1)).sign()
        (1, False, 1)
    """

    __slots__ = ("__dict__", "element", "tower")

    def __init__(self, tower: tw.Tower, element: fmpq_mpoly) -> None:
        self.tower = tower
        self.element = lowest_terms(tower, element)

    def _other(self, other: Any) -> fmpq_mpoly:
        return other.element if isinstance(other, Scalar) else self.tower.ring.constant(other)

    def __add__(self, other: Any) -> Scalar:
        return Scalar(self.tower, self.tower.ring.add(self.element, self._other(other)))

    def __sub__(self, other: Any) -> Scalar:
        return Scalar(self.tower, self.tower.ring.sub(self.element, self._other(other)))

    def __mul__(self, other: Any) -> Scalar:
        return Scalar(self.tower, self.tower.ring.mul(self.element, self._other(other)))

    def __truediv__(self, other: Any) -> Scalar:
        return Scalar(self.tower, self.tower.ring.mul(self.element, self.tower.inverse(self._other(other))))

    def __radd__(self, other: Any) -> Scalar:
        return self + other

    def __rsub__(self, other: Any) -> Scalar:
        return -self + other

    def __rmul__(self, other: Any) -> Scalar:
        return self * other

    def __rtruediv__(self, other: Any) -> Scalar:
        return Scalar(self.tower, self.tower.ring.constant(other)) / self

    def __neg__(self) -> Scalar:
        return self * -1

    @cached_property
    def _nonzero(self) -> bool:
        return not tw.vanishes(self.tower, self.element)

    def __bool__(self) -> bool:
        return self._nonzero

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Scalar, fmpq, int)) and not (self - other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(Reader(self.tower, {}).expand(self.element))

    def sign(self) -> int:
        """Return 1, 0 or -1.

        Raises:
            UndecidedError: if the sign depends on the parameters.
        """
        if not self:
            return 0
        c, factors = self.tower.factored(self.element)
        total = 1 if c > 0 else -1
        for factor, exponent in factors:
            if exponent % 2:
                found = self.tower.signs.of(factor)
                if found is None:
                    raise UndecidedError(
                        f"the sign of {self!r} depends on the parameters; declare them positive where they are, "
                        "or put in numbers, as .at({'a': 1}) does for a parameter a"
                    )
                total *= found
        return total


def rational(c: Any) -> Any:
    """Return a scalar as a rational number if it is one."""
    if not isinstance(c, Scalar) or not c.element.is_constant():
        return c
    return fmpq(0) if c.element.is_zero() else fmpq(c.element.leading_coefficient())


def lowest_terms(tower: tw.Tower, element: fmpq_mpoly) -> fmpq_mpoly:
    """Return N · Π u^m with as many inverses cancelled as divide N."""
    ring = tower.ring
    element = ring.lift(element)
    if element.is_constant():
        return element
    numerator, powers = tower.cleared(element)
    for index, m in powers.items():
        denominator = tower.extensions[index].arguments[0]
        while m:
            quotient, rest = divmod(ring.lift(numerator), ring.lift(denominator))
            if not rest.is_zero():
                break
            numerator, m = quotient, m - 1
        if m:
            numerator = ring.mul(numerator, ring.power(tower.gen(index), m))
    return numerator
