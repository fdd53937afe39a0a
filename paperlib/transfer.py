"""Transfer: a classifier is trained on the features of a trained model, which stay as they are (ZFNet, section 5)."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from paperlib.errors import PaperlibError, unknown
from paperlib.modes import evaluation_mode
from paperlib.transforms import Images, View

Kind = Literal["softmax", "svm"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PENALTIES = (0.1, 1.0, 10.0, 100.0)  # c of both classifiers


def fold(labels: Tensor, per_class: int, seed: int, most: int = 50) -> tuple[Tensor, Tensor]:
    """Indices of `per_class` training images of each class and of up to `most` of its others to test on.

    Drawn with `seed`; the protocol of Caltech-101 (section 5.2). Both are in ascending order. Raises PaperlibError
    where a class has no image left to test on.
    """
    generator = torch.Generator().manual_seed(seed)
    train, test = [], []
    for c in labels.unique():
        members = (labels == c).nonzero()[:, 0]
        if len(members) <= per_class:
            raise PaperlibError(f"class {int(c)} has {len(members)} images: {per_class} to train on leave none to test")
        shuffled = members[torch.randperm(len(members), generator=generator)]
        train.append(shuffled[:per_class])
        test.append(shuffled[per_class : per_class + most])
    return torch.cat(train).sort().values, torch.cat(test).sort().values


def mean_per_class(labels: Tensor, predicted: Tensor) -> float:
    """Accuracy in percent of each class, averaged over the classes: a class of few images counts as much as any."""
    return fmean(100 * float((predicted[labels == c] == c).double().mean()) for c in labels.unique())


@torch.inference_mode()
def features(
    model: nn.Module, layers: Sequence[str], images: Images, view: View | None = None, batch_size: int = 64
) -> dict[str, Tensor]:
    """Outputs of `layers` (names of modules, `features.relu3`) for N images in evaluation, flattened: (N, D) each.

    The images are gone through once, `batch_size` views (the images themselves without `view`) at a time. Raises
    PaperlibError for an unknown layer.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    for layer in layers:
        if layer not in modules:
            raise unknown("layer", layer, modules)
    where = next(model.parameters())
    outputs: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    with evaluation_mode(model), ExitStack() as hooks:
        for layer in layers:  # copied: a ReLU behind may work in place
            hooks.enter_context(modules[layer].register_forward_hook(partial(_collect, outputs[layer])))
        for i in tqdm(range(0, len(images), batch_size), desc="features", unit="batch", leave=False, disable=None):
            some = [images[j] for j in range(i, min(i + batch_size, len(images)))]
            model(torch.stack([image if view is None else view(image) for image in some]).to(where))
    return {layer: torch.cat(parts) for layer, parts in outputs.items()}


def _collect(outputs: list[Tensor], module: nn.Module, inputs: Any, output: Tensor) -> None:
    outputs.append(output.flatten(1).to("cpu", torch.float32, copy=True))


def classifier(x: Tensor, labels: Tensor, kind: Kind = "svm") -> Any:
    """A linear classifier of scikit-learn fitted to features (N, D): softmax (Tables 4 to 7) or SVMs (Table 7).

    Features are centred, and where D is above N turned into the N dimensions that they span, which changes no result.
    The penalty is C = c / s with s the mean square of a feature's length, and c the best of `PENALTIES` in three-fold
    cross-validation on these very images; the paper gives no value.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import Pipeline
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise PaperlibError(f"a classifier on features needs a package ({error}): pip install scikit-learn") from error
    square = max(float(x.double().var(dim=0, correction=0).sum()), 1e-12)
    choices = {"C": [c / square for c in PENALTIES]}
    softmax, svm = (
        LogisticRegression(max_iter=1000),
        LinearSVC(intercept_scaling=square**0.5, max_iter=10_000, random_state=0),
    )
    linear = softmax if kind == "softmax" else svm
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    steps = [("turned", PCA(svd_solver="full")), ("linear", GridSearchCV(linear, choices, cv=folds))]
    return Pipeline(steps).fit(x.numpy(), labels.numpy())


@dataclass(frozen=True)
class Accuracy:
    """Mean per-class accuracies in percent of several folds, `per_class` training images a class."""

    per_class: int
    folds: tuple[float, ...]

    def __str__(self) -> str:
        spread = f" ± {stdev(self.folds):.1f}" if len(self.folds) > 1 else ""
        folds = "1 fold" if len(self.folds) == 1 else f"{len(self.folds)} folds"
        return f"{self.per_class} a class: {fmean(self.folds):.1f}{spread}% ({folds})"


def probe(x: Tensor, labels: Tensor, per_class: int, folds: int = 5, kind: Kind = "svm", most: int = 50) -> Accuracy:
    """What a classifier on the features (N, D) reaches, over folds drawn with the seeds 0, 1, ...

    Raises PaperlibError as `fold` does.
    """
    accuracies = []
    for seed in range(folds):
        train, test = fold(labels, per_class, seed, most)
        fitted = classifier(x[train], labels[train], kind)
        accuracies.append(mean_per_class(labels[test], torch.from_numpy(fitted.predict(x[test].numpy()))))
    return Accuracy(per_class, tuple(accuracies))
