"""A finished run under a protocol: its posteriors on one split, their errors, and their fusion with others.

    predictions = evaluate_run("vgg-caltech", Protocol("dense", scales=(73, 110, 146)))
    print(predictions.errors)

Posteriors go to disk (`save`, `load`), so that fusing models, or protocols of one model, needs no second pass over
the images.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from paperlib import data, runs
from paperlib.dense import Pool, dense
from paperlib.devices import device
from paperlib.errors import PaperlibError, unknown
from paperlib.evaluate import (
    MEMORY,
    Errors,
    Predictor,
    average,
    center,
    count_errors,
    crops,
    multi_crop,
    predict_all,
    ten_crop,
)
from paperlib.models import build
from paperlib.recipes.recipe import Recipe
from paperlib.tensors import load_tensors, save_tensors
from paperlib.transforms import Images, center_crop

Name = Literal["center", "mirror", "ten-crop", "multi-crop", "dense", "multi-crop+dense"]
SplitName = Literal["test", "val", "train"]
CROPS: dict[str, Callable[..., Predictor]] = {
    "center": center,
    "mirror": partial(crops, cut=center_crop),
    "ten-crop": ten_crop,
    "multi-crop": multi_crop,
}


@dataclass(frozen=True)
class Protocol:
    """How a finished run is tested; PaperlibError for values that make no sense.

    `scales`: the Q in px whose posteriors are averaged, by default the recipe's. `pool`: of the protocol dense, see
    `dense`. `precision` of the model's arithmetic. `memory` in MB, as in `many_views` and `predict_all`.
    """

    name: Name = "center"
    scales: tuple[int, ...] = ()
    pool: Pool | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    memory: float = MEMORY

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise unknown("protocol", self.name, get_args(Name))
        if self.pool is not None and "dense" not in self.name:
            raise PaperlibError(f"pool goes with the protocol dense, not {self.name}")
        if not 0 < self.memory < inf:
            raise PaperlibError(f"memory must be above 0 MB, not {self.memory}")

    def __str__(self) -> str:
        return f"{self.name} {self.pool}" if self.pool else self.name


@dataclass(frozen=True, kw_only=True)
class TestedImages:
    """The images of one split that a run is tested on, with their labels (N,): indices of `classes`."""

    run: str
    data: str
    split: str
    classes: tuple[str, ...]
    labels: Tensor = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RunImages(TestedImages):
    """The N images of a split of a run's data, without the unreadable ones that its training left out."""

    images: Images = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Predictions(TestedImages):
    """The posteriors (N, classes) of a run under a protocol, and the seconds that they took."""

    protocol: str
    scales: tuple[int, ...]
    seconds: float
    posteriors: Tensor = field(repr=False)

    @property
    def errors(self) -> Errors:
        """The errors of the posteriors."""
        return count_errors(self.posteriors, self.labels, self.seconds)


def find_images(
    run: str | Path,
    split: SplitName = "test",
    every: int = 1,
    place: str | None = None,
    read: Callable[[str], data.Data] = data.load,
) -> RunImages:
    """Every `every`-th image of a split of the data that a run was trained on.

    `place`: the data set, by name or folder:PATH, where it is not where the recipe says. `read`: loads a data set by
    its name. Raises PaperlibError where the data have other classes than the run.
    """
    if every < 1:
        raise PaperlibError(f"every must be at least 1, not {every}")
    recipe, classes = runs.load_recipe(run)
    place = place or recipe.data
    dataset = read(place)
    if dataset.classes != classes:
        raise PaperlibError(f"{place} has other classes than the run {run} was trained on; are the data complete?")
    images: data.Split = getattr(dataset, split)
    left_out = (runs.load_unreadable(runs.find(run)) or {}).get(split, {})
    indices = [i for i in range(0, len(images), every) if i not in left_out]
    return RunImages(
        run=str(run),
        data=place,
        split=split,
        classes=classes,
        labels=images.labels[indices],
        images=Subset(images.images, indices),  # type: ignore[arg-type]
    )


def check(run: str | Path, protocol: Protocol) -> None:
    """PaperlibError where a run cannot be tested under this protocol; before its weights are read."""
    runs.weights_of(runs.find(run))
    recipe, classes = runs.load_recipe(run)
    with torch.device("meta"):
        _predictor(build(recipe.model, num_classes=len(classes), **recipe.options), recipe, protocol)


def predictor(run: str | Path, protocol: Protocol = Protocol()) -> Predictor:
    """The predictor of a finished run under a protocol, on the device of this machine.

    Raises PaperlibError where the two do not go together, and, naming the file, where its weights are broken or give
    posteriors that are not numbers.
    """
    recipe, _ = runs.load_recipe(run)
    model = runs.load_model(run).to(device()).to(memory_format=torch.channels_last)  # up to 2 times faster
    answer = _predictor(model, recipe, protocol)

    def predict(images: Sequence[Tensor]) -> Tensor:
        bf16 = protocol.precision == "bf16"
        with torch.autocast(device().type, torch.bfloat16) if bf16 else nullcontext():
            posteriors = answer(images)
        check_finite(posteriors, run)
        return posteriors

    return predict


def check_finite(values: Tensor, run: str | Path) -> None:
    """PaperlibError, naming the file of the weights, where a value that the model of a run gives is not finite."""
    if not values.isfinite().all():
        file = runs.find(run) / "weights.safetensors"
        raise PaperlibError(f"{file} is broken: what the model computes with it are not finite numbers")


def _predictor(model: nn.Module, recipe: Recipe, protocol: Protocol) -> Predictor:
    sides, views = protocol.scales or (recipe.test_side,), (recipe.mean, recipe.std)
    parts = []
    for name in protocol.name.split("+"):
        if name == "dense":
            options = {"crop": recipe.crop, "pool": protocol.pool, "memory": protocol.memory}
            parts.append(dense(model, sides, *views, **options))  # type: ignore[arg-type]
        else:
            parts.append(CROPS[name](model, sides, recipe.crop, *views, memory=protocol.memory))
    return average(*parts)


def evaluate_run(
    run: str | Path,
    protocol: Protocol = Protocol(),
    split: SplitName = "test",
    every: int = 1,
) -> Predictions:
    """The predictions of a finished run under a protocol on every `every`-th image of a split.

    Choose models on `val`; see `test` once. PaperlibError as in `find_images` and `predictor`.
    """
    return predict_images(protocol, find_images(run, split, every))


def predict_images(protocol: Protocol, images: RunImages) -> Predictions:
    """The predictions of a run under a protocol on its images."""
    predict = predictor(images.run, protocol)
    start = time.perf_counter()
    posteriors = predict_all(predict, images.images, memory=protocol.memory)
    return Predictions(
        protocol=str(protocol),
        scales=protocol.scales or (runs.load_recipe(images.run)[0].test_side,),
        seconds=time.perf_counter() - start,
        posteriors=posteriors,
        **{key: value for key, value in vars(images).items() if key != "images"},
    )


def check_same_images(first: TestedImages, other: TestedImages) -> None:
    """Raise PaperlibError, naming each difference, unless both are of the same images in the same order."""
    wrong = [
        f"{name}: {getattr(first, name)} and {getattr(other, name)}"
        for name in ("data", "split")
        if getattr(first, name) != getattr(other, name)
    ]
    if first.classes != other.classes:
        wrong.append(f"classes: {_some(first.classes)} and {_some(other.classes)}")
    if len(first.labels) != len(other.labels):
        wrong.append(f"images: {len(first.labels):,} and {len(other.labels):,}")
    elif not torch.equal(first.labels, other.labels):
        wrong.append(f"labels: {int((first.labels != other.labels).sum()):,} of {len(first.labels):,} differ")
    if wrong:
        raise PaperlibError(f"{first.run} and {other.run} cannot be fused ({'; '.join(wrong)})")


def _some(classes: Sequence[str]) -> str:
    return f"{len(classes)} ({', '.join(classes[:3])} ...)"


def fuse(predictions: Sequence[Predictions]) -> Predictions:
    """The mean of the posteriors (VGG, section 4.4): the name of the first, and all scales and seconds together."""
    first, *others = predictions
    for other in others:
        check_same_images(first, other)
    mean = torch.stack([p.posteriors for p in predictions]).mean(dim=0)
    scales = tuple(sorted({q for p in predictions for q in p.scales}))
    return replace(first, posteriors=mean, seconds=sum(p.seconds for p in predictions), scales=scales)


def save(path: Path, predictions: Sequence[Predictions]) -> None:
    """Write predictions for the same images to one safetensors file. PaperlibError where that cannot be."""
    about = [{k: v for k, v in vars(p).items() if not isinstance(v, Tensor)} for p in predictions]
    tensors = {f"posteriors.{i}": p.posteriors for i, p in enumerate(predictions)}
    save_tensors(path, tensors | {"labels": predictions[0].labels}, {"passes": json.dumps(about)})


def load(path: Path) -> list[Predictions]:
    """The predictions in a file that `save` wrote; PaperlibError where it is broken or another file."""
    try:
        tensors, metadata = load_tensors(path)
        about: list[dict[str, Any]] = json.loads(metadata["passes"])
        lists = ("scales", "classes")
        return [
            Predictions(
                **a | {name: tuple(a[name]) for name in lists},
                posteriors=tensors[f"posteriors.{i}"],
                labels=tensors["labels"],
            )
            for i, a in enumerate(about)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} holds no posteriors of paperlib evaluate --save ({error})") from error
