"""What dense evaluation saves over crops, and what each protocol costs per image.

    python bench/evaluation.py [--rounds 3] [--images 12] [--out FILE.json]

First part: the score map at Q = 384 (6x6 cells) of column D and of a narrow A, against the 36 windows of 224 px as
crops, in one batch and one by one: multiply-adds, time, and the most that PyTorch's CPU allocator held at once, without
weights and input. Second part: images per second of every protocol, for a narrow A with 64 px crops on random
photographs of varying size, Q = 110 and, where it says so, three scales.
Times are seconds of processor time with one thread. Every round runs all variants in turn; the table shows medians over
the rounds, with the least and the greatest.
Writes the record that the book shows, paperlib/assets/bench/evaluation.json.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import environment, peak_bytes, spread, timed
from torch import Tensor

from paperlib import build, files
from paperlib.anatomy import anatomy
from paperlib.dense import dense, fully_convolutional
from paperlib.evaluate import Predictor, average, center, mirrored, multi_crop, ten_crop
from paperlib.models.vgg import VGG

RECORD = Path(__file__).parents[1] / "paperlib" / "assets" / "bench" / "evaluation.json"
Q, CROP, CELLS = 384, 224, 36
MEAN, STD = (124.0, 116.0, 104.0), (58.0, 57.0, 57.0)


def build_vgg(name: str, classes: int, **options: float) -> VGG:
    """The network in evaluation mode, its maps stored as (N, H, W, C)."""
    model = build(name, classes, **options)
    assert isinstance(model, VGG)
    return model.eval().to(memory_format=torch.channels_last)


def windows(image: Tensor) -> Tensor:
    """The windows (36, 3, 224, 224), 32 px apart, of an image (1, 3, 384, 384)."""
    tiles = image.unfold(2, CROP, 32).unfold(3, CROP, 32)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).contiguous(memory_format=torch.channels_last)


def dense_against_crops(model: VGG, rounds: int) -> dict[str, Any]:
    """Each variant by name, and the crops over dense evaluation."""
    convolutional = fully_convolutional(model)
    image = torch.randn(1, 3, Q, Q).contiguous(memory_format=torch.channels_last)
    crops = windows(image)
    assert len(crops) == CELLS
    variants: dict[str, Callable[[], object]] = {
        "dense": lambda: convolutional(image),
        "crops in one batch": lambda: model(crops),
        "crops one by one": lambda: [model(crop[None]) for crop in crops],
    }
    variants["dense"]()  # oneDNN prepares its kernels
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            times[name].append(timed(run)[0])
    macs = dict.fromkeys(variants, CELLS * anatomy(model).macs) | {"dense": anatomy(convolutional, (3, Q, Q)).macs}
    peaks = {name: peak_bytes(run) for name, run in variants.items()}
    return {
        "variants": {
            name: {"macs": macs[name], "seconds": spread(times[name]), "peak_bytes": peaks[name]} for name in variants
        },
        "over dense": {
            name: {
                "macs": macs[name] / macs["dense"],
                "seconds": spread([t / d for t, d in zip(times[name], times["dense"], strict=True)]),
                "peak_bytes": peaks[name] / peaks["dense"],
            }
            for name in ("crops in one batch", "crops one by one")
        },
    }


def predictors() -> dict[str, Predictor]:
    """Every protocol by name, of a narrow A."""
    model = build_vgg("vgg11", 101, width=0.25, image_size=64, hidden=256)
    crops, one, three = (64, MEAN, STD), (110,), (73, 110, 146)
    multi, dense_one = multi_crop(model, one, *crops), dense(model, one, MEAN, STD)
    return {
        "center": center(model, one, *crops),
        "mirror": mirrored(center(model, one, *crops)),
        "ten-crop": ten_crop(model, one, *crops),
        "multi-crop": multi,
        "dense": dense_one,
        "multi-crop+dense": average(multi, dense_one),
        "multi-crop, three scales": multi_crop(model, three, *crops),
        "dense, three scales": dense(model, three, MEAN, STD),
    }


def protocols(rounds: int, count: int) -> dict[str, dict[str, float]]:
    """Images per second of processor time of each protocol."""
    generator = torch.Generator().manual_seed(0)
    sides = [(200 + 20 * (i % 5), 300 - 30 * (i % 3)) for i in range(count)]
    images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sides]
    named = predictors()
    rates: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, predict in named.items():
            rates[name].append(count / timed(partial(predict, images))[0])
    return {name: spread(values) for name, values in rates.items()}


def describe(ratio: dict[str, Any]) -> str:
    """One line of crops over dense evaluation."""
    time = "{median:.1f} ({min:.1f}-{max:.1f})".format(**ratio["seconds"])
    return f"{ratio['macs']:.2f} times the multiply-adds, {time} the time, {ratio['peak_bytes']:.1f} the memory"


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=12, help="photographs a protocol and round")
    parser.add_argument("--only-narrow", action="store_true", help="leave column D out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    machine = environment()
    report: dict[str, Any] = {"torch": machine["torch"], "machine": machine["machine"], "rounds": args.rounds}
    models = {"A, an eighth as wide": lambda: build_vgg("vgg11", 101, width=1 / 8)}
    if not args.only_narrow:
        models["D"] = lambda: build_vgg("vgg16", 1000)
    for label, make in models.items():
        report[label] = dense_against_crops(make(), args.rounds)
        for name, ratio in report[label]["over dense"].items():
            print(f"{label}: {name} over dense: {describe(ratio)}", flush=True)
    report["images per second"] = protocols(args.rounds, args.images)
    for name, rate in report["images per second"].items():
        print(f"{name:26}{rate['median']:8.1f} images/s ({rate['min']:.1f}-{rate['max']:.1f})")
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
