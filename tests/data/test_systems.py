"""The catalogue: integrals are proved, initial states are what they say."""

import numpy as np
import pytest

import hamsym as hs
from hamsym.data.systems import systems
from hamsym.errors import ParameterError, UnknownNameError


@pytest.mark.parametrize("name", list(systems))
def test_every_listed_integral_is_proved(name):
    system = systems[name]
    assert system.integrals[0].expr == system.hamiltonian.expr
    for g in system.integrals:
        assert hs.verify(system.hamiltonian, g).status == "proved"


@pytest.mark.parametrize("name", list(systems))
def test_initial_states_are_finite_reproducible_and_moving(name):
    system = systems[name]
    q, p = system.initial_states(200, seed=4)
    again = system.initial_states(200, seed=4)
    assert q.shape == p.shape == (200, len(system.hamiltonian.space.coordinates))
    assert (q.tobytes(), p.tobytes()) == (again[0].tobytes(), again[1].tobytes())
    assert not np.array_equal(q, system.initial_states(200, seed=5)[0])
    assert set(system.parameters) == set(system.hamiltonian.space.parameters)
    assert system.source


@pytest.mark.parametrize("name", ["harmonic_oscillator", "pendulum", "henon_heiles", "kepler", "mexican_hat"])
def test_motion_stays_bound(name):
    system = systems[name]
    q, p = system.initial_states(100, seed=6)
    t = hs.simulate(
        system.hamiltonian, q, p, dt=0.02, steps=5000, save_every=50, parameters=system.parameters
    )
    assert np.abs(t.q).max() < 3.2
    assert np.abs(t.energy_error).max() < 0.01


def test_kepler_starts_at_pericentre_of_unit_ellipses():
    system = systems["kepler"]
    q, p = system.initial_states(100, seed=1)
    radius, energy = np.hypot(*q.T), (p**2).sum(1) / 2 - 1 / np.hypot(*q.T)
    assert np.abs(energy + 0.5).max() < 1e-14  # semi-major axis 1
    assert np.abs((q * p).sum(1)).max() < 1e-15
    assert radius.min() >= 0.4
    assert radius.max() <= 1


def test_bad_requests_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'kepler'"):
        systems["keppler"]
    with pytest.raises(ParameterError, match="n is at least 1"):
        systems["kepler"].initial_states(0)
    with pytest.raises(ParameterError, match="seed is at least 0"):
        systems["kepler"].initial_states(1, seed=-1)
