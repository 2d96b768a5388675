"""Random mutations of true cases: is any verdict unsound?

    python benchmarks/mutations.py [--count 2000] [--seed 0] [--json FILE]

One random monomial in the coordinates and momenta, with coefficient 1 or 1e-6, is added to a quantity that is
conserved, and the full verdict and the prover alone are asked.  The truth comes from other code: derivatives by
sympy, compiled for mpmath, with 60 digits at points where every radicand and argument of a logarithm is positive.
Undefined functions stand for transcendental ones there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

import mpmath
import sympy as sp
from rich.progress import track

from hamsym.symbolic.tower import Clock
from hamsym.symbolic.zero_test.decide import Claim, decide, prove

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "symbolic"))
from expressions import CASES, CLASSICAL, case_space, monomial

DIGITS, POINTS = 60, 3


def concrete(name: str, arguments: tuple[sp.Expr, ...]) -> sp.Expr:
    """Return a positive transcendental function of the arguments, another one for each name."""
    number = sum(map(ord, name)) % 7 + 2
    mixed = sum((k + 2) * a / (number + k) for k, a in enumerate(arguments))
    squares = sum(a**2 for a in arguments)
    return (
        sp.sin(mixed) + sp.cos(2 * arguments[0]) / number + sp.exp(-squares / (90 + number)) + squares / 9 + 4
    )


class Bracket:
    """The total derivative of g along H at points, by sympy and mpmath.

    Derivatives of g are taken of g and of the monomial apart, so that the long one is compiled once.
    """

    def __init__(self, space, H: sp.Expr) -> None:  # type: ignore[no-untyped-def]
        self.space = space
        self.symbols = list(space.symbols.values())
        self.H = self.known(H)

    def known(self, e: sp.Expr) -> sp.Expr:
        """Replace undefined functions, the innermost first."""
        for name, function in self.space.functions.items():
            e = e.replace(function, lambda *a, name=name: concrete(name, a))
        return e

    def compiled(self, g: sp.Expr):  # type: ignore[no-untyped-def]
        """Return a function of the symbols that gives the terms of the derivative, and the bases that must be positive."""
        g, H, space = self.known(g), self.H, self.space
        pairs = [(J, sp.diff(g, a), sp.diff(H, b)) for (a, b), J in space.poisson_tensor.items()]
        terms = [J * f * h for J, f, h in pairs if f != 0 and h != 0]
        if space.time is not None:
            terms.append(sp.diff(g, space.time))
        bases = [
            p.base for e in (g, H) for p in e.atoms(sp.Pow) if p.base is not sp.E and not p.exp.is_integer
        ]
        bases += [a.args[0] for e in (g, H) for a in e.atoms(sp.log)]
        return sp.lambdify(self.symbols, [sp.Tuple(*terms), sp.Tuple(*bases)], "mpmath", cse=True)


def values(symbols: list[sp.Symbol], compiled, seed: int):  # type: ignore[no-untyped-def]
    """Return (sum, largest term) at points of the domain, as many as are found."""
    generator, found = random.Random(seed), {}
    for turn in range(400):
        point = [
            mpmath.mpf(generator.randint(1, 999)) / generator.randint(300, 700)
            * (1 if s.is_positive or generator.random() < 0.5 else -1)
            for s in symbols
        ]  # fmt: skip
        try:
            terms, bases = compiled(*point)
            inside = all(b > 0 for b in bases) and all(
                mpmath.isfinite(t) and mpmath.im(t) == 0 for t in terms
            )
        except (ZeroDivisionError, ValueError, TypeError, OverflowError):
            continue
        if inside:
            found[turn] = (mpmath.fsum(terms), max([abs(t) for t in terms], default=mpmath.mpf(1)))
        if len(found) == POINTS:
            break
    return list(found.values())


def is_zero(pairs: list[tuple[mpmath.mpf, mpmath.mpf]]) -> bool:
    """Tell whether all sums are no more than what cancellation leaves of 60 digits."""
    return all(abs(total) <= mpmath.mpf(10) ** (8 - DIGITS) * max(scale, 1) for total, scale in pairs)


def main() -> None:
    """Mutate, decide, compare, count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts there")
    options = parser.parse_args()
    mpmath.mp.dps = DIGITS
    cases = [c for c in [*CASES, *CLASSICAL] if c["expected"] and "slow" not in c["tags"]]
    each = -(-options.count // len(cases))
    counts: Counter[str] = Counter()
    for number, case in enumerate(track(cases, description="cases", transient=True)):
        space, generator = case_space(case), random.Random(f"{options.seed} {case['name']}")
        H, g = space.parse(case["H"]), space.parse(case["g"])
        bracket = Bracket(space, H)
        for k in range(each):
            added = monomial(space, generator)
            claim = Claim(space, g + added, H)
            verdict = decide(claim, 10.0)
            alone = bool(prove(claim, Clock(10.0)))
            # g itself is conserved, as other code found before: the mutation is if the monomial is.
            pairs = values(bracket.symbols, bracket.compiled(added), seed=number * 1000 + k)
            counts["mutations"] += 1
            if not pairs:
                counts["no point found"] += 1
                continue
            truth = is_zero(pairs)
            counts[f"truly {'zero' if truth else 'nonzero'}"] += 1
            counts[verdict.status] += 1
            counts["proved by the prover alone"] += alone
            if alone != truth or verdict.status != ("proved" if truth else "refuted"):
                kind = "undecided only" if not alone and verdict.status == "undecided" else "UNSOUND"
                counts[kind] += 1
                print(f"{kind}: {case['name']} + {added}: {verdict.status}, prover {alone}, truth {truth}")
    for name, count in counts.items():
        print(f"{name:>28}  {count}")
    print(f"{'unsound':>28}  {counts['UNSOUND']}")
    if options.json:
        options.json.write_text(json.dumps({**counts, "unsound": counts["UNSOUND"]}) + "\n")
    raise SystemExit(1 if counts["UNSOUND"] else 0)


if __name__ == "__main__":
    main()
