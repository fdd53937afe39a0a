"""Copy a finished run into the package, with its weights rounded to float16 and its test errors counted.

    python tools/record_run.py runs/vgg-caltech [--name NAME] [--scales 73 110 146]

The test images are looked at here, once: the errors of the stored (rounded) weights under each protocol go to
evaluation.json.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch

from paperlib import checkpoint, data
from paperlib.cli import Evaluate, predictor
from paperlib.evaluate import evaluate

RUNS = Path(__file__).parents[1] / "paperlib" / "assets" / "runs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the finished run")
    parser.add_argument("--name", help="name in the package; by default the folder's")
    parser.add_argument("--scales", type=int, nargs="*", default=[], help="further scales Q for a dense evaluation")
    args = parser.parse_args()
    target = RUNS / (args.name or args.run.name)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.json", "metrics.csv"):
        shutil.copy(args.run / name, target / name)
    checkpoint.save_weights(target, checkpoint.load_model(args.run), torch.float16)

    made, _ = checkpoint.load_recipe(target)
    images = data.load(made.data).test
    wishes = {"center": Evaluate(()), "dense": Evaluate((), protocol="dense")}
    if args.scales:
        wishes["dense, several scales"] = Evaluate((), protocol="dense", scales=tuple(args.scales))
    found = {}
    for name, wish in wishes.items():
        counted = evaluate(predictor(str(target), wish), images.images, images.labels)
        print(f"{name}: {counted}")
        found[name] = {
            "scales": wish.scales or (made.test_side,),
            "top1": counted.top1,
            "top5": counted.top5,
            "images": counted.images,
        }
    checkpoint.write(target / "evaluation.json", (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
