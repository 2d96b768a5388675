"""The paper's constraint: a Lagrangian with one multiplier per generator that ascends while the bracket is too large.

Source: Rezende, Racanière, Higgins, Toth, *Equivariant Hamiltonian Flows*, arXiv 1909.13739 (2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import sympy as sp
import torch
from torch import Tensor

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from hamsym.symbolic.symmetry.generator import Generator
from learn.encoder import encoder_given
from learn.flow.architecture import Encoder
from learn.flow.joint import JointFlow
from learn.flow.leapfrog import slopes
from learn.symmetry.action import Rotations
from learn.symmetry.generators import Hamiltonians, TensorGenerator, as_generators
from learn.symmetry.multipliers import SCHEDULE, Ascent

SAMPLING = ("base", "data", "trajectory", "orbit")
MEASURED = ("bracket", "field")
States: TypeAlias = Sequence[tuple[Hamiltonians, Tensor, Tensor]]
MAX_BATCH = 10**7  # some states more than memory would hold are a slip of the pen


class BracketConstraint(Ascent):
    """The paper's Lagrangian term Σ_k λ_k E[{g_k, H}² − κ], one multiplier per generator.

    The expectation is averaged over the Hamiltonians of the chain, on states that carry no gradient unless asked.  After every
    step each multiplier moves by λ ← λ exp(η c), c = clip(log(m / κ'), −1, 1), with m a running mean of the
    measured E{g, H}² and κ' the goal of the moment: it ascends exactly while the goal is missed, stays positive,
    and its pace depends on neither the unit of H nor that of κ (a GECO rule: Rezende, Viola, arXiv 1810.00597).
    The goal tightens geometrically from ``loose`` κ to (1 − margin) κ over the first ``tightening`` share of the
    training: the residual cannot fall faster than the optimiser moves, and a goal out of reach only drives λ up.

    Arguments:
        generators: hamsym generators, or formulas in q1…qn, p1…pn.
        tolerance: κ > 0, in units of {g, H}².
        sampling: "base" (the paper: fresh states of π), "data" (data with encoded momenta), "trajectory"
            (the state that each Hamiltonian of the chain sees on its way from data to base) or "orbit" (these states,
            each turned by a random element of the group, for generators of rotations about the origin): few data
            points then stand for their whole orbits.
        measured: "bracket" (the paper: E{g, H}²) or "field", E|∇H(Rx) − R∇H(x)|² over turns R by g, for generators of
            rotations about the origin.  Kicks and drifts move by slopes, and a bracket can be small and yet steep: at
            the same {g, H}² a density varies less over rotations where the slopes turn with the states.  Both vanish
            together.
        normalised: divide E{g, H}² by E(|∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|)², for each Hamiltonian; the other residual
            by 2 E(|∇H(Rx)|² + |∇H(x)|²).  The ratio lies in [0, 1] and is the same for H and 10 H, so that a smaller H does not count as a more symmetric one; κ is a
            share then.
        detach: whether the states carry no gradient.  On them the constraint is the paper's; with False the weights
            also learn to lead trajectories to where the bracket is small, at about twice the time.
        batch: number of states per step.
        initial: first value of every λ.
        pace: η summed over the training: λ changes by at most exp(pace) from the first step to the last, and by at
            most exp(pace/600) in one step, so that it cannot run away from the weights in a short training.
        loose: first goal in units of κ.
        tightening: share of the training after which the goal is the final one.
        margin: share of κ kept in reserve, so that fresh states satisfy the constraint too.

    Raises:
        ParameterError: for a tolerance, pace or sampling that makes no sense.

    Example:
        >>> constraint = BracketConstraint("q1*p2 - q2*p1", tolerance=0.01)
        >>> constraint
        BracketConstraint(['q1*p2 - q2*p1'], tolerance=0.01, sampling='base')
    """

    def __init__(
        self,
        generators: Any,
        *,
        tolerance: float = 0.001,
        sampling: str = "base",
        measured: str = "bracket",
        normalised: bool = False,
        detach: bool = True,
        batch: int = 256,
        initial: float = 0.05,
        pace: float = 60.0,
        loose: float = 1000.0,
        tightening: float = 0.8,
        margin: float = 0.3,
    ) -> None:
        if not isinstance(sampling, str) or sampling not in SAMPLING:
            raise ParameterError(f"sampling is one of {', '.join(SAMPLING)}, not {sampling!r}")
        if not isinstance(measured, str) or measured not in MEASURED:
            raise ParameterError(f"measured is one of {', '.join(MEASURED)}, not {shown(measured)}")
        self.measured = measured
        self.sampling, self.batch = sampling, integer("batch", batch, maximum=MAX_BATCH, minimum=1)
        for name, value in (("normalised", normalised), ("detach", detach)):
            if not isinstance(value, bool):
                raise ParameterError(f"{name} is True or False, not {shown(value)}")
        self.normalised, self.detach = normalised, detach
        self.generators = _listed(generators)
        super().__init__(
            len(self.generators), tolerance=tolerance, initial=initial, pace=pace, loose=loose,
            tightening=tightening, margin=margin,
        )  # fmt: skip
        self._tensor_generators: list[TensorGenerator] = []
        self._bound_dim: int | None = None
        self._group: Rotations | None = None
        self._turns: list[Rotations] = []

    @property
    def formulas(self) -> list[str]:
        """The generators as text.

        Example:
            >>> BracketConstraint(["p1", "q1*p2 - q2*p1"]).formulas
            ['p1', 'q1*p2 - q2*p1']
        """
        return [g.text if isinstance(g, Generator) else str(g) for g in self.generators]

    def bind(self, dim: int) -> None:
        """Read the generators on ``dim`` coordinates and differentiate them, once for each ``dim`` in a row.

        Raises:
            SymmetryError: if a generator lives on another number of coordinates, or is no rotation where states are
                turned.
            FormulaError: if a formula is none in q1…qn, p1…pn.

        Example:
            >>> BracketConstraint("q1*p2 - q2*p1").bind(2)
        """
        if self._bound_dim != dim:
            listed = as_generators(self.generators, dim)
            self._group = Rotations(listed) if self.sampling == "orbit" else None
            self._turns = [Rotations([g]) for g in listed] if self.measured == "field" else []
            self._tensor_generators = [TensorGenerator(g) for g in listed]
            self._bound_dim = dim

    @property
    def measure(self) -> str:
        """What the residuals are, for people.

        Example:
            >>> BracketConstraint("p1").measure
            'E{g,H}²'
        """
        if self.measured == "field":
            return "E|∇H(Rx)−R∇H(x)|²" + "/2E(|∇H(Rx)|²+|∇H(x)|²)" * self.normalised
        return "E{g,H}²/E(|∂g||∂H|)²" if self.normalised else "E{g,H}²"

    def states(
        self,
        flow: JointFlow,
        encoder: Encoder,
        q: Tensor,
        random: torch.Generator,
        context: Tensor | None = None,
    ) -> States:
        """Return the states on which the bracket is looked at, one (H, q, p) for each member of the chain.

        Arguments:
            flow: gives base states, or leads data to the base.
            encoder: gives momenta to data.
            q: data of shape (batch, dim); as many base states are drawn.
            random: of torch.
            context: of the data, as ``flow.read_context`` returns it; base states are given those too.

        Raises:
            SymmetryError: as :meth:`bind`.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=3, width=4)
            >>> made = BracketConstraint("q1*p2 - q2*p1", sampling="orbit")
            >>> len(made.states(flow, flow.encoder, torch.randn(5, 2), torch.Generator()))
            3
        """
        self.bind(flow.dim)
        chain = flow.chain_given(context)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            if self.sampling == "base":
                q0, p0 = flow.sample_base(len(q), generator=random)
                return [(h, q0, p0) for h in chain]
            noise = torch.randn(len(q), 1, flow.dim, dtype=q.dtype, device=q.device, generator=random)
            p = encoder_given(encoder, context).moments(q).draw(noise)[0][:, 0]
            if self.sampling == "data":
                return [(h, q, p) for h in chain]
            met = flow.trajectory_through(chain, q, p)
            if self._group is None:
                return met
            turned = []
            for h, q_met, p_met in met:
                q_turned, p_turned = self._group.move(random, q_met, p_met)
                turned.append((h, q_turned, p_turned))
            return turned

    def residuals(self, states: States) -> Tensor:
        """Return E{g_k, H}², or its share, of shape (generators,), differentiable in the weights of the Hamiltonians.

        Arguments:
            states: one (Hamiltonian, q, p) for each member of the chain, q and p of shape (batch, dim).

        Returns:
            The means over states, averaged over the chain.

        Raises:
            ShapeError: if q and p differ in shape, or the chain is empty.

        Example:
            >>> from learn.flow.density import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=2, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
            >>> q, p = torch.randn(2, 50, 2)
            >>> bool(BracketConstraint("q1*p2 - q2*p1").residuals([(h, q, p) for h in flow.chain]) < 1e-9)
            True
        """
        if not states or states[0][1].shape != states[0][2].shape:
            raise ShapeError("q and p must have the same shape (batch, dim), and the chain must not be empty")
        self.bind(states[0][1].shape[-1])
        q, p = torch.stack([q for _, q, _ in states]), torch.stack([p for _, _, p in states])
        if self.measured == "field":
            return torch.stack(
                [self._unturned([h for h, _, _ in states], q, p, turn) for turn in self._turns]
            )
        h_q, h_p = slopes([h for h, _, _ in states], q, p)
        means = []
        for g in self._tensor_generators:
            g_q, g_p = g.gradients(q, p)
            squares = (g_q * h_p - g_p * h_q).sum(-1).square().mean(-1)
            if self.normalised:
                scale = g_q.norm(dim=-1) * h_p.norm(dim=-1) + g_p.norm(dim=-1) * h_q.norm(dim=-1)
                squares = squares / scale.square().mean(-1).clamp(min=1e-30)
            means.append(squares.mean())
        return torch.stack(means)

    def _unturned(self, chain: Sequence[Hamiltonians], q: Tensor, p: Tensor, rotations: Rotations) -> Tensor:
        """E|∇H(Rx) − R∇H(x)|², or its share; the states come in no order, so equally spaced turns are as good as random."""
        n = q.shape[1]
        share = [(torch.arange(n, dtype=q.dtype, device=q.device)[:, None] + 0.5) / n]
        pairs = [torch.cat([x, *rotations.turn(share, x)], 1) for x in (q, p)]
        squares, scale = q.new_zeros(len(q)), q.new_zeros(len(q))
        for slope in slopes(chain, *pairs):
            before, after = slope[:, :n], slope[:, n:]
            squares = squares + (after - rotations.turn(share, before)[0]).square().sum(-1).mean(-1)
            scale = scale + 4 * slope.square().sum(-1).mean(-1)
        if self.normalised:
            squares = squares / scale.clamp(min=1e-30)
        return squares.mean()

    def penalty(self, residuals: Tensor) -> Tensor:
        """Return Σ_k λ_k (E{g_k, H}² − κ), a scalar, from residuals of shape (generators,).

        Example:
            >>> BracketConstraint("p1", tolerance=0.5, initial=2.0).penalty(torch.tensor([1.5]))
            tensor(2.)
        """
        return (residuals.new_tensor(self.multipliers) * (residuals - self.tolerance)).sum()

    def settings(self) -> dict[str, Any]:
        """Return everything that the constraint was made with, as plain values.

        Example:
            >>> BracketConstraint("p1", tolerance=0.5).settings()["tolerance"]
            0.5
        """
        names = ("sampling", "measured", "normalised", "detach", "batch", *SCHEDULE)
        return {"generators": self.formulas} | {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        more = ", normalised=True" * self.normalised + ", detach=False" * (not self.detach)
        if self.measured != "bracket":
            more = f", measured={self.measured!r}" + more
        return f"BracketConstraint({self.formulas}, tolerance={self.tolerance}, sampling={self.sampling!r}{more})"


def _listed(generators: Any) -> list[Any]:
    if generators is None:
        generators = ()
    if not isinstance(generators, (str, Generator, sp.Expr, Iterable)):
        raise SymmetryError(f"generators are formulas or hamsym.Generator objects, not {shown(generators)}")
    listed = [generators] if isinstance(generators, (str, Generator, sp.Expr)) else list(generators)
    if not listed:
        raise SymmetryError("a constraint needs at least one generator, for example 'q1*p2 - q2*p1'")
    return listed
