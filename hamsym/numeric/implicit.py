"""Gauss collocation for any Hamiltonian, as source code.

The stages solve zᵢ = h Σⱼ aᵢⱼ f(y + zⱼ) by fixed-point iteration, which preserves symplecticity to round-off when it is
run until the changes stop getting smaller (Hairer, Lubich, Wanner, Geometric Numerical Integration, section VIII.6).  Where
they do not get small, the equations have no solution near by that the iteration finds: that trajectory becomes NaN.
"""

from __future__ import annotations

from hamsym.numeric.codegen import Arguments, gradient_source
from hamsym.numeric.methods import Gauss
from hamsym.numeric.step import StepSource, add, call
from hamsym.symbolic.hamiltonian import Hamiltonian

#: More iterations than that mean a step so long that even their limit would be worth nothing.
_ITERATIONS = 100
#: Changes that have stopped shrinking are round-off if they are below this fraction of the state.
_ROUNDING = 1e-12


def gauss_source(H: Hamiltonian, method: Gauss, *, compensated: bool = False) -> StepSource:
    """Return the source of a step of a Gauss method.

    Arguments:
        H: the Hamiltonian.
        method: the Runge–Kutta tableau.
        compensated: carry the rounding error of the final additions along.

    Raises:
        FormulaError: if H cannot be turned into numbers.
    """
    names = Arguments.of(H.space)
    variables, dof, stages = (*names.q, *names.p), len(names.q), range(len(method.b))

    def field(stage: int, at: list[str], clock: float) -> list[str]:
        """Lines that leave the slope of each variable v at a stage under the name f{stage}_v."""
        slopes = [f"f{stage}_{v}" for v in (*names.p, *names.q)]  # ∂H/∂q is -dp/dt, ∂H/∂p is dq/dt
        lines = call(H, "gradient", at, slopes, clock)
        return [*lines, *(f"{slope} = -{slope}" for slope in slopes[:dof])]

    iteration = []
    for j in stages:
        iteration += field(j, [f"{v} + z{j}_{v}" for v in variables], method.c[j])
    iteration.append("change = 0.0")
    for i in stages:
        for v in variables:
            total = f"{method.a[i][0]!r}*f0_{v}"
            for j in stages[1:]:
                total = f"fma({method.a[i][j]!r}, f{j}_{v}, {total})"
            iteration += [f"n = h*({total})", f"change += abs(n - z{i}_{v})", f"z{i}_{v} = n"]
    size = " + ".join(f"abs({v}) + abs(z0_{v})" for v in variables)
    iteration += [
        f"solved = change == 0.0 or (change >= last and change <= {_ROUNDING!r}*({size}))",
        "if solved or not change < math.inf:",
        "    break",
        "last = change",
    ]
    step = [
        *field(0, list(variables), 0.0),
        *(f"z{i}_{v} = {method.c[i]!r}*h*f0_{v}" for i in stages for v in variables),
        "last, solved = math.inf, False",
        f"for iteration in range({_ITERATIONS}):",
        *(f"    {line}" for line in iteration),
        "size = h if solved else math.nan",
    ]
    for v in variables:
        for i in stages:
            step += add(v, f"{method.b[i]!r}*size", f"f{i}_{v}", compensated=compensated)
    errors = tuple(f"e_{v}" for v in variables) if compensated else ()
    return StepSource(
        functions=gradient_source(H),
        state=(*variables, *errors),
        begin=[f"{e} = 0.0" for e in errors],
        step=step,
        ends={v: v for v in variables},
        stages=len(stages) + 1,
        has_lanes=False,
    )
