"""Machine code of kernels: the bits of numba's, on disk and in memory, damaged, foreign, refused."""

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import hamsym as hs
from hamsym.numeric import cache, machine_code
from hamsym.numeric.cache import Kernels
from hamsym.numeric.lowering import ArrayType, Module, UnknownSyntax, lowered
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import fill, fill_one, kernel_arguments, stepping_kernels

pytestmark = pytest.mark.skipif(machine_code.processor() is None, reason="numba does everything here")

VECTOR = ArrayType("f", 1, True, True)


def run_lowered(source: str, name: str, *arguments) -> None:
    types, buffer = machine_code.packed(arguments)
    text = lowered(Module(source), name, types)
    machine_code.loaded(machine_code.assembled(text), machine_code.needed(text))(buffer)


def child(folder: Path, body: str) -> str:
    """What a fresh process prints that simulates a pendulum after the lines of ``body``."""
    script = f"""
import sys, numpy as np, hamsym as hs
from hamsym.numeric import cache, machine_code
def stop(*a): raise AssertionError("compiled again")
{body}
H = hs.Hamiltonian("p1**2/2 - cos(q1)", hs.PhaseSpace.standard(1))
q = np.linspace(0.1, 3.0, 7)[:, None]
t = hs.simulate(H, q, 0*q, dt=0.1, steps=50, save_every=5)
one = hs.simulate(H, q[0], 0*q[0], dt=0.1, steps=50, save_every=5)
print("numba" in sys.modules, (t.q.tobytes() + t.p.tobytes() + one.q.tobytes()).hex())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"HAMSYM_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder that a first process filled, and what it printed."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, child(folder, "")


def test_a_later_process_loads_without_numba_and_without_compiling(filled):
    folder, first = filled
    assert first.startswith("False ")
    assert child(folder, "cache.assembled = cache.lowered = stop") == first
    assert not [f for f in folder.iterdir() if f.suffix not in (".py", ".code")]


def test_numba_computes_the_same_bits(filled, tmp_path):
    words = child(tmp_path, "cache.processor = lambda: None").split()
    assert words == ["True", filled[1].split()[1]]


def test_old_and_foreign_platforms_leave_everything_to_numba(monkeypatch):
    assert machine_code.processor.__wrapped__() == machine_code.processor()
    with monkeypatch.context() as patch:
        patch.setattr(machine_code, "_OLDEST", (1000,))
        assert machine_code.processor.__wrapped__() is None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        assert machine_code.processor.__wrapped__() is None
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "llvmlite.binding", None)
        patch.delattr("llvmlite.binding")
        assert machine_code.processor.__wrapped__() is None


def test_code_for_another_processor_is_left_alone(filled):
    folder, first = filled
    own = {f: f.read_bytes() for f in folder.glob("*.code")}
    other = "old = machine_code.processor\ncache.processor = lambda: old() + ',+unheard-of'\n"
    assert child(folder, other) == first
    assert len(list(folder.glob("*.code"))) == 2 * len(own)
    assert all(f.read_bytes() == content for f, content in own.items())


def test_any_flipped_byte_and_any_truncation_is_seen(filled, tmp_path):
    folder, _ = filled
    whole = max(folder.glob("*.code"), key=lambda f: f.stat().st_mtime_ns).read_bytes()
    path = tmp_path / "some.code"
    path.write_bytes(whole)
    archive = machine_code.Archive.read(path)
    assert archive is not None and any(archive.codes.values())
    places = {*range(0, 120), *range(120, len(whole), 97), len(whole) - 1}
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert machine_code.Archive.read(path) is None, place
        path.write_bytes(whole[:place])
        assert machine_code.Archive.read(path) is None, place
    path.write_bytes(whole + b"\0")
    assert machine_code.Archive.read(path) is None


def test_damaged_code_is_made_again(tmp_path):
    first = child(tmp_path, "")
    kept = {f: f.read_bytes() for f in tmp_path.glob("*.code")}
    assert kept
    for file, content in kept.items():
        file.write_bytes(content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :])
    assert child(tmp_path, "") == first
    assert {f: f.read_bytes() for f in kept} == kept  # and it is the same code


def test_without_a_home_everything_is_in_memory(filled):
    assert child(Path("~no-such-user/cache"), "") == filled[1]


def test_numba_does_without_a_place_for_its_code(filled, tmp_path):
    body = """
cache.processor = lambda: None
from numba.core import caching
def full(*a): raise OSError(28, "No space left on device")
caching.IndexDataCacheFile.save = full
"""
    assert child(tmp_path, body).split()[1] == filled[1].split()[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_another_thread_compiles_can_compile_too(tmp_path):
    script = """
import os, signal, threading, hamsym as hs
from hamsym.numeric import cache
H = hs.Hamiltonian("p1**2/2 + q1**4/4", hs.PhaseSpace.standard(1))
made, compiling = cache.assembled, threading.Event()
def slow(text):
    compiling.set()
    threading.Event().wait(0.5)
    return made(text)
cache.assembled = slow
run = lambda: hs.simulate(H, [1.0], [0.0], 0.01, 10)
thread = threading.Thread(target=run)
thread.start()
compiling.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    run()
    os._exit(0)
thread.join()
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"HAMSYM_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.stdout == "0\n", done.stderr


def test_processes_may_race(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: child(tmp_path, ""), range(3)))
    assert len(set(results)) == 1 and results[0].startswith("False ")
    assert child(tmp_path, "") == results[0]
    assert not [
        f for f in tmp_path.iterdir() if f.suffix not in (".py", ".code")
    ]  # nothing half-written stays


def test_what_two_processes_add_to_one_file_is_all_kept(tmp_path):
    path = tmp_path / "a.code"
    for name in ("one", "two"):
        archive = machine_code.Archive({"WIDTH": 8}, ["one", "two"])
        archive.codes[name] = (name.encode(), ["sin"])
        archive.codes["refused"] = None
        archive.write(path)
    found = machine_code.Archive.read(path)
    assert found.codes == {"one": (b"one", ["sin"]), "two": (b"two", ["sin"]), "refused": None}
    assert found.constants == {"WIDTH": 8} and found.kernels == ["one", "two"]


def test_code_that_needs_what_is_not_here_is_not_loaded():
    text = "declare double @no_such_function(double)\n\ndefine void @entry(ptr %b) {\n  ret void\n}\n"
    code = machine_code.assembled(text)
    assert machine_code.needed(text) == ["no_such_function"]
    assert machine_code.loaded(code, machine_code.needed(text)) is None
    assert machine_code.loaded(code, []) is not None


@pytest.mark.parametrize(
    ("name", "method", "strict"),
    [
        ("henon_heiles", "leapfrog", False),
        ("double_pendulum", "tao2", False),
        ("pendulum", "leapfrog", True),
        pytest.param("kepler", "pefrl", False, marks=pytest.mark.slow),
        pytest.param("double_pendulum", "gauss4", False, marks=pytest.mark.slow),
        pytest.param("toda_periodic", "yoshida6", True, marks=pytest.mark.slow),
        pytest.param("fpu", "leapfrog", False, marks=pytest.mark.slow),
    ],
)
def test_kernels_have_the_bits_of_numba(name, method, strict, monkeypatch):
    system, method = hs.systems[name], method_named(method)
    H, values = system.hamiltonian, {n: float(x) for n, x in system.parameters.items()}
    q, p = system.initial_states(19, seed=3)
    kernels, k = stepping_kernels(H, method, work=1e3, strict=strict), kernel_arguments(H, method, values)
    results = []
    for compiler in ("own", "numba"):
        refused = "call" if compiler == "own" else "entry"
        with monkeypatch.context() as patch:
            patch.setattr(
                cache._Generated, refused, lambda *_: None
            )  # what calls numba, what gives machine code
            block, one = (np.zeros((2, 19, 5, q.shape[1])) for _ in range(2))
            fill(kernels, (q, p, *block), 0, 19, 0.0, 0.01, 4, k)
            fill_one(kernels, (q, p, *one), 5, 0.0, 0.01, 4, k)
        results.append(np.stack([block, one]))
    assert np.isfinite(results[0]).all() and results[0][:, :, 5, 1:].all()
    assert np.array_equal(*results)


CATALOGUE = """
import numpy as np, hamsym as hs
from hamsym.numeric import cache
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import fill, fill_one, kernel_arguments, stepping_kernels
asked = []
cache._Generated.call = lambda self, name, *a: asked.append((system, method, name))
cache.assembled, cache.loaded = lambda text: b"", lambda *a: lambda buffer: None
for system in names:
    for method in methods:
        of = hs.systems[system]
        H, values = of.hamiltonian, {n: float(x) for n, x in of.parameters.items()}
        q, p = of.initial_states(4, seed=0)
        try:
            m = method_named(method)
            kernels = stepping_kernels(H, m, work=1e3)
        except hs.errors.HamsymError:
            continue
        states, k = (q, p, *np.zeros((2, 4, 3, q.shape[1]))), kernel_arguments(H, m, values)
        fill(kernels, states, 0, 4, 0.0, 0.01, 2, k)
        fill_one(kernels, states, 1, 0.0, 0.01, 2, k)
print(asked)
"""


@pytest.mark.parametrize(
    ("names", "methods"),
    [
        (
            ["henon_heiles", "kepler", "double_pendulum", "toda", "fpu", "lj13"],
            ["leapfrog", "tao2", "gauss4"],
        ),
        pytest.param(
            list(hs.systems),
            ["leapfrog", "leapfrog_drift", "yoshida8", "tao4", "implicit_midpoint", "gauss6"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["some", "all"],
)
def test_no_kernel_of_the_catalogue_needs_numba(tmp_path, names, methods):
    """Lowering refuses rather than guesses; here it has nothing to refuse, so no user waits for numba."""
    done = subprocess.run(
        [sys.executable, "-c", f"names, methods = {names}, {methods}\n{CATALOGUE}"],
        env=os.environ | {"HAMSYM_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_nothing_that_uses_kernels_loads_numba(tmp_path):
    script = f"""
import sys, numpy as np, hamsym as hs
H = hs.Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2 + q1**2*q2 - q2**3/3", hs.PhaseSpace.standard(2))
q, p = np.full((2, 2), 0.1), np.full((2, 2), 0.2)
result = hs.simulate(H, q, p, 0.01, 20, compensated=True)
result.energy, result.invariant("q1*p2 - q2*p1")
hs.tangent_map(H, q, p, 0.01, 3)
hs.lyapunov_spectrum(H, q[:1], p[:1], 0.05, 40)
hs.poincare_section(H, q, p, 0.05, 300, surface="q1")
hs.sample_boltzmann(hs.Hamiltonian("p1**2/2 + (q1**2 - 1)**2", hs.PhaseSpace.standard(1)), 64, warmup=20)
spec = hs.DatasetSpec(system="pendulum", trajectories=4, steps=10, dt=0.01, shard=2)
hs.generate_dataset(spec, {str(tmp_path / "data")!r}, progress=False)
assert "numba" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"HAMSYM_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_kernels_that_become_nan_are_run_again_with_care():
    H = hs.Hamiltonian("p1**2/2 + cos(1000000000*q1)/10", hs.PhaseSpace.standard(1))
    q = np.linspace(0.0, 3.0, 9)[:, None]
    result = hs.simulate(H, q, 0 * q, dt=1e-12, steps=3)
    assert np.isfinite(result.q).all() and np.isfinite(result.p).all()
    kernels = stepping_kernels(H, method_named("leapfrog"), work=9 * 3)
    assert kernels.RETRY
    out = np.zeros((2, 9, 4, 1))
    fill(kernels, (q, 0 * q, *out), 0, 9, 0.0, 1e-12, 1, ())
    assert np.array_equal(out[0], result.q)


def test_threads_share_a_kernel():
    """Eight threads that ask at once get one kernel, and the bits of one thread."""
    H = hs.Hamiltonian("p1**2/2 + q1**4/4 + q1**6/1234", hs.PhaseSpace.standard(1))
    q = np.linspace(0.1, 2.0, 40)[:, None]

    def run(_):
        kernels, out = stepping_kernels(H, method_named("leapfrog")), np.zeros((2, 40, 11, 1))
        fill(kernels, (q, q, *out), 0, 40, 0.0, 0.01, 100, ())
        return out

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    assert all(np.array_equal(r, results[0]) for r in results)


ELEMENTARY = ["sin", "cos", "careful_sin", "careful_cos", "tan", "asin", "acos", "atan"]
EXPONENTIAL = ["exp", "log", "tanh", "sinh", "cosh"]
LIBRARY = [
    "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh",
    "expm1", "log1p", "erf", "erfc", "fabs",
]  # fmt: skip
NUMBERS = [0.0, -0.0, 0.3, -1.0, 1e-300, 7.5, -123.25, 9e7, 1.1e8, 1e22, -1e300, math.inf, math.nan]


@pytest.mark.parametrize(
    ("module", "functions"),
    [("elementary", ELEMENTARY), ("exponential", EXPONENTIAL), ("math", LIBRARY)],
    ids=["elementary", "exponential", "math"],
)
def test_functions_have_the_bits_of_numba(module, functions):
    lines = "\n".join(f"        y[{n}, i] = {module}.{f}(x[i])" for n, f in enumerate(functions))
    source = f"""
import math
from hamsym.numeric import elementary, exponential

def each(x, y):
    for i in range(x.size):
{lines}
"""
    numbers = np.array(NUMBERS)
    found, expected = (np.zeros((len(functions), len(numbers))) for _ in range(2))
    run_lowered(source, "each", numbers, found)
    scope: dict = {}
    exec(source, scope)
    njit(error_model="numpy")(scope["each"])(numbers, expected)
    for name, ours, theirs in zip(functions, found, expected, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True), name
        assert np.array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)])), name


#: Python of all kinds that is lowered; Python itself says what it means.
LANGUAGE = """
import math

def helper(a, b):
    if a < b:
        return a - b, b
    return a*b, a

def scalar(a):
    return a/3.0 if a > 0.0 else -a

def kernel(x, m, n, k, out):
    total = 0.0
    count = 0
    for i in range(n):
        for j in range(i + 1, n, 2):
            if j % 3 == 1 or not i < 4:
                continue
            total += x[i]*m[i, j] - m[j, -1]/(1.5 + abs(x[j]))
            count += (i - j)//2 + (i - j) % 5
    while count < 40 and total < k or count < 3:
        count += 7
        if count > 30:
            break
    s, t = helper(total, k)
    s, t = t, s
    row = m[1]
    row[0] = math.sqrt(row[1]*row[1]) + max(s, t) - min(s, float(n))
    x[n - 1] -= 2
    for i in range(n - 1, -1, -1):
        out[i] = scalar(x[i]) + row[0]*i + math.atan2(x[i], 2.0) + (x[i] + 10.0)**1.5
    out[n] = count + (count & 6) - (count << 1) ^ (count >> 1)
    out[n + 1] = +total
    out[n + 2] = math.copysign(t, -k) if n >= 0 else math.nan
"""


@given(st.integers(0, 2**32 - 1), st.integers(3, 9), st.floats(-5, 5), st.booleans())
def test_the_language_means_what_python_means(seed, n, k, transposed):
    types = (VECTOR, ArrayType("f", 2, not transposed, True), "i", "f", VECTOR)
    results = []
    for python in (True, False):
        rng = np.random.default_rng(seed)
        x, m, out = rng.uniform(-1, 1, n), rng.uniform(-1, 1, (n, n)), np.zeros(n + 3)
        m = m.T if transposed else m
        if python:
            scope = {}
            exec(LANGUAGE, scope)
            scope["kernel"](x, m, n, k, out)
        else:
            compiled(types)(machine_code.packed((x, m, n, k, out))[1])
        results.append((x, m, out))
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


_COMPILED = {}


def compiled(types):
    if types not in _COMPILED:
        text = lowered(Module(LANGUAGE), "kernel", types)
        _COMPILED[types] = machine_code.loaded(machine_code.assembled(text), machine_code.needed(text))
    return _COMPILED[types]


@pytest.mark.parametrize(
    "body",
    [
        "x[0] = y",  # a name without a value
        "y = y + 1.0\n    y = 1.0",
        "x[0] = 1.0 if n else []",
        "y = 1\n    y = 2.0",  # changes its type
        "x[0] = np.sum(x)",
        "x[0] = math.gamma(2.0)",
        "x[0, 0] = 1.0",
        "x[0] = n // n",  # by what may be zero
        "x[0] = [1.0][0]",
        "for y in x:\n        x[0] = y",
        "x[0] = sum(x)",
        "x[0] = 0.0 < x[0] < 1.0",
        "x[0] = f'{n}'",
        "x[0] = kernel(x, n)",
        "return 1.0",
        "try:\n        x[0] = 1.0\n    except ValueError:\n        pass",
        "x[0] = abs(y=1.0)",
        "x[1:2] = 0.0",
        "ü = 1.0\n    x[0] = ü",
    ],
)
def test_what_is_not_known_is_refused(body):
    source = f"import math\nimport numpy as np\n\ndef kernel(x, n):\n    {body}\n"
    with pytest.raises(UnknownSyntax):
        lowered(Module(source), "kernel", (VECTOR, "i"))


def test_an_array_that_may_not_be_written_is_not_written():
    source = "def kernel(x, n):\n    x[0] = 1.0\n"
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    types, _ = machine_code.packed((read_only, 3))
    with pytest.raises(UnknownSyntax):
        lowered(Module(source), "kernel", types)


def test_arguments_that_have_no_place_go_to_numba():
    assert machine_code.packed((np.zeros(2, np.float32),)) is None
    assert machine_code.packed((np.zeros(2, ">f8"),)) is None
    assert (
        machine_code.packed((np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float64),)) is None
    )  # not aligned
    assert machine_code.packed((2**63,)) is None
    assert machine_code.packed(((1.0, 2.0),)) is None
    types, buffer = machine_code.packed((np.float64(1.5), np.int64(-2), np.zeros((2, 3)).T))
    assert types == ("f", "i", ArrayType("f", 2, False, True))
    assert np.frombuffer(buffer, np.int64)[1:].tolist()[2:] == [3, 2, 8, 24]


@pytest.mark.parametrize("flag", [True, False])
def test_truth_values_are_arguments_too(flag):
    x = np.zeros(1)
    run_lowered("def kernel(x, flag):\n    x[0] = 3.0 if flag else -3.0\n", "kernel", x, flag)
    assert x[0] == (3.0 if flag else -3.0)


def test_functions_of_one_name_from_two_texts_stay_apart():
    source = """
from hamsym.numeric import elementary

def sin(x):
    return elementary.sin(x) + 1.0

def kernel(x, n):
    x[0] = sin(x[0]) + elementary.sin(x[0])
"""
    x = np.array([0.5])
    run_lowered(source, "kernel", x, 1)
    assert abs(x[0] - (2 * math.sin(0.5) + 1)) < 1e-15


def test_a_kernel_that_is_refused_is_done_by_numba(tmp_path, monkeypatch):
    monkeypatch.setenv("HAMSYM_CACHE_DIR", str(tmp_path))
    source = """
from numba import njit
compiled = njit(error_model="numpy")
WIDTH = 3

@compiled
def fill(x, n):
    x[1:3] = n
"""
    kernels, x = Kernels(("test of a refused kernel",), lambda: source), np.zeros(4)
    assert kernels.WIDTH == 3
    kernels.fill(x, 2)
    assert x.tolist() == [0, 2, 2, 0]
    (file,) = tmp_path.glob("*.code")
    assert list(machine_code.Archive.read(file).codes.values()) == [None]  # the next process need not try
    with pytest.raises(AttributeError):
        kernels.nothing  # noqa: B018
    assert cache.processor() == machine_code.processor()
