r"""Count the errors of finished runs, and copy their records into the package.

    python tools/record.py runs/vgg-caltech --weights --scales 73 110 146    # one run
    python tools/record.py runs --only "fashion-mnist-*"                      # all that tools/sweep.py left in runs

Counted on the test images, here and once, under the protocols that the recipe's table or figure needs:
  caltech101-vgg*            VGG, Tables 3 to 6: dense at Q = S (of a range: its middle) and over three Q; of D and E on
                             [73; 146] crops too, and with E the fusions. On every third image: 150 views take long.
  caltech101-alexnet, -zfnet*                             centre crops, also of the training images
  fashion-mnist-resnet*, -plain*, -densenet*              the same; signals.json, of DenseNets cuts.json and the weights
  others                                                  centre crop and dense evaluation, with --scales over these too
Predictions are stored beside the run as safetensors and not made again. Weights are rounded to float16, and the errors
are those of the rounded ones. provenance.json says where each number comes from. Runs that are not finished are left
out, and in a folder of runs those recorded already.
"""

import argparse
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import torch
from densenet_cuts import cuts
from resnet_signals import signals

from paperlib import files, protocols, runs
from paperlib.protocols import Name, Predictions, Protocol, evaluate_run, fuse
from paperlib.provenance import write_evaluation
from paperlib.recipes.recipe import Recipe
from paperlib.training.folder import save_weights

RECORDED = Path(__file__).parents[1] / "paperlib" / "assets" / "runs"
CENTRE = ("caltech101-alexnet*", "caltech101-zfnet*", "fashion-mnist-resnet*", "fashion-mnist-plain*",
          "fashion-mnist-densenet*")  # fmt: skip
D, E = "caltech101-vgg16-jitter", "caltech101-vgg19-jitter"
SEVEN = [  # the networks of the competition (VGG, section 4.4): D at three S, C and E at two
    *(f"caltech101-vgg16-{s}" for s in ("s73", "s110", "jitter")),
    *(f"caltech101-{model}-{s}" for model in ("vgg16_1x1", "vgg19") for s in ("s73", "s110")),
]
GROUPS = {"D + E": [D, E], "seven nets": SEVEN}
Test = partial[Predictions]  # of a run: `evaluate_run` with a protocol and a split
Tests = Mapping[str, Test]


def centre_tests(recipe: Recipe) -> Tests:
    """Test and training images, in the arithmetic that the model was trained in."""
    protocol = Protocol(precision=recipe.precision)  # type: ignore[arg-type]
    return {split: partial(evaluate_run, protocol=protocol, split=split) for split in ("test", "train")}


def vgg_tests(name: str, recipe: Recipe) -> Tests:
    """What section 4 of VGG counts of this row, in bf16."""
    (low, high), step = recipe.sides, round(32 * 64 / 224)
    three = (low - step, low, low + step) if low == high else (low, recipe.test_side, high)

    def test(protocol: Name, *scales: int) -> Test:
        return partial(evaluate_run, protocol=Protocol(protocol, scales, precision="bf16"), every=3)

    tests = {"dense": test("dense"), "center": test("center")}
    if (low, high) != (73, 73):  # one Q for all sizes of training: at 73 px the score map is one cell
        tests["dense at 73"] = test("dense", 73)
    if recipe.model not in ("vgg11", "vgg11_lrn", "vgg13_5x5"):  # the rows of Table 4
        tests["dense, three scales"] = test("dense", *three)
    if name in (D, E):
        tests |= {"mirror": test("mirror"), "ten-crop": test("ten-crop"), "multi-crop": test("multi-crop")}
        tests |= {f"multi-crop at {q}": test("multi-crop", q) for q in (three[0], three[2])}
    return tests


def named_tests(name: str, recipe: Recipe, scales: tuple[int, ...] = ()) -> Tests:
    """What the table or figure of the recipe `name` counts; of others the centre crop and dense evaluation."""
    if name.startswith("caltech101-vgg"):
        return vgg_tests(name, recipe)
    if any(fnmatch(name, pattern) for pattern in CENTRE):
        return centre_tests(recipe)
    wanted = {"center": Protocol(), "dense": Protocol("dense")}
    if scales:
        wanted["dense, several scales"] = Protocol("dense", scales)
    return {key: partial(evaluate_run, protocol=protocol) for key, protocol in wanted.items()}


def evaluate_all(run: Path, tests: Tests, store: Path | None = None) -> dict[str, Predictions]:
    """The predictions of a run in each test; those that are stored in its folder, or in `store`, are not made again."""
    predictions = {}
    for name, test in tests.items():
        path = (store or run) / f"{name.replace(' ', '-').replace(',', '')}.safetensors"
        if not path.exists():
            protocols.save(path, [test(run)])
        (predictions[name],) = protocols.load(path)
        print(f"{run}  {name}: {predictions[name].errors}", flush=True)
    return predictions


def crops_and_dense(single: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Table 5 of VGG: crops over three scales, and with dense evaluation."""
    three = fuse([single[key] for key in single if key.startswith("multi-crop")])
    return {
        "multi-crop, three scales": three,
        "multi-crop + dense": fuse([single["multi-crop"], single["dense"]]),
        "multi-crop + dense, three scales": fuse([three, single["dense, three scales"]]),
    }


def vgg_fusions(folder: Path, name: str) -> dict[str, Predictions]:
    """Tables 5 and 6 of VGG for the run `name` in `folder`, from the predictions of the runs beside it."""

    def single(other: str) -> dict[str, Predictions]:
        return evaluate_all(folder / other, vgg_tests(other, runs.load_recipe(folder / other)[0]))

    fusions = crops_and_dense(single(name))
    if name != E or not runs.finished(folder / D):
        return fusions
    of_d, of_e = single(D) | crops_and_dense(single(D)), single(E) | fusions
    for key in ("dense", "multi-crop", "multi-crop + dense"):
        for each in (key, f"{key}, three scales"):
            fusions[f"D + E, {each}"] = fuse([of_d[each], of_e[each]])
    if all(runs.finished(folder / other) for other in SEVEN):
        for key in ("dense", "dense, three scales"):
            fusions[f"seven nets, {key}"] = fuse([single(other)[key] for other in SEVEN])
    return fusions


def copy(run: Path, target: Path, weights: bool) -> None:
    """recipe.json and metrics.csv of a run, and its weights in float16."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.json", "metrics.csv"):
        shutil.copy(run / name, target / name)
    if weights:
        save_weights(target, runs.load_model(run), torch.float16)


def write_record(target: Path, predictions: Mapping[str, Predictions], tests: Tests) -> None:
    """evaluation.json, a row for each test, and provenance.json; predictions without a test are fusions."""
    rows: dict[str, Any] = {key: {"scales": one.scales, **vars(one.errors)} for key, one in predictions.items()}
    means = {key: mean_of(key, runs.name_of(target), tests) for key in predictions if key not in tests}
    write_evaluation(target, rows, {key: options(test) for key, test in tests.items()} | means)


def options(test: Test) -> dict[str, Any]:
    """The protocol of a test with all its options."""
    chosen = {"split": "test", "every": 1, **test.keywords}
    return vars(chosen.pop("protocol")) | chosen


def mean_of(key: str, run: str, tests: Tests) -> dict[str, Any]:
    """The tests, RUN: TEST each, of whose posteriors a fusion in Tables 5 and 6 of VGG is the mean."""
    group, _, test = key.partition(", ")
    if group in GROUPS:
        parts = [f"{model}/{run.rpartition('/')[2]}: {test}" for model in GROUPS[group]]
    else:
        of = {
            "multi-crop, three scales": [name for name in tests if name.startswith("multi-crop")],
            "multi-crop + dense": ["multi-crop", "dense"],
            "multi-crop + dense, three scales": ["multi-crop, three scales", "dense, three scales"],
        }
        parts = [f"{run}: {name}" for name in of[key]]
    return {"name": "mean of the posteriors", "of": parts, "split": "test", "every": 3}


def record(run: Path, target: Path, *, weights: bool = False, scales: tuple[int, ...] = ()) -> None:
    """Write the record of a finished run into `target`."""
    name, (recipe, _) = run.name, runs.load_recipe(run)
    first_cycle = name.startswith("fashion-mnist") and not recipe.start  # of a second one only the errors are recorded
    densenet, residual = "densenet" in name, "resnet" in name or "plain" in name
    weights = weights or (first_cycle and densenet)
    copy(run, target, weights)
    tests = named_tests(name, recipe, scales)
    predictions = evaluate_all(target if weights else run, tests, store=run)
    if name in (D, E):
        predictions |= vgg_fusions(run.parent, name)
    if first_cycle and densenet:
        files.write_json(target / "cuts.json", cuts(target))
    if first_cycle and residual:
        files.write_json(target / "signals.json", signals(run))
    write_record(target, predictions, tests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run, or of runs: FOLDER/seedK/RECIPE")
    parser.add_argument("--only", default="*", help="in a folder of runs: recipes, like 'caltech101-vgg*'")
    parser.add_argument("--name", help="of one run: its name in the package; by default the folder's")
    parser.add_argument("--weights", action="store_true", help="of one run: record its weights too")
    parser.add_argument("--scales", type=int, nargs="*", default=[], help="of one run: Q in px for a dense evaluation")
    args = parser.parse_args()
    if (args.run / "recipe.json").exists():
        target = RECORDED / (args.name or args.run.name)
        record(args.run, target, weights=args.weights, scales=tuple(args.scales))
        return
    for run in sorted(args.run.glob(f"seed*/{args.only}")):
        target = RECORDED / run.name / run.parent.name
        if runs.finished(run) and not (target / "evaluation.json").exists():
            record(run, target)


if __name__ == "__main__":
    main()
