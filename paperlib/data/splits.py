"""What a data set is: explicit training, validation and test splits."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from paperlib.transforms import Images


@dataclass(frozen=True)
class Split:
    """Images, uint8 RGB (3, H, W) each, and their labels (N,). `images[i]` may decode or compose on demand."""

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """One data set. `test` is looked at once.

    `val` is carved from the official training images with a fixed seed, unless a folder brings one of its own.
    """

    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split


def root() -> Path:
    """The folder of downloaded data: the environment variable PAPERLIB_DATA, else ~/.cache/paperlib."""
    return Path(os.environ.get("PAPERLIB_DATA") or Path.home() / ".cache" / "paperlib")


def carve(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices (rest, carved): of each class, `fraction` of the images, rounded, drawn with `seed`; both ascending."""
    generator = torch.Generator().manual_seed(seed)
    carved = torch.zeros(len(labels), dtype=torch.bool)
    for c in labels.unique():
        members = (labels == c).nonzero()[:, 0]
        shuffled = members[torch.randperm(len(members), generator=generator)]
        carved[shuffled[: round(len(members) * fraction)]] = True
    return (~carved).nonzero()[:, 0], carved.nonzero()[:, 0]
