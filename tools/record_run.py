"""Copy finished runs into the package, with their test errors counted and, where asked for, their weights.

    python tools/record_run.py runs/vgg-caltech --weights --scales 73 110 146
    python tools/record_run.py runs/seed0/caltech101-vgg16-s73 --name caltech101-vgg16-s73/seed0

The test images are looked at here, once: the errors under each protocol go to evaluation.json. Weights are rounded to
float16, and it is the rounded ones whose errors are counted.
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from paperlib import files, protocols, runs
from paperlib.cli import Evaluate, measured
from paperlib.evaluate import Errors
from paperlib.protocols import Pass
from paperlib.training import checkpoint

RUNS = Path(__file__).parents[1] / "paperlib" / "assets" / "runs"


def copy(run: Path, target: Path, weights: bool) -> None:
    """recipe.json and metrics.csv of a run, and its weights in float16."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.json", "metrics.csv"):
        shutil.copy(run / name, target / name)
    if weights:
        checkpoint.save_weights(target, runs.load_model(run), torch.float16)


def passes(run: Path, wishes: Mapping[str, Evaluate], kept: Path | None = None) -> dict[str, Pass]:
    """A pass of the run over its images for each wish; those kept in its folder, or in `kept`, are not repeated."""
    found = {}
    for name, wish in wishes.items():
        path = (kept or run) / f"{name.replace(' ', '-').replace(',', '')}.safetensors"
        if not path.exists():
            protocols.save(path, [measured(str(run), wish)])
        (found[name],) = protocols.load(path)
        print(f"{run}  {name}: {found[name].errors}", flush=True)
    return found


def row(scales: tuple[int, ...], errors: Errors) -> dict[str, Any]:
    """An entry of evaluation.json."""
    return {"scales": scales, **vars(errors)}


def write(target: Path, rows: Mapping[str, dict[str, Any]]) -> None:
    """evaluation.json."""
    files.write(target / "evaluation.json", (json.dumps(rows, indent=2) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the finished run")
    parser.add_argument("--name", help="name in the package; by default the folder's")
    parser.add_argument("--weights", action="store_true", help="keep the weights too")
    parser.add_argument("--scales", type=int, nargs="*", default=[], help="further scales Q for a dense evaluation")
    args = parser.parse_args()
    target = RUNS / (args.name or args.run.name)
    copy(args.run, target, args.weights)
    wishes = {"center": Evaluate(()), "dense": Evaluate((), protocol="dense")}
    if args.scales:
        wishes["dense, several scales"] = Evaluate((), protocol="dense", scales=tuple(args.scales))
    counted = passes(target if args.weights else args.run, wishes, args.run)
    write(target, {name: row(one.scales, one.errors) for name, one in counted.items()})


if __name__ == "__main__":
    main()
