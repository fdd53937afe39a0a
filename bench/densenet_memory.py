"""Memory and time of a training step of DenseNet-BC (k = 12), naive and memory-efficient, against depth.

    python bench/densenet_memory.py [--rounds 7] [--batch 64]

Two measures of memory. `saved_bytes`: what autograd holds between forward and backward, each storage once, counted by
`paperlib.anatomy.kept_for_backward`; the same on every device. `peak_bytes`: the most that PyTorch's CPU allocator
handed out at once during a step, weights and images aside, as its profiler recorded it: what
`torch.cuda.max_memory_allocated` is on a GPU. The resident set of the process is not used: it also holds the
interpreter, oneDNN's scratch and what malloc keeps after a free.
Times are seconds of processor time with one thread, to which other programs on the machine add nothing; medians of
rounds in which every net takes a step in turn, and ratios of two steps of one round.

Published (DenseNet-BC-100, k = 12, batch 64, one GPU): 2.863 GB at 0.165 s a step; memory-efficient 1.605 GB at 0.207 s
(README of the authors' efficient_densenet_pytorch).
Writes bench/results/densenet_memory.json and the copy of it that the book shows.
"""

import argparse
import json
import statistics
import time
from math import log
from pathlib import Path

import torch
import torch.nn.functional as F
from memory import peak_bytes
from torch import Tensor

from paperlib.anatomy import kept_for_backward
from paperlib.models.densenet import DenseNet

ROOT = Path(__file__).parents[1]
TARGETS = [ROOT / folder / "densenet_memory.json" for folder in ("bench/results", "paperlib/assets/bench")]
DEPTHS = (40, 70, 100, 130)
FORMS = {"naive": False, "efficient": True}
PUBLISHED = {"memory": 1.605 / 2.863, "time": 0.207 / 0.165}


def step(model: DenseNet, images: Tensor, labels: Tensor) -> None:
    model.zero_grad(set_to_none=True)
    F.cross_entropy(model(images), labels).backward()


def peak(model: DenseNet, images: Tensor, labels: Tensor) -> int:
    model.zero_grad(set_to_none=True)  # what an earlier step left does not count
    return peak_bytes(lambda: step(model, images, labels))


def exponent(values: list[float]) -> float:
    """Slope of the least-squares line through log(value) over log(depth)."""
    x, y = [log(depth) for depth in DEPTHS], [log(value) for value in values]
    return statistics.linear_regression(x, y).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, labels = torch.randn(args.batch, 3, 32, 32), torch.randint(10, (args.batch,))

    models = {(L, form): DenseNet("small", L, 12, 10, memory_efficient=e) for L in DEPTHS for form, e in FORMS.items()}
    seconds: dict[tuple[int, str], list[float]] = {key: [] for key in models}
    for _ in range(args.rounds + 1):
        for key, model in models.items():
            start = time.process_time()
            step(model, images, labels)
            seconds[key].append(time.process_time() - start)
    rows = {
        key: {
            "saved_bytes": kept_for_backward(model, batch=args.batch),
            "peak_bytes": peak(model, images, labels),
            "seconds": round(statistics.median(seconds[key][1:]), 3),  # the first round warms up
        }
        for key, model in models.items()
    }

    found = {
        "setting": {
            "net": "DenseNet-BC, k = 12, 32 px, 10 classes",
            "torch": torch.__version__.split("+")[0],
            **vars(args),
        },
        "steps": [{"depth": L, "form": form, **row} for (L, form), row in rows.items()],
        "exponents": {
            f"{form} {key}": round(exponent([rows[L, form][key] for L in DEPTHS]), 2)
            for form in FORMS
            for key in ("saved_bytes", "peak_bytes")
        },
        "efficient / naive": [
            {
                "depth": L,
                "memory": round(rows[L, "efficient"]["peak_bytes"] / rows[L, "naive"]["peak_bytes"], 3),
                # round by round, so that both nets met the same machine
                "time": round(
                    statistics.median(
                        e / n for e, n in zip(seconds[L, "efficient"][1:], seconds[L, "naive"][1:], strict=True)
                    ),
                    3,
                ),
            }
            for L in DEPTHS
        ],
        "published at depth 100": {name: round(ratio, 3) for name, ratio in PUBLISHED.items()},
    }
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    for target in TARGETS:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
