"""The Legendre transform, exactly: velocities for momenta and back.

``f*(y) = Σ x_i y_i − f(x)`` where ``y_i = ∂f/∂x_i``; it is its own inverse (Arnold, Mathematical Methods of Classical
Mechanics, section 14).  Variables are sorted into groups that the second derivatives do not couple.  A group is
solved if f is quadratic in it, with any matrix M(q); or if f depends on the length of its vector only, apart from a linear
term, and the equation for that length has one solution in closed form, as for a relativistic particle.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from hamsym.errors import FormulaError, LegendreError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import is_zero
from hamsym.symbolic.everywhere import require_everywhere
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.inversion import MOST_OPERATIONS, is_finite, only_solution, short_form
from hamsym.symbolic.space import Space


def legendre_transform(
    f: sp.Expr, old: Sequence[sp.Symbol], new: Sequence[sp.Symbol], space: Space, budget: float
) -> sp.Expr:
    """Return the Legendre transform of f from the old variables to the new ones.

    Arguments:
        f: an expression in the symbols of ``space``.
        old: the variables x that are replaced.
        new: as many variables y that stand for ∂f/∂x.
        space: a space that declares all of them.
        budget: seconds.

    Raises:
        LegendreError: if ∂f/∂x does not determine x, or not in closed form.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 14.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace("q", "p", parameters={"v": "real", "m": "positive"})
        >>> v, p = space.symbols["v"], space.symbols["p"]
        >>> legendre_transform(space.parse("-m*sqrt(1 - v**2)"), [v], [p], space, 10.0)
        sqrt(m**2 + p**2)
    """
    return _Transform(f, tuple(old), tuple(new), space, tw.Clock(budget)).result()


class _Transform:
    def __init__(
        self,
        f: sp.Expr,
        old: tuple[sp.Symbol, ...],
        new: tuple[sp.Symbol, ...],
        space: Space,
        clock: tw.Clock,
    ) -> None:
        self.rest, self.f = f.as_independent(*old, as_Add=True)
        self.old, self.new, self.space, self.clock = old, new, space, clock
        self.slopes = [derivative(self.f, x) for x in old]
        upper = {(i, j): self._entry(self.slopes[i], x) for j, x in enumerate(old) for i in range(j + 1)}
        self.hessian = sp.Matrix(len(old), len(old), lambda i, j: upper[min(i, j), max(i, j)])
        self.base = self._base_point()

    def result(self) -> sp.Expr:
        total, solved = -self.f.subs(self.base), False
        for group in self.hessian.connected_components():
            quadratic = all(self._is_constant(self.hessian[i, j]) for i in group for j in group)
            total += self._quadratic(group) if quadratic else self._solved(group)
            solved = solved or not quadratic
        if solved:
            require_everywhere(self.f, total, self.old, self.new, self.space, self.clock)
        return total - self.rest

    def _entry(self, slope: sp.Expr, x: sp.Symbol) -> sp.Expr:
        entry = sp.expand(derivative(slope, x))
        return sp.S.Zero if self._vanishes(entry) else entry

    def _vanishes(self, expression: sp.Expr) -> bool:
        """Whether an expression is zero; refuse where that is not decided, because the answer rests on it."""
        if expression.is_number and expression.is_zero is not None:
            return bool(expression.is_zero)
        verdict = is_zero(expression, self.space, budget=max(self.clock.remaining, 1e-3))
        if verdict.status == "undecided":
            raise LegendreError(
                f"whether {shorten(to_text(expression))} is zero is undecided, so the transform is not known; "
                "give a larger budget, or write the formula in another form"
            )
        return bool(verdict)

    def _is_constant(self, entry: sp.Expr) -> bool:
        return all(self._vanishes(derivative(entry, x)) for x in self.old if entry.has(x))

    def _base_point(self) -> dict[sp.Symbol, sp.Rational]:
        for value in (sp.S.Zero, sp.Rational(1, 3), sp.Rational(7, 3)):
            point = dict.fromkeys(self.old, value)
            moving = [e for e in (self.f, *self.slopes, *self.hessian) if e.free_symbols & set(self.old)]
            if all(is_finite(e.subs(point)) for e in moving):
                return point
        raise LegendreError(
            f"{shorten(to_text(self.f))} is not finite at {', '.join(map(str, self.old))} = 0, 1/3 or 7/3, from where the "
            "transform starts; shift these variables"
        )

    def _quadratic(self, group: list[int]) -> sp.Expr:
        """Transform c + b·x + x·M x/2."""
        matrix = self.hessian.extract(group, group).subs(self.base)
        at = sp.Matrix([self.base[self.old[i]] for i in group])
        b = sp.Matrix([self.slopes[i].subs(self.base) for i in group]) - matrix * at
        rest = sp.Matrix([self.new[i] for i in group]) - b
        determinant = _determinant(matrix)
        if self._vanishes(determinant):
            raise self._singular(group, matrix, b)
        if matrix.is_diagonal():
            halves = [r**2 / (2 * matrix[i, i]) for i, r in enumerate(rest)]
        else:
            cofactors = _adjugate(matrix)
            if sum(map(sp.count_ops, [determinant, *cofactors])) <= MOST_OPERATIONS * len(group):
                common = sp.gcd_list([determinant, *cofactors])  # for looks
                cofactors = cofactors.applyfunc(lambda entry: sp.cancel(entry / common))
                determinant = sp.cancel(determinant / common)
            halves = [(rest.T * cofactors * rest)[0].expand(deep=False) / (2 * determinant)]
        constant = -(b.T * at)[0] - (at.T * matrix * at)[0] / 2
        return sp.Add(*halves) - constant

    def _singular(self, group: list[int], matrix: sp.Matrix, b: sp.Matrix) -> LegendreError:
        null = self._null_vector(matrix)
        names = [self.old[i] for i in group]
        direction = sp.Add(*(n * self.new[i] for n, i in zip(null, group, strict=True)))
        value = sp.cancel(sp.Add(*(n * e for n, e in zip(null, b, strict=True))))
        vector = dict(zip(names, null, strict=True))
        return LegendreError(
            f"the matrix of second derivatives is singular: in the direction {vector} nothing is quadratic. "
            f"The new variables obey the constraint {direction} = {value} and do not determine the old ones; "
            "eliminate a variable first",
            null_vector=vector,
        )

    def _null_vector(self, matrix: sp.Matrix) -> list[sp.Expr]:
        """A nonzero vector that the matrix maps to zero, by elimination whose pivots are proved not to vanish."""
        size = matrix.rows
        work = matrix.copy()
        pivots: list[int] = []
        free = 0
        for column in range(size):
            row = next((r for r in range(len(pivots), size) if not self._vanishes(work[r, column])), None)
            if row is None:
                free = column
                break
            work.row_swap(row, len(pivots))
            k = len(pivots)
            work[k, :] = (work[k, :] / work[k, column]).applyfunc(sp.cancel)
            for r in range(size):
                if r != k:
                    work[r, :] = (work[r, :] - work[r, column] * work[k, :]).applyfunc(sp.cancel)
            pivots.append(column)
        vector = [sp.S.Zero] * size
        vector[free] = sp.S.One
        for k, column in enumerate(pivots):
            vector[column] = -work[k, free]
        return vector

    def _solved(self, group: list[int]) -> sp.Expr:
        try:
            return self._isotropic(group)
        except LegendreError:
            self._require_regular(group)
            raise

    def _require_regular(self, group: list[int]) -> None:
        """Tell, of what was not solved, that it has no solution."""
        matrix = self.hessian.extract(group, group)
        if sum(map(sp.count_ops, matrix)) > MOST_OPERATIONS * len(group) ** 2:
            return
        try:
            regular = not self._vanishes(_determinant(matrix))
            null = [] if regular else self._null_vector(matrix)
        except LegendreError:  # not decided
            return
        if not regular:
            vector = dict(zip((self.old[i] for i in group), null, strict=True))
            raise LegendreError(
                f"the matrix of second derivatives is singular: it maps the vector {vector} to zero, so the new "
                "variables are not independent and do not determine the old ones; eliminate a variable first",
                null_vector=vector,
            )

    def _isotropic(self, group: list[int]) -> sp.Expr:
        """Transform b·x + φ(|x - c|), or a function of one variable."""
        x = [self.old[i] for i in group]
        others = {s: v for s, v in self.base.items() if s not in x}
        f = self.f.subs(others)
        for centre in (dict.fromkeys(x, sp.S.Zero), *_centres(f, x)):
            shift = {s: s + c for s, c in centre.items()}
            slopes = [self.slopes[i].subs(others).subs(shift) for i in group]
            if sum(map(sp.count_ops, slopes)) > MOST_OPERATIONS * len(x):
                continue
            b = [e if is_finite(e) else sp.S.Zero for e in (s.subs(dict.fromkeys(x, 0)) for s in slopes)]
            turned = [s - e for s, e in zip(slopes, b, strict=True)]
            profile = f.subs({**shift, **{s: centre[s] for s in x[1:]}}) - b[0] * x[0]
            if not self._is_central(profile, turned, x):
                continue
            images = [self.new[i] for i in group]
            square = sp.Add(*((y - e) ** 2 for y, e in zip(images, b, strict=True)))
            found = self._along(group[0], profile, turned[0].subs(dict.fromkeys(x[1:], 0)), square)
            return sp.Add(found, *(y * c for y, c in zip(images, centre.values(), strict=True)))
        if len(group) == 1:
            return self._along(group[0], f, self.slopes[group[0]].subs(others), None)
        raise LegendreError(
            f"no closed form of the transform is known: {shorten(to_text(self.f))} is neither quadratic in "
            f"{', '.join(map(str, x))} nor a function of the length of that vector plus a linear one"
        )

    def _is_central(self, profile: sp.Expr, slopes: list[sp.Expr], x: list[sp.Symbol]) -> bool:
        """Whether these are the slopes of a function of the length of x, shown."""
        claims = [x[i] * slopes[j] - x[j] * slopes[i] for i in range(len(x)) for j in range(i)]
        try:
            return all(self._vanishes(c) for c in [*claims, profile - profile.subs(x[0], -x[0])])
        except (
            FormulaError,
            LegendreError,
        ):  # not real for both signs, or not shown: another way may be open
            return False

    def _along(self, i: int, f: sp.Expr, slope: sp.Expr, square: sp.Expr | None) -> sp.Expr:
        """Transform a function of one variable; with the square of a length, an even one of that length."""
        x, y = self.old[i], self.new[i]
        image = y if square is None else sp.Dummy(y.name, positive=True)
        try:
            solution = only_solution(slope, x, image, self.space, self.clock)
        except LegendreError as error:
            remedy = self._sign_remedy(slope, x, image)
            raise LegendreError(
                f"{y} = {shorten(to_text(slope))} is not solved for {x}: {error}{remedy}"
            ) from None
        constant, f = f.as_independent(x, as_Add=True)
        transformed = solution * image - f.subs(x, solution)
        if square is not None:
            length = sp.Dummy("length", positive=True)
            transformed = short_form(transformed.subs(image, sp.sqrt(length)), self.space, self.clock)
            transformed = transformed.subs(length, square)
        return transformed - constant + self.f.subs(self.base)

    def _sign_remedy(self, slope: sp.Expr, x: sp.Symbol, image: sp.Symbol) -> str:
        """What helps if the equation is solved once its parameters are positive."""
        unsigned = sorted(slope.free_symbols - {x}, key=str)
        unsigned = [s for s in unsigned if not s.is_positive and s.name in self.space.parameters]
        if not unsigned:
            return ""
        positive = {s: sp.Dummy(s.name, positive=True) for s in unsigned}
        try:
            only_solution(slope.subs(positive), x, image, self.space, self.clock)
        except (LegendreError, tw.ProofStopped):
            return ""
        return f"; declare {', '.join(map(str, unsigned))} positive"


def _determinant(matrix: sp.Matrix) -> sp.Expr:
    """Along the first row where that is short: sympy expands on its way, which long entries do not survive."""
    if matrix.rows > 3:
        return matrix.det(method="berkowitz")
    if matrix.rows == 0:
        return sp.S.One
    minors = (matrix.minor_submatrix(0, j) for j in range(matrix.rows))
    return sp.Add(*((-1) ** j * matrix[0, j] * _determinant(minor) for j, minor in enumerate(minors)))


def _adjugate(matrix: sp.Matrix) -> sp.Matrix:
    if matrix.rows > 3:
        return matrix.adjugate()
    return sp.Matrix(
        matrix.rows, matrix.rows, lambda i, j: (-1) ** (i + j) * _determinant(matrix.minor_submatrix(j, i))
    )


def _centres(f: sp.Expr, x: list[sp.Symbol]) -> list[dict[sp.Symbol, sp.Expr]]:
    """Return where the quadratic parts a |x - c|² + e of a formula are centred."""
    centres: list[dict[sp.Symbol, sp.Expr]] = []
    for base in {power.base for power in f.atoms(sp.Pow)}:
        if not base.is_polynomial(*x) or not base.has(*x):
            continue
        polynomial = sp.Poly(base, *x)
        unit = [tuple(2 * (i == k) for i in range(len(x))) for k in range(len(x))]
        leading = {polynomial.coeff_monomial(m) for m in unit}
        mixed = sum(sum(m) == 2 for m in polynomial.monoms()) > len(x)
        if polynomial.total_degree() == 2 and len(leading) == 1 and not mixed:
            a = leading.pop()
            centres.append({s: -sp.cancel(polynomial.coeff_monomial(s) / (2 * a)) for s in x})
    return [c for c in centres if any(c.values())]
