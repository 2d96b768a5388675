"""The double pendulum against C: Tao's explicit method for a Hamiltonian that does not separate.

    python benchmarks/double_pendulum.py [--batch 10000] [--steps 1000] [--save-every 10] [--rounds 11]

The C reference is written by hand with vector types and its own polynomials for sine and cosine, as no C library has them
for vectors on every machine; ``C libm`` is the same loop for one trajectory after another with the library's functions.
Same steps, same trajectory-major output, same process, alternating runs; medians of processor time.
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

SOURCE = """
#include <cmath>
#include <cstdint>
#include <cstring>
template <int N> struct Vec {
    typedef double real __attribute__((vector_size(N*8)));
    typedef int64_t whole __attribute__((vector_size(N*8)));
};
struct One { typedef double real; };
template <class T> struct Math;
template <int N> struct Math<Vec<N>> {
    typedef typename Vec<N>::real V; typedef typename Vec<N>::whole I;
    static inline void sincos(V x, V& s, V& c) {
        const double magic = 6755399441055744.0;
        V t = x*0.6366197723675814 + magic, n = t - magic;
        V r = x - n*1.5707963267948966; r = r - n*6.123233995736766e-17;
        V z = r*r;
        V a = ((((1.58969e-10*z - 2.5050758e-08)*z + 2.75573137e-06)*z - 1.98412698e-04)*z + 8.33333333332e-03)*z
            - 1.66666666666666e-01;
        V b = ((((-1.13597e-11*z + 2.0875724e-09)*z - 2.755731436e-07)*z + 2.48015873e-05)*z - 1.388888888887e-03)*z
            + 4.16666666666666e-02;
        V sn = r + r*z*a, cs = (1.0 - 0.5*z) + z*z*b;
        I k; std::memcpy(&k, &t, sizeof k);
        I odd = (k & 1) != 0, flip_s = (k & 2) << 62, flip_c = ((k + 1) & 2) << 62;
        I is, ic; std::memcpy(&is, &sn, sizeof is); std::memcpy(&ic, &cs, sizeof ic);
        I ps = (odd ? ic : is) ^ flip_s, pc = (odd ? is : ic) ^ flip_c;
        std::memcpy(&s, &ps, sizeof s); std::memcpy(&c, &pc, sizeof c);
    }
};
template <> struct Math<One> {
    static inline void sincos(double x, double& s, double& c) { s = std::sin(x); c = std::cos(x); }
};
static inline double get(double a, int) { return a; }
static inline void set(double& a, int, double b) { a = b; }
template <class V> static inline double get(const V& a, int i) { return a[i]; }
template <class V> static inline void set(V& a, int i, double b) { a[i] = b; }

// m1 = k[0], m2 = k[1], l1 = k[2], l2 = k[3], g = k[4]
template <class T, class V> static inline void gradient(V q1, V q2, V p1, V p2, const double* k,
        V& a1, V& a2, V& b1, V& b2) {
    V s, c, s1, c1, s2, c2;
    Math<T>::sincos(q1 - q2, s, c); Math<T>::sincos(q1, s1, c1); Math<T>::sincos(q2, s2, c2);
    const double m1 = k[0], m2 = k[1], l1 = k[2], l2 = k[3], g = k[4], M = m1 + m2, ml = m2*l1*l2;
    V w = 0.5/(m2*l1*l1*l2*l2*(m1 + m2*s*s));
    b1 = w*(2*m2*l2*l2*p1 - 2*ml*p2*c);
    b2 = w*(2*M*l1*l1*p2 - 2*ml*p1*c);
    V top = m2*l2*l2*p1*p1 + M*l1*l1*p2*p2 - 2*ml*p1*p2*c;
    V slope = w*2*ml*p1*p2*s - top*w*w*4*m2*m2*l1*l1*l2*l2*s*c;
    a1 = slope + M*g*l1*s1; a2 = m2*g*l2*s2 - slope;
}
template <class T, int W> static void run(const double* q0, const double* p0, double* q, double* p,
        long batch, long saves, long every, double h, double omega, const double* k) {
    typedef typename T::real V;
    const double cs = std::cos(2*omega*h), sn = std::sin(2*omega*h);
    for (long begin = 0; begin < batch; begin += W) {
        V Q1, Q2, P1, P2, X1, X2, Y1, Y2, a1, a2, b1, b2, E1, E2;
        for (int l = 0; l < W; l++) {
            long i = begin + l; if (i >= batch) i = batch - 1;
            set(Q1, l, q0[2*i]); set(Q2, l, q0[2*i+1]); set(P1, l, p0[2*i]); set(P2, l, p0[2*i+1]);
            double* a = q + i*(saves+1)*2; double* b = p + i*(saves+1)*2;
            a[0] = q0[2*i]; a[1] = q0[2*i+1]; b[0] = p0[2*i]; b[1] = p0[2*i+1];
        }
        X1 = Q1; X2 = Q2; Y1 = P1; Y2 = P2;
        gradient<T>(Q1, Q2, Y1, Y2, k, a1, a2, b1, b2);
        P1 -= 0.5*h*a1; P2 -= 0.5*h*a2; X1 += 0.5*h*b1; X2 += 0.5*h*b2;
        for (long s = 1; s <= saves; s++) {
            for (long n = 0; n < every; n++) {
                for (int half = 0; half < 2; half++) {
                    gradient<T>(X1, X2, P1, P2, k, a1, a2, b1, b2);
                    Q1 += 0.5*h*b1; Q2 += 0.5*h*b2; Y1 -= 0.5*h*a1; Y2 -= 0.5*h*a2;
                    if (half) break;
                    V m, n, u, v, r, w;
                    m = Q1 + X1; n = P1 + Y1; u = Q1 - X1; v = P1 - Y1; r = cs*u + sn*v; w = cs*v - sn*u;
                    Q1 = 0.5*(m + r); X1 = 0.5*(m - r); P1 = 0.5*(n + w); Y1 = 0.5*(n - w);
                    m = Q2 + X2; n = P2 + Y2; u = Q2 - X2; v = P2 - Y2; r = cs*u + sn*v; w = cs*v - sn*u;
                    Q2 = 0.5*(m + r); X2 = 0.5*(m - r); P2 = 0.5*(n + w); Y2 = 0.5*(n - w);
                }
                gradient<T>(Q1, Q2, Y1, Y2, k, a1, a2, b1, b2);
                E1 = P1 - 0.5*h*a1; E2 = P2 - 0.5*h*a2;
                P1 -= h*a1; P2 -= h*a2; X1 += h*b1; X2 += h*b2;
            }
            for (int l = 0; l < W; l++) {
                long i = begin + l; if (i >= batch) break;
                double* a = q + (i*(saves+1) + s)*2; double* b = p + (i*(saves+1) + s)*2;
                a[0] = get(Q1, l); a[1] = get(Q2, l); b[0] = get(E1, l); b[1] = get(E2, l);
            }
        }
    }
}
#define ENTRY(name, type, width) extern "C" void name(const double* q0, const double* p0, double* q, double* p, \\
    long batch, long saves, long every, double h, double omega, const double* k) \\
    { run<type, width>(q0, p0, q, p, batch, saves, every, h, omega, k); }
ENTRY(libm, One, 1)
ENTRY(simd4, Vec<4>, 4)
ENTRY(simd8, Vec<8>, 8)
ENTRY(simd16, Vec<16>, 16)
"""
VARIANTS = ["simd4", "simd8", "simd16"]


def build(folder: Path) -> ctypes.CDLL:
    """Compile the reference; reordering is off, because it would destroy the reduction of the angles."""
    flags = ["-fno-math-errno", "-fno-trapping-math", "-mprefer-vector-width=512"]
    return compiled(SOURCE, folder / "pendulum.so", *flags)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    system, method, h = hs.systems["double_pendulum"], method_named("tao2"), 0.01
    k = tuple(system.parameters[name] for name in ("m1", "m2", "l1", "l2", "g"))
    q0, p0 = system.initial_states(options.batch)
    shape = (options.batch, options.steps // options.save_every + 1, 2)
    q, p = np.zeros(shape), np.zeros(shape)
    kernels = stepping_kernels(system.hamiltonian, method)
    strict = stepping_kernels(system.hamiltonian, method, strict=True)
    values = tuple(system.parameters[name] for name in system.hamiltonian.space.parameters)
    constants = (ctypes.c_double * 5)(*k)

    def c_run(function):
        places = [ctypes.c_void_p(a.ctypes.data) for a in (q0, p0, q, p)]
        sizes = [ctypes.c_long(n) for n in (options.batch, shape[1] - 1, options.save_every)]
        function(*places, *sizes, ctypes.c_double(h), ctypes.c_double(method.binding), constants)

    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        contenders = {
            "kernel": partial(
                fill, kernels, (q0, p0, q, p), 0, options.batch, 0.0, h, options.save_every, values
            ),
            "kernel, strict": partial(
                fill, strict, (q0, p0, q, p), 0, options.batch, 0.0, h, options.save_every, values
            ),
            **{f"C {v}": partial(c_run, getattr(library, v)) for v in [*VARIANTS, "libm"]},
        }
        c_run(library.libm)
        theirs = q.copy()
        contenders["kernel"]()
        steps = min(5, shape[1] - 1)
        assert np.abs(q - theirs)[:, : steps + 1].max() < 1e-10, "the C reference integrates something else"
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for contender, function in contenders.items():
                start = time.process_time()
                function()
                seconds[contender].append(time.process_time() - start)
    t = {name: float(np.median(values)) for name, values in seconds.items()}
    best = min(t[f"C {v}"] for v in VARIANTS)
    table = Table(
        title=f"double pendulum, Tao, {options.batch} × {options.steps}, every {options.save_every}th stored"
    )
    for column in ("", "ns per trajectory step", "over the best C SIMD"):
        table.add_column(column, justify="right")
    for name, value in t.items():
        table.add_row(name, f"{value * 1e9 / (options.batch * options.steps):.2f}", f"{value / best:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
