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
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout  # comes with torch
from resnet_signals import signals
from verdicts import claims, counted, order, rendered

from paperlib import RECIPES, runs
from paperlib.errors import PaperlibError
from paperlib.files import write_json
from paperlib.protocols import Predictions, Protocol, SplitName, evaluate_run, fuse
from paperlib.provenance import write_provenance
from paperlib.training.run import run

HERE = Path(__file__).parent
PACKAGE = Path(runs.__file__).parent / "assets" / "runs"


def place(out: Path, name: str, seed: int) -> Path:
    """The folder of a run; a recipe that starts from another one's weights finds it beside."""
    return out / f"seed{seed}" / name


def missing(out: Path) -> list[tuple[str, int]]:
    """Runs of the plan that are neither finished here nor recorded, each after the one that lends it its weights."""
    found: list[tuple[str, int]] = []

    def add(name: str, seed: int) -> None:
        start = RECIPES[name].start
        if start in RECIPES and not runs.finished(place(out, start, seed)):
            add(start, seed)
        if (name, seed) not in found:
            found.append((name, seed))

    for name, seed in order():
        recorded = (PACKAGE / name / f"seed{seed}" / "evaluation.json").exists()
        if not recorded and not runs.finished(place(out, name, seed)):
            add(name, seed)
    return found


def next_run(out: Path, failed: set[Path]) -> Iterator[tuple[str, int, Path]]:
    """One missing run whose lender is finished and that no other process has; none has it until this ends."""
    for name, seed in missing(out):
        folder, start = place(out, name, seed), RECIPES[name].start
        if folder in failed or (start in RECIPES and not runs.finished(place(out, start, seed))):
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder.with_suffix(".lock"), timeout=0):
                if runs.finished(folder):  # by another process, since this one looked
                    continue
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
    """Count of each finished run what the claims ask for and evaluation.json lacks."""
    wanted: dict[str, dict[str, None]] = {}
    for claim in claims():
        for name, words in claim.sides:
            wanted.setdefault(name, {})[words] = None
    for name, seed in order():
        folder = place(out, name, seed)
        made: dict[tuple[Any, ...], Predictions] = {}
        for words in wanted.get(name, ()) if runs.finished(folder) else ():
            if words not in counted(folder)[0]:
                row, options, wrong = counts(folder, words, made)
                keep(folder, words, row, options, wrong)
                speaker(f"{name} seed {seed}")(f"{words}: {row['top1']:.2f}%")
    return 0


def counts(
    folder: Path, words: str, made: dict[tuple[Any, ...], Predictions]
) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """A row of evaluation.json, the options of its protocol, and the wrong images as packed bits.

    `made` keeps the predictions of the run: multi-crop+dense is their mean, and no pass is made twice.
    """
    protocol, split = wish(words)
    parts = [(name, protocol.scales, split) for name in protocol.name.split("+")]
    for part in parts:
        if part not in made:
            made[part] = evaluate_run(folder, replace(protocol, name=part[0]), split)
    found = fuse([made[part] for part in parts])
    row = {"scales": found.scales, **vars(found.errors)}
    wrong = found.posteriors.argmax(dim=1) != found.labels
    return row, vars(protocol) | {"scales": found.scales, "split": split, "every": 1}, np.packbits(wrong.numpy())


def keep(folder: Path, words: str, row: dict[str, Any], options: dict[str, Any], wrong: np.ndarray) -> None:
    """Add a test to evaluation.json, provenance.json and wrong.npz, which keeps the wrong images, a bit each."""
    rows, bits = counted(folder)
    file = folder / "provenance.json"
    before = runs.read_provenance(folder) if file.exists() else {}
    write_provenance(folder, {words: options}, {words: row["images"]})
    write_json(file, before | runs.read_provenance(folder))
    np.savez_compressed(folder / "wrong.npz", **bits, **{words: wrong})
    write_json(folder / "evaluation.json", rows | {words: row})


def record(out: Path) -> int:
    """Copy what was counted of every run into the package, and what its layers pass on where it is a ResNet's."""
    for name, seed in order():
        folder, target = place(out, name, seed), PACKAGE / name / f"seed{seed}"
        if runs.finished(folder) and (folder / "evaluation.json").exists():
            target.mkdir(parents=True, exist_ok=True)
            for file in ("recipe.json", "metrics.csv", "evaluation.json", "provenance.json", "wrong.npz"):
                shutil.copy(folder / file, target / file)
            if RECIPES[name].model in ("plain20", "plain56", "resnet20", "resnet56"):  # ResNet, Figure 7
                write_json(target / "signals.json", signals(folder))
            print(target)
    return 0


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
