"""The folder of a data set: a Zarr store, a record of each finished shard, and a manifest with the checksums of all.

``hamsym.json``         the manifest: spec, versions, proofs; when complete, the SHA-256 of every file below but the chunks
``shards/00000.json``   the record of a shard, written last of its files: their SHA-256
``q/0.0.0`` …           one chunk of each array for each shard
``.zattrs`` …           Zarr format 2 metadata, consolidated

Every file appears whole, by rename out of ``.unfinished``, so a killed run leaves a shard without its record, or nothing.
Files hold no dates, names of machines or durations: the same spec and versions give the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from hamsym.data.checksums import canonical, damage_of_file, digest
from hamsym.data.layout import metadata_files, range_of
from hamsym.data.manifest import (
    MANIFEST,
    RECORDS,
    damage_of_shard,
    first_manifest,
    read_manifest,
    record_name,
    require_same,
)
from hamsym.data.spec import DatasetSpec
from hamsym.data.streams import Block
from hamsym.errors import DatasetError

SCRATCH = ".unfinished"
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
            require_same(path, spec, self.manifest)
        else:
            _require_place(path)
            self.manifest = first_manifest(spec)
            files = {name: digest(c) for name, c in self._bare_metadata.items() if name not in _LATE}
            self.manifest = {**self.manifest, "files": files}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder if it is not there, keep other processes out, and clear what this or a killed run left.

        Raises:
            DatasetError: if another process writes there, or the folder cannot be written.
        """
        with ExitStack() as stack:
            with self._errors():
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_locked(self.path))
                stack.callback(shutil.rmtree, self.path / SCRATCH, ignore_errors=True)
                (self.path / SCRATCH).mkdir(exist_ok=True)
                self._write(MANIFEST, canonical(self.manifest))
                for name, content in self._bare_metadata.items():
                    if name not in _LATE or not (self.path / name).exists():
                        self._write(name, content)
            yield

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
            metadata = metadata_files(self.spec, self.manifest, [digest(r) for r in records.values()])
            files = {name: digest(content) for name, content in [*metadata.items(), *records.items()]}
            manifest = {**self.manifest, "complete": True, "files": files}
            for name, content in [*metadata.items(), (MANIFEST, canonical(manifest))]:
                self._write(name, content)
            self.manifest = manifest

    @cached_property
    def _bare_metadata(self) -> dict[str, bytes]:
        """The metadata of a store without shards."""
        return metadata_files(self.spec, self.manifest, [])

    def _write(self, name: str, content: bytes) -> None:
        """Put a file in its place by renaming; one that is there already stays.

        Only the manifest waits for the disk, all files would take longer than the work: of the others, checksums show what
        a power cut took.
        """
        if damage_of_file(self.path / name, digest(content)):
            partial = self.path / SCRATCH / "file"
            partial.write_bytes(content)
            if name == MANIFEST:
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
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
