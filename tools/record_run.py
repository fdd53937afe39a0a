"""Copy finished runs into the package, with their test errors counted and, where asked for, their weights.

    python tools/record_run.py runs/vgg-caltech --weights --scales 73 110 146
    python tools/record_run.py runs/seed0/caltech101-vgg16-s73 --name caltech101-vgg16-s73/seed0

The test images are looked at here, once: the errors under each protocol go to evaluation.json. Weights are rounded to
float16, and it is the rounded ones whose errors are counted.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from paperlib import files, protocols, runs
from paperlib.evaluate import Errors
from paperlib.protocols import Predictions, Protocol, evaluate_run
from paperlib.training.folder import save_weights

Test = Callable[[Path], Predictions]  # a protocol and a split, of whatever run
RUNS = Path(__file__).parents[1] / "paperlib" / "assets" / "runs"


def copy(run: Path, target: Path, weights: bool) -> None:
    """recipe.json and metrics.csv of a run, and its weights in float16."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.json", "metrics.csv"):
        shutil.copy(run / name, target / name)
    if weights:
        save_weights(target, runs.load_model(run), torch.float16)


def evaluate_all(run: Path, tests: Mapping[str, Test], store: Path | None = None) -> dict[str, Predictions]:
    """The predictions of a run in each test; those that are stored in its folder, or in `store`, are not repeated."""
    predictions = {}
    for name, test in tests.items():
        path = (store or run) / f"{name.replace(' ', '-').replace(',', '')}.safetensors"
        if not path.exists():
            protocols.save(path, [test(run)])
        (predictions[name],) = protocols.load(path)
        print(f"{run}  {name}: {predictions[name].errors}", flush=True)
    return predictions


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
    wanted = {"center": Protocol(), "dense": Protocol("dense")}
    if args.scales:
        wanted["dense, several scales"] = Protocol("dense", tuple(args.scales))
    tests = {name: partial(evaluate_run, protocol=protocol) for name, protocol in wanted.items()}
    counted = evaluate_all(target if args.weights else args.run, tests, args.run)
    write(target, {name: row(one.scales, one.errors) for name, one in counted.items()})


if __name__ == "__main__":
    main()
