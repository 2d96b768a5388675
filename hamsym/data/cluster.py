"""Shards made by the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from hamsym.data.shards import encode_elsewhere, versions
from hamsym.data.spec import DatasetSpec
from hamsym.errors import DatasetError, HamsymError

#: Seconds that a scheduler has to answer.
_PATIENCE = 10


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Give a ``dask.distributed.Client`` of a scheduler's address.

    Raises:
        DatasetError: if the extra ``distributed`` is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise DatasetError(
            "a cluster needs the extra 'distributed'; pip install 'hamsym[distributed]'"
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise DatasetError(f"no Dask scheduler answers at {address!r}: {error}") from None
    with client:
        yield client


def encode_on_cluster(
    client: Any, spec: DatasetSpec, indices: list[int]
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Give the files of shards as workers finish them.

    Each worker has two shards to do at a time, so that none waits and this process is not flooded.

    Arguments:
        client: a ``dask.distributed.Client``.
        spec: of the data set.
        indices: the shards to make.

    Raises:
        DatasetError: if a worker has other versions than this process, which might change the bytes.
    """
    from distributed import as_completed

    waiting, own = iter(indices), versions()
    index_of: dict[Any, int] = {}

    def submit(index: int) -> Any:
        future = client.submit(encode_elsewhere, spec.to_dict(), index, pure=False)
        index_of[future] = index
        return future

    window = 2 * max(1, len(client.scheduler_info().get("workers", {})))
    queue = as_completed([submit(index) for index in islice(waiting, window)])
    try:
        for future in queue:
            files, theirs = _result(future, index_of[future])
            if theirs != own:
                other = ", ".join(f"{k} {theirs.get(k)}" for k in own if theirs.get(k) != own[k])
                raise DatasetError(
                    f"a worker has other versions than this process: {other}; install the same ones"
                )
            if (following := next(waiting, None)) is not None:
                queue.add(submit(following))
            yield index_of.pop(future), files
    finally:
        client.cancel(list(index_of))


def _result(future: Any, index: int) -> Any:
    try:
        return future.result()
    except HamsymError:
        raise
    except Exception as error:  # a lost worker, a package that it lacks
        raise DatasetError(f"the cluster failed at shard {index}: {type(error).__name__}: {error}") from error
