"""paperlib data: download and check a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from paperlib.errors import unknown
from paperlib.names import DATASETS


@dataclass(frozen=True)
class Data:
    """Download a data set into PAPERLIB_DATA (by default ~/.cache/paperlib) and check it.

    examples:
      paperlib data cifar10
      PAPERLIB_DATA=~/data paperlib data caltech101
    """

    name: Annotated[str, tyro.conf.Positional]
    """Name of the data set (see `paperlib list`)."""


def main(args: Sequence[str]) -> None:
    """Download, check, and print the sizes of the splits."""
    name = tyro.cli(Data, args=args, prog="paperlib data").name
    if name not in DATASETS and not name.startswith("folder:"):
        raise unknown("data set", name, [*DATASETS, "folder:PATH"])
    from paperlib import data  # loads torch

    dataset = data.load(name, download=True)
    sizes = ", ".join(f"{len(getattr(dataset, split))} {split}" for split in ("train", "val", "test"))
    print(f"{name}: {len(dataset.classes)} classes, {sizes} images")
