"""The Hamiltonian flow: a density on coordinates, moved by a chain of learned separable Hamiltonians.

Source: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, SymmetryError
from learn.arguments import MAX_NUMBERS, seed_number
from learn.encoder import WideEncoder
from learn.flow import description
from learn.flow.architecture import MODES, Sizes, build
from learn.flow.marginal import MarginalFlow
from learn.particles import Particles
from learn.particles.proof import prove_pair_invariance
from learn.points import blames_weights
from learn.storage import write
from learn.symmetry.action import MAX_ELEMENTS, Rotations
from learn.symmetry.generators import as_generators, measure_brackets
from learn.symmetry.invariants import invariant_potentials
from learn.symmetry.proof import prove_invariance, records

MAX_CONTEXT = 10**4  # numbers


class HamiltonianFlow(MarginalFlow):
    """A density on q: Gaussian states (q₀, p₀) carried by leapfrog, with p integrated out.

    Every step has unit Jacobian, so log p(q, p) = log π(q₀, p₀) without any determinant.

    Arguments:
        dim: number of coordinates.
        hamiltonians: number of different Hamiltonians in the chain.
        steps: leapfrog steps of each.
        width: units in each potential and in the encoder.
        symmetry: how a symmetry is imposed.

            * None: not at all.
            * "penalty": the paper's way; free potentials and a fixed time step, so that a BracketConstraint has a
              meaning; ``fit`` uses ``BracketConstraint(generators)`` if it is given no other.  Takes any generators.
              Guarantees nothing; {g, H} is small on the states that the constraint sees.
            * "features": the same potentials with invariant lengths as further inputs; ``fit`` adds the constraint that
              slopes turn with the states, if it is given no other.  Guarantees nothing, but an invariant H is in easy
              reach.
            * "exact": potentials of polynomial invariants of q and of p, and an encoder that turns with q.  For
              translations and rotations about the origin, also of many particles.  {g, H} = 0 whatever the weights,
              which :meth:`prove_symmetry` proves; so log_joint, the density of q and every bound on it with the noise
              turned along are invariant.  Under translations the density is one of q without its mean motion: of
              the coordinates orthogonal to them, in which samples lie, and constant along them.
            * "average": each U and K is the mean over a finite set of group elements.  For commuting rotations the
              set is a subgroup of ``elements`` equal turns of each generator: U, K and log_joint, and with it the
              density of q, are exactly invariant under this finite subgroup, and under the whole group up to an error
              that falls faster than any power of ``elements``.  For others (SO(3)) it is that many random rotations:
              nothing is exact, and the error falls with their root.  The encoder is free, so the ELBO and other bounds
              are not invariant.  Each step costs as many times more as there are elements.
            * "augment": a free flow, whose training points ``fit`` turns by random elements of the group of rotations,
              so that it learns from the orbits of the points.  Guarantees nothing.
        generators: hamsym generators, or formulas in q1…qn, p1…pn; every mode but None needs them.
        elements: group elements for each generator in mode "average"; all, if generators do not commute.
        dt: first value of each time step.
        context: numbers in a context c, for a conditional density p(q|c); 0 for none.  The context moves the phases of
            all potentials and the first layer of the encoder; nothing else, so that every mode of symmetry means at
            each context what it means without.  All densities, bounds and samples then take ``context=…``, of shape
            (k,) for all points or (n, k) with one for each, and :meth:`given` returns the flow at one context.
        kinetic: "learned", or "fixed": K(p) = |p|²/2 in the units of the flow, no weights (Souveton et al., arXiv
            2302.01955), in every mode.  K is then invariant under all rotations; dt of modes "penalty" and "features" is
            fixed as it is with a learned K, which leaves them less freedom.
        particles: (n, d) for n bodies in d dimensions, dim = n·d, body after body; for mode "exact".  Potentials are sums
            over pairs of functions of their distance, so the density is also invariant under reflections and exchanges
            of identical bodies, and the cost grows with the pairs alone.  Without ``generators`` they are those of
            E(d): total momenta and angular momenta; such a flow takes no context.
        species: one label for each body, where not all are identical.
        seed: of the first weights; the global state of torch if None, which is left alone otherwise.

    Raises:
        SymmetryError: for an unknown mode, or generators that the mode cannot use.
        ParameterError: for sizes that are not positive integers, more than 10⁴ Hamiltonians or steps, or more
            than 10⁸ weights.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=2, width=8, symmetry="exact", generators="q1*p2 - q2*p1", seed=0)
        >>> flow.sample(3, seed=0).shape, flow.log_prob(torch.zeros(5, 2), samples=10).shape
        (torch.Size([3, 2]), torch.Size([5]))
        >>> [verdict.status for verdict in flow.prove_symmetry()]
        ['proved', 'proved', 'proved']
        >>> flow = HamiltonianFlow(8, hamiltonians=2, width=8, symmetry="exact", particles=(4, 2), seed=0)
        >>> sorted({verdict.status for verdict in flow.prove_symmetry()}), flow.freedom
        (['proved'], 6)
    """

    def __init__(
        self,
        dim: int = 2,
        hamiltonians: int = 8,
        steps: int = 1,
        width: int = 64,
        symmetry: str | None = None,
        generators: Any = (),
        *,
        elements: int = 16,
        dt: float = 0.25,
        context: int = 0,
        kinetic: str = "learned",
        particles: Particles | tuple[int, int] | None = None,
        species: Sequence[Any] | None = None,
        seed: int | None = None,
    ) -> None:
        sizes = Sizes(dim, hamiltonians, steps, width, kinetic)
        dt = real("dt", dt, above=0)
        if seed is not None:
            seed = seed_number(seed)
        if not (symmetry is None or isinstance(symmetry, str)) or symmetry not in MODES:
            raise SymmetryError(
                f"symmetry={shown(symmetry)} is not available; the modes are {', '.join(map(repr, MODES))}"
            )
        listed = as_generators(generators, sizes.dim)
        bodies = None if particles is None else _bodies(particles, species, sizes.dim, symmetry, context)
        if particles is None and species is not None:
            raise ParameterError("species belongs to particles, which are not given")
        if bodies is not None:
            listed = listed or bodies.generators()
            bodies.require_rigid(listed)
        if symmetry is not None and not listed:
            raise SymmetryError(f"symmetry={symmetry!r} needs generators, for example 'q1*p2 - q2*p1'")
        elements = integer("elements", elements, minimum=1, maximum=MAX_ELEMENTS)
        context = integer("context", context, minimum=0, maximum=MAX_CONTEXT)
        group = Rotations(listed) if symmetry == "augment" else None
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            chain, encoder = build(sizes, symmetry, listed, dt, elements, context, bodies)
        found = bodies or invariant_potentials(listed) if symmetry == "exact" else None
        removed = found.translations if found else None
        super().__init__(sizes.dim, chain, encoder, sizes.steps, removed, context)
        self.hamiltonians, self.width, self.elements = sizes.hamiltonians, sizes.width, elements
        self.kinetic = sizes.kinetic
        self.symmetry, self.first_dt, self.group = symmetry, dt, group
        self.generators, self.particles = listed, bodies
        if isinstance(encoder, WideEncoder):
            self.log_scale.data.fill_(encoder.start_free(sizes.hamiltonians * sizes.steps * dt))

    # -- contexts --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def given(self, context: Any) -> HamiltonianFlow:
        """Return the flow at one context: an ordinary flow of the density p(q|c), with weights of its own.

        A context only moves phases and biases, so these are moved for good; the flow has the mode of symmetry,
        the samples and bounds of this one at that context, and everything that measures or proves takes it.

        Arguments:
            context: k real numbers.

        Raises:
            ParameterError: if this flow is not conditional.
            ShapeError: if there are not k numbers.
            NonFiniteError: if they are not finite.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, context=1, seed=0)
            >>> torch.equal(flow.given([0.5]).sample(3, seed=1), flow.sample(3, seed=1, context=[0.5]))
            True
        """
        c = self.read_context(context, 1)
        if c is None:
            raise ParameterError("a flow that is not conditional has no context to be given")
        flow = HamiltonianFlow(
            self.dim,
            self.hamiltonians,
            self.steps,
            self.width,
            self.symmetry,
            self.generators,
            elements=self.elements,
            dt=self.first_dt,
            kinetic=self.kinetic,
            seed=0,
        ).to(self.unit)
        shifts = {f"{name.removesuffix('steering')}bias": c.reshape(-1) @ t for name, t in self.state_dict().items()
                  if name.endswith(".steering")}  # fmt: skip
        # that of the encoder moves its first layer
        shifts["encoder.network.0.bias"] = shifts.pop("encoder.network.bias")
        kept = {name: t for name, t in self.state_dict().items() if name in flow.state_dict()}
        flow.load_state_dict({name: t + shifts[name] if name in shifts else t for name, t in kept.items()})
        return flow

    # -- symmetry --------------------------------------------------------------------------------------------

    @blames_weights
    def prove_symmetry(self, *, budget: float = 10.0, states: int = 2000) -> list[Any]:
        """Return what is known about {H, g} = 0 for the generators of the flow.

        In exact mode: hamsym verdicts, for each generator g one for the potentials, one for the kinetic energies
        and one for the base density; the ``question`` of each names g and the part.  Potentials enter as an
        *undefined* function V of the invariants, so a proof holds for every value of the weights; a fixed K enters as
        a|p|² for every a > 0.  Leapfrog commutes with a linear point action whenever K and U do, hence the density of
        the flow has the symmetry too.  A flow of particles adds three verdicts for each exchange of identical bodies.

        In every other mode nothing is proved, and the measured residuals on base states are returned
        (:class:`learn.symmetry.generators.BracketResidual`, one per generator).

        Arguments:
            budget: seconds for each verdict.
            states: number of base states for the residuals.

        Raises:
            ParameterError: if one of them is not positive.
            NonFiniteError: if a residual is not finite.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
            >>> print(flow.prove_symmetry()[0].question)
            {g, U} = 0 for g = -p1*q2 + p2*q1, U = V(q1**2 + q2**2) for every V
        """
        budget = real("budget", budget, above=0)
        states = integer("states", states, minimum=1, maximum=MAX_NUMBERS // self.dim)
        if self.symmetry != "exact":
            q, p = self.sample_base(states, generator=torch.Generator(self.unit.device).manual_seed(0))
            return measure_brackets(self.chain, self.generators, q, p)
        if self.particles is not None:
            return prove_pair_invariance(self.generators, self.particles, self.kinetic, budget=budget)
        found = invariant_potentials(self.generators)
        return [v for g in found.generators for v in prove_invariance(g, found, self.kinetic, budget=budget)]

    def save(self, path: str | Path) -> None:
        """Write the flow into the directory ``path`` (safetensors and json), atomically; ``learn.load`` reads it.

        In exact mode the json holds the verdicts of :meth:`prove_symmetry` with their certificates, too, under
        ``proofs``.

        Arguments:
            path: made if it is not there; a flow saved there before is replaced.

        Raises:
            CheckpointError: if the directory cannot be written.
            ParameterError: if ``path`` is no path.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     HamiltonianFlow(2, hamiltonians=1, width=4).save(folder)
            ...     sorted(file.suffix for file in Path(folder).iterdir())
            ['.json', '.safetensors']
        """
        if not isinstance(path, (str, Path)):
            raise ParameterError(f"path is the name of a directory, not {shown(path)}")
        head: dict[str, Any] = {"flow": self.config()}
        if self.symmetry == "exact":  # for readers of the file; who loads it proves again
            head["proofs"] = records(self.prove_symmetry())
        write(path, "model", self.state_dict(), head)

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the flow without its weights.

        Example:
            >>> HamiltonianFlow(2, hamiltonians=1, width=4).config()["symmetry"] is None
            True
        """
        bodies = self.particles
        spaces = [{"q": [s.name for s in g.space.coordinates], "p": [s.name for s in g.space.momenta]}
                  for g in self.generators]  # fmt: skip
        return {
            "dim": self.dim,
            "hamiltonians": self.hamiltonians,
            "steps": self.steps,
            "width": self.width,
            "symmetry": self.symmetry,
            "generators": [{"formula": g.text, **s} for g, s in zip(self.generators, spaces, strict=True)],
            "elements": self.elements,
            "dt": self.first_dt,
            "kinetic": self.kinetic,
            "context": 0 if self.context is None else self.context.size,
            "invariants": invariant_potentials(self.generators).texts
            if self.symmetry in ("features", "exact") and self.particles is None
            else None,
            **(
                {}
                if bodies is None
                else {"particles": [bodies.number, bodies.dimensions], "species": list(bodies.species)}
            ),
            "dtype": str(self.unit.dtype).removeprefix("torch."),
        }

    def __repr__(self) -> str:
        return f"HamiltonianFlow({description.line(self)})"

    def _repr_html_(self) -> str:
        return description.table(self)


def _bodies(particles: Any, species: Any, dim: int, symmetry: str | None, context: int) -> Particles:
    if symmetry != "exact":
        raise SymmetryError(
            f"particles are for symmetry='exact', whose potentials are sums over pairs; for symmetry={symmetry!r} leave them out"
        )
    if context:
        raise ParameterError(
            "a flow of particles takes no context; leave it out, or use generators without particles"
        )
    return Particles.read(particles, species, dim)
