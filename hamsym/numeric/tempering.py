"""Hamiltonian Monte Carlo with parallel tempering: many independent replicas of a ladder of temperatures.

Warm-up fits one step size to each rung (Robbins–Monro) and a mass to each coordinate, spaces the rungs so that all
exchanges are equally likely, and picks the trajectory length; after it everything is frozen, so the kept draws are those of
one fixed Markov chain.

Sources: Neal, "MCMC using Hamiltonian dynamics" (2011); Syed, Bouchard-Côté, Deligiannidis, Doucet,
"Non-reversible parallel tempering" (JRSS B 84, 2022) for the even–odd exchange and the spacing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hamsym.errors import SamplingError, ShapeError
from hamsym.numeric.arguments import points
from hamsym.numeric.convergence import effective_size
from hamsym.numeric.flatness import free_directions
from hamsym.numeric.loops import runs_in_loops
from hamsym.numeric.masses import Masses, momentum_law
from hamsym.numeric.proposals import DENSE, sampling_kernels
from hamsym.progress import Bar
from hamsym.symbolic.hamiltonian import Hamiltonian

_DIVERGENCE = 50.0  # an energy error of this many kT means the leapfrog was unstable
_LENGTHS = (1, 2, 4, 8, 16, 32)
_MAX_RUNGS = 24
_SHORT = 1e-6  # a step that hardly moves
_WORTH_DENSE = 4.0  # condition number from which masses that mix coordinates save more steps than they cost


class Tempering:
    """Lanes are ordered by rung, then replica: ``lane = rung * chains + replica``."""

    def __init__(
        self,
        H: Hamiltonian,
        values: dict[str, float],
        chains: int,
        rng: np.random.Generator,
        acceptance: float,
    ) -> None:
        self.space, self.chains, self.rng, self.target = H.space, chains, rng, acceptance
        self.kernels: Any = sampling_kernels(H)
        self.k = tuple(values.get(name, 0.0) for name in H.space.parameters)
        self.masses, self.mean = momentum_law(H, values)
        self.own_masses = self.masses
        self.length, self.iteration = 4, 0
        self.free = np.empty((len(self.mean), 0))
        self.is_fitted, self.is_dense = not runs_in_loops(H), False
        if self.is_fitted:  # loops step with the kinetic energy of H itself
            self._weigh(np.diag(np.diagonal(self.masses.matrix())))

    def start(self, betas: np.ndarray, initial: ArrayLike | None) -> None:
        """Place all lanes at points of finite energy."""
        dof, lanes = len(self.mean), len(betas) * self.chains
        if initial is None:
            q = self.rng.standard_normal((dof, lanes))
            positive = [bool(s.is_positive) for s in self.space.coordinates]
            q[positive] = np.abs(q[positive])
        else:
            given = points("initial", initial, dof)
            if given.shape not in {(dof,), (self.chains, dof)}:
                raise ShapeError(
                    f"initial has the shape {given.shape}; it is ({dof},) or ({self.chains}, {dof})"
                )
            q = np.tile(np.broadcast_to(given, (self.chains, dof)).T, len(betas))
        self._fix_frame(q[:, : self.chains])
        self.q, self.betas = np.ascontiguousarray(q), betas
        self.step = np.full(len(betas), 0.1)
        self.u = self._potential(self.q)
        if not np.isfinite(self.u).all():
            bad = self.q[:, int(np.argmin(np.isfinite(self.u)))].tolist()
            raise SamplingError(
                f"U is not finite at the starting point q = {bad}; pass initial= with points where it is"
            )

    def _fix_frame(self, q: np.ndarray) -> None:
        """Find the directions along which U does not change, such as a common translation, and hold them.

        With v of these and the mass matrix M, vᵀMq stays where it is if vᵀp = 0, so the chain samples the density on such a
        subspace; draws are given in the frame of the centre of mass.
        """
        free = free_directions(self._forces, self._potential, q)
        alone = np.flatnonzero(np.abs(np.linalg.norm(free, axis=1) - 1) < 1e-9)
        if len(alone):
            raise SamplingError(
                f"exp(-βU) is not normalisable: U does not depend on {self.space.coordinates[alone[0]]}; leave that out of the "
                "space, or add a potential that confines it"
            )
        self.free = free

    def _centred(self, q: np.ndarray) -> np.ndarray:
        """Return coordinates of shape ``(dof, n)`` moved along the free directions to where the centre of mass is zero."""
        if not self.free.shape[1]:
            return q
        heavy = self.own_masses.solve(self.free)
        return q - self.free @ np.linalg.solve(self.free.T @ heavy, heavy.T @ q)

    def _cold(self) -> np.ndarray:
        """The states of the coldest rung, shape ``(chains, dof)``."""
        return self._centred(self.q[:, : self.chains]).T

    def _weigh(self, mass_inverse: np.ndarray) -> None:
        """Take pᵀ M⁻¹ p/2 as the kinetic energy from here on."""
        self.mean, self.masses = np.zeros(len(mass_inverse)), Masses.of(np.ascontiguousarray(mass_inverse))

    def fit_masses(self, q: np.ndarray) -> None:
        """Take the masses with which U is equally steep in all directions, in the mean over draws ``(n, chains, dof)``.

        β⟨∂U ∂Uᵀ⟩ = ⟨∂²U⟩ is the mean curvature, which limits the step; it is the mass matrix.  Unlike the spread of q it does
        not depend on how far apart modes are.  Where coordinates hardly depend on one another, or are many, its diagonal
        serves.
        """
        if not self.is_fitted:
            return
        forces = self._forces(q.reshape(-1, q.shape[-1]).T)
        steepness = forces @ forces.T / forces.shape[1]
        scale = np.sqrt(np.diagonal(steepness))
        if not (np.isfinite(steepness).all() and (scale > 0).all()):
            return
        alike = (
            steepness / np.outer(scale, scale) + self.free @ self.free.T
        )  # of unit scale; nothing moves along free ones
        self.is_dense = len(scale) <= DENSE and bool(np.linalg.cond(alike) > _WORTH_DENSE)
        inverse = np.linalg.inv(alike) if self.is_dense else np.eye(len(scale))
        old = np.linalg.slogdet(self.masses.inverse)[1]
        self._weigh(inverse / np.outer(scale, scale))
        # the step in units of the old and of the new masses is the same
        self.step = self.step * math.exp((old - np.linalg.slogdet(self.masses.inverse)[1]) / (2 * len(scale)))

    def warm_up(self, n: int, bar: Bar) -> int:
        """Fit step sizes, ladder, masses and length in five rounds; return the thinning for nearly independent draws."""
        self.adapt_steps(n, bar)
        for _ in range(2):
            q, _, rates = self.advance(n, bar)
            self.respace(rates)
            self.fit_masses(q[n // 2 :])
            self.adapt_steps(n, bar)
        self.choose_length(max(n // 8, 10), bar)
        self.adapt_steps(n, bar)
        q, u, _ = self.advance(4 * n, bar)
        quantities = [*np.moveaxis(q, -1, 0), *np.moveaxis(q**2, -1, 0), u]
        times = [x.size / effective_size(x.T) for x in quantities]
        return int(np.clip(math.ceil(2 * max(times)), 1, 64))

    def adapt_steps(self, n: int, bar: Bar) -> None:
        """Move log(step) of each rung towards the target acceptance with decreasing gain; keep the late average."""
        late = []
        for i in range(n):
            accepted = self.move(adapting=True)
            self.step = self.step * np.exp((i + 1) ** -0.6 * (accepted - self.target) / self.target)
            late.append(np.log(self.step))
            self.swap()
            bar.update(1)
        self.step = np.exp(np.mean(late[n // 2 :], axis=0))

    def respace(self, rates: np.ndarray) -> None:
        """Put the rungs where the exchange rejections, accumulated along the ladder, are equal (Syed et al., sec. 5)."""
        if len(self.betas) == 1:
            return
        barrier = np.concatenate([[0.0], np.cumsum(np.maximum(1 - rates, 1e-3))])
        rungs = int(np.clip(math.ceil(2 * barrier[-1]) + 2, 3, _MAX_RUNGS))
        levels = np.linspace(0, barrier[-1], rungs)
        log_betas = np.interp(levels, barrier, np.log(self.betas))
        nearest = np.abs(np.log(self.betas)[None, :] - log_betas[:, None]).argmin(1)
        pick = (nearest[:, None] * self.chains + np.arange(self.chains)).ravel()
        self.q, self.u = np.ascontiguousarray(self.q[:, pick]), self.u[pick]
        self.step, self.betas = self.step[nearest], np.exp(log_betas)

    def choose_length(self, n: int, bar: Bar) -> None:
        """Take the number of leapfrog steps with the least autocorrelation per cost, moves only, at all rungs."""
        best = -1.0
        for length in _LENGTHS:
            self.length = length
            before, after = [], []
            for _ in range(n):
                before.append(self._features())
                self.move()
                after.append(self._features())
                bar.update(1)
            score = _decorrelation(np.array(before), np.array(after)) / (
                length + 4
            )  # a move costs about 4 steps more
            if score > best:
                best, chosen = score, length
        self.length = chosen

    def _features(self) -> np.ndarray:
        """q and U of every lane, shape ``(dof + 1, rungs, chains)``."""
        return np.concatenate([self._centred(self.q), self.u[None]]).reshape(-1, len(self.betas), self.chains)

    def advance(self, n: int, bar: Bar) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Make n Markov steps; return the cold q ``(n, chains, dof)``, the cold U and the mean exchange rates."""
        q, u = np.empty((n, self.chains, len(self.mean))), np.empty((n, self.chains))
        total, count = np.zeros(len(self.betas) - 1), np.zeros(len(self.betas) - 1)
        for i in range(n):
            self.move()
            rates = self.swap()
            total, count = total + np.nan_to_num(rates), count + ~np.isnan(rates)
            q[i], u[i] = self._cold(), self.u[: self.chains]
            bar.update(1)
        return q, u, total / np.maximum(count, 1)

    def run(self, kept: int, thinning: int, bar: Bar) -> tuple[np.ndarray, np.ndarray]:
        """Return ``kept`` thinned draws of every replica, recording acceptance, divergences and exchanges."""
        q, u = np.empty((kept, self.chains, len(self.mean))), np.empty((kept, self.chains))
        self.accepted, self.diverged = np.zeros(len(self.betas)), 0
        total, count = np.zeros(len(self.betas) - 1), np.zeros(len(self.betas) - 1)
        bar.extend(kept * thinning)
        for i in range(kept * thinning):
            self.accepted += self.move() / (kept * thinning)
            self.diverged += self.latest_divergences
            rates = self.swap()
            total, count = total + np.nan_to_num(rates), count + ~np.isnan(rates)
            if (i + 1) % thinning == 0:
                q[i // thinning], u[i // thinning] = self._cold(), self.u[: self.chains]
            bar.update(1)
        self.swap_rates = total / np.maximum(count, 1)
        return q, u

    def move(self, *, adapting: bool = False) -> np.ndarray:
        """One HMC transition of every lane; return the mean acceptance probability of each rung."""
        lanes = self.u.size
        noise = self.rng.standard_normal((len(self.mean), lanes))
        p = self.masses.momenta(noise)
        before = 0.5 * (noise**2).sum(0)
        if self.free.shape[1]:  # nothing moves along them: vᵀp = 0
            heavy = self.masses.solve(self.free)
            p -= heavy @ np.linalg.solve(self.free.T @ heavy, self.free.T @ p)
            before = 0.5 * (p * self.masses.velocities(p)).sum(0)
        p += self.mean[:, None]
        step = np.repeat(self.step, self.chains) * self.rng.uniform(0.8, 1.2, lanes)  # breaks periods
        steps = int(self.rng.integers(-(-self.length // 2), self.length + 1))
        q, u = self.q.copy(), np.empty(lanes)
        betas = np.repeat(self.betas, self.chains)
        self._propose(q, p, u, step, betas, steps)
        with np.errstate(all="ignore"):
            p -= self.mean[:, None]
            after = 0.5 * (p * self.masses.velocities(p)).sum(0)
            error = after - before + betas * (u - self.u)
        error[~np.isfinite(error)] = np.inf
        probability = np.exp(-np.maximum(error, 0.0))
        accept = self.rng.random(lanes) < probability
        self.q = np.where(accept, q, self.q)
        self.u = np.where(accept, u, self.u)
        self.latest_divergences = int((error[: self.chains] > _DIVERGENCE).sum())
        return probability.reshape(-1, self.chains).mean(1)

    def swap(self) -> np.ndarray:
        """Exchange states of even, then odd neighbours in turn; return mean rates, NaN where it was not their turn."""
        rates = np.full(len(self.betas) - 1, np.nan)
        self.iteration += 1
        lower = np.arange(self.iteration % 2, len(self.betas) - 1, 2)
        if len(lower) == 0:
            return rates
        u = self.u.reshape(-1, self.chains)
        gain = (self.betas[lower] - self.betas[lower + 1])[:, None] * (u[lower] - u[lower + 1])
        probability = np.exp(np.minimum(gain, 0.0))
        rung, replica = np.nonzero(self.rng.random(gain.shape) < probability)
        a = lower[rung] * self.chains + replica
        b = a + self.chains
        self.q[:, a], self.q[:, b] = self.q[:, b], self.q[:, a]
        self.u[a], self.u[b] = self.u[b], self.u[a]
        rates[lower] = probability.mean(1)
        return rates

    def _potential(self, q: np.ndarray) -> np.ndarray:
        u, none = np.empty(q.shape[1]), np.zeros(q.shape[1])
        self._propose(q, np.zeros_like(q), u, none, none, 0)
        return u

    def _propose(
        self, q: np.ndarray, p: np.ndarray, u: np.ndarray, step: np.ndarray, betas: np.ndarray, steps: int
    ) -> None:
        masses = (self.masses.inverse, self.is_dense) if self.is_fitted else ()
        self.kernels.propose(q, p, *masses, u, step, betas, steps, *self.k)

    def _forces(self, q: np.ndarray) -> np.ndarray:
        """Return a sum of two forces in each lane, shape ``(dof, lanes)``: what one step from rest gives to the momentum."""
        p = np.repeat(self.mean[:, None], q.shape[1], axis=1)
        one, u = np.ones(q.shape[1]), np.empty(q.shape[1])
        with np.errstate(all="ignore"):
            self._propose(q.copy(), p, u, _SHORT * one, one, 1)
        return (p - self.mean[:, None]) / _SHORT


def ladder(beta: float, hottest: float, dof: int) -> np.ndarray:
    """A geometric ladder to start from; warm-up moves its rungs."""
    if hottest == 1:
        return np.array([beta])
    rungs = int(np.clip(2 + math.ceil(-math.log(hottest) * math.sqrt(dof / 2)), 3, _MAX_RUNGS))
    return beta * hottest ** np.linspace(0, 1, rungs)


def _decorrelation(before: np.ndarray, after: np.ndarray) -> float:
    """1 - lag-one correlation of the slowest feature, averaged over rungs; inputs ``(n, features, rungs, chains)``."""
    spread = before.var(axis=(0, 3)) + 1e-300
    jump = ((after - before) ** 2).mean(axis=(0, 3))
    return float((jump / (2 * spread)).min(axis=0).mean())
