"""Sums that stay loops: equal to the written-out code, and with the laws that the methods keep."""

import re

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.numeric.codegen import parameter_values
from hamsym.numeric.kinetic import has_constant_mass
from hamsym.numeric.loops import choice, room_of
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import fill, kernel_arguments, stepping_kernels
from hamsym.numeric.values import slope_function, value_function


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
    "variance": (
        chain(19, "", "q[i]**2/2", edge="cos(Sum((q[i] - Sum(q[j], (j, 1, 19))/19)**4, (i, 1, 19)))"), {}
    ),
    "gravity": (bodies(6, 3, "-G*m[i]*m[j]/sqrt(r2)"), {"G": 1.0, "m": np.linspace(0.5, 1.5, 6)}),
    "Lennard-Jones": (bodies(7, 2, "G*(1/r2**6 - 2/r2**3)"), {"G": 1.0, "m": 1.0}),
    "logarithms": (bodies(7, 2, "-G*log(r2)/2"), {"G": 1.0, "m": 2.0}),
    "lattice": (lattice(5, 6), {"g": 0.7}),
    "short": (chain(9, "x**2/2 + x**3/9", "q[i]**4/4 - q[i]*sin(t)", edge="q1*cos(t)", time="t"), {}),
    "wide lattice": (lattice(2, 17), {"g": 0.7}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _sums_stay_loops(monkeypatch):
    """Loops for small sizes too, at which their written-out twins are compiled soon."""
    monkeypatch.setattr(choice, "MOST_WRITTEN_OUT", 0)
    for cached in (choice.runs_in_loops, choice.is_long, value_function):
        cached.cache_clear()
    yield
    for cached in (choice.runs_in_loops, choice.is_long, value_function):
        cached.cache_clear()


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
def test_slopes_are_those_of_the_written_out_formula(name):
    H, parameters = CASES[name]
    q, p = start(H)
    values = parameter_values(H.space, parameters, used=[H.written])
    here = dict(zip(H.space.variables, [*q[0], *p[0]], strict=True))
    here |= {s: values[n] for n, s in H.space.parameters.items() if n in values} | (
        {H.space.time: 0.7} if H.space.time else {}
    )
    velocity, force = slope_function(H)(q, p, values, 0.7)
    symbols = list(here)
    for slopes, variables, sign in ((velocity, H.space.momenta, 1), (force, H.space.coordinates, -1)):
        expected = sp.lambdify(symbols, [sign * H.expr.diff(s) for s in variables], "math")(*here.values())
        assert slopes[0] == pytest.approx(expected, rel=1e-13, abs=1e-13)
    energy = sp.lambdify(symbols, H.expr, "math")(*here.values())
    assert value_function(H.written, H.space)(q, p, values, 0.7)[0] == pytest.approx(
        energy, rel=1e-13, abs=1e-13
    )


def assert_same_motion(name, **options):
    """Loops and the written-out formula lead to the same states, up to rounding."""
    H, parameters = CASES[name]
    q, p = start(H, 2)
    looped, written = (
        hs.simulate(each, q, p, 0.01, 20, save_every=10, parameters=parameters, **options)
        for each in (H, explicit(H))
    )
    assert abs(looped.q - written.q).max() < 1e-14
    assert abs(looped.p - written.p).max() < 1e-14
    assert abs(looped.energy - written.energy).max() < 1e-13


@pytest.mark.parametrize("method", ["leapfrog", "leapfrog_drift", "gauss4", "tao4"])
def test_methods_are_those_of_the_written_out_code(method):
    assert_same_motion("short", method=method)


@pytest.mark.slow
@pytest.mark.parametrize("method", [m.name for m in hs.methods()])
def test_every_method_is_that_of_the_written_out_code(method):
    assert_same_motion("short", method=method)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_loops_step_as_the_written_out_code(name):
    assert_same_motion(name, method="yoshida4")


@pytest.mark.parametrize(
    "options", [{"compensated": True}, {"strict": True}, {"strict": True, "compensated": True}]
)
def test_careful_arithmetic_is_that_of_the_written_out_code(options):
    assert_same_motion("short", **options)


SHAPES = {  # an energy as text and as a function of numpy arrays
    "{x}**2/2": lambda x: x**2 / 2,
    "{x}**3/3 + {x}**4/4": lambda x: x**3 / 3 + x**4 / 4,
    "exp(-{x})": lambda x: np.exp(-x),
    "cos(2*{x})": lambda x: np.cos(2 * x),
    "sqrt(3 + {x}**2)": lambda x: np.sqrt(3 + x**2),
    "1/(2 + {x}**2)": lambda x: 1 / (2 + x**2),
}
shapes = st.sampled_from(sorted(SHAPES))


@st.composite
def sums(draw):
    """Random sums over one to three subscripts with some distances between, or over pairs, or of a mean."""
    n = draw(st.integers(3, 45))
    terms, functions = [f"Sum(p[i]**2/2, (i, 1, {n}))"], []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["bonds", "sites", "pairs", "mean", "weighed", "single"]))
        shape = draw(shapes)
        f = SHAPES[shape]
        if kind == "bonds":
            d = draw(st.integers(1, min(9, n - 1)))
            low = draw(st.integers(1, n - d))
            high = draw(st.integers(low, n - d))
            terms.append(f"Sum({shape.format(x=f'(q[i + {d}] - q[i])')}, (i, {low}, {high}))")
            functions.append(lambda q, f=f, d=d, a=low, b=high: f(q[a - 1 + d : b + d] - q[a - 1 : b]).sum())
        elif kind == "sites":
            low = draw(st.integers(1, n))
            high = draw(st.integers(low, n))
            terms.append(f"Sum(i*({shape.format(x='q[i]')}), (i, {low}, {high}))")
            functions.append(lambda q, f=f, a=low, b=high: (np.arange(a, b + 1) * f(q[a - 1 : b])).sum())
        elif kind == "pairs":
            low = draw(st.integers(0, 2))
            terms.append(
                f"Sum(({shape.format(x='(q[i] - q[j])')})/{n}, (j, i + {low}, {n}), (i, 1, {n - low}))"
            )
            functions.append(
                lambda q, f=f, d=low: f((q[:, None] - q)[np.triu_indices(len(q), d)]).sum() / len(q)
            )
        elif kind == "mean":
            terms.append(shape.format(x=f"(Sum(q[i], (i, 1, {n}))/{n})"))
            functions.append(lambda q, f=f: f(q.mean()))
        elif kind == "weighed":
            terms.append(f"Sum(w[i]*q[i]*q[i + 1], (i, 1, {n - 1}))")
            functions.append(lambda q: (np.linspace(1, 2, len(q))[:-1] * q[:-1] * q[1:]).sum())
        else:
            a, b = draw(st.integers(1, n)), draw(st.integers(1, n))
            terms.append(shape.format(x=f"(q{a} - 2*q{b})"))
            functions.append(lambda q, f=f, a=a, b=b: f(q[a - 1] - 2 * q[b - 1]))
    space = hs.PhaseSpace.standard(n, parameters={f"w{i}": "positive" for i in range(1, n + 1)})
    return hs.Hamiltonian(" + ".join(terms), space), lambda q: sum(f(q) for f in functions)


@settings(max_examples=25, deadline=None)
@given(sums(), st.integers(0, 2**32 - 1))
def test_slopes_of_random_sums_are_their_derivatives(drawn, seed):
    H, potential = drawn
    n = H.space.dof
    q, p = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, n))
    weights = {f"w{i}": x for i, x in enumerate(np.linspace(1, 2, n), 1)}
    velocity, force = slope_function(H)(q, p, weights)
    tilted = q + 1e-30j * np.eye(n)  # the derivative by a complex step has no error of its own
    expected = np.array([-potential(row).imag / 1e-30 for row in tilted])
    scale = 1 + abs(expected).max() + n
    assert np.array_equal(velocity, p)
    assert abs(force - expected).max() < 1e-14 * scale
    energy = value_function(H.written, H.space)(q, p, weights)
    assert abs(energy - (p @ p / 2 + potential(q))) < 1e-13 * (scale + abs(energy))


@pytest.mark.parametrize(
    ("method", "order"), [("leapfrog", 2), ("blanes_moan4", 4), ("gauss4", 4), ("kahan_li6", 6), ("tao2", 2)]
)
def test_the_order_is_measured_on_a_nonlinear_chain(method, order):
    H = chain(30, "x**2/2 + x**4/2", "q[i]**4")
    q, p = start(H)
    exact = hs.simulate(H, q, p, 0.0025, 800, save_every=800, method="kahan_li8")
    step = {2: 0.01, 4: 0.05, 6: 0.1}[order]
    errors = []
    for h in (step, step / 2):
        steps = round(2 / h)
        t = hs.simulate(H, q, p, h, steps, save_every=steps, method=method)
        errors.append(
            np.sqrt(((t.q[0, -1] - exact.q[0, -1]) ** 2).sum() + ((t.p[0, -1] - exact.p[0, -1]) ** 2).sum())
        )
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_gravity_keeps_its_integrals_and_runs_back():
    H = bodies(30, 3, "-G*m[i]*m[j]/sqrt(r2 + 1/100)")
    parameters = {"G": 1.0, "m": np.linspace(0.5, 1.5, 30)}
    q, p = start(H)
    there = hs.simulate(H, q, p, 0.002, 500, save_every=50, parameters=parameters)
    momentum = there.p.reshape(11, 30, 3).sum(1)
    assert abs(momentum - momentum[0]).max() < 1e-12
    spin = np.cross(there.q.reshape(11, 30, 3), there.p.reshape(11, 30, 3)).sum(1)
    assert abs(spin - spin[0]).max() < 1e-11
    assert abs(there.invariant("Sum(px[i], (i, 1, 30))")[0] - momentum[:, 0]).max() < 1e-12
    assert abs(there.energy_error).max() < 1e-3
    back = hs.simulate(H, there.q[:, -1], there.p[:, -1], -0.002, 500, save_every=500, parameters=parameters)
    assert abs(back.q[:, -1] - q).max() < 1e-9


def test_energy_and_forces_of_gravity_are_those_of_numpy():
    n = 100
    H = bodies(n, 3, "-G*m[i]*m[j]/sqrt(r2)")
    m = np.linspace(0.5, 1.5, n)
    parameters = parameter_values(H.space, {"G": 2.0, "m": m}, used=[H.written])
    q, p = start(H)
    x, v = q.reshape(n, 3), p.reshape(n, 3) / m[:, None]
    apart = x[:, None] - x
    distance = np.sqrt((apart**2).sum(-1)) + np.eye(n)
    force = -(2 * np.outer(m, m) / distance**3)[..., None] * apart
    velocity, found = slope_function(H)(q, p, parameters)
    assert velocity[0] == pytest.approx(v.ravel(), rel=1e-14)
    assert found[0] == pytest.approx(force.sum(1).ravel(), rel=1e-12, abs=1e-12)
    pairs = np.triu_indices(n, 1)
    energy = (m[:, None] * v**2).sum() / 2 - 2 * (np.outer(m, m) / distance)[pairs].sum()
    assert value_function(H.written, H.space)(q, p, parameters)[0] == pytest.approx(energy, rel=1e-13)


@pytest.mark.parametrize("method", ["leapfrog", "gauss4", "tao2"])
def test_bits_do_not_depend_on_storing_threads_or_company(method):
    H, parameters = CASES["springs"]
    q, p = start(H, 200)
    options = {"method": method, "parameters": parameters}
    whole = hs.simulate(H, q, p, 0.02, 12, save_every=12, threads=2, **options)
    alone = hs.simulate(H, q[137], p[137], 0.02, 12, save_every=3, threads=1, **options)
    assert np.array_equal(whole.q[137, -1], alone.q[0, -1])
    assert np.array_equal(whole.p[137, -1], alone.p[0, -1])


def test_a_lost_trajectory_leaves_the_others_intact():
    H, parameters = CASES["ring"]
    q, p = start(H, 5)
    q[3, 5] = 1e160
    with pytest.raises(hs.errors.NonFiniteError, match="trajectory 3") as caught:
        hs.simulate(H, q, p, 0.02, 10, parameters=parameters)
    others = [0, 1, 2, 4]
    apart = hs.simulate(H, q[others], p[others], 0.02, 10, parameters=parameters)
    assert np.array_equal(caught.value.partial.q[others], apart.q)


def test_huge_angles_take_the_careful_way_with_the_same_bits():
    H, _ = CASES["pendula"]
    q, p = start(H, 3)
    q[1] += 3e8
    t = hs.simulate(H, q, p, 1e-3, 20, save_every=10)
    assert np.isfinite(t.q).all()
    assert t.q[[0, 2]].tobytes() == hs.simulate(H, q[[0, 2]], p[[0, 2]], 1e-3, 20, save_every=10).q.tobytes()
    expected = hs.simulate(H, q[1], p[1], 1e-3, 20, save_every=10, strict=True)
    assert abs(t.p[1] - expected.p[0]).max() < 1e-9


def test_nothing_is_written_out(monkeypatch, tmp_path):
    """A thousand sites, from the first step to the file: no expression with as many terms is ever made."""

    def refuse(*_):
        raise AssertionError("sums were written out")

    monkeypatch.setattr("hamsym.symbolic.sums.expansion.instances", refuse)
    H = chain(1000, "x**2/2 + x**4/4", "q[i]**2/2")
    q, p = start(H)
    for method in ("auto", "leapfrog", "implicit_midpoint"):
        t = hs.simulate(H, q, p, 0.01, 4, save_every=2, method=method)
        assert abs(t.energy_error).max() < 1e-4
    assert "1000" in repr(t)
    t.save(tmp_path / "run.npz")
    assert dict(t.to_xarray().sizes) == {"trajectory": 1, "time": 3, "dof": 1000}
    t.plot("energy")
    assert hs.lyapunov_spectrum(H, q, p, 0.01, 40, count=1).exponents.shape == (1, 1)
    assert len(hs.poincare_section(H, q, p, 0.05, 100, surface="Sum(q[i], (i, 1, 1000))", direction=0)) >= 0


def test_the_tangent_map_is_symplectic_and_the_derivative():
    for name in ("two means", "gravity"):
        H, parameters = CASES[name]
        q, p = start(H)
        n = H.space.dof
        options = {"parameters": parameters, "method": "leapfrog", "save_every": 10}
        jacobian = hs.tangent_map(H, q, p, 0.01, 10, **options)[0, -1]
        form = np.block([[np.zeros((n, n)), np.eye(n)], [-np.eye(n), np.zeros((n, n))]])
        assert abs(jacobian.T @ form @ jacobian - form).max() < 1e-14
        v = np.random.default_rng(1).standard_normal(2 * n)
        ends = []
        for e in (1e-6, -1e-6):
            t = hs.simulate(H, q + e * v[:n], p + e * v[n:], 0.01, 10, **options)
            ends.append(np.concatenate([t.q[0, -1], t.p[0, -1]]))
        assert abs((ends[0] - ends[1]) / 2e-6 - jacobian @ v).max() < 1e-8


def test_samples_of_a_harmonic_chain_have_its_covariance():
    n = 50
    H = chain(n, "x**2/2", "q[i]**2/2", kinetic="p[i]**2/2 + p[i]/2")
    q = hs.sample_boltzmann(H, 4000, seed=1, hottest=1.0)
    stiffness = np.eye(n) + np.diag([1.0] + [2.0] * (n - 2) + [1.0]) - np.eye(n, k=1) - np.eye(n, k=-1)
    assert np.diag(np.cov(q.T)).mean() == pytest.approx(np.diag(np.linalg.inv(stiffness)).mean(), rel=0.03)
    assert abs(q.mean(0)).max() < 0.08


@pytest.mark.parametrize(
    ("kinetic", "constant"),
    [
        ("Sum(p[i], (i, 1, 9))**2 + Sum(p[i]**2, (i, 1, 9))", True),
        ("Sum((p[i] - Sum(p[j], (j, 1, 9))/9)**2 + p[i]**2, (i, 1, 9))", True),
        ("Sum(p[i]*p[i + 1], (i, 1, 8)) + p3", True),
        ("Sum(p[i]**2, (i, 1, 9))**2", False),
        ("Sum(sqrt(1 + p[i]**2), (i, 1, 9))", False),
        ("Sum(p[i]**2*(2 + sin(t)), (i, 1, 9))", False),
    ],
)
def test_a_constant_mass_is_seen(kinetic, constant):
    H = hs.Hamiltonian(f"{kinetic} + q1**2", hs.PhaseSpace.standard(9, time="t"))
    assert has_constant_mass(H) is constant


def test_a_family_of_parameters_is_given_at_once():
    H, parameters = CASES["own constants"]
    q, p = start(H)
    one_by_one = {f"w{i}": x for i, x in enumerate(np.linspace(1, 2, 26), 1)}
    first, second = (hs.simulate(H, q, p, 0.01, 5, parameters=k) for k in (parameters, one_by_one))
    assert np.array_equal(first.q, second.q)
    assert first.parameters == second.parameters
    same = hs.simulate(H, q, p, 0.01, 5, parameters={"w": 1.5})
    assert set(same.parameters.values()) == {1.5}
    with pytest.raises(hs.errors.ParameterError, match="26 parameters w1 … w26, and 3 values"):
        hs.simulate(H, q, p, 0.01, 5, parameters={"w": [1, 2, 3]})
    with pytest.raises(hs.errors.ParameterError, match="w26"):
        hs.simulate(H, q, p, 0.01, 5, parameters={f"w{i}": 1.0 for i in range(1, 26)})


def test_rounding_errors_of_a_method_that_does_more_than_add_are_refused():
    H, parameters = CASES["springs"]
    with pytest.raises(hs.errors.ParameterError, match="compensated"):
        hs.simulate(H, *start(H), 0.01, 5, method="tao2", compensated=True, parameters=parameters)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"), [("gravity", "leapfrog"), ("pendula", "leapfrog_drift"), ("springs", "gauss4")]
)
def test_numba_makes_the_same_bits(name, method):
    H, parameters = CASES[name]
    q, p = start(H, 2)
    scheme, values = method_named(method), parameter_values(H.space, parameters, used=[H.written])
    kernels, k = stepping_kernels(H, scheme), kernel_arguments(H, scheme, values)
    ours, theirs = (tuple(np.empty((2, 3, q.shape[1])) for _ in "qp") for _ in range(2))
    fill(kernels, (q, p, *ours), 0, 2, 0.0, 0.01, 5, k)
    kernels.module.block(q, p, *theirs, room_of(kernels), 0, 2, 0.0, 0.01, 5, 0, *k)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def embedded(n):
    """Atoms whose energies are roots of sums over their neighbours, as in a metal."""
    energy = f"sqrt(1 + Sum(exp(-(q[i] - q[j])**2), (j, 1, {n})))"
    return hs.Hamiltonian(
        f"Sum(p[i]**2/2, (i, 1, {n})) - Sum({energy}, (i, 1, {n}))", hs.PhaseSpace.standard(n)
    )


def test_sums_in_functions_of_an_index_are_written_out_as_far_as_that_goes():
    H = embedded(17)
    assert not choice.runs_in_loops(H)
    assert choice.runs_in_loops(embedded(5))
    with pytest.raises(hs.errors.FormulaError, match="smaller size"):
        hs.simulate(embedded(40), *start(embedded(40)), 0.01, 5)
