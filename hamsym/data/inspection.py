"""What is in a data set, and whether every byte of it is as it was written."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.data.checksums import damage_of_file
from hamsym.data.manifest import (
    MANIFEST,
    RECORDS,
    damage_of_shard,
    files_of_shard,
    read_manifest,
    record_name,
)
from hamsym.errors import DatasetError
from hamsym.progress import Bar
from hamsym.symbolic.formula.text import shorten


@dataclass(frozen=True)
class Damage:
    """A file that is not as it was written.

    Attributes:
        file: its path in the data set.
        problem: what is wrong, in words.
        shard: the shard to which it belongs; None for what belongs to all.
    """

    file: str
    problem: str
    shard: int | None = None

    def __str__(self) -> str:
        return (f"shard {self.shard}: " if self.shard is not None else "") + f"{self.file} {self.problem}"


@dataclass(frozen=True, repr=False)
class DatasetReport:
    """What :func:`check_dataset` found.

    Attributes:
        path: the folder.
        shards: how many there shall be.
        missing: those that were not made yet.
        damages: files that are not as they were written; none in a sound data set.

    Example:
        >>> DatasetReport(Path("data"), 2, (), (Damage("q/1.0.0", "is damaged", 1),))
        data: 1 file is not as it was written
          shard 1: q/1.0.0 is damaged
    """

    path: Path
    shards: int
    missing: tuple[int, ...]
    damages: tuple[Damage, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all shards are there."""
        return not self.missing

    @property
    def is_sound(self) -> bool:
        """Whether everything that is there is as it was written."""
        return not self.damages

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON knows."""
        return {
            "path": str(self.path),
            "sound": self.is_sound,
            "complete": self.is_complete,
            "shards": self.shards,
            "missing": list(self.missing),
            "damages": [{"file": d.file, "problem": d.problem, "shard": d.shard} for d in self.damages],
        }

    def _lines(self) -> list[str]:
        there = f"{self.shards - len(self.missing)} of {self.shards} shards"
        if self.is_sound:
            return [f"{self.path}: {there}, every byte as it was written"]
        n = len(self.damages)
        head = f"{self.path}: {n} file{'s are' if n > 1 else ' is'} not as {'they were' if n > 1 else 'it was'} written"
        return [head, *(f"  {damage}" for damage in self.damages)]

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        return "<br>".join(html.escape(line) for line in self._lines())


def check_dataset(path: str | os.PathLike[str], *, progress: bool = False) -> DatasetReport:
    """Read every byte of a data set and compare it with the checksums; also name what is missing or does not belong.

    The manifest holds a checksum of itself, of the metadata and of the shards' records, which hold those of the chunks, so
    a change of any byte is found.  (Who changes data *and* all checksums on purpose is not.)

    Arguments:
        path: the folder.
        progress: show a progress bar, if the output is a terminal.

    Returns:
        a report; ``is_sound``, ``damages`` and ``missing`` tell the result.

    Raises:
        DatasetError: if there is no data set.

    Example:
        >>> import tempfile
        >>> from hamsym import DatasetSpec, generate_dataset
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, shard=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = generate_dataset(spec, Path(folder) / "data", progress=False)
        ...     sound = check_dataset(path).is_sound
        ...     _ = (path / "q" / "1.0.0").write_bytes(b"")
        ...     sound, [str(damage) for damage in check_dataset(path).damages]
        (True, ['shard 1: q/1.0.0 is damaged'])
    """
    folder = Path(path)
    try:
        manifest, damages = read_manifest(folder), []
    except DatasetError as error:
        records = sorted((folder / RECORDS).glob("*.json"))
        if not (folder / MANIFEST).exists() and not records:
            raise
        # what the manifest said is lost, but shards can still be held against their own records
        manifest = {"shards": len(records), "complete": False, "files": {}}
        problem = "is damaged" if (folder / MANIFEST).exists() else "is missing"
        damages = [Damage(MANIFEST, f"{problem}, so the number of shards is not known ({error})")]
    shard_of = {record_name(i): i for i in range(manifest["shards"])}
    for name, sha256 in manifest["files"].items():
        problem = damage_of_file(folder / name, sha256)
        if problem and (
            manifest["complete"] or (folder / name).exists()
        ):  # a killed run may not have come so far
            damages.append(Damage(name, problem, shard_of.get(name)))
    missing, known = [], {MANIFEST, *manifest["files"]}
    with Bar(progress, unit="shard", total=manifest["shards"]) as bar:
        for index in range(manifest["shards"]):
            found = damage_of_shard(folder, index)
            if found == [(record_name(index), "is missing")]:
                missing.append(index)
            else:
                damages += [Damage(*each, index) for each in found if Damage(*each, index) not in damages]
                known |= _names(folder, index)
            bar.update(1)
    if manifest["complete"]:
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
        # without its record nothing is known of a shard's files
        lost = {d.shard for d in damages if d.shard is not None and d.file == record_name(d.shard)}
        damages += [Damage(n, "does not belong here") for n in sorted(there - known) if _shard(n) not in lost]
    return DatasetReport(folder, manifest["shards"], tuple(missing), tuple(damages))


def dataset_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a data set holds, in types that JSON knows; also of one that is not complete.

    Raises:
        DatasetError: if there is none, or it cannot be read.

    Example:
        >>> dataset_info("nowhere")
        Traceback (most recent call last):
        hamsym.errors.DatasetError: there is no data set at nowhere: ...
    """
    import xarray

    folder = Path(path)
    manifest = read_manifest(folder)
    made = [i for i in range(manifest["shards"]) if _names(folder, i)]
    data = xarray.Dataset()
    try:
        if made:  # before that, a killed run may have left no metadata
            data = xarray.open_zarr(folder, consolidated=True, chunks=None)
        errors = data["energy_error"].values if made else np.array([])
        split = data["split"].values if "split" in data.coords else np.array([])
    except Exception as error:  # whatever a damaged file makes of the reader
        raise DatasetError(
            f"{folder} cannot be read ({error}); hamsym dataset check names what is damaged"
        ) from error
    errors = errors[np.isfinite(errors)]
    counts = {name: int((split == name).sum()) for name in manifest["spec"]["splits"] or {}}
    return {
        "path": str(folder),
        "complete": manifest["complete"],
        "shards": manifest["shards"],
        "shards_made": len(made),
        "bytes": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        "hamiltonian": manifest["hamiltonian"],
        "integrals": manifest["integrals"],
        "sizes": {str(k): int(v) for k, v in data.sizes.items()},
        "arrays": sorted(map(str, data.data_vars)),
        "largest_energy_error": float(errors.max()) if len(errors) else None,
        "median_energy_error": float(np.median(errors)) if len(errors) else None,
        "splits": counts if len(split) else {},
        "versions": manifest["versions"],
        "spec": manifest["spec"],
    }


def info_text(info: dict[str, Any]) -> str:
    """Return the lines that a person reads.

    Example:
        >>> info_text({"path": "data", "shards": 2, "shards_made": 1, "bytes": 3000, "hamiltonian": "p1", "integrals": [],
        ...     "sizes": {"trajectory": 3}, "arrays": ["p", "q"], "largest_energy_error": None, "splits": {},
        ...     "spec": {"method": "leapfrog", "dt": 0.1, "seed": 0}}).splitlines()[0]
        'data: 1 of 2 shards, 0.003 MB'
    """
    lines = [
        f"{info['path']}: {info['shards_made']} of {info['shards']} shards, {info['bytes'] / 1e6:.3g} MB"
    ]
    lines.append(f"  Hamiltonian: {shorten(info['hamiltonian'], 200)}")
    for g in info["integrals"]:
        lines.append(f"  {g['status']}: {g['name']}, {shorten(g['formula'], 160)}")
    spec = info["spec"]
    if info["arrays"]:
        lines.append("  sizes: " + ", ".join(f"{n} {name}" for name, n in info["sizes"].items()))
        lines.append("  arrays: " + ", ".join(info["arrays"]))
    lines.append(f"  {spec['method']} with dt = {spec['dt']:g}, seed {spec['seed']}")
    for key in ("parameters", "initial", "noise", "render"):
        if spec.get(key):
            lines.append(f"  {key}: {shorten(json.dumps(spec[key]), 160)}")
    if info["largest_energy_error"] is not None:
        worst, median = info["largest_energy_error"], info["median_energy_error"]
        lines.append(f"  relative energy error: at most {worst:.2e}, median {median:.2e}")
    if info["splits"]:
        lines.append("  splits: " + ", ".join(f"{name} {n}" for name, n in info["splits"].items()))
    if info["shards_made"] < info["shards"]:
        left = info["shards"] - info["shards_made"]
        lines.append(f"  {left} shard(s) left; hamsym dataset generate with the same spec goes on")
    return "\n".join(lines)


def _names(folder: Path, index: int) -> set[str]:
    try:
        return {record_name(index), *files_of_shard(folder, index)}
    except DatasetError:
        return set()


def _shard(name: str) -> int | None:
    """Return the shard to which a file would belong by its name."""
    last = name.rsplit("/", 1)[-1].split(".")[0]
    return int(last) if "/" in name and last.isdecimal() and last.isascii() and len(last) < 12 else None
