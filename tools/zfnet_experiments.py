r"""Train and record what the ZFNet chapter shows of Caltech-101, without the rows of Table 3 (tools/record.py).

    python tools/caltech_folders.py $PAPERLIB_DATA/caltech101-folders
    python tools/zfnet_experiments.py evolution runs     # trains alexnet-caltech and zfnet-caltech; Figure 4
    python tools/zfnet_experiments.py scratch runs       # Table 4, not pretrained
    python tools/zfnet_experiments.py transfer runs      # Tables 4 and 7, small

evolution: weights in float16 and their errors, and of ZFNet evolution-LAYER.jpg: six maps of a layer, drawn by lot,
after some epochs, each the strongest activation over the validation images, projected to pixels.
scratch: the whole network trained on the first fold alone; the mean of the classes' accuracies on its test images.
transfer: zfnet-half-caltech, trained on one half of the classes; classifiers on its features, and on those of the
untrained network, for the other half; and networks trained from scratch on folds of the same size.
Runs that are finished are not trained again.
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from record import RECORDED, centre_tests, copy, evaluate_all, options, write_record
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import pad
from torch.utils.data import ConcatDataset
from torchvision.io import write_jpeg
from torchvision.utils import make_grid

from paperlib import RECIPES, build, data, runs
from paperlib.deconvnet import cut, project, top_activations
from paperlib.figures import signed
from paperlib.files import write_json
from paperlib.protocols import Predictions
from paperlib.provenance import write_provenance
from paperlib.recipes.recipe import Recipe
from paperlib.recipes.zfnet import CALTECH_FOLDERS
from paperlib.training.epoch import make_optimizer
from paperlib.training.folder import save_weights
from paperlib.training.run import run
from paperlib.training.state import load_state
from paperlib.transfer import features, mean_per_class, probe
from paperlib.transforms import TestView

EPOCHS = (1, 2, 5, 10, 20, 30)  # after which Figure 4 shows the features
LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")
PROBED = {"1": "features.norm1", "2": "features.norm2", "3": "features.relu3", "4": "features.relu4",
          "5": "features.pool5", "7": "classifier.relu7"}  # fmt: skip
COUNTS = (5, 15, 30)  # images a class; the layers below 7 with the last alone
FOLDS, FROM_SCRATCH = 3, 5  # of the classifiers; networks trained from scratch


def train_with_snapshots(recipe: Recipe, folder: Path, name: str) -> dict[int, nn.Module]:
    """Train the recipe, or go on; the model after each of EPOCHS, stored in files beside the run."""
    classes = len(data.load(recipe.data).classes)

    def snapshot(line: str) -> None:
        """Called before the state of an epoch is saved: the newest state is that of the epoch before."""
        print(line, flush=True)
        model = build(recipe.model, num_classes=classes, **recipe.options)
        numbers, _ = load_state(folder, model, make_optimizer(model, recipe))
        epoch = numbers.get("progress", {}).get("epoch", 0)
        if epoch in EPOCHS:
            (folder / f"epoch{epoch}").mkdir(exist_ok=True)
            save_weights(folder / f"epoch{epoch}", model)

    run(recipe, folder, name=name, log=snapshot)
    models = {}
    for epoch in EPOCHS:
        models[epoch] = build(recipe.model, num_classes=classes, **recipe.options).eval()
        models[epoch].load_state_dict(load_file(folder / f"epoch{epoch}" / "weights.safetensors"))
    return models


def draw_evolution(models: dict[int, nn.Module], recipe: Recipe, layer: str, target: Path, count: int = 6) -> list[int]:
    """Figure 4: a row for each of `count` maps, a column for each epoch. Returns the maps."""
    images = data.load(recipe.data).val.images
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    tops = [top_activations(model, layer, images, 1, view) for model in models.values()]
    maps = torch.randperm(len(tops[0].values), generator=torch.Generator().manual_seed(0))[:count].sort().values
    patches = []
    for c in maps.tolist():
        for model, top in zip(models.values(), tops, strict=True):
            image = view(images[int(top.images[c, 0])])[None]
            patches += cut(project(model, image, layer, top.units(c)), top.boxes[c])
    side = max(max(patch.shape[1:]) for patch in patches)
    cells = [signed(pad(patch, (0, side - patch.shape[2], 0, side - patch.shape[1]))) for patch in patches]
    write_jpeg(make_grid(cells, nrow=len(models), padding=2, pad_value=255), str(target), quality=85)
    return maps.tolist()


def evolution(folder: Path) -> None:
    for name in ("alexnet-caltech", "zfnet-caltech"):
        recipe, target = RECIPES[name], RECORDED / name
        models = train_with_snapshots(recipe, folder / name, name)
        copy(folder / name, target, weights=True)
        tests = centre_tests(recipe)
        write_record(target, evaluate_all(target, tests, store=folder / name), tests)
        if name == "zfnet-caltech":
            maps = {layer: draw_evolution(models, recipe, layer, target / f"evolution-{layer}.jpg") for layer in LAYERS}
            write_json(target / "evolution.json", {"epochs": EPOCHS, "maps": maps})


def train(name: str, folder: Path, **changes: object) -> Path:
    """The finished run of a recipe, with these values changed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return run(dataclasses.replace(RECIPES[name], **changes), folder, name=name)


def test(folder: Path) -> Predictions:
    """The predictions on the test images."""
    recipe, _ = runs.load_recipe(folder)
    return evaluate_all(folder, {"test": centre_tests(recipe)["test"]})["test"]


def accuracy(predictions: Predictions) -> float:
    """The mean of the classes' accuracies in percent."""
    return mean_per_class(predictions.labels, predictions.posteriors.argmax(dim=1))


def scratch(folder: Path) -> None:
    name = "zfnet-full-caltech"
    trained = train(name, folder / name)
    copy(trained, RECORDED / name, weights=False)
    predictions = test(trained)
    errors = predictions.errors
    content = {"mean_per_class": accuracy(predictions), "accuracy": 100 - errors.top1, "images": errors.images}
    write_json(RECORDED / name / "accuracy.json", content)
    protocol = options(centre_tests(RECIPES[name])["test"])
    write_provenance(RECORDED / name, {"accuracy": protocol}, {"accuracy": errors.images})


def probe_features(trained: Path) -> dict[str, list[float]]:
    """Accuracies of classifiers on features of the trained and of the untrained network, for the other classes."""
    recipe, classes = runs.load_recipe(trained)
    other = data.load(f"{CALTECH_FOLDERS}/half-b")
    splits = (other.train, other.val, other.test)
    images, labels = ConcatDataset([s.images for s in splits]), torch.cat([s.labels for s in splits])
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    torch.manual_seed(recipe.seed)
    models = {
        "pretrained": runs.load_model(trained),
        "untrained": build(recipe.model, num_classes=len(classes), **recipe.options),
    }
    accuracies = {}
    for kind, model in models.items():
        for layer, x in features(model, list(PROBED.values()), images, view).items():
            for count in COUNTS if layer == PROBED["7"] else COUNTS[-1:]:
                result = probe(x, labels, count, FOLDS, "softmax")
                print(kind, layer, result, flush=True)
                accuracies[f"{kind} {layer} {count}"] = result.folds
    return accuracies


def transfer(folder: Path) -> None:
    name = "zfnet-half-caltech"
    trained = train(name, folder / name)
    accuracies = probe_features(trained)
    from_scratch = [
        train(name, folder / f"half-b-fold{i}" / name, data=f"{CALTECH_FOLDERS}/half-b-fold{i}")
        for i in range(FROM_SCRATCH)
    ]
    accuracies[f"from scratch {COUNTS[-1]}"] = [accuracy(test(other)) for other in from_scratch]
    copy(trained, RECORDED / name, weights=False)
    write_json(RECORDED / name / "transfer.json", accuracies)
    protocol = {"name": "softmax classifier on features", "per_class": COUNTS, "folds": FOLDS}
    half = data.load(f"{CALTECH_FOLDERS}/half-b")
    images = sum(len(split) for split in (half.train, half.val, half.test))
    write_provenance(RECORDED / name, {"transfer": protocol}, {"transfer": images})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiments = {"evolution": evolution, "scratch": scratch, "transfer": transfer}
    parser.add_argument("experiment", choices=experiments)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    args = parser.parse_args()
    experiments[args.experiment](args.runs)


if __name__ == "__main__":
    main()
