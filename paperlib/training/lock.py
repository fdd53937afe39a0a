"""One process at a time writes a run folder."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
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
    holder = folder / HOLDER
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        try:
            holder.write_text(f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M}")
        except OSError:
            lock.release()
            raise
    except Timeout:
        who = holder.read_text(errors="replace") if holder.exists() else "another process"
        raise PaperlibError(
            f"{folder} is being written by {who}: stop it or choose another folder with --out"
        ) from None
    except OSError as error:
        raise PaperlibError(f"cannot write in the run folder {folder} ({error}); choose another with --out") from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
