r"""Record the small ResNets and plain nets of Fashion-MNIST: their errors, and what flows through the trained nets.

    python tools/sweep.py "fashion-mnist-*20" --seeds 0 1 2 --jobs 2 --out runs
    python tools/sweep.py "fashion-mnist-*56" --seeds 0 1 --jobs 2 --out runs
    OMP_NUM_THREADS=1 torchrun --standalone --nproc_per_node 2 -m paperlib train fashion-mnist-resnet20-long \
        --out runs/seed0/fashion-mnist-resnet20-long
    python tools/record_resnet.py runs

evaluation.json: the error on the training images, seen whole and unmirrored, and on the test images, looked at here,
once. signals.json, on the first 512 training images: the standard deviation of each 3x3 layer's response, after its
batch norm and before ReLU or addition (ResNet, Figure 7), and the norm of the loss's gradient by the output of each
block, a mean over images. Runs that are not there, or not finished, are left out.
"""

import argparse
import json
from pathlib import Path

import torch
from record_run import RUNS, copy, passes, row, write
from torch.nn.functional import cross_entropy

from paperlib import RECIPES, checkpoint, data
from paperlib.cli import Evaluate
from paperlib.models.resnet import Block, ResNet
from paperlib.transforms import TestView

WISHES = {"test": Evaluate((), precision="bf16"), "train": Evaluate((), precision="bf16", split="train")}


def signals(run: Path, count: int = 512) -> dict[str, list[float]]:
    """Responses by layer and gradients by block of a trained net, batch norm as in training."""
    recipe, _ = checkpoint.load_recipe(run)
    net = checkpoint.load_model(run).train()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that tools/sweep.py filled")
    args = parser.parse_args()
    names = [name for name in RECIPES if name.startswith(("fashion-mnist-resnet", "fashion-mnist-plain"))]
    for run in sorted(path for name in names for path in args.runs.glob(f"seed*/{name}")):
        if checkpoint.finished(run):
            target = RUNS / run.name / run.parent.name
            copy(run, target, weights=False)
            write(target, {name: row(one.scales, one.errors) for name, one in passes(run, WISHES).items()})
            checkpoint.write(target / "signals.json", (json.dumps(signals(run), indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
