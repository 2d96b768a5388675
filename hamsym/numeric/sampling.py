"""Samples of exp(-βU) by Hamiltonian Monte Carlo whose leapfrog is the compiled kernel of the same formula.

Many independent replicas run in SIMD lanes.  Each replica is a ladder of inverse temperatures from β down to a hot
one where barriers are low, and neighbours on the ladder exchange states (parallel tempering), so that modes many
nats apart get their right shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hamsym.arguments import integer, real
from hamsym.errors import ParameterError, SamplingError
from hamsym.numeric.codegen import parameter_values
from hamsym.numeric.convergence import effective_size, split_r_hat
from hamsym.numeric.tempering import Tempering, ladder
from hamsym.progress import Bar
from hamsym.symbolic.hamiltonian import Hamiltonian

_R_HAT_LIMIT = 1.05
#: So many coordinates are shown one by one.
_MANY = 12


@dataclass(frozen=True)
class Diagnostics:
    """What a run of :func:`sample_boltzmann` tells about itself.

    Attributes:
        chains: independent replicas; row i of the samples belongs to replica ``i % chains``.
        draws: kept draws of each replica on which the estimates below rest.
        thinning: Markov steps between kept draws.
        acceptance: mean acceptance probability at the coldest rung.
        ess: effective number of independent draws among all ``chains * draws``, for each coordinate and for U.
        r_hat: rank-normalised split R-hat, likewise.
        divergences: rejected trajectories at the coldest rung whose energy error was above 50 kT or not finite.
        betas: the ladder of inverse temperatures, coldest first.
        swap_rates: mean exchange probability of neighbouring rungs.
        step_sizes: leapfrog step of each rung.
        leapfrog_steps: largest number of leapfrog steps in a trajectory.
        held: number of directions along which U does not change, such as a common translation of particles; the samples
            are those of the density with the centre of mass along them at zero.
        warnings: what a careful reader should know, in words.
    """

    chains: int
    draws: int
    thinning: int
    acceptance: float
    ess: dict[str, float]
    r_hat: dict[str, float]
    divergences: int
    betas: tuple[float, ...]
    swap_rates: tuple[float, ...]
    step_sizes: tuple[float, ...]
    leapfrog_steps: int
    held: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and dicts, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def __repr__(self) -> str:
        def listed(values: Mapping[str, float], form: str, worst: Callable[..., str]) -> str:
            if len(values) > _MANY:
                name = worst(values, key=values.__getitem__)
                return f"of {name} {values[name]:{form}}, the {'largest' if worst is max else 'smallest'} of {len(values)}"
            return ", ".join(f"{name} {value:{form}}" for name, value in values.items())

        lines = [
            f"{self.chains} chains × {self.draws} draws, every {self.thinning} step(s) of ≤ {self.leapfrog_steps} leapfrogs",
            f"acceptance {self.acceptance:.3f}, divergences {self.divergences}",
            f"R-hat {listed(self.r_hat, '.4f', max)}",
            f"effective draws {listed(self.ess, '.0f', min)}",
            f"β {', '.join(f'{b:.3g}' for b in self.betas)}",
            f"swap rates {', '.join(f'{r:.2f}' for r in self.swap_rates) or '(one rung)'}",
            *([f"{self.held} free direction(s) of U held at zero"] if self.held else []),
            *[f"warning: {w}" for w in self.warnings],
        ]
        return "Diagnostics\n" + "\n".join(f"  {line}" for line in lines)


class Samples(np.ndarray):
    """A float64 array of shape ``(n, dof)`` that remembers how it was made.

    Slices and copies are Samples, in memory and pickled.  What is computed from them, by arithmetic or as a mean, is
    no sample any more: it comes as an ordinary array or number.

    Attributes:
        diagnostics: the :class:`Diagnostics` of the run (also on slices, about the whole run).

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> q = sample_boltzmann(Hamiltonian("p1**2/2 + q1**2/2", PhaseSpace.standard(1)), 500, seed=1)
        >>> type(q[:10]).__name__, type(q.mean(axis=0)).__name__, type(q.mean()).__name__
        ('Samples', 'ndarray', 'float64')
    """

    diagnostics: Diagnostics | None

    def __array_finalize__(self, other: Any) -> None:
        self.diagnostics = getattr(other, "diagnostics", None)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """Return what a function of numpy computed as an ordinary array or number."""
        plain = np.asarray(array)
        return plain[()] if plain.ndim == 0 else plain

    def __reduce__(self) -> tuple[Any, ...]:
        """Give the diagnostics to pickle too."""
        rebuild, arguments, state = super().__reduce__()  # type: ignore[misc, str-unpack]
        return rebuild, arguments, (state, self.diagnostics)

    def __setstate__(self, state: Any) -> None:
        array, self.diagnostics = state
        super().__setstate__(array)


def sample_boltzmann(
    H: Hamiltonian,
    n: int = 10_000,
    *,
    beta: float = 1.0,
    seed: int = 0,
    parameters: Mapping[str, float] | None = None,
    chains: int = 32,
    hottest: float = 0.02,
    initial: ArrayLike | None = None,
    acceptance: float = 0.9,
    warmup: int = 200,
    progress: bool = False,
) -> Samples:
    """Draw coordinates from the density ∝ exp(-βU(q)) of H = K(p) + U(q).

    Where U does not change under a common translation of the coordinates, as for particles without walls, that density is
    taken in the frame of the centre of mass: the draws have none, and ``.diagnostics.held`` counts such directions.

    Arguments:
        H: a separable Hamiltonian whose K is a positive quadratic form in p.
        n: number of draws.
        beta: inverse temperature β > 0 of the draws.
        seed: the same seed gives the same bytes.
        parameters: value of each parameter in H by name.
        chains: independent replicas, at least 4.
        hottest: ratio of the smallest β on the ladder to ``beta``, in (0, 1]; 1 means no tempering.  Take it larger
            if exp(-βU) is not normalisable when hot, smaller if barriers are higher than about 100 nats.
        initial: starting points, shape ``(dof,)`` or ``(chains, dof)``; default standard normal.
        acceptance: target of the step-size adaptation, in (0, 1).
        warmup: Markov steps in each of the five rounds of warm-up.
        progress: show a progress bar, if the output is a terminal.

    Returns:
        :class:`Samples`: float64 array ``(n, dof)`` with ``.diagnostics``; rows run through the replicas first, so any
        contiguous part contains all of them.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).
        SamplingError: if K is not quadratic, U is not finite at the start, or R-hat is above 1.05 in the end: then the
            chains disagree and the numbers are no sample.  A small effective size gives a warning.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> H = Hamiltonian("p1**2/2 + 2*q1**2", PhaseSpace.standard(1))
        >>> q = sample_boltzmann(H, 4000, seed=1)
        >>> q.shape, bool(abs(q.std() - 0.5) < 0.05)
        ((4000, 1), True)
    """
    if not isinstance(H, Hamiltonian):
        raise ParameterError(
            f"H is a hamsym.Hamiltonian, not {type(H).__name__}; write Hamiltonian(formula, space)"
        )
    n, chains = integer("n", n, minimum=1), integer("chains", chains, minimum=4)
    warmup = integer("warmup", warmup, minimum=20)
    beta, hottest = real("beta", beta, above=0), real("hottest", hottest, above=0)
    acceptance = real("acceptance", acceptance, above=0)
    if hottest > 1 or acceptance >= 1:
        raise ParameterError("hottest is at most 1 and acceptance below 1")
    values = parameter_values(H.space, parameters, used=[H.written])
    rng = np.random.default_rng(integer("seed", seed))
    sampler = Tempering(H, values, chains, rng, acceptance)
    sampler.start(ladder(beta, hottest, len(H.space.coordinates)), initial)
    rows = -(-n // chains)
    kept = max(rows, 100)  # so that the estimates of convergence mean something when few draws are asked for
    with Bar(progress, unit="step", desc="sampling") as bar:
        thinning = sampler.warm_up(warmup, bar)
        q, u = sampler.run(kept, thinning, bar)
    diagnostics = _diagnose(sampler, q, u, thinning)
    chosen = q[np.linspace(0, kept - 1, rows).round().astype(int)]
    samples = chosen.reshape(-1, q.shape[-1])[:n].copy().view(Samples)
    samples.diagnostics = diagnostics
    for text in diagnostics.warnings:
        warnings.warn(text, stacklevel=2)
    return samples


def _diagnose(sampler: Tempering, q: np.ndarray, u: np.ndarray, thinning: int) -> Diagnostics:
    names = [s.name for s in sampler.space.coordinates]
    quantities = dict(zip([*names, "U"], [*np.moveaxis(q, -1, 0), u], strict=True))
    stuck = np.flatnonzero((np.ptp(q, axis=0) == 0).any(-1))
    if len(stuck):  # chains that all stay where they started look alike, so R-hat would not tell
        raise SamplingError(
            f"{len(stuck)} of {u.shape[1]} chains never moved, the first at q = {q[0, stuck[0]].tolist()} (acceptance "
            f"{sampler.accepted[0]:.3g}); is exp(-βU) normalisable, and the gradient of U finite there? If so, pass other points as initial="
        )
    r_hat = {name: split_r_hat(x.T) for name, x in quantities.items()}
    ess = {name: effective_size(x.T) for name, x in quantities.items()}
    worst = max(r_hat, key=lambda name: r_hat[name])
    kept, chains = u.shape
    notes = []
    if min(ess.values()) < 0.1 * kept * chains:
        notes.append(
            f"the {kept * chains} draws are worth only {min(ess.values()):.0f} independent ones; ask for more, or raise warmup"
        )
    if sampler.diverged > 0.01 * kept * chains * thinning:
        notes.append(
            f"{sampler.diverged} trajectories diverged; raise acceptance= towards 1 for smaller steps"
        )
    if len(sampler.betas) > 1 and sampler.swap_rates.min() < 0.05:
        notes.append(
            "two neighbouring temperatures hardly exchange; modes may have wrong shares: raise hottest= or warmup="
        )
    diagnostics = Diagnostics(
        chains, kept, thinning, float(sampler.accepted[0]), ess, r_hat, sampler.diverged,
        tuple(sampler.betas.tolist()), tuple(sampler.swap_rates.tolist()), tuple(sampler.step.tolist()),
        sampler.length, sampler.free.shape[1], tuple(notes),
    )  # fmt: skip
    if not r_hat[worst] <= _R_HAT_LIMIT:
        raise SamplingError(
            f"the chains disagree: R-hat of {worst} is {r_hat[worst]:.3f}, above {_R_HAT_LIMIT}. Is exp(-βU) normalisable, also at "
            f"β = {sampler.betas[-1]:.3g} (hottest=)? If so, raise warmup= or lower hottest=\n{diagnostics}"
        )
    return diagnostics
