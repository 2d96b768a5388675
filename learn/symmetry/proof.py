"""Proofs about flows that are invariant by construction, for every value of their weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp

from hamsym.symbolic.bracket import verify
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from hamsym.symbolic.zero_test.verdict import Verdict
from learn.symmetry.invariants import InvariantPotentials


def prove_invariance(
    g: Generator, invariants: InvariantPotentials, kinetic: str = "learned", *, budget: float = 10.0
) -> list[Verdict]:
    """Prove that g commutes with every function of given invariants.

    U and K enter as an undefined function V of the invariants, of q and of p, and the base density as the Gaussian
    with two arbitrary scales, on what translations leave; leapfrog's kicks and drifts are the flows of U and K, so
    each commutes with the action as soon as U and K do.

    Arguments:
        g: a generator, on the space of the invariants.
        invariants: what the potentials may look at.
        kinetic: "learned", or "fixed" for K = a|p|² with an arbitrary a > 0.
        budget: seconds for each verdict.

    Returns:
        Three verdicts, whose ``question`` names g and the part: potential, kinetic energy, base density.

    Example:
        >>> from hamsym import angular_momentum
        >>> from learn.symmetry.invariants import invariant_potentials
        >>> space = PhaseSpace.standard(3)
        >>> turn, other = angular_momentum(space, 0, 1), angular_momentum(space, 0, 2)
        >>> [v.status for v in prove_invariance(turn, invariant_potentials((turn,)))]
        ['proved', 'proved', 'proved']
        >>> [v.status for v in prove_invariance(other, invariant_potentials((turn,)))]
        ['refuted', 'refuted', 'proved']
    """
    q, p = g.space.coordinates, g.space.momenta
    names = [s.name for s in (*q, *p)]
    function, first, second = _fresh_names(names, ["V", "a", "b"])
    space = PhaseSpace(
        [s.name for s in q],
        [s.name for s in p],
        parameters={first: "positive", second: "positive"},
        functions={function: len(invariants.of_q)},
    )

    def square(symbols: Sequence[sp.Symbol]) -> str:
        if invariants.centred == sp.eye(len(symbols)):
            return " + ".join(f"{s.name}**2" for s in symbols)
        x = sp.Matrix(symbols)
        return to_text(sp.expand((x.T * invariants.centred * x)[0]))

    def invariant_function(arguments: Sequence[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    texts = invariants.texts
    of_p = (invariant_function(texts["p"]), f"for every {function}")
    if kinetic == "fixed":
        of_p = (f"{first}*({square(p)})", f"for every {first} > 0")
    parts = {
        "U": (invariant_function(texts["q"]), f"for every {function}"),
        "K": of_p,
        "-log π": (f"{first}*({square(q)}) + {second}*({square(p)})", f"for every {first}, {second} > 0"),
    }
    verdicts = []
    for name, (text, scope) in parts.items():
        verdict = verify(Hamiltonian(text, space), g.text, budget=budget)
        verdict.question = f"{{g, {name}}} = 0 for g = {g.text}, {name} = {text} {scope}"
        verdicts.append(verdict)
    return verdicts


def records(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts as plain values for files, each checked again by independent code; the same ones every time.

    Arguments:
        verdicts: what :func:`prove_invariance` returned.

    Returns:
        For each verdict its ``to_dict`` (status, question, certificate, …) without the seconds that it took, and
        ``checked``: whether ``verdict.check()`` confirms it.

    Example:
        >>> from hamsym import is_zero
        >>> record, = records([is_zero("q1 - q1", PhaseSpace.standard(1))])
        >>> record["status"], record["checked"], "seconds" in record
        ('proved', True, False)
    """
    return [
        {k: value for k, value in v.to_dict().items() if k != "seconds"} | {"checked": v.check()}
        for v in verdicts
    ]


def _fresh_names(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the wanted names, with underscores appended where they are taken."""
    return [
        next(n for n in (name + "_" * k for k in range(len(taken) + 1)) if n not in taken) for name in wanted
    ]
