"""What the folder of a data set says about itself: the manifest ``hamsym.json``, and a record of each finished shard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hamsym.arguments import shown
from hamsym.data.checksums import damage_of_file, parsed
from hamsym.data.shards import extent_of_images, versions
from hamsym.data.spec import DatasetSpec
from hamsym.errors import DatasetError
from hamsym.symbolic.bracket import verify
from hamsym.symbolic.formula.text import to_text

FORMAT, VERSION = "hamsym.dataset", 1
MANIFEST, RECORDS = "hamsym.json", "shards"
#: Seconds for the proof of one integral: far more than those take that are decided, which is less than one, so that the
#: bytes of a data set do not depend on the machine.
_BUDGET = 60.0


def record_name(index: int) -> str:
    """Return the path of a shard's record in the store.

    Example:
        >>> record_name(7)
        'shards/00007.json'
    """
    return f"{RECORDS}/{index:05}.json"


def first_manifest(spec: DatasetSpec) -> dict[str, Any]:
    """Return the manifest of a data set of which nothing is there yet; its integrals are proved here.

    Example:
        >>> first_manifest(DatasetSpec(system="pendulum", trajectories=1, steps=1, dt=0.1))["integrals"][0]["status"]
        'proved'
    """
    H = spec.source.hamiltonian
    integrals = []
    for label, g in spec.source.integrals.items():
        verdict = verify(H, g, budget=_BUDGET)
        integrals.append(
            {"name": label, "formula": to_text(g), "question": verdict.question, "status": verdict.status}
        )
    manifest = {
        "format": FORMAT, "version": VERSION, "spec": spec.to_dict(), "versions": versions(),
        "hamiltonian": H.text, "integrals": integrals, "shards": spec.shards, "complete": False, "files": {},
    }  # fmt: skip
    return manifest | ({"image_extent": extent_of_images(spec)} if spec.renderer else {})


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


def require_same(path: Path, spec: DatasetSpec, manifest: dict[str, Any]) -> None:
    """Refuse to go on with the data set of another spec, or with other versions.

    Raises:
        DatasetError: naming the differences.
    """
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
