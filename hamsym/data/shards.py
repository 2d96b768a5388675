"""One shard of a data set: its numbers from the spec and its index alone, and their bytes as chunks of Zarr arrays.

The numbers do not depend on the shard size (:mod:`hamsym.data.streams`); the bytes of the files do, because a shard is a
chunk.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from hamsym.data.layout import arrays_of, chunk_file, range_of
from hamsym.data.spec import DatasetSpec
from hamsym.data.starts import Starts, starts_of
from hamsym.data.streams import NOISE
from hamsym.errors import NonFiniteError
from hamsym.numeric.simulate import simulate
from hamsym.numeric.trajectories import Trajectories

#: Trajectories that images without a given extent have to hold.
_FRAMED = 16
#: Packages whose version shapes the bytes.
_PACKAGES = ("hamsym", "llvmlite", "numba", "numcodecs", "numpy", "sympy", "xarray", "zarr")


def make_shard(spec: DatasetSpec, index: int, *, threads: int | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of one shard.

    Arguments:
        spec: of the data set.
        index: of the shard, from 0.
        threads: of the integrator; None takes all processors.

    Returns:
        the arrays of :func:`arrays_of`; the first axis is that of :func:`range_of`.

    Raises:
        NonFiniteError: if a trajectory leaves the finite numbers; names its index in the data set, time and parameters.

    Example:
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, shard=2)
        >>> make_shard(spec, 1)["q"].shape
        (1, 5, 1)
    """
    members = range_of(spec, index)
    starts = starts_of(spec, members)
    result = {
        name: np.empty(array.shape(spec, len(members)), array.dtype)
        for name, array in arrays_of(spec).items()
    }
    result["seed"][:] = [block.seed for block in starts.blocks]
    extent = extent_of_images(spec)
    for rows, run in _runs(spec, members, starts, threads):
        parameters, energy = run.parameters, run.energy
        _require_energy(run, energy, [members[row] for row in rows])
        result["q"][rows], result["p"][rows], result["energy"][rows] = run.q, run.p, energy
        result["energy_error"][rows] = np.abs(run.energy_error).max(axis=1)
        for name in parameters:
            if f"parameter_{name}" in result:
                result[f"parameter_{name}"][rows] = parameters[name]
        if spec.renderer:
            result["image"][rows] = spec.renderer.draw(run.q, parameters, extent=extent)
    if spec.noise:
        for row, block in enumerate(starts.blocks):
            rng = block.stream(NOISE, block.rows[0])
            for name in "qp":
                noise = rng.standard_normal(result[name].shape[1:])
                result[f"{name}_observed"][row] = result[name][row] + spec.noise * noise
    return result


def extent_of_images(spec: DatasetSpec) -> float:
    """Return the extent of the images: that of the spec, or one that holds the first trajectories; 0 without images.

    Example:
        >>> extent_of_images(DatasetSpec(system="kepler", trajectories=1, steps=1, dt=0.1, render={"extent": 2}))
        2.0
    """
    if spec.renderer is None:
        return 0.0
    if spec.renderer.extent is not None:
        return spec.renderer.extent
    members = range(min(spec.trajectories, _FRAMED))
    runs = _runs(spec, members, starts_of(spec, members), 1)
    widest = max(float(np.abs(spec.renderer.centres(run.q, run.parameters)).max()) for _, run in runs)
    return 1.1 * widest or 1.0


def encode_shard(spec: DatasetSpec, index: int, *, threads: int | None = None) -> dict[str, bytes]:
    """Return the files of one shard, path in the store to content; ``threads`` as for :func:`make_shard`.

    Example:
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, shard=2)
        >>> sorted(encode_shard(spec, 1))
        ['energy/1.0', 'energy_error/1', 'p/1.0.0', 'q/1.0.0', 'seed/1']
    """
    shard = make_shard(spec, index, threads=threads)
    files = {}
    for name, array in arrays_of(spec).items():
        key = ".".join([str(index)] + ["0"] * (len(array.dims) - 1))
        files[f"{name}/{key}"] = chunk_file(shard[name], array.shape(spec, spec.shard))
    return files


def encode_elsewhere(spec: Mapping[str, Any], index: int) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return :func:`encode_shard` of a spec in plain types, and the versions of the place where it was made.

    Example:
        >>> files, made_with = encode_elsewhere({"system": "pendulum", "trajectories": 1, "steps": 1, "dt": 0.1}, 0)
        >>> len(files), made_with == versions()
        (5, True)
    """
    return encode_shard(DatasetSpec.from_dict(spec), index, threads=1), versions()


def versions() -> dict[str, str]:
    """Return the versions of everything that shapes the bytes.

    Example:
        >>> versions()["numpy"] == np.__version__
        True
    """
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def _runs(
    spec: DatasetSpec, members: range, starts: Starts, threads: int | None
) -> Iterator[tuple[list[int], Trajectories]]:
    """Simulate trajectories, those of the same parameters together; give the rows of each run."""
    alike: dict[int, list[int]] = {}
    for row, parameters in enumerate(starts.parameters):
        alike.setdefault(id(parameters), []).append(row)
    for rows in alike.values():
        indices = [members[row] for row in rows]
        yield (
            rows,
            _simulate(spec, indices, starts.q[rows], starts.p[rows], starts.parameters[rows[0]], threads),
        )


def _simulate(
    spec: DatasetSpec,
    members: list[int],
    q0: np.ndarray,
    p0: np.ndarray,
    parameters: dict[str, float],
    threads: int | None,
) -> Trajectories:
    try:
        return simulate(
            spec.source.hamiltonian, q0, p0, spec.dt, spec.steps,
            save_every=spec.save_every, method=spec.method, parameters=parameters, threads=threads,
        )  # fmt: skip
    except NonFiniteError as error:
        row = error.index or 0
        raise NonFiniteError(
            f"trajectory {members[row]} left the finite numbers by t = {error.time or 0.0:.6g} with dt = {spec.dt:g} and "
            f"parameters {parameters}; it started at q = {q0[row].tolist()}, p = {p0[row].tolist()}. "
            "Take a smaller dt, or initial states and parameters away from the singularity",
            index=members[row],
            time=error.time,
        ) from error


def _require_energy(run: Trajectories, energy: np.ndarray, members: list[int]) -> None:
    """Refuse states that are finite, but at which the Hamiltonian has no finite value."""
    lost = np.argwhere(~np.isfinite(energy))
    if len(lost):
        row, frame = (int(i) for i in lost[0])
        raise NonFiniteError(
            f"the energy of trajectory {members[row]} is not finite at t = {run.t[frame]:.6g} with parameters "
            f"{run.parameters}; q = {run.q[row, frame].tolist()}, p = {run.p[row, frame].tolist()}. Take initial states in the "
            "domain of the Hamiltonian",
            index=members[row],
            time=float(run.t[frame]),
        )
