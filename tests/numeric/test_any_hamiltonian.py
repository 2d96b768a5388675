"""Methods for Hamiltonians that do not separate: order, what they conserve, and where they give up."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.errors import NonFiniteError
from hamsym.numeric.methods import method_named

GAUSS = ["implicit_midpoint", "gauss4", "gauss6"]
TAO = ["tao2", "tao4"]


def plane(formula, dof=1):
    return hs.Hamiltonian(formula, hs.PhaseSpace.standard(dof))


#: The example of section IV.A in Tao's paper.
TAO_EXAMPLE = plane("(q1**2 + 1)*(p1**2 + 1)/2")


def root_mean_square(values):
    return math.sqrt(np.mean(np.square(values)))


def adaptive(H, q, p, parameters, t):
    """The states at the times t by an independent solver of the equations of motion."""
    equations = H.equations()
    values = {s: parameters[n] for n, s in H.space.parameters.items()}
    slopes = sp.lambdify([H.space.variables], [equations[v].subs(values) for v in H.space.variables])
    solved = solve_ivp(
        lambda t, s: slopes(s), (t[0], t[-1]), [*q, *p], "DOP853", t_eval=t, rtol=1e-13, atol=1e-14
    )
    return solved.y.T


@pytest.mark.parametrize("method", [*GAUSS, *TAO])
def test_order_on_the_double_pendulum(method):
    """Against an independent adaptive solver."""
    pendulum, method = hs.systems["double_pendulum"], method_named(method)
    H, parameters = pendulum.hamiltonian, pendulum.parameters
    q, p = pendulum.initial_states(4, seed=3)
    time, base = 2.0, {2: 128, 4: 128, 6: 48}[method.order]
    exact = np.array(
        [adaptive(H, *state, parameters, np.array([0, time]))[-1, :2] for state in zip(q, p, strict=True)]
    )
    errors = [
        root_mean_square(
            hs.simulate(H, q, p, time / n, n, save_every=n, method=method, parameters=parameters).q[:, -1]
            - exact
        )
        for n in (base, 2 * base)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - method.order) < 0.15, errors


@pytest.mark.parametrize("method", [*GAUSS, *TAO])
def test_energy_of_a_hamiltonian_that_does_not_separate_stays_near(method):
    """Over many periods, where a method that is not symplectic would drift."""
    bound = {"implicit_midpoint": 4e-3, "gauss4": 3e-6, "gauss6": 2e-9, "tao2": 4e-2, "tao4": 3e-3}[method]
    t = hs.simulate(TAO_EXAMPLE, [[-1.0]], [[0.0]], 0.05, 40_000, save_every=10, method=method)
    early, late = (np.abs(t.energy_error[:, part]).max() for part in (slice(1, 1000), slice(-1000, None)))
    assert late < 2 * early
    assert early < bound


@pytest.mark.parametrize("method", GAUSS)
def test_gauss_methods_conserve_every_quadratic_invariant(method):
    """Hairer, Lubich, Wanner, theorem IV.2.1; Tao's method does not."""
    H = plane("(q1*p1)**2 + (q2*p2)**2/2 + q1*p1*q2*p2 + sin(q1*p1)", 2)
    for quadratic in ("q1*p1", "q2*p2"):
        assert hs.verify(H, quadratic)
    rng = np.random.default_rng(4)
    t = hs.simulate(H, *rng.uniform(0.3, 1.0, (2, 10, 2)), 0.05, 400, save_every=20, method=method)
    for quadratic in ("q1*p1", "q2*p2"):
        value = t.invariant(quadratic)
        assert np.abs(value - value[:, :1]).max() < 400 * 4e-16 * (1 + np.abs(t.p).max() * np.abs(t.q).max())
    free = hs.simulate(H, t.q[:, 0], t.p[:, 0], 0.05, 20, method="tao2").invariant("q1*p1")
    assert np.abs(free - free[:, :1]).max() > 1e-6


def jacobian(function, state):
    """By Richardson-extrapolated central differences."""

    def differences(eps):
        shifts = eps * np.eye(len(state))
        end = function(np.concatenate([state + shifts, state - shifts]))
        return (end[: len(state)] - end[len(state) :]).T / (2 * eps)

    return (4 * differences(5e-4) - differences(1e-3)) / 3


@pytest.mark.parametrize("method", TAO)
def test_tao_is_reversible_and_symplectic_up_to_the_distance_of_the_copies(method):
    """What is missing on (q, p) vanishes as dt^order."""
    method = method_named(method)
    state = np.array([-1.0, 0.3])
    J = np.array([[0.0, 1.0], [-1.0, 0.0]])
    missing = []
    for n in (40, 80, 160):

        def end(states, dt, n=n):
            t = hs.simulate(TAO_EXAMPLE, states[:, :1], states[:, 1:], dt, n, save_every=n, method=method)
            return np.hstack([t.q[:, -1], t.p[:, -1]])

        D = jacobian(lambda s, n=n: end(s, 1 / n), state)
        back = end(end(state[None], 1 / n), -1 / n)
        missing.append((np.abs(D.T @ J @ D - J).max(), np.abs(back - state).max()))
    for coarse, fine in zip(missing[0], missing[2], strict=True):
        assert fine < coarse / 2 ** (2 * method.order - 1) or fine < 1e-10, missing


def test_the_copies_drift_apart_when_they_are_bound_too_loosely():
    free, bound = replace(method_named("tao2"), binding=0.0), replace(method_named("tao2"), binding=10.0)
    run = [hs.simulate(TAO_EXAMPLE, [[-1.0]], [[0.0]], 0.02, 5000, method=m) for m in (free, bound)]
    loose, tight = (np.abs(t.energy_error).max() for t in run)
    assert loose > 20 * tight


def test_a_step_without_a_solution_is_reported_and_the_others_are_kept():
    q = np.full((20, 1), 0.5)
    q[13] = 40.0
    H = plane("p1**2/2*(1 + q1**2) + q1**4/4")
    with pytest.raises(NonFiniteError, match=r"trajectory 13 .*cannot solve its equations") as caught:
        hs.simulate(H, q, np.zeros_like(q), 0.1, 50, method="gauss4")
    assert caught.value.index == 13
    assert caught.value.time == pytest.approx(0.1)
    partial = caught.value.partial
    assert np.isfinite(np.delete(partial.q, 13, axis=0)).all()
    alone = hs.simulate(H, q[:1], [[0.0]], 0.1, 50, method="gauss4")
    assert np.array_equal(partial.q[0], alone.q[0])


#: Frequencies far above 1/dt: iterating the equations of a step diverges, Newton's iteration does not.
STIFF = plane("p1**2/2*(1 + q1**2) + 1e4*q1**2/2 + (q2 - q1)**2/2 + p2**2/2 + q2**4/4", 2)


@pytest.mark.parametrize("method", GAUSS)
@pytest.mark.parametrize("frequency", [1.0, 30.0, 3e3])
def test_linear_steps_are_the_rational_approximation_of_the_exponential(method, frequency):
    """A Gauss step of s stages is the diagonal Padé approximant (Hairer, Lubich, Wanner, section II.1.3)."""
    H = plane(f"p1**2/2 + {frequency**2}*q1**2/2 + {frequency}*q1*p1/3")
    A = np.array([[frequency / 3, 1], [-(frequency**2), -frequency / 3]]) * 0.1
    over = {1: [1 / 2, 1], 2: [1 / 12, 1 / 2, 1], 3: [1 / 120, 1 / 10, 1 / 2, 1]}[
        method_named(method).order // 2
    ]
    N, D = (sum(c * np.linalg.matrix_power(x, k) for k, c in enumerate(over[::-1])) for x in (A, -A))
    step = np.linalg.solve(D, N)
    q, p = np.random.default_rng(1).uniform(0.5, 1, (2, 20, 1)) * [[[1.0]], [[frequency]]]
    t = hs.simulate(H, q, p, 0.1, 20, method=method)
    exact, scale = np.stack([q, p])[..., 0], np.array([1, frequency])[:, None]
    for n in range(1, 21):
        exact = step @ exact
        off = np.abs(np.stack([t.q[:, n, 0], t.p[:, n, 0]]) - exact) / scale
        assert off.max() < 1e-12 * n * max(1, 0.01 * frequency)


@pytest.mark.parametrize("method", GAUSS)
def test_stiff_steps_are_reversible_symplectic_and_have_the_bits_they_have_alone(method):
    q = np.full((20, 2), 0.1) * np.linspace(0.2, 1, 20)[:, None]
    q[5:] *= [1e-3, 1]

    def end(q, p, dt, steps=10):
        t = hs.simulate(STIFF, q, p, dt, steps, save_every=steps, method=method)
        return np.concatenate([t.q[:, -1], t.p[:, -1]], axis=-1)

    there = end(q, 0 * q, 0.1)
    for i in (0, 7, 19):
        assert np.array_equal(end(q[i : i + 1], 0 * q[:1], 0.1)[0], there[i])
    back = end(there[:, :2], there[:, 2:], -0.1)
    assert np.abs(back - np.hstack([q, 0 * q])).max() < 1e-11
    J = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    D = jacobian(lambda s: end(s[:, :2], s[:, 2:], 0.1, 1), np.array([0.02, 0.1, 0.0, 0.0]))
    assert np.abs(D.T @ J @ D - J).max() < 1e-7 * np.abs(D).max() ** 2


def test_a_stiff_energy_stays_near_over_many_steps():
    t = hs.simulate(STIFF, [[0.01, 0.5]], [[0.0, 0.0]], 0.05, 20_000, save_every=20, method="gauss6")
    early, late = (np.abs(t.energy_error[:, part]).max() for part in (slice(1, 200), slice(-200, None)))
    assert late < 2 * early < 0.1


def test_what_the_iteration_leaves_unsolved_does_not_make_the_energy_drift():
    """In 300 000 steps of many trajectories it changes by random round-off, with a mean near zero."""
    q = np.linspace(0.2, 0.8, 16)[:, None]
    t = hs.simulate(TAO_EXAMPLE, q, 0 * q, 0.02, 300_000, save_every=300_000, method="gauss6")
    assert abs(t.energy_error[:, -1].mean()) < 2e-14


def test_slow_and_stiff_lanes_do_not_disturb_each_other():
    """In one block: trajectories that need Newton's iteration, that do not, and one that nothing solves."""
    H = plane("p1**2/2*(1 + q1**2) + q1**4/4")
    q = np.linspace(0.1, 3.8, 32)[:, None]
    q[9] = 1e80
    with pytest.raises(NonFiniteError, match="trajectory 9 left") as caught:
        hs.simulate(H, q, 0 * q, 0.1, 100, save_every=10, method="gauss4")
    partial = caught.value.partial
    for i in (0, 8, 10, 31):
        alone = hs.simulate(H, q[i : i + 1], [[0.0]], 0.1, 100, save_every=10, method="gauss4")
        assert np.array_equal(alone.q[0], partial.q[i]) and np.array_equal(alone.p[0], partial.p[i])


def test_steps_of_gauss_methods_do_not_depend_on_the_start_of_their_iteration():
    """The stages are continued from the steps before; what they converge to is the same as afresh, to round-off."""
    t = hs.simulate(TAO_EXAMPLE, [[-1.0]], [[0.2]], 0.02, 200, method="gauss6")
    afresh = hs.simulate(TAO_EXAMPLE, t.q[0, :-1], t.p[0, :-1], 0.02, 1, method="gauss6")
    assert np.abs(afresh.q[:, 1] - t.q[0, 1:]).max() < 2e-15
    assert np.abs(afresh.p[:, 1] - t.p[0, 1:]).max() < 2e-15


def test_auto_takes_an_implicit_method_and_agrees_with_an_adaptive_solver():
    t = hs.simulate(TAO_EXAMPLE, [[-1.0]], [[0.2]], 0.01, 500, save_every=50, method="auto")
    assert t.method == "gauss6"
    exact = adaptive(TAO_EXAMPLE, [-1.0], [0.2], {}, t.t)
    assert np.abs(np.stack([t.q[0, :, 0], t.p[0, :, 0]], axis=-1) - exact).max() < 1e-12


def test_a_driven_system_that_does_not_separate_keeps_the_order():
    H = hs.Hamiltonian(
        "p1**2/2*(1 + q1**2*cos(t)**2) + q1**2/2 + p1*q1*sin(2*t)", hs.PhaseSpace.standard(1, time="t")
    )
    q1, p1, t = (H.space.symbols[n] for n in ("q1", "p1", "t"))
    field = sp.lambdify([q1, p1, t], [H.expr.diff(p1), -H.expr.diff(q1)])
    exact = solve_ivp(lambda t, s: field(*s, t), (0.5, 2.5), [0.4, 0.3], "DOP853", rtol=1e-13, atol=1e-14).y[
        :, -1
    ]
    for method in ("gauss6", "tao4"):
        method = method_named(method)
        base = {4: 100, 6: 12}[method.order]
        errors = []
        for n in (base, 2 * base):
            end = hs.simulate(H, [0.4], [0.3], 2 / n, n, t0=0.5, method=method)
            errors.append(math.hypot(*(np.array([end.q[0, -1, 0], end.p[0, -1, 0]]) - exact)))
        assert abs(math.log2(errors[0] / errors[1]) - method.order) < 0.15, (method, errors)
