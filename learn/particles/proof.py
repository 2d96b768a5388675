"""Proofs about energies of pairs, for every function of the distances."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sympy as sp

from hamsym.symbolic.bracket import is_zero, verify
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from hamsym.symbolic.zero_test.verdict import Verdict
from learn.particles.bodies import Particles


def pair_formulas(particles: Particles, space: PhaseSpace | None = None) -> dict[str, str]:
    """Return what the energies of pairs look at, as text: squares of distances of q, and the same of p.

    Arguments:
        particles: the bodies.
        space: whose names are used; q1 … qn and p1 … pn if None.

    Example:
        >>> pair_formulas(Particles(2, 1))["q"]
        'V((q1 - q2)**2)'
    """
    space = space or particles.space
    return {"q": _sum(particles, space.coordinates), "p": _sum(particles, space.momenta)}


def prove_pair_invariance(
    generators: Sequence[Generator], particles: Particles, kinetic: str = "learned", *, budget: float = 10.0
) -> list[Verdict]:
    """Prove that sums over pairs of bodies commute with generators, and do not notice exchanges of identical bodies.

    U and K enter as sums of undefined functions V of squared distances, one for each kind of pair, and the base
    density as the Gaussian with two arbitrary scales of coordinates without their mean.

    Arguments:
        generators: on the coordinates of the bodies.
        particles: the bodies.
        kinetic: "learned", or "fixed" for K = a Σ|p_i − p̄|² with an arbitrary a > 0.
        budget: seconds for each verdict.

    Returns:
        Three verdicts for each generator and three for each of the exchanges that make all permutations; the
        ``question`` of each names what was asked.

    Example:
        >>> bodies = Particles(3, 1)
        >>> found = prove_pair_invariance(bodies.generators(), bodies)
        >>> {v.status for v in found}, len(found)
        ({'proved'}, 9)
        >>> print(found[-1].question)
        -log π with bodies 2 and 3 exchanged is -log π, for every a, b > 0
    """
    return list(_proved(tuple(generators), particles, kinetic, budget))


@lru_cache(maxsize=8)  # of thirteen bodies they take half a minute
def _proved(
    generators: tuple[Generator, ...], particles: Particles, kinetic: str, budget: float
) -> tuple[Verdict, ...]:
    base = generators[0].space if generators else particles.space
    functions = [f"V{k + 1}" if max(particles.kinds) else "V" for k in range(max(particles.kinds) + 1)]
    space = PhaseSpace(
        [s.name for s in base.coordinates],
        [s.name for s in base.momenta],
        parameters={"a": "positive", "b": "positive"},
        functions=dict.fromkeys(functions, 1),
    )
    texts = pair_formulas(particles, space)
    gaussian = f"a*({_spread(particles, space.coordinates)}) + b*({_spread(particles, space.momenta)})"
    every = f"for every {', '.join(functions)}"
    of_p = (texts["p"], every)
    if kinetic == "fixed":
        of_p = (f"a*({_spread(particles, space.momenta)})", "for every a > 0")
    parts = {"U": (texts["q"], every), "K": of_p, "-log π": (gaussian, "for every a, b > 0")}
    energies = {name: Hamiltonian(text, space) for name, (text, _) in parts.items()}
    verdicts = []
    for g in generators:
        for name, (text, scope) in parts.items():
            verdict = verify(energies[name], g.text, budget=budget)
            verdict.question = f"{{g, {name}}} = 0 for g = {g.text}, {name} = {text} {scope}"
            verdicts.append(verdict)
    for i, j in particles.exchanges:
        exchanged = _exchange(particles, space, i, j)
        for name, (_, scope) in parts.items():
            expr = energies[name].expr
            verdict = is_zero(expr.xreplace(exchanged) - expr, space, budget=budget)
            verdict.question = f"{name} with bodies {i + 1} and {j + 1} exchanged is {name}, {scope}"
            verdicts.append(verdict)
    return tuple(verdicts)


def _exchange(particles: Particles, space: PhaseSpace, i: int, j: int) -> dict[sp.Symbol, sp.Symbol]:
    d = particles.dimensions
    renamed: dict[sp.Symbol, sp.Symbol] = {}
    for symbols in (space.coordinates, space.momenta):
        for k in range(d):
            a, b = symbols[i * d + k], symbols[j * d + k]
            renamed |= {a: b, b: a}
    return renamed


def _square(particles: Particles, symbols: Sequence[sp.Symbol], i: int, j: int) -> str:
    d = particles.dimensions
    return " + ".join(f"({symbols[i * d + k].name} - {symbols[j * d + k].name})**2" for k in range(d))


def _sum(particles: Particles, symbols: Sequence[sp.Symbol]) -> str:
    several = max(particles.kinds)
    return " + ".join(
        f"V{kind + 1 if several else ''}({_square(particles, symbols, i, j)})"
        for (i, j), kind in zip(particles.pairs, particles.kinds, strict=True)
    )


def _spread(particles: Particles, symbols: Sequence[sp.Symbol]) -> str:
    """Σ |x_i − x̄|² = Σ_{i<j} |x_i − x_j|²/n."""
    squares = (_square(particles, symbols, i, j) for i, j in particles.pairs)
    return f"({' + '.join(squares)})/{particles.number}"
