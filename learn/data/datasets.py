"""Data sets of trajectories as torch sees them: states, windows, trajectories, their derivatives and pictures, in batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hamsym.arguments import integer, shown
from hamsym.data.reading import reader_of
from hamsym.errors import ParameterError, did_you_mean
from learn.data.batches import Batches
from learn.data.shards import Shards

ITEMS = ("state", "window", "trajectory")


class TrajectoryDataset(Dataset[dict[str, Tensor]]):
    """The items of a data set by number, each a mapping of field to tensor; shards are read when they are needed.

    An item is one stored state (tensors of shape ``(dof,)``), a window of ``length`` stored states ``(length, dof)``, or a
    trajectory ``(time, dof)``.  Images are ``(…, 1, size, size)``, from 0 to 1.  An index that is a slice, a list or an array
    gives a batch, batch first.  Every shard is held against its checksum when it is read.  Copies in other processes,
    forked or spawned, read for themselves.

    Arguments:
        data: the folder of a store made by :func:`hamsym.generate_dataset`, an ``xarray.Dataset`` with its arrays, or
            :class:`hamsym.Trajectories`.
        item: ``"state"``, ``"window"`` or ``"trajectory"``.
        fields: what an item holds: ``"q"``, ``"p"``; ``"dq"``, ``"dp"``, the time derivatives from the Hamiltonian's
            formula; ``"image"``, ``"energy"``, ``"time"``, ``"parameter_m"``, and any other array of the data set.
        split: the trajectories of this split; None for all.
        length: stored states in a window.
        stride: stored states from the start of a window to that of the next; ``stride=length`` leaves no overlap.
        observed: q and p with the noise of the data set; derivatives stay those of the clean states.
        dtype: of the tensors; None for torch's default.
        memory: megabytes of shards to hold, at least one shard; None holds all that were read.

    Attributes:
        fields, item, split, length, stride, dtype: as given.
        trajectories: index in the data set of each trajectory of the split, int64, shape ``(n,)``.

    Raises:
        DatasetError: if there is no data set, it is not complete, or what is read is not as it was written.
        ParameterError: for a field, split or length that the data set does not have.

    Example:
        >>> import hamsym as hs
        >>> kepler = hs.systems["kepler"]
        >>> run = hs.simulate(kepler.hamiltonian, *kepler.initial_states(8), dt=0.01, steps=50, parameters=kepler.parameters)
        >>> pairs = TrajectoryDataset(run, fields=("q", "p", "dq", "dp"))
        >>> len(pairs), {name: tuple(x.shape) for name, x in pairs[:32].items()}
        (408, {'q': (32, 2), 'p': (32, 2), 'dq': (32, 2), 'dp': (32, 2)})
        >>> windows = TrajectoryDataset(run, item="window", length=20, stride=10, dtype=torch.float64)
        >>> [batch["q"].shape[0] for batch in windows.loader(batch=20, seed=1)]
        [20, 12]
    """

    def __init__(
        self,
        data: Any,
        *,
        item: str = "state",
        fields: Sequence[str] = ("q", "p"),
        split: str | None = None,
        length: int | None = None,
        stride: int = 1,
        observed: bool = False,
        dtype: torch.dtype | None = None,
        memory: float | None = 512.0,
    ) -> None:
        self._reader = reader = reader_of(data)
        if item not in ITEMS:
            raise ParameterError(f"there is no item {shown(item)}{did_you_mean(str(item), ITEMS)}")
        self.item, self.split = item, split
        self.dtype = torch.get_default_dtype() if dtype is None else dtype
        if not isinstance(self.dtype, torch.dtype) or not self.dtype.is_floating_point:
            raise ParameterError(f"dtype is a floating-point type of torch, not {shown(dtype)}")
        self._shards = Shards(reader, fields, observed=observed, dtype=self.dtype, memory=memory)
        self.fields = self._shards.fields
        self.trajectories = self._members()
        times = len(reader.time)
        if (length is None) == (item == "window"):
            raise ParameterError("length is given for windows, and only for them: item='window', length=20")
        given = {"state": 1, "trajectory": times}.get(item, length)
        self.length = integer("length", given, minimum=1, maximum=times)
        self.stride = integer("stride", stride, minimum=1)
        if stride != 1 and item != "window":
            raise ParameterError("stride is that of windows: item='window', length=20, stride=5")
        self._each = (times - self.length) // self.stride + 1
        self._firsts = np.array([members.start for members in reader.shards])
        self._shard_of = np.searchsorted(self._firsts, self.trajectories, side="right") - 1

    def __len__(self) -> int:
        return self._each * len(self.trajectories)

    def __getitem__(self, index: Any) -> dict[str, Tensor]:
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"there is no item {index} of {len(self)}")
            return {name: x[0] for name, x in self._batch(np.array([index % len(self)])).items()}
        if isinstance(index, slice):
            return self._batch(np.arange(*index.indices(len(self))))
        items = np.asarray(index)
        items = items if items.size else items.astype(np.int64)
        if items.ndim != 1 or items.dtype.kind not in "iu":
            raise ParameterError(f"an index is an integer, a slice or a list of integers, not {shown(index)}")
        if len(items) and not -len(self) <= items.min() <= items.max() < len(self):
            raise IndexError(f"there is no item {int(items.max())} or {int(items.min())} of {len(self)}")
        return self._batch(items % len(self))

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Return items as a DataLoader with its own batches asks for them: read together, given one by one."""
        batch = self[indices]
        return [{name: x[i] for name, x in batch.items()} for i in range(len(indices))]

    def tensor(self, field: str = "q") -> Tensor:
        """Return one field of all items, shape ``(items, …)``: for states, points that ``learn.fit`` takes.

        Example:
            >>> import hamsym as hs
            >>> run = hs.simulate(hs.systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
            >>> TrajectoryDataset(run).tensor("q").shape
            torch.Size([6, 2])
        """
        only = copy.copy(self)
        only._shards = self._shards.with_fields([field])
        only.fields = only._shards.fields
        return only[:][field]

    def loader(
        self,
        batch: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        workers: int = 0,
        drop_last: bool = False,
        **options: Any,
    ) -> DataLoader:
        """Return a DataLoader of whole batches, without the cost of putting them together item by item.

        Each pass has its own order, which depends on the seed and the number of the pass only, not on the workers;
        ``loader.sampler.epoch`` is the number of the next one.  Shuffling mixes the shards that ``memory`` holds at a time,
        so that a data set of any size is read once a pass; all of it, if it fits.

        Arguments:
            batch: items in a batch.
            shuffle: whether the order is random.
            seed: of the order.
            workers: processes that read ahead; each holds ``memory`` for itself.
            drop_last: leave out a last batch that is not full.
            options: any other of ``torch.utils.data.DataLoader``, for example ``pin_memory=True``.

        Example:
            >>> import hamsym as hs
            >>> run = hs.simulate(hs.systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=9)
            >>> loader = TrajectoryDataset(run).loader(4, seed=3)
            >>> len(loader), next(iter(loader))["q"].shape
            (3, torch.Size([4, 2]))
        """
        order = Batches(
            self._items_of_shards(), batch, group=self._shards.held, shuffle=shuffle, seed=seed, drop_last=drop_last
        )  # fmt: skip
        workers = integer("workers", workers)
        # a generator of its own, lest every pass take a number from torch's global one
        own = torch.Generator().manual_seed(order.seed)
        settings: dict[str, Any] = {"generator": own, "persistent_workers": workers > 0} | options
        return DataLoader(self, batch_size=None, sampler=order, num_workers=workers, **settings)

    def __repr__(self) -> str:
        of = f" of {self.split!r}" if self.split is not None else ""
        what = {"window": f"windows of {self.length} states", "state": "states", "trajectory": "trajectories"}
        precision = str(self.dtype).removeprefix("torch.")
        return (
            f"TrajectoryDataset: {len(self)} {what[self.item]} from {len(self.trajectories)} trajectories{of} in "
            f"{self._reader.name}; {', '.join(self.fields)} in {precision}"
        )

    def _members(self) -> np.ndarray:
        split = self._reader.split
        if self.split is None:
            return np.arange(self._reader.shapes["q"][0])
        names = [] if split is None else np.unique(split).tolist()
        if self.split not in names:
            hint = did_you_mean(str(self.split), names) or "; its spec needs splits="
            raise ParameterError(f"{self._reader.name} has no split {shown(self.split)}{hint}")
        return np.flatnonzero(split == self.split)

    def _batch(self, items: np.ndarray) -> dict[str, Tensor]:
        which = items // self._each
        start = torch.from_numpy(items % self._each * self.stride)
        rows, shards = torch.from_numpy(self.trajectories[which]), self._shard_of[which]
        parts: dict[str, list[Tensor]] = {name: [] for name in self.fields}
        order = []
        for shard in np.unique(shards) if len(items) else [0]:
            own = torch.from_numpy(np.flatnonzero(shards == shard))
            held = self._shards[int(shard)]
            for name in self.fields:
                parts[name].append(
                    self._cut(name, held[name], rows[own] - int(self._firsts[shard]), start[own])
                )
            order.append(own)
        back = torch.argsort(torch.cat(order)) if len(order) > 1 else slice(None)
        return {name: self._as_input(torch.cat(found)[back]) for name, found in parts.items()}

    def _cut(self, name: str, x: Tensor, row: Tensor, time: Tensor) -> Tensor:
        dims = self._reader.dims.get(name, ("trajectory", "time"))
        if name == "time":  # alike for all trajectories
            x, row = x[None], torch.zeros_like(row)
        elif "time" not in dims:
            return x[row]
        if self.item == "trajectory":
            return x[row]
        if self.item == "state":
            return x[row, time]
        return x[row[:, None], time[:, None] + torch.arange(self.length)]

    def _as_input(self, x: Tensor) -> Tensor:
        return x if x.dtype != torch.uint8 else x.to(self.dtype).div_(255).unsqueeze(-3)

    def _items_of_shards(self) -> list[np.ndarray]:
        """Return the items of each shard that has some, as their numbers."""
        first = np.flatnonzero(np.diff(self._shard_of, prepend=-1))
        ends = [*first[1:], len(self._shard_of)]
        return [np.arange(a * self._each, b * self._each) for a, b in zip(first, ends, strict=True)]
