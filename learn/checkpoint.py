"""Read a saved flow back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hamsym.errors import CheckpointError, HamsymError
from hamsym.symbolic.space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from learn.flow import HamiltonianFlow
from learn.storage import read

_SIZES = ("dim", "hamiltonians", "steps", "width")


def load(path: str | Path, *, device: str | torch.device = "cpu") -> HamiltonianFlow:
    """Return the flow that ``flow.save(path)`` (or ``fit(…, out=path)``) wrote; no code in the files is run.

    Arguments:
        path: the directory.
        device: where the weights go.

    Raises:
        CheckpointError: if files are missing, truncated, changed, of another version, or do not fit together.

    Example:
        >>> import tempfile
        >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     flow.save(folder)
        ...     same = load(folder)
        >>> q = torch.randn(3, 2)
        >>> bool((same.log_joint(q, q) == flow.log_joint(q, q)).all())
        True
    """
    tensors, head = read(path, "model")
    config = head.get("flow")
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds no description of a flow")
    flow = _rebuild(config, tensors, path)
    expected = {name: tuple(t.shape) for name, t in flow.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[:4]
        raise CheckpointError(f"the weights in {path} do not fit the flow it describes, first at {wrong}")
    for name, t in tensors.items():
        if not torch.isfinite(t).all():
            raise CheckpointError(f"the weights in {path} are not finite, first in {name}")
    flow.load_state_dict(tensors)
    return flow.to(device)


def _rebuild(config: dict[str, Any], tensors: dict[str, torch.Tensor], path: str | Path) -> HamiltonianFlow:
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    for name in _SIZES:
        size = config.get(name)
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= max(numbers, 1000):
            raise CheckpointError(f"{path} claims {name}={size!r}, which its weights do not support")
    dim, chain, width = config["dim"], config["hamiltonians"], config["width"]
    context = config.get("context", 0)
    if not isinstance(context, int) or isinstance(context, bool) or not 0 <= context <= numbers:
        raise CheckpointError(f"{path} claims context={context!r}, which its weights do not support")
    if (
        2 * chain * width * (1 + context) > numbers
        or width * (width + dim) > numbers
        or 4 * chain > len(tensors)
    ):
        raise CheckpointError(f"{path} describes a flow with more weights than the {numbers} that it holds")
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(config.get("dtype")))
    if dtype is None:
        raise CheckpointError(f"{path} claims dtype {config.get('dtype')!r}; float32 and float64 are known")
    try:
        generators = [Generator(str(g["formula"]), PhaseSpace(g["q"], g["p"])) for g in config["generators"]]
        sizes = {name: config[name] for name in _SIZES}
        flow = HamiltonianFlow(
            **sizes,
            symmetry=config["symmetry"],
            generators=generators,
            elements=config.get("elements", 16),  # flows saved before there were any
            dt=float(config["dt"]),
            context=config.get("context", 0),  # and before they could be conditional
            seed=0,
        )
    except (HamsymError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"the description of the flow in {path} cannot be used: {error}") from error
    if "invariants" in config and flow.config()["invariants"] != config["invariants"]:
        raise CheckpointError(
            f"the weights in {path} belong to other invariants than are found for its generators"
        )
    return flow.to(dtype)
