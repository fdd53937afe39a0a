"""Photographs in folders: `train`, `test` and perhaps `val`, each with one folder a class."""

import os
from pathlib import Path

import torch

from paperlib.data.photographs import Photographs
from paperlib.data.splits import Data, Split
from paperlib.errors import PaperlibError


def read_folders(train: Path, test: Path, val: Path | None = None, *, val_fraction: float = 0.1) -> Data:
    """The data set of these folders; without `val`, that fraction of each class of `train` validates.

    Every file in the folder of a class counts as a photograph, except names that begin with a dot; whether it is one
    shows when it is read. Raises PaperlibError where the classes of the folders differ, or a class has no files.
    """
    classes, train_split = read_class_folders(train)
    splits = []
    for folder in [test, val] if val else [test]:
        others, split = read_class_folders(folder)
        if others != classes:
            differences = ", ".join(sorted(set(classes) ^ set(others))[:5])
            raise PaperlibError(f"{train} and {folder} hold other classes; only one of them has {differences}")
        splits.append(split)
    if val:
        return Data(classes, train_split, splits[1], splits[0])
    return Data(classes, *train_split.split_off(val_fraction), splits[0])


def read_class_folders(folder: Path) -> tuple[tuple[str, ...], Split]:
    """The classes of a folder that has one folder a class, in alphabetical order, and their photographs.

    Raises PaperlibError where there are fewer than two classes, a class has no files, or a file lies beside them.
    """
    if not folder.is_dir():
        raise PaperlibError(
            f"there is no folder {folder} with a folder of photographs for each class; set PAPERLIB_DATA"
        )
    paths: list[str] = []
    labels: list[int] = []
    classes = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            raise PaperlibError(f"{folder / name} is not the folder of a class; remove it")
        photographs = sorted(entry.path for entry in os.scandir(folder / name) if not entry.name.startswith("."))
        if not photographs:
            raise PaperlibError(f"{folder / name} holds no photographs; fill or remove it")
        paths += photographs
        labels += [label] * len(photographs)
    if len(classes) < 2:
        raise PaperlibError(f"{folder} holds {len(classes)} classes; a network needs two")
    return tuple(classes), Split(Photographs(paths), torch.tensor(labels))
