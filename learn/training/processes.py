"""Processes that train one model together: each takes some rows of every batch, and the gradients are added up.

The sum over processes is the gradient that one process would have found for the whole batch, up to round-off, whatever
their number; nothing is averaged that is no mean over rows.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hamsym.errors import ParameterError, ProcessError

#: What torchrun sets, and what is needed to find the other processes.
ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
FINE, FAILED, INTERRUPTED = 0.0, 1.0, 2.0
T = TypeVar("T", bound=float)


class Processes:
    """The processes of one training; one alone is the usual case, and then nothing is sent.

    All of them call the same methods in the same order.

    Arguments:
        device: of the model, where what is sent lies.
        rank: of this process, from 0.
        size: number of processes.

    Example:
        >>> alone = Processes(torch.device("cpu"))
        >>> alone.first, alone.part(5), alone.told(lambda: 7.0)
        (True, None, 7.0)
    """

    def __init__(self, device: torch.device, rank: int = 0, size: int = 1) -> None:
        self.device, self.rank, self.size = device, rank, size

    @classmethod
    def found(cls, device: torch.device) -> Processes:
        """Return the processes that ``torch.distributed`` knows, or that torchrun has started, or this one alone.

        Joins those of torchrun, by gloo on the CPU and by nccl on a GPU; the bond lasts as long as the program.

        Arguments:
            device: of the model.
        """
        if not dist.is_available():
            return cls(device)
        if not dist.is_initialized():
            if not all(name in os.environ for name in ENVIRONMENT) or os.environ["WORLD_SIZE"] == "1":
                return cls(device)
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(_leave)
        return cls(device, dist.get_rank(), dist.get_world_size())

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and shows."""
        return self.rank == 0

    def part(self, rows: int) -> slice | None:
        """Return which of so many rows this process takes: shares that differ by one at most; None for all of them.

        Example:
            >>> [Processes(torch.device("cpu"), rank, 3).part(10) for rank in range(3)]
            [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
        """
        if self.alone:
            return None
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    # -- what is sent ----------------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """Leave the block without an error only if all processes do.

        Raises:
            KeyboardInterrupt: if another process was interrupted.
            ProcessError: if another process failed; its own error says why.
        """
        if self.alone:
            yield
            return
        try:
            yield
        except BaseException as error:
            self._worst(INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED)
            raise
        worst = self._worst(FINE)
        if worst == INTERRUPTED:
            raise KeyboardInterrupt
        if worst == FAILED:
            raise ProcessError("another process of this training failed; its own message says why")

    def told(self, ask: Callable[[], T]) -> T:
        """Return what the first process finds, in all of them."""
        if self.alone:
            return ask()
        answer = self._numbers([0.0])
        with self.together():
            if self.first:
                answer.fill_(ask())
        with _reached():
            dist.broadcast(answer, 0)
        return answer.item()  # type: ignore[return-value]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over the processes.

        Raises:
            ProcessError: if another process is gone, as in every method that sends.
        """
        if self.alone:
            return
        for dtype in sorted({t.dtype for t in tensors}, key=str):
            alike = [t for t in tensors if t.dtype == dtype]
            flat = torch.cat([t.reshape(-1) for t in alike])
            with _reached():
                dist.all_reduce(flat)
            for t, total in zip(alike, flat.split([t.numel() for t in alike]), strict=True):
                t.copy_(total.view_as(t))

    def mean(self, numbers: Mapping[str, Any], weight: float) -> dict[str, Any]:
        """Return the means of numbers and of lists of numbers over the processes.

        Arguments:
            numbers: by name, the same names and lengths in every process.
            weight: of this process; all weights add up to one.

        Example:
            >>> Processes(torch.device("cpu")).mean({"loss": 0.5, "residual": [1.0, 2.0]}, 1.0)
            {'loss': 0.5, 'residual': [1.0, 2.0]}
        """
        if self.alone:
            return dict(numbers)
        flat = self._numbers([x for v in numbers.values() for x in (v if isinstance(v, list) else [v])])
        with _reached():
            dist.all_reduce(flat.mul_(weight))
        values = iter(flat.tolist())
        return {
            k: [next(values) for _ in v] if isinstance(v, list) else next(values) for k, v in numbers.items()
        }

    def same(self, model: nn.Module, settings: Mapping[str, Any]) -> None:
        """Give every process the weights of the first, after a look whether all were asked for the same.

        Raises:
            ParameterError: if data, settings or the shapes of weights differ between processes.
        """
        if self.alone:
            return
        state = {name: (str(t.dtype), tuple(t.shape)) for name, t in model.state_dict().items()}
        asked = json.dumps([settings, state], sort_keys=True).encode()
        digest = list(hashlib.sha256(asked).digest())
        bounds = self._numbers([*digest, *(-d for d in digest)])
        with _reached():
            dist.all_reduce(bounds, dist.ReduceOp.MAX)
        if bounds.tolist() != [float(d) for d in (*digest, *(-d for d in digest))]:
            raise ParameterError(
                "the processes of this training were called with different data, settings or models; every one of "
                "them makes the same call, and batches are shared out among them"
            )
        for t in model.state_dict().values():
            sent = t.to(torch.uint8) if t.dtype == torch.bool else t.contiguous()
            with _reached():
                dist.broadcast(sent, 0)
            t.copy_(sent)

    def _numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def _worst(self, mine: float) -> float:
        flag = self._numbers([mine])
        with _reached():
            dist.all_reduce(flag, dist.ReduceOp.MAX)
        return flag.item()


@contextmanager
def _reached() -> Iterator[None]:
    """Say in words that another process is gone, where the library that sends knows a socket."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessError(
            "another process of this training cannot be reached; it was killed, or the network failed: start all of "
            f"them again with resume=True ({str(error).partition(' This is typically')[0]})"
        ) from error


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
