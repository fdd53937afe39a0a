"""Signals that ask a run to stop, kept until it has saved its state."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def caught() -> Iterator[list[int]]:
    """A list that collects SIGTERM and SIGINT in place of what they do; a second SIGINT does that at once.

    A second SIGTERM does not: launchers and service managers each send their own.

    Outside the main thread, where Python allows no handlers, it stays empty.
    """
    found: list[int] = []
    usual = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)}

    def note(kind: int, frame: FrameType | None) -> None:
        found.append(kind)
        if kind == signal.SIGINT:
            signal.signal(kind, usual[signal.SIGINT])

    main = threading.current_thread() is threading.main_thread()
    try:
        for kind in usual if main else ():
            signal.signal(kind, note)
        yield found
    finally:
        for kind, handler in usual.items() if main else ():
            signal.signal(kind, handler)
