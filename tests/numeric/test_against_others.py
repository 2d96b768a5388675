"""Other people's integrators arrive at the same states: SciPy's always, heyoka's and rebound's where they are installed."""

import numpy as np
import pytest
import sympy as sp

import hamsym as hs

#: System to the time for which its error grows slowly enough to ask for twelve digits.
SYSTEMS = {
    "harmonic_oscillator": 20.0,
    "pendulum": 10.0,
    "kepler": 10.0,
    "henon_heiles": 20.0,
    "mexican_hat": 10.0,
    "toda": 10.0,
    "double_pendulum": 2.0,
    "nbody": 1.0,
}


def start(name, count=3):
    system = hs.systems[name]
    return system, *system.initial_states(count, seed=11)


def ours(system, q, p, span, steps, method, **options):
    t = hs.simulate(
        system.hamiltonian, q, p, span / steps, steps, save_every=steps // 4, method=method,
        parameters=system.parameters, **options,
    )  # fmt: skip
    return t.t, np.concatenate([t.q, t.p], axis=-1)


def best(system, q, p, span):
    """Our most accurate run: order eight, or six for any H, with a step that leaves only rounding."""
    if hs.systems[system.name].hamiltonian.is_separable:
        return ours(system, q, p, span, round(400 * max(span, 4)), "kahan_li8", compensated=True)
    return ours(system, q, p, span, round(1000 * span), "gauss6", compensated=True)


def right_side(system, modules):
    values = {system.space.parameters[n]: v for n, v in system.parameters.items()}
    equations = system.hamiltonian.equations()
    flow = [velocity.subs(values) for velocity in equations.values()]
    return list(equations), flow, modules and sp.lambdify([list(equations)], flow, modules=modules, cse=True)


@pytest.mark.parametrize("name", SYSTEMS)
def test_dop853_arrives_where_we_do(name):
    integrate = pytest.importorskip("scipy.integrate")
    system, q, p = start(name)
    times, states = best(system, q, p, SYSTEMS[name])
    flow = right_side(system, "math")[2]
    for y, track in zip(np.concatenate([q, p], 1), states, strict=True):
        theirs = integrate.solve_ivp(
            lambda t, y: flow(y), (0, times[-1]), y, method="DOP853", t_eval=times, rtol=3e-14, atol=1e-15
        )
        assert np.abs(theirs.y.T - track).max() < 1e-11 * np.abs(track).max()


@pytest.mark.parametrize("name", SYSTEMS)
def test_heyoka_arrives_where_we_do(name):
    heyoka = pytest.importorskip("heyoka")
    system, q, p = start(name)
    times, states = best(system, q, p, SYSTEMS[name])
    variables, flow, _ = right_side(system, None)
    symbols = heyoka.make_vars(*(s.name for s in variables))
    terms = [heyoka.from_sympy(sp.nsimplify(f, rational=True)) for f in flow]
    taylor = heyoka.taylor_adaptive(
        list(zip(symbols, terms, strict=True)), np.zeros(len(terms)), tol=1e-18, compact_mode=True
    )
    for y, track in zip(np.concatenate([q, p], 1), states, strict=True):
        taylor.time = 0.0
        taylor.state[:] = y
        theirs = taylor.propagate_grid(times)[-1]
        assert np.abs(theirs - track).max() < 1e-12 * max(1, np.abs(track).max())


def bodies(rebound, system, q, p):
    sim = rebound.Simulation()
    sim.G = system.parameters["G"]
    masses = np.array([system.parameters[f"m{i + 1}"] for i in range(len(q) // 3)])
    for m, x, v in zip(masses, q.reshape(-1, 3), p.reshape(-1, 3) / masses[:, None], strict=True):
        sim.add(m=m, x=x[0], y=x[1], z=x[2], vx=v[0], vy=v[1], vz=v[2])
    return sim


def places(sim):
    return np.array([[b.x, b.y, b.z] for b in sim.particles]).ravel()


@pytest.mark.parametrize("n", [2, 5])
def test_rebound_makes_the_same_leapfrog_steps(n):
    """Not only close: the same steps, so they agree to rounding however large the error of both is."""
    rebound = pytest.importorskip("rebound")
    system = hs.systems["nbody"](n=n)
    q, p = system.initial_states(1, seed=4)
    sim = bodies(rebound, system, q[0], p[0])
    sim.integrator, sim.dt = "leapfrog", 0.01
    sim.steps(100)
    sim.synchronize()
    _, states = ours(system, q, p, 1.0, 100, "leapfrog_drift")
    _, accurate = ours(system, q, p, 1.0, 1000, "kahan_li8")
    apart = np.abs(places(sim) - states[0, -1, : 3 * n]).max()
    assert apart < 1e-12
    assert apart < 1e-4 * np.abs(accurate[0, -1] - states[0, -1]).max()


@pytest.mark.parametrize("n", [3, 6])
def test_ias15_of_rebound_arrives_where_we_do(n):
    rebound = pytest.importorskip("rebound")
    system = hs.systems["nbody"](n=n)
    q, p = system.initial_states(1, seed=5)
    sim = bodies(rebound, system, q[0], p[0])
    sim.integrator = "ias15"
    sim.integrate(2.0)
    _, states = ours(system, q, p, 2.0, 16_000, "kahan_li8", compensated=True)
    assert np.abs(places(sim) - states[0, -1, : 3 * n]).max() < 1e-12


def test_jax_makes_the_same_leapfrog_steps():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    system, q, p = start("henon_heiles", 16)
    _, states = ours(system, q, p, 10.0, 1000, "leapfrog", strict=True)
    variables, _, flow = right_side(system, "jax")
    h = 0.01

    def force(q):
        return jax.numpy.stack(flow([*q.T, *q.T])[2:], -1)

    def step(state, _):
        q, p = state
        p = p + h / 2 * force(q)
        q = q + h * p
        return (q, p + h / 2 * force(q)), None

    (q, p), _ = jax.lax.scan(step, (jax.numpy.asarray(q), jax.numpy.asarray(p)), None, length=1000)
    assert len(variables) == 4
    assert np.abs(np.concatenate([q, p], -1) - states[:, -1]).max() < 1e-12
