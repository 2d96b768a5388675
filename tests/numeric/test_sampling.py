"""Hamiltonian Monte Carlo: the right distribution within sampling error, and an error where there is none."""

import copy
import json
import math
import pickle
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

import hamsym as hs
from hamsym.data.targets import targets
from hamsym.errors import FormulaError, NotSeparableError, ParameterError, SamplingError, ShapeError
from hamsym.numeric.convergence import _normalise_ranks, effective_size, split_r_hat


def hamiltonian(formula, dof=1, **parameters):
    return hs.Hamiltonian(
        formula, hs.PhaseSpace.standard(dof, parameters=dict.fromkeys(parameters, "positive"))
    )


def by_chain(values, diagnostics):
    """Values of shape ``(n, …)`` as ``(chains, draws, …)``."""
    chains = diagnostics.chains
    whole = len(values) // chains * chains
    return np.moveaxis(np.asarray(values)[:whole].reshape(-1, chains, *values.shape[1:]), 0, 1)


def z_score(values, exact, diagnostics):
    """(mean - exact) in standard errors, with the effective number of draws."""
    chains = by_chain(values, diagnostics)
    return (chains.mean() - exact) / (chains.std() / math.sqrt(effective_size(chains)))


def test_gaussian_moments_within_the_error_of_the_effective_size():
    H = hamiltonian("(p1**2 + p2**2)/2 + a*q1**2/2 + (q2 - q1)**2/(2*b)", 2, a=1.0, b=1.0)
    q = hs.sample_boltzmann(H, 20_000, seed=3, parameters={"a": 2.0, "b": 0.1})
    covariance = np.linalg.inv(np.array([[2 + 10, -10], [-10, 10]]))
    for i in range(2):
        assert abs(z_score(q[:, i], 0.0, q.diagnostics)) < 4
        for j in range(2):
            assert abs(z_score(q[:, i] * q[:, j], covariance[i, j], q.diagnostics)) < 4
    assert min(q.diagnostics.ess.values()) > 10_000


@pytest.mark.parametrize("beta", [0.3, 1.0, 4.0])
def test_anharmonic_density_at_any_temperature(beta):
    """Not a Gaussian and with a kinetic energy that couples and is shifted: neither may show in q."""
    H = hamiltonian("(p1 + 3)**2/2 + (p1 - p2)**2 + q1**4/4 - q1 + q2**2", 2)
    q = hs.sample_boltzmann(H, 12_000, beta=beta, seed=1)
    x = np.linspace(-8, 8, 40_001)
    cdf = integrate.cumulative_simpson(np.exp(-beta * (x**4 / 4 - x)), x=x, initial=0)
    chains = by_chain(q[:, 0], q.diagnostics)
    thin = chains[:, :: max(1, math.ceil(2 * chains.size / effective_size(chains)))].ravel()
    assert stats.kstest(thin, lambda v: np.interp(v, x, cdf / cdf[-1])).pvalue > 1e-3
    assert abs(z_score(q[:, 1] ** 2, 1 / (2 * beta), q.diagnostics)) < 4


def chi_square_of_shares(target, q):
    """Hotelling's statistic of the component shares, from the independent replicas; and its p-value."""
    shares = by_chain(target.responsibilities(q), q.diagnostics).mean(1)[:, :-1]
    chains, k = shares.shape
    off = shares.mean(0) - target.masses[:-1]
    covariance = np.atleast_2d(np.cov(shares.T)) / chains
    statistic = off @ np.linalg.solve(covariance, off)
    return stats.f.sf(statistic * (chains - k) / (k * (chains - 1)), k, chains - k)


@pytest.mark.parametrize("name", ["paper_rings", "paper_blobs"])
def test_shares_of_modes_and_likelihood_of_the_papers_targets(name):
    target = targets[name]
    q = hs.sample_boltzmann(target.hamiltonian, 10_000, seed=0)
    d = q.diagnostics
    assert chi_square_of_shares(target, q) > 1e-3
    shares = target.responsibilities(q)
    for k, mass in enumerate(target.masses):  # and each mode by itself, with its effective size
        assert abs(z_score(shares[:, k], mass, d)) < 4
        assert abs(shares[:, k].mean() - mass) < 0.15 * mass
    assert abs(z_score(-target.log_prob(q), target.entropy, d)) < 4
    assert max(d.r_hat.values()) < 1.02
    assert min(d.ess.values()) > 3000
    assert 0.8 < d.acceptance < 0.97
    assert d.divergences < 0.01 * d.chains * d.draws * d.thinning
    assert d.warnings == ()
    assert min(d.swap_rates) > 0.3


def test_angles_of_the_rings_are_uniform():
    q = hs.sample_boltzmann(targets["paper_rings"].hamiltonian, 10_000, seed=2)
    for harmonic in (1, 2, 3):
        angle = harmonic * np.arctan2(q[:, 1], q[:, 0])
        assert abs(z_score(np.cos(angle), 0, q.diagnostics)) < 4
        assert abs(z_score(np.sin(angle), 0, q.diagnostics)) < 4


def test_without_tempering_separated_modes_are_an_error_not_a_sample():
    """The same target that tempering solves: the error comes from the chains, not from a rule about the formula."""
    start = targets["paper_blobs"].sample(32, seed=1)
    with pytest.raises(SamplingError, match="the chains disagree: R-hat of"):
        hs.sample_boltzmann(targets["paper_blobs"].hamiltonian, 5000, hottest=1, initial=start)


def test_same_seed_same_bytes():
    H = targets["paper_rings"].hamiltonian
    a, b, c = (hs.sample_boltzmann(H, 500, seed=s) for s in (5, 5, 6))
    assert a.tobytes() == b.tobytes()
    assert a.tobytes() != c.tobytes()
    assert a.diagnostics == b.diagnostics


def test_samples_are_an_array_with_readable_diagnostics():
    q = hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2/2"), 1001, seed=4)
    assert q.shape == (1001, 1)
    assert q.dtype == np.float64
    assert isinstance(q, np.ndarray)
    d = q[:5].diagnostics
    assert d is q.diagnostics
    assert set(d.to_dict()) >= {"acceptance", "ess", "r_hat", "divergences", "swap_rates", "betas"}
    assert json.loads(json.dumps(d.to_dict()))["chains"] == 32
    assert "R-hat q1" in repr(d)
    many = replace(
        d, r_hat={f"q{i}": 1 + i / 1000 for i in range(40)}, ess={f"q{i}": 9.0 + i for i in range(40)}
    )
    assert "R-hat of q39 1.0390, the largest of 40" in repr(many)
    assert "effective draws of q0 9, the smallest of 40" in repr(many)
    assert hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2/2"), 1, seed=4).shape == (1, 1)


def test_progress_bar_shows_on_a_terminal(capsys, monkeypatch):
    hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2/2"), 100, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2/2"), 100, progress=True)
    assert "sampling" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("formula", "dof", "message"),
    [
        ("p1**2/2", 1, "normalisable"),
        ("p1**2/2 + cos(q1)", 1, "normalisable"),
        ("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", 2, "normalisable"),
        ("p1**4 + q1**2", 1, "quadratic"),
        ("-p1**2/2 + q1**2", 1, "positive quadratic"),
        ("p1*p2 + q1**2 + q2**2", 2, "positive quadratic"),
        ("p1**2/2 + q1 - log(q1)", 1, "not finite at the starting point"),
    ],
)
def test_what_is_no_density_is_an_error(formula, dof, message):
    with pytest.raises(SamplingError, match=message):
        hs.sample_boltzmann(hamiltonian(formula, dof), 2000)


@pytest.mark.parametrize("masses", [(1, 1), (1, 3)])
def test_particles_without_walls_are_sampled_in_the_frame_of_their_centre_of_mass(masses):
    m1, m2 = masses
    q = hs.sample_boltzmann(
        hamiltonian(f"p1**2/{2 * m1} + p2**2/{2 * m2} + (q1 - q2)**2", 2), 10_000, beta=2, seed=1
    )
    assert q.diagnostics.held == 1
    assert abs(np.asarray(q) @ masses).max() < 1e-10
    assert (q[:, 0] - q[:, 1]).var() == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_four_particles_obey_the_virial_theorem(beta):
    """⟨q·∇U⟩ = (number of free coordinates)/β holds for any confining U, by integration by parts."""
    dw4 = hs.systems["dw4"]
    q = hs.sample_boltzmann(dw4.hamiltonian, 4000, beta=beta, seed=2, parameters=dw4.parameters)
    assert q.diagnostics.held == 2
    x = np.asarray(q).reshape(-1, 4, 2)
    assert abs(x.mean(axis=1)).max() < 1e-10
    i, j = np.triu_indices(4, 1)
    d = np.linalg.norm(x[:, i] - x[:, j], axis=-1)
    virial = (d * (-8 * (d - 4) + 3.6 * (d - 4) ** 3)).sum(axis=1)
    assert virial.mean() == pytest.approx(
        6 / beta, abs=5 * virial.std() / np.sqrt(q.diagnostics.ess["U"] / 2)
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_scales_that_differ_ten_thousandfold_are_one_problem(seed):
    """Without masses fitted to each coordinate the widest one hardly moves, and its spread comes out a quarter too small."""
    q = hs.sample_boltzmann(
        hamiltonian("(p1**2 + p2**2 + p3**2)/2 + 5000*q1**2 + q2**2/2 + q3**2/20000", 3), 8000, seed=seed
    )
    assert min(q.diagnostics.ess.values()) > 4000
    assert np.asarray(q).std(axis=0) / [0.01, 1, 100] == pytest.approx(np.ones(3), abs=0.05)


def test_correlated_coordinates_are_one_problem():
    """Ten coordinates with a correlation matrix of condition 300: the masses of warm-up undo it."""
    root = np.random.default_rng(0).standard_normal((10, 10))
    covariance = root @ root.T + 0.1 * np.eye(10)
    precision = np.linalg.inv(covariance)
    terms = [f"p{i}**2/2" for i in range(1, 11)]
    terms += [f"({float(precision[i, j])!r})*q{i + 1}*q{j + 1}/2" for i in range(10) for j in range(10)]
    q = hs.sample_boltzmann(hamiltonian(" + ".join(terms), 10), 4000, hottest=1, seed=3)
    assert q.diagnostics.leapfrog_steps <= 8 and min(q.diagnostics.ess.values()) > 2000
    scale = np.sqrt(np.diagonal(covariance))
    assert np.cov(np.asarray(q).T) / np.outer(scale, scale) == pytest.approx(
        covariance / np.outer(scale, scale), abs=0.1
    )


def test_a_coordinate_that_nothing_confines_is_named():
    with pytest.raises(SamplingError, match="does not depend on q2"):
        hs.sample_boltzmann(hamiltonian("p1**2/2 + p2**2/2 + q1**2", 2))


def test_chains_that_cannot_leave_their_start_are_an_error():
    """The gradient of the rings' U is 0/0 in the centre, where U itself is finite."""
    with pytest.raises(SamplingError, match="32 of 32 chains never moved"):
        hs.sample_boltzmann(targets["paper_rings"].hamiltonian, 100, initial=[0.0, 0.0])


def test_positive_coordinates_start_positive():
    space = hs.PhaseSpace("x", "p", parameters={"x": "positive"})
    with pytest.warns(UserWarning, match="diverged"):  # steps across the wall at x = 0 are rejected
        q = hs.sample_boltzmann(hs.Hamiltonian("p**2/2 + 3*x - 2*log(x)", space), 8000, seed=2)
    assert q.min() > 0
    assert abs(z_score(q[:, 0], 1.0, q.diagnostics)) < 4  # a Gamma(3) density of rate 3


def test_samples_travel_with_their_diagnostics():
    q = hs.sample_boltzmann(hamiltonian("(p1**2 + p2**2)/2 + q1**2 + q2**2", 2), 500, seed=1)
    for twin in (pickle.loads(pickle.dumps(q)), copy.deepcopy(q), copy.copy(q), q.copy()):  # noqa: S301
        assert type(twin) is type(q) and np.array_equal(twin, q)
        assert twin.diagnostics == q.diagnostics
    part = pickle.loads(pickle.dumps(q[:7, 0]))  # noqa: S301
    assert part.shape == (7,) and part.diagnostics == q.diagnostics


@pytest.mark.parametrize("reduce", [np.mean, np.std, np.sum, np.max, np.median, np.ptp, np.linalg.norm])
def test_what_is_computed_from_samples_is_a_plain_number_or_array(reduce):
    q = hs.sample_boltzmann(hamiltonian("(p1**2 + p2**2)/2 + q1**2 + q2**2", 2), 500, seed=1)
    whole, columns = reduce(q), reduce(q, axis=0)
    assert type(whole) is np.float64 and whole == reduce(np.asarray(q))
    assert type(columns) is np.ndarray and np.array_equal(columns, reduce(np.asarray(q), axis=0))
    assert type(q**2) is type(q + 1) is type(-q) is type(q @ np.eye(2)) is type(q > 0) is np.ndarray
    assert type(q.mean()) is np.float64 and type(q.max()) is np.float64 and type(q[0, 0]) is np.float64
    assert json.dumps(float(q.mean()))


def test_few_effective_draws_are_a_loud_warning():
    with pytest.warns(
        UserWarning, match="worth only"
    ) as caught:  # a heavy tail that local moves cross slowly
        q = hs.sample_boltzmann(
            hamiltonian("p1**2/2 + 0.8*log(1 + q1**2)"), 4000, hottest=1, warmup=20, seed=2
        )
    assert q.diagnostics.warnings[0] in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2"), 100)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, ParameterError, "n is at least 1"),
        ({"n": 1.5}, ParameterError, "n is a whole number"),
        ({"beta": 0}, ParameterError, "beta is a positive number"),
        ({"beta": -1.0}, ParameterError, "beta is a positive number"),
        ({"beta": math.nan}, ParameterError, "beta is a positive number"),
        ({"seed": -1}, ParameterError, "seed is at least 0"),
        ({"seed": None}, ParameterError, "seed is a whole"),
        ({"chains": 2}, ParameterError, "chains is at least 4"),
        ({"hottest": 2.0}, ParameterError, "hottest is at most 1"),
        ({"acceptance": 1.0}, ParameterError, "acceptance below 1"),
        ({"warmup": 1}, ParameterError, "warmup is at least 20"),
        ({"parameters": {"z": 1.0}}, ParameterError, "no parameter 'z'"),
        ({"initial": [[1.0]]}, ShapeError, r"initial has the shape \(1, 1\)"),
        ({"initial": "x"}, ShapeError, "initial"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        hs.sample_boltzmann(hamiltonian("p1**2/2 + q1**2/2"), **options)


def test_hamiltonians_that_cannot_be_sampled_are_refused():
    with pytest.raises(NotSeparableError, match="mixes"):
        hs.sample_boltzmann(hamiltonian("p1**2*q1**2/2 + q1**2"), 10)
    with pytest.raises(ParameterError, match="k have no value"):
        hs.sample_boltzmann(hamiltonian("p1**2/2 + k*q1**2", k=1.0), 10)
    with pytest.raises(ParameterError, match="write Hamiltonian"):
        hs.sample_boltzmann("p1**2/2", 10)
    space = hs.PhaseSpace.standard(1, functions={"V": 1})
    with pytest.raises(FormulaError, match="'V'"):
        hs.sample_boltzmann(hs.Hamiltonian("p1**2/2 + V(q1)", space), 10)


def autoregression(rho, chains, n, rng):
    x = np.empty((chains, n))
    x[:, 0] = rng.standard_normal(chains)
    for i in range(1, n):
        x[:, i] = rho * x[:, i - 1] + math.sqrt(1 - rho**2) * rng.standard_normal(chains)
    return x


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregression_is_the_known_one(rho):
    x = autoregression(rho, 8, 4000, np.random.default_rng(0))
    assert effective_size(x) == pytest.approx(x.size * (1 - rho) / (1 + rho), rel=0.12)


def test_r_hat_sees_shifted_scaled_and_drifting_chains():
    rng = np.random.default_rng(1)
    same = rng.standard_normal((8, 500))
    assert split_r_hat(same) < 1.01
    assert split_r_hat(same + 0.5 * np.arange(8)[:, None]) > 1.2
    assert split_r_hat(same * np.linspace(0.2, 2, 8)[:, None]) > 1.1  # equal means: seen by the folded draws
    assert split_r_hat(same + np.linspace(0, 3, 500)) > 1.2
    assert split_r_hat(np.ones((4, 10))) == 1.0
    ties = _normalise_ranks(np.array([[1.0, 1, 1, 2], [2, 2, 3, 4]]))
    assert ties[0, 0] == ties[0, 2] < ties[0, 3] == ties[1, 1] < ties[1, 2] < ties[1, 3]
    assert _normalise_ranks(np.array([[0.0, 0, 1, 1]])).sum() == pytest.approx(0, abs=1e-12)
    assert split_r_hat(rng.standard_cauchy((8, 500))) < 1.02  # ranks need no variance
