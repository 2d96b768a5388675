"""The history of a training as TensorBoard reads it, written while it goes on."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

from hamsym.arguments import shown
from hamsym.errors import CheckpointError, MissingExtraError, ParameterError
from learn.training.result import FitResult


class TensorBoard:
    """A callback of ``learn.fit`` that writes every column of the history, and what held-out data say, for TensorBoard.

    ``tensorboard --logdir FOLDER`` shows it; columns of several numbers are numbered.  What a resumed run does again
    replaces what was written before.

    Arguments:
        folder: made if it is not there.
        flush: seconds after which what was written can be seen.

    Raises:
        MissingExtraError: if the package is not installed; the extra ``tensorboard`` brings it.
        CheckpointError: if the folder cannot be written.

    Example:
        >>> fit(flow, q, callback=TensorBoard("runs/rings/log"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, *, flush: int = 10) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            raise ParameterError(f"folder is the path of a directory, not {shown(folder)}")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                f"TensorBoard is not installed ({error}); pip install 'hamsym[tensorboard]'"
            ) from error
        self._make: Any = SummaryWriter
        self._writer: Any = None
        self.folder, self.flush, self._looks = Path(folder), flush, 0

    def __call__(self, step: int, result: FitResult) -> None:
        """Write the last row of the history, and the looks that were taken since."""
        writer = self._writer or self._open(step)
        for name, column in result.history.items():
            if name != "step":
                values = column[-1] if isinstance(column[-1], list) else None
                numbered = (
                    {name: column[-1]} if values is None else {f"{name}/{k}": v for k, v in enumerate(values)}
                )
                for tag, value in numbered.items():
                    writer.add_scalar(tag, value, step)
        for looked, score in result.validation[self._looks :]:
            writer.add_scalar("validation", score, looked)
        self._looks = len(result.validation)

    def _open(self, step: int) -> Any:
        try:
            self._writer = self._make(str(self.folder), purge_step=step, flush_secs=self.flush)
        except OSError as error:
            raise CheckpointError(f"cannot write the log {self.folder}: {error}") from error
        weakref.finalize(self, self._writer.close)
        return self._writer
