"""The particle systems have the energies of the literature, computed here from the published formulas."""

import numpy as np
import pytest

import hamsym as hs


def energy(system, q):
    """H of a configuration at rest."""
    run = hs.simulate(system.hamiltonian, q, np.zeros_like(q), 1e-9, 1, parameters=system.parameters)
    return run.energy[:, 0]


def distances(q, n):
    x = q.reshape(-1, n, q.shape[-1] // n)
    return np.linalg.norm(x[:, :, None] - x[:, None], axis=-1) + np.diag(np.full(n, np.inf))


def icosahedron(radius):
    """A centre and the corners at this distance from it."""
    golden = (1 + np.sqrt(5)) / 2
    faces = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(face, k) for face in faces for k in range(3)])
    return np.concatenate([np.zeros((1, 3)), radius * corners / np.hypot(1, golden)]).ravel()


def test_four_particles_have_the_energy_of_koehler_klein_and_noe():
    """E = 1/2 Σ_{i≠j} [-4 (d - 4)² + 0.9 (d - 4)⁴], arXiv 2006.02425."""
    q = np.random.default_rng(0).normal(0, 3, (20, 8))
    s = np.where(np.isinf(distances(q, 4)), 4, distances(q, 4)) - 4
    expected = 0.5 * (-4 * s**2 + 0.9 * s**4).sum(axis=(1, 2))
    assert energy(hs.systems["dw4"], q) == pytest.approx(expected, rel=1e-12)


def test_the_wells_of_a_pair_of_the_four_are_where_they_should_be():
    d = 4 + np.array([-1, 1]) * np.sqrt(4 / 1.8)
    far = 4.0  # pairs with s = 0 have no energy
    square = np.array(
        [[0, 0, x, 0, x / 2, np.sqrt(far**2 - x**2 / 4), x / 2, -np.sqrt(far**2 - x**2 / 4)] for x in d]
    )
    s = 2 * np.sqrt(far**2 - d**2 / 4) - 4
    assert energy(hs.systems["dw4"], square) == pytest.approx(-40 / 9 - 4 * s**2 + 0.9 * s**4, rel=1e-12)


def test_thirteen_particles_have_the_energy_of_lennard_and_jones_and_a_trap():
    """E = 1/2 Σ_{i≠j} [(1/d)¹² - 2 (1/d)⁶] + 1/2 Σ |x - mean|²."""
    q = icosahedron(1.1) + np.random.default_rng(0).normal(0, 0.05, (10, 39))
    x = q.reshape(10, 13, 3)
    pairs = 0.5 * (distances(q, 13) ** -12.0 - 2 * distances(q, 13) ** -6.0).sum(axis=(1, 2))
    trap = 0.5 * ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    assert energy(hs.systems["lj13"], q) == pytest.approx(pairs + trap, rel=1e-12)


def test_the_best_icosahedron_has_the_known_global_minimum():
    """-44.326801 in units of the depth of a pair: Hoare and Pal, Advances in Physics 20 (1971) 161."""
    radii = np.linspace(0.94, 0.99, 2001)
    q = np.array([icosahedron(r) for r in radii])
    pairs = energy(hs.systems["lj13"], q) - 6 * radii**2  # without the trap
    assert pairs.min() == pytest.approx(-44.326801, abs=1e-6)
    assert 0.95 < radii[pairs.argmin()] < 0.98
