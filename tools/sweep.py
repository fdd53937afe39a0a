"""Train every recipe whose name matches a pattern, with several seeds, a few runs at a time.

    python tools/sweep.py "caltech101-vgg*" --seeds 0 1 2 --jobs 2 [--out runs]

Run folders are OUT/seedK/RECIPE, each with a log beside it. A recipe that starts from another waits for it. The same
command goes on where it stopped. Each run gets one thread: two runs on a core each are faster than two in turn on both.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from paperlib import RECIPES


def ancestors(name: str) -> int:
    """How many recipes must be trained before this one; a recorded run that it starts from does not count."""
    start = RECIPES[name].start
    return 1 + ancestors(start) if start in RECIPES else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", help="recipes, like 'caltech101-vgg*'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    args = parser.parse_args()
    names = sorted((name for name in RECIPES if fnmatch(name, args.pattern)), key=ancestors)
    if not names:
        parser.error(f"no recipe matches {args.pattern!r}")

    def train(name: str, seed: int, before: Future[int] | None) -> int:
        if before is not None and before.result() != 0:
            return 1
        folder = args.out / f"seed{seed}" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "paperlib", "train", name, "--seed", str(seed), "--out", str(folder)]
        with open(folder.with_suffix(".log"), "a") as log:
            code = subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode
        print(f"seed {seed}  {name}: {'done' if code == 0 else f'failed, see {log.name}'}", flush=True)
        return code

    runs: dict[tuple[str, int], Future[int]] = {}
    with ThreadPoolExecutor(args.jobs) as pool:  # takes runs in this order, in which none waits for a later one
        for seed in args.seeds:
            for name in names:
                runs[name, seed] = pool.submit(train, name, seed, runs.get((RECIPES[name].start, seed)))
    return max(run.result() for run in runs.values())


if __name__ == "__main__":
    sys.exit(main())
