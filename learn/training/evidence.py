"""The evidence of a Hamiltonian flow as an objective: a bound on log p(q), and the bracket constraint as a Lagrangian.

Source: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739; the bound of several draws is Burda, Grosse,
Salakhutdinov, arXiv 1509.00519.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hamsym.errors import SymmetryError
from learn.flow.density import HamiltonianFlow
from learn.flow.likelihood import importance_weighted
from learn.symmetry.action import Rotations
from learn.symmetry.constraint import BracketConstraint
from learn.training.objective import Batch, Objective, Progress

JUDGED = 8192  # states on which the finished flow is held against the constraint
#: Momenta drawn in one look at held-out points where that is one or more for each.
DRAWS = 4096


#: The constraint of flows that see lengths, under rotations: at no loss of fit log p varies least with it.
SLOPES: dict[str, Any] = {
    "measured": "field",
    "sampling": "orbit",
    "tolerance": 1e-4,
    "batch": 128,
    "tightening": 1.0,
}
#: The same flows under translations, which have no uniform law to turn states by.
BRACKETS: dict[str, Any] = {"sampling": "trajectory", "tolerance": 1e-4}


def usual_constraint(flow: HamiltonianFlow) -> BracketConstraint | None:
    """Return the constraint that a flow is trained with if no other is given, or None.

    Arguments:
        flow: whose mode and generators say which: the paper's constraint for "penalty"; for "features" that slopes
            turn with the states of the path, or, under generators that are no rotations about the origin, the bracket
            on these states; none in every other mode.

    Example:
        >>> usual_constraint(HamiltonianFlow(2, 1, width=4, symmetry="features", generators="q1*p2 - q2*p1"))
        BracketConstraint(['-p1*q2 + p2*q1'], tolerance=0.0001, sampling='orbit', measured='field')
    """
    if flow.symmetry == "penalty":
        return BracketConstraint(flow.generators)
    if flow.symmetry != "features":
        return None
    try:
        Rotations(flow.generators)
    except SymmetryError:
        return BracketConstraint(flow.generators, **BRACKETS)
    return BracketConstraint(flow.generators, **SLOPES)


class Evidence(Objective):
    """A bound on log p(q) that is raised, under a constraint or none.

    With one draw the bound is the ELBO, which pulls the flow to where posteriors are Gaussian, as the encoder is; a
    bound of several draws pulls less, and its gradient is worth the price once the density is roughly there.

    Arguments:
        flow: the density.
        constraint: or None; its multipliers start afresh.
        draws: momenta drawn for each point in the last part of the training.
        draws_after: share of the training before that part.

    Example:
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
        >>> evidence, random = Evidence(flow), torch.Generator().manual_seed(0)
        >>> loss, numbers = evidence.loss(Batch((torch.zeros(3, 1),)), random, Progress(0, 10))
        >>> bool(loss == -numbers["elbo"]), numbers["lambda"]
        (True, [])
    """

    kind = "flow"
    names = ("q", "context")

    def __init__(
        self,
        flow: HamiltonianFlow,
        constraint: BracketConstraint | None = None,
        draws: int = 1,
        draws_after: float = 0.5,
    ) -> None:
        super().__init__(flow)
        self.flow, self.constraint = flow, constraint
        self.draws, self.draws_after = draws, draws_after
        generators = 0 if constraint is None else len(constraint.generators)
        self.columns = {"elbo": None, "lambda": generators, "residual": generators}
        if constraint is not None:
            constraint.bind(flow.dim)
            constraint.reset()

    def prepare(self, q: Tensor, context: Tensor | None = None) -> tuple[Tensor, ...]:
        """Give a flow that has none its units, and return its training data: points, and contexts in those units.

        Arguments:
            q: of shape (n, dim).
            context: of shape (n, k), or None for a flow that is not conditional.
        """
        flow = self.flow
        if not flow.unit_is_set:
            rms = float(flow.centre(q).square().sum(-1).mean().div(flow.freedom).sqrt())
            flow.set_unit(rms if rms > 0 else 1.0)
            if flow.context is not None and context is not None:
                flow.context.set_unit(context)
        return self.rows(q, context)

    def rows(self, q: Tensor, context: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return points, and contexts in the units of the flow."""
        given = self.flow.read_context(context, len(q))
        return (q,) if given is None else (q, given)

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Turn the points by random elements of the group, in mode "augment"."""
        if self.flow.group is None:
            return batch
        q, *context = batch
        return (*self.flow.group.move(random, q), *context)

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the negative bound with the penalty of the constraint; and the ELBO, multipliers and residuals."""
        flow, constraint = self.flow, self.constraint
        q, context = _split(batch.rows)
        draws = self.draws if progress.step >= self.draws_after * progress.steps else 1
        noise = torch.randn(len(batch), draws, flow.dim, dtype=q.dtype, device=q.device, generator=random)
        bounds = flow.training_bound(q, draws, context=context, noise=batch.share(noise))
        bound, elbo = (b.mean() for b in bounds)
        if constraint is None:
            return -bound, {"elbo": elbo, "lambda": [], "residual": []}
        q, context = _split(batch.whole)  # the same states in every process: residuals are squares of means
        few = torch.arange(constraint.batch, device=q.device) % len(q)
        given = None if context is None else context[few]
        residuals = constraint.residuals(constraint.states(flow, flow.encoder, q[few], random, given))
        numbers = {"elbo": elbo, "lambda": list(constraint.multipliers), "residual": residuals.tolist()}
        return -bound + constraint.penalty(residuals), numbers

    def after_step(self, numbers: Mapping[str, Any], progress: Progress) -> None:
        """Move the multipliers."""
        if self.constraint is not None:
            self.constraint.update(numbers["residual"], progress.step, progress.steps)

    def score(self, held_out: tuple[Tensor, ...], random: torch.Generator) -> float:
        """Return the mean bound on log p of the held-out points in nats.

        The importance-weighted one where points are few: then not the density alone is learned by heart but the
        encoder too, which the ELBO would take for a worse density.

        Example:
            >>> evidence = Evidence(HamiltonianFlow(1, hamiltonians=1, width=4, seed=0))
            >>> looks = [evidence.score((torch.zeros(4, 1),), torch.Generator().manual_seed(0)) for _ in range(2)]
            >>> looks[0] == looks[1]
            True
        """
        q, context = _split(held_out)
        samples = max(1, DRAWS // len(q))
        with torch.no_grad():
            found = importance_weighted(self.flow, self.flow.encoder, q, samples, random, context=context)
        return float(found.value.double().mean())

    @property
    def eligible(self) -> bool:
        """Whether the constraint is satisfied, as far as the steps can tell."""
        return self.constraint is None or self.constraint.satisfied

    def settings(self) -> dict[str, Any]:
        """Return the settings of the bound and of the constraint."""
        return {
            "draws": self.draws,
            "draws_after": self.draws_after,
            "constraint": None if self.constraint is None else self.constraint.settings(),
        }

    def state(self) -> dict[str, Any]:
        """Return multipliers and running means of the constraint."""
        return {} if self.constraint is None else dict(self.constraint.state())

    def restore(self, state: dict[str, Any]) -> None:
        """Take up multipliers and running means."""
        if self.constraint is not None:
            self.constraint.restore(state)

    def summary(self, numbers: Mapping[str, Any]) -> dict[str, str]:
        """Return ELBO, residual and multiplier."""
        shown = {"elbo": f"{numbers['elbo']:.3f}"}
        if self.constraint is not None:
            shown[self.constraint.measure] = f"{max(numbers['residual']):.2g}"
            shown["λ"] = f"{max(numbers['lambda']):.3g}"
        return shown

    def save(self, path: str | Path) -> None:
        """Save the flow."""
        self.flow.save(path)

    @torch.no_grad()
    def judge(self, data: tuple[Tensor, ...], seed: int, steps: int, *, loud: bool = True) -> bool | None:
        """Hold the weights that the flow now has against the constraint, on fresh states, and warn if it is missed.

        Arguments:
            data: the training data, as :meth:`prepare` returned them.
            seed: of the states.
            steps: of the training, for the warning.
            loud: whether to warn.

        Returns:
            Whether it is satisfied; None if there is none.
        """
        constraint = self.constraint
        if constraint is None:
            return None
        q, context = _split(data)
        random = torch.Generator(q.device).manual_seed(seed)
        few = torch.arange(JUDGED, device=q.device) % len(q)
        given = None if context is None else context[few]
        states = constraint.states(self.flow, self.flow.encoder, q[few], random, given)
        found = constraint.residuals(states).tolist()
        satisfied = all(m <= constraint.tolerance for m in found)
        if loud and not satisfied:
            worst = max(range(len(found)), key=found.__getitem__)
            warnings.warn(
                f"the constraint is missed after {steps} steps: {constraint.measure} = {found[worst]:.3g} for "
                f"g = {constraint.formulas[worst]}, {found[worst] / constraint.tolerance:.3g} times the tolerance "
                f"κ = {constraint.tolerance:g}; give more steps, a larger tolerance, or, for rotations, a flow with "
                "symmetry='exact', which has no need of a constraint",
                stacklevel=4,  # this, the no_grad around it, fit, its caller
            )
        return satisfied


def _split(rows: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None]:
    return rows[0], rows[1] if len(rows) > 1 else None
