"""Every data set by name."""

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets import mnist

from paperlib.data.fetch import ARCHIVES, fetch
from paperlib.data.photographs import Photographs, photograph
from paperlib.data.scenes import Scenes
from paperlib.data.splits import Data, Split, carve, root
from paperlib.errors import PaperlibError, unknown

FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CALTECH_101 = (101, 8677)  # classes and images, without the background class
IMAGENET = {"train": 1_281_167, "val": 50_000}  # images
CIFAR10_JPEG = {"train": 50_000, "test": 10_000}  # images
IMAGENETTE = {"train": 9469, "val": 3925}  # images
IMAGENETTE_IN_IMAGENET = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)  # its classes among the 1000 of a full net
FASHION_MINI_SHA256 = "a02d6cd1ff625ec51d6b8ad64ec2a42e50b6d484be9c4e5fc4340023f9a76b34"


def load(name: str, *, download: bool = False) -> Data:
    """The data set `name`, read below `root()` unless it is embedded; `download` fetches it first where it is missing.

    `folder:PATH`, from `root()` or absolute, is a folder with `train` and `test`, each of one folder a class; where it
    has `val` too, that validates, else a tenth of `train`.
    Raises PaperlibError for an unknown name, and for missing or broken files, naming them and what to do.
    """
    kind, _, place = name.partition(":")
    if kind == "folder" and place:
        folder = root() / Path(place).expanduser()
        val = folder / "val"
        return folders(folder / "train", folder / "test", val if val.exists() else None, carved=0.1)
    if name not in DATASETS:
        raise unknown("data set", name, [*DATASETS, "folder:PATH"])
    try:
        for archive in ARCHIVES.get(name, ()) if download else ():
            fetch(archive, root())
        return DATASETS[name](download)
    except PaperlibError:
        raise
    except (AssertionError, EOFError, LookupError, OSError, RuntimeError, ValueError) as error:
        advice = f"set PAPERLIB_DATA to the folder that holds it, or run: paperlib data {name}"
        if download:
            advice = "check the connection; remove what is broken there and try again"
        elif isinstance(error, RuntimeError):  # torchvision's words advise an argument that a user here has not
            error = RuntimeError("not found or broken")
        raise PaperlibError(f"{name} is not (whole) in {root()} ({error}); {advice}") from error


def _fashion_arrays() -> dict[str, Tensor]:
    path = Path(str(files("paperlib"))) / "assets" / "fashion_mini.npz"
    advice = "reinstall paperlib-cnn, or make it anew with tools/make_fashion_mini.py"
    if not path.exists():
        raise PaperlibError(f"{path} is missing; {advice}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != FASHION_MINI_SHA256:
        raise PaperlibError(f"{path} is broken (its sha256 is another); {advice}")
    return {key: torch.from_numpy(array) for key, array in np.load(path).items()}


def _splits(images: Tensor, labels: Tensor, test_images: Tensor, test_labels: Tensor) -> tuple[Split, Split, Split]:
    """Train, val (a tenth of each class) and test of images that lie in one tensor, grey (N, H, W) or RGB."""
    for part, count in ((labels, len(images)), (test_labels, len(test_images))):
        if len(part) != count:
            raise ValueError(f"{count} images with {len(part)} labels")
    rest, carved = carve(labels, 0.1, seed=0)
    images, test_images = _rgb(images), _rgb(test_images)
    return (
        Split(images[rest], labels[rest]),
        Split(images[carved], labels[carved]),
        Split(test_images, test_labels),
    )


def _rgb(images: Tensor) -> Tensor:
    return images if images.dim() == 4 else images[:, None].expand(-1, 3, -1, -1)  # a view: no memory


def _fashion_mini(download: bool) -> Data:
    a = _fashion_arrays()
    labels, test_labels = a["train_labels"].long(), a["test_labels"].long()
    return Data(FASHION, *_splits(a["train_images"], labels, a["test_images"], test_labels))


def _fashion_scenes(download: bool) -> Data:
    return _composed(_fashion_mini(download))


def _fashion_scenes_full(download: bool) -> Data:
    """54,000, 6,000 and 10,000 scenes; what trains keeps each at the side that it needs, some 400 MB at 40 px."""
    return _composed(_fashion_mnist(download))


def _composed(things: Data) -> Data:
    """A scene of each object of Fashion-MNIST, made when asked for."""
    splits = []
    for split, seed in zip((things.train, things.val, things.test), (1, 2, 3), strict=True):
        assert isinstance(split.images, Tensor)
        splits.append(Split(Scenes(split.images[:, 0], seed), split.labels))
    return Data(things.classes, *splits)


def _fashion_mnist(download: bool) -> Data:
    if download:
        datasets.FashionMNIST(root(), download=True)
    folder = root() / "FashionMNIST" / "raw"
    read: list[Tensor] = []
    for prefix in ("train", "t10k"):
        for name, reader in (("images-idx3", mnist.read_image_file), ("labels-idx1", mnist.read_label_file)):
            path = folder / f"{prefix}-{name}-ubyte"
            try:
                read.append(reader(str(path)))
            except (AssertionError, EOFError, IndexError, RuntimeError, ValueError) as error:
                raise PaperlibError(
                    f"{path} is broken ({error}); remove it and run: paperlib data fashion-mnist"
                ) from error
    if max(int(read[1].max()), int(read[3].max())) >= len(FASHION):
        raise PaperlibError(f"{folder} holds labels above {len(FASHION) - 1}: another set than Fashion-MNIST")
    return Data(FASHION, *_splits(*read))


def _cifar(dataset: type[datasets.CIFAR10]) -> Callable[[bool], Data]:
    def load_cifar(download: bool) -> Data:
        splits = [dataset(root(), train=t, download=download) for t in (True, False)]
        arrays = [t for s in splits for t in (torch.from_numpy(s.data).permute(0, 3, 1, 2), torch.tensor(s.targets))]
        return Data(tuple(splits[0].classes), *_splits(*arrays))

    return load_cifar


def _cifar10_jpeg(download: bool) -> Data:
    """CIFAR-10's pictures as JPEG files: `cifar10-images`, with `train` and `test` of one folder a class, at hand.

    Decoded into one tensor. JPEG loses detail, so errors are some points above those on the original pictures.
    """
    folder = root() / "cifar10-images"
    decoded: list[Tensor] = []
    for part, count in CIFAR10_JPEG.items():
        classes, paths, labels = _class_folders(folder / part)
        if (len(classes), len(paths)) != (10, count):
            found = f"{folder / part} holds {len(classes)} classes with {len(paths):,} images"
            raise PaperlibError(f"{found}, not 10 with {count:,}; make it whole")
        decoded += [torch.stack([photograph(path) for path in paths]), labels]
    return Data(classes, *_splits(*decoded))


def _caltech101(download: bool) -> Data:
    """The 101 object categories, 25% of each class for test, 10% of the rest for validation.

    The authors give no split. Their background class is left out, as torchvision does.
    """
    folder = root() / "caltech101" / "101_ObjectCategories"
    if not download and not folder.is_dir():  # torchvision would make an empty folder
        raise FileNotFoundError(f"no {folder}")
    source = datasets.Caltech101(root(), download=download)
    if (len(source.categories), len(source.y)) != CALTECH_101:  # torchvision counts whatever files there are
        found = f"{len(source.categories)} classes with {len(source.y):,} files"
        raise PaperlibError(f"{folder} holds {found}, Caltech-101 has 101 with 8,677; remove it and fetch it anew")
    paths = [folder / source.categories[y] / f"image_{i:04d}.jpg" for y, i in zip(source.y, source.index, strict=True)]
    labels = torch.tensor(source.y)
    rest, test = carve(labels, 0.25, seed=0)
    train, val = carve(labels[rest], 0.1, seed=0)

    splits = (_photographs(paths, labels, indices) for indices in (rest[train], rest[val], test))
    return Data(tuple(source.categories), *splits)


def _imagenette(download: bool) -> Data:
    """Ten classes of ImageNet in full size: val is a tenth of the official train, test the official val."""
    parts = []
    for part, count in IMAGENETTE.items():
        classes = datasets.Imagenette(root(), part, download=download).classes
        folder = root() / "imagenette2" / part
        paths, targets = zip(*datasets.ImageFolder(folder).samples, strict=True)
        if (len(classes), len(paths)) != (10, count):
            found = f"{len(classes)} classes with {len(paths):,} images"
            raise PaperlibError(f"{folder} holds {found}, not 10 with {count:,}; remove it and fetch it anew")
        parts.append((paths, torch.tensor(targets)))
    (paths, labels), (test_paths, test_labels) = parts
    rest, val = carve(labels, 0.1, seed=0)
    test = _photographs(test_paths, test_labels, torch.arange(len(test_labels)))
    return Data(
        tuple(names[0] for names in classes), _photographs(paths, labels, rest), _photographs(paths, labels, val), test
    )


def _photographs(paths: Sequence[str | Path], labels: Tensor, indices: Tensor) -> Split:
    return Split(Photographs([paths[i] for i in indices.tolist()]), labels[indices])


def _imagenet(download: bool) -> Data:
    """Folders `imagenet/train` and `imagenet/val` of one folder a class; 4% of the former validates, the latter tests.

    The labels of ImageNet's own test images are not public. Where the three archives that image-net.org gives to whom
    it has registered lie in `imagenet`, `download` checks and unpacks them; it fetches nothing.
    """
    folder = root() / "imagenet"
    try:
        for part, count in IMAGENET.items() if download else ():
            found = len(datasets.ImageNet(folder, part))
            if found != count:  # what unpacking leaves that was ended before its time
                broken = f"{folder / part} holds {found:,} images, not {count:,}"
                raise PaperlibError(f"{broken}; remove it and run: paperlib data imagenet")
    except ImportError as error:
        raise PaperlibError(f"unpacking ImageNet needs a package ({error}): pip install scipy") from error
    # 4% are about as many as the 50,000 of the official validation.
    return folders(folder / "train", folder / "val", None, carved=0.04)


def folders(train: Path, test: Path, val: Path | None, carved: float) -> Data:
    """Photographs in one folder a class; without `val`, that fraction of each class of `train` validates.

    Whatever lies in the folder of a class is taken for a photograph, except names that begin with a dot: what is none
    is found when it is read. Raises PaperlibError where the classes of the parts differ, or a class has no files.
    """
    classes, paths, labels = _class_folders(train)
    splits = []
    for folder in [test, val] if val else [test]:
        others, own, own_labels = _class_folders(folder)
        if others != classes:
            differ = ", ".join(sorted(set(classes) ^ set(others))[:5])
            raise PaperlibError(f"{train} and {folder} hold other classes; only one of them has {differ}")
        splits.append(Split(Photographs(own), own_labels))
    if val:
        return Data(classes, Split(Photographs(paths), labels), splits[1], splits[0])
    rest, chosen = carve(labels, carved, seed=0)
    return Data(classes, _photographs(paths, labels, rest), _photographs(paths, labels, chosen), splits[0])


def _class_folders(folder: Path) -> tuple[tuple[str, ...], list[str], Tensor]:
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
        own = sorted(entry.path for entry in os.scandir(folder / name) if not entry.name.startswith("."))
        if not own:
            raise PaperlibError(f"{folder / name} holds no photographs; fill or remove it")
        paths += own
        labels += [label] * len(own)
    if len(classes) < 2:
        raise PaperlibError(f"{folder} holds {len(classes)} classes; a net needs two")
    return tuple(classes), paths, torch.tensor(labels)


DATASETS: dict[str, Callable[[bool], Data]] = {
    "fashion-mini": _fashion_mini,
    "fashion-scenes": _fashion_scenes,
    "fashion-scenes-full": _fashion_scenes_full,
    "fashion-mnist": _fashion_mnist,
    "cifar10": _cifar(datasets.CIFAR10),
    "cifar10-jpeg": _cifar10_jpeg,
    "cifar100": _cifar(datasets.CIFAR100),
    "caltech101": _caltech101,
    "imagenette": _imagenette,
    "imagenet": _imagenet,
}
