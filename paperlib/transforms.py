"""The views of the papers: what a network sees of an image in training and in testing.

An image is a uint8 RGB tensor (3, H, W); a view makes normalised float tensors of it. Nothing here draws random
numbers: a training view is given them, uniform in [0, 1), so that the same numbers give the same view in any process.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from paperlib.errors import PaperlibError
from paperlib.values import MAX_SIDE

Images = Sequence[Tensor] | Tensor  # uint8 RGB (3, H, W) each
View = Callable[[Tensor], Tensor]  # from an image to the input of a network
RGB = tuple[float, float, float]
Shifts = tuple[RGB, RGB, RGB]


def rescale(image: Tensor, side: int) -> Tensor:
    """`image` (..., H, W) resized so that its smaller side is `side` px, its aspect kept (VGG, section 3.1)."""
    if min(image.shape[-2:]) == side:
        return image
    return F.resize(image, [side], antialias=True)


def normalize(images: Tensor, mean: RGB, std: RGB) -> Tensor:
    """float32 `(images - mean) / std` per channel; mean and std in units of the 8-bit image, [0, 255]."""
    return F.normalize(images.float(), list(mean), list(std))


def denormalize(views: Tensor, mean: RGB, std: RGB) -> Tensor:
    """The uint8 images that views (..., 3, H, W) were normalised from."""
    unit, zero = (torch.tensor(values, device=views.device)[:, None, None] for values in (std, mean))
    return (views * unit + zero).round().clamp(0, 255).to(torch.uint8)


# ImageNet's eigenvalues and eigenvectors as fb.resnet.torch publishes them, for RGB in [0, 1].
_IMAGENET = (
    (0.2175, (-0.5675, -0.5808, -0.5836)),
    (0.0188, (0.7192, -0.0045, -0.6948)),
    (0.0045, (0.4009, -0.8140, 0.4203)),
)
IMAGENET_COLOURS: Shifts = tuple(tuple(255 * value * p for p in vector) for value, vector in _IMAGENET)  # type: ignore


def principal_colours(images: Iterable[Tensor]) -> Shifts:
    """The three steps lambda_i p_i of AlexNet's colour shift (its section 4.1), from all pixels of uint8 RGB images.

    lambda_i and p_i are eigenvalues, largest first, and eigenvectors of the covariance of RGB in [0, 1]; steps are in
    units of the 8-bit image. The paper's product depends on the unit of the pixels, which it does not give.
    """
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for image in images:
        pixels = image.cpu().flatten(1).double() / 255
        count += pixels.shape[1]
        total += pixels.sum(dim=1)
        squares += pixels @ pixels.T
    mean = total / count
    values, vectors = torch.linalg.eigh(squares / count - mean[:, None] * mean)
    steps = 255 * values * vectors  # columns, smallest first
    return tuple(tuple(steps[:, i].tolist()) for i in (2, 1, 0))  # type: ignore[return-value]


@dataclass(frozen=True)
class TrainView:
    """VGG's training view (section 3.1): rescale to S drawn from [S_min; S_max], random crop, mirror, colour shift.

    `sides`: (S_min, S_max) in px, both included, equal for single-scale training. `crop`: side of the crop in px.
    `pad`: px of mean colour around the image before it is cropped (ResNet, section 4.2). `colours`: the steps of
    `principal_colours`; each view is shifted by a_1, a_2, a_3 times them, a_i ~ N(0, 0.1^2).

    Departs from the paper: `std` divides what the paper only centres.
    Departs from the paper: a run hands over photographs that it has rescaled to S_max, to save time and memory, so
    that a view of S < S_max is resampled twice. On Caltech-101 with S in [73; 146] values change by 2.5 of 255 in mean.
    """

    sides: tuple[int, int]
    crop: int
    mirror: bool
    mean: RGB
    std: RGB
    colours: Shifts | None = None
    pad: int = 0

    @property
    def draws(self) -> int:
        """How many numbers a view takes: for S, top, left, mirror, and one for each colour step."""
        return 4 if self.colours is None else 7

    def __call__(self, images: Sequence[Tensor] | Tensor, draws: Tensor) -> Tensor:
        """Views (N, 3, crop, crop) of N images of any sizes, by numbers (N, `self.draws`), uniform in [0, 1).

        Images in one tensor (N, 3, H, W) with a fixed S are cropped all at once, on their device.
        """
        if isinstance(images, Tensor) and self.sides[0] == self.sides[1]:
            views = self._views(self._padded(rescale(images, self.sides[0])), draws.to(images.device))
        else:
            views = torch.stack([self._view(image, u) for image, u in zip(images, draws.tolist(), strict=True)])
        if self.colours is not None:
            normal = torch.special.ndtri(draws[:, 4:].double().clamp(1e-6, 1 - 1e-6))
            shift = 0.1 * normal @ torch.tensor(self.colours, dtype=torch.float64)  # (N, 3)
            views = views.float() + shift[:, :, None, None].to(views.device, torch.float32)
        return normalize(views, self.mean, self.std)

    def _padded(self, image: Tensor) -> Tensor:
        if not self.pad:
            return image
        edge = torch.tensor(self.mean).round().to(image)[:, None, None]  # zero once normalised, but for rounding
        return F.pad(image - edge, [self.pad], 0) + edge  # uint8 wraps around, and back

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
        image = self._padded(rescale(image, low + int(u[0] * (high - low + 1))))
        top = int(u[1] * (image.shape[-2] - self.crop + 1))
        left = int(u[2] * (image.shape[-1] - self.crop + 1))
        view = image[..., top : top + self.crop, left : left + self.crop]
        return view.flip(-1) if self.mirror and u[3] < 0.5 else view


@dataclass(frozen=True)
class TestView:
    """VGG's test view (section 3.2): rescale to Q; the whole image, or its central square where `crop` is given.

    Raises PaperlibError for a Q below the crop, which would have to be padded, or above `MAX_SIDE`.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    side: int
    crop: int | None
    mean: RGB
    std: RGB

    def __post_init__(self) -> None:
        _check_scale(self.side, self.crop or 1)

    def __call__(self, image: Tensor) -> Tensor:
        """The view (3, h, w) of one image (3, H, W)."""
        view = rescale(image, self.side)
        if self.crop is not None:
            view = F.center_crop(view, [self.crop, self.crop])
        return normalize(view, self.mean, self.std)


@dataclass(frozen=True)
class CropViews:
    """Square crops of an image rescaled to Q: `cut` is `center_crop`, `five_crops` or `grid_crops`.

    Raises PaperlibError for a Q below the crop or above `MAX_SIDE`.
    """

    side: int
    crop: int
    mean: RGB
    std: RGB
    cut: Callable[[Tensor, int], Tensor]

    def __post_init__(self) -> None:
        _check_scale(self.side, self.crop)

    def __call__(self, image: Tensor) -> Tensor:
        """The views (V, 3, crop, crop) of one image (3, H, W)."""
        return normalize(self.cut(rescale(image, self.side), self.crop), self.mean, self.std)


def _check_scale(side: int, crop: int) -> None:
    if side < crop:
        raise PaperlibError(f"Q = {side} px is too small: the least is the {crop} px crop of this model")
    if side > MAX_SIDE:
        raise PaperlibError(f"Q = {side} px is too large: the greatest is {MAX_SIDE} px")


def center_crop(image: Tensor, crop: int) -> Tensor:
    """The central square, as the one view of a stack (1, 3, crop, crop)."""
    return F.center_crop(image, [crop, crop])[None]


def five_crops(image: Tensor, crop: int) -> Tensor:
    """The four corners and the centre (5, 3, crop, crop): with their mirrors, AlexNet's ten crops (section 4.1)."""
    return torch.stack(F.five_crop(image, [crop, crop]))


def grid_crops(image: Tensor, crop: int) -> Tensor:
    """The regular 5x5 grid from edge to edge (25, 3, crop, crop), row by row: with their mirrors, VGG's 50 (3.2)."""
    rows, columns = ([round(i * (n - crop) / 4) for i in range(5)] for n in image.shape[-2:])
    return torch.stack([image[:, y : y + crop, x : x + crop] for y in rows for x in columns])
