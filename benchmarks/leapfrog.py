"""Leapfrog against C: the same steps, the same trajectory-major output, the same process, alternating runs.

    python benchmarks/leapfrog.py [--batch 10000] [--steps 1000] [--save-every 10] [--rounds 11]

The C reference is written by hand with vector types and compiled by g++ when the script runs; it is the practical
limit on this processor.  ``kernel`` fills arrays that exist already, as C does; ``simulate`` is the whole public
call with its checks and memory fresh from the system.  Times are medians of processor time; quote the
ratios.
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

#: The gradient of U in C, from x, y to fx, fy; K = |p|²/2 in all three.
FORCES = {
    "henon_heiles": "V fx = x + 2.0*x*y, fy = y + x*x - y*y;",
    "kepler": "V r2 = x*x + y*y; V w = k[0]/(r2*root(r2)); V fx = x*w, fy = y*w;",
    "mexican_hat": "V w = k[0]*(x*x + y*y - k[1]*k[1]); V fx = w*x, fy = w*y;",
}
SOURCE = """
#include <cmath>
template <int N> struct Vec { typedef double type __attribute__((vector_size(N*8))); };
template <class V> static inline V root(V a) {
    V r; for (unsigned i = 0; i < sizeof(V)/8; i++) r[i] = std::sqrt(a[i]); return r; }
template <> inline double root<double>(double a) { return std::sqrt(a); }
static inline double get(double a, int) { return a; }
static inline void set(double& a, int, double b) { a = b; }
template <class V> static inline double get(const V& a, int i) { return a[i]; }
template <class V> static inline void set(V& a, int i, double b) { a[i] = b; }

template <class V, int CHAINS> static void run(const double* q0, const double* p0, double* q, double* p,
        long batch, long saves, long every, double h, const double* k) {
    const int W = sizeof(V)/8, B = W*CHAINS;
    for (long begin = 0; begin < batch; begin += B) {
        V X[CHAINS], Y[CHAINS], P[CHAINS], Q[CHAINS], FX[CHAINS], FY[CHAINS];
        for (int c = 0; c < CHAINS; c++) for (int l = 0; l < W; l++) {
            long i = begin + c*W + l; if (i >= batch) i = batch - 1;
            set(X[c], l, q0[2*i]); set(Y[c], l, q0[2*i+1]); set(P[c], l, p0[2*i]); set(Q[c], l, p0[2*i+1]);
            double* a = q + i*(saves+1)*2; double* b = p + i*(saves+1)*2;
            a[0] = q0[2*i]; a[1] = q0[2*i+1]; b[0] = p0[2*i]; b[1] = p0[2*i+1];
        }
        for (int c = 0; c < CHAINS; c++) {
            V x = X[c], y = Y[c]; FORCE P[c] -= 0.5*h*fx; Q[c] -= 0.5*h*fy;
        }
        for (long s = 1; s <= saves; s++) {
            for (long n = 0; n < every; n++) for (int c = 0; c < CHAINS; c++) {
                X[c] += h*P[c]; Y[c] += h*Q[c];
                V x = X[c], y = Y[c]; FORCE
                P[c] -= h*fx; Q[c] -= h*fy; FX[c] = fx; FY[c] = fy;
            }
            for (int c = 0; c < CHAINS; c++) {
                V px = P[c] + 0.5*h*FX[c], py = Q[c] + 0.5*h*FY[c];
                for (int l = 0; l < W; l++) {
                    long i = begin + c*W + l; if (i >= batch) break;
                    double* a = q + (i*(saves+1) + s)*2; double* b = p + (i*(saves+1) + s)*2;
                    a[0] = get(X[c], l); a[1] = get(Y[c], l); b[0] = get(px, l); b[1] = get(py, l);
                }
            }
        }
    }
}
#define ENTRY(name, type, chains) extern "C" void name(const double* q0, const double* p0, double* q, double* p, \\
    long batch, long saves, long every, double h, const double* k) \\
    { run<type, chains>(q0, p0, q, p, batch, saves, every, h, k); }
ENTRY(scalar, double, 1)
ENTRY(simd4x2, Vec<4>::type, 2)
ENTRY(simd4x4, Vec<4>::type, 4)
ENTRY(simd8x2, Vec<8>::type, 2)
ENTRY(simd8x4, Vec<8>::type, 4)
"""
VARIANTS = ["simd4x2", "simd4x4", "simd8x2", "simd8x4"]
#: "fast" may reorder and take approximate roots; "strict" keeps IEEE arithmetic, as the kernels do.
FLAGS = {
    "fast": ["-ffast-math", "-mprefer-vector-width=512"],
    "strict": ["-fno-math-errno", "-fno-trapping-math", "-mprefer-vector-width=512"],
}


def build(name: str, folder: Path, flags: str) -> ctypes.CDLL:
    """Compile the reference for one system."""
    return compiled(SOURCE.replace("FORCE", FORCES[name]), folder / f"{name}_{flags}.so", *FLAGS[flags])


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return the median seconds of each contender on one system."""
    system = hs.systems[name]
    q0, p0 = system.initial_states(options.batch)
    k = tuple(system.parameters.values())
    shape = (options.batch, options.steps // options.save_every + 1, 2)
    q, p = np.zeros(shape), np.zeros(shape)
    h, saves = options.dt, shape[1] - 1
    kernels = stepping_kernels(system.hamiltonian, method_named("leapfrog"), save_every=options.save_every)
    constants = (ctypes.c_double * 4)(*k)

    def pointer(a: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(a.ctypes.data)

    def c_run(function):
        function(
            pointer(q0), pointer(p0), pointer(q), pointer(p), ctypes.c_long(options.batch), ctypes.c_long(saves),
            ctypes.c_long(options.save_every), ctypes.c_double(h), constants,
        )  # fmt: skip

    def simulate():
        return hs.simulate(
            system.hamiltonian, q0, p0, h, options.steps, save_every=options.save_every, parameters=system.parameters,
            threads=1,
        )  # fmt: skip

    contenders = {
        "kernel": lambda: fill(kernels, (q0, p0, q, p), 0, options.batch, 0.0, h, options.save_every, k),
        "simulate": simulate,
    }
    for flags in FLAGS:
        library = build(name, folder, flags)
        for variant in [*VARIANTS, "scalar"]:
            contenders[f"C {flags} {variant}"] = partial(c_run, getattr(library, variant))
    contenders["C strict simd8x2"]()
    theirs = q.copy()
    ours = simulate().q  # checks the reference, and compiles
    assert np.abs(ours - theirs).max() < 1e-9, "the C reference integrates something else"

    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for contender, function in contenders.items():
            start = time.process_time()
            function()
            seconds[contender].append(time.process_time() - start)
    return {contender: float(np.median(values)) for contender, values in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--dt", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    table = Table(
        title=f"ns per trajectory step, {options.batch} × {options.steps}, every {options.save_every}th stored"
    )
    columns = [
        "system",
        "kernel",
        "C SIMD",
        "C SIMD strict",
        "C scalar",
        "kernel/C",
        "kernel/C strict",
        "C scalar/kernel",
    ]
    for column in [*columns, "simulate"]:
        table.add_column(column, justify="right")
    unit = 1e9 / (options.batch * options.steps)
    with tempfile.TemporaryDirectory() as folder:
        for name in FORCES:
            t = measure(name, Path(folder), options)
            c, strict = (min(t[f"C {flags} {v}"] for v in VARIANTS) for flags in FLAGS)
            cells = [t["kernel"] * unit, c * unit, strict * unit, t["C fast scalar"] * unit]
            cells += [t["kernel"] / c, t["kernel"] / strict, t["C fast scalar"] / t["kernel"]]
            cells += [t["simulate"] * unit]
            table.add_row(name, *(f"{cell:.2f}" for cell in cells))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
