"""Trajectories: the laws of symplectic integration, independent solutions, and every kind of bad input."""

import json
import math
import sys

import matplotlib
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.data.systems import systems
from hamsym.errors import (
    FormulaError,
    HamsymError,
    NonFiniteError,
    NotSeparableError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from hamsym.numeric.methods import Splitting

matplotlib.use("Agg")
METHODS = [m.name for m in hs.methods()]
SPLITTINGS = [m for m in hs.methods() if isinstance(m, Splitting)]
#: Steps whose round-off stays far below the bounds of the tests.
STEPS, DT = 200, 0.02


def run(name, q, p, dt=DT, steps=STEPS, **options):
    system = systems[name]
    return hs.simulate(system.hamiltonian, q, p, dt, steps, parameters=system.parameters, **options)


@pytest.mark.parametrize("method", SPLITTINGS, ids=[m.name for m in SPLITTINGS])
def test_tables_are_symmetric_and_consistent(method):
    assert sum(method.outer) == pytest.approx(1, abs=1e-14)
    assert sum(method.inner) == pytest.approx(1, abs=1e-14)
    assert method.outer == pytest.approx(method.outer[::-1], abs=1e-15)
    assert method.inner == pytest.approx(method.inner[::-1], abs=1e-15)
    assert len(method.outer) == len(method.inner) + 1 == method.evaluations + 1
    assert method.separable_only
    is_composition = method.outer[0] == method.inner[0] / 2
    for power in range(3, method.order, 2):  # conditions of a composition of leapfrogs (HLW, section V.3.2)
        total = sum(w**power for w in method.inner)
        assert total == pytest.approx(0, abs=2e-13) or not is_composition


@pytest.mark.parametrize("name", ["pendulum", "henon_heiles", "kepler", "double_pendulum"])
def test_agrees_with_an_adaptive_solver_of_the_equations_of_motion(name):
    system = systems[name]
    q, p = system.initial_states(2, seed=4)
    ours = run(name, q, p, dt=5e-3, steps=800, save_every=200, method="auto")
    space, equations = system.hamiltonian.space, system.hamiltonian.equations()
    values = {s: system.parameters[n] for n, s in space.parameters.items()}
    import sympy as sp

    slopes = sp.lambdify([space.variables], [equations[v].subs(values) for v in space.variables])
    for i in range(2):
        theirs = solve_ivp(
            lambda t, s: slopes(s), (0, 4), [*q[i], *p[i]], "DOP853", t_eval=ours.t, rtol=3e-14, atol=1e-15
        ).y.T
        scale = 1 + np.abs(theirs).max() ** 2
        assert np.abs(np.concatenate([ours.q[i], ours.p[i]], axis=-1) - theirs).max() < 1e-12 * scale


def test_harmonic_leapfrog_has_its_exact_modified_frequency():
    """Leapfrog on H = (p²+q²)/2 turns by 2 asin(h/2) a step (Hairer, Lubich, Wanner, section I.5)."""
    h, n = 0.3, 50
    q = run("harmonic_oscillator", [[1.0]], [[0.0]], dt=h, steps=n).q[0, :, 0]
    assert np.abs(q - np.cos(np.arange(n + 1) * 2 * math.asin(h / 2))).max() < 1e-13


@pytest.mark.parametrize(
    ("method", "name"),
    [(m, "henon_heiles") for m in METHODS]
    + [pytest.param(m, "kepler", marks=pytest.mark.slow) for m in METHODS],
)
def test_bits_do_not_depend_on_storing_threads_or_company(name, method):
    q, p = systems[name].initial_states(45, seed=2)  # two full blocks and a part
    every = run(name, q, p, steps=210, method=method, threads=1)
    assert every.q.shape == (45, 211, 2)
    for stride in (2, 7, 10, 30, 210):
        some = run(name, q, p, steps=210, save_every=stride, method=method, threads=2)
        assert np.array_equal(some.q, every.q[:, ::stride])
        assert np.array_equal(some.p, every.p[:, ::stride])
        assert np.array_equal(some.t, every.t[::stride])
    alone = run(name, q[7], p[7], steps=210, method=method)
    assert np.array_equal(alone.q[0], every.q[7])


def driven(formula):
    """A space with one degree of freedom and a time, and a run of it from t0 = 0.3."""
    H = hs.Hamiltonian(formula, hs.PhaseSpace.standard(1, time="t"))

    def run_it(q, p, dt, steps, **options):
        return hs.simulate(H, q, p, dt, steps, t0=0.3, **options)

    return H, run_it


TIMED = ["p1**2/2 - cos(q1)*(1 + sin(2*t)/2)", "p1**2*exp(-t/3)/2 + exp(t/3)*q1**4/4 - q1*cos(t)"]


@pytest.mark.parametrize("formula", TIMED, ids=["potential", "both"])
@pytest.mark.parametrize(
    "method", ["leapfrog", "leapfrog_drift", "pefrl", "kahan_li6", "blanes_moan4", "gauss4", "tao2"]
)
def test_a_driven_system_is_stepped_with_the_order_of_the_method(formula, method):
    H, run_it = driven(formula)
    method = next(m for m in hs.methods() if m.name == method)
    if method.quadratic_kinetic and formula == TIMED[1]:
        with pytest.raises(NotSeparableError, match="constant mass matrix"):
            run_it([0.8], [0.1], 0.1, 10, method=method)
        return
    q1, p1, t = (H.space.symbols[n] for n in ("q1", "p1", "t"))
    velocity, force = (math_function(H.expr.diff(x), q1, p1, t) for x in (p1, q1))
    exact = solve_ivp(
        lambda t, s: [velocity(*s, t), -force(*s, t)],
        (0.3, 4.3),
        [0.8, 0.1],
        "DOP853",
        rtol=1e-13,
        atol=1e-14,
    ).y[0, -1]
    base = {2: 64, 4: 32, 6: 16}[method.order]
    errors = [
        abs(run_it([0.8], [0.1], 4 / n, n, method=method).q[0, -1, 0] - exact) for n in (base, 2 * base)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - method.order) < 0.15, errors


def math_function(expression, *symbols):
    import sympy as sp

    return sp.lambdify(symbols, expression, "math")


def test_the_time_of_a_driven_system_is_that_of_the_trajectory():
    _, run_it = driven(TIMED[0])
    q, p = np.linspace(-1, 1, 20)[:, None], np.zeros((20, 1))
    there = run_it(q, p, 0.01, 123, save_every=41)
    assert there.t == pytest.approx(0.3 + 0.41 * np.arange(4))
    by_hand = there.p[..., 0] ** 2 / 2 - np.cos(there.q[..., 0]) * (1 + np.sin(2 * there.t) / 2)
    assert np.abs(there.energy - by_hand).max() < 1e-14
    assert "error" not in repr(there) and "driven" in repr(there)  # the energy is meant to change
    every = run_it(q, p, 0.01, 123, save_every=1)
    assert np.array_equal(every.q[:, ::41], there.q)
    assert np.array_equal(run_it(q[3], p[3], 0.01, 123, save_every=41).q[0], there.q[3])
    back = hs.simulate(there.hamiltonian, there.q[:, -1], there.p[:, -1], -0.01, 123, t0=there.t[-1])
    assert np.abs(back.q[:, -1] - q).max() < 1e-13
    with pytest.raises(FormulaError, match="depends on the time t"):
        hs.sample_boltzmann(there.hamiltonian, 100)


@pytest.mark.parametrize("name", ["henon_heiles", "kepler"])
def test_compensated_sums_lose_far_less_to_rounding(name):
    """Forward and backward with many steps: the exact step is reversible, so what is missing is round-off."""
    q, p = systems[name].initial_states(16, seed=8)
    missing = {}
    for compensated in (False, True):
        options = {"method": "blanes_moan6", "compensated": compensated}
        there = run(name, q, p, dt=0.002, steps=20_000, save_every=20_000, **options)
        back = run(
            name, there.q[:, -1], there.p[:, -1], dt=-0.002, steps=20_000, save_every=20_000, **options
        )
        missing[compensated] = np.sqrt(np.mean((back.q[:, -1] - q) ** 2))
    assert missing[True] < missing[False] / 20


def test_auto_says_what_it_took():
    q, p = systems["kepler"].initial_states(2)
    t = run("kepler", q, p, method="auto")
    assert (t.method, t.automatic) == ("blanes_moan6", True)
    assert "blanes_moan6 (chosen automatically)" in repr(t)
    assert "automatically" not in repr(run("kepler", q, p))
    H = hs.Hamiltonian("sqrt(1 + p1**2) + q1**2/2", hs.PhaseSpace.standard(1))
    assert hs.simulate(H, [1.0], [0.0], 0.1, 10, method="auto").method == "kahan_li6"
    with pytest.raises(
        NotSeparableError, match=r"blanes_moan4 needs .*constant mass matrix.*use method='yoshida4' or"
    ):
        hs.simulate(H, [1.0], [0.0], 0.1, 10, method="blanes_moan4")


def test_first_state_is_the_initial_state_and_times_count_steps():
    q, p = systems["henon_heiles"].initial_states(4)
    t = run("henon_heiles", q, p, dt=0.1, steps=25, save_every=10)
    assert np.array_equal(t.q[:, 0], q)
    assert np.array_equal(t.p[:, 0], p)
    assert t.t == pytest.approx([0, 1, 2])
    assert len(t) == 4
    assert run("henon_heiles", q, p, dt=-0.1, steps=10).t[-1] == pytest.approx(-1)


def test_energy_invariants_and_their_types():
    q, p = systems["kepler"].initial_states(3)
    t = run("kepler", q, p)
    by_hand = (t.p**2).sum(-1) / 2 - 1 / np.hypot(t.q[..., 0], t.q[..., 1])
    assert np.abs(t.energy - by_hand).max() < 1e-14
    g = hs.angular_momentum(t.hamiltonian.space, 0, 1)
    assert np.array_equal(t.invariant(g), t.invariant("q1*p2 - q2*p1"))
    assert np.array_equal(t.invariant(g.expr), t.invariant(g))
    assert np.all(t.invariant("2") == 2.0)
    assert t.invariant("2").shape == (3, STEPS + 1)
    with pytest.raises(FormulaError, match="q3"):
        t.invariant("q3")


def test_xarray_plots_and_text():
    q, p = systems["kepler"].initial_states(3)
    t = run("kepler", q, p, save_every=50)
    data = t.to_xarray()
    assert data.q.dims == ("trajectory", "time", "dof")
    assert np.array_equal(data.energy, t.energy)
    assert data.attrs["method"] == "leapfrog"
    assert data.attrs["parameter_k"] == 1.0
    assert t.hamiltonian.space.parse(data.attrs["hamiltonian"]) == t.hamiltonian.expr
    frame = t.to_pandas()
    assert np.array_equal(frame["p2"], t.p[..., 1].ravel())
    assert frame.groupby("trajectory").time.apply(list).tolist() == [t.t.tolist()] * 3
    assert frame.attrs["parameters"] == {"k": 1.0}
    assert "kepler" not in repr(t)
    assert "3 trajectories × 5 times × 2" in repr(t)
    assert "<table>" in t._repr_html_()
    for kind in ("phase", "configuration", "energy"):
        assert len(t.plot(kind).lines) == 3
    assert t.plot("phase", dof=1).get_ylabel() == "p2"
    matplotlib.pyplot.close("all")
    for wrong in ({"kind": "3d"}, {"kind": "configuration", "dof": 1}, {"dof": -1}, {"trajectories": 0}):
        with pytest.raises(ParameterError, match=r"kind|dof|trajectories"):
            t.plot(**wrong)
    with pytest.raises(ParameterError, match="kind"):
        run("pendulum", [0.1], [0.0]).plot("configuration")


def test_a_plotted_section_holds_the_located_crossings_and_is_saved(tmp_path):
    q, p = systems["henon_heiles"].initial_states(2)
    t = run("henon_heiles", q, p, steps=4000, save_every=40)
    steps = 4000
    section = hs.poincare_section(t.hamiltonian, q, p, t.dt, steps, surface="q1", method=t.method)
    ax = t.plot("section", path=tmp_path / "section.png")
    assert np.array_equal(
        ax.collections[0].get_offsets(), np.stack([section.q[:, 1], section.p[:, 1]], axis=1)
    )
    assert len(section) > 4 and (tmp_path / "section.png").stat().st_size > 1000
    matplotlib.pyplot.close("all")


def test_drift_is_relative_to_the_start():
    q, p = systems["kepler"].initial_states(3)
    t = run("kepler", q, p, save_every=50)
    momentum = t.invariant("q1*p2 - q2*p1")
    assert np.array_equal(t.drift(t.hamiltonian.expr), t.energy_error)
    assert np.array_equal(t.drift("100*(q1*p2 - q2*p1)")[:, 0], np.zeros(3))
    assert np.array_equal(t.drift("q1*p2 - q2*p1"), (momentum - momentum[:, :1]) / np.abs(momentum[:, :1]))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_relative_errors_do_not_depend_on_units(unit):
    """Speeds in another unit: p → up, k → u²k, dt → dt/u is the same orbit with the energy u²H."""
    H, (q, p) = systems["kepler"].hamiltonian, systems["kepler"].initial_states(3)
    one = hs.simulate(H, q, p, 0.01, 200, parameters={"k": 1.0})
    other = hs.simulate(H, q, unit * p, 0.01 / unit, 200, parameters={"k": unit**2})
    assert np.allclose(other.energy, unit**2 * one.energy, rtol=1e-9)
    assert np.allclose(other.energy_error, one.energy_error, rtol=1e-6, atol=1e-12)
    assert 1e-7 < np.abs(one.energy_error).max() < 0.1


def test_where_terms_cancel_errors_are_relative_to_the_terms():
    H = systems["kepler"].hamiltonian
    parabola = hs.simulate(H, [1.0, 0.0], [0.0, np.sqrt(2)], 1e-3, 500, parameters={"k": 1.0})
    assert abs(parabola.energy[0, 0]) < 1e-15  # K = 1 and U = -1
    change = parabola.energy - parabola.energy[:, :1]
    assert np.allclose(parabola.energy_error, change / 0.02, rtol=1e-12, atol=1e-25)
    # two particles apart: neither the momentum nor its parts are there at rest, then each is and the sum is not
    space = hs.PhaseSpace.standard(60)
    chain = hs.Hamiltonian("Sum(p[i]**2/2, (i, 1, 60)) + Sum((q[i+1] - q[i])**4/4, (i, 1, 59))", space)
    p = np.repeat([[1.0], [-1.0]], 30, axis=1).reshape(1, 60)
    t = hs.simulate(chain, np.zeros((1, 60)), p, 0.01, 50)
    total = "Sum(p[i], (i, 1, 60))"
    assert np.allclose(t.drift(total), t.invariant(total) / 0.6, rtol=1e-12, atol=1e-25)
    rest = hs.simulate(chain, np.zeros((1, 60)), np.zeros((1, 60)), 0.01, 5)
    assert (rest.energy_error == 0).all() and (rest.drift(total) == 0).all()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_bar_counts_trajectories_on_a_terminal(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    q, p = systems["henon_heiles"].initial_states(40)
    run("henon_heiles", q, p, progress=True, threads=2)
    shown = capsys.readouterr().err
    assert "40/40" in shown if terminal else shown == ""


def test_npz_files_say_how_they_were_made(tmp_path):
    q, p = systems["kepler"].initial_states(3)
    t = run("kepler", q, p, save_every=50, method="yoshida4", compensated=True)
    with np.load(t.save(tmp_path / "run.npz"), allow_pickle=False) as saved:
        settings = json.loads(str(saved["settings"]))
        state = saved["q"][:, 0], saved["p"][:, 0], saved["t"]
    space = hs.PhaseSpace(
        settings["coordinates"],
        settings["momenta"],
        parameters=dict.fromkeys(settings["parameters"], "positive"),
    )
    H = hs.Hamiltonian(settings["hamiltonian"], space)
    assert H == t.hamiltonian
    again = hs.simulate(
        H,
        *state[:2],
        settings["dt"],
        STEPS,
        save_every=50,
        method=settings["method"],
        parameters=settings["parameters"],
        compensated=settings["compensated"],
    )
    assert np.array_equal(again.q, t.q) and np.array_equal(again.t, state[2])


def test_a_lost_trajectory_is_named_and_the_others_are_kept():
    H = hs.Hamiltonian("p1**2/2 - c*q1**4", hs.PhaseSpace.standard(1, parameters={"c": "positive"}))
    q = np.full((40, 1), 0.1)
    q[[17, 30]] = 3.0
    with pytest.raises(
        NonFiniteError, match=r"trajectory 17 \(and 1 more\).*t = .*dt = 0.05.*'c': 1.0"
    ) as caught:
        hs.simulate(H, q, np.zeros_like(q), 0.05, 60, parameters={"c": 1.0})
    partial = caught.value.partial
    assert caught.value.index == 17
    before = round(caught.value.time / 0.05) - 1
    assert np.isfinite(partial.q[17, before]).all()
    assert not np.isfinite(partial.p[17, before + 1] + partial.q[17, before + 1]).all()
    others = np.delete(np.arange(40), [17, 30])
    assert np.isfinite(partial.q[others]).all()
    alone = hs.simulate(H, q[:3], np.zeros((3, 1)), 0.05, 60, parameters={"c": 1.0})
    assert np.array_equal(partial.q[:3], alone.q)


GOOD = {"q0": [[0.1, 0.2]], "p0": [[0.0, 0.1]], "dt": 0.1, "steps": 10}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q0": [[0.1]]}, ShapeError, r"q0 has the shape \(1, 1\); its last axis must have length 2"),
        ({"q0": [[0.1, 0.2], [0.3, 0.4]]}, ShapeError, r"q0 has the shape \(2, 2\) but p0 \(1, 2\)"),
        ({"q0": np.zeros((1, 1, 2))}, ShapeError, r"it is \(batch, 2\)"),
        ({"q0": np.zeros((0, 2)), "p0": np.zeros((0, 2))}, ShapeError, "at least one"),
        ({"q0": "text"}, ShapeError, "array of real numbers"),
        ({"q0": None}, ShapeError, "array of real numbers"),
        ({"q0": [[1j, 0]]}, ShapeError, "array of real numbers"),
        ({"q0": [["a", "b"]]}, ShapeError, "array of real numbers"),
        ({"q0": [[1.0, 2.0], [3.0]]}, ShapeError, "array of real numbers"),
        ({"p0": [[0.0, math.nan]]}, NonFiniteError, r"trajectory 0: p0\[0, 1\] is nan"),
        ({"q0": [[1, 2], [math.inf, 0]], "p0": np.zeros((2, 2))}, NonFiniteError, r"trajectory 1: q0\[1, 0\] is inf"),
        ({"dt": 0}, ParameterError, "dt is not zero"),
        ({"dt": math.nan}, ParameterError, "dt is a finite"),
        ({"dt": "0.1"}, ParameterError, "dt is a finite number"),
        ({"dt": None}, ParameterError, "dt is a finite number"),
        ({"steps": 2.5}, ParameterError, "steps is a whole number"),
        ({"steps": True}, ParameterError, "steps is a whole number"),
        ({"steps": 0}, ParameterError, "steps is at least 1"),
        ({"steps": -4}, ParameterError, "steps is at least 1"),
        ({"steps": 10**30, "save_every": 10**30}, ParameterError, "save_every is at most"),
        ({"steps": 10**15}, ParameterError, r"would take 3.2e\+07 GB; raise save_every"),
        ({"save_every": 0}, ParameterError, "save_every is at least 1"),
        ({"save_every": 11}, ParameterError, "nothing would be stored"),
        ({"threads": 0}, ParameterError, "threads is at least 1"),
        ({"method": "leapfrogg"}, UnknownNameError, "did you mean 'leapfrog'"),
        ({"method": 3}, UnknownNameError, "no method"),
        ({"parameters": {"k": 1.0}}, ParameterError, "no parameter 'k'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_with_the_remedy(change, error, message):
    arguments = GOOD | change
    H = systems["henon_heiles"].hamiltonian
    with pytest.raises(error, match=message) as caught:
        hs.simulate(H, arguments.pop("q0"), arguments.pop("p0"), **arguments)
    assert isinstance(caught.value, HamsymError)


def test_what_cannot_be_stepped_is_refused():
    pendulum = systems["double_pendulum"]
    with pytest.raises(
        NotSeparableError, match=r"leapfrog needs H = K\(p\) \+ U\(q\).*'gauss4'.*'tao4'.*'auto'"
    ) as caught:
        run("double_pendulum", *pendulum.initial_states(2))
    assert len(str(caught.value)) < 560
    with pytest.raises(ParameterError, match="write Hamiltonian"):
        hs.simulate("p1**2/2", [[1.0]], [[0.0]], 0.1, 10)
    with pytest.raises(ParameterError, match="k have no value"):
        hs.simulate(systems["kepler"].hamiltonian, [1.0, 0.0], [0.0, 1.0], 0.1, 10)
    with pytest.raises(ParameterError, match="tao2 does more than add"):
        run("double_pendulum", *pendulum.initial_states(2), method="tao2", compensated=True)
    top = hs.Hamiltonian("L1**2 + L2**2/2", hs.LiePoissonSpace("L1 L2 L3", "so3"))
    for method in METHODS:
        with pytest.raises(NotSeparableError, match=r"no momenta.*H\.equations\(\)"):
            hs.simulate(top, [[1.0]], [[0.0]], 0.1, 10, method=method)


def test_a_singularity_at_the_start_is_reported_not_returned():
    with pytest.raises(NonFiniteError, match="trajectory 0") as caught:
        run("kepler", [[0.0, 0.0]], [[0.0, 0.0]])
    assert caught.value.time == pytest.approx(DT)


@pytest.mark.slow
def test_energy_does_not_drift_in_ten_million_compensated_steps():
    """48 000 periods of Kepler: what is left is the bounded oscillation of the method."""
    options = {
        "dt": 0.03,
        "steps": 10_000_000,
        "save_every": 10_000,
        "method": "blanes_moan6",
        "compensated": True,
    }
    t = run("kepler", [[0.7, 0.0]], [[0.0, math.sqrt(1.3 / 0.7)]], **options)
    error = t.energy_error[0]
    drift = np.polyfit(t.t, error, 1)[0] * t.t[-1]
    assert abs(drift) < 2e-14
    assert np.abs(error).max() < 1e-13
    momentum = t.invariant("q1*p2 - q2*p1")
    assert np.abs(momentum - momentum[0, 0]).max() < 2e-14
