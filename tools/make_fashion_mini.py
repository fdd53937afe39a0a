"""Make `paperlib/assets/fashion_mini.npz` from the full Fashion-MNIST.

    python tools/make_fashion_mini.py --root DIR [--download]

DIR holds `FashionMNIST/raw/*-ubyte` as torchvision lays it out. The first 600 training and 200 test images of each
class, in a seeded order, are taken. Prints the sha256 that `paperlib/data/sets.py` checks.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from torchvision.datasets import FashionMNIST

TARGET = Path(__file__).parents[1] / "paperlib" / "assets" / "fashion_mini.npz"


def pick(dataset: FashionMNIST, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """`per_class` images of each class, shuffled together: uint8 (N, 28, 28) and labels (N,)."""
    labels = dataset.targets.numpy()
    rng = np.random.default_rng(0)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(10)])
    chosen = rng.permutation(chosen)
    return dataset.data.numpy()[chosen], labels[chosen].astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds FashionMNIST/raw")
    parser.add_argument("--download", action="store_true", help="download the full set first where it is missing")
    args = parser.parse_args()
    arrays = {}
    for split, per_class in (("train", 600), ("test", 200)):
        full = FashionMNIST(args.root, train=split == "train", download=args.download)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = pick(full, per_class)
    np.savez_compressed(TARGET, **arrays)
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
