"""A Legendre transform tried at points of every sign: a closed form found for one sign need not hold for the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import sympy as sp

from hamsym.errors import LegendreError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.claim import Claim
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain, TooLarge
from hamsym.symbolic.zero_test.polynomial import Polynomial
from hamsym.symbolic.zero_test.witness import Point, choices, points

#: Sign patterns that are tried, points of the domain for each, and draws for these.
MOST_PATTERNS, POINTS, DRAWS = 64, 2, 12
#: Bits of a first look at a value, and of the last one before it is called undefined.
BITS = (128, 1024)


def require_everywhere(
    f: sp.Expr,
    transform: sp.Expr,
    old: Sequence[sp.Symbol],
    new: Sequence[sp.Symbol],
    space: Space,
    clock: tw.Clock,
) -> None:
    """Refuse a transform f* that is undefined, or not Σ x ∂f/∂x − f, at a point where f has a value.

    The points have all signs that the assumptions of the symbols allow.

    Arguments:
        f: the function of the old variables.
        transform: its transform, a function of the new ones.
        old: the old variables x.
        new: the new variables, which stand for ∂f/∂x.
        space: a space that declares all symbols.
        clock: the budget.

    Raises:
        LegendreError: with the sign for which the transform holds, where there is one.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace("q", "p", parameters={"v": "real", "k": "real"})
        >>> v, p = space.symbols["v"], space.symbols["p"]
        >>> f, transform = space.parse("k*v**4"), space.parse("3*(p**4/(256*k))**(1/3)")
        >>> require_everywhere(f, transform, [v], [p], space, tw.Clock(5.0))
        Traceback (most recent call last):
        hamsym.errors.LegendreError: the transform that is found holds only for k > 0; declare k positive
    """
    slopes = [sp.diff(f, x) for x in old]
    here = sp.Add(*(x * slope for x, slope in zip(old, slopes, strict=True))) - f
    there = transform.subs(dict(zip(new, slopes, strict=True)), simultaneous=True)
    try:
        # The transform is judged where f is defined, also where its own roots would forbid it.
        inside, difference = Claim(space, here, domain=Domain((), ())), Claim(space, there - here)
        symbols = list(dict.fromkeys([*inside.symbols, *difference.symbols]))
        failing = [
            p for p, functions in _inside(inside, symbols, clock) if not _agrees(difference, p, functions)
        ]
    except NoTape:
        return
    except tw.ProofStopped as stop:
        raise LegendreError(
            f"whether the transform holds for all signs was not settled: {stop}; give a larger budget"
        ) from None
    if failing:
        raise LegendreError(_told([s for s in symbols if s not in old], failing))


def _inside(
    claim: Claim, symbols: list[sp.Symbol], clock: tw.Clock
) -> Iterator[tuple[Point, dict[str, Polynomial]]]:
    free = [s for s in symbols if not s.is_positive]
    patterns: Iterable[tuple[int, ...]] = itertools.product((1, -1), repeat=len(free))
    for number, signs in enumerate(itertools.islice(patterns, MOST_PATTERNS)):
        drawn = zip(points(symbols, seed=number), choices(claim.arity, seed=number), strict=False)
        found = 0
        for point, functions in itertools.islice(drawn, DRAWS):
            clock.check()
            point = {**point, **{s: sign * abs(point[s]) for s, sign in zip(free, signs, strict=True)}}
            try:
                claim.value(point, functions, BITS[0])
            except OutsideDomain:
                continue
            yield point, functions
            found += 1
            if found == POINTS:
                break


def _agrees(difference: Claim, point: Point, functions: dict[str, Polynomial]) -> bool:
    for bits in BITS:
        try:
            return bool(difference.value(point, functions, bits).contains(0))
        except TooLarge:
            return True  # nothing is known there
        except OutsideDomain:
            continue
    return False


def _told(symbols: list[sp.Symbol], failing: list[Point]) -> str:
    for s in symbols:
        if not s.is_positive and all(point[s] < 0 for point in failing):
            return f"the transform that is found holds only for {s} > 0; declare {s} positive"
    for s in symbols:
        if not s.is_positive and all(point[s] > 0 for point in failing):
            return f"the transform that is found holds only for {s} < 0; write -{s} for {s} in the formula and declare {s} positive"
    unsigned = [str(s) for s in symbols if not s.is_positive]
    point = ", ".join(f"{s} = {v}" for s, v in failing[0].items())
    remedy = f"; declare the signs of {', '.join(unsigned)} where they are known" if unsigned else ""
    return f"no closed form is known that holds everywhere: the one that is found fails at {point}{remedy}"
