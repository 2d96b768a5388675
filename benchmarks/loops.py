"""Sums as loops against C: gravity and springs, one trajectory and a batch, in one process, alternating.

    python benchmarks/loops.py [--rounds 7] [--scale 1.0]

The C reference is what one writes by hand: a loop over pairs or bonds.  g++ compiles it when the script runs, with
``-O3 -march=native`` alone and with ``-ffast-math``; of its forms (interleaved coordinates as ours come in, or an array for each
axis, once for each pair or gathered for each site) the fastest counts.  ``kernel`` fills arrays that exist already, as C does;
``simulate`` is the whole public call.  Times are medians of processor time; quote the ratios.

The second table is the first result in a fresh process with nothing cached: from the formula to the first states, imports
excluded; elapsed time, which is longer on a busy machine, and processor time.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import compiled, seconds

import hamsym as hs
from hamsym.numeric.methods import method_named
from hamsym.numeric.stepping import fill, kernel_arguments, stepping_kernels

SOURCE = """
#include <cmath>
#include <vector>
#define ARGUMENTS const double* q0, const double* p0, double* q, double* p, const double* k, long batch, long n, \\
    long steps, double h
static void pairs(const double* x, double* g, const double* m, double G, long n) {
    for (long i = 0; i < 3*n; i++) g[i] = 0;
    for (long i = 0; i < n; i++) for (long j = i + 1; j < n; j++) {
        double dx = x[3*i] - x[3*j], dy = x[3*i+1] - x[3*j+1], dz = x[3*i+2] - x[3*j+2];
        double r2 = dx*dx + dy*dy + dz*dz, w = G*m[i]*m[j]/(r2*std::sqrt(r2));
        g[3*i] += w*dx; g[3*i+1] += w*dy; g[3*i+2] += w*dz;
        g[3*j] -= w*dx; g[3*j+1] -= w*dy; g[3*j+2] -= w*dz;
    }
}
static void apart(const double* __restrict x, double* __restrict g, const double* m, double G, long n) {
    const double *y = x + n, *z = x + 2*n; double *gx = g, *gy = g + n, *gz = g + 2*n;
    for (long i = 0; i < 3*n; i++) g[i] = 0;
    for (long i = 0; i < n; i++) {
        double ax = 0, ay = 0, az = 0;
        for (long j = i + 1; j < n; j++) {
            double dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j];
            double r2 = dx*dx + dy*dy + dz*dz, w = G*m[i]*m[j]/(r2*std::sqrt(r2));
            ax += w*dx; ay += w*dy; az += w*dz; gx[j] -= w*dx; gy[j] -= w*dy; gz[j] -= w*dz;
        }
        gx[i] += ax; gy[i] += ay; gz[i] += az;
    }
}
template <void FORCE(const double*, double*, const double*, double, long), bool APART> static void nbody(ARGUMENTS) {
    const double G = k[0], *m = k + 1;
    std::vector<double> x(3*n), v(3*n), g(3*n);
    for (long b = 0; b < batch; b++) {
        for (long i = 0; i < n; i++) for (long c = 0; c < 3; c++) {
            long to = APART ? c*n + i : 3*i + c;
            x[to] = q0[b*3*n + 3*i + c]; v[to] = p0[b*3*n + 3*i + c];
        }
        FORCE(x.data(), g.data(), m, G, n);
        for (long i = 0; i < 3*n; i++) v[i] -= 0.5*h*g[i];
        for (long s = 0; s < steps; s++) {
            if (APART) for (long c = 0; c < 3; c++) for (long i = 0; i < n; i++) x[c*n + i] += h*v[c*n + i]/m[i];
            else for (long i = 0; i < n; i++) for (long c = 0; c < 3; c++) x[3*i + c] += h*v[3*i + c]/m[i];
            FORCE(x.data(), g.data(), m, G, n);
            double f = s == steps - 1 ? 0.5*h : h;
            for (long i = 0; i < 3*n; i++) v[i] -= f*g[i];
        }
        for (long i = 0; i < n; i++) for (long c = 0; c < 3; c++) {
            long from = APART ? c*n + i : 3*i + c;
            q[b*3*n + 3*i + c] = x[from]; p[b*3*n + 3*i + c] = v[from];
        }
    }
}
extern "C" void nbody_pairs(ARGUMENTS) { nbody<pairs, false>(q0, p0, q, p, k, batch, n, steps, h); }
extern "C" void nbody_apart(ARGUMENTS) { nbody<apart, true>(q0, p0, q, p, k, batch, n, steps, h); }
static inline double pull(double x, const double* k) { return x + k[0]*x*x + k[1]*x*x*x; }
template <bool BONDS> static void springs(ARGUMENTS) {
    std::vector<double> X(n + 2), V(n + 2), W(n + 2);
    double *__restrict x = X.data(), *__restrict v = V.data(), *__restrict w = W.data();
    const double a[2] = {k[0], k[1]};
    for (long b = 0; b < batch; b++) {
        x[0] = x[n+1] = 0;
        for (long i = 0; i < n; i++) { x[i+1] = q0[b*n + i]; v[i+1] = p0[b*n + i]; }
        for (long s = 0; s <= steps; s++) {
            double f = s == 0 || s == steps ? 0.5*h : h;
            if (BONDS) {
                for (long i = 0; i <= n; i++) w[i] = pull(x[i+1] - x[i], a);
                for (long i = 1; i <= n; i++) v[i] += f*(w[i] - w[i-1]);
            } else for (long i = 1; i <= n; i++) v[i] += f*(pull(x[i+1] - x[i], a) - pull(x[i] - x[i-1], a));
            if (s < steps) for (long i = 1; i <= n; i++) x[i] += h*v[i];
        }
        for (long i = 0; i < n; i++) { q[b*n + i] = x[i+1]; p[b*n + i] = v[i+1]; }
    }
}
extern "C" void springs_bonds(ARGUMENTS) { springs<true>(q0, p0, q, p, k, batch, n, steps, h); }
extern "C" void springs_sites(ARGUMENTS) { springs<false>(q0, p0, q, p, k, batch, n, steps, h); }
"""
FLAGS = {"C": [], "C fast-math": ["-ffast-math"]}
FORMS = {"nbody": ["nbody_pairs", "nbody_apart"], "fpu": ["springs_bonds", "springs_sites"]}
#: System, size, trajectories, steps.
CASES = [
    ("nbody", 8, 1, 200_000),
    ("nbody", 64, 1, 10_000),
    ("nbody", 1000, 1, 40),
    ("nbody", 64, 1000, 10),
    ("fpu", 128, 1, 400_000),
    ("fpu", 10_000, 1, 4_000),
    ("fpu", 128, 1000, 400),
]
FIRST = """
import time, sys
import numpy as np
import hamsym as hs

start, busy = time.perf_counter(), time.process_time()
system = hs.systems[sys.argv[1]](n=int(sys.argv[2]))
q, p = system.initial_states(1)
hs.simulate(system.hamiltonian, q, p, 1e-3, 10, parameters=system.parameters)
print(time.perf_counter() - start, time.process_time() - busy)
"""


def built(folder: Path, flags: list[str]) -> ctypes.CDLL:
    """Compile the reference."""
    return compiled(SOURCE, folder / f"loops{len(flags)}.so", *flags)


def measured(
    name: str, n: int, batch: int, steps: int, libraries: dict[str, ctypes.CDLL], rounds: int
) -> dict[str, float]:
    """Return nanoseconds per step of a trajectory of every contender."""
    system = hs.systems[name](n=n)
    H, h = system.hamiltonian, 1e-3
    q0, p0 = system.initial_states(batch)
    values = np.array(list(system.parameters.values()))
    q, p, out_q, out_p = (
        np.empty_like(q0),
        np.empty_like(p0),
        *(np.empty((batch, 2, q0.shape[1])) for _ in "qp"),
    )
    method = method_named("leapfrog")
    kernels, k = stepping_kernels(H, method, save_every=steps), kernel_arguments(H, method, system.parameters)

    def c_run(function: Callable[..., None], steps: int = steps) -> Callable[[], None]:
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (q0, p0, q, p, values)]
        numbers = [*map(ctypes.c_long, (batch, n, steps)), ctypes.c_double(h)]
        return lambda: function(*pointers, *numbers)

    contenders: dict[str, Callable[[], object]] = {
        "kernel": lambda: fill(kernels, (q0, p0, out_q, out_p), 0, batch, 0.0, h, steps, k),
        "simulate": lambda: hs.simulate(
            H, q0, p0, h, steps, save_every=steps, parameters=system.parameters, threads=1
        ),
    }
    for flags, library in libraries.items():
        for form in FORMS[name]:
            contenders[f"{flags}: {form}"] = c_run(getattr(library, form))
            c_run(getattr(library, form), 20)()  # few, because gravity is chaotic
            fill(kernels, (q0, p0, out_q, out_p), 0, batch, 0.0, h, 20, k)
            assert np.abs(out_q[:, 1] - q).max() < 1e-9, f"{form} integrates something else"
    return {c: 1e9 * s / (batch * steps) for c, s in seconds(contenders, rounds).items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of steps")
    options = parser.parse_args()
    table = Table(title="ns per step of a trajectory, leapfrog")
    for column in [
        "system",
        "n",
        "batch",
        "kernel",
        "simulate",
        "C",
        "C fast-math",
        "kernel/C",
        "kernel/C fast-math",
    ]:
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        libraries = {name: built(Path(folder), flags) for name, flags in FLAGS.items()}
        for name, n, batch, steps in CASES:
            t = measured(name, n, batch, max(2, int(steps * options.scale)), libraries, options.rounds)
            c, fast = (min(t[f"{flags}: {form}"] for form in FORMS[name]) for flags in FLAGS)
            cells = [t["kernel"], t["simulate"], c, fast, t["kernel"] / c, t["kernel"] / fast]
            table.add_row(
                name, str(n), str(batch), *(f"{x:,.0f}" for x in cells[:4]), *(f"{x:.2f}" for x in cells[4:])
            )
    first = Table(title="first result in a fresh process, nothing cached, s")
    for column in ["system", "n", "elapsed", "of a processor"]:
        first.add_column(column, justify="right")
    for name, n in [("nbody", 8), ("nbody", 64), ("nbody", 1000), ("fpu", 128), ("fpu", 10_000)]:
        taken = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as folder:
                environment = os.environ | {"HAMSYM_CACHE_DIR": folder}
                command = [sys.executable, "-c", FIRST, name, str(n)]
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            taken.append([float(x) for x in done.stdout.split()])
        first.add_row(name, str(n), *(f"{x:.2f}" for x in np.median(taken, axis=0)))
    console = Console(width=120)
    console.print(table)
    console.print(first)


if __name__ == "__main__":
    main()
