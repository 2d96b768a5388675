"""One step of a splitting method as source code.

The flow that ends one step and starts the next is done once: the state between steps holds the variable *after* that
merged flow, and what is stored is the variable in the middle of it.

Time: H = K(p, t) + U(q, t) is stepped as K(p, s) + E + U(q, u) + F with two clocks, whose momenta are F and E.  A drift
uses the frozen clock s and advances u, a kick uses u and advances s, so both flows are exact and the order is kept; along
the solution s = u = t (Blanes and Casas, A Concise Introduction to Geometric Numerical Integration, section 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.numeric.codegen import Arguments, separable_source
from hamsym.numeric.coefficients import clocks
from hamsym.numeric.methods import Splitting
from hamsym.numeric.step import StepSource, add, call
from hamsym.symbolic.hamiltonian import Hamiltonian


def splitting_source(H: Hamiltonian, method: Splitting, *, compensated: bool = False) -> StepSource:
    """Return the source of a splitting step for a separable Hamiltonian.

    Arguments:
        H: the Hamiltonian.
        method: the coefficients.
        compensated: carry the rounding error of every addition along (Kahan's summation; Hairer, Lubich, Wanner,
            section VIII.5).

    Raises:
        NotSeparableError, FormulaError: as :func:`hamsym.numeric.codegen.separable_source`.
    """
    names, m = Arguments.of(H.space), len(method.inner)
    # The outer variable is moved first and last in a step; its flow is the one that merges.
    if method.starts_with == "kick":
        outer, outer_flow, inner, inner_flow, signs = names.p, "force", names.q, "velocity", "-+"
    else:
        outer, outer_flow, inner, inner_flow, signs = names.q, "velocity", names.p, "force", "+-"
    outer_clocks, inner_clocks = clocks(method.outer, method.inner)

    slopes = [f"g{i}" for i in range(len(inner))]

    def flow(function: str, of: Sequence[str], clock: float) -> list[str]:
        return call(H, function, of, slopes, clock)

    def move(variables: Sequence[str], sign: str, coefficient: float) -> list[str]:
        pairs, factor = zip(variables, slopes, strict=True), f"{sign}{coefficient!r}*h"
        return [line for x, g in pairs for line in add(x, factor, g, compensated=compensated)]

    middle: list[str] = []
    for j in range(m):
        middle += flow(inner_flow, outer, inner_clocks[j]) + move(inner, signs[1], method.inner[j])
        middle += flow(outer_flow, inner, outer_clocks[j + 1])
        middle += move(outer, signs[0], method.outer[j + 1]) if j < m - 1 else []
    merge = move(outer, signs[0], method.outer[-1] + method.outer[0])
    last = f"{signs[0]}{method.outer[-1]!r}*h"
    ending = [
        f"end_{x} = {x} + fma({last}, {g}, e_{x})" if compensated else f"end_{x} = fma({last}, {g}, {x})"
        for x, g in zip(outer, slopes, strict=True)
    ]
    variables = (*names.q, *names.p)
    errors = tuple(f"e_{x}" for x in variables) if compensated else ()
    begin = [*flow(outer_flow, inner, 0.0), *move(outer, signs[0], method.outer[0])]
    return StepSource(
        functions=separable_source(H),
        state=(*variables, *errors),
        begin=[*(f"{e} = 0.0" for e in errors), *begin],
        step=[*middle, *ending, *merge],
        ends={x: f"end_{x}" if x in outer else x for x in variables},
        stages=m,
    )
