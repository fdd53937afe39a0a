"""One process at a time writes a run folder."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from paperlib.errors import PaperlibError

LOCK, HOLDER = ".lock", ".writer"  # the lock itself, and who holds it; the system releases a lock when its holder dies


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the run folder and be the only process that writes it.

    Raises PaperlibError where another process is, saying which, and where the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PaperlibError(f"cannot make the run folder {folder} ({error}); choose another with --out") from error
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
        try:
            holder.write_text(f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M}")
        except OSError:
            lock.release()
            raise
    except Timeout:
        who = "another process"
        with suppress(OSError):  # not written yet, or removed again
            who = holder.read_text(errors="replace") or who
        raise PaperlibError(f"{folder} is being written by {who}: stop it, or choose another --out") from None
    except OSError as error:
        raise PaperlibError(f"cannot write in the run folder {folder} ({error}); choose another with --out") from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
