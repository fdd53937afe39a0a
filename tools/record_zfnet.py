r"""Train what the ZFNet chapter shows of Caltech-101, and copy the records into the package.

    python tools/sweep.py "caltech101-[az]*" --seeds 0 1 2 --jobs 2 --out runs    # the rows of Table 3
    python tools/caltech_folders.py $PAPERLIB_DATA/caltech101-folders
    python tools/record_zfnet.py look runs                 # trains alexnet-caltech and zfnet-caltech
    python tools/record_zfnet.py rows runs                 # errors of the rows of Table 3
    python tools/record_zfnet.py scratch runs              # Table 4, not pretrained
    python tools/record_zfnet.py transfer runs             # Tables 4 and 7, small

look: weights in float16 and their test errors, and of ZFNet evolution-LAYER.jpg, Figure 4: six maps of a layer, drawn
by lot, after some epochs, each the strongest activation over the validation images, projected.
rows: errors on the training and on the test images, counted once.
scratch: the whole net trained on the first fold alone; the mean of the classes' accuracies on its test images.
transfer: zfnet-half-caltech, trained on one half of the classes; classifiers on its features, and on those of the
untrained net, for the other half; and nets trained from scratch on folds of the same size.
Runs that are finished are not trained again.
"""

import argparse
import dataclasses
import json
from functools import partial
from pathlib import Path

import torch
from record_run import RUNS, copy, evaluate_all, row, write
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import pad
from torch.utils.data import ConcatDataset
from torchvision.io import write_jpeg
from torchvision.utils import make_grid

from paperlib import RECIPES, build, data, files
from paperlib.deconvnet import cut, project, top_activations
from paperlib.evaluate import evaluate, one_view
from paperlib.figures import signed
from paperlib.protocols import Predictions, Protocol, evaluate_run
from paperlib.recipes.recipe import Recipe
from paperlib.recipes.zfnet import CALTECH_FOLDERS, ZFNET_TABLE_3
from paperlib.training.epoch import make_optimizer
from paperlib.training.folder import save_weights
from paperlib.training.run import run
from paperlib.training.state import load_state
from paperlib.transfer import features, mean_per_class, probe
from paperlib.transforms import TestView

TESTS = {split: partial(evaluate_run, protocol=Protocol(), split=split) for split in ("test", "train")}
EPOCHS = (1, 2, 5, 10, 20, 30)  # after which the features are looked at
LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")
PROBED = {"1": "features.norm1", "2": "features.norm2", "3": "features.relu3", "4": "features.relu4",
          "5": "features.pool5", "7": "classifier.relu7"}  # fmt: skip
COUNTS = (5, 15, 30)  # images a class; the layers below 7 with the last alone
FOLDS, ALONE = 3, 5  # of the classifiers, and nets trained from scratch


def watched(recipe: Recipe, folder: Path, name: str) -> dict[int, nn.Module]:
    """Train the recipe, or go on; its net after each of EPOCHS, kept in files beside the run."""
    classes = len(data.load(recipe.data).classes)

    def keep(line: str) -> None:
        """Called before the state of an epoch is saved: the newest one is of the epoch before."""
        print(line, flush=True)
        net = build(recipe.model, num_classes=classes, **recipe.options)
        numbers, _ = load_state(folder, net, make_optimizer(net, recipe))
        epoch = numbers.get("progress", {}).get("epoch", 0)
        if epoch in EPOCHS:
            (folder / f"epoch{epoch}").mkdir(exist_ok=True)
            save_weights(folder / f"epoch{epoch}", net)

    run(recipe, folder, name=name, log=keep)
    found = {}
    for epoch in EPOCHS:
        found[epoch] = net = build(recipe.model, num_classes=classes, **recipe.options)
        net.load_state_dict(load_file(folder / f"epoch{epoch}" / "weights.safetensors"))
        net.eval()
    return found


def draw_evolution(nets: dict[int, nn.Module], recipe: Recipe, layer: str, target: Path, count: int = 6) -> list[int]:
    """Figure 4: a row for each of `count` maps, a column for each epoch. Returns the maps."""
    images = data.load(recipe.data).val.images
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    tops = [top_activations(net, layer, images, 1, view) for net in nets.values()]
    maps = torch.randperm(len(tops[0].values), generator=torch.Generator().manual_seed(0))[:count].sort().values
    cells = []
    for c in maps.tolist():
        for net, top in zip(nets.values(), tops, strict=True):
            seen = view(images[int(top.images[c, 0])])[None]
            cells += cut(project(net, seen, layer, top.units(c)), top.boxes[c])
    side = max(max(cell.shape[1:]) for cell in cells)
    whole = [signed(pad(cell, (0, side - cell.shape[2], 0, side - cell.shape[1]))) for cell in cells]
    write_jpeg(make_grid(whole, nrow=len(nets), padding=2, pad_value=255), str(target), quality=85)
    return maps.tolist()


def look(runs: Path) -> None:
    for name in ("alexnet-caltech", "zfnet-caltech"):
        folder, target, recipe = runs / name, RUNS / name, RECIPES[name]
        nets = watched(recipe, folder, name)
        copy(folder, target, weights=True)
        write(target, {key: row(one.scales, one.errors) for key, one in evaluate_all(target, TESTS, folder).items()})
        if name == "zfnet-caltech":
            drawn = {layer: draw_evolution(nets, recipe, layer, target / f"evolution-{layer}.jpg") for layer in LAYERS}
            dump(target / "evolution.json", {"epochs": EPOCHS, "maps": drawn})


def rows(runs: Path) -> None:
    """All nets see the same views, which are made once."""
    recipe = RECIPES["caltech101-zfnet"]
    found = data.load(recipe.data)
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    splits = {"train": found.train, "test": found.test}
    views = {name: torch.stack([view(image) for image in split.images]) for name, split in splits.items()}
    for name in ZFNET_TABLE_3:
        for folder in sorted(runs.glob(f"seed*/caltech101-{name}")):
            if runs.finished(folder):
                target = RUNS / folder.name / folder.parent.name
                copy(folder, target, weights=False)
                predict = one_view(runs.load_model(folder), nn.Identity())
                counted = {key: evaluate(predict, views[key], splits[key].labels) for key in splits}
                print(name, folder.parent.name, counted, flush=True)
                write(target, {key: row((recipe.test_side,), one) for key, one in counted.items()})


def trained(name: str, folder: Path, **changed: object) -> Path:
    """The finished run of a recipe, on other data where these are given."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return run(dataclasses.replace(RECIPES[name], **changed), folder, name=name)


def tested(folder: Path) -> Predictions:
    return evaluate_all(folder, {"test": TESTS["test"]})["test"]


def accuracy(one: Predictions) -> float:
    """The mean of the classes' accuracies."""
    return mean_per_class(one.labels, one.posteriors.argmax(dim=1))


def scratch(runs: Path) -> None:
    name = "zfnet-full-caltech"
    folder = trained(name, runs / name)
    copy(folder, RUNS / name, weights=False)
    one = tested(folder)
    found = {"mean_per_class": accuracy(one), "accuracy": 100 - one.errors.top1, "images": one.errors.images}
    dump(RUNS / name / "accuracy.json", found)


def transfer(runs: Path) -> None:
    name, found = "zfnet-half-caltech", {}
    lender = trained(name, runs / name)
    recipe, classes = runs.load_recipe(lender)
    other = data.load(f"{CALTECH_FOLDERS}/half-b")
    splits = (other.train, other.val, other.test)
    images, labels = ConcatDataset([s.images for s in splits]), torch.cat([s.labels for s in splits])
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    torch.manual_seed(recipe.seed)
    nets = {
        "pretrained": runs.load_model(lender),
        "untrained": build(recipe.model, num_classes=len(classes), **recipe.options),
    }
    for kind, net in nets.items():
        for layer, x in features(net, list(PROBED.values()), images, view).items():
            for count in COUNTS if layer == PROBED["7"] else COUNTS[-1:]:
                one = probe(x, labels, count, FOLDS, "softmax")
                print(kind, layer, one, flush=True)
                found[f"{kind} {layer} {count}"] = one.folds
    alone = [
        trained(name, runs / f"half-b-fold{i}" / name, data=f"{CALTECH_FOLDERS}/half-b-fold{i}") for i in range(ALONE)
    ]
    found[f"from scratch {COUNTS[-1]}"] = [accuracy(tested(folder)) for folder in alone]
    copy(lender, RUNS / name, weights=False)
    dump(RUNS / name / "transfer.json", found)


def dump(path: Path, content: object) -> None:
    files.write(path, (json.dumps(content, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"look": look, "rows": rows, "scratch": scratch, "transfer": transfer}
    parser.add_argument("what", choices=tasks)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    args = parser.parse_args()
    tasks[args.what](args.runs)


if __name__ == "__main__":
    main()
