"""Summands for all values of their indices at once: each subscripted name is a real number of its own."""

from __future__ import annotations

import re

import sympy as sp

from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.sum_proofs.atoms import Atoms
from hamsym.symbolic.zero_test.claim import Claim
from hamsym.symbolic.zero_test.decide import decide
from hamsym.symbolic.zero_test.verdict import Verdict

#: Seconds for one summand: far more than any takes that is decided, so that answers do not depend on the machine.
BUDGET = 60.0


def generic_verdict(summand: sp.Expr, atoms: Atoms, budget: float = BUDGET) -> Verdict:
    """Decide whether a summand vanishes whatever the values of its subscripted names and indices.

    That is sufficient for a sum of such summands to vanish: where two subscripts mean the same variable, or an index
    is an integer, the values are special ones.

    Example:
        >>> space = PhaseSpace.standard(9)
        >>> atoms = Atoms(space)
        >>> term, = atoms.terms(space.parse("Sum(sin(q[i])**2 + cos(q[i])**2 - 1, (i, 1, 9))"))
        >>> generic_verdict(term.expr, atoms).status
        'proved'
    """
    named: dict[sp.Symbol, str] = {}
    taken = {*atoms.space.function_arity, "generic_q", "generic_p"}
    own = sorted(summand.free_symbols, key=lambda s: (s.name not in atoms.space.symbols, s.name))
    for s in own:
        word = s.name if s.name in atoms.space.symbols else _word(s.name)
        name, k = word, 1
        while name in taken:
            k += 1
            name = f"{word}_{k}"
        taken.add(name)
        named[s] = name
    kinds = {name: "positive" if s.is_positive else "real" for s, name in named.items()}
    space = PhaseSpace("generic_q", "generic_p", parameters=kinds, functions=atoms.space.function_arity)
    return decide(Claim(space, summand.xreplace({s: space.symbols[n] for s, n in named.items()})), budget)


def _word(text: str) -> str:
    """Return a name for a subscripted one: ``q_i``, ``q_i_plus_1``."""
    said = text.replace("+", " plus ").replace("-", " minus ").replace("*", " times ")
    return "_".join(re.findall(r"\w+", said)) if "[" in said or " " in said else f"index_{said}"
