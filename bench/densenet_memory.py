"""Memory and time of a training step of DenseNet-BC (k = 12) against depth: naive and memory-efficient.

    python bench/densenet_memory.py [--rounds 7] [--batch 64]

Two measures of memory. `saved_bytes`: what autograd holds between forward and backward, each storage once, counted by
`paperlib.anatomy`; the same on every device. `peak_bytes`: the most that PyTorch's CPU allocator held at once during a
step, without weights and images, recorded by its profiler: what `torch.cuda.max_memory_allocated` is on a GPU. The
resident memory of the process is not used: it also holds the interpreter, oneDNN's scratch and freed blocks.
Times are seconds of processor time with one thread: medians over rounds in which every network takes a step in turn,
and ratios of two steps of one round.

Published (DenseNet-BC-100, k = 12, batch 64, one GPU): 2.863 GB at 0.165 s a step; memory-efficient 1.605 GB at 0.207 s
(README of the authors' efficient_densenet_pytorch).
Writes the record that the book shows, paperlib/assets/bench/densenet_memory.json.
"""

import argparse
import json
import statistics
from functools import partial
from math import log
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import environment, peak_bytes, timed
from torch import Tensor

from paperlib import files
from paperlib.anatomy import kept_for_backward
from paperlib.models.densenet import DenseNet

RECORD = Path(__file__).parents[1] / "paperlib" / "assets" / "bench" / "densenet_memory.json"
DEPTHS = (40, 70, 100, 130)
FORMS = {"naive": False, "efficient": True}
PUBLISHED = {"memory": 1.605 / 2.863, "time": 0.207 / 0.165}

Key = tuple[int, str]  # depth, form
Rows = dict[Key, dict[str, float]]
Times = dict[Key, list[float]]


def step(model: DenseNet, images: Tensor, labels: Tensor) -> None:
    """Forward and backward, gradients anew."""
    model.zero_grad(set_to_none=True)
    F.cross_entropy(model(images), labels).backward()


def exponent(values: list[float]) -> float:
    """Slope of the least-squares line through log(value) over log(depth)."""
    x, y = [log(depth) for depth in DEPTHS], [log(value) for value in values]
    return statistics.linear_regression(x, y).slope


def measure(rounds: int, batch: int) -> tuple[Rows, Times]:
    """By (depth, form): memory and median time; the times of all rounds."""
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    models = {(L, form): DenseNet("small", L, 12, 10, memory_efficient=e) for L in DEPTHS for form, e in FORMS.items()}
    seconds: Times = {key: [] for key in models}
    for _ in range(rounds + 1):
        for key, model in models.items():
            seconds[key].append(timed(partial(step, model, images, labels))[0])
    rows: Rows = {}
    for key, model in models.items():
        model.zero_grad(set_to_none=True)  # gradients of an earlier step do not count
        rows[key] = {
            "saved_bytes": kept_for_backward(model, batch=batch),
            "peak_bytes": peak_bytes(partial(step, model, images, labels)),
            "seconds": round(statistics.median(seconds[key][1:]), 3),  # the first round warms up
        }
    return rows, {key: times[1:] for key, times in seconds.items()}


def ratios(depth: int, rows: Rows, seconds: Times) -> dict[str, float]:
    """Memory and time of the efficient form over the naive one; times round by round, on the same machine."""
    pairs = zip(seconds[depth, "efficient"], seconds[depth, "naive"], strict=True)
    memory = rows[depth, "efficient"]["peak_bytes"] / rows[depth, "naive"]["peak_bytes"]
    return {"depth": depth, "memory": round(memory, 3), "time": round(statistics.median(e / n for e, n in pairs), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64, help="images a step")
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, seconds = measure(args.rounds, args.batch)
    setting = {"net": "DenseNet-BC, k = 12, 32 px, 10 classes", "torch": environment()["torch"]}
    report = {
        "setting": setting | {"rounds": args.rounds, "batch": args.batch},
        "steps": [{"depth": L, "form": form, **row} for (L, form), row in rows.items()],
        "exponents": {
            f"{form} {key}": round(exponent([rows[L, form][key] for L in DEPTHS]), 2)
            for form in FORMS
            for key in ("saved_bytes", "peak_bytes")
        },
        "efficient / naive": [ratios(L, rows, seconds) for L in DEPTHS],
        "published at depth 100": {name: round(ratio, 3) for name, ratio in PUBLISHED.items()},
    }
    print(json.dumps(report, indent=2))
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
