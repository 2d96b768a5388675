"""Data sets of trajectories: from a spec to shards on disk, in this process or on a cluster, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hamsym.data.cluster import encode_on_cluster
from hamsym.data.manifest import files_of_shard, read_manifest
from hamsym.data.shards import encode_shard
from hamsym.data.spec import DatasetSpec
from hamsym.data.store import Store
from hamsym.errors import DatasetError, HamsymError, ParameterError
from hamsym.progress import Bar

if TYPE_CHECKING:
    import xarray


def generate_dataset(
    spec: DatasetSpec, out: str | os.PathLike[str], *, client: Any = None, progress: bool = True
) -> Path:
    """Make the data set of a spec in a folder, or go on with one that was interrupted.

    The folder is a Zarr store that ``xarray.open_zarr`` opens as it is: ``q``, ``p`` (trajectory, time, dof), ``energy``
    (trajectory, time), ``energy_error`` and ``seed`` (trajectory), and what the spec asks for besides.  The attributes
    hold the Hamiltonian, its proved integrals, the spec, the versions and a checksum of each shard.

    Killed at any moment and called again, it ends with the same bytes as a run that was not interrupted; damaged
    shards are made again.  The bytes do not depend on threads, on the client, or on the order of the shards.

    Arguments:
        spec: what to make.
        out: the folder; made if it is not there.
        client: a ``dask.distributed.Client`` whose workers make the shards (extra ``distributed``); this process writes
            them, so workers need no common disk.
        progress: show a progress bar, if the output is a terminal.

    Returns:
        The folder.

    Raises:
        DatasetError: if the folder cannot be written, the disk is full, or it holds something else; finished shards stay.
        NonFiniteError: if a trajectory leaves the finite numbers; finished shards stay.
        KeyboardInterrupt: on Ctrl-C, saying how much is finished.

    Example:
        >>> import tempfile
        >>> spec = DatasetSpec(system="henon_heiles", trajectories=20, steps=200, dt=0.05, save_every=50, shard=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = open_dataset(generate_dataset(spec, Path(folder) / "hh", progress=False))
        ...     dict(data.sizes), bool(data.energy_error.max() < 1e-3), len(data.attrs["shard_sha256"])
        ({'trajectory': 20, 'time': 5, 'dof': 2}, True, 3)
    """
    if not isinstance(spec, DatasetSpec):
        raise ParameterError(
            f"spec is a hamsym.DatasetSpec, not {type(spec).__name__}; DatasetSpec.from_file reads one from a file"
        )
    if client is not None and not hasattr(client, "submit"):
        raise ParameterError(f"client is a dask.distributed.Client, not {type(client).__name__}")
    store = Store(spec, Path(out))
    done = set(store.finished())
    missing = [i for i in range(spec.shards) if i not in done]
    if not missing and store.is_complete:
        return store.path
    shards = _here(spec, missing) if client is None else encode_on_cluster(client, spec, missing)
    try:
        with ExitStack() as stack, Bar(progress, unit="shard", total=spec.shards) as bar:
            bar.update(len(done))
            for number, (index, files) in enumerate(shards):
                if number == 0:  # a spec whose first shard fails leaves nothing on disk
                    stack.enter_context(store.writing())
                store.add(index, files)
                done.add(index)
                bar.update(1)
            if not missing:
                stack.enter_context(store.writing())
            store.finish()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped with {len(done)} of {spec.shards} shards finished in {store.path}; the same call goes on from there"
        ) from None
    except HamsymError as error:
        if done and not isinstance(error, DatasetError):
            note = f"{len(done)} of {spec.shards} shards are finished in {store.path} and stay"
            error.args = (f"{error}; {note}", *error.args[1:])
        raise
    return store.path


def open_dataset(path: str | os.PathLike[str]) -> xarray.Dataset:
    """Open a complete data set lazily.

    Arguments:
        path: its folder.

    Returns:
        an xarray Dataset whose arrays are read when they are used.

    Raises:
        DatasetError: if there is none, or it is not complete; says how much is missing.

    Example:
        >>> open_dataset("nowhere")
        Traceback (most recent call last):
        hamsym.errors.DatasetError: there is no data set at nowhere: hamsym.json cannot be read (No such file or directory)
    """
    import xarray

    folder = Path(path)
    manifest = read_manifest(folder)
    shards = range(manifest["shards"])
    missing = [i for i in shards if not _is_there(folder, i)]
    if missing or not manifest["complete"]:
        raise DatasetError(
            f"the data set in {folder} is not complete: {len(missing)} of {len(shards)} shards are missing"
            f"{f', the first is {missing[0]}' if missing else ''}; generate_dataset with the same spec goes on"
        )
    return xarray.open_zarr(folder, consolidated=True)


def _is_there(folder: Path, index: int) -> bool:
    """Tell whether a shard has all its files in their size; :func:`hamsym.check_dataset` reads them."""
    try:
        return all((folder / f).stat().st_size == n for f, (n, _) in files_of_shard(folder, index).items())
    except (DatasetError, OSError):
        return False


def _here(spec: DatasetSpec, missing: list[int]) -> Iterator[tuple[int, dict[str, bytes]]]:
    for index in missing:
        yield index, encode_shard(spec, index)
