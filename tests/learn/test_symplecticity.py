"""Symplecticity of the map between true states and a model's: canonical maps pass, others are found out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import HamsymError, NonFiniteError, ParameterError, ShapeError
from learn.evaluation.polynomial import PrincipalAxes, fitted
from learn.evaluation.pullback import symplecticity

RNG = np.random.default_rng(7)
ONE = RNG.uniform(-1.2, 1.2, (2, 60, 12, 1))
TWO = RNG.uniform(-1.2, 1.2, (2, 60, 30, 2))


def turned(q, p, angle=0.7):
    return np.cos(angle) * q + np.sin(angle) * p, np.cos(angle) * p - np.sin(angle) * q


def bent(q, p):
    """p ↦ p + ∇χ(q) with χ = q1² q2 + q1/2."""
    x, y = q[..., 0], q[..., 1]
    return q, p + np.stack([2 * x * y + 0.5, x**2], -1)


def point(q, p):
    """(x, y) ↦ (x, y + x²) with p ↦ F'^{-T} p."""
    return np.stack([q[..., 0], q[..., 1] + q[..., 0] ** 2], -1), np.stack(
        [p[..., 0] - 2 * q[..., 0] * p[..., 1], p[..., 1]], -1
    )


def embedded(q, p, m=4):
    """In more dimensions: other planes hold constants, an own plane twisted by a canonical map of the whole space."""
    shape = (*q.shape[:-1], m - q.shape[-1])
    wide_q, wide_p = (
        np.concatenate([q, np.full(shape, 0.3)], -1),
        np.concatenate([p, np.full(shape, -2.0)], -1),
    )
    mixed = np.linalg.qr(np.random.default_rng(3).normal(size=(m, m)))[0]
    return wide_q @ mixed.T, wide_p @ mixed.T


CANONICAL = {
    "the same": lambda q, p: (q, p),
    "turned": turned,
    "scaled": lambda q, p: (3 * q, p / 3),
    "in other units": lambda q, p: (3 * q, 5 * p),
    "bent": bent,
    "point transformation": point,
    "all of them": lambda q, p: turned(*point(*bent(q, p))),
    "in more dimensions": lambda q, p: embedded(*bent(q, p)),
    "p reversed": lambda q, p: (q, -p),
    "moved": lambda q, p: (q + 100, p - 3),
}


@pytest.mark.parametrize("name", CANONICAL)
def test_canonical_maps_pass(name):
    found = symplecticity(*CANONICAL[name](*TWO), *TWO)
    assert found.is_hamiltonian and found.is_hamiltonian_as_published
    assert found.r2 > 1 - 1e-9 and found.r2_embedding > 1 - 1e-9
    # exact to round-off where the map is a polynomial
    assert found.deviation < 1e-6 and found.along < 1e-6 and found.noise_floor < 1e-6
    factor = {"in other units": 15.0, "p reversed": -1.0}.get(name, 1.0)
    assert found.scale == pytest.approx(factor, rel=1e-6)


def test_every_area_preserving_polynomial_of_a_plane_passes():
    q, p = ONE
    found = symplecticity(q + (p + q**2) ** 2, p + q**2, q, p)
    assert found.deviation < 1e-6 and found.scale == pytest.approx(1)


NOT_CANONICAL = {
    "one coordinate bent": lambda q, p: (q + q**3, p),
    "planes with different factors": lambda q, p: (q * [1, 3], p),
    "partners exchanged": lambda q, p: (q, p[..., ::-1]),
    "one plane reversed": lambda q, p: (q, p * [1, -1]),
    "all columns exchanged": lambda q, p: (np.stack([q[..., 0], p[..., 0]], -1), np.stack([q[..., 1], p[..., 1]], -1)),
    "velocities of other masses": lambda q, p: (q, p / np.array([1, 2])),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_other_maps_are_found_out(name):
    found = symplecticity(*NOT_CANONICAL[name](*TWO), *TWO)
    assert found.r2 > 0.99  # nothing is lost, only the form
    assert not found.is_hamiltonian and found.deviation > 0.1
    assert found.deviation > 20 * found.noise_floor


def test_the_deviation_is_the_spread_of_the_factor():
    """In a plane JᵀΩJ = det J Ω: with q ↦ q + q³/3 the factor is 1 + q², whose spread is known."""
    q, p = ONE
    found = symplecticity(q + q**3 / 3, p, q, p)
    factor = 1 + q**2
    assert found.scale == pytest.approx(factor.mean(), rel=0.03)
    assert found.deviation == pytest.approx(factor.std() / factor.mean(), rel=0.1)
    assert found.along == pytest.approx(found.deviation, rel=0.1)  # q is drawn anew at every time


def test_different_factors_of_two_planes_by_hand():
    """Planes of equal spread with the factors 1 and 3: c = 2, and both are off by one half of it."""
    found = symplecticity(TWO[0] * [1, 3], TWO[1], *TWO)
    assert found.deviation == pytest.approx(0.5, rel=0.02)


def test_a_factor_that_only_depends_on_the_energy_is_constant_along_trajectories():
    """Areas of a spring stretched with the amplitude: the motion in the picture is Hamiltonian, the map is not canonical."""
    angle = RNG.uniform(0, 2 * np.pi, (60, 1, 1)) + 2 * np.linspace(0, 2, 12)[:, None]
    r = RNG.uniform(0.5, 1.5, (60, 1, 1))
    q, p = r * np.cos(angle), r * np.sin(angle)
    found = symplecticity(q * (1 + r**2), p * (1 + r**2), q, p)
    assert found.deviation > 0.3 and found.along < 1e-3
    off = symplecticity(q * (1 + q**2), p * (1 + q**2), q, p)
    assert off.along > 0.1


def test_an_anharmonic_motion_in_its_own_coordinates_and_in_canonical_ones():
    """A pendulum's angle on a bent scale, beside the momentum that belongs to it, and beside the one that does not."""
    pendulum = hs.systems["pendulum"]
    q0, p0 = (x[:40] for x in pendulum.initial_states(40, seed=1))
    met = hs.simulate(
        pendulum.hamiltonian, q0, p0, dt=0.05, steps=60, save_every=4, parameters=pendulum.parameters
    )
    q = met.q + 0.3 * np.sin(met.q)
    good = symplecticity(q, met.p / (1 + 0.3 * np.cos(met.q)), met.q, met.p)
    bad = symplecticity(q, met.p, met.q, met.p)
    assert good.is_hamiltonian and good.deviation < 0.02 < 0.05 < bad.deviation


def test_states_that_stay_in_a_part_of_phase_space():
    """Two bodies at rest as a whole: nothing is asked about the directions that no state goes to."""
    q, p = TWO
    whole_q, whole_p = np.concatenate([q, -q], -1), np.concatenate([p, -p], -1)
    assert symplecticity(*bent(q, p), *bent(q, p)).deviation < 1e-6
    found = symplecticity(whole_q, whole_p, whole_q, whole_p)
    assert found.is_hamiltonian and found.scale == pytest.approx(1)
    assert symplecticity(whole_q * [1, 3, 1, 3], whole_p, whole_q, whole_p).deviation > 0.3


def test_noise_lowers_r2_and_shows_in_the_floor():
    noise = np.random.default_rng(1).normal(size=(3, *TWO.shape))
    runs = [symplecticity(*(bent(*TWO) + s * noise[0]), *TWO) for s in (0.0, 0.03, 0.3, 3.0)]
    r2 = [r.r2 for r in runs]
    assert r2 == sorted(r2, reverse=True) and r2[-1] < 0.5 < 0.95 < r2[1]
    assert runs[-1].deviation > 0.1 and not runs[-1].is_hamiltonian
    for run in runs[1:3]:  # what is measured of a canonical map is the floor
        assert 0.5 * run.noise_floor < run.deviation < 2 * run.noise_floor
    nothing = symplecticity(*noise[1], *TWO)
    assert nothing.r2 < 0.05 and nothing.published > 0.05 and nothing.deviation > 0.5
    assert nothing.deviation < 3 * nothing.noise_floor or nothing.deviation > 10


def test_more_trajectories_lower_the_floor():
    noise = 0.1 * np.random.default_rng(2).normal(size=TWO.shape)
    few, many = (
        symplecticity(*(TWO[:, :n] + noise[:, :n]), *TWO[:, :n], order=1).noise_floor for n in (15, 60)
    )
    assert 1.2 < few / many < 4  # twofold by the law of large numbers


def test_positions_alone_are_no_phase_space():
    """A model that holds the places twice, and no momenta: its form vanishes."""
    found = symplecticity(TWO[0], TWO[0], *TWO)
    assert found.r2 < 0.6 and not found.is_hamiltonian and found.deviation > 1


def test_an_order_that_is_too_low_is_seen():
    assert symplecticity(*bent(*TWO), *TWO, order=1).r2 < 0.99
    assert symplecticity(*TWO, *TWO).order_embedding >= 1


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 2), st.floats(-3, 3), st.floats(0.2, 5), st.floats(0.2, 5), st.sampled_from([1, -1]),
    st.integers(0, 2**32),
)  # fmt: skip
def test_any_linear_canonical_map_with_any_factor_passes(n, angle, stretch, factor, sign, seed):
    rng = np.random.default_rng(seed)
    q, p = rng.normal(size=(2, 15, 8, n))
    half = rng.normal(size=(n, n))
    z = turned(*turned(q * stretch, p / stretch + q @ (half + half.T), angle), -0.3)
    found = symplecticity(factor * z[0], sign * factor * z[1], q, p, order=2, seed=seed)
    assert found.deviation < 1e-6 and found.scale == pytest.approx(sign * factor**2, rel=1e-6)
    assert found.is_hamiltonian


def test_it_is_the_same_each_time_and_for_tensors():
    noise = 0.1 * np.random.default_rng(2).normal(size=TWO.shape)
    a = symplecticity(*(TWO + noise), *TWO)
    b = symplecticity(*(torch.from_numpy(x) for x in (*(TWO + noise), *TWO)))
    assert a == b and a.to_dict()["is_hamiltonian"] is a.is_hamiltonian
    assert symplecticity(*(TWO + noise), *TWO, seed=1) != a


def test_axes_leave_out_directions_without_spread():
    x = RNG.normal(size=(100, 2)) @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    axes = PrincipalAxes.of(x)
    assert axes.axes.shape == (3, 2)
    unit = axes.of_points(x)
    assert np.allclose(unit.std(0), 1) and np.allclose(unit @ axes.axes.T + axes.centre, x)


def test_derivatives_of_a_polynomial_are_those_of_differences():
    x = RNG.normal(size=(300, 3))
    y = np.stack([x[:, 0] * x[:, 1] ** 2, x[:, 2] ** 3 - x[:, 0]], 1)
    found = fitted(x, y, np.arange(300) % 4 > 0, (1, 2, 3))
    at, h = x[:5], 1e-5
    slope = found.derivative(at) @ found.axes.inverse
    for k in range(3):
        step = h * np.eye(3)[k]
        assert np.allclose(slope[:, :, k], (found(at + step) - found(at - step)) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: (s[0], s[1][:, :5], s[0], s[1]), ShapeError, "one shape"),
        (lambda s: (s[0][:5], s[1][:5], s[0][:5], s[1][:5]), ParameterError, "ten trajectories"),
        (lambda s: (s[0], s[1], s[0][:, :3], s[1][:, :3]), ShapeError, "same trajectories"),
        (lambda s: (s[0][..., :1], s[1][..., :1], *s), ParameterError, "degrees of freedom"),
        (lambda s: (s[0] * np.nan, s[1], *s), NonFiniteError, "trajectory 0"),
        (lambda s: (*s, s[0], 0 * s[1]), ParameterError, "no area"),
        (lambda s: ("q", s[1], *s), ParameterError, "array"),
        (lambda s: (s[0] * 1j, s[1], *s), ParameterError, "real"),
        (lambda s: (s[0][0, 0], s[1][0, 0], *s), ShapeError, "shape"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    with pytest.raises(error, match=words) as caught:
        symplecticity(*change(TWO))
    assert isinstance(caught.value, HamsymError)
    for order in (0, 10, 1.5, "2"):
        with pytest.raises(HamsymError, match="order"):
            symplecticity(*TWO, *TWO, order=order)


def test_states_of_more_dimensions_than_there_are_states_are_refused():
    q, p = RNG.normal(size=(2, 20, 10, 1))
    wide = RNG.normal(size=(2, 20, 10, 60))
    with pytest.raises(ParameterError, match="more coefficients"):
        symplecticity(*wide, q, p)


@pytest.mark.parametrize("q", [[[[1.0], [2.0]], [[1.0]]], torch.zeros(20, 10, 1, dtype=torch.bfloat16)])
def test_states_that_numpy_cannot_read_are_refused(q):
    p = np.ones((20, 10, 1))
    with pytest.raises(ParameterError, match="real numbers"):
        symplecticity(q, p, p, p)
