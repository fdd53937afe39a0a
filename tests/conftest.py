"""A small data set and a small recipe that trains in a second; nets for counting and for comparing."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import nn
from torchvision.transforms.v2.functional import to_pil_image

from paperlib import build, data, transforms
from paperlib.recipes import RECIPES
from paperlib.recipes.recipe import Recipe
from paperlib.training.run import run

settings.register_profile("same every time", derandomize=True, deadline=None)
settings.load_profile("same every time")
torch.set_num_threads(1)  # the tests run side by side, and threads that wait for each other are slow


def tiny_data(download: bool) -> data.Data:
    """Four classes that differ in colour; photographs of two sizes."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.tensor([[220, 40, 40], [40, 220, 40], [40, 40, 220], [200, 200, 40]])

    def split(count: int) -> data.Split:
        labels = torch.arange(count) % 4
        images = []
        for i, label in enumerate(labels.tolist()):
            noise = torch.randint(-30, 31, (3, 40, 40 + 8 * (i % 2)), generator=generator)
            images.append((colours[label][:, None, None] + noise).clamp(0, 255).to(torch.uint8))
        return data.Split(images, labels)

    return data.Data(("red", "green", "blue", "yellow"), split(50), split(10), split(21))


def photograph_folder(place: Path, **per_class: int) -> Path:
    """PNG files of the images of `tiny_data`: so many of each class in each of the parts named."""
    whole = tiny_data(False)
    for part, count in per_class.items():
        for i in range(4 * count):
            path = place / part / whole.classes[i % 4] / f"{i:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            to_pil_image(whole.train.images[i % 50]).save(path)
    return place


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    """A figure that a test leaves open would count in the next one."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.DATASETS, "tiny", tiny_data)
    monkeypatch.setitem(RECIPES, "tiny", TINY)


TINY: Recipe = dataclasses.replace(
    RECIPES["vgg-mini"],
    data="tiny",
    options={"width": 0.0625, "image_size": 32, "hidden": 16, "dropout": 0.5, "batch_norm": True},
    epochs=3,
    batch_size=16,
    sides=(34, 40),
    test_side=36,
)


@pytest.fixture
def tiny_recipe() -> Recipe:
    return TINY


@pytest.fixture
def tiny_run(tmp_path: Path) -> Path:
    """A finished run of the small recipe."""
    return run(TINY, tmp_path / "tiny", name="tiny", log=lambda line: None)


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """float64 throughout: sums in another order differ by 1e-16, and whatever is above 1e-12 is a mistake.

    In fp32 the difference of 6e-8 can turn a ReLU over, and then a weight differs by some 1e-5 after a dozen steps.
    """

    def normalize(images: torch.Tensor, mean: transforms.RGB, std: transforms.RGB) -> torch.Tensor:
        return (images.double() - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    monkeypatch.setattr(transforms, "normalize", normalize)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def counted(name: str, num_classes: int = 1000, **options: Any) -> nn.Module:
    """The net on the meta device, for counting."""
    with torch.device("meta"):
        return build(name, num_classes, **options)


@torch.no_grad()
def randomise(model: nn.Module) -> None:
    """Every BN with its own scale, shift and running statistics, so that none passes for another."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor in (module.weight, module.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                tensor.normal_(std=0.2)
