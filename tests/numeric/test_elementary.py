"""Sine and cosine of the kernels: as accurate as the library's, with the same bits in every kernel."""

import math

import mpmath
import numpy as np
import pytest
from numba import njit

import hamsym as hs
from hamsym.numeric import elementary
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import stepping_kernels


def over(function):
    """A loop over an array, as the kernels have it."""

    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def evaluate(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return evaluate


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_are_right_to_the_last_place(name):
    rng = np.random.default_rng(1)
    near = np.pi / 4 * np.arange(-40, 41)  # where the reduction and the polynomials change
    x = np.concatenate([near, np.nextafter(near, 9), *(rng.uniform(-s, s, 800) for s in (1, 10, 1e4, 1e8))])
    with mpmath.workdps(40):
        exact = np.array([float(getattr(mpmath, name)(mpmath.mpf(float(v)))) for v in x])
    fast, careful = (over(getattr(elementary, f"{kind}{name}"))(x) for kind in ("", "careful_"))
    assert np.abs(fast - exact).max() < 2.3e-16
    assert np.array_equal(fast, careful)
    small = np.array([0.0, 1e-300, 1e-9, -1e-5])
    assert over(getattr(elementary, name))(small) == pytest.approx(getattr(np, name)(small), rel=2e-16, abs=0)
    far = np.array([1.1e8, -1e15, 1e300])
    assert np.isnan(over(getattr(elementary, name))(far)).all()
    assert np.array_equal(over(getattr(elementary, f"careful_{name}"))(far), getattr(np, name)(far))


def test_angles_beyond_the_fast_sine_are_stepped_all_the_same():
    """A trajectory that winds that far is run again by itself, and the others keep their bits."""
    pendulum = hs.systems["pendulum"]
    q, p = np.linspace(-1, 1, 40)[:, None], np.zeros((40, 1))
    q[11], q[20] = q[12] + 2 * np.pi * 3e7, q[12] + 2 * np.pi * 1.0e5
    t = hs.simulate(pendulum.hamiltonian, q, p, 0.02, 400, save_every=100, parameters=pendulum.parameters)
    assert abs(q[11, 0]) > 1e8
    assert np.abs(t.p[11] - t.p[12]).max() < 1e-6  # the angle itself is only known to 3e-8
    assert np.abs(t.p[20] - t.p[12]).max() < 1e-9
    usual = np.delete(np.arange(40), 11)
    again = hs.simulate(
        pendulum.hamiltonian, q[usual], p[usual], 0.02, 400, save_every=100, parameters=pendulum.parameters
    )
    assert np.array_equal(again.q, t.q[usual])


def test_strict_kernels_have_the_bits_of_a_plain_program():
    space = hs.PhaseSpace.standard(1, parameters={"k": "positive"})
    H = hs.Hamiltonian("p1**2/2 - k*cos(q1)", space)
    start, h, k = np.linspace(0.1, 3.0, 50)[:, None], 0.1, 1.7
    runs = [
        hs.simulate(H, start, 0 * start, h, 50, parameters={"k": k}, strict=strict, threads=2)
        for strict in (True, False)
    ]
    for i in range(50):
        q, p = start[i, 0], 0.0
        p -= 0.5 * h * (k * math.sin(q))
        for s in range(1, 51):
            q += h * p
            force = k * math.sin(q)
            assert (runs[0].q[i, s, 0], runs[0].p[i, s, 0]) == (q, p - 0.5 * h * force)
            p -= h * force
    assert not np.array_equal(runs[0].q, runs[1].q)
    assert np.abs(runs[0].q - runs[1].q).max() < 1e-13


def test_loops_over_angles_become_vector_instructions(tmp_path, monkeypatch):
    monkeypatch.setenv("HAMSYM_CACHE_DIR", str(tmp_path))  # code that was loaded cannot be looked into
    H = hs.Hamiltonian("p1**2/2 - 1.0625*cos(q1)", hs.PhaseSpace.standard(1))
    kernels = stepping_kernels(H, method_named("leapfrog"))
    state = np.ones((64, 1))
    kernels.block(
        state, state, *np.empty((2, 64, 2, 1)), np.empty(kernels.SCRATCH), 0, 64, 0.0, 0.1, 1, kernels.WIDTH
    )
    block = kernels.module.block
    code = block.inspect_llvm(block.signatures[0])
    assert "x double> @llvm.fma" in code
    assert "@sin" not in code and "@llvm.sin" not in code
