"""How a data set is laid out as a Zarr store: its arrays, their chunks, the metadata (Zarr format 2, consolidated)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamsym.data.spec import DatasetSpec
from hamsym.data.streams import BLOCK

TIME = ("trajectory", "time")
STATE = (*TIME, "dof")
IMAGE = (*TIME, "y", "x")


@dataclass(frozen=True)
class Array:
    """One array of the store, of which each shard holds one chunk.

    Attributes:
        dims: names of its dimensions, ``trajectory`` first.
        dtype: numpy's name.
        is_coordinate: whether xarray shall show it as a coordinate.
        text: what it is.
    """

    dims: tuple[str, ...]
    dtype: str
    text: str
    is_coordinate: bool = False

    def shape(self, spec: DatasetSpec, trajectories: int) -> tuple[int, ...]:
        """Return the shape for so many trajectories."""
        size = spec.renderer.size if spec.renderer else 0
        dof = len(spec.source.hamiltonian.space.coordinates)
        sizes = {"trajectory": trajectories, "time": spec.times, "dof": dof, "x": size, "y": size}
        return tuple(sizes[d] for d in self.dims)


def arrays_of(spec: DatasetSpec) -> dict[str, Array]:
    """Return the arrays that a data set of this spec has, by name.

    Example:
        >>> list(arrays_of(DatasetSpec(system="kepler", trajectories=1, steps=1, dt=0.1, parameters={"k": {"choice": [1, 2]}})))
        ['q', 'p', 'energy', 'energy_error', 'seed', 'parameter_k']
    """
    arrays = {
        "q": Array(STATE, "float64", "coordinates"),
        "p": Array(STATE, "float64", "momenta"),
        "energy": Array(TIME, "float64", "value of the Hamiltonian"),
        "energy_error": Array(("trajectory",), "float64", "largest |H(t) - H(0)| / |H(0)| of the stored times, guarded where H(0) is small by cancellation"),
        "seed": Array(("trajectory",), "uint64", f"of the block of {BLOCK} trajectories of which this is number trajectory mod {BLOCK}", True),
    }  # fmt: skip
    for name, distribution in spec.parameter_distributions.items():
        if not distribution.is_constant:
            arrays[f"parameter_{name}"] = Array(
                ("trajectory",), "float64", f"value of the parameter {name}", True
            )
    if spec.noise:
        arrays["q_observed"] = Array(STATE, "float64", "coordinates with noise")
        arrays["p_observed"] = Array(STATE, "float64", "momenta with noise")
    if spec.renderer:
        arrays["image"] = Array(IMAGE, "uint8", "picture of the configuration, row 0 at the top")
    return arrays


def range_of(spec: DatasetSpec, index: int) -> range:
    """Return the trajectories of a shard.

    Example:
        >>> range_of(DatasetSpec(system="kepler", trajectories=5, steps=1, dt=0.1, shard=3), 1)
        range(3, 5)
    """
    return range(index * spec.shard, min((index + 1) * spec.shard, spec.trajectories))


def chunk_file(values: np.ndarray, chunk: tuple[int, ...]) -> bytes:
    """Return the file of one chunk: filter, then compressor (Zarr format 2).

    Arguments:
        values: what is in it; fewer along the first axis than ``chunk`` says are padded, as the last chunk is.
        chunk: its shape.

    Example:
        >>> len(chunk_file(np.zeros((2, 3)), (5, 3))) > 0
        True
    """
    padded = np.zeros(chunk, values.dtype)
    padded[: len(values)] = values
    options, content = _options(values.dtype.name), padded.tobytes()
    for codec in [*(options["filters"] or []), options["compressors"]]:
        content = codec.encode(content)
    return bytes(content)


def chunk_values(content: bytes, array: Mapping[str, Any]) -> np.ndarray:
    """Return the values in the file of one chunk, padded ones included.

    Arguments:
        content: of the file.
        array: the metadata of its array, as ``.zarray`` has them.

    Example:
        >>> zstd = {"id": "zstd", "level": 1}
        >>> chunk_values(chunk_file(np.ones((2, 3), np.uint8), (2, 3)), {"dtype": "|u1", "chunks": [2, 3], "compressor": zstd})
        array([[1, 1, 1],
               [1, 1, 1]], dtype=uint8)
    """
    import numcodecs

    for options in [array["compressor"], *reversed(array.get("filters") or [])]:
        content = numcodecs.get_codec(options).decode(content)
    return np.frombuffer(content, array["dtype"]).reshape(array["chunks"])


def metadata_files(
    spec: DatasetSpec, manifest: Mapping[str, Any], shard_digests: list[str]
) -> dict[str, bytes]:
    """Return the files of the Zarr store that are no chunks of shards, path to content.

    Arguments:
        spec: of the data set.
        manifest: its ``hamiltonian``, ``integrals``, ``versions`` and, with images, ``image_extent``.
        shard_digests: a checksum of each shard; empty as long as some are missing.
    """
    import zarr

    files: dict[str, Any] = {}
    memory = zarr.storage.MemoryStore(files)
    arrays, space = arrays_of(spec), spec.source.hamiltonian.space
    split = spec.split_of_each()
    coordinates = [name for name, array in arrays.items() if array.is_coordinate] + (
        ["split"] if split is not None else []
    )
    constants = {f"parameter_{n}": d.numbers[0] for n, d in spec.parameter_distributions.items() if d.is_constant}  # fmt: skip
    attributes = {
        "title": f"trajectories of {spec.system if isinstance(spec.system, str) else manifest['hamiltonian']}",
        "hamiltonian": manifest["hamiltonian"],
        "coordinate_names": [s.name for s in space.coordinates],
        "momentum_names": [s.name for s in space.momenta],
        "integrals": [g["formula"] for g in manifest["integrals"] if g["status"] == "proved"],
        "integral_verdicts": json.dumps(manifest["integrals"], sort_keys=True),
        "method": spec.method, "dt": spec.dt, "save_every": spec.save_every, "seed": spec.seed, "noise": spec.noise,
        **constants,
        **({"image_extent": manifest["image_extent"]} if spec.renderer else {}),
        "spec": json.dumps(spec.to_dict(), sort_keys=True),
        "versions": json.dumps(manifest["versions"], sort_keys=True),
        "shard_size": spec.shard,
        "shard_first_trajectory": [range_of(spec, i).start for i in range(len(shard_digests))],
        "shard_sha256": shard_digests,
        "coordinates": " ".join(coordinates),
    }  # fmt: skip
    group = zarr.create_group(memory, zarr_format=2, attributes=attributes)
    for name, array in arrays.items():
        group.create_array(
            name, shape=array.shape(spec, spec.trajectories), chunks=array.shape(spec, spec.shard), dtype=array.dtype,
            attributes={"_ARRAY_DIMENSIONS": list(array.dims), "long_name": array.text}, **_options(array.dtype),
        )  # fmt: skip
    whole_arrays = {
        "trajectory": ("trajectory", np.arange(spec.trajectories)),
        "time": ("time", spec.dt * (spec.save_every * np.arange(spec.times))),
        "dof": ("dof", np.array([s.name for s in space.coordinates])),
    }
    if split is not None:
        whole_arrays["split"] = ("trajectory", split)
    for name, (dim, values) in whole_arrays.items():
        written = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype=values.dtype, attributes={"_ARRAY_DIMENSIONS": [dim]}, **_options(values.dtype.str)
        )  # fmt: skip
        written[...] = values
    zarr.consolidate_metadata(memory, zarr_format=2)
    return {name: buffer.to_bytes() for name, buffer in files.items()}


def _options(dtype: str) -> dict[str, Any]:
    """Return how an array of this type is written: bytes of equal weight together, then zstd; the same bytes always."""
    import numcodecs

    width = np.dtype(dtype).itemsize
    is_float = np.dtype(dtype).kind == "f"
    return {
        "fill_value": float("nan")
        if is_float
        else None,  # what is missing shows; xarray would mask other values
        "filters": [numcodecs.Shuffle(width)] if np.dtype(dtype).kind in "iuf" and width > 1 else None,
        "compressors": numcodecs.Zstd(1),
        "config": {"write_empty_chunks": True},
    }
