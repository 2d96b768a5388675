"""Independent draws per second: :func:`hamsym.sample_boltzmann` against the same sampler written in plain numpy.

    python benchmarks/sampling.py [--draws 8000] [--rounds 3]

The peer is Hamiltonian Monte Carlo without tempering over as many chains at once, with its gradient written by hand in
whole-array numpy, the step fitted to the same acceptance by the same rule, and the trajectory length and thinning that short
trials, not timed, find best for it.  Both are judged by the smallest effective size over coordinates and U (Vehtari et al., 2021), per second of processor
time of the whole run, warm-up included; the compiled kernel is there already.  R-hat tells who has the modes right: the peer
may be fast and wrong.  Quote the ratios.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

import hamsym as hs
from hamsym.numeric.convergence import effective_size, split_r_hat
from hamsym.numeric.sampling import Samples

#: U and its gradient at points of shape (chains, dof).
Gradient = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A density: its Hamiltonian, parameters and the peer's gradient; ``hottest`` as ours is called."""

    name: str
    hamiltonian: hs.Hamiltonian
    parameters: dict[str, float]
    gradient: Gradient
    hottest: float
    is_free: bool = False


def ring() -> Case:
    def gradient(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r = np.hypot(q[:, 0], q[:, 1])
        return (r - 2) ** 2 / 0.08, ((r - 2) / (0.04 * r))[:, None] * q

    return Case("ring, 2-D", hs.targets["ring"].hamiltonian, {}, gradient, 1.0)


def blobs() -> Case:
    target = hs.targets["gaussians8"]
    angles = np.pi / 4 * np.arange(8)
    centres = 2 * np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def gradient(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = q[:, None] - centres
        exponents = -4 * (away**2).sum(-1)
        top = exponents.max(1, keepdims=True)
        shares = np.exp(exponents - top)
        total = shares.sum(1, keepdims=True)
        return -(top + np.log(total))[:, 0], 8 * (away * (shares / total)[..., None]).sum(1)

    return Case("eight Gaussians, 2-D", target.hamiltonian, {}, gradient, 0.02)


def correlated() -> Case:
    root = np.random.default_rng(0).standard_normal((10, 10))
    precision = np.linalg.inv(root @ root.T + 0.1 * np.eye(10))
    precision = (precision + precision.T) / 2
    space = hs.PhaseSpace.standard(10)
    terms = [f"p{i}**2/2" for i in range(1, 11)]
    terms += [f"({float(precision[i, j])!r})*q{i + 1}*q{j + 1}/2" for i in range(10) for j in range(10)]

    def gradient(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        force = q @ precision
        return 0.5 * (q * force).sum(1), force

    condition = np.linalg.cond(precision)
    return Case(
        f"Gaussian, 10-D, condition {condition:.0f}",
        hs.Hamiltonian(" + ".join(terms), space),
        {},
        gradient,
        1.0,
    )


def dw4() -> Case:
    system = hs.systems["dw4"]
    i, j = np.triu_indices(4, 1)

    def gradient(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = q.reshape(-1, 4, 2)
        apart = x[:, i] - x[:, j]
        d = np.sqrt((apart**2).sum(-1))
        s = d - 4
        pull = ((-8 * s + 3.6 * s**3) / d)[..., None] * apart
        force = np.zeros_like(x)
        for pair, (a, b) in enumerate(zip(i, j, strict=True)):
            force[:, a] += pull[:, pair]
            force[:, b] -= pull[:, pair]
        return (-4 * s**2 + 0.9 * s**4).sum(1), force.reshape(q.shape)

    return Case("DW4, 8-D", system.hamiltonian, system.parameters, gradient, 0.02, is_free=True)


def lattice() -> Case:
    system = hs.systems["lattice_phi4"](n=8)
    m2, coupling = (system.parameters[name] for name in ("m2", "g"))

    def gradient(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f = q.reshape(-1, 8, 8)
        bonds = [np.roll(f, -1, axis) - f for axis in (1, 2)]
        u = sum(b**2 for b in bonds) / 2 + m2 * f**2 / 2 + coupling * f**4 / 4
        force = 4 * f - sum(np.roll(f, s, axis) for axis in (1, 2) for s in (1, -1))
        force = force + m2 * f + coupling * f**3
        return u.sum((1, 2)), force.reshape(q.shape)

    return Case("lattice φ⁴ 8×8, 64-D", system.hamiltonian, system.parameters, gradient, 0.1)


def plain(
    case: Case, draws: int, chains: int, length: int, thinning: int, seed: int, warmup: int = 2000
) -> tuple[np.ndarray, np.ndarray]:
    """Hamiltonian Monte Carlo in numpy: q of shape (kept, chains, dof) and U of shape (kept, chains)."""
    rng = np.random.default_rng(seed)
    dof = len(case.hamiltonian.space.coordinates)
    q = rng.standard_normal((chains, dof))
    if case.is_free:
        q -= q.reshape(chains, -1, 2).mean(1, keepdims=True).repeat(dof // 2, 1).reshape(q.shape)
    u, force = case.gradient(q)
    step, late = 0.1, []

    def move(step: float) -> float:
        nonlocal q, u, force
        p = rng.standard_normal(q.shape)
        if case.is_free:
            p -= p.reshape(chains, -1, 2).mean(1, keepdims=True).repeat(dof // 2, 1).reshape(q.shape)
        h = step * rng.uniform(0.8, 1.2, (chains, 1))
        x, f, before = q, force, 0.5 * (p**2).sum(1) + u
        for _ in range(int(rng.integers(-(-length // 2), length + 1))):
            p = p - 0.5 * h * f
            x = x + h * p
            v, f = case.gradient(x)
            p = p - 0.5 * h * f
        error = 0.5 * (p**2).sum(1) + v - before
        probability = np.exp(-np.maximum(np.where(np.isfinite(error), error, np.inf), 0))
        accept = rng.random(chains) < probability
        q, force = (np.where(accept[:, None], new, old) for new, old in ((x, q), (f, force)))
        u = np.where(accept, v, u)
        return float(probability.mean())

    for i in range(warmup):
        step *= np.exp((i + 1) ** -0.6 * (move(step) - 0.9) / 0.9)
        late.append(np.log(step))
    step = float(np.exp(np.mean(late[warmup // 2 :])))
    kept = -(-draws // chains)
    all_q, all_u = np.empty((kept, chains, dof)), np.empty((kept, chains))
    for n in range(kept):
        for _ in range(thinning):
            move(step)
        all_q[n], all_u[n] = q, u
    return all_q, all_u


def smallest(q: np.ndarray, u: np.ndarray) -> float:
    """Smallest effective size over coordinates and U."""
    return min(effective_size(x.T) for x in [*np.moveaxis(q, -1, 0), u])


def best_setting(case: Case, draws: int, chains: int) -> tuple[int, int]:
    """Length and thinning with which the peer is fastest in short trials."""
    rates = {}
    for setting in itertools.product((2, 4, 8, 16, 32), (2, 8)):
        begin = time.process_time()
        rates[setting] = smallest(*plain(case, draws // 4, chains, *setting, seed=0, warmup=500)) / (
            time.process_time() - begin
        )
    return max(rates, key=lambda setting: rates[setting])


def compare(case: Case, draws: int, rounds: int) -> list[str]:
    chains, ours, theirs, hats = 32, [], [], []

    def sample(seed: int) -> Samples:
        return hs.sample_boltzmann(
            case.hamiltonian,
            draws,
            seed=seed,
            parameters=case.parameters,
            hottest=case.hottest,
            chains=chains,
        )

    first = np.asarray(sample(0))  # compiles
    energies = hs.simulate(
        case.hamiltonian, first[:9], 0 * first[:9], 1e-3, 1, parameters=case.parameters
    ).energy
    differences = energies[:, 0] - case.gradient(first[:9])[0]
    if not np.allclose(differences, differences[0], atol=1e-9):
        raise SystemExit(f"{case.name}: the two energies differ")
    setting = best_setting(case, draws, chains)
    for seed in range(1, rounds + 1):
        begin = time.process_time()
        found = sample(seed).diagnostics
        middle = time.process_time()
        q, u = plain(case, draws, chains, *setting, seed)
        end = time.process_time()
        quantities = [*np.moveaxis(q, -1, 0), u]
        ours.append(min(found.ess.values()) / (middle - begin))
        theirs.append(smallest(q, u) / (end - middle))
        hats.append((max(found.r_hat.values()), max(split_r_hat(x.T) for x in quantities)))
    ratios = np.array(ours) / np.array(theirs)
    hat = np.median(hats, axis=0)
    return [
        case.name, f"{np.median(ours):,.0f}", f"{np.median(theirs):,.0f}", f"{np.median(ratios):.1f}",
        f"{hat[0]:.3f}", f"{hat[1]:.3f}",
    ]  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--draws", type=int, default=8000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    table = Table(title="smallest effective size per second of processor time")
    for column in ("density", "hamsym", "numpy", "ratio", "R-hat hamsym", "R-hat numpy"):
        table.add_column(column, justify="left" if column == "density" else "right")
    for case in (ring(), blobs(), correlated(), dw4(), lattice()):
        table.add_row(*compare(case, given.draws, given.rounds))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
