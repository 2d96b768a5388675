"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends without an error.

    Works for a file and for a directory; an existing file at ``path`` is replaced, and a
    directory by a directory; a file takes no directory's place.  Two processes may
    write the same path: the last one wins, and a reader never sees half of either.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole(Path(folder) / "a" / "note.txt") as partial:
        ...         _ = partial.write_text("done")
        ...     (Path(folder) / "a" / "note.txt").read_text()
        'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    partial = folder / path.name
    try:
        yield partial
        if path.is_dir() and partial.is_file():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if path.is_dir():
            path.replace(folder / "old")  # a directory cannot be renamed over another
        elif partial.is_file():
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a matplotlib figure to a file, whole or not at all; the ending of the path is the format.

    Example:
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), Path(folder) / "empty.png")
        ...     (Path(folder) / "empty.png").exists()
        True
    """
    with whole(path) as partial:
        figure.savefig(partial)
