"""The exponential of a matrix in closed real form, by its spectral projections.

For each factor f of the characteristic polynomial there is a projection P, a polynomial in M, onto the space where f(M) is
nilpotent, and exp(εM) = Σ P exp(εM) (Gantmacher, The Theory of Matrices, vol. 1, chapter V; Lagrange and Sylvester
where the eigenvalues are simple).  On that space, with N = f(M):

- f = x − λ: exp(λε) Σ ε^j N^j/j!
- f = (x − α)² − s: exp(αε) (C(s + N) + (M − α) S(s + N)), where C(s) = cosh(√s ε) and S(s) = sinh(√s ε)/√s, which are
  cos and sin for negative s; expanded in N by C' = εS/2 and S' = (εC − S)/(2s).
- f = x⁴ + bx² + c, as of coupled oscillators: two factors over a square root.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from hamsym.errors import SymmetryError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.reality import Reality
from hamsym.symbolic.formula.text import shorten, to_text

#: Operations in a characteristic polynomial that is factored.
MOST_OPERATIONS = 400

#: Terms of a sum of matrices: a function of the group parameter, and the matrix that it multiplies.
Term = tuple[sp.Expr, sp.Matrix]
#: C and S with their derivatives by s: power of the group parameter and which of the two, to the coefficient.
Combination = dict[tuple[int, int], sp.Expr]


def exponential(matrix: sp.Matrix, eps: sp.Expr, clock: tw.Clock) -> sp.Matrix:
    """Return exp(eps·M), block by block, in real form.

    Arguments:
        matrix: a square matrix of real entries, which may contain parameters.
        eps: the factor.
        clock: the budget.

    Raises:
        SymmetryError: if eigenvalues need more than square roots, or the signs under these are not known to be such that the
            form is real, or there is no time left.

    Source: Gantmacher, The Theory of Matrices, volume 1, chapter V.

    Example:
        >>> exponential(sp.Matrix([[0, 1], [-1, 0]]), sp.Symbol("a", real=True), tw.Clock(5.0))
        Matrix([
        [ cos(a), sin(a)],
        [-sin(a), cos(a)]])
    """
    result = sp.eye(matrix.rows)
    try:
        for block in matrix.connected_components():
            exact = _block_exponential(matrix.extract(block, block), eps, clock)
            for a, row in enumerate(block):
                for b, column in enumerate(block):
                    result[row, column] = exact[a, b]
    except tw.ProofStopped as stop:
        raise SymmetryError(
            f"the exponential of this linear field was not found: {stop}; give a larger budget"
        ) from None
    return result


def square_root(square: sp.Expr) -> sp.Expr | None:
    """Return a real root, of either sign, or None where it is not certain that there is one.

    Either sign serves, since cos(rε) and sin(rε)/r are even in r.

    Example:
        >>> k = sp.Symbol("k", real=True)
        >>> square_root(k**2), square_root(k)
        (k, None)
    """
    root = sp.Integer(1)
    for side, part in zip((1, -1), sp.fraction(sp.together(square)), strict=True):
        try:
            coefficient, factors = sp.factor_list(part)
        except sp.PolynomialError:
            return None
        if not coefficient.is_nonnegative or any(e % 2 and not f.is_nonnegative for f, e in factors):
            return None
        root *= sp.sqrt(coefficient) ** side
        root *= sp.Mul(*(f ** sp.Rational(side * e, 2) for f, e in factors))
    return root


def _block_exponential(matrix: sp.Matrix, eps: sp.Expr, clock: tw.Clock) -> sp.Matrix:
    size = matrix.rows
    identity, power, total = sp.eye(size), sp.eye(size), sp.eye(size)
    for k in range(1, size + 1):  # nilpotent: the series ends
        clock.check()
        power = (power * matrix).expand()
        if power.is_zero_matrix:
            return total
        total += power * eps**k / sp.factorial(k)
    if matrix.is_diagonal():
        return sp.diag(*(sp.exp(eps * matrix[k, k]) for k in range(size)))
    square = (matrix * matrix).expand()
    if square == square[0, 0] * identity:
        even, odd = _waves(square[0, 0], eps)
        return even * identity + odd * matrix
    return _Spectral(matrix, eps, clock).exponential()


class _Spectral:
    """A matrix, its characteristic polynomial, and the exponential on the space of each factor."""

    def __init__(self, matrix: sp.Matrix, eps: sp.Expr, clock: tw.Clock) -> None:
        self.matrix, self.eps, self.clock = matrix, eps, clock
        self.x = sp.Dummy("x")
        expression = matrix.charpoly().as_expr(self.x)
        clock.check()
        if expression.count_ops() > MOST_OPERATIONS:
            raise _no_form("its characteristic polynomial is too long")
        self.whole = sp.Poly(expression, self.x, field=True)

    def exponential(self) -> sp.Matrix:
        sums: dict[sp.Expr, sp.Matrix] = {}
        for factor, multiplicity in self._factors():
            power = factor**multiplicity
            rest = self.whole.quo(power)
            projection = self._at((rest * rest.rem(power).invert(power)).rem(self.whole))
            for function, part in self._terms(factor, projection):
                self.clock.check()
                sums[function] = sums[function] + part if function in sums else part
        size = self.matrix.rows
        total = sp.zeros(size, size)
        for function, part in sums.items():
            self.clock.check()
            total += part.applyfunc(lambda entry: _short(entry)) * function
        return total

    def _factors(self) -> list[tuple[sp.Poly, int]]:
        try:
            factors = self.whole.factor_list()[1]
        except sp.PolynomialError:  # coefficients that are not rational in the parameters
            factors = [(self.whole, 1)]
        self.clock.check()
        return [(f.monic(), multiplicity) for f, multiplicity in factors]

    def _at(self, polynomial: sp.Poly) -> sp.Matrix:
        """The polynomial of the matrix, by Horner's rule."""
        size = self.matrix.rows
        value = sp.zeros(size, size)
        for coefficient in polynomial.all_coeffs():
            value = self._product(value, self.matrix) + coefficient * sp.eye(size)
        return value.applyfunc(_short)

    def _product(self, a: sp.Matrix, b: sp.Matrix) -> sp.Matrix:
        self.clock.check()
        return (a * b).applyfunc(_short)

    def _terms(self, factor: sp.Poly, projection: sp.Matrix) -> Iterator[Term]:
        coefficients = factor.all_coeffs()
        if factor.degree() == 1:
            yield from self._linear(-coefficients[1], factor, projection)
        elif factor.degree() == 2:
            yield from self._quadratic(coefficients[1], coefficients[2], factor, projection)
        elif factor.degree() == 4 and coefficients[1] == coefficients[3] == 0:
            yield from self._biquadratic(coefficients[2], coefficients[4], factor, projection)
        else:
            raise _no_form(f"its eigenvalues are roots of {shorten(to_text(factor.as_expr(sp.Symbol('x'))))}")

    def _linear(self, value: sp.Expr, factor: sp.Poly, projection: sp.Matrix) -> Iterator[Term]:
        nilpotent, part, j = self._at(factor), projection, 0
        while not part.is_zero_matrix:
            yield sp.exp(value * self.eps) * self.eps**j, part / sp.factorial(j)
            part, j = self._product(part, nilpotent), j + 1

    def _quadratic(self, b: sp.Expr, c: sp.Expr, factor: sp.Poly, projection: sp.Matrix) -> Iterator[Term]:
        centre, s = -b / 2, sp.cancel(b**2 / 4 - c)
        even, odd = _waves(s, self.eps)
        yield from self._pair(centre, s, even, odd, self._at(factor), projection)

    def _pair(
        self,
        centre: sp.Expr,
        s: sp.Expr,
        even: sp.Expr,
        odd: sp.Expr,
        nilpotent: sp.Matrix,
        projection: sp.Matrix,
    ) -> Iterator[Term]:
        """Expand exp(centre·ε) (C(s + N) + (M − centre) S(s + N)) in N."""
        growth = sp.exp(centre * self.eps)
        shifted = self.matrix - centre * sp.eye(self.matrix.rows)
        symbol = sp.Dummy("s")
        slopes: list[Combination] = [{(0, 0): sp.S.One}, {(0, 1): sp.S.One}]
        j, part = 0, projection
        while not part.is_zero_matrix:
            for slope, matrix in zip(slopes, (part, self._product(shifted, part)), strict=True):
                for (power, which), coefficient in slope.items():
                    yield (
                        growth * self.eps**power * (even, odd)[which],
                        matrix * coefficient.subs(symbol, s) / sp.factorial(j),
                    )
            slopes = [_derived(slope, symbol) for slope in slopes]
            part, j = self._product(part, nilpotent), j + 1

    def _biquadratic(self, b: sp.Expr, c: sp.Expr, factor: sp.Poly, projection: sp.Matrix) -> Iterator[Term]:
        nilpotent = self._at(factor)
        if not self._product(projection, nilpotent).is_zero_matrix:
            raise _no_form(
                f"eigenvalues that need square roots of square roots are multiple: roots of {to_text(factor.as_expr(sp.Symbol('x')))}"
            )
        none = sp.zeros(*self.matrix.shape)
        square = self._product(self.matrix, self.matrix)
        identity = sp.eye(self.matrix.rows)
        discriminant = sp.expand(b**2 - 4 * c)
        gap = square_root(discriminant)
        if gap is None and Reality().never_positive(-discriminant):
            gap = sp.sqrt(discriminant)
        if gap is not None:
            for sign in (1, -1):
                s = (sign * gap - b) / 2
                other = self._product(projection, square + (b + s) * identity) / (sign * gap)
                positive = True if (c.is_negative and sign > 0) or (c.is_positive and b.is_negative) else None
                negative = True if (c.is_negative and sign < 0) or (c.is_positive and b.is_positive) else None
                even, odd = _waves(s, self.eps, sign=1 if positive else -1 if negative else None)
                yield from self._pair(sp.S.Zero, s, even, odd, none, other)
            return
        if not (-discriminant).is_positive:
            raise _no_form(f"the sign of {shorten(to_text(sp.factor(discriminant)))} is not known")
        middle = sp.sqrt(c)  # a quartet ±α ± iβ
        double = sp.sqrt(2 * middle - b)
        inverse = self._product(self.matrix, square + b * identity) / -c
        for sign in (1, -1):
            other = (square + sign * double * self.matrix + middle * identity) * sign / (2 * double)
            s = double**2 / 4 - middle
            even, odd = _waves(s, self.eps, sign=-1)
            part = self._product(self._product(projection, inverse), other)
            yield from self._pair(sign * double / 2, s, even, odd, none, part)


def _waves(s: sp.Expr, eps: sp.Expr, *, sign: int | None = None) -> tuple[sp.Expr, sp.Expr]:
    """cosh(√s ε) and sinh(√s ε)/√s in real form, also where the sign of s is not known."""
    turn = sp.sqrt(-s) if sign == -1 else None if sign == 1 else square_root(-s)
    if turn is not None:
        return sp.cos(turn * eps), sp.sin(turn * eps) / turn
    boost = sp.sqrt(s) if sign == 1 else square_root(s)
    if boost is not None:
        return sp.cosh(boost * eps), sp.sinh(boost * eps) / boost
    turn, boost = (sp.sqrt((sp.Abs(s) + side * s) / 2) for side in (-1, 1))  # one of them vanishes
    even = sp.cos(turn * eps) * sp.cosh(boost * eps)
    odd = (turn * sp.sin(turn * eps) + boost * sp.sinh(boost * eps)) / sp.Abs(s)
    return even, odd


def _derived(slope: Combination, s: sp.Symbol) -> Combination:
    """The derivative by s, from C' = εS/2 and S' = (εC − S)/(2s)."""
    total: Combination = {}
    for (power, which), coefficient in slope.items():
        parts = [((power, which), sp.diff(coefficient, s))]
        if which == 0:
            parts.append(((power + 1, 1), coefficient / 2))
        else:
            parts += [((power + 1, 0), coefficient / (2 * s)), ((power, 1), -coefficient / (2 * s))]
        for key, part in parts:
            total[key] = total.get(key, sp.S.Zero) + part
    return total


def _short(entry: sp.Expr) -> sp.Expr:
    try:
        return sp.cancel(entry)
    except sp.PolynomialError:
        return sp.expand(entry)


def _no_form(reason: str) -> SymmetryError:
    return SymmetryError(
        f"no closed form of the exponential of this linear field is known: {reason}. Give parameters their signs or "
        "values, or follow the flow by numbers: simulate(Hamiltonian(g, space), …)"
    )
