"""Files that are written completely or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from paperlib.errors import PaperlibError


def write(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: all of it or, with PaperlibError, nothing, also when the power fails."""
    partial = path.with_name(f".partial-{os.getpid()}")  # one for each process: two writers must not mix in one file
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        advice = "make room there, and the same command goes on"
        raise PaperlibError(f"cannot write {path} ({error}); what was there before is whole; {advice}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as JSON, in one step as `write` does; names of files that are not text are kept too."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write(path, text.encode("utf-8", "backslashreplace"))  # of a lone surrogate that is JSON's own notation
