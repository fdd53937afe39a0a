"""paperlib transfer: train a classifier on the features of a run, for other data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor
from torch.utils.data import ConcatDataset

from paperlib import data, protocols, runs
from paperlib.devices import device
from paperlib.errors import PaperlibError
from paperlib.models import build
from paperlib.recipes.recipe import Recipe
from paperlib.transfer import Kind, features, probe
from paperlib.transforms import TestView


@dataclass(frozen=True)
class Transfer:
    """Keep the features of a run and train a classifier on them, for other data (ZFNet, Tables 4 to 7).

    examples:
      paperlib transfer zfnet-caltech --layers features.pool5 classifier.relu7 --data folder:~/photographs
      paperlib transfer zfnet-caltech --layers features.pool5 --data caltech101 --untrained --kind softmax
    """

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a recorded run."""
    layers: tuple[str, ...]
    """Layers whose outputs are the features: features.pool5, classifier.relu7 ..."""
    data: str
    """Data set, by name or folder:PATH; all of its images are divided anew for each fold."""
    per_class: tuple[int, ...] = (15, 30)
    """Training images of each class."""
    most: int = 50
    """Test images of each class, at most."""
    folds: int = 5
    """How often the images are divided, with the seeds 0, 1, ..."""
    kind: Kind = "svm"
    """svm: one linear SVM a class; softmax: multinomial logistic regression."""
    side: int | None = None
    """Smaller image side Q in px; by default the run's."""
    untrained: bool = False
    """Take the model with its initial weights: what the features owe to its structure alone."""


def main(args: Sequence[str]) -> None:
    """Compute the features once, then train and test a classifier for each layer and number of images."""
    options = tyro.cli(Transfer, args=args, prog="paperlib transfer")
    recipe, classes = runs.load_recipe(options.run)
    check_options(options, recipe)
    torch.manual_seed(recipe.seed)
    untrained = build(recipe.model, num_classes=len(classes), **recipe.options) if options.untrained else None
    model = (untrained or runs.load_model(options.run)).to(device())
    images, labels = all_images(options, recipe)
    view = TestView(options.side or recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    for layer, x in features(model, options.layers, images, view).items():
        protocols.check_finite(x, options.run)
        for count in options.per_class:
            print(f"{layer}  {probe(x, labels, count, options.folds, options.kind, options.most)}", flush=True)


def check_options(options: Transfer, recipe: Recipe) -> None:
    """PaperlibError for options that make no sense for this run."""
    if not options.layers:
        raise PaperlibError("--layers needs the name of a layer, such as features.pool5")
    if options.folds < 1 or options.most < 1 or min(options.per_class, default=0) < 3:
        raise PaperlibError("--per-class must be at least 3 (for the cross-validation), --most and --folds at least 1")
    if options.data == recipe.data and not options.untrained:
        raise PaperlibError(f"{options.run} was trained on {options.data}: it has seen the images to be tested on")


def all_images(options: Transfer, recipe: Recipe) -> tuple[Any, Tensor]:
    """The images and labels of all splits; of the data of the run without the unreadable ones that it left out."""
    if options.data == recipe.data:
        parts = [protocols.find_images(options.run, split) for split in ("train", "val", "test")]
        splits = [(part.images, part.labels) for part in parts]
    else:
        dataset = data.load(options.data)
        splits = [(one.images, one.labels) for one in (dataset.train, dataset.val, dataset.test)]
    return ConcatDataset([images for images, _ in splits]), torch.cat([labels for _, labels in splits])  # type: ignore[misc]
