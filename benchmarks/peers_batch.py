"""A batch of trajectories against other libraries, at equal accuracy and at equal steps.

    pip install -c constraints.txt -e '.[test,peers]'
    python benchmarks/peers_batch.py [--batch 10000] [--rounds 9] [--span 10]

All contenders run in one process, in turn; times are medians of processor time a trajectory, with 100 stored states.  The
error is the root mean square over trajectories at the worst stored time, against heyoka at 1e-18, with which our own
most accurate run has to agree.  Equal accuracy: each library gets its cheapest setting whose error is below the target
(a peer its loosest tolerance, we our cheapest method and step).  SciPy and diffrax's
adaptive solver integrate a few trajectories, for their time.  Equal steps: 1000 steps with every tenth stored; diffrax's
semi-implicit Euler is of first order, JAX's leapfrog is written by hand with ``lax.scan`` over the whole batch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import diffrax
import heyoka
import jax
import numpy as np
import sympy as sp
from rich.console import Console
from rich.table import Table
from scipy.integrate import solve_ivp
from side_by_side import error, seconds

import hamsym as hs

jax.config.update("jax_enable_x64", True)
OUTPUTS, FEW = 100, 8
#: Systems and the accuracies at which they are compared.
CONTESTS = {"henon_heiles": (1e-4, 1e-8, 1e-12), "kepler": (1e-4, 1e-6, 1e-8, 1e-11)}
METHODS = ("leapfrog", "blanes_moan4", "blanes_moan6", "kahan_li6", "kahan_li8")
Run = Callable[[], np.ndarray]


def starts(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Kepler ellipses of eccentricity 0.6 from their pericentres in all directions; else those of the catalogue."""
    if name != "kepler":
        return hs.systems[name].initial_states(batch)
    e, angle = 0.6, np.random.default_rng(0).uniform(0, 2 * np.pi, batch)
    radial, along = (
        np.stack(v, 1) for v in ([np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)])
    )
    return (1 - e) * radial, np.sqrt((1 + e) / (1 - e)) * along


class Contest:
    """One system, one batch: each library's run, by its settings, as a function that returns (batch, time, 2 dof)."""

    def __init__(self, name: str, batch: int, span: float) -> None:
        self.system, (self.q, self.p), self.span = hs.systems[name], starts(name, batch), span
        self.y = np.concatenate([self.q, self.p], 1)
        self.times = np.linspace(0, span, OUTPUTS + 1)
        values = {self.system.space.parameters[n]: v for n, v in self.system.parameters.items()}
        self.equations = {
            s: sp.nsimplify(v.subs(values)) for s, v in self.system.hamiltonian.equations().items()
        }

    def hamsym(self, method: str, every: int, *, states: bool = True) -> np.ndarray | hs.Trajectories:
        """The whole public call."""
        steps = OUTPUTS * every
        t = hs.simulate(
            self.system.hamiltonian, self.q, self.p, self.span / steps, steps, save_every=every, method=method,
            parameters=self.system.parameters, threads=1,
        )  # fmt: skip
        return np.concatenate([t.q, t.p], -1) if states else t

    def heyoka(self, tolerance: float) -> Run:
        """A Taylor integrator over one SIMD vector after the other; its ensembles take far longer, here."""
        symbols = heyoka.make_vars(*(s.name for s in self.equations))
        right = [heyoka.from_sympy(v) for v in self.equations.values()]
        width = heyoka.recommended_simd_size()
        batch = len(self.y)
        padded = np.resize(self.y, (-(-batch // width) * width, self.y.shape[1]))
        integrator = heyoka.taylor_adaptive_batch(
            list(zip(symbols, right, strict=True)), np.zeros((self.y.shape[1], width)), tol=tolerance
        )
        grid = np.repeat(self.times[:, None], width, 1)

        def run() -> np.ndarray:
            out = np.empty((len(padded), OUTPUTS + 1, self.y.shape[1]))
            for i in range(0, len(padded), width):
                integrator.set_time(0.0)
                integrator.state[:] = padded[i : i + width].T
                found = integrator.propagate_grid(grid)
                states = found[1] if isinstance(found, tuple) else found
                out[i : i + width] = states.transpose(2, 0, 1)
            return out[:batch]

        return run

    def scipy(self, method: str, tolerance: float) -> Run:
        """``solve_ivp`` for the first few, with the right side in plain Python, as it is fastest."""
        flow = sp.lambdify([list(self.equations)], list(self.equations.values()), modules="math", cse=True)

        def run() -> np.ndarray:
            solved = (
                solve_ivp(
                    lambda t, y: flow(y), (0, self.span), y, method=method, t_eval=self.times, rtol=tolerance,
                    atol=tolerance,
                )
                for y in self.y[:FEW]
            )  # fmt: skip
            return np.stack([s.y.T for s in solved])

        return run

    def diffrax(self, tolerance: float) -> Run:
        """Dopri8 with adaptive steps, compiled for the whole batch."""
        flow = sp.lambdify([list(self.equations)], list(self.equations.values()), modules="jax", cse=True)
        control = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        return self._diffrax(
            diffrax.ODETerm(lambda t, y, _: jax.numpy.stack(flow(y))), diffrax.Dopri8(), control, None, self.y
        )

    def diffrax_euler(self, every: int) -> Run:
        """Semi-implicit Euler."""
        dof = self.q.shape[1]
        variables, velocities = list(self.equations), list(self.equations.values())
        drift = sp.lambdify([variables[dof:]], velocities[:dof], modules="jax", cse=True)
        kick = sp.lambdify([variables[:dof]], velocities[dof:], modules="jax", cse=True)
        terms = (
            diffrax.ODETerm(lambda t, p, _: jax.numpy.stack(drift(p))),
            diffrax.ODETerm(lambda t, q, _: jax.numpy.stack(kick(q))),
        )
        step = self.span / (OUTPUTS * every)
        return self._diffrax(
            terms, diffrax.SemiImplicitEuler(), diffrax.ConstantStepSize(), step, (self.q, self.p)
        )

    def _diffrax(self, terms, solver, control, step, start) -> Run:  # type: ignore[no-untyped-def]
        @jax.jit
        @jax.vmap
        def solve(y):  # type: ignore[no-untyped-def]
            return diffrax.diffeqsolve(
                terms, solver, 0.0, self.span, step, y, saveat=diffrax.SaveAt(ts=self.times),
                stepsize_controller=control, max_steps=4096,
                adjoint=diffrax.ForwardMode(), throw=False,
            ).ys  # fmt: skip

        def run() -> np.ndarray:
            found = jax.block_until_ready(solve(start))
            return np.concatenate(found, -1) if isinstance(found, tuple) else np.asarray(found)

        return run

    def jax_leapfrog(self, every: int) -> Run:
        """Leapfrog over arrays of the whole batch."""
        dof, h = self.q.shape[1], self.span / (OUTPUTS * every)
        variables, velocities = list(self.equations), list(self.equations.values())
        flow = sp.lambdify([variables[:dof]], velocities[dof:], modules="jax", cse=True)

        def kick(q, p, size):  # type: ignore[no-untyped-def]
            return tuple(a + size * f for a, f in zip(p, flow(q), strict=True))

        def step(state, _):  # type: ignore[no-untyped-def]
            q, p = state
            q = tuple(x + h * v for x, v in zip(q, p, strict=True))  # the masses of both systems are one
            return (q, kick(q, p, h)), None

        def stored(state, _):  # type: ignore[no-untyped-def]
            q, p = jax.lax.scan(step, state, None, length=every)[0]
            return (q, p), (*q, *kick(q, p, -h / 2))

        @jax.jit
        def solve(q, p):  # type: ignore[no-untyped-def]
            states = jax.lax.scan(stored, (q, kick(q, p, h / 2)), None, length=OUTPUTS)[1]
            return jax.numpy.stack(states, -1).transpose(1, 0, 2)

        columns = tuple(np.ascontiguousarray(self.q.T)), tuple(np.ascontiguousarray(self.p.T))
        return lambda: np.concatenate([self.y[:, None], np.asarray(solve(*columns))], 1)


def loosest(make: Callable[[float], Run], truth: np.ndarray, target: float) -> tuple[str, float, Run] | None:
    """The loosest tolerance with an error below the target; none is looser than the target by more than a hundred."""
    for tolerance in 10.0 ** -np.arange(np.log10(1 / target) - 2, 17):
        run = make(float(tolerance))
        states = run()
        if (reached := error(states, truth[: len(states)])) <= target:
            return f"{tolerance:.0e}", reached, run
    return None


def cheapest(contest: Contest, truth: np.ndarray, target: float) -> tuple[str, float, Run]:
    """Our cheapest method and step with an error below the target."""
    found: dict[str, tuple[float, Run]] = {}
    for method in METHODS:
        for every in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64):
            try:
                reached = error(contest.hamsym(method, every), truth)
            except hs.errors.NonFiniteError:
                continue
            if reached <= target:
                run = partial(contest.hamsym, method, every, states=False)
                found[f"{method}, {OUTPUTS * every} steps"] = reached, run
                break
    times = seconds({name: run for name, (_, run) in found.items()}, 5)
    best = min(times, key=times.__getitem__)
    return best, *found[best]


def compare(
    table: Table, title: str, entries: Iterable[tuple[str, str, float, Run]], batch: int, rounds: int
) -> None:
    """Run side by side; the first is ours."""
    entries = list(entries)
    times = seconds({f"{name}{setting}": run for name, setting, _, run in entries}, rounds)
    each = []
    for name, setting, reached, _ in entries:
        count = FEW if name.startswith("SciPy") else batch
        each.append(times[f"{name}{setting}"] / count * 1e6)
        table.add_row(title, name, setting, f"{reached:.1e}", f"{each[-1]:.2f}", f"{each[-1] / each[0]:.2f}")
        title = ""
    table.add_section()


def equal_accuracy(
    contest: Contest, truth: np.ndarray, target: float
) -> Iterable[tuple[str, str, float, Run]]:
    """Every library at one accuracy; SciPy and diffrax where the accuracy is a modest one."""
    yield "hamsym", *cheapest(contest, truth, target)
    if found := loosest(contest.heyoka, truth, target):
        yield "heyoka batch", *found
    if target >= 1e-4:
        for method in ("DOP853", "LSODA"):
            if found := loosest(partial(contest.scipy, method), truth, target):
                yield f"SciPy {method}", *found
        if found := loosest(contest.diffrax, truth, target):
            yield "diffrax Dopri8", *found


def equal_steps(
    contest: Contest, truth: np.ndarray, every: int = 10
) -> Iterable[tuple[str, str, float, Run]]:
    """Fixed steps: leapfrog and, in diffrax, what comes nearest."""
    setting = f"{OUTPUTS * every} steps"
    ours = contest.hamsym("leapfrog", every)
    yield (
        "hamsym leapfrog",
        setting,
        error(ours, truth),
        partial(contest.hamsym, "leapfrog", every, states=False),
    )
    for name, run in (
        ("JAX leapfrog", contest.jax_leapfrog(every)),
        ("diffrax Euler", contest.diffrax_euler(every)),
    ):
        states = run()
        if name == "JAX leapfrog":
            assert np.abs(states - ours).max() < 1e-9, "the leapfrog in JAX integrates something else"
        yield name, setting, error(states, truth), run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--span", type=float, default=10.0)
    parser.add_argument("--systems", nargs="*", default=list(CONTESTS), choices=list(CONTESTS))
    options = parser.parse_args()
    table = Table(
        title=f"µs of processor time a trajectory; {options.batch} × t = {options.span:g}, {OUTPUTS} outputs"
    )
    for column in ("contest", "library", "setting", "error", "µs", "× hamsym"):
        table.add_column(column, justify="left" if column in ("contest", "library", "setting") else "right")
    for name in options.systems:
        contest = Contest(name, options.batch, options.span)
        truth = contest.heyoka(1e-18)()
        best = min(error(contest.hamsym("kahan_li8", every), truth) for every in (8, 16))
        assert best < 1e-11, f"hamsym and heyoka disagree by {best}"
        for target in CONTESTS[name]:
            entries = equal_accuracy(contest, truth, target)
            compare(table, f"{name}, {target:.0e}", entries, options.batch, options.rounds)
        compare(table, f"{name}, equal steps", equal_steps(contest, truth), options.batch, options.rounds)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
