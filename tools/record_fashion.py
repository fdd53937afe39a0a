r"""Record the small nets of Fashion-MNIST: their errors, and what is in the trained nets.

    python tools/sweep.py "fashion-mnist-*20" --seeds 0 1 2 --jobs 2 --out runs
    python tools/sweep.py "fashion-mnist-*56" --seeds 0 1 --jobs 2 --out runs
    OMP_NUM_THREADS=1 torchrun --standalone --nproc_per_node 2 -m paperlib train fashion-mnist-resnet20-long \
        --out runs/seed0/fashion-mnist-resnet20-long
    python tools/sweep.py "fashion-mnist-densenet_*[4g]" --seeds 0 1 --jobs 2 --out runs
    OMP_NUM_THREADS=1 torchrun --standalone --nproc_per_node 2 -m paperlib train fashion-mnist-densenet_bc16_k48-again \
        --seed 2 --out runs/seed2/fashion-mnist-densenet_bc16_k48-again
    python tools/record_fashion.py runs

evaluation.json: the error on the training images, seen whole and unmirrored, and on the test images, looked at here,
once; of a second cycle that is all. Of ResNets and plain nets signals.json, on the first 512 training images: the
standard deviation of each 3x3 layer's response, after its batch norm and before ReLU or addition (ResNet, Figure 7),
and the norm of the loss's gradient by the output of each block, a mean over images. Of DenseNets the weights, rounded
to float16, which are those whose errors are counted (not in the package are the 1.4 MB of the longer recipe's second
seed), and cuts.json, on every sixth validation image: the error where one reader gets zeros, or the mean of each map,
instead of the maps of one source (readers and sources as in DenseNet, Figure 5). Runs that are not there, not
finished, or recorded already are left out.
"""

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from record_run import RUNS, Test, copy, evaluate_all, row, write
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from paperlib import RECIPES, data, files, runs
from paperlib.models.densenet import DenseBlock, DenseNet
from paperlib.models.resnet import Block, ResNet
from paperlib.protocols import Protocol, evaluate_run
from paperlib.recipes.recipe import Recipe
from paperlib.transforms import TestView


def tests(recipe: Recipe) -> dict[str, Test]:
    """Test and training images, in the arithmetic that the model was trained in."""
    protocol = Protocol(precision=recipe.precision)  # type: ignore[arg-type]
    return {split: partial(evaluate_run, protocol=protocol, split=split) for split in ("test", "train")}


def signals(run: Path, count: int = 512) -> dict[str, list[float]]:
    """Responses by layer and gradients by block of a trained net, batch norm as in training."""
    recipe, _ = runs.load_recipe(run)
    net = runs.load_model(run).train()
    assert isinstance(net, ResNet)
    train = data.load(recipe.data).train
    view = TestView(recipe.test_side, None, recipe.mean, recipe.std)
    x = net.stem(torch.stack([view(image) for image in train.images[:count]]))
    responses: list[float] = []
    outputs: list[torch.Tensor] = []
    for block in (module for module in net.modules() if isinstance(module, Block)):
        y = x.detach()
        for name, layer in block.residual.named_children():
            with torch.no_grad():
                y = layer(y)
            if name.startswith("bn"):
                responses.append(float(y.std()))
        x = block(x)
        outputs.append(x)
    loss = cross_entropy(net.fc(x.mean(dim=(2, 3))), train.labels[:count], reduction="sum")
    gradients = torch.autograd.grad(loss, outputs)
    return {"responses": responses, "gradients": [float(g.flatten(1).norm(dim=1).mean()) for g in gradients]}


def readers(net: DenseNet) -> dict[str, list[nn.Module]]:
    """Of each dense block what reads its maps: the first convolution of each layer, then what is behind the block."""
    blocks = {name: stage for name, stage in net.stages.items() if isinstance(stage, DenseBlock)}
    behind = [stage.conv for name, stage in net.stages.items() if name not in blocks]
    lasts = zip(blocks.items(), [*behind, net.classifier], strict=True)
    return {name: [*(layer.conv1 for layer in block), last] for (name, block), last in lasts}


def finish(net: DenseNet, stage: str, maps: list[Tensor]) -> Tensor:
    """Logits from the first maps of the dense block `stage`, in which the layers of the others are still to come."""
    for layer in list(net.stages[stage].children())[len(maps) - 1 :]:
        maps = [*maps, layer(maps)]
    x = torch.cat(maps, 1)
    names = list(net.stages)
    for name in names[names.index(stage) + 1 :]:
        x = net.stages[name](x)
    return net.classifier(net.avgpool(net.relu(net.norm(x))).flatten(1))


@contextmanager
def filled(reader: nn.Module, low: int, high: int, value: float | Tensor) -> Iterator[None]:
    """Inside, `reader` sees `value` in its channels low to high."""

    def fill(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        maps = inputs[0].clone()
        maps[:, low:high] = value
        return maps

    handle = reader.register_forward_pre_hook(fill)
    try:
        yield
    finally:
        handle.remove()


def cuts(run: Path, every: int = 6, chunk: int = 250) -> dict[str, Any]:
    """The error (%) on every sixth validation image: whole, and by block, reader and source with that one cut."""
    recipe, _ = runs.load_recipe(run)
    net = runs.load_model(run).to(memory_format=torch.channels_last)
    assert isinstance(net, DenseNet)
    val = data.load(recipe.data).val
    view = TestView(recipe.test_side, None, recipe.mean, recipe.std)
    parts = list(zip(val.images[::every].split(chunk), val.labels[::every].split(chunk), strict=True))
    count = sum(len(labels) for _, labels in parts)
    blocks = readers(net)
    means: dict[nn.Module, Tensor | float] = {}

    def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        maps = inputs[0].float()
        maps = maps.mean(dim=(2, 3), keepdim=True) if maps.dim() == 4 else maps
        means[module] = means.get(module, 0.0) + maps.sum(dim=0, keepdim=True) / count

    def views(images: Tensor) -> Tensor:
        return torch.stack([view(image) for image in images]).to(memory_format=torch.channels_last)

    wrong: Counter[tuple[str, str, int, int]] = Counter()
    whole = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
        hooks = [one.register_forward_pre_hook(add) for found in blocks.values() for one in found]
        for images, labels in parts:
            whole += int((net(views(images)).argmax(dim=1) != labels).sum())
        for hook in hooks:
            hook.remove()
        for images, labels in parts:
            x = net.stem(views(images))
            for stage, module in net.stages.items():
                maps = [x]
                for r, reader in enumerate(blocks.get(stage, [])):
                    edges = [0, *itertools.accumulate(part.shape[1] for part in maps)]
                    for s, (low, high) in enumerate(itertools.pairwise(edges)):
                        for fill, value in (("zero", 0.0), ("mean", means[reader][:, low:high])):
                            with filled(reader, low, high, value):
                                logits = finish(net, stage, maps)
                            wrong[fill, stage, r, s] += int((logits.argmax(dim=1) != labels).sum())
                    if r < len(module):
                        maps.append(module[r](maps))
                x = torch.cat(maps, 1) if stage in blocks else module(x)
    found: dict[str, Any] = {"images": count, "whole": 100 * whole / count}
    for (fill, stage, r, _), errors in wrong.items():
        rows = found.setdefault(fill, {}).setdefault(stage, [[] for _ in blocks[stage]])
        rows[r].append(100 * errors / count)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that tools/sweep.py filled")
    args = parser.parse_args()
    kinds = tuple(f"fashion-mnist-{kind}" for kind in ("resnet", "plain", "densenet"))
    names = [name for name in RECIPES if name.startswith(kinds)]
    for run in sorted(path for name in names for path in args.runs.glob(f"seed*/{name}")):
        target = RUNS / run.name / run.parent.name
        if not runs.finished(run) or (target / "evaluation.json").exists():
            continue
        recipe, _ = runs.load_recipe(run)
        read = "densenet" in run.name and not recipe.start  # into; of a second cycle the errors are all
        copy(run, target, weights=read)
        counted = evaluate_all(target if read else run, tests(recipe), store=run)
        if read:
            files.write(target / "cuts.json", (json.dumps(cuts(target), indent=1) + "\n").encode())
        elif not recipe.start:
            files.write(target / "signals.json", (json.dumps(signals(run), indent=1) + "\n").encode())
        write(target, {name: row(one.scales, one.errors) for name, one in counted.items()})


if __name__ == "__main__":
    main()
