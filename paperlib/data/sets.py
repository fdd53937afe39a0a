"""Every data set by name. A new one is a function here that returns `Data`, and its line in `DATASETS` at the end."""

import hashlib
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets import mnist

from paperlib.data.fetch import ARCHIVES, fetch
from paperlib.data.folders import read_class_folders, read_folders
from paperlib.data.photographs import Photographs
from paperlib.data.scenes import Scenes
from paperlib.data.splits import Data, Split, root
from paperlib.errors import PaperlibError, unknown

FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CALTECH_101 = (101, 8677)  # classes and images, without the background class
CIFAR10_JPEG = {"train": 50_000, "test": 10_000}  # images
IMAGENET = {"train": 1_281_167, "val": 50_000}  # images
IMAGENETTE = {"train": 9469, "val": 3925}  # images
IMAGENETTE_IN_IMAGENET = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)  # its classes among the 1000 of ImageNet
FASHION_MINI_SHA256 = "a02d6cd1ff625ec51d6b8ad64ec2a42e50b6d484be9c4e5fc4340023f9a76b34"


def load(name: str, *, download: bool = False) -> Data:
    """The data set `name`, read below `root()` unless it is embedded; with `download`, fetched first where missing.

    `folder:PATH`, from `root()` or absolute, is a folder with `train` and `test`, each of one folder a class; where it
    has `val` too, that validates, else a tenth of `train`.
    Raises PaperlibError for an unknown name, and for missing or broken files, naming them and what to do.
    """
    kind, _, place = name.partition(":")
    if kind == "folder" and place:
        folder = root() / Path(place).expanduser()
        val = folder / "val"
        try:
            return read_folders(folder / "train", folder / "test", val if val.exists() else None)
        except OSError as error:  # a name that is too long, a folder that may not be read
            raise PaperlibError(f"{name} cannot be read ({error}); choose or allow another folder") from error
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
        elif isinstance(error, RuntimeError):  # torchvision advises an argument that a user here does not have
            error = RuntimeError("not found or broken")
        raise PaperlibError(f"{name} is missing or broken in {root()} ({error}); {advice}") from error


def _data(classes: Iterable[str], train: Split, test: Split) -> Data:
    """A data set whose authors give no validation images: a tenth of each class of `train` validates."""
    return Data(tuple(classes), *train.split_off(0.1), test)


def _grey_as_rgb(images: Tensor) -> Tensor:
    return images[:, None].expand(-1, 3, -1, -1)  # (N, H, W) to (N, 3, H, W), a view: no memory


def _fashion_mini(download: bool) -> Data:
    path = Path(str(files("paperlib"))) / "assets" / "fashion_mini.npz"
    advice = "reinstall paperlib-cnn, or make it anew with tools/make_fashion_mini.py"
    if not path.exists():
        raise PaperlibError(f"{path} is missing; {advice}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != FASHION_MINI_SHA256:
        raise PaperlibError(f"{path} is broken (its sha256 is another); {advice}")
    arrays = {key: torch.from_numpy(array) for key, array in np.load(path).items()}
    train, test = (
        Split(_grey_as_rgb(arrays[f"{part}_images"]), arrays[f"{part}_labels"].long()) for part in ("train", "test")
    )
    return _data(FASHION, train, test)


def _scenes_of(fashion: Data) -> Data:
    """The same split of the same items, composed into scenes."""
    train, val, test = (
        Split(Scenes(split.images[:, 0], seed), split.labels)  # type: ignore[call-overload]
        for seed, split in enumerate((fashion.train, fashion.val, fashion.test), start=1)
    )
    return Data(fashion.classes, train, val, test)


def _fashion_scenes(download: bool) -> Data:
    return _scenes_of(_fashion_mini(download))


def _fashion_scenes_full(download: bool) -> Data:
    """54,000, 6,000 and 10,000 scenes. A run composes each once and holds it at S_max: some 400 MB at 40 px."""
    return _scenes_of(_fashion_mnist(download))


def _fashion_mnist(download: bool) -> Data:
    if download:
        datasets.FashionMNIST(root(), download=True)
    folder = root() / "FashionMNIST" / "raw"

    def read(file: str, reader: Callable[[str], Tensor]) -> Tensor:
        try:
            return reader(str(folder / file))
        except (AssertionError, EOFError, IndexError, RuntimeError, ValueError) as error:
            advice = "remove it and run: paperlib data fashion-mnist"
            raise PaperlibError(f"{folder / file} is broken ({error}); {advice}") from error

    splits = []
    for part in ("train", "t10k"):
        images = read(f"{part}-images-idx3-ubyte", mnist.read_image_file)
        labels = read(f"{part}-labels-idx1-ubyte", mnist.read_label_file)
        if int(labels.max()) >= len(FASHION):
            raise PaperlibError(f"{folder} holds labels above {len(FASHION) - 1}: another set than Fashion-MNIST")
        splits.append(Split(_grey_as_rgb(images), labels))
    return _data(FASHION, *splits)


def _cifar(dataset: type[datasets.CIFAR10]) -> Callable[[bool], Data]:
    def load_cifar(download: bool) -> Data:
        parts = [dataset(root(), train=train, download=download) for train in (True, False)]
        train, test = (
            Split(torch.from_numpy(part.data).permute(0, 3, 1, 2), torch.tensor(part.targets)) for part in parts
        )
        return _data(parts[0].classes, train, test)

    return load_cifar


def _cifar10_jpeg(download: bool) -> Data:
    """The images of CIFAR-10 as JPEG files: `cifar10-images` with `train` and `test`, each of one folder a class.

    Decoded into one tensor. JPEG loses detail: errors are some points above those on the original images.
    """
    splits = []
    for part, count in CIFAR10_JPEG.items():
        folder = root() / "cifar10-images" / part
        classes, split = read_class_folders(folder)
        if (len(classes), len(split)) != (10, count):
            there = f"{len(classes)} classes with {len(split):,} images"
            raise PaperlibError(f"{folder} holds {there}, not 10 with {count:,}; complete it")
        splits.append(split.read_all())
    return _data(classes, *splits)


def _caltech101(download: bool) -> Data:
    """The 101 object categories, 25% of each class for test, 10% of the rest for validation.

    The authors give no split. Their background class is left out, as torchvision does.
    """
    folder = root() / "caltech101" / "101_ObjectCategories"
    if not download and not folder.is_dir():  # torchvision would make an empty folder
        raise FileNotFoundError(f"no {folder}")
    source = datasets.Caltech101(root(), download=download)
    if (len(source.categories), len(source.y)) != CALTECH_101:  # torchvision counts whatever files there are
        there = f"{len(source.categories)} classes with {len(source.y):,} files"
        raise PaperlibError(f"{folder} holds {there}, Caltech-101 has 101 with 8,677; remove it and fetch it anew")
    paths = [folder / source.categories[y] / f"image_{i:04d}.jpg" for y, i in zip(source.y, source.index, strict=True)]
    train, test = Split(Photographs(paths), torch.tensor(source.y)).split_off(0.25)
    return _data(source.categories, train, test)


def _imagenette(download: bool) -> Data:
    """Ten classes of ImageNet in full size: val is a tenth of the official train, test the official val."""
    splits = []
    for part, count in IMAGENETTE.items():
        classes = datasets.Imagenette(root(), part, download=download).classes
        folder = root() / "imagenette2" / part
        paths, labels = zip(*datasets.ImageFolder(folder).samples, strict=True)
        if (len(classes), len(paths)) != (10, count):
            there = f"{len(classes)} classes with {len(paths):,} images"
            raise PaperlibError(f"{folder} holds {there}, not 10 with {count:,}; remove it and fetch it anew")
        splits.append(Split(Photographs(paths), torch.tensor(labels)))
    return _data((names[0] for names in classes), *splits)


def _imagenet(download: bool) -> Data:
    """Folders `imagenet/train` and `imagenet/val` of one folder a class; 4% of the former validates, the latter tests.

    The labels of ImageNet's own test images are not public. Where the three archives that image-net.org gives to
    registered users lie in `imagenet`, `download` checks and unpacks them; it fetches nothing.
    """
    folder = root() / "imagenet"
    try:
        for part, count in IMAGENET.items() if download else ():
            there = len(datasets.ImageNet(folder, part))
            if there != count:  # an unpacking that was interrupted
                broken = f"{folder / part} holds {there:,} images, not {count:,}"
                raise PaperlibError(f"{broken}; remove it and run: paperlib data imagenet")
    except ImportError as error:
        raise PaperlibError(f"unpacking ImageNet needs a package ({error}): pip install scipy") from error
    # 4% are about as many as the 50,000 of the official validation.
    return read_folders(folder / "train", folder / "val", val_fraction=0.04)


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
