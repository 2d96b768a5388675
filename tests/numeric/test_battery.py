"""Every method on every system that it admits: the laws of symmetric and symplectic integration, and independent numbers."""

import math
from functools import cache

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.numeric.methods import Doubled, Gauss, Splitting

METHODS = {m.name: m for m in hs.methods()}
#: Formulas beside the catalogue: driven, with another kinetic energy, bent, and in a magnetic field.
FORMULAS = {
    "driven": ("p1**2/2 - cos(q1)*(1 + sin(2*t)/2)", 1),
    "relativistic": ("sqrt(1 + p1**2) + q1**2/2", 1),
    "bent": ("(q1**2 + 1)*(p1**2 + 1)/2", 1),
    "magnetic": ("((p1 + q2/2)**2 + (p2 - q1/2)**2)/2 + (q1**2 + q2**2)**2/4", 2),
}
CATALOGUED = ["pendulum", "henon_heiles", "kepler", "mexican_hat", "toda", "double_pendulum"]
STEPS, DT, T0 = 200, 0.02, 0.3


@cache
def hamiltonian(name):
    if name in CATALOGUED:
        return hs.systems[name].hamiltonian
    formula, dof = FORMULAS[name]
    time = "t" if name == "driven" else None
    return hs.Hamiltonian(formula, hs.PhaseSpace.standard(dof, time=time))


def states(name, n, seed=5):
    if name in CATALOGUED:
        return hs.systems[name].initial_states(n, seed=seed)
    return np.random.default_rng(seed).uniform(-0.7, 0.7, (2, n, FORMULAS[name][1]))


def run(name, q, p, dt=DT, steps=STEPS, *, t0=T0, method, **options):
    parameters = hs.systems[name].parameters if name in CATALOGUED else {}
    return hs.simulate(
        hamiltonian(name), q, p, dt, steps, t0=t0, method=method, parameters=parameters, **options
    )


def end(name, q, p, dt, steps, **options):
    t = run(name, q, p, dt, steps, save_every=steps, **options)
    return t.q[:, -1], t.p[:, -1]


#: Compiling is what these tests cost: every method is tried on these systems, these methods on all, and all on all if asked to.
QUICK_SYSTEMS, QUICK_METHODS = ["henon_heiles", "bent"], ["leapfrog", "pefrl", "blanes_moan6", "gauss4"]


def pairs(names, methods=METHODS, kinds=(Splitting, Gauss, Doubled)):
    """Every method with every system that it admits."""
    chosen = [(METHODS[m], name) for name in names for m in methods if METHODS[m].admits(hamiltonian(name))]
    return [
        pytest.param(
            m.name,
            name,
            id=f"{m.name}-{name}",
            marks=[] if name in QUICK_SYSTEMS or m.name in QUICK_METHODS else pytest.mark.slow,
        )
        for m, name in chosen
        if isinstance(m, kinds)
    ]


ALL = [*CATALOGUED, *FORMULAS]
SYMPLECTIC = [m for m in METHODS if METHODS[m].symplectic]


def test_the_battery_meets_every_method_and_both_kinds_of_refusal():
    met = {p.values for p in pairs(ALL)}
    assert {m for m, _ in met} == set(METHODS)
    assert ("leapfrog", "double_pendulum") not in met and ("blanes_moan6", "relativistic") not in met
    assert len(met) > 100


@pytest.mark.parametrize(("method", "name"), pairs(ALL, SYMPLECTIC))
def test_running_backward_returns_to_the_start(method, name):
    q, p = states(name, 16)
    there = end(name, q, p, DT, STEPS, method=method)
    back = end(name, *there, -DT, STEPS, method=method, t0=T0 + STEPS * DT)
    scale = 1 + np.abs(there[1]).max() ** 3  # Kepler at small pericentres amplifies round-off
    assert np.abs(back[0] - q).max() < 1e-12 * scale
    assert np.abs(back[1] - p).max() < 1e-12 * scale


@pytest.mark.parametrize(("method", "name"), pairs(ALL, SYMPLECTIC))
def test_the_step_is_symplectic(method, name):
    """DᵀJD = J, hence det D = 1, for the Jacobian D of ten steps, by Richardson-extrapolated central differences."""
    q, p = states(name, 3, seed=6)
    n = q.shape[1]

    def differences(eps):
        shifts = eps * np.eye(2 * n)
        points = np.hstack([q, p])[:, None, :] + np.concatenate([shifts, -shifts])
        ends = np.hstack(end(name, *np.split(points.reshape(-1, 2 * n), 2, axis=1), 0.05, 10, method=method))
        ends = ends.reshape(len(q), 2, 2 * n, 2 * n)
        return np.swapaxes(ends[:, 0] - ends[:, 1], 1, 2) / (2 * eps)

    D = (4 * differences(5e-4) - differences(1e-3)) / 3
    J = np.block([[np.zeros((n, n)), np.eye(n)], [-np.eye(n), np.zeros((n, n))]])
    scale = np.abs(D).max() ** 2
    assert np.abs(np.swapaxes(D, 1, 2) @ J @ D - J).max() < 2e-8 * scale
    assert np.abs(np.linalg.det(D) - 1).max() < 1e-7 * scale**n


@pytest.mark.parametrize(("method", "name"), pairs([n for n in ALL if n != "driven"]))
def test_the_energy_stays_near(method, name):
    """Its error in the second half of a long run is that of the first half."""
    q, p = states(name, 4, seed=2)
    error = np.abs(run(name, q, p, steps=6000, save_every=5, method=method).energy_error)
    half = error.shape[1] // 2
    early, late = error[:, :half].max(), error[:, half:].max()
    assert late < 3 * early + 1e-12
    assert early < 0.1


ROUND = ["kepler", "mexican_hat", "magnetic"]


@pytest.mark.parametrize(("method", "name"), pairs(ROUND, kinds=(Splitting, Gauss)))
def test_angular_momentum_is_conserved_to_round_off(method, name):
    """Splitting methods keep every quadratic invariant of both parts, Gauss methods every one of H."""
    q, p = states(name, 20, seed=1)
    momentum = run(name, q, p, steps=1000, save_every=100, method=method).invariant("q1*p2 - q2*p1")
    assert np.abs(momentum - momentum[:, :1]).max() < 1000 * 4e-16 * (1 + np.abs(momentum).max())


@pytest.mark.parametrize(("method", "name"), pairs(["toda"]))
def test_linear_momentum_is_conserved_to_round_off(method, name):
    q, p = states(name, 20, seed=1)
    t = run(name, q, p, steps=1000, save_every=100, method=method)
    momentum = t.p.sum(-1)
    assert np.abs(momentum - momentum[:, :1]).max() < 1000 * 4e-16 * (1 + np.abs(t.p).max())


def test_without_the_symmetry_the_momentum_changes():
    q, p = states("henon_heiles", 5, seed=1)
    momentum = run("henon_heiles", q, p, method="leapfrog").invariant("q1*p2 - q2*p1")
    assert np.abs(momentum - momentum[:, :1]).max() > 1e-3


@pytest.mark.parametrize(("method", "name"), pairs(ALL, ["leapfrog", "gauss4", "tao2"]))
def test_strict_and_fused_arithmetic_differ_by_round_off(method, name):
    q, p = states(name, 20, seed=7)
    ends = [np.stack(end(name, q, p, DT, 50, method=method, strict=strict)) for strict in (True, False)]
    assert np.abs(ends[0] - ends[1]).max() < 1e-12 * (1 + np.abs(ends[0]).max() ** 3)


@pytest.mark.parametrize("name", ["pendulum", "henon_heiles"])
@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_state_and_of_the_energy(method, name):
    """Error over a fixed time against a reference of far higher accuracy falls like dt^order."""
    method = METHODS[method]
    q, p = states(name, 8, seed=3)
    time, base = 4.0, {2: 64, 4: 64, 6: 14, 8: 24}[method.order] * (1 if method.symplectic else 2)
    options = {"method": method, "compensated": method.order == 8}  # round-off would show
    reference = run(name, q, p, time / 1024, 1024, save_every=1024, method="kahan_li8", compensated=True)
    errors, drifts = [], []
    for steps in (base, 2 * base):
        fine = run(name, q, p, time / steps, steps, save_every=steps // base, **options)
        errors.append(np.sqrt(np.mean((fine.q[:, -1] - reference.q[:, -1]) ** 2)))
        drifts.append(np.sqrt(np.mean(fine.energy_error**2)))
    for coarse, fine in (errors, drifts):
        assert abs(math.log2(coarse / fine) - method.order) < 0.15, (errors, drifts)


Q = hs.PhaseSpace.standard(2).coordinates
NUMBERS = st.sampled_from([sp.Rational(n, d) for n in (-5, -2, -1, 1, 3, 7) for d in (1, 2, 3, 7)])
ANGLES = st.tuples(NUMBERS, NUMBERS).map(lambda c: c[0] * Q[0] + c[1] * Q[1])


def terms():
    """Single products, so that the size of what is added up is known."""
    powers = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda n: Q[0] ** n[0] * Q[1] ** n[1])
    functions = st.sampled_from([sp.sin, sp.cos, lambda x: sp.exp(-(x**2) / 9), sp.tanh, sp.cosh])
    waves = st.tuples(functions, ANGLES).map(lambda t: t[0](t[1]))
    return st.tuples(NUMBERS, st.one_of(powers, waves)).map(lambda t: t[0] * t[1])


@settings(max_examples=20, deadline=None)
@given(st.lists(terms(), min_size=1, max_size=5), st.integers(0, 1000))
def test_the_force_of_the_kernel_is_that_of_the_formula(listed, seed):
    """Where H has no momenta, a leapfrog step of size one takes the force from the momentum, and nothing else."""
    space = hs.PhaseSpace.standard(2)
    H = hs.Hamiltonian(sum(listed), space)
    q = np.random.default_rng(seed).uniform(-1.5, 1.5, (20, 2))
    t = hs.simulate(H, q, 0 * q, 1.0, 1)
    assert np.array_equal(t.q[:, 1], q)
    for d, x in enumerate(space.coordinates):
        parts = [sp.lambdify(space.coordinates, term.diff(x), "mpmath") for term in listed]
        for force, at in zip(-t.p[:, 1, d], q, strict=True):
            with mpmath.workdps(40):
                values = [part(*map(mpmath.mpf, at)) for part in parts]
                off = abs(sum(values) - mpmath.mpf(float(force)))
                assert off <= 1e-14 * sum(map(abs, values)) + 1e-15 * len(listed)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.sampled_from(["q1**4/4", "cos(q1 - q2)", "q1*q2", "sqrt(1 + q2**2)", "exp(-q1**2)", "q2**3/9"]),
        min_size=1,
    ),
    st.sampled_from(["p1**2/2 + p2**2/2", "(p1**2 + p1*p2 + p2**2)/2", "sqrt(1 + p1**2 + p2**2)"]),
    st.sampled_from(["kahan_li8", "gauss6", "auto"]),
    st.integers(0, 1000),
)
def test_random_separable_systems_agree_with_an_adaptive_solver_and_run_back(listed, kinetic, method, seed):
    H = hs.Hamiltonian(f"{kinetic} + q1**2/2 + q2**2/2 + ({' + '.join(listed)})/4", hs.PhaseSpace.standard(2))
    q, p = np.random.default_rng(seed).uniform(-0.8, 0.8, (2, 4, 2))
    options = {"save_every": 200, "method": method}
    there = hs.simulate(H, q, p, 0.01, 200, **options)
    equations = H.equations()
    slopes = sp.lambdify([H.space.variables], [equations[v] for v in H.space.variables])
    for i in range(4):
        solved = solve_ivp(lambda t, s: slopes(s), (0, 2.0), [*q[i], *p[i]], "DOP853", rtol=1e-13, atol=1e-14)
        assert np.abs(np.concatenate([there.q[i, -1], there.p[i, -1]]) - solved.y[:, -1]).max() < 1e-11
    back = hs.simulate(H, there.q[:, -1], there.p[:, -1], -0.01, 200, **options)
    assert np.abs(back.q[:, -1] - q).max() < 1e-12
