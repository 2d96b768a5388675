"""Whether g is conserved by H where both have sums: one proof for all terms, or one point at which it is not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.sum_proofs.atoms import Atoms, NoTermwise
from hamsym.symbolic.sum_proofs.generic import generic_verdict
from hamsym.symbolic.sum_proofs.gradients import Bracket
from hamsym.symbolic.sum_proofs.moments import Moments, Split, by_time, total_derivative
from hamsym.symbolic.sum_proofs.residual import INDEX, bracket
from hamsym.symbolic.sum_proofs.verdicts import Lemma, ProvedBySums, RefutedBySums, WrittenOut
from hamsym.symbolic.sums import term_count, used_symbols
from hamsym.symbolic.sums.expansion import outermost_sums
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.undecided import Undecided
from hamsym.symbolic.zero_test.verdict import Constant, Verdict
from hamsym.symbolic.zero_test.witness import Point, choices

#: Points at which a value is looked for.
POINTS = 12
#: Terms that are added up at a point, for each second of the budget.
RATE = 1_000_000
#: Operations of the longest summand that is given to the zero test.
MOST_OPERATIONS = 4_000
#: Values at points are multiples of one over this.
_STEPS = 64


def decide_sums(g: sp.Expr, H: sp.Expr, domain: Domain, space: PhaseSpace, budget: float = 60.0) -> Verdict:
    """Answer whether ``{g, H} + ∂g/∂t`` vanishes, without writing sums out.

    Arguments:
        g, H: written forms.
        domain: conditions of both as they were written.
        space: of both.
        budget: seconds for the proofs of all summands; and millions of terms that are added up at a point.

    Returns:
        ``Proved`` if all summands of the bracket vanish by themselves, ``Refuted`` if a point was found, else
        ``Undecided``.

    Example:
        >>> space = PhaseSpace.standard(1000)
        >>> H = space.parse("Sum(p[i]**2/2, (i, 1, 1000)) + Sum(cos(q[i] - q[j]), (j, i + 1, 1000), (i, 1, 999))")
        >>> decide_sums(space.parse("Sum(p[i], (i, 1, 1000))"), H, Domain(), space).status
        'proved'
        >>> decide_sums(space.parse("Sum(i*p[i], (i, 1, 1000))"), H, Domain(), space).status
        'refuted'
    """
    started = time.perf_counter()
    question = "{g, H} = 0" if space.time is None else "{g, H} + dg/dt = 0"
    subject = {"generator": g, "hamiltonian": H}
    atoms = Atoms(space)
    reason, how, formula = "", "", WrittenOut(g, H, space)
    lemmas: tuple[Lemma, ...] | None = None
    try:
        lemmas, how = _proof(g, H, atoms, budget)
    except (NoTermwise, FormulaError) as stop:
        reason = str(stop)
    except RecursionError:
        reason = "the expression is nested too deeply"
    seen = None
    try:
        if term_count(g) + term_count(H) > RATE * budget:
            raise NoTape(
                f"a point at which all terms are finite was not looked for, as there are more than {RATE * budget:g}"
            )
        for n, (point, functions) in enumerate(_points(g, H, domain, space)):
            if n == POINTS:
                break
            try:
                value = Bracket(g, H, domain, atoms, functions).at(point)
            except OutsideDomain:
                continue
            seen = seen or (point, functions)
            low, high = float(value.low), float(value.high)
            if low > 0 or high < 0:
                if lemmas is not None:
                    reason = "a proof and a certified nonzero value contradict each other: please report this formula"
                    lemmas = None
                    break
                return RefutedBySums(
                    question,
                    formula,
                    point,
                    (sp.Rational(low), sp.Rational(high)),
                    functions,
                    domain=domain,
                    subject=subject,
                    written=(g, H),
                    space=space,
                    seconds=time.perf_counter() - started,
                )
            if lemmas is not None:
                break
    except (NoTape, NoTermwise, FormulaError) as stop:
        reason = reason or str(stop)
    if lemmas is not None and seen is not None:
        return ProvedBySums(
            question,
            formula,
            Constant(()),
            seen[0],
            seen[1],
            domain=domain,
            subject=subject,
            lemmas=lemmas,
            written=(g, H),
            space=space,
            reason=how,
            seconds=time.perf_counter() - started,
        )
    if lemmas is not None and not reason:
        reason = "no point of the domain was found"
    return Undecided(
        question,
        formula,
        reason=reason,
        subject=subject,
        seconds=time.perf_counter() - started,
    )


def _proof(g: sp.Expr, H: sp.Expr, atoms: Atoms, budget: float) -> tuple[tuple[Lemma, ...], str]:
    """Return what was proved, and how it makes up the bracket.

    Raises:
        NoTermwise: if there is no such proof.
    """
    space, how = atoms.space, ""
    if space.time is None or space.time not in H.free_symbols:
        multiple, g = _without_multiple(g, H, space)
        if multiple and g == 0:
            return (), "the bracket of a function with a multiple of itself vanishes, as it is antisymmetric"
        how = f"g is {multiple} H and a rest; for the rest, " if multiple else ""
    lemmas: list[Lemma] = []
    deadline = time.perf_counter() + budget

    def require_zero(e: sp.Expr, where: str) -> None:
        if e == 0:
            return
        left = deadline - time.perf_counter()
        if e.count_ops() > MOST_OPERATIONS or left <= 0:
            raise NoTermwise(
                f"the summand {shorten(str(e), 120)} for {where} is too long to be shown to vanish"
            )
        verdict = generic_verdict(e, atoms, left)
        if verdict.status != "proved":
            raise NoTermwise(f"the summand {shorten(str(e), 120)} for {where} was not shown to vanish")
        lemmas.append(Lemma(where, verdict))

    left, right = Split(g, atoms, "g"), Split(H, atoms, "H")
    if left.values or right.values:
        require_zero(
            total_derivative(left, right, Moments(atoms, require_zero)), "all values of the sums in it"
        )
        return tuple(lemmas), how + "the bracket vanishes by the chain rule, with symbols for the sums in it"
    total = bracket(left.terms, right.terms, atoms)
    for t in by_time(left.terms, atoms):
        total.add(atoms, t.expr, t.ranges)
    for key, (_, parts) in total.several.items():
        require_zero(sp.Add(*parts), key)
    plain, stretches = total.split(atoms).stretches(atoms)
    for first, last, e in stretches:
        require_zero(e, f"{INDEX}: {first}…{last}")
    require_zero(plain, "the terms without index")
    how += (
        f"every summand of the bracket {'vanishes' if lemmas else 'cancels'}, for all values of its indices"
    )
    return tuple(lemmas), how


def _without_multiple(g: sp.Expr, H: sp.Expr, space: PhaseSpace) -> tuple[sp.Expr, sp.Expr]:
    """Return a number c and g − c H without constants, if a term of H with most indices is one of g; else 0 and g."""
    of_g, of_h = (
        {e: c for c, e in map(_coefficient, sp.Add.make_args(f)) if not _is_constant(e, space)}
        for f in (g, H)
    )
    longest = max(of_h, key=_indices, default=None)
    if longest not in of_g:
        return sp.S.Zero, g
    c = of_g[longest] / of_h[longest]
    every = {*of_g, *of_h}
    return c, sp.Add(*((of_g.get(e, 0) - c * of_h.get(e, 0)) * e for e in every))


def _indices(e: sp.Expr) -> int:
    return max((len(s.limits) for s in outermost_sums(e)), default=0)


def _coefficient(e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    number, rest = e.as_coeff_Mul()
    return number, rest


def _is_constant(e: sp.Expr, space: PhaseSpace) -> bool:
    return not e.has(sp.Sum) and e.free_symbols <= set(space.parameters.values())


def _points(
    g: sp.Expr, H: sp.Expr, domain: Domain, space: PhaseSpace
) -> Iterator[tuple[Point, dict[str, sp.Lambda]]]:
    """Yield points whose values are short in binary: without order, growing and falling along the names, and small."""
    used = used_symbols(g, space.families) | used_symbols(H, space.families)
    symbols = [s for s in space.symbols.values() if s in used or domain.positive or domain.nonzero]
    generator = random.Random(0)
    for turn, chosen in enumerate(choices(space.function_arity)):
        functions = {name: polynomial.as_lambda() for name, polynomial in chosen.items()}
        scale = sp.Rational(1, (1, 1, 1, 1, 16, 256)[turn // 2 % 6])
        draws = [generator.randint(8, 2 * _STEPS) for _ in symbols]
        signs = [1 if s.is_positive or turn % 4 == 3 else generator.choice((1, -1)) for s in symbols]
        if turn % 4 in (1, 2):
            order, step = (1 if turn % 4 == 1 else -1), 16
            draws = [
                d % step + (step * k if s in space.coordinates else step) + 1
                for k, (s, d) in enumerate(zip(symbols, draws, strict=True))
            ]
            signs = [1 if s.is_positive else order for s in symbols]
        yield (
            {
                s: scale * sp.Rational(sign * d, _STEPS)
                for s, sign, d in zip(symbols, signs, draws, strict=True)
            },
            functions,
        )
