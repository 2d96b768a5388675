"""Formulas with exponentials and angles against C: leapfrog on many trajectories at once.

    python benchmarks/functions.py [--batch 10000] [--steps 200] [--save-every 10] [--rounds 7]

``C libm`` is one trajectory after another with the library's functions; ``C libmvec`` is the same formulas on blocks of
sixteen trajectories with -ffast-math, so that the compiler vectorises them and calls the vector library of glibc where it
finds it.  ``strict`` are our kernels with the library's functions, ``kernel`` with our own.  Same steps, same
trajectory-major output, same process, alternating runs; medians of processor time.
"""

from __future__ import annotations

import argparse
import ctypes
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import compiled

import hamsym as hs
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import fill, stepping_kernels


def plane(potential: str):
    """A system of two degrees of freedom and its initial states."""
    H = hs.Hamiltonian(f"(p1**2 + p2**2)/2 + {potential}", hs.PhaseSpace.standard(2))

    def start(n: int):
        rng = np.random.default_rng(0)
        return rng.uniform(0.8, 1.2, (n, 2)), rng.uniform(-0.1, 0.1, (n, 2))

    return H, start, {}


def catalogued(name: str):
    """A system of the catalogue and its initial states."""
    system = hs.systems[name]
    return system.hamiltonian, system.initial_states, system.parameters


#: The system, and the gradient of its potential in C, from q0, q1, … to g0, g1, ….
SYSTEMS = {
    "toda": (
        lambda: catalogued("toda"),
        "double a = exp(q0 - q1), b = exp(q1 - q2); double g0 = a, g1 = b - a, g2 = -b;",
    ),
    "morse": (
        lambda: catalogued("morse"),
        "double e = exp(-k[1]*q0); double g0 = 2*k[0]*k[1]*e*(1 - e);",
    ),
    "sine_gordon": (
        lambda: catalogued("sine_gordon"),
        "double w = k[1]*k[1];"
        + "".join(
            f"double g{i} = k[0]*(2*q{i} - q{(i + 1) % 6} - q{(i + 5) % 6}) + w*sin(q{i});" for i in range(6)
        ),
    ),
    "yukawa": (
        lambda: plane("(q1**2 + q2**2)/2 + exp(-sqrt(q1**2 + q2**2)/3)/sqrt(q1**2 + q2**2)"),
        "double r = sqrt(q0*q0 + q1*q1), w = 1 - exp(-r/3)*(1 + r/3)/(r*r*r); double g0 = q0*w, g1 = q1*w;",
    ),
    "gaussian wells": (
        lambda: plane(
            "(q1**2 + q2**2)/2 - exp(-(q1 - 1)**2 - q2**2) - exp(-(q1 + 1)**2 - q2**2) - exp(-q1**2 - (q2 - 1)**2)"
        ),
        "double x = q0 - 1, y = q0 + 1, z = q1 - 1;"
        "double a = 2*exp(-x*x - q1*q1), b = 2*exp(-y*y - q1*q1), c = 2*exp(-q0*q0 - z*z);"
        "double g0 = q0 + a*x + b*y + c*q0, g1 = q1 + (a + b)*q1 + c*z;",
    ),
}
SOURCE = """
#include <cmath>
using std::exp; using std::sin; using std::sqrt;
extern "C" void run(const double* q_in, const double* p_in, double* q_out, double* p_out,
        long batch, long saves, long every, double h, const double* k) {
    const int B = BLOCK;
    for (long begin = 0; begin < batch; begin += B) {
        double q[DOF][B], p[DOF][B], end[DOF][B];
        for (int l = 0; l < B; l++) for (int d = 0; d < DOF; d++) {
            long i = begin + l < batch ? begin + l : batch - 1;
            q[d][l] = q_out[i*(saves+1)*DOF + d] = q_in[i*DOF + d];
            p[d][l] = p_out[i*(saves+1)*DOF + d] = p_in[i*DOF + d];
        }
        for (int l = 0; l < B; l++) { LOAD FORCE HALF }
        for (long s = 1; s <= saves; s++) {
            for (long n = 0; n < every; n++) for (int l = 0; l < B; l++) { DRIFT LOAD FORCE KICK }
            for (int l = 0; l < B && begin + l < batch; l++) for (int d = 0; d < DOF; d++) {
                q_out[((begin + l)*(saves+1) + s)*DOF + d] = q[d][l];
                p_out[((begin + l)*(saves+1) + s)*DOF + d] = end[d][l];
            }
        }
    }
}
"""
FLAGS = {
    "C libm": (1, ["-fno-math-errno"]),
    "C libmvec": (16, ["-ffast-math", "-mprefer-vector-width=512"]),
    "C libmvec 32": (32, ["-ffast-math", "-mprefer-vector-width=512"]),
}


def build(name: str, dof: int, force: str, flags: str, folder: Path) -> ctypes.CDLL:
    """Compile the reference for one system."""
    block, options = FLAGS[flags]
    d = range(dof)
    text = SOURCE.replace("FORCE", force)
    for key, lines in {
        "LOAD": [f"double {', '.join(f'q{i} = q[{i}][l]' for i in d)};"],
        "HALF": [f"p[{i}][l] -= 0.5*h*g{i};" for i in d],
        "DRIFT": [f"q[{i}][l] += h*p[{i}][l];" for i in d],
        "KICK": [f"end[{i}][l] = p[{i}][l] - 0.5*h*g{i}; p[{i}][l] -= h*g{i};" for i in d],
        "BLOCK": [str(block)],
        "DOF": [str(dof)],
    }.items():
        text = text.replace(key, " ".join(lines))
    label = f"{name}_{flags}".replace(" ", "_")
    return compiled(text, folder / f"{label}.so", *options, link=["-lmvec", "-lm"])


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return the median nanoseconds per trajectory step of each contender on one system."""
    make, force = SYSTEMS[name]
    H, start, parameters = make()
    q0, p0 = start(options.batch)
    k = tuple(parameters.values())
    dof, saves = q0.shape[1], options.steps // options.save_every
    q, p = np.zeros((2, options.batch, saves + 1, dof))
    h, every = 0.01, options.save_every
    constants = (ctypes.c_double * 4)(*k)

    def c_run(library):
        places = [ctypes.c_void_p(a.ctypes.data) for a in (q0, p0, q, p)]
        sizes = [ctypes.c_long(n) for n in (options.batch, saves, every)]
        library.run(*places, *sizes, ctypes.c_double(h), constants)

    contenders = {}
    for kind in ("kernel", "strict"):
        kernels = stepping_kernels(H, method_named("leapfrog"), save_every=every, strict=kind == "strict")
        contenders[kind] = partial(fill, kernels, (q0, p0, q, p), 0, options.batch, 0.0, h, every, k)
    for flags in FLAGS:
        contenders[flags] = partial(c_run, build(name, dof, force, flags, folder))
    ends = []
    for run in contenders.values():
        run()
        ends.append(q.copy())
    assert all(np.abs(end - ends[1]).max() < 1e-9 for end in ends), "the reference integrates something else"
    seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    for _ in range(options.rounds):
        for contender, run in contenders.items():
            begin = time.process_time()
            run()
            seconds[contender].append(time.process_time() - begin)
    return {c: float(np.median(t)) * 1e9 / (options.batch * saves * every) for c, t in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    table = Table(title=f"ns per trajectory step, {options.batch} × {options.steps}")
    for column in ["system", "kernel", "strict", "C libm", "C libmvec", "C libm/kernel", "kernel/C libmvec"]:
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for name in SYSTEMS:
            t = measure(name, Path(folder), options)
            vector = min(t["C libmvec"], t["C libmvec 32"])
            cells = [
                t["kernel"],
                t["strict"],
                t["C libm"],
                vector,
                t["C libm"] / t["kernel"],
                t["kernel"] / vector,
            ]
            table.add_row(name, *(f"{cell:.2f}" for cell in cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
