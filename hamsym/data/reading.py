"""Trajectories of a data set, shard by shard and checked, for readers that shall never hold all of it."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hamsym.data.checksums import damage_of_content
from hamsym.data.layout import chunk_values
from hamsym.data.manifest import MANIFEST, files_of_shard, read_manifest
from hamsym.data.spec import DatasetSpec
from hamsym.errors import DatasetError
from hamsym.numeric.codegen import array_function
from hamsym.numeric.loops import runs_in_loops
from hamsym.numeric.trajectories import Trajectories
from hamsym.numeric.values import slope_function
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace

if TYPE_CHECKING:
    import xarray

#: Trajectories read at once from data that say nothing about shards.
_AT_ONCE = 256


class Reader(ABC):
    """Arrays whose first axis is ``trajectory``, in shards of consecutive trajectories.

    Attributes:
        name: where the data come from, for messages.
        dims: name of each array to the names of its dimensions.
        shapes: name of each array to its shape.
        attributes: what the data say about themselves.
        time: the stored times, shape ``(time,)``.
        split: name of the split of each trajectory, shape ``(trajectory,)``; None without splits.
        shards: the trajectories of each shard.
    """

    name: str
    dims: dict[str, tuple[str, ...]]
    shapes: dict[str, tuple[int, ...]]
    attributes: dict[str, Any]
    time: np.ndarray
    split: np.ndarray | None
    shards: list[range]

    @abstractmethod
    def read(self, shard: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return arrays of one shard.

        Raises:
            DatasetError: if it cannot be read, or is not as it was written; names file and shard.
        """

    @cached_property
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian of the trajectories.

        Raises:
            DatasetError: if the data do not say which.
        """
        said = self.attributes
        if "spec" in said:
            return DatasetSpec.from_dict(json.loads(said["spec"])).source.hamiltonian
        if not all(key in said for key in ("hamiltonian", "coordinates", "momenta")):
            raise DatasetError(f"{self.name} does not say of which Hamiltonian its trajectories are")
        names = [key.removeprefix("parameter_") for key in said if key.startswith("parameter_")]
        space = PhaseSpace(said["coordinates"], said["momenta"], parameters=dict.fromkeys(names, "real"))
        return Hamiltonian(said["hamiltonian"], space)

    def rates(self, shard: int) -> dict[str, np.ndarray]:
        """Return ``dq`` = ∂H/∂p and ``dp`` = −∂H/∂q at the (clean) states of a shard, from the formula, float64.

        Raises:
            DatasetError: as :meth:`read`, or if the Hamiltonian is not known.
        """
        space = self.hamiltonian.space
        drawn = [f"parameter_{n}" for n in space.parameters if f"parameter_{n}" in self.dims]
        arrays = self.read(shard, ["q", "p", *drawn])
        values: dict[str, Any] = {
            n: arrays[f"parameter_{n}"][:, None]
            if f"parameter_{n}" in arrays
            else self.attributes.get(f"parameter_{n}", np.nan)
            for n in space.parameters
        }
        return self._rates(arrays["q"], arrays["p"], values)

    def _rates(self, q: np.ndarray, p: np.ndarray, values: dict[str, Any]) -> dict[str, np.ndarray]:
        if isinstance(self._slopes, list):
            columns = [f(q, p, values, self.time) for f in self._slopes]
            rates = [np.stack(half, axis=-1) for half in (columns[: q.shape[-1]], columns[q.shape[-1] :])]
            return dict(zip(("dq", "dp"), rates, strict=True))
        if not any(isinstance(v, np.ndarray) for v in values.values()):
            return dict(zip(("dq", "dp"), self._slopes(q, p, values, self.time), strict=True))
        each = [{n: float(v[i, 0]) if isinstance(v, np.ndarray) else v for n, v in values.items()} for i in range(len(q))]  # fmt: skip
        found = [self._slopes(q[i], p[i], each[i], self.time) for i in range(len(q))]
        return {"dq": np.stack([v for v, _ in found]), "dp": np.stack([a for _, a in found])}

    @cached_property
    def _slopes(self) -> Any:
        """The right sides of the equations of motion: a function of each, or of all where sums are long."""
        H = self.hamiltonian
        if runs_in_loops(H):
            return slope_function(H)
        equations = H.equations()
        return [array_function(equations[s], H.space) for s in H.space.variables]

    def __getstate__(self) -> dict[str, Any]:
        # compiled functions do not travel, they are made again
        return {key: value for key, value in self.__dict__.items() if key != "_slopes"}


class StoreReader(Reader):
    """A store made by :func:`hamsym.generate_dataset`; every byte that is read is held against its checksum.

    Arguments:
        path: its folder.

    Raises:
        DatasetError: if there is none, or it is not complete or damaged.

    Example:
        >>> import tempfile
        >>> from hamsym import generate_dataset
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, shard=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     reader = StoreReader(generate_dataset(spec, Path(folder) / "data", progress=False))
        ...     reader.shards, reader.read(1, ["q"])["q"].shape
        ([range(0, 2), range(2, 3)], (1, 5, 1))
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.name = Path(path), str(path)
        self._manifest = manifest = read_manifest(self.path)
        if not manifest["complete"]:
            raise DatasetError(
                f"the data set in {self.path} is not complete; generate_dataset with the same spec goes on"
            )
        self.attributes = self._json(".zattrs")
        self._arrays = {
            name.split("/")[0]: self._json(name) for name in manifest["files"] if name.endswith("/.zarray")
        }
        self.dims = {name: tuple(self._json(f"{name}/.zattrs")["_ARRAY_DIMENSIONS"]) for name in self._arrays}
        self.shapes = {name: tuple(array["shape"]) for name, array in self._arrays.items()}
        self.time = self._whole("time")
        self.split = self._whole("split") if "split" in self._arrays else None
        starts = self.attributes["shard_first_trajectory"]
        ends = [*starts[1:], self.shapes["q"][0]]
        self.shards = [range(*ends_of) for ends_of in zip(starts, ends, strict=True)]

    def read(self, shard: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        try:
            records = files_of_shard(self.path, shard)
        except DatasetError as error:
            raise self._damaged(f"the record of shard {shard}", str(error)) from None
        arrays = {}
        for name in names:
            file = f"{name}/" + ".".join([str(shard)] + ["0"] * (len(self.shapes[name]) - 1))
            content = self._content(file, records[file][1], f"shard {shard}: {file}")
            arrays[name] = chunk_values(content, self._arrays[name])[: len(self.shards[shard])]
        return arrays

    def _json(self, file: str) -> dict[str, Any]:
        return json.loads(self._content(file, self._manifest["files"][file], file))

    def _whole(self, name: str) -> np.ndarray:
        file = f"{name}/0"
        return chunk_values(self._content(file, self._manifest["files"][file], file), self._arrays[name])

    def _content(self, file: str, sha256: str, what: str) -> bytes:
        try:
            content = (self.path / file).read_bytes()
        except OSError as error:
            raise self._damaged(what, f"cannot be read ({error.strerror})") from None
        if problem := damage_of_content(content, sha256):
            raise self._damaged(what, problem)
        return content

    def _damaged(self, what: str, problem: str) -> DatasetError:
        return DatasetError(
            f"{self.path}: {what} {problem}; hamsym dataset check names all that is wrong, and generate_dataset with the "
            "same spec makes damaged shards again"
        )


class ArraysReader(Reader):
    """An xarray Dataset of trajectories, lazy or in memory, as it is: nobody knows its checksums.

    Arguments:
        data: with ``q`` and ``p`` of the dimensions (trajectory, time, dof).
        hamiltonian: if it is known; else what the attributes say.

    Raises:
        DatasetError: if it has not these arrays.

    Example:
        >>> from hamsym import simulate, systems
        >>> run = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
        >>> reader = ArraysReader(run.to_xarray())
        >>> reader.rates(0)["dq"].shape, bool((reader.rates(0)["dq"] == run.p).all())
        ((1, 6, 2), True)
    """

    def __init__(self, data: xarray.Dataset, hamiltonian: Hamiltonian | None = None) -> None:
        if hamiltonian is not None:
            self.hamiltonian = hamiltonian
        self._data, self.name = data, "the xarray.Dataset"
        for name in "qp":
            if name not in data or data[name].dims != ("trajectory", "time", "dof"):
                raise DatasetError(
                    f"{self.name} has no array {name!r} of the dimensions (trajectory, time, dof)"
                )
        arrays = {str(n): a for n, a in data.variables.items()}
        self.dims = {n: tuple(map(str, a.dims)) for n, a in arrays.items()}
        self.shapes = {n: tuple(a.shape) for n, a in arrays.items()}
        self.attributes = {str(k): v for k, v in data.attrs.items()}
        if "dof" in data.coords:
            self.attributes.setdefault("coordinates", [str(n) for n in data["dof"].values])
        self.time = data["time"].values if "time" in data.coords else np.arange(data.sizes["time"])
        self.split = data["split"].values if "split" in data.coords else None
        count, size = data.sizes["trajectory"], int(self.attributes.get("shard_size", _AT_ONCE))
        self.shards = [range(first, min(first + size, count)) for first in range(0, count, size)]

    def read(self, shard: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        members = self.shards[shard]
        part = slice(members.start, members.stop)
        try:
            # in this thread: those that Dask keeps do not live on in a forked process
            parts = {n: self._data[n].isel(trajectory=part).compute(scheduler="synchronous") for n in names}
            return {name: np.asarray(x.values) for name, x in parts.items()}
        except (OSError, RuntimeError, ValueError) as error:
            raise DatasetError(
                f"trajectories {members.start} to {members.stop - 1} of {self.name} cannot be read: {error}"
            ) from error


def reader_of(data: Any) -> Reader:
    """Return what reads a data set.

    Arguments:
        data: the folder of a store, of :func:`hamsym.generate_dataset` or of ``Trajectories.save``; an xarray Dataset; or
            :class:`hamsym.Trajectories`.

    Raises:
        DatasetError: if it is none of these, or not complete or damaged.

    Example:
        >>> reader_of("nowhere")
        Traceback (most recent call last):
        hamsym.errors.DatasetError: there is no data set at nowhere: hamsym.json cannot be read (No such file or directory)
    """
    if isinstance(data, Trajectories):
        return ArraysReader(data.to_xarray(), data.hamiltonian)
    if isinstance(data, str | os.PathLike):
        folder = Path(data)
        is_plain = not (folder / MANIFEST).exists() and (folder / ".zgroup").exists()
        return ArraysReader(_opened(folder)) if is_plain else StoreReader(folder)
    if not hasattr(data, "data_vars"):
        raise DatasetError(
            f"a data set is the folder of a store, an xarray.Dataset or hamsym.Trajectories, not {type(data).__name__}"
        )
    return ArraysReader(data)


def _opened(folder: Path) -> xarray.Dataset:
    import xarray

    try:
        return xarray.open_zarr(folder, chunks=None)
    except Exception as error:  # whatever a damaged file makes of the reader
        raise DatasetError(f"{folder} cannot be read: {error}") from error
