"""The model as a convolution over the uncropped image: dense evaluation of VGG (section 3.2) and ResNet (3.4)."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.errors import PaperlibError
from paperlib.evaluate import MEMORY, Predictor, average, mirrored, one_view
from paperlib.models.densenet import DenseNet
from paperlib.models.resnet import ResNet
from paperlib.models.vgg import VGG
from paperlib.modes import evaluation_mode
from paperlib.transforms import RGB, TestView

Pool = Literal["gap", "logit", "prob"]


class ConvolvedLinear(nn.Module):
    """A fully-connected layer as a `kernel` x `kernel` convolution that shares the parameters of `linear`.

    Computed as a matrix product over the windows: a convolution would copy the weights of fc6, 411 MB, at every call.
    """

    def __init__(self, linear: nn.Linear, kernel: int) -> None:
        super().__init__()
        self.weight, self.bias, self.kernel = linear.weight, linear.bias, kernel

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, outputs, H - kernel + 1, W - kernel + 1) (VGG, section 3.2)."""
        windows = x.unfold(2, self.kernel, 1).unfold(3, self.kernel, 1)  # (N, C, h, w, kernel, kernel)
        windows = windows.permute(0, 2, 3, 1, 4, 5).flatten(3)  # (N, h, w, C * kernel * kernel)
        return F.linear(windows, self.weight, self.bias).permute(0, 3, 1, 2)  # (N, outputs, h, w)


class FullyConvolutional(nn.Module):
    """A VGG whose fully-connected layers are convolutions: fc6 7x7, fc7 and fc8 1x1, on the parameters of `model`.

    Nothing is copied: training one trains the other. Maps (N, 3, H, W), H and W of at least `model.image_size`, to a
    score map (N, classes, h, w). `h` is one more than the number of 32 px steps by which the feature map exceeds
    that of a training crop.
    """

    def __init__(self, model: VGG) -> None:
        super().__init__()
        self.image_size = model.image_size
        self.features = model.features
        self.classifier = nn.Sequential()
        kernel = model.image_size // 32
        for name, layer in model.classifier.named_children():
            if isinstance(layer, nn.Linear):
                layer, kernel = ConvolvedLinear(layer, kernel), 1
            self.classifier.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Score map (N, classes, h, w) of images (N, 3, H, W). PaperlibError where a side is too small."""
        _least(x, self.image_size)
        return self.classifier(self.features(x))  # (N, 512, H / 32, W / 32) to (N, classes, h, w)


class AveragedWindows(nn.Module):
    """A model that ends in a global average and a linear layer, with a score for each window of its last maps.

    A window has the side of the last maps of a `crop` px image (7 cells for 224 px) and moves by one cell, so that a
    crop has one score, the model's. Images (N, 3, H, W), H and W of at least `crop`, to (N, classes, h, w). Nothing is
    copied.
    """

    def __init__(self, model: ResNet | DenseNet, crop: int | None = None) -> None:
        super().__init__()
        self.model, self.image_size = model, crop or model.image_size
        linear = model.fc if isinstance(model, ResNet) else model.classifier
        self.classifier = ConvolvedLinear(linear, 1)
        with torch.inference_mode(), evaluation_mode(model):
            parameter = next(model.parameters())
            self.window = model.last_maps(parameter.new_zeros(1, 3, self.image_size, self.image_size)).shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Score map (N, classes, h, w) of images (N, 3, H, W). PaperlibError where a side is too small."""
        _least(x, self.image_size)
        return self.classifier(F.avg_pool2d(self.model.last_maps(x), self.window, stride=1))


def _least(x: Tensor, side: int) -> None:
    if min(x.shape[-2:]) < side:
        size = f"{x.shape[-1]}x{x.shape[-2]} px"
        raise PaperlibError(f"dense evaluation of a {size} image: the least side is {side} px")


def fully_convolutional(model: nn.Module, crop: int | None = None) -> FullyConvolutional | AveragedWindows:
    """`model`, a VGG, ResNet or DenseNet trained on `crop` px images, as a model from images of any size to score maps.

    Raises PaperlibError for another model.
    """
    if isinstance(model, VGG):
        return FullyConvolutional(model)
    if isinstance(model, (ResNet, DenseNet)):
        return AveragedWindows(model, crop)
    raise PaperlibError(f"dense evaluation takes a VGG, ResNet or DenseNet, not {type(model).__name__}")


class SpatialAverage(nn.Module):
    """Average the score map over all positions (VGG, section 3.2); the caller applies the softmax."""

    def __init__(self, model: FullyConvolutional | AveragedWindows, pool: Pool) -> None:
        super().__init__()
        self.model, self.pool = model, pool

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, 3, H, W) (VGG, section 3.2)."""
        scores = self.model(x).flatten(2)  # (N, classes, h * w)
        if self.pool == "logit":
            return scores.mean(dim=2)
        return scores.softmax(dim=1).mean(dim=2).log()  # logits whose softmax is the mean posterior


def dense(
    model: nn.Module,
    sides: Sequence[int],
    mean: RGB,
    std: RGB,
    *,
    crop: int | None = None,
    pool: Pool | None = None,
    mirror: bool = True,
    memory: float = MEMORY,
) -> Predictor:
    """The dense predictor of a VGG (section 3.2), ResNet (section 3.4) or DenseNet, over the scales Q in `sides`.

    For each Q: rescale the image, average its score map over positions, apply softmax, and average with the mirror
    image. Then average over all Q. VGG's paper does not say whether the map holds scores before or after the softmax:
    `pool="logit"` (VGG's default) averages before, `"prob"` after. ResNet and DenseNet default to `"gap"`: the
    unchanged model runs on the larger image, and its global average pooling covers the whole map.
    `crop`: side of the training crops in px, by default the `image_size` of the model. `memory` as in `many_views`.

    Raises PaperlibError for another model, for `pool="gap"` with VGG, and where a Q is below the training size.
    """
    convolved = fully_convolutional(model, crop)
    for side in sides:
        if side < convolved.image_size:
            least = f"the least for this model is its training size, {convolved.image_size} px"
            raise PaperlibError(f"Q = {side} px is too small: {least}")
    if pool == "gap" and isinstance(convolved, FullyConvolutional):
        raise PaperlibError("pool 'gap' needs a model that ends in a global average; VGG has none")
    pool = pool or ("logit" if isinstance(convolved, FullyConvolutional) else "gap")
    pooled = model if pool == "gap" else SpatialAverage(convolved, pool)
    scales = [one_view(pooled, TestView(side, None, mean, std), memory) for side in sides]
    return average(*(mirrored(scale) if mirror else scale for scale in scales))
