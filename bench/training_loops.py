"""Whole training loops of other authors beside ours, on the same network, data and values of SGD.

`training.py` runs them; alone this file does nothing.
"""

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from measure import spread
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from paperlib import build, data, runs
from paperlib.evaluate import evaluate, one_view
from paperlib.models import MODELS
from paperlib.recipes.recipe import Recipe
from paperlib.training.run import run
from paperlib.transforms import TestView

MEAN, STD = (73.0, 73.0, 73.0), (90.0, 90.0, 90.0)  # about those of Fashion-MNIST
LR, MOMENTUM, DECAY = 0.1, 0.9, 1e-4  # ResNet, section 4.2


class Setting(NamedTuple):
    """What a loop trains: name and options of the network, side in px, batch, number of images (0: all)."""

    model: str
    options: dict[str, Any]
    side: int
    batch: int
    images: int


RESNET_20 = Setting("resnet20", {}, 28, 128, 0)
SHORT = {  # a number of images that takes some seconds
    "DenseNet-BC-100-12, 28 px": Setting("densenet_bc100_k12", {}, 28, 64, 256),
    "VGG-16 BN, width 1/4, 64 px": Setting(
        "vgg16", {"width": 0.25, "image_size": 64, "hidden": 256, "batch_norm": True}, 64, 32, 2048
    ),
    "ResNet-18, 64 px": Setting("resnet18", {}, 64, 32, 2048),
}
Result = tuple[float, float]  # seconds, and validation error in percent


class PILImages(Dataset[tuple[Any, int]]):
    """A split as PIL images under a transform, as torchvision's data sets are."""

    def __init__(self, split: data.Split, transform: Callable[[Any], Any]) -> None:
        self.images = [v2.functional.to_pil_image(image) for image in split.images]
        self.labels, self.transform = split.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.images[index]), self.labels[index]


def to_tensor(*before: Any) -> Any:
    """The transforms `before`, then a normalised tensor."""
    scale = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([m / 255 for m in MEAN], [s / 255 for s in STD]),
    ]
    return v2.Compose([*before, *scale])


def paperlib_loop(name: str, setting: Setting, epochs: int, seed: int) -> Result:
    """`paperlib.training.run` in bf16 with channels_last."""
    recipe = Recipe(
        model=setting.model,
        options=setting.options,
        data=name,
        sides=(setting.side, setting.side),
        test_side=setting.side,
        crop_side=setting.side,
        pad=2,
        mean=MEAN,
        std=STD,
        epochs=epochs,
        batch_size=setting.batch,
        lr=LR,
        schedule="one-cycle",
        weight_decay=DECAY,
        precision="bf16",
        channels_last=True,
        seed=seed,
        source="ResNet, section 4.2",
        target="",
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(recipe, Path(folder) / "run", log=lambda line: None)
        seconds = time.perf_counter() - start
        return seconds, runs.load_metrics(Path(folder) / "run")[-1]["val_top1_error"]


def plain_loop(name: str, setting: Setting, epochs: int, seed: int) -> Result:
    """A plain fp32 loop with DataLoader and torchvision's transforms."""
    torch.manual_seed(seed)
    dataset, resize = data.load(name), v2.Resize(setting.side)
    views = to_tensor(resize, v2.RandomCrop(setting.side, padding=2), v2.RandomHorizontalFlip())
    validation = DataLoader(PILImages(dataset.val, to_tensor(resize)), setting.batch)
    model = build(setting.model, 10, **setting.options)
    loader = DataLoader(PILImages(dataset.train, views), setting.batch, shuffle=True, num_workers=2)
    optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM, weight_decay=DECAY)
    total = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total, pct_start=0.2, anneal_strategy="linear")
    start = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            wrong = sum(int((model(images).argmax(1) != labels).sum()) for images, labels in validation)
    return time.perf_counter() - start, 100 * wrong / len(dataset.val)


def d2l_loop(name: str, setting: Setting, epochs: int, seed: int) -> Result:
    """d2l's Trainer and Classifier with its transforms: no augmentation, constant learning rate."""
    from d2l import torch as d2l

    dataset = data.load(name)

    class Network(d2l.Classifier):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = build(setting.model, 10, **setting.options)
            self.board.display = False

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), LR, MOMENTUM, weight_decay=DECAY)

    class Module(d2l.DataModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(num_workers=2)
            transform = v2.Compose([v2.Resize((setting.side, setting.side)), to_tensor()])
            self.train, self.val = (PILImages(split, transform) for split in (dataset.train, dataset.val))

        def get_dataloader(self, train: bool) -> Any:
            images = self.train if train else self.val
            return DataLoader(images, setting.batch, shuffle=train, num_workers=self.num_workers)

    torch.manual_seed(seed)
    network, module, trainer = Network(), Module(), d2l.Trainer(max_epochs=epochs)
    start = time.perf_counter()
    trainer.fit(network, module)
    seconds = time.perf_counter() - start
    predict = one_view(network.net, TestView(setting.side, None, MEAN, STD))
    return seconds, evaluate(predict, dataset.val.images, dataset.val.labels).top1


def named_loops(name: str, setting: Setting, epochs: int) -> dict[str, Callable[[int], Result]]:
    """The loops by name: from a seed to seconds and validation error."""
    loops: dict[str, Callable[[int], Result]] = {
        "paperlib, bf16 channels_last": lambda seed: paperlib_loop(name, setting, epochs, seed),
        "plain fp32 loop": lambda seed: plain_loop(name, setting, epochs, seed),
    }
    if find_spec("d2l"):
        loops["d2l 1.0.3 Trainer"] = lambda seed: d2l_loop(name, setting, epochs, seed)
    if f"torchvision_{setting.model}" in MODELS:
        theirs = setting._replace(model=f"torchvision_{setting.model}")
        loops["torchvision's net in paperlib"] = lambda seed: paperlib_loop(name, theirs, epochs, seed)
    return loops


def compare_loops(name: str, setting: Setting, rounds: int, epochs: int) -> dict[str, Any]:
    """Training images per second, validation included, and the validation error after equal epochs."""
    loops = named_loops(name, setting, epochs)
    results: dict[str, list[Result]] = {label: [] for label in loops}
    for seed in range(rounds):
        for label, loop in loops.items():
            seconds, error = loop(seed)
            results[label].append((seconds, error))
            print(f"{setting.model}, round {seed}, {label}: {seconds:.1f} s, error {error:.2f}%", flush=True)
    images, ours = epochs * len(data.load(name).train), next(iter(results.values()))
    return {"data": name, "images": images, "epochs": epochs} | {
        label: {
            "images_per_second": spread([images / seconds for seconds, _ in theirs]),
            "val_top1_error": spread([error for _, error in theirs]),
            "ours_is_faster_by": spread([b[0] / a[0] for a, b in zip(ours, theirs, strict=True)]),
        }
        for label, theirs in results.items()
    }


def compare_short_loops(name: str, rounds: int) -> dict[str, Any]:
    """Other networks, one epoch of a part of the images each; too short to compare errors."""
    everything = data.load(name)
    MODELS["torchvision_resnet18"] = lambda num_classes: torchvision.models.resnet18(num_classes=num_classes)
    report = {}
    for label, setting in SHORT.items():
        train = everything.train.subset(torch.arange(setting.images))
        val = everything.val.subset(torch.arange(setting.images // 10))
        part = data.Data(everything.classes, train, val, everything.test)
        data.DATASETS["part"] = lambda download, part=part: part
        report[label] = compare_loops("part", setting, rounds, 1) | {"data": name}
        for loop in report[label].values():
            if isinstance(loop, dict):
                del loop["val_top1_error"]
    return report


def errors_of_loops(name: str, epochs: int) -> dict[str, Any]:
    """Validation error of one run of each loop."""
    errors = {}
    for label, loop in named_loops(name, RESNET_20, epochs).items():
        _, errors[label] = loop(0)
        print(f"{epochs} epochs  {label}: error {errors[label]:.2f}%", flush=True)
    return {"epochs": epochs, "val_top1_error": errors}
