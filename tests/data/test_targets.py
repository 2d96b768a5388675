"""The targets: formula, likelihood, entropy and sampler are four independent descriptions that must agree."""

import math

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

from hamsym.data.bumps import Gaussian, Ring
from hamsym.data.targets import Target, targets
from hamsym.errors import (
    FormulaError,
    HamsymError,
    NonFiniteError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)

NAMES = list(targets)
#: Entropies computed elsewhere, by other code, to four decimals.
ELSEWHERE = {
    "ring": 2.3405, "two_rings": 2.6071, "gaussians8": 2.8316, "gaussians4": 2.4109, "pinwheel": 2.3206,
    "moons": 2.3938, "checkerboard": 3.4657,
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name != "checkerboard"])
def test_formula_is_minus_log_density(name):
    target = targets[name]
    potential = sp.lambdify(sp.symbols("q1 q2", real=True), target.potential, "mpmath")
    for q in [*target.sample(20, seed=3), *np.random.default_rng(1).uniform(-6, 6, (20, 2))]:
        assert float(potential(*map(sp.Float, q))) == pytest.approx(-target.log_prob(q), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_the_entropy_and_the_masses(name):
    target, n = targets[name], 40_000
    q = target.sample(n, seed=5)
    surprise = -target.log_prob(q)
    assert abs(surprise.mean() - target.entropy) <= 4 * surprise.std() / math.sqrt(n) + 1e-12
    shares = target.responsibilities(q)
    assert np.all(np.abs(shares.mean(0) - target.masses) <= 4 * shares.std(0) / math.sqrt(n) + 1e-12)
    assert target.masses.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_entropy_agrees_with_other_code(name):
    assert targets[name].entropy == pytest.approx(ELSEWHERE[name], abs=1e-4)


def test_asymmetric_entropy_and_mass_by_adaptive_quadrature():
    def density(y, x):
        a = 0.5 * ((y - math.sin(1.5 * x)) / 0.45) ** 2 + 0.25 * (x - 0.4) ** 2
        b = 2 * ((x + 1.5) ** 2 + (y - 2) ** 2) - 0.5
        return math.exp(-a) + math.exp(-b)

    def surprise(y, x):
        p = density(y, x)
        return -p * math.log(p) if p > 0 else 0.0

    box = (-9, 10, lambda x: -5, lambda x: 6)
    z, _ = integrate.dblquad(density, *box, epsabs=1e-7)
    h, _ = integrate.dblquad(surprise, *box, epsabs=1e-7)
    assert targets["asymmetric"].entropy == pytest.approx(h / z + math.log(z), abs=1e-6)


def test_one_gaussian_has_the_textbook_entropy():
    wide = Target("one", [Gaussian(("1", "-2"), "9/4")])
    assert wide.entropy == pytest.approx(1 + math.log(2 * math.pi * 9 / 4), abs=1e-9)
    centred = Target("centred", [Gaussian(("0", "0"), "1")])  # takes the radial quadrature
    assert centred.entropy == pytest.approx(1 + math.log(2 * math.pi), abs=1e-9)


@pytest.mark.parametrize(("radius", "sd"), [("2", "0.35"), ("0.3", "0.5"), ("0", "1")])
def test_ring_sampler_and_normaliser_also_where_the_hole_closes(radius, sd):
    target = Target("ring", [Ring(radius, sd)])
    R, s = float(radius), float(sd)
    z, _ = integrate.quad(lambda r: 2 * math.pi * r * math.exp(-0.5 * ((r - R) / s) ** 2), 0, R + 12 * s)
    assert target.log_prob([R, 0.0]) == pytest.approx(-math.log(z), abs=1e-10)
    q = target.sample(20_000, seed=2)
    grid = np.linspace(0, R + 9 * s, 20_001)
    cdf = integrate.cumulative_simpson(grid * np.exp(-0.5 * ((grid - R) / s) ** 2), x=grid, initial=0)
    assert stats.kstest(np.hypot(*q.T), lambda r: np.interp(r, grid, cdf / cdf[-1])).pvalue > 1e-3
    assert stats.kstest(np.arctan2(q[:, 1], q[:, 0]), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3


def test_the_two_densities_of_the_paper_are_as_stated():
    rings, blobs = targets["paper_rings"], targets["paper_blobs"]
    assert [(c.radius, c.sd) for c in rings.components] == [(2.0, 0.35), (5.1, 0.35)]
    assert rings.masses.tolist() == [0.5, 0.5]
    assert len(blobs.components) == 9
    assert {math.sqrt(c.variance) for c in blobs.components} == {0.5}
    np.testing.assert_allclose(blobs.components[3].centre, [-3.66, 0.36])
    np.testing.assert_allclose(blobs.masses, 1 / 9, rtol=1e-15)


def test_moons_are_blurred_arcs():
    # the density on either arc, by adaptive quadrature of the arcs as they are written in the literature
    def density(x, y):
        def along(t, arc):
            mx, my = (math.cos(t), math.sin(t)) if arc == 0 else (1 - math.cos(t), 0.5 - math.sin(t))
            square = (x - 2 * (mx - 0.5)) ** 2 + (y - 2 * (my - 0.25)) ** 2
            return math.exp(-square / (2 * 0.2**2)) / (2 * math.pi * 0.2**2)

        arcs = (integrate.quad(along, 0, math.pi, args=(k,), epsabs=1e-14, limit=200)[0] for k in (0, 1))
        return sum(arcs) / (2 * math.pi)

    moons = targets["moons"]
    for q in [*moons.sample(30, seed=4), [0.0, 0.0], [1.0, 1.5], [3.2, 0.5]]:
        assert np.exp(moons.log_prob(q)) == pytest.approx(density(*q), rel=1e-9, abs=1e-12)


def test_the_checkerboard_is_uniform_on_its_squares():
    board = targets["checkerboard"]
    assert board.log_prob([[1.0, 1.0], [-1.0, 1.0], [-3.0, 1.0], [5.0, 1.0]]).tolist() == pytest.approx(
        [-math.log(32), -math.inf, -math.log(32), -math.inf]
    )
    assert board.entropy == pytest.approx(math.log(32), abs=1e-15) and len(board.components) == 8
    q = board.sample(20_000, seed=3)
    assert np.isfinite(board.log_prob(q)).all()
    assert stats.kstest(q[:, 0] % 2, stats.uniform(0, 2).cdf).pvalue > 1e-3
    with pytest.raises(FormulaError, match="jumps"):
        _ = board.hamiltonian


def test_hamiltonian_is_kinetic_energy_plus_potential():
    H = targets["paper_rings"].hamiltonian
    p1, p2 = H.space.momenta
    assert sp.expand(H.kinetic - (p1**2 + p2**2) / 2) == 0
    assert H.is_separable


def test_far_away_the_log_density_is_finite_and_quadratic():
    blobs = targets["paper_blobs"]
    far = np.array([[1e6, -1e6]])
    assert blobs.log_prob(far)[0] == pytest.approx(-4e12, rel=1e-4)


def test_same_seed_same_bytes():
    for name in NAMES:
        assert targets[name].sample(50, seed=7).tobytes() == targets[name].sample(50, seed=7).tobytes()
    assert targets["ring"].sample(50, seed=7).tobytes() != targets["ring"].sample(50, seed=8).tobytes()


def test_bad_input_is_refused_by_name():
    ring = targets["ring"]
    for bad in ([1.0], [[1.0, 2.0, 3.0]], 3.0, "no", [[1, 2], [3]], None, [1j, 2]):
        with pytest.raises(ShapeError, match="q "):
            ring.log_prob(bad)
    with pytest.raises(NonFiniteError, match=r"q\[1, 0\] is nan"):
        ring.log_prob([[0.0, 1.0], [math.nan, 0.0]])
    for bad in (0, -3, 2.5, True, "5"):
        with pytest.raises(ParameterError, match="n is"):
            ring.sample(bad)
    with pytest.raises(ParameterError, match="seed"):
        ring.sample(5, seed=-1)
    with pytest.raises(UnknownNameError, match="did you mean 'two_rings'"):
        targets["two_ring"]
    with pytest.raises(HamsymError):
        targets[3]
    assert "two_ring" not in targets
    assert targets.get("two_ring") is None


@pytest.mark.parametrize("extent", [0, -1, float("nan"), "3"])
def test_a_plot_of_no_extent_is_refused(extent):
    with pytest.raises(ParameterError, match="extent is"):
        targets["ring"].plot(extent=extent)


def test_plot_shows_the_density():
    import matplotlib

    matplotlib.use("Agg")
    image = targets["ring"].plot(extent=4.0, pixels=81).images[0].get_array()
    assert image.max() == pytest.approx(np.exp(targets["ring"].log_prob([2.0, 0.0])), rel=1e-3)
