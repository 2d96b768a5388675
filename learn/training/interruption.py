"""Ctrl-C that waits for the end of a step, so that what is kept on disk is never half a step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class DeferredInterrupt:
    """While entered, the first SIGINT only sets :attr:`requested`; a second one interrupts at once.

    Python delivers signals to the main thread; elsewhere, and where somebody else already handles SIGINT, nothing
    is installed.  The old handler is back when the block is left, and a request that nobody answered inside is
    raised there.

    Raises:
        KeyboardInterrupt: on leaving the block without an error, if ``requested`` is still set.

    Example:
        >>> with DeferredInterrupt() as interrupt:
        ...     signal.raise_signal(signal.SIGINT)
        ...     seen, interrupt.requested = interrupt.requested, False
        >>> seen
        True
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = False

    def __enter__(self) -> DeferredInterrupt:
        mine = threading.current_thread() is threading.main_thread()
        if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False
        if self.requested and kind is None:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            signal.default_int_handler(number, frame)
        self.requested = True
