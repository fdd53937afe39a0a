"""ZFNet: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks".

arXiv 1311.2901. `ZFNet` is Figure 3, or with the maps of `MAPS["zfnet_b"]` the net (b) of Table 2, whole or with the
changes of Table 3. How its features are made visible is in `paperlib.deconvnet`.
"""

from collections import OrderedDict
from functools import partial
from math import sqrt

import torch
from torch import Tensor, nn

from paperlib.models.layers import LocalResponseNorm

# Maps of layers 1 to 5
MAPS = {
    "zfnet": (96, 256, 384, 384, 256),  # Figure 3, Table 2 (a)
    "zfnet_b": (96, 256, 512, 1024, 512),  # Table 2 (b)
}
HIDDEN = 4096  # units of layers 6 and 7


class ZFNet(nn.Module):
    """Figure 3: (N, 3, H, W) images to (N, num_classes) logits, no groups (section 3).

    The sides of Figure 3, 224 -> 110/55/26/13/13/13/13/6, need pools in ceil mode: the last window may reach beyond the
    map. Strides do not change with `image_size`, so at any size the network differs from AlexNet as the paper's does:
    64 px leave 30/15/6/3/3/3/3/1. With `conv2_stride=1` they leave 30/15/11/5/5/5/5/2, larger maps to look at.

    Args:
        maps: maps of layers 1 to 5, a row of `MAPS`.
        num_classes: units of layer 8.
        width: factor on all maps and hidden units; 1 is the paper's.
        image_size: side of the training crop in pixels; only the inputs of fc6 depend on it.
        hidden: units of fc6 and fc7, by default 4096 * width; 2048 and 8192 in Table 3.
        removed: digits of the layers left out, "34", "7", "67" or "3467" in Table 3. Departs from the paper: there they
            are taken from its copy of AlexNet.
        conv2_stride: stride of layer 2; 2 in the paper.
        dropout: probability of dropping a unit of fc6 and fc7 (section 3).
        batch_norm: batch normalisation after each convolution. Departs from the paper: it is of 2015.

    Raises:
        ValueError: `image_size` is too small for the pools (the least is 47 px, or 35 with `conv2_stride=1`), `width`
            leaves no map, `removed` names another layer than 3, 4, 6, 7, or `conv2_stride` is not 1 or 2.
    """

    def __init__(
        self,
        maps: tuple[int, int, int, int, int],
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        image_size: int = 224,
        hidden: int | None = None,
        removed: str = "",
        conv2_stride: int = 2,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if conv2_stride not in (1, 2):
            raise ValueError(f"conv2_stride must be 1 or 2, not {conv2_stride}")
        least = 4 * (3 * conv2_stride + 5) + 3  # of which conv2 makes 4x4, the pools 2x2 and 1x1
        if image_size < least:
            raise ValueError(f"image_size {image_size} is too small for strides and pools; the least is {least}")
        if min(maps) * width < 1:
            raise ValueError(f"width {width} leaves no map; the least is 1/{min(maps)}")
        if set(removed) - set("3467"):
            raise ValueError(f"removed must be digits among 3, 4, 6, 7, not {removed!r}")
        self.image_size = image_size
        hidden = int(HIDDEN * width) if hidden is None else hidden

        # Layer: kernel, stride, padding, and what follows the ReLU: p(ool), n(orm)
        figure_3 = {
            "1": (7, 2, 1, "pn"),
            "2": (5, conv2_stride, 0, "pn"),
            "3": (3, 1, 1, ""),
            "4": (3, 1, 1, ""),
            "5": (3, 1, 1, "p"),
        }
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs, side = 3, image_size
        for (i, (kernel, stride, padding, then)), full in zip(figure_3.items(), maps, strict=True):
            if i in removed:
                continue
            outputs = int(full * width)
            layers[f"conv{i}"] = nn.Conv2d(inputs, outputs, kernel, stride, padding)
            if batch_norm:
                layers[f"bn{i}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
            side = (side + 2 * padding - kernel) // stride + 1
            if "p" in then:  # before the normalisation; AlexNet pools after it
                layers[f"pool{i}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
                side = side // 2
            if "n" in then:  # AlexNet's constants: the paper says "contrast normalized" and gives none
                layers[f"norm{i}"] = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
            inputs = outputs
        self.features = nn.Sequential(layers)
        self.classifier = _classifier(inputs * side**2, hidden, num_classes, dropout, removed)
        self._initialise(width, side)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of crops (N, 3, image_size, image_size)."""
        x = self.features(x)  # (N, 256, 6, 6)
        logits: Tensor = self.classifier(torch.flatten(x, 1))  # (N, num_classes)
        return logits

    def _initialise(self, width: float, side: int) -> None:
        """Weights N(0, 0.01^2), biases 0.

        Departs from the paper: "weights initialised to 10^-2" (section 3), taken at its word, makes all filters of a
        layer equal, and they stay so, but for the few at the ends of a normalisation, which have fewer neighbours;
        10^-2 is read as a standard deviation, as in AlexNet. And a layer that has the share s of the paper's inputs
        takes N(0, 0.01^2 / s), since signals of a narrow network would fade; s counts `width` and `image_size`
        alone, not `hidden` or `removed`: at width 1 and 224 px it is 1.
        """
        first, *_ = self.classifier.named_children()  # fc6, unless removed
        shares = {"conv1": 1.0, first[0]: width * (side / 6) ** 2}
        for name, layer in [*self.features.named_children(), *self.classifier.named_children()]:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                weight, bias = layer.parameters()
                nn.init.normal_(weight, std=0.01 / sqrt(shares.get(name, width)))
                nn.init.zeros_(bias)


def _classifier(inputs: int, hidden: int, num_classes: int, dropout: float, removed: str) -> nn.Sequential:
    """Layers 6, 7 and 8 without those that are `removed`."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in "67":
        if i not in removed:
            layers[f"fc{i}"] = nn.Linear(inputs, hidden)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
            layers[f"drop{i}"] = nn.Dropout(dropout)
            inputs = hidden
    layers["fc8"] = nn.Linear(inputs, num_classes)
    return nn.Sequential(layers)


@torch.no_grad()
def renormalize_filters(model: nn.Module, limit: float = 0.1) -> int:
    """Scale every convolution filter of `model` whose RMS exceeds `limit` down to that RMS (section 3), in place.

    To be called after each step of the optimizer. Returns the number of filters it changed. The paper's limit is meant
    for inputs in about [-128, 128].
    """
    changed = 0
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            rms = layer.weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()  # (maps, 1, 1, 1)
            layer.weight.mul_(torch.where(rms > limit, limit / rms, 1.0))
            changed += int((rms > limit).sum())
    return changed


BUILDERS = {name: partial(ZFNet, maps) for name, maps in MAPS.items()}
