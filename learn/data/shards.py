"""Shards of a data set as tensors, so many at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hamsym.arguments import flag, real, shown
from hamsym.data.reading import Reader
from hamsym.errors import ParameterError, did_you_mean

_RATES = ("dq", "dp")
#: Arrays of a data set that are no numbers to learn from.
_LABELS = ("trajectory", "split", "seed")


class Shards:
    """Fields of the shards of a data set by number, each a mapping of field to tensor; the last used ones are held.

    Arguments:
        reader: of the data set.
        fields: names of arrays, ``"dq"`` and ``"dp"`` for the time derivatives, ``"time"``.
        observed: q and p with noise.
        dtype: of the tensors; pictures stay bytes.
        memory: megabytes to hold, at least one shard; None holds all that were read.

    Attributes:
        fields: as given, each once.
        held: how many shards are held at a time.

    Raises:
        ParameterError: for a field that the data set does not have.

    Example:
        >>> from hamsym import simulate, systems
        >>> from hamsym.data.reading import reader_of
        >>> run = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
        >>> Shards(reader_of(run), ["q"], dtype=torch.float64)[0]["q"].shape
        torch.Size([1, 6, 2])
    """

    def __init__(
        self,
        reader: Reader,
        fields: Sequence[str],
        *,
        observed: bool = False,
        dtype: torch.dtype,
        memory: float | None = None,
    ) -> None:
        self._reader, self._observed, self._dtype, self._memory = (
            reader,
            flag("observed", observed),
            dtype,
            memory,
        )
        if observed and "q_observed" not in reader.dims:
            raise ParameterError(f"observed: {reader.name} has no noise; its spec needs noise=")
        self.fields = self._checked(fields)
        shapes = reader.shapes
        sizes = {f: int(np.prod(shapes.get(f, shapes["q"])[1:])) for f in self.fields}
        each = sum(n * (1 if f == "image" else dtype.itemsize) for f, n in sizes.items())
        most = (
            np.inf
            if memory is None
            else real("memory", memory, above=0) * 1e6 // (each * len(reader.shards[0]))
        )
        self.held = int(np.clip(most, 1, len(reader.shards)))
        self._kept: OrderedDict[int, dict[str, Tensor]] = OrderedDict()

    def with_fields(self, fields: Sequence[str]) -> Shards:
        """Return the same with other fields."""
        return Shards(self._reader, fields, observed=self._observed, dtype=self._dtype, memory=self._memory)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        found: dict[str, Any] = {"time": self._reader.time}
        if set(_RATES) & set(self.fields):
            found |= self._reader.rates(index)
        sources = {
            f: f"{f}_observed" if self._observed and f in ("q", "p") else f
            for f in self.fields
            if f not in found
        }
        arrays = self._reader.read(index, list(sources.values()))
        tensors = {f: torch.tensor(found[f] if f in found else arrays[sources[f]]) for f in self.fields}
        while len(self._kept) >= self.held:
            self._kept.popitem(last=False)
        self._kept[index] = {
            f: x if x.dtype == torch.uint8 else x.to(self._dtype) for f, x in tensors.items()
        }
        return self._kept[index]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}  # another process reads for itself

    def _checked(self, fields: Sequence[str]) -> tuple[str, ...]:
        dims = self._reader.dims
        known = [n for n in dims if dims[n][0] == "trajectory" and n not in _LABELS] + [*_RATES, "time"]
        if isinstance(fields, str) or not all(isinstance(f, str) for f in fields) or not fields:
            raise ParameterError(f"fields is a list of names such as ('q', 'p'), not {shown(fields)}")
        for name in fields:
            if name not in known:
                hint = "; its spec needs render=" if name == "image" else did_you_mean(name, known)
                raise ParameterError(f"{self._reader.name} has no field {name!r}{hint}")
        return tuple(dict.fromkeys(fields))
