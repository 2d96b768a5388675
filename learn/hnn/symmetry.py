"""What is proved about the symmetry of a learned energy, and the form in which brackets look at one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from hamsym.symbolic.bracket import verify
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from hamsym.symbolic.zero_test.verdict import Verdict


@dataclass(frozen=True)
class KnownSlopes:
    """The slopes of any energy at some states, as what asks for ∇U and ∇K at these states wants them.

    A bracket {g, H} needs ∂H/∂q and ∂H/∂p at its states, whatever H is; so the constraint of separable energies serves
    every energy.

    Arguments:
        of_q, of_p: ∂H/∂q and ∂H/∂p, each of shape (batch, dim).

    Example:
        >>> import torch
        >>> from learn.symmetry.constraint import BracketConstraint
        >>> q, p = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
        >>> spring = KnownSlopes(q, p)  # H = (|q|² + |p|²)/2
        >>> BracketConstraint("q1*p2 - q2*p1").residuals([(spring, q, p)])
        tensor([0.])
    """

    of_q: Tensor
    of_p: Tensor

    def grad_potential(self, q: Tensor) -> Tensor:
        """Return ∂H/∂q, of the shape of q."""
        return self.of_q.reshape(q.shape)

    def grad_kinetic(self, p: Tensor) -> Tensor:
        """Return ∂H/∂p, of the shape of p."""
        return self.of_p.reshape(p.shape)


def prove(g: Generator, texts: Mapping[str, Sequence[str]], *, budget: float = 10.0) -> Verdict:
    """Prove or refute {g, H} = 0 for a sum H of any functions of given arguments.

    Arguments:
        g: a generator in q1…qn, p1…pn.
        texts: the arguments of each function, by the name of the part of H.
        budget: seconds.

    Example:
        >>> g = Generator("q1*p2 - q2*p1", PhaseSpace.standard(2))
        >>> parts = {"U": ["q1**2 + q2**2"], "K": ["p1**2 + p2**2"]}
        >>> prove(g, parts).status, prove(g, parts | {"K": ["p1"]}).status
        ('proved', 'refuted')
    """
    functions = {"H": "V", "U": "V", "K": "W"}
    space = PhaseSpace(
        [s.name for s in g.space.coordinates],
        [s.name for s in g.space.momenta],
        functions={functions[part]: len(arguments) for part, arguments in texts.items()},
    )
    formula = " + ".join(f"{functions[part]}({', '.join(arguments)})" for part, arguments in texts.items())
    verdict = verify(Hamiltonian(formula, space), g.text, budget=budget)
    scope = " and ".join(functions[part] for part in texts)
    verdict.question = f"{{g, H}} = 0 for g = {g.text}, H = {formula} for every {scope}"
    return verdict


def standard_names(generators: tuple[Generator, ...]) -> tuple[Generator, ...]:
    """Return generators in the names q1…qn, p1…pn.

    Example:
        >>> g = Generator("x*py - y*px", PhaseSpace(["x", "y"], ["px", "py"]))
        >>> standard_names((g,))[0].text
        '-p1*q2 + p2*q1'
    """
    renamed = []
    for g in generators:
        space = PhaseSpace.standard(len(g.space.variables) // 2)
        names = dict(zip(g.space.variables, space.variables, strict=True))
        renamed.append(g if g.space == space else Generator(g.expr.xreplace(names), space))
    return tuple(renamed)
