"""What finding the strongest activations costs over a plain forward pass, and projections per second.

    python bench/deconvnet.py [--images 2000] [--rounds 8] [--out FILE.json]

ZFNet at 224 px on noise, layer relu5. Every round takes its part of the images and runs: the features in a plain
forward pass, batch by batch; `top_activations` with k = 9; the projection of the nine strongest units of 16 maps to
pixels, the nine of a map in one batch. Times are seconds of processor time with one thread; ratios are of two times of
one round.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import torch
from measure import environment, spread, timed
from torch import Tensor

from paperlib import build, files
from paperlib.deconvnet import Top, project, top_activations
from paperlib.models.zfnet import ZFNet

RECORD = Path(__file__).parent / "results" / "deconvnet.json"
LAYER, BATCH, MAPS, TOP = "relu5", 32, 16, 9


@torch.no_grad()
def forward(model: ZFNet, images: Tensor) -> None:
    """The features up to `LAYER`; only the last pool follows it."""
    layers = model.features[: [name for name, _ in model.features.named_children()].index(LAYER) + 1]
    for i in range(0, len(images), BATCH):
        layers(images[i : i + BATCH])


def search(model: ZFNet, images: Tensor) -> Top:
    """The strongest activations of every map of `LAYER`."""
    return top_activations(model, LAYER, images, TOP, batch_size=BATCH)


def project_maps(model: ZFNet, images: Tensor, top: Top) -> None:
    """The strongest units of the first `MAPS` maps, in pixels."""
    for channel in range(MAPS):
        project(model, images[top.images[channel]], LAYER, top.units(channel))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="over all rounds")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build("zfnet", 1000).eval()
    assert isinstance(model, ZFNet)
    part = args.images // args.rounds
    ratios, forward_rates, projection_rates = [], [], []
    for number in range(args.rounds):
        images = torch.randn(part, 3, 224, 224)
        plain, _ = timed(partial(forward, model, images))
        searching, top = timed(partial(search, model, images))
        projecting, _ = timed(partial(project_maps, model, images, top))
        ratios.append(searching / plain)
        forward_rates.append(part / plain)
        projection_rates.append(MAPS * TOP / projecting)
        print(
            f"round {number}: forward {plain:.1f} s, search {searching:.1f} s, projections {projecting:.1f} s",
            flush=True,
        )
    report = {
        "environment": environment(),
        "net": "zfnet", "layer": LAYER, "images": part * args.rounds,
        "search over forward": spread(ratios),
        "images forward per second": spread(forward_rates),
        "projections per second": spread(projection_rates),
    }  # fmt: skip
    print(json.dumps(report, indent=2))
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
