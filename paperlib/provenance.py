"""Where a recorded number comes from: everything that is needed to count it again."""

import json
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
from paperlib.version import __version__

NOT_RECORDED = "not recorded"  # of numbers that are older than this file


def write_evaluation(
    folder: Path, rows: Mapping[str, Mapping[str, Any]], protocols: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write evaluation.json of a recorded run and where its numbers come from, to provenance.json.

    `rows` are the tests by name, with their `scales` and number of `images`; `protocols` are their options, by the
    same names.
    """
    write_json(folder / "evaluation.json", rows)
    protocols = {name: {**protocols[name], "scales": row["scales"]} for name, row in rows.items()}
    write_provenance(folder, protocols, {name: row["images"] for name, row in rows.items()})


def write_provenance(folder: Path, protocols: Mapping[str, Mapping[str, Any]], images: Mapping[str, int]) -> None:
    """Write provenance.json of a recorded run: of each test, counted now by this program, how to count it again.

    `protocols` are the options of the tests by name, `images` their numbers of images.
    """
    about = {
        "commit": commit(),
        "date": today(),
        "versions": versions(),
        "machine": machine(),
    }
    commands = {"training": train_command(folder), "command": shlex.join(["python", *sys.argv])}
    tests = {name: {**commands, "protocol": protocols[name], "images": images[name], **about} for name in protocols}
    write_json(folder / "provenance.json", tests)


def train_command(folder: Path) -> str:
    """The command that trains the run in `folder`, of a registered recipe."""
    content = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    processes = content["environment"].get("processes", 1)
    program = "paperlib" if processes == 1 else f"torchrun --standalone --nproc_per_node {processes} -m paperlib"
    return f"{program} train {content['name']} --seed {content['recipe']['seed']}"


def today() -> str:
    """The date, year first, in UTC."""
    return datetime.now(UTC).date().isoformat()


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
