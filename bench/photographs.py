"""Thousands of photographs of all sizes and modes through `evaluate`: none is lost, and memory does not grow.

    python bench/photographs.py [--count 10000] [--memory 256] [--out FILE.json]

The photographs are made one at a time, written to a temporary folder, read by `data.read_photograph` and removed;
they depend on their number alone. The kinds of file in `KINDS` take turns. Most photographs are small, with an aspect
up to 10; every 50th of the first 850 is 6000x6000 px, each kind once, so that the largest come early; later every
200th has one side of 6000 px. A tiny network evaluates them densely. Resident memory is recorded every 500 photographs.
It goes up and down, as an allocator holds pages that it may need again, but returns to its minimum; a leak raises the
minimum. Without the first two records, the minimum of the second half must lie at most `BOUND` MB above that of the
first. The peak comes from making the largest photographs, which shares the process.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from measure import environment, peak_resident_mb
from PIL import Image
from torch import Tensor

from paperlib import build, data, files
from paperlib.dense import dense
from paperlib.evaluate import Errors, evaluate
from paperlib.models.vgg import VGG

RECORD = Path(__file__).parent / "results" / "photographs.json"
TURNED = Image.Exif()
TURNED[0x0112] = 6
EVERY, BOUND = 500, 5.0  # photographs, MB
# Mode of the image, name of its file, options of its writer.
KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("RGB", "x.jpg", {}),
    ("RGB", "x.jpg", {"exif": TURNED}),
    ("RGB", "x.jpg", {"progressive": True}),
    ("RGB", "x.png", {"compress_level": 1}),
    ("RGB", "x.bmp", {}),
    ("RGBA", "x.png", {"compress_level": 1}),
    ("LA", "x.png", {"compress_level": 1}),
    ("L", "x.jpg", {}),
    ("P", "x.png", {"compress_level": 1}),
    ("P", "x.png", {"compress_level": 1, "transparency": 0}),
    ("P", "x.gif", {"transparency": 0}),
    ("CMYK", "x.jpg", {}),
    ("CMYK", "x.tif", {}),
    ("1", "x.png", {"compress_level": 1}),
    ("I;16", "x.png", {"compress_level": 1}),
    ("I", "x.tif", {}),
    ("F", "x.tif", {}),
)


def size(index: int, rng: np.random.Generator) -> tuple[int, int]:
    """Width and height: sides from 1 to 6,000 px, one at most 10 times the other."""
    if index < 50 * len(KINDS) and index % 50 == 0:
        return 6000, 6000
    long = 6000 if index % 200 == 0 else int(10 ** rng.uniform(0, 2.5))
    sides = long, ceil(long / rng.uniform(1, 10))
    return sides if rng.random() < 0.5 else sides[::-1]


def picture(index: int) -> Image.Image:
    """Photograph `index`, in the mode of its turn: a few patches of colour."""
    rng = np.random.default_rng(index)
    mode = KINDS[index % len(KINDS)][0]
    sides = size(index, rng)
    if mode in ("I;16", "I", "F"):
        top = 1.0 if mode == "F" else 65535
        values = rng.uniform(0, top, (5, 7)).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
        rows, columns = (np.arange(n) * k // n for n, k in ((sides[1], 5), (sides[0], 7)))
        return Image.fromarray(values[rows[:, None], columns])
    patches = Image.fromarray(rng.integers(0, 256, (5, 7, 4), dtype=np.uint8))  # RGBA
    return patches.resize(sides, Image.Resampling.NEAREST).convert("RGB" if mode == "P" else mode).convert(mode)


class Generated(Sequence[Tensor]):
    """`count` photographs, made, read and removed when asked for. Records the MB resident before every `every`-th."""

    def __init__(self, folder: Path, count: int, every: int) -> None:
        self.folder, self.count, self.every = folder, count, every
        self.read = 0
        self.resident: list[float] = []
        self.modes: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        if index and index % self.every == 0:
            self.resident.append(psutil.Process().memory_info().rss / 1e6)
        _, name, options = KINDS[index % len(KINDS)]
        path = self.folder / f"{index}-{name}"
        picture(index).save(path, **options)
        with Image.open(path) as stored:
            self.modes.add(stored.mode)
        image = data.read_photograph(path)
        path.unlink()
        self.read += 1
        return image


def lift(resident: Sequence[float]) -> float:
    """MB by which the minimum of resident memory rises from the first half of the records to the second."""
    steady = resident[2:]
    middle = len(steady) // 2
    return min(steady[middle:]) - min(steady[:middle])


def run(count: int, every: int, memory: float) -> tuple[Errors, Generated, list[int]]:
    """Evaluate `count` photographs within `memory` MB; also the number of posteriors of each chunk."""
    torch.manual_seed(0)
    model = build("vgg11", 4, width=1 / 16, image_size=32, hidden=16)
    assert isinstance(model, VGG)
    predict = dense(model, (40,), (127.0,) * 3, (64.0,) * 3, memory=memory)
    chunks: list[int] = []

    def counted(images: Sequence[Tensor]) -> Tensor:
        posteriors = predict(images)
        chunks.append(len(posteriors))
        return posteriors

    with tempfile.TemporaryDirectory() as folder:
        photographs = Generated(Path(folder), count, every)
        errors = evaluate(counted, photographs, torch.arange(count) % 4, memory=memory)
    return errors, photographs, chunks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--count", type=int, default=10_000, help=f"at least {5 * EVERY:,}: memory is judged by halves")
    parser.add_argument("--memory", type=float, default=256, help="MB, as paperlib evaluate --memory")
    args = parser.parse_args()
    if args.count < 5 * EVERY:
        parser.error(f"--count must be at least {5 * EVERY:,}")
    torch.set_num_threads(1)
    start = time.process_time()
    errors, photographs, chunks = run(args.count, EVERY, args.memory)
    report = {
        "given": args.count,
        "read": photographs.read,
        "counted": errors.images,
        "posteriors": sum(chunks),
        "modes": sorted(photographs.modes),
        "memory_mb": args.memory,
        f"resident_mb_every_{EVERY}": [round(mb) for mb in photographs.resident],
        "floor_rises_mb": round(lift(photographs.resident), 1),
        "peak_mb": round(peak_resident_mb()),
        "processor_seconds": time.process_time() - start,
        "torch": environment()["torch"],
        "machine": environment()["machine"],
    }
    print(json.dumps(report, indent=2))
    assert photographs.read == errors.images == sum(chunks) == args.count
    assert report["floor_rises_mb"] < BOUND
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
