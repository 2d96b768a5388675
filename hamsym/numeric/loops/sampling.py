"""Hamiltonian Monte Carlo in loops over sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from hamsym.numeric.lanes import define, indent
from hamsym.numeric.loops.module import module_header
from hamsym.numeric.loops.room import Room
from hamsym.numeric.loops.source import Writer
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian


def sampling_loops(H: Hamiltonian) -> str:
    """Return the source of ``propose(q, p, s, u, h, beta, steps, k)`` for a separable Hamiltonian.

    It moves every row of q and p, ``(lanes, dof)``, by leapfrog steps and leaves U of each in u.
    """
    potential, kinetic = sums_of(H.written_potential, H.space), sums_of(H.written_kinetic, H.space)
    room = Room(H.space, [potential, kinetic], ["G"])
    writer = Writer(potential, room.layout, None, {"q": "Q", "p": "P", "k": "K"})
    value = [
        "zero = repeated(0.0)",
        *writer.auxiliaries(potential.parts),
        *writer.value(potential.parts, "result"),
    ]
    functions = [
        room.flow("kick", potential, "q", compensated=False, saves=False),
        room.flow("drift", kinetic, "p", compensated=False, saves=False),
        define("energy(s)", [*value, "return result"], "apart"),
    ]
    body = [
        "read_parameters(s, k)",
        "for i in range(u.size):",
        *indent(
            [
                "read_in(s, Q, q, i)",
                "read_in(s, P, p, i)",
                "for n in range(steps):",
                "    if n == 0:",
                "        kick(s, -0.5*h[i]*beta[i], 0.0)",
                "    else:",
                "        kick(s, -h[i]*beta[i], 0.0)",
                "    drift(s, h[i], 0.0)",
                "if steps > 0:",
                "    kick(s, -0.5*h[i]*beta[i], 0.0)",
                "write_out(s, Q, out_q, i, 0)",
                "write_out(s, P, out_p, i, 0)",
                "u[i] = energy(s)",
            ]
        ),
    ]
    propose = define("propose(q, p, out_q, out_p, s, u, h, beta, steps, k)", body, "compiled")
    header = module_header("\n".join(functions), strict=False, gaps=False) + room.header()
    return "\n\n".join([header, room.functions(), *functions, propose])


class LaneByLane:
    """Kernels of :func:`sampling_loops` with the arguments of :func:`hamsym.numeric.proposals.sampling_kernels`."""

    def __init__(self, kernels: Any, room: Any) -> None:
        self._kernels, self._room = kernels, room

    def propose(
        self,
        q: np.ndarray,
        p: np.ndarray,
        u: np.ndarray,
        h: np.ndarray,
        beta: np.ndarray,
        steps: int,
        *k: Any,
    ) -> None:
        """Move every lane of q and p, ``(dof, lanes)``, in place, and leave U in u."""
        given = [np.ascontiguousarray(x.T) for x in (q, p)]
        out_q, out_p = (np.empty((len(x), 1, x.shape[1])) for x in given)
        arrays = [np.ascontiguousarray(x, dtype=np.float64) for x in (h, beta)]
        self._kernels.propose(
            *given, out_q, out_p, self._room(self._kernels), u, *arrays, steps, np.array(k, dtype=float)
        )
        q[:], p[:] = out_q[:, 0].T, out_p[:, 0].T
