"""Make folders of links to the photographs of Caltech-101 for the transfer experiments, for --data folder:PATH.

    python tools/caltech_folders.py FOLDER

FOLDER/fold0 to fold4 are the folds of ZFNet's section 5.2: of every class 30 images to train on and up to 50 of the
others to test on. FOLDER/half-a and FOLDER/half-b hold the images of one half of the classes each, a quarter for test;
FOLDER/half-b-fold0 to half-b-fold4 are folds of half b. Both classes of faces, which show the same photographs, are in
one half.

In a fold, `val` repeats one training image a class, since all 30 are trained on: its errors mean nothing.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import Caltech101

from paperlib import data
from paperlib.transfer import fold


def link(target: Path, paths: list[Path], **parts: Tensor) -> None:
    """Links to the photographs of each part, by their indices, in TARGET/PART/CLASS."""
    for part, indices in parts.items():
        for i in indices.tolist():
            place = target / part / paths[i].parent.name / paths[i].name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(paths[i].resolve())
    print(f"{target}: " + ", ".join(f"{len(indices)} {part}" for part, indices in parts.items()))


def link_folds(target: str, paths: list[Path], labels: Tensor) -> None:
    """Five folds, in TARGET0 to TARGET4."""
    for seed in range(5):
        train, test = fold(labels, per_class=30, seed=seed)
        first = torch.stack([train[labels[train] == c][0] for c in labels.unique()])
        link(Path(f"{target}{seed}"), paths, train=train, val=first, test=test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True)
    source = Caltech101(data.root())
    photographs = data.root() / "caltech101" / "101_ObjectCategories"
    names = zip(source.y, source.index, strict=True)
    paths = [photographs / source.categories[y] / f"image_{i:04d}.jpg" for y, i in names]
    labels = torch.tensor(source.y)
    link_folds(f"{folder}/fold", paths, labels)
    for half in (0, 1):
        members = (labels // 2 % 2 == half).nonzero()[:, 0].tolist()
        half_paths, half_labels = [paths[i] for i in members], labels[members]
        train, test = data.stratified_split(half_labels, 0.25, seed=0)
        link(folder / f"half-{'ab'[half]}", half_paths, train=train, test=test)
        if half == 1:
            link_folds(f"{folder}/half-b-fold", half_paths, half_labels)


if __name__ == "__main__":
    main()
