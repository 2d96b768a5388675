"""Options that several learning commands share, and the flow that they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hamsym.errors import CheckpointError, ParameterError

if TYPE_CHECKING:
    from learn.flow.density import HamiltonianFlow

TargetName = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A density of hamsym.targets, a file FILE.npy of points, or a data set of `hamsym dataset generate`, whose "
        "stored coordinates are the points.",
    ),
]
SplitName = Annotated[
    str | None, typer.Option("--split", help="The split of a data set (default: all of it).")
]
ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A flow saved by `hamsym train` or flow.save.")
]
Generators = Annotated[
    list[str] | None,
    typer.Option("--generator", help="A symmetry generator, 'q1*p2 - q2*p1'; repeat for more."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")]
AtContext = Annotated[
    str | None, typer.Option("--context", help="Of a conditional flow: its numbers, '0.5 1.0'.")
]


def flow_at(model: Path) -> HamiltonianFlow:
    """Return the flow that was saved in a folder.

    Raises:
        CheckpointError: if there is none.
    """
    import learn

    if not model.exists():
        raise CheckpointError(f"{model} does not exist; give the folder that `hamsym train --out` wrote")
    flow = learn.load(model)
    if not isinstance(flow, learn.HamiltonianFlow):
        raise CheckpointError(f"{model} holds a {type(flow).__name__}, not a flow")
    return flow


def numbers_of(flow: HamiltonianFlow, context: str | None) -> list[float] | None:
    """Return the numbers of a context as it was typed, or None for none.

    Raises:
        ParameterError: if they are no numbers, not as many as the flow takes, or it takes none.
    """
    if context is None:
        return None
    if flow.context is None:
        raise ParameterError("--context is for conditional flows, which this one is not")
    try:
        numbers = [float(word) for word in context.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != flow.context.size:
        raise ParameterError(f"--context takes {flow.context.size} number(s), not {context!r}")
    return numbers


def first_process() -> bool:
    """Tell whether this is the process that prints: the only one, or the first of torchrun."""
    return os.environ.get("RANK", "0") == "0"
