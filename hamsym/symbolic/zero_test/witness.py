"""Where a nonzero value is looked for: rational points, concrete functions, and rational bounds of what is found."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

import sympy as sp
from flint import arb, ctx
from mpmath.libmp import from_man_exp
from sympy.core.numbers import Number

from hamsym.symbolic.zero_test.polynomial import Polynomial

Point = dict[sp.Symbol, sp.Rational]

#: Binary exponents up to which a bound is written as a rational; beyond, as a float of the same value.
LONGEST = 6_000
#: Decimal exponents by which a point is drawn towards zero when the value there is too long to write.
_NEARER = (1, 3, 9, 10, 30, 100, 150, 310)

#: Magnitudes of the points that are tried, in turn: generic first, then near zero, near one, far out.
_SCALES = (
    sp.Integer(1), sp.Rational(3, 4), sp.Rational(1, 3), sp.Integer(2), sp.Rational(1, 20), sp.Integer(10),
    sp.Rational(1, 300), sp.Integer(100),
)  # fmt: skip


def points(symbols: Sequence[sp.Symbol], seed: int = 0) -> Iterator[Point]:
    """Yield rational points without end: generic ones of size one first, then other magnitudes and sign patterns.

    Arguments:
        symbols: symbols with their assumptions; positive ones get positive values.
        seed: starts the pseudo-random sequence.

    Example:
        >>> x, m = sp.Symbol("x", real=True), sp.Symbol("m", positive=True)
        >>> point = next(points([x, m]))
        >>> point[m] > 0, point == next(points([x, m]))
        (True, True)
    """
    generator = random.Random(seed)
    for turn in itertools.count():
        point: Point = {}
        scales = _SCALES[:4] if turn < 24 else _SCALES
        for symbol in symbols:
            value = sp.Rational(generator.randint(1, 40), generator.randint(7, 23))
            scale = (
                _SCALES[0]
                if turn < 3
                else generator.choice(scales)
                if turn % 2
                else scales[turn // 2 % len(scales)]
            )
            if not symbol.is_positive and turn % 5 != 2 and generator.random() < 0.5:
                value = -value
            point[symbol] = value * scale
        far_in = turn >= 24 and turn % 6 == 5
        yield next(itertools.islice(nearer(point), turn // 6 % len(_NEARER), None)) if far_in else point


def choices(arity: Mapping[str, int], seed: int = 0) -> Iterator[dict[str, Polynomial]]:
    """Yield concrete polynomials for undefined functions without end: of degree 3, even and positive, or of mixed signs.

    Arguments:
        arity: the number of arguments of each function.
        seed: starts the pseudo-random sequence.

    Example:
        >>> next(choices({"V": 2}))["V"].arity
        2
    """
    generator = random.Random(seed + 1)
    for turn in itertools.count():
        chosen = {}
        for name, n in arity.items():
            step = 1 if turn % 2 == 0 else 2
            degree = 3 if n <= 3 else 2
            exponents = [
                e
                for e in itertools.product(range(0, degree * step + 1, step), repeat=n)
                if sum(e) <= degree * step
            ]
            if n > 6:
                exponents = [tuple(step * (i == k) for i in range(n)) for k in range(n)] + [(0,) * n]
            signs = (1, -1) if turn % 4 == 2 else (1,)
            terms = {
                e: generator.choice(signs) * sp.Rational(generator.randint(1, 12), generator.randint(3, 9))
                for e in exponents
            }
            chosen[name] = Polynomial(n, terms)
        yield chosen


def nearer(point: Point) -> Iterator[Point]:
    """Yield the point drawn towards zero more and more, for formulas that grow fast.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> next(nearer({x: sp.Integer(3)}))
        {x: 3/10}
    """
    for k in _NEARER:
        yield {symbol: value / sp.Integer(10) ** k for symbol, value in point.items()}


def is_short(ball: arb) -> bool:
    """Tell whether the bounds of a ball are rationals of bounded length.

    Example:
        >>> is_short(arb(2)), is_short(arb(10**6).exp())
        (True, False)
    """
    return all(abs(exponent) <= LONGEST for _, exponent in _ends(ball))


def enclosure(ball: arb) -> tuple[Number, Number]:
    """Return lower and upper bounds of a ball, rounded outward to 128 bits.

    Returns:
        Rationals; or floats, exact too, where rationals would have thousands of digits.

    Example:
        >>> enclosure(arb(2))
        (2, 2)
        >>> lower, upper = enclosure(arb(10**9).exp())
        >>> lower.is_Float, 0 < lower < upper
        (True, True)
    """
    ends = _ends(ball)
    if not all(abs(exponent) <= LONGEST for _, exponent in ends):
        lower, upper = (sp.Float._new(from_man_exp(*end), 130) for end in ends)
    else:
        lower, upper = (
            sp.Rational(mantissa << max(exponent, 0), 1 << max(-exponent, 0)) for mantissa, exponent in ends
        )
    return lower, upper


def _ends(ball: arb) -> list[tuple[int, int]]:
    """Return mantissa and binary exponent of the lower and the upper end."""
    with ctx.workprec(128):
        ends = [end.man_exp() for end in (ball.lower(), ball.upper())]
    return [(int(mantissa), int(exponent)) for mantissa, exponent in ends]
