"""The kernels' own functions: accurate over their whole range, with the same bits in every kernel."""

import math
import re
from functools import cache

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import hamsym as hs
from hamsym.numeric import elementary, exponential
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


#: Bounds of the error in units in the last place, and points where reductions and polynomials change.
BOUNDS = {
    "exp": (1.1, math.log(2) / 2), "log": (0.9, math.sqrt(0.5)), "sinh": (2.0, math.log(2) / 2), "cosh": (1.2, math.log(2) / 2),
    "tanh": (1.6, math.log(2) / 4), "tan": (3.5, math.pi / 4), "atan": (2.0, math.tan(math.pi / 8)), "asin": (2.6, 0.5),
    "acos": (2.6, 0.5),
}  # fmt: skip


def own(name):
    return getattr(exponential if hasattr(exponential, name) else elementary, name)


@cache
def loop_over(name):
    return over(own(name))


def units_off(name, x):
    """The errors in units in the last place of the exact values."""
    with mpmath.workdps(60):
        exact = [getattr(mpmath, name)(mpmath.mpf(float(v))) for v in x]
        pairs = zip(loop_over(name)(x), exact, strict=True)
        return [float(abs(mpmath.mpf(float(y)) - e) / float(np.spacing(abs(float(e))))) for y, e in pairs]


@pytest.mark.parametrize("name", BOUNDS)
def test_functions_are_right_to_the_last_places(name):
    bound, border = BOUNDS[name]
    rng = np.random.default_rng(2)
    near = border * np.arange(-40, 41)
    parts = [
        near,
        np.nextafter(near, 99),
        *(rng.uniform(-s, s, 400) for s in (0.3, 1, 5, 700)),
        10 ** rng.uniform(-300, 2, 400),
    ]
    x = np.concatenate(parts)
    if name == "log":
        x = np.concatenate(
            [np.abs(x[x != 0]), 2 ** rng.uniform(-1074, 1023, 400), rng.uniform(0.98, 1.02, 400)]
        )
    if name in ("asin", "acos"):
        x = x[np.abs(x) < 1]
    assert max(units_off(name, x)) < bound


@pytest.mark.parametrize("name", BOUNDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_arguments_are_right_to_the_last_places(name, data):
    low, high = {"log": (5e-324, 1.7e308), "asin": (-1, 1), "acos": (-1, 1), "tan": (-1e5, 1e5)}.get(
        name, (-700.0, 700.0)
    )
    x = data.draw(st.floats(low, high))
    assert units_off(name, np.array([x]))[0] < BOUNDS[name][0]


@pytest.mark.parametrize("name", [n for n in BOUNDS if n != "tan"])
def test_ends_of_the_range_come_out_as_in_the_library(name):
    """Overflow, underflow to denormal numbers and zero, poles, both zeros, infinity and NaN."""
    x = np.array(
        [
            0.0,
            5e-324,
            1e-310,
            3e-308,
            1.0,
            2.0,
            22.5,
            709.78,
            709.79,
            710.47,
            710.48,
            744.4,
            745.2,
            746.0,
            1e6,
            1e308,
            math.inf,
        ]
    )
    x = np.concatenate([x, -x, [math.nan]])
    ours = loop_over(name)(x)
    with np.errstate(all="ignore"):
        theirs = getattr(np, {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}.get(name, name))(x)
        assert ours == pytest.approx(theirs, rel=5e-16, abs=5e-324, nan_ok=True)
    number = ~np.isnan(theirs)
    assert np.array_equal(np.signbit(ours[number]), np.signbit(theirs[number]))


def test_the_angle_of_a_point_is_right_in_every_quadrant_and_at_the_borders():
    rng = np.random.default_rng(3)
    scales = 10 ** rng.uniform(-300, 300, 600)
    y, x = rng.uniform(-1, 1, (2, 600)) * scales
    special = [0.0, -0.0, 5e-324, -1e-310, 1.0, -1.0, 1e308, -1.7e308, math.inf, -math.inf, math.nan]
    grid = np.array([(a, b) for a in special for b in special])
    y, x = np.concatenate([y, grid[:, 0]]), np.concatenate([x, grid[:, 1]])
    out, angle = np.empty_like(x), elementary.atan2

    @njit(error_model="numpy")
    def loop(y, x, out):
        for i in range(x.size):
            out[i] = angle(y[i], x[i])

    loop(y, x, out)
    theirs = np.arctan2(y, x)
    assert out == pytest.approx(theirs, rel=6e-16, abs=5e-324, nan_ok=True)
    number = ~np.isnan(theirs)
    assert np.array_equal(np.signbit(out[number]), np.signbit(theirs[number]))


def powers(x, a):
    power, out = exponential.power, np.empty_like(x)

    @njit(error_model="numpy")
    def loop(x, a, out):
        for i in range(x.size):
            out[i] = power(x[i], a[i])

    loop(x, a, out)
    return out


@pytest.mark.parametrize(
    ("decades", "exponents"), [((-0.5, 0.5), 5), ((-3, 3), 100), ((-300, 300), 1), ((-0.004, 0.004), 1e4)]
)
def test_powers_are_right_to_the_last_place_however_large_the_exponent(decades, exponents):
    rng = np.random.default_rng(5)
    x, a = 10 ** rng.uniform(*decades, 2000), rng.uniform(-exponents, exponents, 2000)
    with mpmath.workdps(60):
        for y, base, exponent in zip(powers(x, a), x, a, strict=True):
            exact = mpmath.mpf(float(base)) ** mpmath.mpf(float(exponent))
            if 1e-307 < exact < 1e308:
                assert abs(mpmath.mpf(float(y)) - exact) < 1.25 * float(np.spacing(float(exact)))


def test_powers_of_all_special_numbers_are_those_of_the_library():
    numbers = [
        0.0,
        1,
        2,
        3,
        0.5,
        math.inf,
        5e-324,
        1e308,
        1e300,
        1e-300,
        1.5,
        2.5,
        1 / 3,
        4503599627370497.0,
        2.0**60,
    ]
    special = [*numbers, *(-x for x in numbers), math.nan]
    x, a = np.array([(x, a) for x in special for a in special]).T
    ours = powers(x, a)
    with np.errstate(all="ignore"):
        theirs = np.power(x, a)
        assert ours == pytest.approx(theirs, rel=5e-16, abs=5e-324, nan_ok=True)
    number = ~np.isnan(theirs)
    assert np.array_equal(np.signbit(ours[number]), np.signbit(theirs[number]))


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_functions_agree_with_their_identities(name):
    """Independent of any library: exp(x) exp(-x) = 1, exp(log x) = x, tanh of a double argument."""
    x = np.random.default_rng(4).uniform(0.01, 8, 1000)
    f, e = loop_over(name), loop_over("exp")
    residual = {
        "exp": lambda: f(x) * f(-x) - 1,
        "log": lambda: e(f(x)) / x - 1,
        "tanh": lambda: f(2 * x) * (1 + f(x) ** 2) / (2 * f(x)) - 1,
    }[name]()
    assert np.abs(residual).max() < 8e-16


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


@pytest.mark.parametrize(
    "potential",
    ["-1.0625*cos(q1)", "(1 - exp(-1.0625*q1))**2", "log(1.0625 + q1**2)", "tanh(1.0625*q1)**2", "cosh(q1)/17", "atan(q1)**2", "tan(q1/9)", "(1 + q1**2)**0.3"],
)  # fmt: skip
def test_loops_over_functions_become_vector_instructions(tmp_path, monkeypatch, potential):
    monkeypatch.setenv("HAMSYM_CACHE_DIR", str(tmp_path))  # code that was loaded cannot be looked into
    H = hs.Hamiltonian(f"p1**2/2 + {potential}", hs.PhaseSpace.standard(1))
    kernels = stepping_kernels(H, method_named("leapfrog"), work=1.0)
    state = np.ones((64, 1))
    kernels.module.block(
        state, state, *np.empty((2, 64, 2, 1)), np.empty(kernels.SCRATCH), 0, 64, 0.0, 0.1, 1, kernels.WIDTH
    )
    block = kernels.module.block
    code = block.inspect_llvm(block.signatures[0])
    assert "x double> @llvm.fma" in code
    assert not re.search(r"call double @(llvm\.)?(sin|cos|tan|exp|log|tanh|sinh|cosh|atan|pow)\b", code)
