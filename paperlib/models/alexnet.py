"""AlexNet: Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks".

NIPS 2012. `AlexNet` is Figure 2, the net of two groups of maps (one a GPU), from which ZFNet starts. torchvision's
AlexNet cannot lend its weights: it is the single tower of 2014 (arXiv 1404.5997), with 64, 192, 384, 256, 256 maps
and no normalisation.
"""

from collections import OrderedDict
from math import sqrt

import torch
from torch import Tensor, nn

from paperlib.models.layers import LocalResponseNorm

# Figure 2: maps, kernel, stride, groups, and what follows the ReLU: n(orm), p(ool)
LAYERS = {
    "1": (96, 11, 4, 1, "np"),
    "2": (256, 5, 1, 2, "np"),
    "3": (384, 3, 1, 1, ""),  # the one layer where the two GPUs see each other's maps
    "4": (384, 3, 1, 2, ""),
    "5": (256, 3, 1, 2, "p"),
}
HIDDEN = 4096  # units of fc6 and fc7


class AlexNet(nn.Module):
    """Figure 2 of 2012: (N, 3, H, W) images to (N, num_classes) logits.

    The text crops 224 px, but windows 11/4 tile 227 px: (227 - 11) / 4 + 1 = 55. A side that they tile is taken without
    padding; any other, 224 and 64 among them, gets 2 px of zeros on each side, which gives 55 of 224 as well (the last
    padded line stays unseen). Strides do not change with `image_size`: 64 px leave 15/7/3/3/3/3 and 1x1 for fc6.

    Args:
        num_classes: units of fc8.
        width: factor on all maps (rounded down to even, for the two groups) and hidden units; 1 is the paper's.
        image_size: side of the training crop in pixels.
        hidden: units of fc6 and fc7; by default 4096 * width.
        dropout: probability of dropping a unit of fc6 and fc7 (section 4.2).
        batch_norm: batch normalisation after each convolution. Departs from the paper: it is of 2015.

    Raises:
        ValueError: `image_size` is below 64 px (the pools leave nothing), or `width` leaves no map.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        image_size: int = 224,
        hidden: int | None = None,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if image_size < 64:
            raise ValueError(f"image_size {image_size} is too small for stride 4 and three pools; the least is 64")
        if width * 96 < 2:
            raise ValueError(f"width {width} leaves no map in each group; the least is 1/48")
        self.image_size = image_size
        hidden = int(HIDDEN * width) if hidden is None else hidden

        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = 3
        padding = 0 if (image_size - 11) % 4 == 0 else 2
        side = image_size
        for i, (maps, kernel, stride, groups, then) in LAYERS.items():
            outputs = 2 * int(maps * width / 2)
            layers[f"conv{i}"] = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups)
            if batch_norm:
                layers[f"bn{i}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
            side = (side + 2 * padding - kernel) // stride + 1
            if "n" in then:  # section 3.3; PyTorch divides alpha by the window of 5, the paper does not
                layers[f"norm{i}"] = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
            if "p" in then:  # section 3.4: windows of 3 every 2 overlap
                layers[f"pool{i}"] = nn.MaxPool2d(3, 2)
                side = (side - 3) // 2 + 1
            inputs, padding = outputs, 2 if i == "1" else 1  # from here on the padding keeps the size
        self.features = nn.Sequential(layers)
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(inputs * side**2, hidden),
                relu6=nn.ReLU(inplace=True),
                drop6=nn.Dropout(dropout),
                fc7=nn.Linear(hidden, hidden),
                relu7=nn.ReLU(inplace=True),
                drop7=nn.Dropout(dropout),
                fc8=nn.Linear(hidden, num_classes),
            )
        )
        self._initialise(width, side)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of crops (N, 3, image_size, image_size)."""
        x = self.features(x)  # (N, 256, 6, 6)
        logits: Tensor = self.classifier(torch.flatten(x, 1))  # (N, num_classes)
        return logits

    def _initialise(self, width: float, side: int) -> None:
        """Section 5: weights N(0, 0.01^2); biases 1 in layers 2, 4, 5, 6, 7, so that their ReLUs start awake, else 0.

        Departs from the paper: a layer that has the share s of the paper's inputs takes N(0, 0.01^2 / s), since signals
        of a narrow network would fade. s counts `width` and `image_size` alone, at width 1 and 224 px it is 1.
        """
        shares = {"conv1": 1.0, "fc6": width * (side / 6) ** 2}
        for name, layer in [*self.features.named_children(), *self.classifier.named_children()]:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                weight, bias = layer.parameters()
                nn.init.normal_(weight, std=0.01 / sqrt(shares.get(name, width)))
                nn.init.constant_(bias, float(name in ("conv2", "conv4", "conv5", "fc6", "fc7")))


BUILDERS = {"alexnet": AlexNet}
