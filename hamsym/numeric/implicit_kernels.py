"""The compiled loops of Gauss methods: fast ones first, and for trajectories that they leave as NaN those that try more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from typing import Any

import numpy as np

from hamsym.numeric.cache import Kernels
from hamsym.numeric.generated import kernels_of
from hamsym.numeric.implicit import LANES, gauss_source
from hamsym.numeric.meanings import meanings
from hamsym.numeric.methods import Gauss
from hamsym.symbolic.hamiltonian import Hamiltonian


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
        t0: float,
        h: float,
        save_every: int,
        k: Sequence[Any],
    ) -> None:
        """As :func:`hamsym.numeric.stepping.fill`."""
        ranges = [(first, last)]
        for kind in (lambda: self._fast, *self._others):
            if not ranges:
                return
            kernels = kind()
            scratch = np.empty(kernels.SCRATCH)
            for begin, end in ranges:
                width = min(end - begin, LANES)
                kernels.block(*states, scratch, begin, end, t0, h, save_every, width, *k)
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
