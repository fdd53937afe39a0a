"""What a photograph on disk costs: its decoding in three ways, and a data set of folders, small and large.

    python bench/photographs_from_disk.py [--images 60000] [--out FILE.json]

Decoding: JPEGs of 500x375 px (about the mean of ImageNet) and of 2000x1500 px, rescaled to a smaller side of 256 px: by
`data.read_photograph` (PIL), by PIL with draft (the decoder skips detail), and by torchvision.io, which gives the same
pixels sooner, but is deprecated since torchvision 0.29; medians of rounds in turn, and how far the pixels are apart.
Folders: 1,000 small JPEGs, then --images of them; processor time for listing an image, and for reading it in an epoch
of a run that does not hold them in memory; peak of resident memory before and after. Then the same epoch read by two
worker processes: the most memory of all three, shared pages counted once (the sum of their PSS, Linux only).
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from measure import peak_resident_mb
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2 import functional as F

from paperlib import data, files
from paperlib.training.batches import EpochOrder, Rescaled, TrainViews, already_a_batch, leave_signals_to_the_run
from paperlib.transforms import TrainView, rescale

RECORD = Path(__file__).parent / "results" / "photographs_from_disk.json"
SIDE = 256


def draft(path: Path) -> Tensor:
    with Image.open(path) as image:
        image.draft("RGB", (SIDE, SIDE))
        return F.pil_to_tensor(image.convert("RGB"))


def torchvision_io(path: Path) -> Tensor:
    return decode_image(str(path), ImageReadMode.RGB, apply_exif_orientation=True)


WAYS: dict[str, Callable[[Path], Tensor]] = {
    "PIL": data.read_photograph,
    "PIL, draft": draft,
    "torchvision.io": torchvision_io,
}


def smooth_photograph(width: int, height: int, seed: int) -> Image.Image:
    """Smooth colours with some grain: compresses about as a photograph does."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    grain = rng.normal(0, 8, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))


def decoding(scratch: Path, width: int, height: int, count: int, rounds: int = 5) -> dict[str, Any]:
    paths = [scratch / f"{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        smooth_photograph(width, height, i).save(path, quality=90)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, decode in WAYS.items():
            start = time.process_time()
            for path in paths:
                rescale(decode(path), SIDE)
            times[way].append((time.process_time() - start) / count)
    wanted = [rescale(data.read_photograph(path), SIDE).int() for path in paths]
    found: dict[str, Any] = {"bytes": statistics.mean(path.stat().st_size for path in paths)}
    for way, decode in WAYS.items():
        differences = [(rescale(decode(p), SIDE).int() - w).abs() for p, w in zip(paths, wanted, strict=True)]
        found[way] = {
            "milliseconds": {"median": 1e3 * statistics.median(times[way]), "lowest": 1e3 * min(times[way])},
            "largest_difference": max(int(d.max()) for d in differences),
            "mean_difference": statistics.mean(d.float().mean().item() for d in differences),
        }
    return found


def folder(scratch: Path, images: int) -> dict[str, float]:
    """Read one epoch of a set of so many small photographs, as a run does that does not hold them in memory."""
    place = scratch / f"set{images}"
    jpeg = scratch / "one.jpg"
    smooth_photograph(48, 36, 0).save(jpeg)
    content = jpeg.read_bytes()
    for part, count in (("train", images), ("test", 20)):
        for label in range(10):
            (place / part / f"class{label}").mkdir(parents=True)
        for i in range(count):
            (place / part / f"class{i % 10}" / f"{i:07}.jpg").write_bytes(content)
    start = time.process_time()
    found = data.read_folders(place / "train", place / "test")
    listed = time.process_time() - start
    train = data.Split(Rescaled(found.train.images, range(len(found.train)), 48), found.train.labels)
    before = peak_resident_mb()
    start, seen = time.process_time(), 0
    for batch, _, _ in loader(train, workers=0):
        seen += len(batch)
    read = time.process_time() - start
    peak = peak_resident_mb()
    together = [memory() for number, _ in enumerate(loader(train, workers=2)) if number % 10 == 0]
    shutil.rmtree(place)
    return {
        "images": images,
        "list_microseconds_each": 1e6 * listed / images,
        "read_microseconds_each": 1e6 * read / seen,
        "peak_mb_before": before,  # the interpreter and PyTorch
        "peak_mb": peak,
        "two_workers_first_mb": together[0] / 1e6,
        "two_workers_most_mb": max(together) / 1e6,
    }


def loader(train: data.Split, workers: int) -> DataLoader[Any]:
    """One epoch, as a run reads it."""
    views = TrainView((32, 48), 32, True, (127.0,) * 3, (64.0,) * 3)
    return DataLoader(
        TrainViews(train, views, 0),
        batch_sampler=EpochOrder(len(train), 64, 0),
        collate_fn=already_a_batch,
        num_workers=workers,
        worker_init_fn=leave_signals_to_the_run,
    )


def memory() -> int:
    """Bytes of this process and those that it started, shared pages counted once."""
    own = psutil.Process()
    return sum(process.memory_full_info().pss for process in (own, *own.children()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        found: dict[str, Any] = {"folders": []}
        for images in (min(1000, args.images), args.images):  # the larger after: the peak of memory only rises
            found["folders"].append(folder(Path(scratch), images))
            print(json.dumps(found["folders"][-1]), flush=True)
        found["decoding"] = {
            f"{width}x{height}": decoding(Path(scratch), width, height, count)
            for width, height, count in ((500, 375, 40), (2000, 1500, 4))
        }
    print(json.dumps(found["decoding"], indent=1))
    files.write_json(args.out, found)


if __name__ == "__main__":
    main()
