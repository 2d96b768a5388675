"""Explicit Runge–Kutta methods: order conditions, measured orders, what they do to energy, and the loops over sums."""

import math

import numpy as np
import pytest

import hamsym as hs
from hamsym.numeric.methods import RungeKutta, method_named

METHODS = [m for m in hs.methods(symmetric=False) if isinstance(m, RungeKutta)]
by_method = pytest.mark.parametrize("method", METHODS, ids=[m.name for m in METHODS])


def test_they_have_names_but_are_no_symmetric_methods():
    assert [m.name for m in METHODS] == ["rk1", "rk2", "rk3", "rk4"]
    assert not set(METHODS) & set(hs.methods()) and not any(m.symplectic for m in METHODS)
    assert [method_named(m.name) for m in METHODS] == METHODS
    assert [m.evaluations for m in METHODS] == [1, 2, 3, 4]


@by_method
def test_tableaux_satisfy_the_order_conditions(method):
    """One condition for each rooted tree (Hairer, Nørsett, Wanner, section II.2)."""
    a, b, c = np.array(method.a), np.array(method.b), np.array(method.c)
    assert not np.triu(a).any() and c == pytest.approx(a.sum(1), abs=0)
    trees = {
        1: [(b.sum(), 1)],
        2: [(b @ c, 1 / 2)],
        3: [(b @ c**2, 1 / 3), (b @ a @ c, 1 / 6)],
        4: [(b @ c**3, 1 / 4), ((b * c) @ a @ c, 1 / 8), (b @ a @ c**2, 1 / 12), (b @ a @ a @ c, 1 / 24)],
        5: [(b @ c**4, 1 / 5)],
    }
    for order in range(1, method.order + 1):
        for found, wanted in trees[order]:
            assert found == pytest.approx(wanted, abs=1e-15)
    missed = [abs(found - wanted) for found, wanted in trees[method.order + 1]]
    assert max(missed) > 1e-3


@by_method
@pytest.mark.parametrize(
    "formula", ["p1**2/2 - cos(q1)*(1 + sin(2*t)/2)", "(q1**2 + 1)*(p1**2 + 1)/2 + q1*cos(t)"]
)
def test_orders_of_driven_systems_separable_or_not(method, formula):
    H = hs.Hamiltonian(formula, hs.PhaseSpace.standard(1, time="t"))
    q, p = np.random.default_rng(0).uniform(-0.7, 0.7, (2, 6, 1))
    best = hs.simulate(H, q, p, 2 / 512, 512, save_every=512, t0=0.3, method="gauss6")
    errors = []
    for n in (200, 400):
        found = hs.simulate(H, q, p, 2 / n, n, save_every=n, t0=0.3, method=method)
        errors.append(np.sqrt(np.mean((found.q[:, -1] - best.q[:, -1]) ** 2)))
    assert abs(math.log2(errors[0] / errors[1]) - method.order) < 0.15, errors


@by_method
def test_an_oscillator_gains_or_loses_exactly_what_the_stability_function_says(method):
    """A step multiplies q + ip by R(-ih), R(z) = Σ zᵏ/k! up to the order (Hairer, Wanner, ODEs II, section IV.2)."""
    h, n = 0.3, 40
    H = hs.systems["harmonic_oscillator"]
    t = hs.simulate(H.hamiltonian, [[1.0]], [[0.5]], h, n, method=method, parameters=H.parameters)
    factor = abs(sum((-1j * h) ** k / math.factorial(k) for k in range(method.order + 1))) ** 2
    assert t.energy[0] == pytest.approx(t.energy[0, 0] * factor ** np.arange(n + 1), rel=1e-12)


@pytest.mark.parametrize(
    ("method", "options"), [("rk1", {}), ("rk3", {"strict": True}), ("rk4", {"compensated": True})]
)
def test_loops_over_sums_step_as_the_written_out_code(method, options):
    n = 27
    springs = f"Sum(p[i]**2/2, (i, 1, {n})) + Sum((q[i+1]-q[i])**4/4 + q[i]*sin(t)/9, (i, 1, {n - 1}))"
    looped = hs.Hamiltonian(springs, hs.PhaseSpace.standard(n, time="t"))
    terms = [f"p{i}**2/2" for i in range(1, n + 1)]
    terms += [f"(q{i + 1}-q{i})**4/4 + q{i}*sin(t)/9" for i in range(1, n)]
    written = hs.Hamiltonian(" + ".join(terms), hs.PhaseSpace.standard(n, time="t"))
    q, p = np.random.default_rng(1).normal(size=(2, 2, n))
    a, b = (
        hs.simulate(H, q, p, 0.01, 20, save_every=10, t0=0.2, method=method, **options)
        for H in (looped, written)
    )
    assert abs(a.q - b.q).max() < 1e-13 and abs(a.p - b.p).max() < 1e-13


def test_bits_do_not_depend_on_storing_threads_or_company():
    system = hs.systems["henon_heiles"]
    q, p = system.initial_states(45, seed=2)
    every = hs.simulate(system.hamiltonian, q, p, 0.02, 60, method="rk4", threads=1)
    some = hs.simulate(system.hamiltonian, q, p, 0.02, 60, save_every=6, method="rk4", threads=2)
    assert np.array_equal(some.q, every.q[:, ::6])
    alone = hs.simulate(system.hamiltonian, q[7], p[7], 0.02, 60, method="rk4")
    assert np.array_equal(alone.p[0], every.p[7])


def test_compensated_sums_lose_less():
    H = hs.systems["harmonic_oscillator"]
    n, options = 200_000, {"method": "rk4", "parameters": H.parameters}
    ends = [
        hs.simulate(H.hamiltonian, [[1.0]], [[0.0]], 1e-3, n, save_every=n, compensated=c, **options).energy[
            0, -1
        ]
        for c in (False, True)
    ]
    exact = 0.5 * math.exp(n * math.log1p(-(1e-3**6) / 72 + 1e-3**8 / 576))  # |R(ih)|² of rk4, to the power n
    assert abs(ends[1] - exact) < 2e-16 < abs(ends[0] - exact)
