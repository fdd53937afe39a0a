"""Signals that ask a run to stop, collected until it has saved its state."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANG_UP = getattr(signal, "SIGHUP", None)  # of a closed terminal; Windows has none
STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, *([HANG_UP] if HANG_UP else [])]


@contextmanager
def catch_stop_signals() -> Iterator[list[int]]:
    """A list that collects SIGTERM, SIGINT and, unless it is ignored, SIGHUP, instead of their usual effect.

    A second SIGINT has its usual effect at once. A second SIGTERM does not: launchers and service managers each send
    their own. Outside the main thread, where Python allows no handlers, the list stays empty.
    """
    received: list[int] = []
    usual = {kind: signal.getsignal(kind) for kind in STOP_SIGNALS}
    if usual.get(HANG_UP) == signal.SIG_IGN:  # nohup: the run is to outlive its terminal
        del usual[HANG_UP]

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
