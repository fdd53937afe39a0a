"""What dense evaluation saves over crops, and what each protocol costs per image.

    python bench/evaluation.py --out bench/results/evaluation.json [--rounds 3] [--images 12]

First part: the score map at Q = 384 (6x6 cells) of column D and of a narrow A, against the 36 windows of 224 px as
crops, in one batch and one by one: multiply-adds, time, and the most that PyTorch's CPU allocator handed out at once,
weights and input aside. Second part: images per second of every protocol, a narrow A with 64 px crops on random
photographs of varying size, Q = 110 and, where it says so, three scales.
Times are seconds of processor time with one thread, to which other programs on the machine add little; every round
runs all variants in turn, and the table shows medians over the rounds, with the least and the greatest.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from memory import peak_bytes
from torch import Tensor, nn

from paperlib import build, files
from paperlib.anatomy import anatomy
from paperlib.dense import dense, fully_convolutional
from paperlib.evaluate import average, center, mirrored, multi_crop, ten_crop
from paperlib.models.vgg import VGG

Q, CROP, CELLS = 384, 224, 36
MEAN, STD = (124.0, 116.0, 104.0), (58.0, 57.0, 57.0)


def net(name: str, classes: int, **options: float) -> VGG:
    model = build(name, classes, **options)
    assert isinstance(model, VGG)
    return model.eval().to(memory_format=torch.channels_last)


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def windows(image: Tensor) -> Tensor:
    """The windows (36, 3, 224, 224), 32 px apart, of an image (1, 3, 384, 384)."""
    tiles = image.unfold(2, CROP, 32).unfold(3, CROP, 32)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).contiguous(memory_format=torch.channels_last)


def dense_against_crops(model: VGG, rounds: int) -> dict[str, object]:
    whole = fully_convolutional(model)
    image = torch.randn(1, 3, Q, Q).contiguous(memory_format=torch.channels_last)
    crops = windows(image)
    assert len(crops) == CELLS

    def one_by_one(net: nn.Module) -> None:
        for crop in crops:
            net(crop[None])

    runs = {
        "dense": lambda: whole(image),
        "crops in one batch": lambda: model(crops),
        "crops one by one": lambda: one_by_one(model),
    }
    runs["dense"]()  # oneDNN prepares its kernels
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run))
    macs = {"dense": anatomy(whole, (3, Q, Q)).macs}
    macs |= dict.fromkeys(list(runs)[1:], CELLS * anatomy(model).macs)
    found = {
        name: {"macs": macs[name], "seconds": spread(times[name]), "peak_bytes": peak_bytes(run)}
        for name, run in runs.items()
    }
    ratios = {
        name: {
            "macs": macs[name] / macs["dense"],
            "seconds": spread([t / d for t, d in zip(times[name], times["dense"], strict=True)]),
            "peak_bytes": found[name]["peak_bytes"] / found["dense"]["peak_bytes"],  # type: ignore[operator]
        }
        for name in list(runs)[1:]
    }
    return {"variants": found, "over dense": ratios}


def protocols(rounds: int, count: int) -> dict[str, dict[str, float]]:
    """Images per second of processor time."""
    model = net("vgg11", 101, width=0.25, image_size=64, hidden=256)
    generator = torch.Generator().manual_seed(0)
    sides = [(200 + 20 * (i % 5), 300 - 30 * (i % 3)) for i in range(count)]
    images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sides]
    crops, three = (64, MEAN, STD), (73, 110, 146)
    runs = {
        "center": center(model, (110,), *crops),
        "mirror": mirrored(center(model, (110,), *crops)),
        "ten-crop": ten_crop(model, (110,), *crops),
        "multi-crop": multi_crop(model, (110,), *crops),
        "dense": dense(model, (110,), MEAN, STD),
        "multi-crop+dense": average(multi_crop(model, (110,), *crops), dense(model, (110,), MEAN, STD)),
        "multi-crop, three scales": multi_crop(model, three, *crops),
        "dense, three scales": dense(model, three, MEAN, STD),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, predict in runs.items():
            rates[name].append(count / seconds(lambda predict=predict: predict(images)))  # type: ignore[misc]
    return {name: spread(values) for name, values in rates.items()}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=12, help="photographs a protocol and round")
    parser.add_argument("--only-narrow", action="store_true", help="leave column D out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    report: dict[str, object] = {"torch": torch.__version__, "machine": platform.machine(), "rounds": args.rounds}

    nets = {"A, an eighth as wide": lambda: net("vgg11", 101, width=1 / 8)}
    if not args.only_narrow:
        nets["D"] = lambda: net("vgg16", 1000)
    for label, make in nets.items():
        found = dense_against_crops(make(), args.rounds)
        report[label] = found
        for name, r in found["over dense"].items():  # type: ignore[attr-defined]
            print(
                f"{label}: {name} over dense: {r['macs']:.2f} times the multiply-adds, "
                f"{r['seconds']['median']:.1f} ({r['seconds']['least']:.1f}-{r['seconds']['greatest']:.1f}) the time, "
                f"{r['peak_bytes']:.1f} the memory",
                flush=True,
            )
    report["images per second"] = rates = protocols(args.rounds, args.images)
    for name, rate in rates.items():
        print(f"{name:26}{rate['median']:8.1f} images/s ({rate['least']:.1f}-{rate['greatest']:.1f})")
    files.write(args.out, (json.dumps(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
