"""Tangent maps and Lyapunov exponents: the exact derivative of the step, and rates known in closed form."""

import json
import math

import matplotlib
import numpy as np
import pytest

import hamsym as hs
from hamsym.errors import NonFiniteError, NotSeparableError, ParameterError

matplotlib.use("Agg")


def run(name, function, q, p, dt, steps, **options):
    system = hs.systems[name]
    return function(system.hamiltonian, q, p, dt, steps, parameters=system.parameters, **options)


@pytest.mark.parametrize(
    ("name", "method"),
    [("henon_heiles", "leapfrog"), ("kepler", "blanes_moan6"), ("double_pendulum", "gauss4")],
)
def test_the_tangent_map_is_the_derivative_of_the_step_and_symplectic(name, method):
    q, p = hs.systems[name].initial_states(3, seed=4)
    n, options = 2, {"dt": 0.05, "steps": 40, "save_every": 20, "method": method}
    jacobian = run(name, hs.tangent_map, q, p, **options)
    assert jacobian.shape == (3, 3, 4, 4)
    assert np.array_equal(jacobian[:, 0], np.broadcast_to(np.eye(4), (3, 4, 4)))
    J = np.block([[np.zeros((n, n)), np.eye(n)], [-np.eye(n), np.zeros((n, n))]])
    defect = np.abs(np.swapaxes(jacobian, -1, -2) @ J @ jacobian - J).max(axis=(0, 2, 3))
    assert np.all(defect < 1e-13 * (1 + np.abs(jacobian).max(axis=(0, 2, 3)) ** 2))

    def end(states):
        t = run(name, hs.simulate, states[:, :n], states[:, n:], **options)
        return np.concatenate([t.q[:, -1], t.p[:, -1]], axis=-1)

    state, eps = np.concatenate([q[1], p[1]]), 1e-5
    differences = (end(state + eps * np.eye(4)) - end(state - eps * np.eye(4))).T / (2 * eps)
    assert np.abs(differences - jacobian[1, -1]).max() < 1e-6 * np.abs(jacobian[1, -1]).max() ** 2


def test_exponents_of_a_saddle_and_of_a_centre():
    """H = (p² - a²q²)/2 has the exponents ±a; beside an oscillator they are a, 0, 0, -a."""
    H = hs.Hamiltonian(
        "(p1**2 - a**2*q1**2)/2 + (p2**2 + q2**2)/2", hs.PhaseSpace.standard(2, parameters={"a": "positive"})
    )
    options = {"dt": 0.05, "steps": 40_000, "parameters": {"a": 0.7}, "renormalise_every": 40}
    spectrum = hs.lyapunov_spectrum(H, [[0.0, 1.0], [0.0, 0.1]], [[0.0, 0.0], [0.0, 0.3]], **options)
    assert spectrum.exponents == pytest.approx(np.array([[0.7, 0, 0, -0.7]] * 2), abs=4e-3)
    assert np.abs(spectrum.exponents[:, 0] - 0.7).max() < 2e-3
    assert spectrum.change.max() < 4e-3
    largest = hs.lyapunov_spectrum(H, [0.0, 1.0], [0.0, 0.0], count=1, **options)
    assert largest.exponents == pytest.approx(spectrum.exponents[:1, :1], abs=1e-9)
    assert largest.running.shape == (1, 1000, 1)
    assert json.loads(json.dumps(largest.to_dict()))["exponents"] == largest.exponents.tolist()
    assert "0: +0.69" in repr(spectrum) and len(spectrum.plot().lines) == 4


def test_exponents_that_are_nearly_equal_come_largest_first():
    """Independent saddles of nearly one rate end in any order of the frame."""
    rates = [0.70, 0.71, 0.72, 0.73]
    terms = [f"(p{i}**2 - {a}**2*q{i}**2)/2" for i, a in enumerate(rates, start=1)]
    H = hs.Hamiltonian(" + ".join(terms), hs.PhaseSpace.standard(4))
    exponents = hs.lyapunov_spectrum(
        H, np.zeros((1, 4)), np.zeros((1, 4)), dt=0.1, steps=200, count=4
    ).exponents
    assert (np.diff(exponents[0]) <= 0).all()


def test_order_and_chaos_of_henon_and_heiles():
    """On one energy shell: exponents come in pairs ±, vanish for an orbit on a torus and not for a chaotic one."""
    q, p = np.zeros((2, 2)), np.zeros((2, 2))
    for i, (q2, p2) in enumerate([(0.0, 0.05), (-0.1, 0.0)]):
        q[i, 1], p[i, 1] = q2, p2
        energy = [0.05, 0.1666][i]
        p[i, 0] = math.sqrt(2 * (energy - p2**2 / 2 - q2**2 / 2 + q2**3 / 3))
    spectrum = run("henon_heiles", hs.lyapunov_spectrum, q, p, 0.1, 40_000, method="blanes_moan4")
    assert np.abs(spectrum.running.sum(-1) * spectrum.t).max() < 1e-9  # volume is kept at every moment
    assert np.abs(spectrum.exponents + spectrum.exponents[:, ::-1]).max() < 3e-3
    assert abs(spectrum.exponents[0, 0]) < 5e-3
    assert 0.08 < spectrum.exponents[1, 0] < 0.2


def test_a_driven_tangent_map_follows_the_clock():
    """Mathieu: the monodromy of q'' = -(a + e cos t) q has the trace of two independent solutions."""
    from scipy.special import mathieu_a

    H = hs.Hamiltonian(
        "p1**2/2 + (a - 2*e*cos(2*t))*q1**2/2",
        hs.PhaseSpace.standard(1, parameters={"a": "real", "e": "real"}, time="t"),
    )
    values = {"a": float(mathieu_a(1, 0.8)), "e": 0.8}  # on the border of stability: the trace over π is -2
    monodromy = hs.tangent_map(H, [0.0], [0.0], math.pi / 200, 200, save_every=200, parameters=values)[0, -1]
    assert np.trace(monodromy) == pytest.approx(-2, abs=1e-11)
    later = hs.tangent_map(H, [0.0], [0.0], math.pi / 200, 200, save_every=200, parameters=values, t0=0.9)[
        0, -1
    ]
    assert np.trace(later) == pytest.approx(-2, abs=1e-11)
    assert np.abs(later - monodromy).max() > 0.1


def test_bad_input_is_refused():
    H = hs.systems["henon_heiles"].hamiltonian
    for change, error, message in [
        ({"count": 5}, ParameterError, "count is at most 4"),
        ({"renormalise_every": 0}, ParameterError, "renormalise_every is at least 1"),
        ({"steps": 3}, ParameterError, "steps is at least 20"),
        ({"dt": 0.0}, ParameterError, "dt is not zero"),
        ({"method": "nothing"}, KeyError, "no method"),
    ]:
        with pytest.raises(error, match=message):
            hs.lyapunov_spectrum(H, **({"q0": [0.1, 0], "p0": [0, 0.1], "dt": 0.1, "steps": 100} | change))
    top = hs.Hamiltonian("L1**2 + L2**2/2", hs.LiePoissonSpace("L1 L2 L3", "so3"))
    with pytest.raises(NotSeparableError, match="no momenta"):
        hs.tangent_map(top, [[1.0]], [[0.0]], 0.1, 10)
    q = np.array([[0.1, 0.0], [0.0, 8.0]])
    for function in (hs.tangent_map, hs.lyapunov_spectrum):
        with pytest.raises(NonFiniteError, match="trajectory 1 or its deviations") as caught:
            function(H, q, 0 * q, 0.1, 400, method="leapfrog")
        assert caught.value.index == 1
