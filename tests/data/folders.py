"""Whole folders as values."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and empty folder below, path to bytes."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"a folder"
        for p in sorted(folder.rglob("*"))
        if p.is_file() or not any(p.iterdir())
    }
