"""Initial states: on the energy surface, and there with the microcanonical measure."""

import re

import numpy as np
import pytest
from scipy import stats

import hamsym as hs
from hamsym.data.initial import OwnStates
from hamsym.data.shells import Shell
from hamsym.data.source import Source
from hamsym.data.starts import starts_of
from hamsym.errors import ParameterError
from hamsym.numeric.codegen import array_function


def starts(n, **values):
    spec = hs.DatasetSpec(**{"system": "henon_heiles", "trajectories": n, "steps": 1, "dt": 1e-3, **values})
    return spec.source.hamiltonian, starts_of(spec, range(n))


def states(n, **values):
    H, drawn = starts(n, **values)
    return drawn.q, drawn.p, array_function(H.expr, H.space)(drawn.q, drawn.p, drawn.parameters[0])


def oscillator(dof, masses=None):
    masses = masses or [1] * dof
    H = " + ".join(f"p{i + 1}**2/{2 * m} + q{i + 1}**2/2" for i, m in enumerate(masses))
    names = [" ".join(f"{letter}{i + 1}" for i in range(dof)) for letter in "qp"]
    return {"hamiltonian": H, "coordinates": names[0], "momenta": names[1]}


@pytest.mark.parametrize("dof", [1, 2, 3, 4])
def test_the_surface_of_an_oscillator_is_a_sphere(dof):
    """H = |x|²/2 in 2d dimensions: the microcanonical measure is uniform on the sphere, x_i²/2E is Beta(1/2, d − 1/2)."""
    q, p, energy = states(1500, system=oscillator(dof), initial={"energy": 2.0, "box": [-2.0, 2.0]})
    assert np.abs(energy - 2).max() < 1e-13
    law = stats.beta(0.5, dof - 0.5)
    for x in (*q.T, *p.T):
        assert stats.kstest(x**2 / 4, law.cdf).pvalue > 1e-3
        assert stats.binomtest(int((x > 0).sum()), len(x)).pvalue > 1e-3
    together = np.hstack([q, p])
    assert np.abs(together.T @ together / len(q) - np.eye(2 * dof) * 4 / (2 * dof)).max() < 0.25


def test_masses_change_momenta_and_leave_the_rest():
    """With momenta p/√m the surface is the same sphere."""
    q, p, _ = states(1500, system=oscillator(2, [4, 9]), initial={"energy": 2.0, "box": [-2.0, 2.0]})
    for x in (*q.T, p[:, 0] / 2, p[:, 1] / 3):
        assert stats.kstest(x**2 / 4, stats.beta(0.5, 1.5).cdf).pvalue > 1e-3


def test_coupled_momenta_keep_the_energy():
    system = {
        "hamiltonian": "p1**2 + p1*p2 + p2**2 + q1**2 + q2**4",
        "coordinates": "q1 q2",
        "momenta": "p1 p2",
    }
    _, p, energy = states(
        300, system=system, initial={"energy": 1.5, "box": {"q1": [-1.3, 1.3], "q2": [-1.2, 1.2]}}
    )
    assert np.abs(energy - 1.5).max() < 1e-13
    assert np.mean(p[:, 0] * p[:, 1]) < 0  # the metric tilts the circle


def test_time_averages_of_a_double_well_are_those_of_its_shell():
    """One degree of freedom: the microcanonical measure of a component is uniform in time along its orbit."""
    system = {"hamiltonian": "p**2/2 + (x**2 - 1)**2", "coordinates": "x", "momenta": "p"}
    H = hs.Hamiltonian(system["hamiltonian"], hs.PhaseSpace("x", "p"))
    for energy, start in ((0.6, np.sqrt(1 + np.sqrt(0.6))), (2.0, np.sqrt(1 + np.sqrt(2.0)))):
        q, _, _ = states(4000, system=system, initial={"energy": energy, "box": [-2.0, 2.0]})
        orbit = hs.simulate(H, [[start]], [[0.0]], 1e-3, 200_000, save_every=20, method="yoshida4").q.ravel()
        assert stats.ks_2samp(np.abs(q.ravel()), np.abs(orbit)).statistic < 0.035
        assert abs(np.mean(q > 0) - 0.5) < 0.05


def test_the_henon_heiles_shell_is_uniform_in_the_allowed_area():
    """Two degrees of freedom: q is uniform where U < E; compare with points of a fine grid."""
    q, _, energy = states(3000, initial={"energy": {"uniform": [0.08, 0.08]}, "box": [-0.6, 0.6]})
    assert np.abs(energy - 0.08).max() < 1e-15
    x, y = np.meshgrid(*[np.linspace(-0.6, 0.6, 1001)] * 2)
    allowed = (x**2 + y**2) / 2 + x**2 * y - y**3 / 3 < 0.08
    for drawn, grid in ((q[:, 0], x), (q[:, 1], y)):
        assert stats.ks_2samp(drawn, grid[allowed]).pvalue > 1e-3


def test_energies_follow_their_distribution():
    _, _, energy = states(500, initial={"energy": {"uniform": [0.02, 0.1]}, "box": [-0.6, 0.6]})
    assert stats.kstest(energy, stats.uniform(0.02, 0.08).cdf).pvalue > 1e-3


def test_own_states_scaled_to_an_energy_keep_their_direction():
    q, p, energy = states(200, initial={"energy": 0.1})
    assert np.abs(energy - 0.1).max() < 1e-15
    # drawn for every trajectory alone, as they are where parameters differ
    own = OwnStates(Source.of("henon_heiles"), alike=False)
    own_q, own_p = (
        np.concatenate(x) for x in zip(*(own.draw(b, [{}]) for b in starts(200)[1].blocks), strict=True)
    )

    same = np.all(q == own_q, axis=1)
    assert same.mean() > 0.9  # the others had too much potential energy
    cosine = (p * own_p).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(own_p, axis=1)
    assert np.allclose(cosine[same], 1)
    _, p, energy = states(20, system="pendulum", initial={"energy": 3.5})  # its own states are at rest
    assert np.allclose(energy, 3.5) and (np.abs(p) > 0).all() and len(np.unique(np.sign(p))) == 2


def test_variables_have_their_own_distributions():
    q, p, _ = states(800, initial={"q1": 0.1, "q2": {"uniform": [-0.2, 0.2]}, "p": {"normal": [0, 0.05]}})
    assert (q[:, 0] == 0.1).all()
    assert stats.kstest(q[:, 1], stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3
    for x in p.T:
        assert stats.kstest(x, stats.norm(0, 0.05).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(p.T)[0, 1]) < 0.15


def test_own_states_are_those_of_the_catalogue():
    _, drawn = starts(70, system="kepler")
    for i, block in enumerate(drawn.blocks):
        q, p = hs.systems["kepler"].initial_states(64, seed=block.seed)
        assert np.array_equal(drawn.q[i], q[i % 64]) and np.array_equal(drawn.p[i], p[i % 64])


def test_own_states_are_for_the_parameters_of_their_trajectory():
    """The catalogue starts Kepler orbits of semi-major axis 1, whatever the strength k of the attraction: E = −k/2."""
    H, drawn = starts(20, system="kepler", parameters={"k": {"uniform": [1, 5]}})
    k = np.array([values["k"] for values in drawn.parameters])
    energy = array_function(H.expr, H.space)(drawn.q, drawn.p, {"k": k})
    assert np.abs(energy + k / 2).max() < 1e-13
    assert np.ptp(k) > 2


@pytest.mark.parametrize(
    "values",
    [
        {}, {"system": "kepler", "parameters": {"k": {"uniform": [1, 2]}}},
        {"initial": {"q": {"normal": [0, 1]}, "p": {"choice": [1, 2]}}}, {"initial": {"energy": 0.1}},
        {"initial": {"energy": {"uniform": [0.05, 0.1]}, "box": [-0.5, 0.5]}},
    ],
)  # fmt: skip
def test_a_start_depends_on_its_own_index_only(values):
    spec = hs.DatasetSpec(**{"system": "henon_heiles", "trajectories": 200, "steps": 1, "dt": 0.1, **values})
    together = starts_of(spec, range(200))
    for part in (range(1), range(60, 70), range(127, 129), range(190, 200)):
        alone = starts_of(spec, part)
        assert np.array_equal(alone.q, together.q[part.start : part.stop])
        assert np.array_equal(alone.p, together.p[part.start : part.stop])
        assert alone.parameters == together.parameters[part.start : part.stop]
    assert len(np.unique(np.hstack([together.q, together.p]), axis=0)) == 200


@pytest.mark.parametrize(
    ("system", "initial", "message"),
    [
        (
            "henon_heiles",
            {"energy": -1, "box": [-0.1, 0.1]},
            "no point of the box with a potential below the energy -1",
        ),
        ("pendulum", {"energy": -1, "box": [-1, 1]}, "no point of the box"),
        ("pendulum", {"energy": 2, "box": [-4, 4]}, "no bound"),  # the separatrix takes for ever
        ("henon_heiles", {"energy": -1}, "none of 1000 of the system's initial states"),
        (
            {"hamiltonian": "p**4 + q**2", "coordinates": "q", "momenta": "p"},
            {"energy": 1, "box": [-1, 1]},
            "quadratic",
        ),
        (
            {"hamiltonian": "-p**2 + q**2", "coordinates": "q", "momenta": "p"},
            {"energy": 1, "box": [-1, 1]},
            "quadratic",
        ),
    ],
)
def test_surfaces_that_are_not_there_are_named(system, initial, message):
    with pytest.raises(ParameterError, match=message) as caught:
        states(30, system=system, initial=initial)
    assert re.search(r"trajectory \d+: ", str(caught.value))


def test_a_parameter_drawn_outside_its_range_is_named():
    with pytest.raises(ParameterError, match=r"trajectory \d+: parameter 'm' is a positive number, not -"):
        states(50, system="pendulum", parameters={"m": {"normal": [0, 1]}})


def test_the_root_of_the_metric_is_one():
    space = hs.PhaseSpace.standard(2, parameters={"m": "positive"})
    shell = Shell.of(hs.Hamiltonian("p1**2/(2*m) + p1*p2 + p2**2 + q1", space), {"m": 0.5})
    u = np.random.default_rng(0).standard_normal((5, 2))
    p = shell.masses.momenta(u.T).T
    assert np.allclose(p[:, 0] ** 2 + p[:, 0] * p[:, 1] + p[:, 1] ** 2, (u**2).sum(1) / 2)
