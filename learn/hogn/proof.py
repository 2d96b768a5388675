"""Proofs that an energy of graphs keeps shifts and turns of space, for every value of the weights.

Whatever the network, the graph and the attributes are, H is a function of invariants of single particles and of pairs:
|p_i|², |q_i - q_j|², and for an H that does not separate also p_i·p_j and (q_i - q_j)·(p_i - p_j).  A generator that
commutes with each of them commutes with every function of them, since {g, F(u)} = Σ ∂F/∂u_k {g, u_k}.  That is shown
for two particles and an undefined F of all of them; others do not enter a pair's invariants.
"""

from __future__ import annotations

from hamsym.symbolic.bracket import verify
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.zero_test.verdict import Verdict


def prove_invariance(dim: int, *, separable: bool = True, budget: float = 10.0) -> list[Verdict]:
    """Prove that the total momentum and the total angular momentum of a pair commute with every function of its invariants.

    Arguments:
        dim: dimensions of space.
        separable: whether potential and kinetic energy are functions of their own.
        budget: seconds for each verdict.

    Returns:
        A verdict for each generator and part of H; its ``question`` names both.

    Example:
        >>> [verdict.status for verdict in prove_invariance(1)]
        ['proved', 'proved']
        >>> print(prove_invariance(1)[0].question)
        {g, U} = 0 for g = p1 + p2, U = F((q1 - q2)**2) for every F
    """
    first, second = range(1, dim + 1), range(dim + 1, 2 * dim + 1)
    pairs = list(zip(first, second, strict=True))
    apart = " + ".join(f"(q{i} - q{j})**2" for i, j in pairs)
    squares = [" + ".join(f"p{i}**2" for i in body) for body in (first, second)]
    if separable:
        parts = {"U": [apart], "K": squares}
    else:
        both = " + ".join(f"p{i}*p{j}" for i, j in pairs)
        spreading = " + ".join(f"(q{i} - q{j})*(p{i} - p{j})" for i, j in pairs)
        parts = {"H": [apart, spreading, both, *squares]}
    generators = [f"p{i} + p{j}" for i, j in pairs]
    generators += [
        " + ".join(f"q{body[a]}*p{body[b]} - q{body[b]}*p{body[a]}" for body in (first, second))
        for a in range(dim)
        for b in range(a + 1, dim)
    ]
    verdicts = []
    for name, invariants in parts.items():
        space = PhaseSpace.standard(2 * dim, functions={"F": len(invariants)})
        text = f"F({', '.join(invariants)})"
        energy = Hamiltonian(text, space)
        for g in generators:
            verdict = verify(energy, g, budget=budget)
            verdict.question = f"{{g, {name}}} = 0 for g = {g}, {name} = {text} for every F"
            verdicts.append(verdict)
    return verdicts
