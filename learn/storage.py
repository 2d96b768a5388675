"""Tensors and plain values on disk: safetensors and json, written atomically, read without running any code.

``NAME.json`` holds the values and points to ``NAME-<hash>.safetensors``.  The tensors are written first and the
json last, each under a temporary name, so whoever reads sees the old pair or the new pair and nothing between.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from hamsym.errors import CheckpointError
from hamsym.files import whole

FORMAT = "hamsym.learn"
VERSION = 1
MAX_JSON_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = (
    1 << 32
)  # of the largest flow there is, four times over: weights, best weights, two moments


def write(path: str | Path, name: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors and plain values as the pair ``name`` into the directory ``path``.

    Arguments:
        path: the directory, made if it is not there.
        name: of the pair; one that was written before is replaced.
        tensors: of any dtype and device.
        values: plain values that json can hold.

    Raises:
        CheckpointError: if the directory cannot be written.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(folder, "pair", {"a": torch.tensor([1.0, 2.0])}, {"b": 3})
        ...     tensors, values = read(folder, "pair")
        >>> tensors["a"], values["b"]
        (tensor([1., 2.]), 3)
    """
    folder = Path(path)
    payload = save_tensors({key: t.detach().cpu().contiguous().clone() for key, t in tensors.items()})
    digest = hashlib.sha256(payload).hexdigest()
    weights = f"{name}-{digest[:16]}.safetensors"
    head = {"format": FORMAT, "version": VERSION, "weights": weights, "sha256": digest, **values}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / weights, payload)
        _write(folder / f"{name}.json", json.dumps(head, indent=1).encode())
        for old in folder.glob(f"{name}-*.safetensors"):
            if old.name != weights and _is_weights(name, old.name):
                old.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        raise CheckpointError(f"cannot write the checkpoint {folder / name}: {error}") from error


def require_writable(path: str | Path) -> None:
    """Make the directory ``path`` if it is not there, and write and remove a small file in it.

    So work that will be saved only hours later is not done for nothing.

    Raises:
        CheckpointError: if that is not possible.

    Example:
        >>> require_writable("/dev/null/runs")
        Traceback (most recent call last):
        hamsym.errors.CheckpointError: cannot write into /dev/null/runs: ...
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / "writable") as partial:
            partial.write_bytes(b"yes")
        (folder / "writable").unlink()
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        raise CheckpointError(
            f"cannot write into {folder}: {error}; give another folder, or make room there"
        ) from error


def exists(path: str | Path, name: str) -> bool:
    """Tell whether the pair ``name`` was written into ``path``.

    Example:
        >>> exists("nowhere", "model")
        False
    """
    return (Path(path) / f"{name}.json").is_file()


def remove(path: str | Path, name: str) -> None:
    """Remove the pair ``name`` from the directory ``path``, if it is there; the json goes first.

    Raises:
        CheckpointError: if it cannot be removed.

    Example:
        >>> remove("nowhere", "model")
    """
    folder = Path(path)
    try:
        (folder / f"{name}.json").unlink(missing_ok=True)
        for old in folder.glob(f"{name}-*.safetensors"):
            if _is_weights(name, old.name):
                old.unlink(missing_ok=True)
    except NotADirectoryError:
        return  # writing will say so
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot remove the older checkpoint {folder / name}: {error}") from error


def read(path: str | Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return (tensors, values) of the pair ``name`` in the directory ``path``; no code in the files is run.

    Arguments:
        path: the directory.
        name: of the pair.

    Raises:
        CheckpointError: if a file is missing, damaged, of another version, or points elsewhere.

    Example:
        >>> read("nowhere", "model")
        Traceback (most recent call last):
        hamsym.errors.CheckpointError: no checkpoint at nowhere: model.json cannot be read (...)
    """
    folder = Path(path)
    head = _read_head(folder, name)
    weights, digest = head.get("weights"), head.get("sha256")
    if not isinstance(weights, str) or not _is_weights(name, weights):
        raise CheckpointError(
            f"{folder / name}.json names {weights!r} as its weights, which is not a file of its own"
        )
    try:
        _require_file(folder / weights, MAX_WEIGHTS_BYTES)
        payload = (folder / weights).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"the weights {folder / weights} cannot be read ({error}); copy both files"
        ) from error
    if hashlib.sha256(payload).hexdigest() != digest:
        raise CheckpointError(
            f"{folder / weights} is damaged: its SHA-256 is not the recorded one; save it again"
        )
    try:
        tensors = load_tensors(payload)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise CheckpointError(
            f"{folder / weights} is not a safetensors file ({error}); save it again"
        ) from error
    return tensors, head


def _read_head(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    try:
        _require_file(file, MAX_JSON_BYTES)
        head = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise CheckpointError(f"no checkpoint at {folder}: {file.name} cannot be read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{file} is not valid json ({error}); it may be truncated: save it again"
        ) from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CheckpointError(f"{file} is not a checkpoint of this library")
    if head.get("version") != VERSION:
        raise CheckpointError(
            f"{file} has version {head.get('version')!r}, this library reads {VERSION}; update it"
        )
    return head


def _require_file(file: Path, largest: int) -> None:
    # a device or a pipe would be read without end
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{file} is not a regular file, so it is not part of a checkpoint")
    if status.st_size > largest:
        raise CheckpointError(f"{file} is larger than {largest} bytes, so it is not part of a checkpoint")


def _is_weights(name: str, file: str) -> bool:
    return re.fullmatch(re.escape(name) + r"-[0-9a-f]{16}\.safetensors", file) is not None


def _write(target: Path, payload: bytes) -> None:
    with whole(target) as partial:
        partial.write_bytes(payload)
