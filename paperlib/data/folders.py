"""Photographs in folders: `train`, `test` and perhaps `val`, each with one folder a class."""

import os
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

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

    Raises PaperlibError where there are fewer than two classes, a class has no files, a file lies beside them, or two
    folders stand for one class.
    """
    if not folder.is_dir():
        raise PaperlibError(
            f"there is no folder {folder} with a folder of photographs for each class; set PAPERLIB_DATA"
        )
    paths: list[str] = []
    labels: list[int] = []
    named = sorted((class_name(name), name) for name in names_in(folder))
    classes = tuple(class_ for class_, _ in named)
    if twice := next((a for a, b in pairwise(classes) if a == b), None):
        raise PaperlibError(f"{folder} holds two folders that are both named {twice}; rename or merge them")
    for label, (_, name) in enumerate(named):
        if not (folder / name).is_dir():
            raise PaperlibError(f"{folder / name} is not the folder of a class; remove it")
        photographs = [os.path.join(folder, name, file) for file in names_in(folder / name)]
        if not photographs:
            raise PaperlibError(f"{folder / name} holds no photographs; fill or remove it")
        paths += photographs
        labels += [label] * len(photographs)
    if len(classes) < 2:
        raise PaperlibError(f"{folder} holds {len(classes)} classes; a network needs two")
    return classes, Split(Photographs(paths), torch.tensor(labels))


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted, but for those that begin with a dot."""
    return sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))


def class_name(name: str) -> str:
    """The class that a folder's name stands for: the same text (NFC) whatever system wrote it.

    macOS takes syllables apart (NFD); a zip file of a Korean Windows, unpacked on Linux, leaves bytes of CP949.
    """
    raw = os.fsencode(name)
    for encoding in ("utf-8", "cp949"):
        try:
            return normalize("NFC", raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "backslashreplace")
