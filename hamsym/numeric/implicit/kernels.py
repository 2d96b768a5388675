"""The compiled loops of Gauss methods: fast ones first, and for trajectories that they leave as NaN those that try more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from typing import Any

import numpy as np

from hamsym.numeric.cache import Kernels
from hamsym.numeric.generated import kernels_of
from hamsym.numeric.implicit.iteration import LANES, FixedPoint
from hamsym.numeric.implicit.newton import Newton
from hamsym.numeric.meanings import meanings
from hamsym.numeric.methods import Gauss
from hamsym.symbolic.hamiltonian import Hamiltonian


def gauss_source(H: Hamiltonian, method: Gauss, *, compensated: bool = False, newton: bool = False) -> str:
    """Return the source of the functions of the formula and of ``block``, the loop over trajectories.

    Arguments:
        H: the Hamiltonian.
        method: the Runge–Kutta tableau.
        compensated: carry the rounding error of the final additions along.
        newton: go on with Newton's iteration where the other does not converge.

    Returns:
        Source with ``block(q_in, p_in, q_out, p_out, scratch, first, last, t0, h, save_every, width, *k)`` and the number
        ``SCRATCH``, as :func:`hamsym.numeric.stepping.stepping_kernels` says; ``width`` is at most :data:`LANES`.

    Raises:
        FormulaError: if H cannot be turned into numbers.
    """
    return (Newton if newton else FixedPoint)(H, method, compensated).source()


class ImplicitKernels:
    """The loops of a Gauss method: those that are fast, and for trajectories that they leave as NaN those that try more.

    Arguments:
        kinds: functions that return kernels, called when they are needed.
    """

    def __init__(self, kinds: Sequence[Callable[[], Kernels]]) -> None:
        self._fast, self._others = kinds[0](), kinds[1:]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def fill(
        self,
        states: Sequence[np.ndarray],
        first: int,
        last: int,
        times: tuple[float, float, int],
        k: Sequence[Any],
    ) -> None:
        """As :func:`hamsym.numeric.stepping.fill`, with ``(t0, h, save_every)`` in one."""
        ranges = [(first, last)]
        for kind in (lambda: self._fast, *self._others):
            if not ranges:
                return
            kernels = kind()
            scratch = np.empty(kernels.SCRATCH)
            for begin, end in ranges:
                width = min(end - begin, LANES)
                kernels.block(*states, scratch, begin, end, *times, width, *k)
            last_states = states[2][first:last, -1].sum(-1) + states[3][first:last, -1].sum(-1)
            lost = first + np.flatnonzero(~np.isfinite(last_states))
            ranges = [
                (int(part[0]), int(part[-1]) + 1)
                for part in np.split(lost, np.flatnonzero(np.diff(lost) > 1) + 1)
                if len(part)
            ]


def implicit_kernels(H: Hamiltonian, method: Gauss, *, compensated: bool, strict: bool) -> ImplicitKernels:
    """Return the loops of a Gauss method; arguments and errors as of :func:`hamsym.numeric.stepping.stepping_kernels`."""
    method.require(H)

    def kind(newton: bool, gaps: bool) -> Kernels:
        def write() -> str:
            source = gauss_source(H, method, compensated=compensated, newton=newton)
            return f"{meanings(source, strict=strict, gaps=gaps)}\n\n{source}"

        return kernels_of(H, f"implicit {astuple(method)} {compensated} {strict} {newton} {gaps}", write)

    kinds = [(False, True), (True, True), (True, False)]
    return ImplicitKernels([partial(kind, *k) for k in kinds[: 2 if strict else 3]])
