"""What a data set is: training, validation and test split, each of images and labels."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import Subset

from paperlib.data.photographs import Photographs
from paperlib.errors import PaperlibError
from paperlib.transforms import Images


@dataclass(frozen=True)
class Split:
    """Images, uint8 RGB (3, H, W) each, and their labels (N,). `images[i]` may decode or compose on demand.

    Raises PaperlibError where there are not as many images as labels.
    """

    images: Images
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise PaperlibError(f"{len(self.images):,} images with {len(self.labels):,} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> Self:
        """The images and labels at `indices` (n,), in that order."""
        if isinstance(self.images, Tensor):
            images: Images = self.images[indices]
        elif isinstance(self.images, Photographs):
            images = self.images.subset(indices.tolist())
        else:
            images = Subset(self.images, indices.tolist())  # type: ignore[arg-type, assignment]
        return type(self)(images, self.labels[indices])

    def read_all(self) -> Self:
        """The same split of photographs of one size, decoded into one tensor (N, 3, H, W) in memory."""
        assert isinstance(self.images, Photographs)
        return type(self)(self.images.read_all(), self.labels)

    def split_off(self, fraction: float) -> tuple[Self, Self]:
        """The rest, and `fraction` of each class: always the same images."""
        rest, chosen = stratified_split(self.labels, fraction, seed=0)
        return self.subset(rest), self.subset(chosen)


@dataclass(frozen=True)
class Data:
    """One data set. Models are chosen on `val`; errors are counted on `test`, once.

    `val` is a part of the official training images, unless a folder has one of its own.
    """

    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split


def root() -> Path:
    """The folder of downloaded data: the environment variable PAPERLIB_DATA, else ~/.cache/paperlib."""
    return Path(os.environ.get("PAPERLIB_DATA") or Path.home() / ".cache" / "paperlib").expanduser()


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices (rest, chosen), ascending: of each class, `fraction` of its images, rounded, drawn with `seed`."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for c in labels.unique():
        members = (labels == c).nonzero()[:, 0]
        shuffled = members[torch.randperm(len(members), generator=generator)]
        chosen[shuffled[: round(len(members) * fraction)]] = True
    return (~chosen).nonzero()[:, 0], chosen.nonzero()[:, 0]
