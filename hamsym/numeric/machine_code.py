"""Machine code of kernels: made by LLVM, kept on disk, loaded and called without numba.

A file holds the machine code of the kernels of one generated module for one processor, and a digest of itself, so that a
damaged one is dropped.  Code that needs a function which this process does not have is not loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import platform
import re
import struct
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.files import whole
from hamsym.numeric.lowering import ArrayType, Type, fields_of

_FIRST_LINE = b"hamsym machine code, sha256 "
_DECLARED = re.compile(r"^declare double @(?:llvm\.)?(\w+)", re.MULTILINE)
#: Operations that are instructions of every processor.
_INSTRUCTIONS = {"sqrt", "fabs", "copysign"}
_ELEMENTS = {np.dtype(np.float64).num: "f", np.dtype(np.int64).num: "i"}

_WHOLE = (int, np.integer)
#: The oldest LLVM whose optimiser is called as here; before it, numba does everything.
_OLDEST = (20,)

#: A kernel: takes the buffer of :func:`packed`.
Entry = Callable[[bytes], None]


@cache
def processor() -> str | None:
    """Return a text of all that machine code depends on but its source, or None where only numba is tried out.

    Example:
        >>> processor() == processor()
        True
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return None
    try:
        import llvmlite
        import llvmlite.binding as llvm

        if llvm.llvm_version_info < _OLDEST:
            return None
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features().flatten()
    except (ImportError, OSError, RuntimeError):
        return None
    versions = f"{llvmlite.__version__} {llvm.llvm_version_info}"
    return "\n".join([versions, llvm.get_process_triple(), llvm.get_host_cpu_name(), features])


def packed(arguments: Sequence[Any]) -> tuple[tuple[Type, ...], bytes] | None:
    """Return the types of arguments and the buffer that an entry takes, or None if some have no place in it.

    Example:
        >>> types, buffer = packed([np.zeros((2, 3)), 4, 0.5])
        >>> types[1:], len(buffer)
        (('i', 'f'), 40)
    """
    signs: list[Any] = []  # what is needed to find the types, quicker to make than these
    fields: list[int | float] = []
    for x in arguments:
        if isinstance(x, np.ndarray):
            flags, contiguous = x.flags, x.flags.c_contiguous
            signs.append(
                (x.dtype.num, x.dtype.isnative and flags.aligned, x.ndim, contiguous, flags.writeable)
            )
            fields.append(_address(x))
            fields += x.shape if contiguous else x.shape + x.strides
        elif isinstance(x, float):
            signs.append("f")
            fields.append(x)
        elif isinstance(x, _WHOLE):
            signs.append("b" if isinstance(x, bool) else "i")
            fields.append(int(x))
        else:
            return None
    form = _form(tuple(signs))
    try:
        return form and (form[0], form[1].pack(*fields))
    except struct.error:  # a number beyond 64 bits
        return None


def _address(x: np.ndarray) -> int:
    """The address of an array's first element."""
    if _AT_THE_HEAD:
        return ctypes.c_void_p.from_address(id(x) + object.__basicsize__).value or 0
    return int(x.ctypes.data)


def _is_at_the_head() -> bool:
    """Whether an array's address stands right behind the head of its object, as numpy's binary interface has it.

    Reading it there takes a twentieth of the time of ``x.ctypes.data``, of which short calls would consist otherwise.
    """
    if sys.implementation.name != "cpython" or np.ndarray.__basicsize__ < object.__basicsize__ + 8:
        return False
    samples = [np.zeros(3), np.zeros((4, 5))[1:, 2:]]
    return all(
        ctypes.c_void_p.from_address(id(x) + object.__basicsize__).value == x.ctypes.data for x in samples
    )


_AT_THE_HEAD = _is_at_the_head()


@cache
def _form(signs: tuple[Any, ...]) -> tuple[tuple[Type, ...], struct.Struct] | None:
    """The types that :func:`packed` found signs of, and the form of their buffer."""
    types: list[Type] = []
    for sign in signs:
        if isinstance(sign, str):
            types.append(sign)
            continue
        number, plain, dimensions, contiguous, writeable = sign
        if number not in _ELEMENTS or not plain or dimensions == 0:
            return None
        types.append(ArrayType(_ELEMENTS[number], dimensions, contiguous, writeable))
    codes = {"double": "d", "i64": "q", "i1": "q", "ptr": "Q"}
    return tuple(types), struct.Struct("=" + "".join(codes[f] for t in types for f in fields_of(t)))


def assembled(text: str) -> bytes:
    """Return the object file of LLVM assembly, optimised for this processor."""
    import llvmlite.binding as llvm

    machine = _target_machine()
    module = llvm.parse_assembly(text)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization, tuning.slp_vectorization = True, True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code


def needed(text: str) -> list[str]:
    """Return the functions of the C library that the object file of LLVM assembly may call."""
    return sorted(set(_DECLARED.findall(text)) - _INSTRUCTIONS)


def loaded(code: bytes, functions: Sequence[str]) -> Entry | None:
    """Return the function ``entry`` of an object file, or None if this process lacks functions that it needs."""
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly(""), _target_machine()
    )  # opens this process for look-ups
    if not all(llvm.address_of_symbol(name) for name in functions):
        return None
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address("entry")
    if not address:
        return None
    _ENGINES.append(engine)
    entry: Entry = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(address)  # without the interpreter's lock
    return entry


#: Owners of loaded code, which lives as long as the process.
_ENGINES: list[Any] = []


def _target_machine() -> Any:
    import llvmlite.binding as llvm

    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if platform.machine() == "x86_64" else "default",
        codemodel="jitdefault",
    )


class Archive:
    """What is on disk of one generated module: its constants, the names of its kernels, their machine code.

    Attributes:
        constants: name to number.
        kernels: the names of all kernels of the module.
        codes: by kernel and types of arguments the object file and the functions it needs; None if numba has to do it.
    """

    def __init__(self, constants: dict[str, int | float | bool], kernels: list[str]) -> None:
        self.constants, self.kernels = constants, kernels
        self.codes: dict[str, tuple[bytes, list[str]] | None] = {}

    @staticmethod
    def read(path: Path) -> Archive | None:
        """Return what a file holds, or None if there is none or it is not what was written."""
        try:
            first, _, body = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if first != _FIRST_LINE + hashlib.sha256(body).hexdigest().encode():
            return None
        head, _, blob = body.partition(b"\n")
        described = json.loads(head)
        archive = Archive(described["constants"], described["kernels"])
        for key, place in described["codes"].items():
            archive.codes[key] = place and (blob[place[0] : place[0] + place[1]], place[2])
        return archive

    def write(self, path: Path) -> None:
        """Write the file, all of it or nothing, with what another process has added meanwhile."""
        there = Archive.read(path)
        if there is not None:
            self.codes = there.codes | self.codes
        places: dict[str, tuple[int, int, list[str]] | None] = {}
        blob = b""
        for key, kept in sorted(self.codes.items()):
            places[key] = kept and (len(blob), len(kept[0]), kept[1])
            blob += kept[0] if kept else b""
        described = {"constants": self.constants, "kernels": self.kernels, "codes": places}
        body = json.dumps(described).encode() + b"\n" + blob
        with whole(path) as partial:
            partial.write_bytes(_FIRST_LINE + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
