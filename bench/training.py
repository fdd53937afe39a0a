"""Images per second of training: one step, and whole loops, side by side in one run.

    python bench/training.py [--data fashion-mnist] [--rounds 3] [--epochs 1] [--parts loops short steps errors]

Steps: in every round each network takes a step in turn, in four ways: fp32, bf16, and both with channels_last; and
torchvision's network of the same shape, where there is one. The achieved operations (six per multiply-add: forward and
the two products of backward) are given as a share of the machine's rate of bf16 matrix products, measured in the run.
Loops: ResNet-20, SGD with the same values, epochs with their validation, in turn: `paperlib.training.run`, a plain fp32
loop with DataLoader and torchvision's transforms, and d2l's Trainer where d2l is installed (in a folder of its own: pip
install --no-deps --target DIR d2l==1.0.3 pandas, and DIR on PYTHONPATH).
Short: the same loops with other networks, for a number of images that takes some seconds; and torchvision's network of
the same shape in `paperlib.training.run`.
Errors: the first loops once more, for five times as many epochs, for the validation error alone.
Parts that are not asked for stay in the file as they were. All values are medians over rounds, with the least and the
greatest; ratios are of two times of one round.
Writes the record that the book shows, paperlib/assets/bench/training.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from measure import environment, spread
from torch import nn
from torch.nn.functional import cross_entropy
from training_loops import MOMENTUM, RESNET_20, compare_loops, compare_short_loops, errors_of_loops

from paperlib import build, files
from paperlib.anatomy import anatomy

PARTS = ("loops", "short", "steps", "errors")
RECORD = Path(__file__).parents[1] / "paperlib" / "assets" / "bench" / "training.json"


class Network(NamedTuple):
    """Ours, torchvision's of the same shape where there is one, the side of its images in px, images a step."""

    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module] | None
    side: int
    batch: int


NETWORKS = {
    "ResNet-20, 28 px": Network(lambda: build("resnet20", 10), None, 28, 128),
    "DenseNet-BC-100-12, 28 px": Network(lambda: build("densenet_bc100_k12", 10), None, 28, 16),
    "VGG-16 BN, width 1/4, 64 px": Network(
        lambda: build("vgg16", 101, width=0.25, image_size=64, hidden=256, batch_norm=True), None, 64, 32
    ),
    "ResNet-18, 64 px": Network(
        lambda: build("resnet18", 101), lambda: torchvision.models.resnet18(num_classes=101), 64, 32
    ),
    "DenseNet-121, 64 px": Network(
        lambda: build("densenet121", 101), lambda: torchvision.models.densenet121(num_classes=101), 64, 8
    ),
}
WAYS = {  # bf16, channels_last
    "fp32": (False, False),
    "fp32 channels_last": (False, True),
    "bf16": (True, False),
    "bf16 channels_last": (True, True),
}


def stepper(model: nn.Module, side: int, batch: int, bf16: bool, channels_last: bool) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.train().to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, MOMENTUM)
    images, labels = torch.randn(batch, 3, side, side).to(memory_format=layout), torch.randint(0, 10, (batch,))

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = cross_entropy(model(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    return step


def matrix_rate(n: int = 2048) -> float:
    """bf16 operations per second of a matrix product of side n."""
    a = torch.randn(n, n, dtype=torch.bfloat16)
    start = time.perf_counter()
    a @ a
    return 2 * n**3 / (time.perf_counter() - start)


def steps_of(network: Network, rounds: int) -> dict[str, Any]:
    """Images per second in each way, and ratios within rounds."""
    macs = anatomy(network.ours(), (3, network.side, network.side)).macs
    makers = {way: (network.ours, *flags) for way, flags in WAYS.items()}
    if network.theirs:
        makers["torchvision, bf16 channels_last"] = (network.theirs, True, True)
    steppers = {way: stepper(make(), network.side, network.batch, *flags) for way, (make, *flags) in makers.items()}
    rates: list[float] = []
    times: dict[str, list[float]] = {way: [] for way in steppers}
    for _ in range(rounds):
        rates.append(matrix_rate())
        for way, step in steppers.items():
            step()  # oneDNN has forgotten the kernels of this way: those of a DenseNet are too many for its cache
            times[way].append(step())
    best = times["bf16 channels_last"]
    report = {
        "macs": macs,
        "images_per_second": {way: spread([network.batch / t for t in ts]) for way, ts in times.items()},
        "over_fp32": spread([a / b for a, b in zip(times["fp32"], best, strict=True)]),
        "of_matrix_rate": spread([6 * macs * network.batch / t / r for t, r in zip(best, rates, strict=True)]),
    }
    if network.theirs:
        pairs = zip(times["torchvision, bf16 channels_last"], best, strict=True)
        report["over_torchvision"] = spread([a / b for a, b in pairs])
    return report


def steps(rounds: int) -> dict[str, Any]:
    """Every network's steps, and the rate of matrix products."""
    report: dict[str, Any] = {}
    for name, network in NETWORKS.items():
        report[name] = steps_of(network, rounds)
        print(name, json.dumps(report[name], indent=2), flush=True)
    return report | {"bf16_matrix_rate": spread([matrix_rate() for _ in range(rounds)])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mini", help="name of the data set of the loops")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of a loop")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "loops": lambda: compare_loops(args.data, RESNET_20, args.rounds, args.epochs),
        "short": lambda: compare_short_loops(args.data, args.rounds),
        "steps": lambda: steps(3 * args.rounds),
        "errors": lambda: errors_of_loops(args.data, 5 * args.epochs),
    }
    report = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    if report and report["environment"] != environment():
        parser.error(f"{args.out} is of {report['environment']}, this is {environment()}: name another --out")
    report |= {"environment": environment()} | {part: parts[part]() for part in args.parts}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
