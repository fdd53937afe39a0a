"""Where a recorded number comes from: everything that is needed to count it again."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from paperlib.files import write_json
from paperlib.runs import train_command
from paperlib.version import __version__

NOT_RECORDED = "not recorded"  # of numbers that are older than this file


def write_evaluation(
    folder: Path, rows: Mapping[str, Mapping[str, Any]], protocols: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write evaluation.json of a recorded run, and provenance.json, which says of each test where it comes from.

    `rows` are the tests by name, with their `scales` and number of `images`; `protocols` are their options, by the
    same names.
    """
    tests = {
        name: provenance({**protocols[name], "scales": row["scales"]}, row["images"], train_command(folder))
        for name, row in rows.items()
    }
    write_json(folder / "evaluation.json", rows)
    write_json(folder / "provenance.json", tests)


def provenance(protocol: Mapping[str, Any], images: int, training: str) -> dict[str, Any]:
    """Where a number comes from that is counted now, of a run of the command `training`, under a protocol."""
    return {
        "training": training,
        "command": shlex.join(["python", *sys.argv]),
        "protocol": dict(protocol),
        "images": images,
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "machine": machine(),
    }


def commit() -> str:
    """The commit of the package's sources, with + where files differ from it; NOT_RECORDED outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return NOT_RECORDED
    return head + "+" * bool(changes)


def versions() -> dict[str, str]:
    """Versions of Python, the package and what it computes with."""
    found = {"python": platform.python_version(), "paperlib": __version__}
    for name in ("torch", "torchvision", "accelerate"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = NOT_RECORDED
    return found


def machine() -> dict[str, str | int]:
    """Processor and cores, of those that this process may use; not the name of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": processor(),
        "cores": cores,
        "architecture": platform.machine(),
        "system": platform.system(),
    }


def processor() -> str:
    """The model of the processor as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or NOT_RECORDED
