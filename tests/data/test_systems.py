"""The catalogue as a collection: look-up, sizes, tables, initial states, motion."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

import hamsym as hs
from hamsym.data.systems import systems
from hamsym.errors import FormulaError, HamsymError, NotSeparableError, ParameterError, UnknownNameError
from hamsym.symbolic.sums import term_count

EVERY = list(systems)


def energy_of(system):
    """The energy as a function of a table of states, for the usual parameters, by numpy."""
    space = system.space
    numbers = {s: sp.Float(system.parameters[name]) for name, s in space.parameters.items()}
    function = sp.lambdify(space.variables, system.hamiltonian.expr.xreplace(numbers), "numpy")
    return lambda states: function(*states.T)


@pytest.mark.parametrize("name", EVERY)
def test_initial_states_are_reproducible_and_differ(name):
    system = systems[name]
    q, p = system.initial_states(200, seed=4)
    again = system.initial_states(200, seed=4)
    assert q.shape == (200, len(system.space.coordinates))
    assert p.shape == (200, len(system.space.momenta))
    assert q.dtype == p.dtype == np.float64
    assert (q.tobytes(), p.tobytes()) == (again[0].tobytes(), again[1].tobytes())
    assert not np.array_equal(q, system.initial_states(200, seed=5)[0])


@pytest.mark.parametrize("name", EVERY)
def test_initial_states_lie_in_the_domain(name):
    """The energy and its slopes are finite there, and what is assumed positive is."""
    system = systems[name]
    states = np.concatenate(system.initial_states(300, seed=7), axis=1)
    energy, step = energy_of(system), 1e-6
    assert np.isfinite(energy(states)).all()
    for i, symbol in enumerate(system.space.variables):
        assert not symbol.is_positive or states[:, i].min() > 0
        shift = step * np.eye(states.shape[1])[i]
        slope = (energy(states + shift) - energy(states - shift)) / (2 * step)
        assert np.abs(slope).max() < 100  # no state starts next to a singularity


@pytest.mark.parametrize("name", EVERY)
def test_parameters_are_those_of_the_formulas(name):
    system = systems[name]
    assert set(system.parameters) == set(system.space.parameters)
    used = set().union(*(g.expr.free_symbols for g in system.integrals))
    assert used >= set(system.space.parameters.values())
    assert all(np.isfinite(v) for v in system.parameters.values())
    for label, symbol in system.space.parameters.items():
        assert not symbol.is_positive or system.parameters[label] > 0


@pytest.mark.parametrize("name", ["harmonic_oscillator", "pendulum", "henon_heiles", "kepler", "mexican_hat"])
def test_motion_stays_bound(name):
    system = systems[name]
    q, p = system.initial_states(100, seed=6)
    t = hs.simulate(
        system.hamiltonian, q, p, dt=0.02, steps=5000, save_every=50, parameters=system.parameters
    )
    assert np.abs(t.q).max() < 3.2
    assert np.abs(t.energy_error).max() < 0.01


#: Systems whose compiled motion is looked at in every run; the others are marked slow, since each has to be compiled.
QUICK = {
    "isotropic_oscillator", "smorodinsky_winternitz", "garnier", "kepler_3d", "two_centre", "quartic_1_6_8",
    "holt", "toda", "calogero_moser", "sutherland", "nbody",
}  # fmt: skip
SEPARABLE = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in EVERY
    if systems[name].hamiltonian.is_separable
]


@pytest.mark.parametrize("name", SEPARABLE)
def test_integrals_stay_constant_along_compiled_trajectories(name):
    """An error of order dt⁴, so a tenth of the step leaves less than a thousandth of it; and it is small."""
    system = systems[name]
    q, p = system.initial_states(4, seed=1)

    def drift(dt, steps):
        t = hs.simulate(
            system.hamiltonian, q, p, dt=dt, steps=steps, save_every=steps // 8, method="yoshida4",
            parameters=system.parameters,
        )  # fmt: skip
        along = [t.invariant(g) for g in system.integrals if not g.expr.has(system.space.time or sp.nan)]
        return [np.abs(v - v[:, :1]).max() / (1 + np.abs(v).max()) for v in along]

    coarse, fine = drift(0.01, 80), drift(0.001, 800)
    for before, after in zip(coarse, fine, strict=True):
        assert before < 2e-3
        assert after < before / 300 + 1e-12


def test_the_centre_of_mass_of_bodies_moves_uniformly():
    system = systems["nbody"]
    q, p = system.initial_states(3, seed=1)
    t = hs.simulate(system.hamiltonian, q, p + 1.0, dt=0.01, steps=100, parameters=system.parameters)
    centre = t.q.reshape(3, 101, 3, 3).mean(axis=2)
    assert np.allclose(centre, centre[:, :1] + t.t[None, :, None], atol=1e-12)


def test_bodies_start_bound_and_at_rest_as_a_whole():
    for n, d in [(2, 2), (3, 3), (40, 3)]:
        system = systems["nbody"](n=n, d=d)
        q, p = system.initial_states(20, seed=3)
        x, v = q.reshape(20, n, d), p.reshape(20, n, d)
        assert np.abs(x.sum(axis=1)).max() < 1e-10
        assert np.abs(v.sum(axis=1)).max() < 1e-10
        i, j = np.triu_indices(n, 1)
        distance = np.linalg.norm(x[:, i] - x[:, j], axis=-1)
        assert distance.min() > 0.5
        energy = (v**2).sum(axis=(1, 2)) / 2 - (1 / distance).sum(axis=1)
        assert energy.max() < 0


@pytest.mark.parametrize(
    "name", ["double_pendulum", "spherical_pendulum", "penning_trap", "neumann", "euler_top"]
)
def test_what_is_not_separable_is_refused_by_name(name):
    system = systems[name]
    with pytest.raises(NotSeparableError, match="H = "):
        hs.simulate(system.hamiltonian, *system.initial_states(2), 0.1, 10, parameters=system.parameters)
    with pytest.raises(NotSeparableError):
        _ = system.potential


def test_kepler_starts_at_pericentre_of_unit_ellipses():
    for name in ("kepler", "kepler_3d"):
        q, p = systems[name].initial_states(100, seed=1)
        radius = np.linalg.norm(q, axis=1)
        assert np.abs((p**2).sum(1) / 2 - 1 / radius + 0.5).max() < 1e-14  # semi-major axis 1
        assert np.abs((q * p).sum(1)).max() < 4e-15
        assert radius.min() >= 0.4
        assert radius.max() <= 1


def test_a_particle_on_the_sphere_starts_on_it():
    for name in ("neumann", "rosochatius"):
        q, p = systems[name](n=4).initial_states(50, seed=1)
        assert np.abs((q**2).sum(1) - 1).max() < 1e-14
        assert np.abs((q * p).sum(1)).max() < 1e-14


def test_a_test_mass_about_a_black_hole_starts_with_mass_one_and_future_directed():
    system = systems["kerr"]
    states = np.concatenate(system.initial_states(50, seed=1), axis=1)
    assert np.abs(energy_of(system)(states) + 0.5).max() < 1e-12
    assert states[:, 4].max() < -0.9  # minus the energy, which is near the rest mass
    assert states[:, 4].min() > -1.0  # bound


def test_bad_requests_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'kepler'"):
        systems["keppler"]
    with pytest.raises(ParameterError, match="n is at least 1"):
        systems["kepler"].initial_states(0)
    with pytest.raises(ParameterError, match="seed is at least 0"):
        systems["kepler"].initial_states(1, seed=-1)
    with pytest.raises(ParameterError, match=r"kepler lists no 'spin'; it has energy, angular momentum"):
        systems["kepler"].integral("spin")


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("kepler", {"n": 3}, "kepler has no size 'n'; it comes in one size only"),
        ("toda", {"m": 3}, "toda has no size 'm'; it takes n=…, the number of particles"),
        ("nbody", {"m": 3}, "nbody has no size 'm'; it takes n=…, .* and d=…, the number of dimensions"),
        ("toda", {"n": 1}, "number of particles of toda, is at least 2, not 1"),
        ("toda", {"n": 2.5}, "is a whole number, not 2.5"),
        ("toda", {"n": True}, "is a whole number, not True"),
        ("toda", {"n": "3"}, "is a whole number, not '3'"),
        ("toda", {"n": 10**9}, "is at most"),
        ("nbody", {"d": 4}, "number of dimensions of nbody, is at most 3, not 4"),
        ("toda_periodic", {"n": 2}, "is at least 3"),
        ("lattice_phi4", {"n": 50, "d": 3}, r"at most 100000 sites, not n\*\*d = 125000"),
        ("commensurate_oscillator", {"m": 2, "n": 4}, "no common divisor; 2:4 is the smaller 1:2"),
    ],
)
def test_wrong_sizes_are_refused_with_the_reason(name, size, message):
    with pytest.raises(ParameterError, match=message) as caught:
        systems[name](**size)
    assert isinstance(caught.value, HamsymError)


def test_sizes_are_given_by_name():
    with pytest.raises(ParameterError, match="given by name, for example n=4"):
        systems["toda"](4)


def test_each_size_is_built_once():
    toda = systems["toda"]
    assert toda.size == {"n": 3}
    assert toda() is toda(n=3) is systems["toda"] is toda
    assert toda(n=5) is systems["toda"](n=5) is toda(n=5)(n=5)
    assert toda(n=5).hamiltonian is toda(n=5).hamiltonian
    assert toda(n=5).dof == 5
    assert systems["nbody"](n=2).size == {"n": 2, "d": 3}


def test_the_table_lists_every_system_and_what_it_is():
    plain, rich = repr(systems), systems._repr_html_()
    for name in EVERY:
        system = systems[name]
        assert system.about
        assert system.about.split(":")[0] in plain
        assert name in plain
        assert name in rich
    assert len(plain.splitlines()) == len(EVERY) + 2
    assert rich.count("<tr>") == len(EVERY) + 1


@pytest.mark.parametrize("name", ["kepler", "toda", "nbody", "kovalevskaya_top", "swinging_atwood"])
def test_a_system_shows_itself(name):
    system = systems[name]
    assert repr(system).startswith(f"<system {system.title}: H = ")
    assert system._repr_latex_().startswith(r"$\displaystyle H = ")
    assert system._repr_html_().count("<tr>") == len(system.integrals)
    told = json.loads(json.dumps(system.to_dict()))
    assert told["name"] == name
    for label, text in told["integrals"].items():  # the text says the integral, completely
        assert system.space.parse(text) == system.integral(label).written
    assert list(told["integrals"]) == list(system.labels)


def test_what_the_integrals_show_is_said():
    kinds = {
        "henon_heiles": "1 integral, 1 independent",
        "holt": "2 integrals, 2 independent, integrable",
        "magnetic_monopole": "5 integrals, 4 independent, superintegrable",
        "kepler_3d": "8 integrals, 5 independent, maximally superintegrable",
    }
    assert systems["henon_heiles"].is_integrable is systems["holt"].is_superintegrable is None
    assert systems["magnetic_monopole"].is_maximally_superintegrable is None
    assert systems["kepler_3d"].is_maximally_superintegrable is True
    for name, kind in kinds.items():
        assert repr(systems[name]).endswith(f"{kind}>")


def test_importing_builds_nothing():
    """Neither the package nor a look at the names writes down a formula."""
    script = (
        "import hamsym as hs\n"
        "import hamsym.data.systems.family as family\n"
        "def refuse(*a, **k): raise AssertionError('built')\n"
        "family.System = refuse\n"
        "assert 'kepler' in hs.systems and len(list(hs.systems)) == len(hs.systems)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("isotropic_oscillator", {"n": 40}), ("anisotropic_oscillator", {"n": 500}), ("garnier", {"n": 30}),
        ("smorodinsky_winternitz", {"n": 12}), ("toda", {"n": 100}), ("calogero", {"n": 40}),
        ("sutherland", {"n": 1000}), ("fpu", {"n": 10_000}), ("fpu_periodic", {"n": 10_000}), ("sine_gordon", {"n": 10_000}),
        ("toda", {"n": 10_000}), ("toda_periodic", {"n": 10_000}), ("calogero", {"n": 1000}), ("calogero_moser", {"n": 1000}),
        ("rotor_ring", {"n": 10_000}), ("lattice_phi4", {"n": 100, "d": 2}), ("lattice_phi4", {"n": 20, "d": 3}),
        ("neumann", {"n": 12}), ("rosochatius", {"n": 10}), ("nbody", {"n": 1000}), ("lennard_jones", {"n": 1000}),
        ("lennard_jones", {"n": 200, "d": 2}),
    ],
)  # fmt: skip
def test_large_sizes_can_be_written_down(name, size):
    """No formula meets a limit of the language, and the initial states fit it."""
    system = systems[name](**size)
    assert len(system.integrals) == len(system.labels) >= 1
    assert system.hamiltonian.space.dof == system.dof == system.initial_states(2)[0].shape[1]
    assert len(repr(system)) < 400
    assert len(repr(system.space)) < 600


@pytest.mark.parametrize(
    ("name", "n", "terms"),
    [
        ("nbody", 1000, 500_500),
        ("fpu", 10_000, 20_000),
        ("toda", 10_000, 19_999),
        ("lennard_jones", 1000, 500_500),
    ],
)
def test_large_systems_stay_sums(name, n, terms):
    """What would be written out is counted, split and shown without that; writing it out is refused."""
    H = systems[name](n=n).hamiltonian
    assert H.is_separable
    assert H.is_autonomous
    assert "expr" not in vars(H)
    assert terms <= term_count(H.written) <= terms + 6
    assert H.space.parse(H.text) == H.written
    if terms > 20_000:
        with pytest.raises(FormulaError, match="written out one by one"):
            _ = H.expr


@pytest.mark.parametrize("name", ["kepler", "toda", "nbody", "henon_heiles"])
def test_systems_travel_by_name_and_size(name):
    system = hs.systems[name]
    assert pickle.loads(pickle.dumps(system)) is system  # noqa: S301
    assert copy.copy(system) is copy.deepcopy(system) is system


def test_a_system_of_another_size_comes_back_from_another_process():
    toda = hs.systems["toda"](n=4)
    assert pickle.loads(pickle.dumps(toda)) is toda  # noqa: S301
    code = "import pickle, sys; s = pickle.load(sys.stdin.buffer); print(s.title, s.hamiltonian.text)"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(toda), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == f"toda(n=4) {toda.hamiltonian.text}"
