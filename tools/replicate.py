r"""Train, count and show the replications of tools/plan.toml: what the papers claim, seen on small data.

    python tools/replicate.py train --jobs 2    # the next runs of the plan, one thread each
    python tools/replicate.py count             # errors of finished runs under the protocols that the claims name
    python tools/replicate.py record            # the counted runs into the package
    python tools/replicate.py render            # tools/plan.md: every claim with its verdict, every run

Run folders are OUT/seedK/RECIPE. Each command goes on where it was stopped or killed, and no run has two writers: a
second process takes the next one. The test images of a run are counted once.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout  # comes with torch
from verdicts import claims, counted, order, rendered

from paperlib import RECIPES, runs
from paperlib.errors import PaperlibError
from paperlib.files import write_json
from paperlib.protocols import Predictions, Protocol, SplitName, evaluate_run, fuse
from paperlib.provenance import train_command
from paperlib.training.run import run

HERE = Path(__file__).parent
NUMBERS = ("scales", "top1", "top5", "images", "seconds")  # of a row in the package; the rest is its provenance
PACKAGE = Path(runs.__file__).parent / "assets" / "runs"


def place(out: Path, name: str, seed: int) -> Path:
    """The folder of a run; a recipe that starts from another one's weights finds it beside."""
    return out / f"seed{seed}" / name


def next_run(out: Path, failed: set[Path]) -> Iterator[tuple[str, int, Path]]:
    """One run that is not finished, whose lender is, and that no other process has; none has it until this ends."""
    for name, seed in order():
        folder, start = place(out, name, seed), RECIPES[name].start
        waits = start in RECIPES and not runs.finished(place(out, start, seed))
        if folder in failed or waits or runs.finished(folder):
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder.with_suffix(".lock"), timeout=0):
                yield name, seed, folder
                return
        except Timeout:
            continue


def train(out: Path, jobs: int) -> int:
    """Train until nothing is left to do; returns the number of runs that failed."""
    if jobs > 1:
        return side_by_side([sys.executable, __file__, "train", "--jobs", "1", "--out", str(out)], jobs)
    failed: set[Path] = set()
    while True:
        taken = 0
        for name, seed, folder in next_run(out, failed):
            taken += 1
            say = speaker(f"{name} seed {seed}")
            try:
                run(replace(RECIPES[name], seed=seed), folder, name=name, log=say)
            except PaperlibError as error:
                say(f"failed: {error}")
                failed.add(folder)
        if not taken:
            return len(failed)


def side_by_side(command: list[str], jobs: int) -> int:
    """The command several times at once, one thread each; SIGTERM goes on to all. Returns the greatest status."""
    started = [subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) for _ in range(jobs)]
    signal.signal(signal.SIGTERM, lambda *_: [job.terminate() for job in started])
    return max(job.wait() for job in started)


def speaker(label: str) -> Callable[[str], None]:
    """A log that says when and of what."""
    return lambda line: print(f"{datetime.now(UTC):%H:%M:%S}  {label}  {line}", flush=True)


def wish(words: str) -> tuple[Protocol, SplitName]:
    """What `dense@37,55` and `train center` ask for: a protocol in bf16, as the training is, and a split."""
    named, _, scales = words.partition("@")
    *split, name = named.split()
    sides = tuple(int(q) for q in scales.split(",") if q)
    return Protocol(name, sides, precision="bf16"), split[0] if split else "test"  # type: ignore[arg-type, return-value]


def count(out: Path) -> int:
    """Count of each finished run what the claims ask for and evaluation.json lacks.

    wrong.npz keeps which images were wrong under each protocol, a bit each: for paired differences over images.
    """
    wanted: dict[str, dict[str, None]] = {}
    for claim in claims():
        for name, protocol in claim.sides:
            wanted.setdefault(name, {})[protocol] = None
    for name, seed in order():
        folder = place(out, name, seed)
        made: dict[tuple[Any, ...], Predictions] = {}
        for protocol in wanted.get(name, ()) if runs.finished(folder) else ():
            rows, wrong = counted(folder)
            if protocol not in rows:
                rows[protocol], wrong[protocol] = counts(folder, protocol, made)
                np.savez_compressed(folder / "wrong.npz", **wrong)
                write_json(folder / "evaluation.json", rows)
                speaker(f"{name} seed {seed}")(f"{protocol}: {rows[protocol]['top1']:.2f}%")
    return 0


def counts(folder: Path, words: str, made: dict[tuple[Any, ...], Predictions]) -> tuple[dict[str, Any], np.ndarray]:
    """A row of evaluation.json with what repeats it, and the wrong images as packed bits.

    `made` keeps the predictions of the run: multi-crop+dense is their mean, and no pass is made twice.
    """
    protocol, split = wish(words)
    parts = [(name, protocol.scales, split) for name in protocol.name.split("+")]
    for part in parts:
        if part not in made:
            made[part] = evaluate_run(folder, replace(protocol, name=part[0]), split)
    found = fuse([made[part] for part in parts])
    command = ["paperlib evaluate", folder.as_posix(), "--protocol", protocol.name, "--split", split]
    command += ["--precision", protocol.precision, "--scales", *map(str, found.scales)]
    wrong = found.posteriors.argmax(dim=1) != found.labels
    row = {"scales": found.scales, **asdict(found.errors), "command": " ".join(command), **where()}
    return row, np.packbits(wrong.numpy())


def where() -> dict[str, str]:
    """Commit, version of torch, processor and date of what is measured now."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, cwd=HERE, capture_output=True, text=True).stdout.strip()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    return {
        "commit": commit,
        "torch": torch.__version__,
        "processor": processor,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def record(out: Path) -> int:
    """Copy what was counted of every run into the package."""
    for name, seed in order():
        folder, target = place(out, name, seed), PACKAGE / name / f"seed{seed}"
        if runs.finished(folder) and (folder / "evaluation.json").exists():
            target.mkdir(parents=True, exist_ok=True)
            for file in ("recipe.json", "metrics.csv", "wrong.npz"):
                shutil.copy(folder / file, target / file)
            rows, _ = counted(folder)
            numbers = {words: {key: row[key] for key in NUMBERS} for words, row in rows.items()}
            write_json(target / "evaluation.json", numbers)
            write_json(target / "provenance.json", {words: provenance(folder, words, rows[words]) for words in rows})
            print(target)
    return 0


def provenance(folder: Path, words: str, row: dict[str, Any]) -> dict[str, Any]:
    """Where a row comes from, as `paperlib.provenance` writes it."""
    protocol, split = wish(words)
    options = vars(protocol) | {"scales": row["scales"], "split": split, "every": 1}
    return {
        "training": train_command(folder),
        "command": row["command"],
        "protocol": options,
        "images": row["images"],
        "commit": row["commit"],
        "date": row["date"],
        "versions": {"torch": row["torch"]},
        "machine": {"processor": row["processor"]},
    }


def render(out: Path) -> int:
    """Write tools/plan.md from the runs of OUT and of the package."""
    (HERE / "plan.md").write_text(rendered([out, PACKAGE]), encoding="utf-8")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"train": train, "count": count, "record": record, "render": render}
    parser.add_argument("what", choices=tasks)
    parser.add_argument("--jobs", type=int, default=1, help="processes that train side by side")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    args = parser.parse_args()
    return train(args.out, args.jobs) if args.what == "train" else tasks[args.what](args.out)


if __name__ == "__main__":
    sys.exit(main())
