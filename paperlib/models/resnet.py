"""ResNet: He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition".

arXiv 1512.03385. `Block` is eq. (1) and (2), Fig. 2 and 5; `ResNet` is any column of Table 1 and any row of
Table 6, and with block "plain" its twin without shortcuts (Fig. 3, middle).
"""

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Form(NamedTuple):
    """Training crop in pixels, channels of each stage (all but the first halve the map), usual shortcut."""

    image_size: int
    channels: tuple[int, ...]
    shortcut: str


IMAGENET = Form(224, (64, 128, 256, 512), "B")  # Table 1
SMALL = Form(32, (16, 32, 64), "A")  # section 4.2: identity shortcuts in all cases

# The kind of block, and the number of blocks in conv2_x ... conv5_x.
TABLE_1: dict[str, tuple[str, tuple[int, ...]]] = {
    "plain18": ("plain", (2, 2, 2, 2)),
    "plain34": ("plain", (3, 4, 6, 3)),
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}
# Section 4.2 and Table 6: 6n + 2 layers, n blocks of two layers in each of three stages.
TABLE_6: dict[str, tuple[str, tuple[int, ...]]] = {
    **{f"plain{6 * n + 2}": ("plain", (n, n, n)) for n in (3, 5, 7, 9)},
    **{f"resnet{6 * n + 2}": ("basic", (n, n, n)) for n in (3, 5, 7, 9, 18, 200)},
}


class Block(nn.Module):
    """y = relu(F(x) + shortcut(x)): (N, C, H, W) to (N, C', H / stride, W / stride); eq. (1) and (2).

    Without a shortcut it is a block of the plain net, relu(F(x)).
    """

    def __init__(self, residual: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C', H / stride, W / stride): eq. (1), or (2) with a projection."""
        y: Tensor = self.residual(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        y = self.relu(y)
        return y


class PadShortcut(nn.Module):
    """Option A: every `stride`-th pixel, zeros for the `extra` channels; no parameters (section 3.3).

    The paper does not say where they go: "end" is after the old channels, "symmetric" on both sides.
    """

    def __init__(self, extra: int, stride: int, padding: str) -> None:
        super().__init__()
        self.stride = stride
        self.before = 0 if padding == "end" else extra // 2
        self.after = extra - self.before

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C + extra, H / stride, W / stride) (section 3.3, option A)."""
        x = F.avg_pool2d(x, 1, self.stride)  # averages of one pixel: (N, C, H / stride, W / stride)
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))  # (N, C + extra, H / stride, W / stride)


class ResNet(nn.Module):
    """A residual or plain network: (N, 3, H, W) images of any size to (N, num_classes) logits.

    Departs from the paper: ResNet-18 and 34 of Table 2 have option A; the default of all ImageNet nets is B, as in
    Table 3 from 50 layers on.

    Args:
        form: `IMAGENET` (7x7/2 stem and pool) or `SMALL` (3x3 stem of stride 1).
        block: "plain" or "basic" (two 3x3), or "bottleneck" (1x1, 3x3, 1x1 to four times the channels).
        blocks: number of blocks per stage, a row of `TABLE_1` or `TABLE_6`.
        num_classes: units of fc.
        shortcut: "A" pads with zeros where the channels grow, "B" projects there, "C" projects everywhere
            (section 3.3); by default the form's.
        padding: "end" or "symmetric", where option A puts its zero channels.
        stride_on: what halves the map in a bottleneck: the first "1x1" (the paper), or the "3x3" (torchvision, "v1.5").
        zero_init: start the last normalisation of each residual at zero, so that blocks begin as their shortcuts.
            Departs from the paper: it is of Goyal et al., arXiv 1706.02677, section 5.1.
        width: factor on all channels; 1 is the paper's.

    Raises:
        ValueError: an unknown option value, a plain net with `shortcut` or `zero_init`, no channel left by `width`.
    """

    def __init__(
        self,
        form: Form,
        block: str,
        blocks: tuple[int, ...],
        num_classes: int = 1000,
        *,
        shortcut: str | None = None,
        padding: str = "end",
        stride_on: str = "1x1",
        zero_init: bool = False,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        _check("block", block, ("plain", "basic", "bottleneck"))
        if block == "plain" and (shortcut is not None or zero_init):
            raise ValueError("a plain net has no shortcuts: neither shortcut nor zero_init applies")
        shortcut = form.shortcut if shortcut is None and block != "plain" else shortcut
        _check("shortcut", shortcut, ("A", "B", "C", None))
        _check("padding", padding, ("end", "symmetric"))
        _check("stride_on", stride_on, ("1x1", "3x3"))
        channels = [int(c * width) for c in form.channels]
        if channels[0] < 1:
            raise ValueError(f"width {width} leaves no channel; the least is 1/{form.channels[0]}")
        self.image_size = form.image_size
        self.shortcut = shortcut  # None: plain
        self.stride_on = stride_on if block == "bottleneck" else None  # None: only 3x3

        self.stem = _stem(form, channels[0])
        self.stages = nn.ModuleDict()
        inputs = channels[0]
        for stage, (count, maps) in enumerate(zip(blocks, channels, strict=True), start=2):
            row = nn.Sequential()
            for i in range(count):
                stride = 2 if stage > 2 and i == 0 else 1  # conv3_1, conv4_1, conv5_1
                residual = _residual(block, inputs, maps, stride, stride_on)
                outputs = 4 * maps if block == "bottleneck" else maps
                row.append(Block(residual, _shortcut(shortcut, inputs, outputs, stride, padding)))
                inputs = outputs
            self.stages[f"conv{stage}_x"] = row
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, num_classes)

        self.apply(init_he)
        if zero_init:
            for module in self.modules():
                if isinstance(module, Block):
                    nn.init.zeros_(module.residual[-1].weight)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Outputs of the stages by the paper's names: conv2_x ... conv5_x, the small form's to conv4_x.

        For ResNet-50 at 224 px (N, 256, 56, 56), (N, 512, 28, 28), (N, 1024, 14, 14), (N, 2048, 7, 7).
        """
        x = self.stem(x)
        maps = {}
        for name, stage in self.stages.items():
            x = maps[name] = stage(x)
        return maps

    def last_maps(self, x: Tensor) -> Tensor:
        """What the global average takes in: maps (N, C, H / 32, W / 32), of the small form (N, C, H / 4, W / 4)."""
        *_, x = self.features(x).values()
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.fc(torch.flatten(self.avgpool(self.last_maps(x)), 1))  # (N, num_classes)
        return x


def _stem(form: Form, channels: int) -> nn.Sequential:
    conv = nn.Conv2d(3, channels, 7, 2, 3, bias=False) if form == IMAGENET else _conv(3, channels, 3)
    layers = OrderedDict[str, nn.Module](conv1=conv, bn1=nn.BatchNorm2d(channels), relu1=nn.ReLU(inplace=True))
    if form == IMAGENET:
        layers["pool1"] = nn.MaxPool2d(3, 2, 1)  # Table 1 writes it at the head of conv2_x
    return nn.Sequential(layers)


def _residual(block: str, inputs: int, maps: int, stride: int, stride_on: str) -> nn.Sequential:
    """F of eq. (1): normalised right after each convolution (section 3.4), no ReLU after the last."""
    if block == "bottleneck":
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        convs = [_conv(inputs, maps, 1, first), _conv(maps, maps, 3, second), _conv(maps, 4 * maps, 1)]
    else:
        convs = [_conv(inputs, maps, 3, stride), _conv(maps, maps, 3)]
    layers = OrderedDict[str, nn.Module]()
    for i, conv in enumerate(convs, start=1):
        layers[f"conv{i}"] = conv
        layers[f"bn{i}"] = nn.BatchNorm2d(conv.out_channels)
        if conv is not convs[-1]:
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _shortcut(option: str | None, inputs: int, outputs: int, stride: int, padding: str) -> nn.Module | None:
    if option is None:
        return None
    if option == "C" or (option == "B" and inputs != outputs):
        return nn.Sequential(OrderedDict(conv=_conv(inputs, outputs, 1, stride), bn=nn.BatchNorm2d(outputs)))
    return nn.Identity() if inputs == outputs else PadShortcut(outputs - inputs, stride, padding)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)  # the BN's shift is the bias


def _check(option: str, value: str | None, allowed: Collection[str | None]) -> None:
    if value not in allowed:
        raise ValueError(f"{option} must be one of {', '.join(map(repr, filter(None, allowed)))}, not {value!r}")


def init_he(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out for convolutions; BN 1 and 0; fc uniform as PyTorch's, its bias 0.

    Section 3.4 says "as in [13]" (He et al., arXiv 1502.01852), where fan-in (eq. 10) and fan-out (eq. 14) are equally
    good; fan-out, k * k * outputs, is the choice of fb.resnet.torch and of torchvision. The first has fc as here.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def load_torchvision_state(model: ResNet, state: Mapping[str, Tensor]) -> None:
    """Copy the weights of torchvision's ResNet of the same depth into `model`, whose logits are then the same.

    Raises ValueError where equal weights would not give equal logits (another shortcut than "B", or bottlenecks
    with their stride on the 1x1), RuntimeError where a name or shape differs (another depth).
    """
    if model.shortcut != "B":
        raise ValueError(f'torchvision projects where channels grow: build with shortcut="B", not {model.shortcut!r}')
    if model.stride_on == "1x1":
        raise ValueError('torchvision halves the map on the 3x3 convolution: build with stride_on="3x3"')
    model.load_state_dict({_name_here(name): tensor for name, tensor in state.items()})


def _name_here(name: str) -> str:
    """`layer1.0.conv1.weight` is `stages.conv2_x.0.residual.conv1.weight` here."""
    name = re.sub(r"^(conv1|bn1)\.", r"stem.\1.", name)
    name = re.sub(r"^(layer\d\.\d+)\.(conv|bn)", r"\1.residual.\2", name)
    name = name.replace("downsample.0", "shortcut.conv").replace("downsample.1", "shortcut.bn")
    return re.sub(r"^layer(\d)", lambda match: f"stages.conv{int(match[1]) + 1}_x", name)


BUILDERS = {
    name: partial(ResNet, form, block, counts, shortcut=None if block == "plain" else form.shortcut)
    for form, table in ((IMAGENET, TABLE_1), (SMALL, TABLE_6))
    for name, (block, counts) in table.items()
}
