"""What finding the strongest activations costs over a plain forward pass, and projections per second.

    python bench/deconvnet.py [--images 2000] [--rounds 8] [--out bench/results/deconvnet.json]

ZFNet at 224 px on noise, layer relu5. Every round runs, over its part of the images: the features in a plain forward
pass, batch by batch; `top_activations`, k = 9; and projects the nine strongest units of 16 maps to pixels, the nine of
a map in one batch. Times are seconds of processor time with one thread, to which other programs on the machine add
little; ratios are of two times of one round, and medians over the rounds are shown with the least and the greatest.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from paperlib import build
from paperlib.deconvnet import Top, project, top_activations
from paperlib.models.zfnet import ZFNet

TARGET = Path(__file__).parent / "results" / "deconvnet.json"
LAYER, BATCH, MAPS = "relu5", 32, 16


def timed(run: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    start = time.process_time()
    found = run(*given)
    return time.process_time() - start, found


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


@torch.no_grad()
def forward(model: ZFNet, images: Tensor) -> None:
    """The features up to `LAYER`, which is followed by a last pool only."""
    layers = model.features[: [name for name, _ in model.features.named_children()].index(LAYER) + 1]
    for i in range(0, len(images), BATCH):
        layers(images[i : i + BATCH])


def search_all(model: ZFNet, images: Tensor) -> Top:
    return top_activations(model, LAYER, images, 9, batch_size=BATCH)


def projections(model: ZFNet, images: Tensor, top: Top) -> int:
    for channel in range(MAPS):
        project(model, images[top.images[channel]], LAYER, top.units(channel))
    return MAPS * top.values.shape[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build("zfnet", 1000).eval()
    assert isinstance(model, ZFNet)
    part = args.images // args.rounds
    ratios, forwards, rates = [], [], []
    for number in range(args.rounds):
        images = torch.randn(part, 3, 224, 224)
        plain, _ = timed(forward, model, images)
        search, top = timed(search_all, model, images)
        down, units = timed(projections, model, images, top)
        ratios.append(search / plain)
        forwards.append(part / plain)
        rates.append(units / down)
        print(
            f"round {number}: forward {plain:.1f} s, search {search:.1f} s, {units} projections {down:.1f} s",
            flush=True,
        )
    found = {
        "environment": {"machine": platform.machine(), "threads": 1, "torch": torch.__version__.split("+")[0]},
        "net": "zfnet", "layer": LAYER, "images": part * args.rounds,
        "search over forward": spread(ratios),
        "images forward per second": spread(forwards),
        "projections per second": spread(rates),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
