"""What the readers of a trained DenseNet's maps do with each source: the errors where one of them is cut off.

Readers and sources are those of DenseNet, Figure 5. `record.py` writes the errors to cuts.json.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from paperlib import data, runs
from paperlib.models.densenet import DenseBlock, DenseNet
from paperlib.transforms import TestView

Batches = list[tuple[Tensor, Tensor]]  # views (N, 3, side, side) and labels (N,)


class Cut(NamedTuple):
    """One reader gets zeros, or the mean of each map, in place of the maps of one source."""

    fill: str  # zero, mean
    block: str
    reader: int  # a layer of the block, or what is behind it
    source: int  # what came into the block, or a layer


def readers(model: DenseNet) -> dict[str, list[nn.Module]]:
    """What reads the maps of each dense block: the first convolution of each layer, then what follows the block."""
    blocks = {name: stage for name, stage in model.stages.items() if isinstance(stage, DenseBlock)}
    behind = [stage.conv for name, stage in model.stages.items() if name not in blocks]
    lasts = zip(blocks.items(), [*behind, model.classifier], strict=True)
    return {name: [*(layer.conv1 for layer in block), last] for (name, block), last in lasts}


def finish(model: DenseNet, stage: str, maps: list[Tensor]) -> Tensor:
    """Logits from the first maps of the dense block `stage`; the layers of the others are computed."""
    for layer in list(model.stages[stage].children())[len(maps) - 1 :]:
        maps = [*maps, layer(maps)]
    x = torch.cat(maps, 1)
    names = list(model.stages)
    for name in names[names.index(stage) + 1 :]:
        x = model.stages[name](x)
    return model.classifier(model.avgpool(model.relu(model.norm(x))).flatten(1))


@contextmanager
def filled(reader: nn.Module, low: int, high: int, value: float | Tensor) -> Iterator[None]:
    """Within the block, `reader` is given `value` in its channels low to high."""

    def fill(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        maps = inputs[0].clone()
        maps[:, low:high] = value
        return maps

    handle = reader.register_forward_pre_hook(fill)
    try:
        yield
    finally:
        handle.remove()


def mean_inputs(model: DenseNet, batches: Batches) -> dict[nn.Module, Tensor]:
    """The mean of each map that a reader is given, over images and places: (1, C, 1, 1), of a linear one (1, C)."""
    sums: dict[nn.Module, Tensor] = {}

    def add(reader: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        maps = inputs[0].float()
        maps = maps.mean(dim=(2, 3), keepdim=True) if maps.dim() == 4 else maps
        sums[reader] = sums.get(reader, torch.zeros(())) + maps.sum(dim=0, keepdim=True)

    hooks = [reader.register_forward_pre_hook(add) for block in readers(model).values() for reader in block]
    for views, _ in batches:
        model(views)
    for hook in hooks:
        hook.remove()
    count = sum(len(labels) for _, labels in batches)
    return {reader: total / count for reader, total in sums.items()}


def logits_of_cuts(model: DenseNet, views: Tensor, means: dict[nn.Module, Tensor]) -> Iterator[tuple[Cut, Tensor]]:
    """Each cut with the logits of the images in `views` where it is made."""
    x = model.stem(views)
    blocks = readers(model)
    for stage, module in model.stages.items():
        maps = [x]
        for r, reader in enumerate(blocks.get(stage, [])):
            edges = [0, *itertools.accumulate(part.shape[1] for part in maps)]
            for s, (low, high) in enumerate(itertools.pairwise(edges)):
                for fill, value in (("zero", 0.0), ("mean", means[reader][:, low:high])):
                    with filled(reader, low, high, value):
                        yield Cut(fill, stage, r, s), finish(model, stage, maps)
            if r < len(module):
                maps.append(module[r](maps))
        x = torch.cat(maps, 1) if stage in blocks else module(x)


def cuts(run: Path, every: int = 6, chunk: int = 250) -> dict[str, Any]:
    """The error (%) on every sixth validation image: of the network as it is, and by fill, block, reader and source."""
    recipe, _ = runs.load_recipe(run)
    model = runs.load_model(run).to(memory_format=torch.channels_last)
    assert isinstance(model, DenseNet)
    val = data.load(recipe.data).val.subset(torch.arange(0, len(data.load(recipe.data).val), every))
    view = TestView(recipe.test_side, None, recipe.mean, recipe.std)
    views = torch.stack([view(image) for image in val.images]).to(memory_format=torch.channels_last)
    batches = list(zip(views.split(chunk), val.labels.split(chunk), strict=True))
    wrong: Counter[Cut] = Counter()
    uncut = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
        means = mean_inputs(model, batches)
        for images, labels in batches:
            uncut += int((model(images).argmax(dim=1) != labels).sum())
            for cut, logits in logits_of_cuts(model, images, means):
                wrong[cut] += int((logits.argmax(dim=1) != labels).sum())
    report: dict[str, Any] = {"images": len(val), "whole": 100 * uncut / len(val)}
    for cut, errors in wrong.items():
        rows = report.setdefault(cut.fill, {}).setdefault(cut.block, [[] for _ in readers(model)[cut.block]])
        rows[cut.reader].append(100 * errors / len(val))
    return report
