"""Where the trajectories of a data set begin: parameters and initial states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hamsym.data.spec import DatasetSpec
from hamsym.data.streams import BLOCK, PARAMETERS, Block
from hamsym.errors import ParameterError
from hamsym.numeric.codegen import parameter_values


@dataclass(frozen=True, eq=False)
class Starts:
    """Where trajectories begin.

    Attributes:
        blocks: of the random numbers of each trajectory, with this one row.
        parameters: name to value, for each; those that are alike are one object.
        q, p: the initial states, shape ``(trajectories, dof)``.
    """

    blocks: list[Block]
    parameters: list[dict[str, float]]
    q: np.ndarray
    p: np.ndarray


def starts_of(spec: DatasetSpec, members: range) -> Starts:
    """Return where trajectories begin.

    Arguments:
        spec: of the data set.
        members: the trajectories.

    Raises:
        ParameterError: if a parameter or an initial state cannot be drawn; names the trajectory.

    Example:
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, initial={"q": 1, "p": 2})
        >>> starts_of(spec, range(3)).q.shape
        (3, 1)
    """
    H, distributions = spec.source.hamiltonian, spec.parameter_distributions
    checked: dict[tuple[float, ...], dict[str, float]] = {}
    rows: list[Block] = []
    parameters: list[dict[str, float]] = []
    states = []
    for block in Block.covering(spec.seed, members):
        rng, first = block.stream(PARAMETERS), len(parameters)
        drawn = [d.draw(rng, BLOCK).tolist() for d in distributions.values()]
        for member, row in zip(block.members, block.rows, strict=True):
            values = tuple(column[row] for column in drawn)
            if values not in checked:
                try:
                    named = dict(zip(distributions, values, strict=True))
                    checked[values] = parameter_values(H.space, named, used=[H.written])
                except ParameterError as error:
                    raise ParameterError(f"trajectory {member}: {error}") from None
            parameters.append(checked[values])
            rows.append(Block(block.index, block.seed, (row,)))
        states.append(spec.initial_states.draw(block, parameters[first:]))
    q, p = (np.concatenate([state[i] for state in states]).astype(np.float64) for i in range(2))
    return Starts(rows, parameters, q, p)
