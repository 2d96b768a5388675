"""Generated code has the value of the formula, stays finite where the formula does, and is made once."""

import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hamsym import Hamiltonian, PhaseSpace
from hamsym.data.systems import systems
from hamsym.data.targets import targets
from hamsym.errors import FormulaError, NotSeparableError, ParameterError
from hamsym.numeric import cache, codegen, stepping
from hamsym.numeric.codegen import array_function, parameter_values
from hamsym.numeric.log_sum_exp import LogSumExp, shift_exponentials
from hamsym.numeric.methods import method_named
from hamsym.numeric.printing import FUNCTIONS, straight_line

X, Y = sp.symbols("x y", real=True)
MEANINGS = {"fma": lambda a, b, c: a * b + c} | {
    name: getattr(math, name.replace("power", "pow")) for name in FUNCTIONS
}


def run_lines(outputs, x, y, flavour):
    lines, results = straight_line(outputs, {X: "x", Y: "y"}, flavour=flavour)
    scope = {"math": math, "np": np, "x": x, "y": y, **MEANINGS}
    exec("\n".join(lines), scope)
    return [eval(r, scope) for r in results]


def powers():
    return st.sampled_from(
        [-4, -3, -2, -1, 2, 3, 5, 8, *[sp.Rational(n, 2) for n in (-5, -3, -1, 1, 3, 7)], sp.Rational(2, 3)]
    )


def expressions():
    """Smooth formulas whose value is moderate for x, y in [0.2, 2]."""
    leaves = st.sampled_from([X, Y, sp.Integer(2), sp.Rational(-3, 7), sp.pi, sp.sqrt(2)])

    def grow(inner):
        bounded = inner.map(lambda e: 1 + sp.tanh(e) ** 2)  # any power of it is real and moderate
        return st.one_of(
            st.tuples(inner, inner).map(lambda t: t[0] + t[1]),
            st.tuples(inner, inner).map(lambda t: t[0] * t[1]),
            st.tuples(bounded, powers()).map(lambda t: t[0] ** t[1]),
            st.tuples(st.sampled_from([sp.sin, sp.cos, sp.tanh, sp.atan, sp.tan]), inner).map(
                lambda t: t[0](t[1])
            ),
            inner.map(lambda e: sp.exp(-(e**2))),
            inner.map(lambda e: sp.log(sp.exp(-(e**2)) + 3 * sp.exp(e) / (1 + e**2))),
            bounded.map(sp.log),
        )

    return st.recursive(leaves, grow, max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(expressions(), st.floats(0.2, 2), st.floats(0.2, 2))
def test_straight_line_code_has_the_value_and_derivative_of_the_formula(expression, x, y):
    shifted = shift_exponentials(expression)
    with mpmath.workdps(50):
        wanted = [
            sp.lambdify((X, Y), e, "mpmath")(mpmath.mpf(x), mpmath.mpf(y))
            for e in (expression, expression.diff(X))
        ]
    if not all(mpmath.isfinite(w) and abs(w) < 1e6 for w in map(mpmath.mpmathify, wanted)):
        return
    for flavour in ("numba", "numpy"):
        got = run_lines([shifted, shifted.diff(X)], x, y, flavour)
        for g, w in zip(got, wanted, strict=True):
            assert abs(float(g) - float(w)) <= 1e-6 * max(1, abs(float(w)))  # tan may be near a pole


@pytest.mark.parametrize("power", [-4, -3, -2, -1, 1, 2, 3, 7, 12, 400])
@pytest.mark.parametrize("half", [False, True])
def test_integer_and_half_integer_powers_use_no_pow(power, half):
    exponent = sp.Rational(2 * power + 1, 2) if half else sp.Integer(power)
    lines, _ = straight_line([X**exponent], {X: "x"})
    assert "**" not in "\n".join(lines)
    assert len(lines) <= 16
    (value,) = run_lines([X**exponent], 1.01, 0.0, "numba")
    assert value == pytest.approx(1.01 ** float(exponent), rel=1e-13)


def test_a_repeated_quotient_is_one_division():
    r = sp.sqrt(X**2 + Y**2)
    lines, _ = straight_line([X / r**3, Y / r**3], {X: "x", Y: "y"})
    assert "\n".join(lines).count("/") == 1
    assert "\n".join(lines).count("sqrt") == 1


@pytest.mark.parametrize("radius", [1.0, 5.0, 50.0, 1e4])
@pytest.mark.parametrize("name", ["paper_rings", "paper_blobs", "asymmetric"])
def test_mixture_potential_and_force_stay_exact_far_away(name, radius):
    target = targets[name]
    q = radius * np.array([math.cos(0.3), math.sin(0.3)])
    symbols = sp.symbols("q1 q2", real=True)
    shifted = shift_exponentials(target.potential)
    lines, results = straight_line(
        [shifted, *(shifted.diff(s) for s in symbols)], dict(zip(symbols, "xy", strict=True))
    )
    scope = {"math": math, "x": q[0], "y": q[1], **MEANINGS}
    exec("\n".join(lines), scope)
    with mpmath.workdps(40):
        for result, exact in zip(
            results, [target.potential, *(target.potential.diff(s) for s in symbols)], strict=True
        ):
            wanted = sp.lambdify(symbols, exact, "mpmath")(
                *map(mpmath.mpf, q)
            )  # mpmath's exponents have no bound
            assert eval(result, scope) == pytest.approx(float(wanted), rel=1e-11, abs=1e-11)


def test_log_of_a_sum_of_exponentials_is_recognised_in_all_its_forms():
    assert isinstance(shift_exponentials(sp.log(sp.exp(X) + sp.exp(Y))), LogSumExp)
    assert isinstance(shift_exponentials(sp.log(3 * (sp.exp(X) + 1))), LogSumExp)
    assert isinstance(shift_exponentials(sp.log(X**2 * sp.exp(Y) + sp.exp(1))), LogSumExp)
    for kept in (sp.log(X + Y), sp.log(X), sp.log(sp.exp(1) + X**2)):
        assert shift_exponentials(kept) == kept
    for big in (800.0, -800.0):  # softplus
        value, slope = run_lines(
            [s := shift_exponentials(sp.log(1 + sp.exp(X))), s.diff(X)], big, 0.0, "numba"
        )
        assert (value, slope) == (max(big, 0), float(big > 0))


def test_constants_and_zeros_have_the_shape_of_the_states():
    space = PhaseSpace.standard(2)
    for expression in (sp.Integer(0), sp.Rational(1, 3), sp.pi, space.coordinates[0] * 0):
        value = array_function(sp.sympify(expression), space)(np.zeros((3, 5, 2)), np.zeros((3, 5, 2)), {})
        assert value.shape == (3, 5)
        assert np.all(value == float(expression))


def test_formulas_without_a_value_are_refused():
    space = PhaseSpace.standard(1, functions={"V": 1})
    with pytest.raises(FormulaError, match=r"'V' is declared but has no formula.*write it out"):
        codegen.separable_source(Hamiltonian("p1**2/2 + V(q1)", space))
    with pytest.raises(FormulaError, match=r"erf has no numeric form here; known: (?!.*erf)"):
        straight_line([sp.erf(X)], {X: "x"})
    with pytest.raises(FormulaError, match="outside the range"):
        codegen.separable_source(Hamiltonian("p1**2/2 + 1e399*q1**2", PhaseSpace.standard(1)))
    with pytest.raises(NotSeparableError, match=r"needs H = K\(p\) \+ U\(q\)"):
        stepping.stepping_kernels(
            Hamiltonian("p1**2*q1**2", PhaseSpace.standard(1)), method_named("leapfrog")
        )


def test_parameters_are_checked_by_name():
    space = PhaseSpace.standard(1, parameters={"mass": "positive", "k": "real"})
    used = [space.parse("p1**2/mass + k*q1")]
    assert parameter_values(space, {"k": -1, "mass": np.float32(2)}, used=used) == {"mass": 2.0, "k": -1.0}
    with pytest.raises(ParameterError, match=r"'mas'; did you mean 'mass'"):
        parameter_values(space, {"mas": 1.0, "k": 1.0}, used=used)
    with pytest.raises(ParameterError, match=r"mass have no value; pass parameters=\{'mass': 1.0\}"):
        parameter_values(space, {"k": 1.0}, used=used)
    with pytest.raises(ParameterError, match="'mass' is a positive number"):
        parameter_values(space, {"k": 1.0, "mass": 0.0}, used=used)
    for bad in (math.nan, math.inf, "1", None, True, 1j):
        with pytest.raises(ParameterError, match="'k'"):
            parameter_values(space, {"k": bad, "mass": 1.0}, used=used)
    with pytest.raises(ParameterError, match="mapping"):
        parameter_values(space, [1.0], used=used)


def kernels_in(folder: Path, hash_seed: str = "0", extra: str = "", run: bool = True) -> str:
    """Build kernels, and run them, in a fresh process whose cache is ``folder``; returns what it prints."""
    script = f"""
import numpy as np, sys
from hamsym import Hamiltonian, PhaseSpace
from hamsym.numeric import stepping
from hamsym.numeric.methods import method_named
{extra}
H = Hamiltonian("p1**2/2 + p2**2/2 - log(exp(-(q1-1)**2) + exp(-q2**2*7)) + k*q1**4*q2", PhaseSpace.standard(2, parameters={{"k": "real"}}))
m = stepping.stepping_kernels(H, method_named("leapfrog"))
q, out = np.full((1, 2), 0.3), np.empty((2, 1, 3, 2))
if {run}: m.one(q, q, *out, 0, 0.0, 0.01, 5, 0.5)
print("numba" in sys.modules, out.tobytes().hex())
"""
    environment = os.environ | {"HAMSYM_CACHE_DIR": str(folder), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_second_process_neither_differentiates_nor_compiles(tmp_path):
    first = kernels_in(tmp_path)
    assert first.startswith("False")  # not even the first one needs numba
    (code,) = tmp_path.glob("*.code")
    written = code.stat().st_mtime_ns
    forbid = (
        "from hamsym.numeric import cache\n"
        "def stop(*a): raise AssertionError('made the code again')\n"
        "stepping._step_source = cache.assembled = stop"
    )
    assert kernels_in(tmp_path, extra=forbid) == first
    (source,) = tmp_path.glob("*.py")
    source.unlink()  # the machine code is enough
    assert kernels_in(tmp_path, extra=forbid) == first
    assert code.stat().st_mtime_ns == written
    (tmp_path / "file").write_text("")  # where no folder can be made, the same numbers come from memory
    assert kernels_in(tmp_path / "file" / "folder") == first


def test_numba_has_the_same_bits_and_its_own_files(tmp_path):
    with_numba = "from hamsym.numeric import cache\ncache.processor = lambda: None"
    first = kernels_in(tmp_path, extra=with_numba)
    assert first.startswith("True")
    assert first.split()[1] == kernels_in(tmp_path / "other").split()[1]
    compiled = sorted(p.name for p in tmp_path.rglob("*.nbc"))
    assert compiled
    forbid = f"{with_numba}\ndef stop(*a): raise AssertionError('wrote the source again')\nstepping._step_source = stop"
    assert kernels_in(tmp_path, extra=forbid) == first
    assert sorted(p.name for p in tmp_path.rglob("*.nbc")) == compiled
    (source,) = tmp_path.glob("*.py")
    source.write_text(source.read_text()[:-40])  # a torn file
    assert kernels_in(tmp_path, extra=with_numba) == first
    (tmp_path / "file").write_text("")
    assert kernels_in(tmp_path / "file" / "folder", extra=with_numba) == first


def test_source_does_not_depend_on_hash_seeds(tmp_path):
    texts = set()
    for seed in ("1", "2"):
        kernels_in(tmp_path / seed, seed, run=False)
        (source,) = (tmp_path / seed).glob("*.py")
        texts.add(source.read_text())
    assert len(texts) == 1


def test_new_parameter_values_need_no_new_code(monkeypatch):
    space = PhaseSpace.standard(1, parameters={"k": "positive"})
    kernels = stepping.stepping_kernels(Hamiltonian("p1**2/2 + k*q1**2", space), method_named("leapfrog"))
    q = np.ones((1, 1))
    states = (q, q, *np.empty((2, 1, 2, 1)))
    kernels.one(*states, 0, 0.0, 0.1, 1, 1.0)
    monkeypatch.setattr(cache, "loaded", None)
    monkeypatch.setattr(cache, "assembled", None)
    first = states[2].copy()
    kernels.one(*states, 0, 0.0, 0.1, 1, 2.0)
    assert not np.array_equal(states[2], first)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HAMSYM_CACHE_DIR", str(tmp_path))
    assert cache.cache_folder() == tmp_path
    monkeypatch.delenv("HAMSYM_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache.cache_folder() == tmp_path / "hamsym"


@pytest.mark.parametrize("damage", [b"", b"\x80\x05garbage", None], ids=["empty", "garbage", "truncated"])
def test_damaged_compiled_code_is_compiled_again(tmp_path, damage):
    """In child processes: numba's files are spoiled between two runs of the same formula."""
    script = (
        "import numpy as np, hamsym as hs\n"
        "from hamsym.numeric import cache\n"
        "cache.processor = lambda: None\n"
        "H = hs.Hamiltonian('p1**2/2 + q1**4/4', hs.PhaseSpace.standard(1))\n"
        "print(hs.simulate(H, [[1.0]], [[0.5]], dt=0.1, steps=20).q.sum())\n"
    )
    run = partial(
        subprocess.run, [sys.executable, "-c", script], env=os.environ | {"HAMSYM_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    first = run().stdout
    spoiled = list((tmp_path / "__pycache__").glob("*.nb[ic]"))
    assert spoiled
    for file in spoiled:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if damage is None else damage)
    assert run().stdout == first


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("henon_heiles", "yoshida4"),
        pytest.param("pendulum", "leapfrog", marks=pytest.mark.slow),
        pytest.param("kepler", "pefrl", marks=pytest.mark.slow),
    ],
)
def test_brief_loops_have_the_bits_of_unrolled_ones(name, method):
    system = systems[name]
    q, p = system.initial_states(60, seed=1)
    results = []
    for work, every in ((1.0, 1), (math.inf, 1), (math.inf, 10)):
        kernels = stepping.stepping_kernels(
            system.hamiltonian, method_named(method), work=work, save_every=every
        )
        out = np.empty((2, 60, 5, q.shape[1]))
        stepping.fill(kernels, (q, p, *out), 0, 60, 0.0, 0.02, 7, tuple(system.parameters.values()))
        results.append(out)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    assert np.isfinite(results[0]).all()


@pytest.mark.parametrize("shape", ["products", "plain", "exponentials"])
def test_long_sums_are_not_nested_deeper_than_python_reads(shape):
    """Python reads 200 parentheses within one another, and a walk through its tree goes 1000 deep; values are as in floats."""
    x, y = sp.symbols("x y", real=True)
    terms = {
        "products": lambda k: (-1) ** k * y * sp.sin(x + k),
        "plain": lambda k: (-1) ** k * sp.sin(x + k),
        "exponentials": lambda k: sp.exp(-k * x) * (1 + y**2),
    }[shape]
    count = 250
    expression = sp.Add(*map(terms, range(1, count + 1)), evaluate=False)
    if shape == "exponentials":
        expression = shift_exponentials(sp.log(expression))
    lines, (result,) = straight_line([expression], {x: "x", y: "y"})
    scope = {
        "math": math,
        "sin": math.sin,
        "exp": math.exp,
        "log": math.log,
        "fma": lambda a, b, c: a * b + c,
    }
    scope |= {"x": 0.3, "y": 0.7}
    exec("\n".join(lines), scope)
    values = [float(terms(k).subs({x: 0.3, y: 0.7})) for k in range(1, count + 1)]
    expected = math.log(math.fsum(values)) if shape == "exponentials" else math.fsum(values)
    assert scope[result] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert max(line.count("(") + line.count(" + ") + line.count(" - ") for line in lines) < 200
