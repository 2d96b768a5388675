"""The answer "not zero", with a point and certified bounds of the value there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp
from sympy.core.numbers import Number

from hamsym.symbolic.zero_test.evaluation import DIGITS, Value, evaluate, inside, settled
from hamsym.symbolic.zero_test.showing import at_point, bounds, interval, rationals
from hamsym.symbolic.zero_test.verdict import Verdict
from hamsym.symbolic.zero_test.witness import Point


@dataclass(repr=False, eq=False)
class Refuted(Verdict):
    """The expression is not zero: at a rational point its value is enclosed away from zero.

    Attributes:
        point: symbol to rational value.
        value: certified lower and upper bound of the expression there; both have the same sign.  They are rational,
            or floats where a rational would have thousands of digits.
        functions: the polynomials chosen for undefined functions, if there are any.

    Example:
        >>> from hamsym import PhaseSpace, is_zero
        >>> refutation = is_zero("(q1 + 1)**2 - q1**2 - 1", PhaseSpace.standard(1))
        >>> isinstance(refutation, Refuted), refutation.check()
        (True, True)
        >>> lower, upper = refutation.value
        >>> exact = refutation.expression.xreplace(refutation.point)
        >>> bool(lower <= exact <= upper and lower * upper > 0)
        True
    """

    point: Point = field(default_factory=dict)
    value: tuple[Number, Number] = (sp.Integer(0), sp.Integer(0))
    functions: Mapping[str, sp.Lambda] = field(default_factory=dict)
    status = "refuted"

    def __bool__(self) -> bool:
        return False

    def check(self) -> bool:
        """Evaluate the formula with many digits at the point and compare with the enclosure."""
        lower, upper = self.value
        if not lower * upper > 0:
            return False
        found = self._rational_value() or settled(self.expression, self.point, self.functions)
        if found is None or found.is_negligible or not inside(self.domain, self.point, self.functions):
            return False
        return found.lies_in(lower, upper)

    def _rational_value(self) -> Value | None:
        """Return the value with enough decimal places to compare it with rational bounds, if they are rational."""
        lower, upper = self.value
        if not (lower.is_Rational and upper.is_Rational):
            return None
        digits = DIGITS + max(0, -int(sp.floor(sp.log(min(abs(lower), abs(upper)), 10).evalf(8))))
        return evaluate(self.expression, self.point, self.functions, digits=digits)

    def _latex_details(self) -> str:
        def assigned(name: object, value: sp.Basic) -> str:
            return f"{sp.latex(name)} = {sp.latex(value)}"

        where = [assigned(s, v) for s, v in self.point.items()]
        where += [assigned(sp.Function(n)(*f.variables), f.expr) for n, f in self.functions.items()]
        value = rf" \in {interval(*self.value)}"
        return r",\quad \text{value}" + value + (r"\text{ at }" + r",\; ".join(where) if where else "")

    def details(self) -> list[str]:
        lines = [f"value in {interval(*self.value)}" + (f" at {at_point(self.point)}" if self.point else "")]
        return lines + [f"with {name} = {polynomial}" for name, polynomial in self.functions.items()]

    def to_dict(self) -> dict[str, object]:
        return {
            **super().to_dict(),
            "point": rationals(self.point),
            "value": bounds(*self.value),
            "functions": {name: str(f) for name, f in self.functions.items()},
        }
