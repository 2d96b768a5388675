"""A progress bar on a terminal, or nothing."""

from __future__ import annotations

from typing import Any

from hamsym.arguments import flag


class Bar:
    """A tqdm bar that counts; silent when not wanted, and wherever the output is no terminal.

    Arguments:
        shown: whether a bar is wanted.
        unit: what is counted.
        total: how much there is, if that is known from the start.
        desc: text before the bar.

    Raises:
        ParameterError: if ``shown`` is neither True nor False.

    Example:
        >>> with Bar(False, unit="step") as bar:
        ...     bar.update(3)
    """

    def __init__(self, shown: bool, *, unit: str, total: int | None = None, desc: str | None = None) -> None:
        self._bar: Any = None
        if flag("progress", shown):
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=unit, desc=desc, disable=None)

    def update(self, n: int) -> None:
        """Count n more."""
        if self._bar is not None:
            self._bar.update(n)

    def extend(self, n: int) -> None:
        """Announce how much remains, where that is known only on the way."""
        if self._bar is not None:
            self._bar.total = self._bar.n + n
            self._bar.refresh()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
