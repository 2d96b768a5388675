"""Sums that stay loops: equal to the written-out code, and with the laws that the methods keep."""

import re

import numpy as np
import pytest

import hamsym as hs
from hamsym.numeric import loops
from hamsym.numeric.loops import runs_in_loops


def chain(n, bond, site="", *, edge="", parameters=None, time=None, kinetic="p[i]**2/2"):
    """A chain with an energy of each bond, of x = q[i+1] - q[i], and of each site, of q[i]."""
    space = hs.PhaseSpace.standard(n, parameters=parameters or {}, time=time)
    terms = [f"Sum({kinetic}, (i, 1, {n}))"]
    if bond:
        stretched = re.sub(r"\bx\b", "(q[i + 1] - q[i])", bond)
        terms.append(f"Sum({stretched}, (i, 1, {n - 1}))")
    if site:
        terms.append(f"Sum({site}, (i, 1, {n}))")
    if edge:
        terms.append(edge)
    return hs.Hamiltonian(" + ".join(terms), space)


def bodies(n, d, pair, parameters=None):
    """Particles in d dimensions with an energy of each pair, of r2 = |x_i - x_j|²."""
    axes = "xyz"[:d]
    q = " ".join(f"{a}{i}" for i in range(1, n + 1) for a in axes)
    p = " ".join(f"p{a}{i}" for i in range(1, n + 1) for a in axes)
    masses = {f"m{i}": "positive" for i in range(1, n + 1)}
    space = hs.PhaseSpace(q, p, parameters={"G": "positive"} | masses | (parameters or {}))
    square = "(" + " + ".join(f"({a}[i] - {a}[j])**2" for a in axes) + ")"
    kinetic = " + ".join(f"p{a}[i]**2" for a in axes)
    return hs.Hamiltonian(
        f"Sum(({kinetic})/(2*m[i]), (i, 1, {n})) + Sum({pair.replace('r2', square)}, (j, i + 1, {n}), (i, 1, {n}))",
        space,
    )


def lattice(m, n):
    """φ⁴ on a torus of m × n sites."""
    names = [f"{{}}{i}_{j}" for i in range(1, m + 1) for j in range(1, n + 1)]
    space = hs.PhaseSpace(
        " ".join(x.format("q") for x in names),
        " ".join(x.format("p") for x in names),
        parameters={"g": "real"},
    )
    return hs.Hamiltonian(
        f"Sum(p[i, j]**2/2 + g*q[i, j]**4/4, (i, 1, {m}), (j, 1, {n}))"
        f"+ Sum((q[i + 1, j] - q[i, j])**2/2, (j, 1, {n}), (i, 1, {m - 1})) + Sum((q[1, j] - q[{m}, j])**2/2, (j, 1, {n}))"
        f"+ Sum((q[i, j + 1] - q[i, j])**2/2, (i, 1, {m}), (j, 1, {n - 1})) + Sum((q[i, 1] - q[i, {n}])**2/2, (i, 1, {m}))",
        space,
    )


CASES = {
    "springs": (chain(27, "x**2/2 + a*x**3/3", edge="q1**2/2 + q27**4/4", parameters={"a": "real"}), {"a": 0.3}),
    "ring": (chain(32, "x**4/4", "q[i]**2/2", edge="(q1 - q32)**4/4"), {}),
    "exponentials": (chain(25, "exp(-x)", edge="exp(q25 - q1)"), {}),
    "pendula": (chain(26, "x**2/2", "1 - cos(q[i])"), {}),
    "roots": (chain(26, "sqrt(1 + x**2)", kinetic="sqrt(1 + p[i]**2)"), {}),
    "own constants": (
        chain(26, "x**2/2", "w[i]*q[i]**2/2", parameters={f"w{i}": "real" for i in range(1, 27)}), {"w": np.linspace(1, 2, 26)}
    ),
    "graded": (chain(26, "i*x**2/50", "q[i]**2/i"), {}),
    "driven": (chain(26, "x**2/2", "q[i]**4/4 - q[i]*sin(t)", edge="q1*cos(t)", time="t"), {}),
    "far bonds": (chain(29, "", "q[i]**2/2", edge="Sum((q[i + 13] - q[i])**4/4, (i, 1, 16))"), {}),
    "every second": (chain(30, "", "q[i]**2/2", edge="Sum(q[2*i]**4/4 - q[2*i - 1]*q[2*i], (i, 1, 15))"), {}),
    "backward": (chain(30, "", "q[i]**2/2", edge="Sum(cos(q[i] - q[31 - i]), (i, 1, 15))"), {}),
    "few at the end": (chain(30, "x**2/2", "", edge="Sum(q[i]**4, (i, 20, 30)) + Sum(q[i]**4, (i, 1, 3))"), {}),
    "mean field": (chain(19, "", "q[i]**4/4", edge="Sum(q[j], (j, 1, 19))**2/19"), {}),
    "about the mean": (chain(18, "", "(q[i] - Sum(q[j], (j, 1, 18))/18)**4"), {}),
    "two means": (
        chain(17, "", "(q[i]**2 - Sum(q[j]**2, (j, 1, 17))/17)**2/4", edge="cos(Sum(q[i], (i, 1, 17))/17)"), {}
    ),
    "gravity": (bodies(6, 3, "-G*m[i]*m[j]/sqrt(r2)"), {"G": 1.0, "m": np.linspace(0.5, 1.5, 6)}),
    "Lennard-Jones": (bodies(7, 2, "G*(1/r2**6 - 2/r2**3)"), {"G": 1.0, "m": 1.0}),
    "logarithms": (bodies(7, 2, "-G*log(r2)/2"), {"G": 1.0, "m": 2.0}),
    "lattice": (lattice(5, 6), {"g": 0.7}),
    "wide lattice": (lattice(2, 17), {"g": 0.7}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _sums_stay_loops(monkeypatch):
    """Loops for small sizes too, at which their written-out twins are compiled soon."""
    monkeypatch.setattr(loops, "MOST_WRITTEN_OUT", 0)
    loops.runs_in_loops.cache_clear()
    yield
    loops.runs_in_loops.cache_clear()


def start(H, batch=1, seed=0):
    """Positions in some disorder, and momenta."""
    rng = np.random.default_rng(seed)
    n = H.space.dof
    q = rng.uniform(-0.4, 0.4, (batch, n))
    if H.space.coordinates[0].name == "x1":
        d = sum(s.name.endswith("1") and s.name[1:] == "1" for s in H.space.coordinates)
        side = int(np.ceil((n // d) ** (1 / d)))
        places = np.stack(np.meshgrid(*[np.arange(side)] * d, indexing="ij"), axis=-1).reshape(-1, d)[
            : n // d
        ]
        q = q / 4 + places.ravel()
    return q, rng.uniform(-0.3, 0.3, (batch, n))


def explicit(H):
    """The same Hamiltonian with its sums written out."""
    return hs.Hamiltonian(H.expr, H.space)


@pytest.mark.parametrize("name", CASES)
def test_loops_are_the_written_out_code(name):
    H, parameters = CASES[name]
    assert runs_in_loops(H)
    assert not runs_in_loops(explicit(H))
    q, p = start(H, 2)
    looped, written = (
        hs.simulate(each, q, p, 0.01, 40, save_every=20, method="yoshida4", parameters=parameters)
        for each in (H, explicit(H))
    )
    assert abs(looped.q - written.q).max() < 2e-14
    assert abs(looped.p - written.p).max() < 2e-14
