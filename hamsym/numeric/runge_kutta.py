"""One step of an explicit Runge–Kutta method as source code.

Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, section II.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.numeric.codegen import Arguments, gradient_source
from hamsym.numeric.methods import RungeKutta
from hamsym.numeric.step import StepSource, add, call
from hamsym.symbolic.hamiltonian import Hamiltonian


def runge_kutta_source(H: Hamiltonian, method: RungeKutta, *, compensated: bool = False) -> StepSource:
    """Return the source of a step along (∂H/∂p, -∂H/∂q).

    Arguments:
        H: the Hamiltonian.
        method: the tableau.
        compensated: carry the rounding error of the additions that end a step along.

    Raises:
        FormulaError: if H cannot be turned into numbers.
    """
    names = Arguments.of(H.space)
    variables = (*names.q, *names.p)
    # the gradient lists ∂H/∂q first; q moves along ∂H/∂p, p against ∂H/∂q
    slopes = [[f"g{stage}_{x}" for x in variables] for stage in range(len(method.b))]
    moved_by = {q: (p, "") for q, p in zip(names.q, names.p, strict=True)}
    moved_by |= {p: (q, "-") for q, p in zip(names.q, names.p, strict=True)}

    def total(weights: Sequence[float], of: str) -> list[str]:
        """Lines that leave the weighted sum of the slopes by a variable in ``total``."""
        lines: list[str] = []
        for stage, weight in enumerate(weights):
            if weight:
                slope = f"g{stage}_{of}"
                lines.append(
                    f"total = fma({weight!r}, {slope}, total)" if lines else f"total = {weight!r}*{slope}"
                )
        return lines

    step: list[str] = []
    for stage, (row, clock) in enumerate(zip(method.a, method.c, strict=True)):
        at = list(variables)
        if any(row):
            at = [f"s_{x}" for x in variables]
            for x, (of, sign) in moved_by.items():
                step += [*total(row, of), f"s_{x} = fma({sign}h, total, {x})"]
        step += call(H, "gradient", at, slopes[stage], clock)
    for x, (of, sign) in moved_by.items():
        step += [*total(method.b, of), *add(x, f"{sign}h", "total", compensated=compensated)]
    errors = tuple(f"e_{x}" for x in variables) if compensated else ()
    return StepSource(
        functions=gradient_source(H),
        state=(*variables, *errors),
        begin=[f"{e} = 0.0" for e in errors],
        step=step,
        ends={x: x for x in variables},
        stages=method.evaluations,
    )
