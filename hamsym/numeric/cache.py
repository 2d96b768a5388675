"""Generated modules on disk: written once per formula and user, compiled once, then loaded at once.

The key is a digest of the formula *before* differentiation and of every version that shapes the result, so a
second run neither differentiates nor compiles: it loads machine code.  Processes may share the folder: files appear by
atomic rename and carry a digest of their own content, so a torn or foreign file is replaced, not run.  Where nothing can
be written, everything lives in memory and works as before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from threading import Lock, RLock
from types import ModuleType
from typing import Any

from hamsym.files import whole
from hamsym.numeric.lowering import Module, Type, UnknownSyntax, lowered
from hamsym.numeric.machine_code import Archive, Entry, assembled, loaded, needed, packed, processor

_HEADER = "# hamsym generated module, sha256 "


def cache_folder() -> Path:
    """Return the folder of generated modules: ``$HAMSYM_CACHE_DIR``, or the user's cache folder.

    Example:
        >>> cache_folder().name != ""
        True
    """
    try:
        if chosen := os.environ.get("HAMSYM_CACHE_DIR"):
            return Path(chosen).expanduser()
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home, as in many a container
        base = Path(os.devnull)  # holds nothing, so all stays in memory
    return base / "hamsym"


_MENDING = Lock()
#: Held while kernels are made.  One for all, so that a fork can wait for it: its child has no thread that would release it.
_MAKING = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_MAKING.release
    )


class Kernels:
    """The functions and constants of a generated module, as machine code; where that cannot be had, compiled by numba.

    Machine code is made and loaded when a kernel is called with arguments of new types.  numba, and with it its import of
    a third of a second, is the second choice: on platforms and for sources that :mod:`hamsym.numeric.lowering` and
    :mod:`hamsym.numeric.machine_code` do not cover.  Both give the same bits.

    Arguments:
        key: texts that determine the source; versions are added here.
        write: returns the source; called only if the module is not on disk.  For numba it has the name ``CACHE``: whether
            compiled code may be kept beside it.
    """

    def __init__(self, key: tuple[str, ...], write: Callable[[], str]) -> None:
        name = _name_of(key)
        self._generated, self._write = _GENERATED.setdefault(name, _Generated(name)), write
        self._generated.archive(write)  # so that a formula without numbers is refused here

    @property
    def module(self) -> ModuleType:
        """The generated module itself, with its functions as numba has them."""
        return self._generated.module(self._write)

    def __getattr__(self, name: str) -> Any:
        archive = self._generated.archive(self._write)
        if name in archive.constants:
            value: Any = archive.constants[name]
        elif name in archive.kernels:
            value = partial(self._call, name)
        else:
            return getattr(self.module, name)
        self.__dict__[name] = value  # to be found at once the next time
        return value

    def _call(self, name: str, *arguments: Any) -> None:
        given = packed(arguments)
        entry = None if given is None else self._generated.entry(name, given[0], self._write)
        if given is None or entry is None:
            self._generated.call(name, arguments, self._write)
        else:
            entry(given[1])


class _Generated:
    """One generated module in this process: what was loaded or made of it so far."""

    def __init__(self, name: str) -> None:
        self.name, self._path = name, cache_folder() / f"{name}.py"
        self._source: str | None = None
        self._archive: Archive | None = None
        self._entries: dict[tuple[str, tuple[Type, ...]], Entry | None] = {}

    def module(self, write: Callable[[], str]) -> ModuleType:
        """The module, with numba's functions."""
        if self.name in sys.modules:
            return sys.modules[self.name]
        source = self._text(write)
        try:
            if not _is_intact(self._path):
                _publish(self._path, source)
            module = _run(self.name, self._path)
        except (OSError, RuntimeError):  # an unwritable folder; RuntimeError when numba finds no place
            module = self._in_memory(source)
        sys.modules[self.name] = module
        return module

    def _in_memory(self, source: str) -> ModuleType:
        """The module, with numba's functions, of which nothing is kept on disk."""
        module = ModuleType(self.name)
        module.__dict__["CACHE"] = False
        exec(compile(source, f"<{self.name}>", "exec"), module.__dict__)  # noqa: S102  our own generated source
        return module

    def archive(self, write: Callable[[], str]) -> Archive:
        """The module's constants and the names of its kernels, with the machine code that is on disk."""
        if self._archive is None:
            with _MAKING:
                found = None if processor() is None else Archive.read(self._code_path())
                if found is None:
                    text = Module(self._text(write))
                    found = Archive(text.constants, text.kernels)
                self._archive = found
        return self._archive

    def entry(self, kernel: str, types: tuple[Type, ...], write: Callable[[], str]) -> Entry | None:
        """The machine code of a kernel for arguments of these types, or None if numba has to do it."""
        try:
            return self._entries[kernel, types]
        except KeyError:
            with _MAKING:
                if (kernel, types) not in self._entries:
                    self._entries[kernel, types] = self._machine_code(kernel, types, write)
            return self._entries[kernel, types]

    def _machine_code(self, kernel: str, types: tuple[Type, ...], write: Callable[[], str]) -> Entry | None:
        if processor() is None:
            return None
        archive, key = self.archive(write), f"{kernel}{types}"
        if key not in archive.codes:
            try:
                text = lowered(Module(self._text(write)), kernel, types)
                archive.codes[key] = assembled(text), needed(text)
            except (UnknownSyntax, RuntimeError):  # LLVM says RuntimeError when it does not understand a text
                archive.codes[key] = None
            with suppress(OSError):
                archive.write(self._code_path())
        kept = archive.codes[key]
        return kept and loaded(*kept)

    def call(self, name: str, arguments: Sequence[Any], write: Callable[[], str]) -> None:
        """Call numba's function.

        numba reads its own files without suspicion, so a truncated one would stop every later run.  A first call that
        fails before anything was loaded drops the compiled code of the module, and compiles again; if there is no room to
        keep it, in memory.
        """
        kernel = getattr(self.module(write), name)
        try:
            return kernel(*arguments)
        except Exception as error:
            full = isinstance(error, OSError)  # a disk; numba has compiled by then
            if kernel.overloads and not full:  # it was loaded, so the failure is its own
                raise
            with _MENDING:
                sys.modules.pop(self.name, None)
                for file in (self._path.parent / "__pycache__").glob(f"{self.name}*.nb[ic]"):
                    file.unlink(missing_ok=True)
                if full:
                    sys.modules[self.name] = self._in_memory(self._text(write))
                kernel = getattr(self.module(write), name)
        return kernel(*arguments)

    def _text(self, write: Callable[[], str]) -> str:
        """The source, from disk or written now."""
        if self._source is None:
            if _is_intact(self._path):
                self._source = self._path.read_text(encoding="utf-8")
            else:
                self._source = write()
                with suppress(OSError):
                    _publish(self._path, self._source)
        return self._source

    def _code_path(self) -> Path:
        digest = hashlib.sha256((processor() or "").encode()).hexdigest()[:16]
        return self._path.with_name(f"{self.name}-{digest}.code")


_GENERATED: dict[str, _Generated] = {}


def _name_of(key: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join([*_versions(), *key]).encode()).hexdigest()[:32]
    return f"hamsym_generated_{digest}"


@cache
def _versions() -> tuple[str, ...]:
    """Texts of everything that shapes generated code: versions, and the generators' own source.

    Not numba's: its own files carry its version, ours that of LLVM.
    """
    import sympy

    import hamsym

    own, here = hashlib.sha256(), Path(__file__).parent
    symbolic = here.parent / "symbolic"
    for file in sorted([*here.rglob("*.py"), *symbolic.glob("*.py"), *symbolic.glob("sums/*.py")]):
        own.update(file.read_bytes())
    return (hamsym.__version__, sympy.__version__, platform.python_version(), own.hexdigest())


def _is_intact(path: Path) -> bool:
    try:
        header, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
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
