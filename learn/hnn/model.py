"""The Hamiltonian neural network: a learned energy and the motion that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hamsym.arguments import shown
from hamsym.errors import CheckpointError, SymmetryError
from learn.arguments import seed_number
from learn.hnn.energies import energy_of
from learn.hnn.field import Pair, VectorField, sizes
from learn.hnn.objectives import DerivativeLoss, StepLoss
from learn.hnn.symmetry import KnownSlopes, prove, standard_names
from learn.storage import write
from learn.symmetry.constraint import BracketConstraint
from learn.symmetry.generators import as_generators, measure_brackets

MODES = (None, "penalty", "exact")


class HNN(VectorField):
    """A learned energy H(q, p) and the motion that follows from it: dq/dt = ∂H/∂p, dp/dt = −∂H/∂q.

    Train it with ``learn.fit(model.derivative_loss(), (q, p, dq, dp))`` on states and their derivatives, or with
    ``learn.fit(model.step_loss(dt), (q, p, q_next, p_next))`` on pairs of states.

    Source: Greydanus, Dzamba, Yosinski, arXiv 1906.01563; a symmetry is imposed as in arXiv 1909.13739 by brackets
    that are made small, or by an energy of invariants alone.

    Arguments:
        dim: number of coordinates.
        width: units of every inner layer; 200 as published.
        depth: inner layers; 2 as published.
        energy: "network", one network of (q, p), as published; "separable", H = U(q) + K(p) with a network for
            each, which explicit symplectic methods can step; "quadratic"; or any module or function that maps q and p
            of shape (batch, dim) to H of shape (batch,), which has ``slopes(q, p)`` or is differentiated by torch.
        symmetry: None; "penalty", brackets {g, H} that the training makes small; "exact", H is a network of the
            polynomial invariants of the generators (of q and p together, or in a separable energy of each alone), so
            that {g, H} = 0 for every value of the weights, which :meth:`prove_symmetry` proves.
        generators: hamsym generators, or formulas in q1…qn, p1…pn; both modes need them.
        seed: of the first weights; the global state of torch if None, which is left alone otherwise.

    Raises:
        SymmetryError: for an unknown mode, or generators that it cannot use.
        ParameterError: for sizes out of range, or an energy that is none.

    Example:
        >>> model = HNN(2, width=16, energy="separable", symmetry="exact", generators="q1*p2 - q2*p1", seed=0)
        >>> [verdict.status for verdict in model.prove_symmetry()]
        ['proved']
        >>> model.energy([[1.0, 0.0]], [[0.0, 1.0]]).shape
        torch.Size([1])
    """

    def __init__(
        self,
        dim: int,
        width: int = 200,
        depth: int = 2,
        *,
        energy: str | nn.Module | Callable[[Tensor, Tensor], Tensor] = "network",
        symmetry: str | None = None,
        generators: Any = (),
        seed: int | None = None,
    ) -> None:
        super().__init__(dim)
        self.width, self.depth = sizes(self.dim, width, depth)
        if not (symmetry is None or isinstance(symmetry, str)) or symmetry not in MODES:
            raise SymmetryError(
                f"symmetry={shown(symmetry)} is not available; the modes are {', '.join(map(repr, MODES))}"
            )
        self.symmetry, self.generators = symmetry, standard_names(as_generators(generators, self.dim))
        if symmetry is not None and not self.generators:
            raise SymmetryError(f"symmetry={symmetry!r} needs generators, for example 'q1*p2 - q2*p1'")
        self.kind = energy if isinstance(energy, str) else None
        exact = self.generators if symmetry == "exact" else ()
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed_number(seed))
            self.hamiltonian = energy_of(energy, self.dim, self.width, self.depth, exact)
        self.register_buffer("unit_is_set", torch.tensor(False))
        self.unit_is_set: Tensor

    def energy(self, q: Any, p: Any) -> Tensor:
        """Return H(q, p) of shape (batch,); an energy is known up to a constant only.

        Arguments:
            q, p: states of shape (batch, dim).

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite.

        Example:
            >>> HNN(1, width=8, seed=0).energy([[0.5]], [[0.0]]).shape
            torch.Size([1])
        """
        return self.hamiltonian.value(*self.states(q, p))

    def rates(self, q: Tensor, p: Tensor) -> Pair:
        """Return J∇H = (∂H/∂p, −∂H/∂q), each of the shape (batch, dim) of q, without a look at the states."""
        h_q, h_p = self.hamiltonian.slopes(q, p)
        return h_p, -h_q

    @property
    def is_separable(self) -> bool:
        """Whether H is built as U(q) + K(p)."""
        return bool(getattr(self.hamiltonian, "is_separable", False))

    @property
    def system(self) -> Any:
        """What ``learn.integrators`` steps: the two gradients of a separable energy, else the rates."""
        return self.hamiltonian if self.is_separable else self.rates

    @torch.no_grad()
    def set_unit(self, q: Any, p: Any) -> None:
        """Measure the invariants of a symmetric energy in what they vary by over data; others see states as they are.

        The training does this once with its first batch.

        Arguments:
            q, p: states of shape (n, dim).

        Example:
            >>> model = HNN(1, width=4, symmetry="exact", generators="q1**2 + p1**2")
            >>> model.set_unit([[0.0], [2.0]], [[0.0], [0.0]])
            >>> model.hamiltonian.function.mean[0].item()
            2.0
        """
        if hasattr(self.hamiltonian, "set_unit"):
            self.hamiltonian.set_unit(*self.states(q, p))
        self.unit_is_set.fill_(True)

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the model without its weights.

        Raises:
            CheckpointError: if the energy is a module of the user's own, which no plain values describe.

        Example:
            >>> HNN(1, width=4).config()["energy"]
            'network'
        """
        if self.kind is None:
            raise CheckpointError(
                "an HNN with an energy of your own cannot be described by plain values; save "
                "model.hamiltonian.state_dict() yourself, or use energy='network', 'separable' or 'quadratic'"
            )
        dtype = next(iter(self.parameters())).dtype
        return {
            "dim": self.dim, "width": self.width, "depth": self.depth, "energy": self.kind,
            "symmetry": self.symmetry, "generators": [g.text for g in self.generators],
            "invariants": self.hamiltonian.texts if self.symmetry == "exact" else None,
            "dtype": str(dtype).removeprefix("torch."),
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the model into the directory ``path`` (safetensors and json), atomically; ``learn.load`` reads it.

        Raises:
            CheckpointError: if the directory cannot be written, or the energy is a module of the user's own.

        Example:
            >>> import tempfile, learn
            >>> model = HNN(1, width=4, seed=0)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(folder)
            ...     same = learn.load(folder)
            >>> bool(same.energy([[1.0]], [[2.0]]) == model.energy([[1.0]], [[2.0]]))
            True
        """
        write(path, "model", self.state_dict(), {"hnn": self.config()})

    def prove_symmetry(self, *, budget: float = 10.0) -> list[Any]:
        """Return what is proved about {g, H} = 0: in exact mode a hamsym verdict for each generator, else nothing.

        H enters as an *undefined* function of the invariants, so a proof holds for every value of the weights.  What
        is not exact is measured: :meth:`bracket_residual`.

        Arguments:
            budget: seconds for each verdict.

        Example:
            >>> model = HNN(2, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
            >>> print(model.prove_symmetry()[0].question)
            {g, H} = 0 for g = -p1*q2 + p2*q1, H = V(p1**2 + p2**2, p1*q1 + p2*q2, -p1*q2 + p2*q1, q1**2 + q2**2) for every V
        """
        if self.symmetry != "exact":
            return []
        texts = self.hamiltonian.texts  # type: ignore[union-attr, operator]
        return [prove(g, texts, budget=budget) for g in self.generators]

    def bracket_residual(self, q: Any, p: Any, generators: Any = None) -> list[Any]:
        """Return how far H is from {g, H} = 0 on given states, one :class:`learn.symmetry.generators.BracketResidual` per generator.

        Arguments:
            q, p: states of shape (batch, dim).
            generators: formulas or generators; those of the model if None.

        Example:
            >>> model = HNN(2, width=4, symmetry="exact", generators="q1*p2 - q2*p1", seed=0).double()
            >>> model.bracket_residual(*torch.randn(2, 50, 2))[0].relative < 1e-14
            True
        """
        listed = (
            self.generators if generators is None else standard_names(as_generators(generators, self.dim))
        )
        q, p = self.states(q, p)
        with torch.no_grad():
            known = KnownSlopes(*self.hamiltonian.slopes(q, p))
        return measure_brackets([known], listed, q, p)

    def derivative_loss(
        self, *, constraint: BracketConstraint | None = None, weight_decay: float = 0.0
    ) -> DerivativeLoss:
        """Return the objective |ds/dt − J∇H|², for ``learn.fit`` on rows (q, p, dq/dt, dp/dt).

        Arguments:
            constraint: a :class:`learn.BracketConstraint`; without one, a model of mode "penalty" gets one of its own.
            weight_decay: factor of |weights|²/2 in the loss.

        Example:
            >>> import learn
            >>> q, p = torch.randn(2, 200, 1)
            >>> model = HNN(1, energy="quadratic", seed=0)
            >>> result = learn.fit(model.derivative_loss(), (q, p, p, -q), steps=300, lr=0.1, progress=False)
            >>> result.history["loss"][-1] < 1e-6
            True
        """
        return DerivativeLoss(self, constraint=self._constraint(constraint), weight_decay=weight_decay)

    def step_loss(
        self, dt: float, *, method: str = "midpoint", substeps: int = 1,
        constraint: BracketConstraint | None = None, weight_decay: float = 0.0,
    ) -> StepLoss:  # fmt: skip
        """Return the objective |s(t + dt) − step(s(t))|²/dt², for ``learn.fit`` on rows (q, p, q_next, p_next).

        Arguments:
            dt: time between the two states of a row.
            method: "midpoint", the residual of the implicit midpoint rule, symplectic and without an equation to solve,
                since both ends are known; or a method of ``learn.integrators``, through which gradients flow.
            substeps: steps of that method between the two states.
            constraint, weight_decay: as for :meth:`derivative_loss`.

        Example:
            >>> HNN(1, width=4, energy="separable").step_loss(0.1, method="leapfrog").method
            'leapfrog'
        """
        return StepLoss(
            self, dt, method=method, substeps=substeps, constraint=self._constraint(constraint),
            weight_decay=weight_decay,
        )  # fmt: skip

    def _constraint(self, given: BracketConstraint | None) -> BracketConstraint | None:
        if given is None and self.symmetry == "penalty":
            return BracketConstraint(self.generators, sampling="data")
        return given

    def extra_repr(self) -> str:
        generators = [g.text for g in self.generators]
        return f"dim={self.dim}, energy={self.kind!r}, symmetry={self.symmetry!r}, generators={generators}"
