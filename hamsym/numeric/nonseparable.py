"""Tao's explicit method for Hamiltonians that do not separate, as source code.

The phase space is doubled: (q, p) and its copy (x, y) move under H(q, y) + H(x, p) + ω(|q - x|² + |p - y|²)/2, whose three
parts A, B, C have explicit flows.  Both copies follow the motion of H when they start together, and the binding ω keeps
them together.  The step is symplectic and reversible in the doubled space; on (q, p) alone it is so up to the distance of
the copies.

Source: Tao, "Explicit symplectic approximation of nonseparable Hamiltonians: algorithm and long time performance",
Physical Review E 94 (2016) 043303.
"""

from __future__ import annotations

from hamsym.numeric.codegen import Arguments, gradient_source
from hamsym.numeric.methods import Doubled
from hamsym.numeric.step import StepSource, add, call
from hamsym.symbolic.hamiltonian import Hamiltonian


def doubled_source(H: Hamiltonian, method: Doubled) -> StepSource:
    """Return the source of a step in the doubled phase space; flow A, which starts and ends a step, is done once between two.

    Raises:
        FormulaError: if H cannot be turned into numbers.
    """
    names = Arguments.of(H.space)
    q, p = names.q, names.p
    x, y = (tuple(f"{letter}{i}" for i in range(len(q))) for letter in "xy")
    g_q, g_p = ([f"g_{name}" for name in of] for of in (q, p))

    def move(advanced: tuple[str, ...], returned: tuple[str, ...], coefficient: float) -> list[str]:
        """The first along ∂H/∂p, the second against ∂H/∂q."""
        factor = f"{coefficient!r}*h"
        lines = [
            line for a, g in zip(advanced, g_p, strict=True) for line in add(a, factor, g, compensated=False)
        ]
        for r, g in zip(returned, g_q, strict=True):
            lines += add(r, f"-{factor}" if coefficient > 0 else f"{-coefficient!r}*h", g, compensated=False)
        return lines

    def rotation(k: int) -> list[str]:
        lines = []
        for a, b, c, d in zip(q, p, x, y, strict=True):
            lines += [
                f"m = {a} + {c}", f"n = {b} + {d}", f"u = {a} - {c}", f"v = {b} - {d}",
                f"r = fma(cos{k}, u, sin{k}*v)", f"w = fma(cos{k}, v, -(sin{k}*u))",
                f"{a} = 0.5*(m + r)", f"{c} = 0.5*(m - r)", f"{b} = 0.5*(n + w)", f"{d} = 0.5*(n - w)",
            ]  # fmt: skip
        return lines

    slopes = [*g_q, *g_p]
    weights = method.weights
    middle: list[str] = []
    time = 0.0
    for k, w in enumerate(weights):
        flow_b = [*call(H, "gradient", [*x, *p], slopes, time + w / 2), *move(q, y, w / 2)]
        time += w
        middle += [*flow_b, *rotation(k), *flow_b]
        middle += call(H, "gradient", [*q, *y], slopes, 1.0 if k == len(weights) - 1 else time)
        middle += move(x, p, (w + weights[k + 1]) / 2) if k < len(weights) - 1 else []
    half = weights[-1] / 2
    return StepSource(
        functions=gradient_source(H),
        state=(*q, *p, *x, *y),
        begin=[
            *(f"{copy} = {name}" for copy, name in zip([*x, *y], [*q, *p], strict=True)),
            *call(H, "gradient", [*q, *y], slopes, 0.0),
            *move(x, p, weights[0] / 2),
        ],
        step=[
            *middle,
            *(f"end_{name} = fma(-{half!r}*h, {g}, {name})" for name, g in zip(p, g_q, strict=True)),
            *move(x, p, half + weights[0] / 2),
        ],
        ends={name: name for name in q} | {name: f"end_{name}" for name in p},
        stages=method.evaluations,
        constants={
            f"{function}{k}": f"math.{function}({2 * method.binding * w!r}*h)"
            for k, w in enumerate(weights)
            for function in ("cos", "sin")
        },
    )
