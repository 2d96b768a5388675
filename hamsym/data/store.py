"""The folder of a data set: a Zarr store, a record of each finished shard, and a manifest with the checksums of all.

``hamsym.json``         the manifest: spec, versions, proofs; when complete, the SHA-256 of every file below but the chunks
``shards/00000.json``   the record of a shard, written last of its files: their SHA-256
``q/0.0.0`` …           one chunk of each array for each shard
``.zattrs`` …           Zarr format 2 metadata, consolidated

Every file appears whole, by rename out of ``.unfinished``, so a killed run leaves a shard without its record, or nothing.
Files hold no dates, names of machines or durations: the same spec and versions give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.arguments import shown
from hamsym.data.shards import arrays_of, extent_of_images, range_of, versions, zarr_options
from hamsym.data.spec import DatasetSpec
from hamsym.data.streams import Block
from hamsym.errors import DatasetError
from hamsym.symbolic.bracket import verify
from hamsym.symbolic.formula.text import to_text

FORMAT, VERSION = "hamsym.dataset", 1
MANIFEST, RECORDS, SCRATCH = "hamsym.json", "shards", ".unfinished"
#: Seconds for the proof of one integral; those of the catalogue take less than one.
_BUDGET = 10.0
#: The metadata that change when the last shard is there.
_LATE = (".zattrs", ".zmetadata")


class Store:
    """A folder that holds, or will hold, the data set of one spec.

    Attributes:
        path: the folder.
        manifest: what ``hamsym.json`` says, or will say at first.

    Example:
        >>> import tempfile
        >>> spec = DatasetSpec(system="pendulum", trajectories=3, steps=4, dt=0.1, shard=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store(spec, Path(folder) / "data")
        ...     store.path.exists(), store.finished()
        (False, [])
    """

    def __init__(self, spec: DatasetSpec, path: Path) -> None:
        self.spec, self.path = spec, path
        if (path / MANIFEST).exists():
            self.manifest = read_manifest(path)
            _require_same(path, spec, self.manifest)
        else:
            _require_place(path)
            self.manifest = _first_manifest(spec)
            files = {name: digest(c) for name, c in self._bare_metadata.items() if name not in _LATE}
            self.manifest = {**self.manifest, "files": files}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder if it is not there, keep other processes out, and clear what this or a killed run left.

        Raises:
            DatasetError: if another process writes there, or the folder cannot be written.
        """
        with self._errors(), _locked(self._make()):
            (self.path / SCRATCH).mkdir(exist_ok=True)
            try:
                self._write(MANIFEST, canonical(self.manifest))
                for name, content in self._bare_metadata.items():
                    if name not in _LATE or not (self.path / name).exists():
                        self._write(name, content)
                yield
            finally:
                shutil.rmtree(self.path / SCRATCH, ignore_errors=True)

    def finished(self) -> list[int]:
        """Return the shards whose record is there and whose files all have the bytes that it says."""
        return [i for i in range(self.spec.shards) if not damage_of_shard(self.path, i)]

    @property
    def is_complete(self) -> bool:
        """Whether all files but those of shards are there and have the bytes of a complete data set."""
        files = self.manifest["files"].items()
        return self.manifest["complete"] and not any(
            damage_of_file(self.path / n, sha256) for n, sha256 in files
        )

    def add(self, index: int, files: dict[str, bytes]) -> None:
        """Write the files of a shard, then its record.

        Raises:
            DatasetError: if the disk is full or the folder cannot be written; finished shards stay.
        """
        members = range_of(self.spec, index)
        record = {
            "shard": index,
            "first_trajectory": members.start,
            "trajectories": len(members),
            "seed": {
                "entropy": self.spec.seed,
                "blocks": [block.index for block in Block.covering(self.spec.seed, members)],
            },
            "files": {
                name: {"bytes": len(content), "sha256": digest(content)} for name, content in files.items()
            },
        }
        with self._errors():
            for name, content in files.items():
                self._write(name, content)
            self._write(record_name(index), canonical(record))

    def finish(self) -> None:
        """Write the metadata of the complete store, then the manifest with the checksums of everything."""
        with self._errors():
            names = [record_name(i) for i in range(self.spec.shards)]
            records = {name: (self.path / name).read_bytes() for name in names}
            metadata = _metadata(self.spec, self.manifest, [digest(r) for r in records.values()])
            files = {name: digest(content) for name, content in [*metadata.items(), *records.items()]}
            manifest = {**self.manifest, "complete": True, "files": files}
            for name, content in [*metadata.items(), (MANIFEST, canonical(manifest))]:
                self._write(name, content)
            self.manifest = manifest

    @cached_property
    def _bare_metadata(self) -> dict[str, bytes]:
        """The metadata of a store without shards."""
        return _metadata(self.spec, self.manifest, [])

    def _make(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    def _write(self, name: str, content: bytes) -> None:
        """Put a file in its place by renaming; one that is there already stays.

        Nothing waits for the disk, which would take longer than the work: what a power cut takes, checksums show.
        """
        if damage_of_file(self.path / name, digest(content)):
            partial = self.path / SCRATCH / "file"
            partial.write_bytes(content)
            (self.path / name).parent.mkdir(exist_ok=True)
            partial.replace(self.path / name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kept = len(list((self.path / RECORDS).glob("*.json"))) if self.path.is_dir() else 0
            raise DatasetError(
                f"cannot write {error.filename2 or error.filename or self.path}: {error.strerror or error}; {kept} of "
                f"{self.spec.shards} shards are finished and stay; the same call goes on from there"
            ) from error


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes as text.

    Example:
        >>> digest(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def canonical(values: dict[str, Any]) -> bytes:
    """Return JSON that has one form only, with a checksum of the rest as its last entry.

    Example:
        >>> parsed(canonical({"b": 1}))["b"]
        1
    """
    body = {key: value for key, value in values.items() if key != "sha256"}
    text = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False)
    return (json.dumps({**body, "sha256": digest(text.encode())}, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()  # fmt: skip


def parsed(content: bytes) -> dict[str, Any]:
    """Return the mapping of :func:`canonical`.

    Raises:
        ValueError: if a byte is not as it was written.
    """
    values = json.loads(content)
    if not isinstance(values, dict) or canonical(values) != content:
        raise ValueError("it is not as it was written")
    return values


def record_name(index: int) -> str:
    """Return the path of a shard's record in the store.

    Example:
        >>> record_name(7)
        'shards/00007.json'
    """
    return f"{RECORDS}/{index:05}.json"


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a data set.

    Raises:
        DatasetError: if there is none, it is damaged, or of another version of the format.
    """
    try:
        manifest = parsed((path / MANIFEST).read_bytes())
    except OSError as error:
        raise DatasetError(
            f"there is no data set at {path}: {MANIFEST} cannot be read ({error.strerror})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path / MANIFEST} is damaged ({error}); restore it, or make the data set in another folder"
        ) from None
    if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
        raise DatasetError(f"{path / MANIFEST} is no manifest of {FORMAT}, version {VERSION}")
    return manifest


def files_of_shard(path: Path, index: int) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file of a shard, as its record says.

    Raises:
        DatasetError: if the record is missing or damaged; says which.
    """
    name = record_name(index)
    try:
        files = parsed((path / name).read_bytes())["files"]
        return {file: (entry["bytes"], entry["sha256"]) for file, entry in files.items()}
    except FileNotFoundError:
        raise DatasetError("is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DatasetError("is damaged") from None


def damage_of_shard(path: Path, index: int) -> list[tuple[str, str]]:
    """Return what is wrong with a shard, as (file, problem); nothing if it is finished and whole."""
    try:
        files = files_of_shard(path, index)
    except DatasetError as error:
        return [(record_name(index), str(error))]
    found = [(file, damage_of_file(path / file, sha256)) for file, (_, sha256) in files.items()]
    return [(file, problem) for file, problem in found if problem]


def damage_of_file(path: Path, sha256: str) -> str:
    """Return what is wrong with a file, in words; nothing if it has the checksum."""
    try:
        return "" if digest(path.read_bytes()) == sha256 else "is damaged"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _first_manifest(spec: DatasetSpec) -> dict[str, Any]:
    H = spec.source.hamiltonian
    integrals = []
    for label, g in spec.source.integrals.items():
        verdict = verify(H, g, budget=_BUDGET)
        integrals.append(
            {"name": label, "formula": to_text(g), "question": verdict.question, "status": verdict.status}
        )
    return {
        "format": FORMAT, "version": VERSION, "spec": spec.to_dict(), "versions": versions(),
        "hamiltonian": H.text, "integrals": integrals, "shards": spec.shards, "complete": False, "files": {},
    }  # fmt: skip


def _metadata(spec: DatasetSpec, manifest: dict[str, Any], shard_digests: list[str]) -> dict[str, bytes]:
    """Return the files of the Zarr store that are no chunks of shards; they name checksums when all shards are there."""
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
        **({"image_extent": extent_of_images(spec)} if spec.renderer else {}),
        "spec": json.dumps(manifest["spec"], sort_keys=True),
        "versions": json.dumps(manifest["versions"], sort_keys=True),
        "shard_size": spec.shard,
        "shard_first_trajectory": [range_of(spec, i).start for i in range(len(shard_digests))],
        "shard_sha256": shard_digests,
        "coordinates": " ".join(coordinates),
    }  # fmt: skip
    group = zarr.create_group(memory, zarr_format=2, attributes=attributes)
    for name, array in arrays.items():
        options = zarr_options(array.dtype)
        del options["zarr_format"]
        group.create_array(
            name, shape=array.shape(spec, spec.trajectories), chunks=array.shape(spec, spec.shard), dtype=array.dtype,
            attributes={"_ARRAY_DIMENSIONS": list(array.dims), "long_name": array.text}, **options,
        )  # fmt: skip
    whole_arrays = {
        "trajectory": ("trajectory", np.arange(spec.trajectories)),
        "time": ("time", spec.dt * (spec.save_every * np.arange(spec.times))),
        "dof": ("dof", np.array([s.name for s in space.coordinates])),
    }
    if split is not None:
        whole_arrays["split"] = ("trajectory", split)
    for name, (dim, values) in whole_arrays.items():
        options = zarr_options(values.dtype.str)
        del options["zarr_format"]
        written = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype=values.dtype, attributes={"_ARRAY_DIMENSIONS": [dim]}, **options
        )  # fmt: skip
        written[...] = values
    zarr.consolidate_metadata(memory, zarr_format=2)
    return {name: buffer.to_bytes() for name, buffer in files.items()}


def _require_same(path: Path, spec: DatasetSpec, manifest: dict[str, Any]) -> None:
    for what, here in (("spec", json.loads(json.dumps(spec.to_dict()))), ("versions", versions())):
        there = manifest[what]
        other = sorted(key for key in {*here, *there} if here.get(key) != there.get(key))
        if other:
            named = ", ".join(
                f"{k} = {shown(there.get(k))} there, {shown(here.get(k))} here" for k in other[:6]
            )
            raise DatasetError(
                f"{path} holds a data set of another {what.removesuffix('s')}: {named}; give the same, or another folder"
            )


def _require_place(path: Path) -> None:
    if "\0" in str(path):
        raise DatasetError("the name of a folder has no NUL in it")
    if path.exists() and not path.is_dir():
        raise DatasetError(f"{path} is no folder; a data set needs a folder of its own")
    if path.is_dir() and any(p.name != SCRATCH for p in path.iterdir()):
        raise DatasetError(f"{path} has files but no {MANIFEST}; a data set needs a folder of its own")
    parent = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise DatasetError(f"cannot write {path}: {parent} is not a folder that you may write to")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has none; two writers would write the same bytes
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DatasetError(
            f"another process is making the data set in {path}; wait for it, or take another folder"
        ) from None
    except OSError:  # a disk without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)
