"""Generated modules on disk: written once per formula and user, compiled once, then loaded at once.

The key is a digest of the formula *before* differentiation and of every version that shapes the result, so a
second run neither differentiates nor compiles.  Processes may share the folder: files appear by atomic rename
and carry a digest of their own text, so a torn or foreign file is replaced, not run.  Where nothing can be
written, modules live in memory and everything else works as before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from hamsym.files import whole

_HEADER = "# hamsym generated module, sha256 "


def cache_folder() -> Path:
    """Return the folder of generated modules: ``$HAMSYM_CACHE_DIR``, or the user's cache folder.

    Example:
        >>> cache_folder().name != ""
        True
    """
    if chosen := os.environ.get("HAMSYM_CACHE_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hamsym"


#: The modules whose text shapes generated code.
_GENERATORS = (
    "cache",
    "printing",
    "elementary",
    "codegen",
    "step",
    "splitting",
    "implicit",
    "nonseparable",
    "lanes",
    "stepping",
)
_MENDING = Lock()


def load_generated(key: tuple[str, ...], write: Callable[[], str]) -> ModuleType:
    """Return the module generated for a key, from memory, from disk, or by calling ``write``.

    Arguments:
        key: texts that determine the source; versions are added here.
        write: returns the source; called only if the module is not on disk.

    Returns:
        A module.  Its source sees the name ``CACHE``: whether numba may keep compiled code beside it.
    """
    digest = hashlib.sha256("\0".join([*_versions(), *key]).encode()).hexdigest()[:32]
    name = f"hamsym_generated_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    try:
        path = cache_folder() / f"{name}.py"
        if not _is_intact(path):
            _publish(path, write())
        module = _run(name, path)
    except (OSError, RuntimeError):  # an unwritable folder; numba says RuntimeError when it finds no place
        module = ModuleType(name)
        module.__dict__["CACHE"] = False
        exec(compile(write(), f"<{name}>", "exec"), module.__dict__)  # noqa: S102  our own generated source
    sys.modules[name] = module
    return module


class Kernels:
    """The functions of a generated module, callable also when their compiled code on disk is damaged.

    numba reads its own files without suspicion, so a truncated one would stop every later run.  A first call that
    fails before anything was loaded drops the compiled code of the module, and compiles again.

    Arguments:
        key, write: as for :func:`load_generated`.
    """

    def __init__(self, key: tuple[str, ...], write: Callable[[], str]) -> None:
        self._load = partial(load_generated, key, write)
        #: The generated module itself.
        self.module = self._load()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        return partial(self._call, name) if hasattr(value, "py_func") else value

    def _call(self, name: str, *arguments: Any) -> Any:
        kernel = getattr(self.module, name)
        try:
            return kernel(*arguments)
        except Exception:
            if kernel.overloads:  # it was loaded, so the failure is its own
                raise
            with _MENDING:
                sys.modules.pop(self.module.__name__, None)
                for file in (cache_folder() / "__pycache__").glob(f"{self.module.__name__}*.nb[ic]"):
                    file.unlink(missing_ok=True)
                self.module = self._load()
        return getattr(self.module, name)(*arguments)


@cache
def _versions() -> tuple[str, ...]:
    """Texts of everything that shapes generated code: versions, processor, and the generators' own source."""
    import numba
    import numpy
    import sympy

    import hamsym

    own = hashlib.sha256()
    for name in _GENERATORS:
        own.update((Path(__file__).with_name(f"{name}.py")).read_bytes())
    versions = [m.__version__ for m in (hamsym, numba, numpy, sympy)]
    return (*versions, platform.python_version(), platform.machine(), own.hexdigest())


def _is_intact(path: Path) -> bool:
    try:
        header, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return header == _HEADER + hashlib.sha256(body.encode()).hexdigest()


def _publish(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = f"{_HEADER}{hashlib.sha256(source.encode()).hexdigest()}\n{source}"
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _run(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["CACHE"] = True
    spec.loader.exec_module(module)
    return module
