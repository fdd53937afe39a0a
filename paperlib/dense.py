"""VGG's dense evaluation (section 3.2): the net as a convolution over the whole, uncropped image."""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.errors import PaperlibError
from paperlib.evaluate import MEMORY, Predictor, average, mirrored, one_view
from paperlib.models.vgg import VGG
from paperlib.transforms import RGB, TestView

Pool = Literal["logit", "prob"]


class ConvolvedLinear(nn.Module):
    """A fully-connected layer as a `kernel` x `kernel` convolution, with the very parameters of `linear`."""

    def __init__(self, linear: nn.Linear, kernel: int) -> None:
        super().__init__()
        self.weight, self.bias, self.kernel = linear.weight, linear.bias, kernel

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.unflatten(1, (-1, self.kernel, self.kernel))  # (outputs, C, kernel, kernel)
        return F.conv2d(x, weight, self.bias)


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
        if min(x.shape[-2:]) < self.image_size:
            size = f"{x.shape[-1]}x{x.shape[-2]} px"
            raise PaperlibError(f"dense evaluation of a {size} image: the least side is {self.image_size} px")
        return self.classifier(self.features(x))  # (N, 512, H / 32, W / 32) to (N, classes, h, w)


def fully_convolutional(model: VGG) -> FullyConvolutional:
    """`model` as a map from images of any size to score maps; see `FullyConvolutional`."""
    return FullyConvolutional(model)


class _Pooled(nn.Module):
    """The spatial average of a score map as one vector of logits."""

    def __init__(self, net: FullyConvolutional, pool: Pool) -> None:
        super().__init__()
        self.net, self.pool = net, pool

    def forward(self, x: Tensor) -> Tensor:
        scores = self.net(x).flatten(2)  # (N, classes, h * w)
        if self.pool == "logit":
            return scores.mean(dim=2)
        return scores.softmax(dim=1).mean(dim=2).log()  # logits whose softmax is the mean posterior


def dense(
    model: VGG,
    sides: Sequence[int],
    mean: RGB,
    std: RGB,
    *,
    pool: Pool = "logit",
    mirror: bool = True,
    memory: float = MEMORY,
) -> Predictor:
    """The dense predictor of section 3.2, over the scales Q in `sides`.

    Each image is rescaled to Q, its score map averaged over space, softmax taken; the posteriors of the image and of
    its mirror are averaged, then those of all Q. The paper does not say whether the map holds scores before or after
    the softmax: `pool="logit"` averages before, `"prob"` after. `memory` as in `many_views`.

    Raises PaperlibError where a Q is below the training size.
    """
    for side in sides:
        if side < model.image_size:
            least = f"the least for this net is its training size, {model.image_size} px"
            raise PaperlibError(f"Q = {side} px is too small: {least}")
    net = _Pooled(fully_convolutional(model), pool)
    scales = [one_view(net, TestView(side, None, mean, std), memory) for side in sides]
    return average(*(mirrored(scale) if mirror else scale for scale in scales))
