"""Signals that ask a run to stop, collected until it has saved its state."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def catch_stop_signals() -> Iterator[list[int]]:
    """A list that collects SIGTERM and SIGINT instead of their usual effect.

    A second SIGINT has its usual effect at once. A second SIGTERM does not: launchers and service managers each send
    their own. Outside the main thread, where Python allows no handlers, the list stays empty.
    """
    received: list[int] = []
    usual = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)}

    def collect(kind: int, frame: FrameType | None) -> None:
        received.append(kind)
        if kind == signal.SIGINT:
            signal.signal(kind, usual[signal.SIGINT])

    handled = usual if threading.current_thread() is threading.main_thread() else {}
    try:
        for kind in handled:
            signal.signal(kind, collect)
        yield received
    finally:
        for kind, handler in handled.items():
            signal.signal(kind, handler)
