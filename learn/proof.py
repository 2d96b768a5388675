"""Proofs about flows that are invariant by construction, for every value of their weights."""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.symbolic.bracket import verify
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import PhaseSpace
from hamsym.symbolic.symmetry import Generator
from hamsym.symbolic.verdict import Verdict


def prove_invariance(g: Generator, blocks: Sequence[Sequence[int]], *, budget: float = 10.0) -> list[Verdict]:
    """Prove that g commutes with every function of the lengths of blocks and of the other coordinates.

    U and K enter as an undefined function V of these invariants, of q and of p, and the base density as the Gaussian
    with two arbitrary scales; leapfrog's kicks and drifts then commute with a linear point action one by one.

    Arguments:
        g: a generator.
        blocks: sets of coordinates (indices from 0) that enter through their lengths only.
        budget: seconds for each verdict.

    Returns:
        Three verdicts, whose ``question`` names g and the part: potential, kinetic energy, base density.

    Example:
        >>> from hamsym import angular_momentum
        >>> space = PhaseSpace.standard(3)
        >>> [v.status for v in prove_invariance(angular_momentum(space, 0, 1), [(0, 1)])]
        ['proved', 'proved', 'proved']
        >>> [v.status for v in prove_invariance(angular_momentum(space, 0, 2), [(0, 1)])]
        ['refuted', 'refuted', 'proved']
    """
    q, p = ([s.name for s in symbols] for symbols in (g.space.coordinates, g.space.momenta))
    rotated = {i for block in blocks for i in block}
    kept = [i for i in range(len(q)) if i not in rotated]
    function, first, second = _fresh_names([*q, *p], ["V", "a", "b"])
    space = PhaseSpace(
        q,
        p,
        parameters={first: "positive", second: "positive"},
        functions={function: len(kept) + len(blocks)},
    )

    def square(names: Sequence[str]) -> str:
        return " + ".join(f"{name}**2" for name in names)

    def invariant_function(names: Sequence[str]) -> str:
        lengths = [square([names[i] for i in block]) for block in blocks]
        return f"{function}({', '.join([*lengths, *(names[i] for i in kept)])})"

    parts = {
        "U": (invariant_function(q), f"for every {function}"),
        "K": (invariant_function(p), f"for every {function}"),
        "-log π": (f"{first}*({square(q)}) + {second}*({square(p)})", f"for every {first}, {second} > 0"),
    }
    verdicts = []
    for name, (text, scope) in parts.items():
        verdict = verify(Hamiltonian(text, space), g.text, budget=budget)
        verdict.question = f"{{g, {name}}} = 0 for g = {g.text}, {name} = {text} {scope}"
        verdicts.append(verdict)
    return verdicts


def _fresh_names(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the wanted names, with underscores appended where they are taken."""
    return [
        next(n for n in (name + "_" * k for k in range(len(taken) + 1)) if n not in taken) for name in wanted
    ]
