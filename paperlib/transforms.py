"""What a net sees of an image while it trains and while it is tested: the views of the papers.

An image is a uint8 RGB tensor (3, H, W); a view makes normalised float tensors of it. Nothing here draws random
numbers: a training view takes them, uniform in [0, 1), so that the same draws give the same view in any process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from paperlib.errors import PaperlibError

RGB = tuple[float, float, float]


def rescale(image: Tensor, side: int) -> Tensor:
    """`image` (..., H, W) resized so that its smaller side is `side` px, its aspect kept (VGG, section 3.1)."""
    if min(image.shape[-2:]) == side:
        return image
    return F.resize(image, [side], antialias=True)


def normalize(images: Tensor, mean: RGB, std: RGB) -> Tensor:
    """float32 `(images - mean) / std` per channel; mean and std in units of the 8-bit image, [0, 255]."""
    return F.normalize(images.float(), list(mean), list(std))


@dataclass(frozen=True)
class TrainView:
    """VGG's training view (section 3.1): rescale to S drawn from [S_min; S_max], random crop, random mirror.

    `sides` is (S_min, S_max), both included and equal for single-scale training; `crop` the side of the crop.

    Departs from the paper: there is no random shift of the colours, and `std` divides what the paper only centres.
    """

    sides: tuple[int, int]
    crop: int
    mirror: bool
    mean: RGB
    std: RGB
    draws: ClassVar[int] = 4  # numbers taken per image: S, top, left, mirror

    def __call__(self, images: Sequence[Tensor] | Tensor, draws: Tensor) -> Tensor:
        """Views (N, 3, crop, crop) of N images of any sizes, from `draws` (N, 4), uniform in [0, 1).

        Images in one tensor (N, 3, H, W) with a fixed S are cropped all at once, where they lie.
        """
        if isinstance(images, Tensor) and self.sides[0] == self.sides[1]:
            return normalize(self._views(rescale(images, self.sides[0]), draws.to(images.device)), self.mean, self.std)
        views = torch.stack([self._view(image, u) for image, u in zip(images, draws.tolist(), strict=True)])
        return normalize(views, self.mean, self.std)

    def _views(self, images: Tensor, draws: Tensor) -> Tensor:
        span = torch.arange(self.crop, device=images.device)
        rows = (draws[:, 1:2] * (images.shape[-2] - self.crop + 1)).long() + span  # (N, crop)
        columns = (draws[:, 2:3] * (images.shape[-1] - self.crop + 1)).long() + span
        if self.mirror:
            columns = torch.where(draws[:, 3:4] < 0.5, columns.flip(1), columns)
        each = torch.arange(len(images), device=images.device)[:, None, None]
        views = images[each, :, rows[:, :, None], columns[:, None, :]]  # (N, crop, crop, 3)
        return views.permute(0, 3, 1, 2).contiguous()  # (N, 3, crop, crop)

    def _view(self, image: Tensor, u: Sequence[float]) -> Tensor:
        low, high = self.sides
        image = rescale(image, low + int(u[0] * (high - low + 1)))
        top = int(u[1] * (image.shape[-2] - self.crop + 1))
        left = int(u[2] * (image.shape[-1] - self.crop + 1))
        view = image[..., top : top + self.crop, left : left + self.crop]
        return view.flip(-1) if self.mirror and u[3] < 0.5 else view


@dataclass(frozen=True)
class TestView:
    """VGG's test view (section 3.2): rescale to Q; the whole image, or its central square where `crop` is given.

    Raises PaperlibError for a Q below the crop, which would have to be padded.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    side: int
    crop: int | None
    mean: RGB
    std: RGB

    def __post_init__(self) -> None:
        if self.crop is not None:
            _check(self.side, self.crop)

    def __call__(self, image: Tensor) -> Tensor:
        """The view (3, h, w) of one image (3, H, W)."""
        view = rescale(image, self.side)
        if self.crop is not None:
            view = F.center_crop(view, [self.crop, self.crop])
        return normalize(view, self.mean, self.std)


@dataclass(frozen=True)
class CropViews:
    """Several square crops of an image rescaled to Q: `cut` is `five_crops` or `grid_crops`.

    Raises PaperlibError for a Q below the crop.
    """

    side: int
    crop: int
    mean: RGB
    std: RGB
    cut: Callable[[Tensor, int], Tensor]

    def __post_init__(self) -> None:
        _check(self.side, self.crop)

    def __call__(self, image: Tensor) -> Tensor:
        """The views (V, 3, crop, crop) of one image (3, H, W)."""
        return normalize(self.cut(rescale(image, self.side), self.crop), self.mean, self.std)


def _check(side: int, crop: int) -> None:
    if side < crop:
        raise PaperlibError(f"Q = {side} px is too small: the least is the {crop} px crop of this net")


def five_crops(image: Tensor, crop: int) -> Tensor:
    """The four corners and the centre (5, 3, crop, crop): with their mirrors, AlexNet's ten crops (section 4.1)."""
    return torch.stack(F.five_crop(image, [crop, crop]))


def grid_crops(image: Tensor, crop: int) -> Tensor:
    """The regular 5x5 grid from edge to edge (25, 3, crop, crop), row by row: with their mirrors, VGG's 50 (3.2)."""
    rows, columns = ([round(i * (n - crop) / 4) for i in range(5)] for n in image.shape[-2:])
    return torch.stack([image[:, y : y + crop, x : x + crop] for y in rows for x in columns])
