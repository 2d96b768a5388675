"""Read a saved flow back, or a model of another kind that is known; what a file says is data, never code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from hamsym.arguments import shown
from hamsym.errors import CheckpointError, HamsymError, ParameterError
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from learn.flow.density import HamiltonianFlow
from learn.storage import read

_SIZES = ("dim", "hamiltonians", "steps", "width")


RESERVED = ("format", "version", "weights", "sha256")
Builder: TypeAlias = Callable[[dict[str, Any], Mapping[str, Tensor]], nn.Module]
#: What rebuilds each kind of model: "module:function", imported on use, or the function itself.
KINDS: dict[str, str | Builder] = {
    "flow": "learn.checkpoint:flow_from",
    "forecast": "learn.foil.loading:forecast_from",
    "hgn": "learn.hgn.loading:hgn_from",
    "hnn": "learn.hnn.loading:hnn_from",
    "pixel_hnn": "learn.hnn.loading:pixels_from",
    "vector_field": "learn.hnn.loading:field_from",
    "hogn": "learn.hogn.loading:build",
    "vae": "learn.disentanglement.vae:vae_from",
}


def register(kind: str, build: str | Builder) -> None:
    """Let :func:`load` read another kind of model.

    Arguments:
        kind: the name of its description on disk, ``Objective.kind``.
        build: called as ``build(config, tensors)`` with plain values and the tensors that were saved; it returns the
            model on the CPU, into which the tensors are then put if they fit.  Both come from a file that anybody may
            have written, so it looks at every value before it allocates anything.  Or "module:function", which is
            imported on the first use.

    Raises:
        ParameterError: for a kind that is no name or is taken.

    Example:
        >>> register("line", lambda config, tensors: torch.nn.Linear(1, 1))
        >>> import tempfile
        >>> from learn.training.objective import Objective
        >>> class Line(Objective):
        ...     kind = "line"
        >>> line = Line(torch.nn.Linear(1, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     line.save(folder)
        ...     same = load(folder)
        >>> bool(same.weight == line.model.weight)
        True
    """
    if not kind.isidentifier() or kind in RESERVED or KINDS.get(kind, build) != build:
        raise ParameterError(f"a kind of model is a name that is not taken, not {shown(kind)}")
    KINDS[kind] = build


def load(path: str | Path, *, device: str | torch.device = "cpu") -> Any:
    """Return the flow that ``flow.save(path)`` (or ``fit(…, out=path)``) wrote; no code in the files is run.

    Arguments:
        path: the directory.
        device: where the weights go.

    Returns:
        A :class:`learn.HamiltonianFlow`, or the model of another kind that is known (:func:`register`).

    Raises:
        CheckpointError: if files are missing, truncated, changed, of another version, or do not fit together.
        ParameterError: for a path that is none, and a device that is not there.

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
    if not isinstance(path, (str, os.PathLike)):
        raise ParameterError(f"path is the path of a directory, not {shown(path)}")
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ParameterError(
            f"device is one of torch, such as 'cpu' or 'cuda', not {shown(device)}"
        ) from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ParameterError("torch finds no CUDA device here; load the model with device='cpu'")
    tensors, head = read(path, "model")
    kinds = [kind for kind in KINDS if isinstance(head.get(kind), dict)]
    if len(kinds) != 1:
        known = ", ".join(KINDS)
        others = [k for k, v in head.items() if isinstance(v, dict) and k not in (*KINDS, *RESERVED)]
        remedy = f"; of {shown(others[0])} learn.checkpoint.register makes one" if others else ""
        raise CheckpointError(f"{path} holds no model of a known kind: {known}{remedy}")
    kind = kinds[0]
    try:
        model = _builder(kind)(head[kind], tensors)
    except (HamsymError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"the description of the {kind} in {path} cannot be used: {error}") from error
    expected = {name: (tuple(t.shape), t.dtype) for name, t in model.state_dict().items()}
    found = {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
    if expected != found:
        wrong = sorted({name for name, _ in set(expected.items()) ^ set(found.items())})[:4]
        raise CheckpointError(f"the weights in {path} do not fit the {kind} it describes, first at {wrong}")
    for name, t in tensors.items():
        if not torch.isfinite(t).all():
            raise CheckpointError(f"the weights in {path} are not finite, first in {name}")
    model.load_state_dict(tensors)
    if isinstance(model, HamiltonianFlow) and not model.units_agree():
        raise CheckpointError(f"the units of length in {path} contradict one another, or are none")
    return model.to(place)


def _builder(kind: str) -> Builder:
    build = KINDS[kind]
    if isinstance(build, str):
        module, _, function = build.partition(":")
        build = cast(Builder, getattr(import_module(module), function))
    return build


def flow_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> HamiltonianFlow:
    """Return the flow of a description, with other weights than those saved.

    Raises:
        ParameterError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.
    """
    # a description may claim any size; what the file holds bounds it before anything is allocated
    numbers = sum(t.numel() for t in tensors.values())
    for name in _SIZES:
        size = config.get(name)
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= max(numbers, 1000):
            raise ValueError(f"it claims {name}={size!r}, which its weights do not support")
    dim, chain, width = config["dim"], config["hamiltonians"], config["width"]
    context = config.get("context", 0)
    if not isinstance(context, int) or isinstance(context, bool) or not 0 <= context <= numbers:
        raise ValueError(f"it claims context={context!r}, which its weights do not support")
    kinetic = config.get("kinetic", "learned")  # before it could be fixed
    if (
        (2 if kinetic == "learned" else 1) * chain * width * (1 + context) > numbers
        or width * (width + (0 if "particles" in config else dim)) > numbers
        or 4 * chain > len(tensors)
    ):
        raise ValueError(f"it describes more weights than the {numbers} that it holds")
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(config.get("dtype")))
    if dtype is None:
        raise ValueError(f"it claims dtype {config.get('dtype')!r}; float32 and float64 are known")
    generators = [Generator(str(g["formula"]), PhaseSpace(g["q"], g["p"])) for g in config["generators"]]
    flow = HamiltonianFlow(
        **{name: config[name] for name in _SIZES},
        symmetry=config["symmetry"],
        generators=generators,
        elements=config.get("elements", 16),  # flows saved before there were any
        dt=float(config["dt"]),
        context=context,  # and before they could be conditional
        kinetic=kinetic,
        particles=config.get("particles"),
        species=config.get("species"),
        seed=0,
    )
    if "invariants" in config and flow.config()["invariants"] != config["invariants"]:
        raise ValueError("its weights belong to other invariants than are found for its generators")
    return flow.to(dtype)
