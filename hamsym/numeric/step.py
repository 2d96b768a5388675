"""One step of a method as source code: what the loops need to know of it, and the lines that all methods share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hamsym.numeric.codegen import depends_on_time, formula_tail
from hamsym.symbolic.hamiltonian import Hamiltonian


@dataclass(frozen=True)
class StepSource:
    """Source of one step; ``t`` is the time at its start and ``h`` its size.

    Attributes:
        functions: the functions of the formula that the lines below call.
        state: the local names that live from step to step.
        begin: lines that make the state from ``q…`` and ``p…`` before the first step.
        step: lines that advance the state by one step and also leave q and p at its end.
        ends: for each of ``q…`` and ``p…`` the name under which the step leaves it.
        stages: how often the formula stands in a step.
        constants: names to formulas in ``h``, computed once.
    """

    functions: str
    state: tuple[str, ...]
    begin: list[str]
    step: list[str]
    ends: dict[str, str]
    stages: int
    constants: dict[str, str] = field(default_factory=dict)


def call(H: Hamiltonian, function: str, of: Sequence[str], results: Sequence[str], clock: float) -> list[str]:
    """Return the lines that evaluate a function of the formula at the time t + clock·h."""
    lines = [f"clock = fma({clock!r}, h, t)"] if depends_on_time(H) else []
    return [*lines, f"{', '.join(results)}, = {function}({', '.join([*of, *formula_tail(H)])})"]


def add(x: str, factor: str, slope: str, *, compensated: bool) -> list[str]:
    """Return the lines for ``x += factor·slope``; compensated, ``e_x`` takes up what the addition loses."""
    if not compensated:
        return [f"{x} = fma({factor}, {slope}, {x})"]
    return [f"d = fma({factor}, {slope}, e_{x})", f"n = {x} + d", f"e_{x} = ({x} - n) + d", f"{x} = n"]
