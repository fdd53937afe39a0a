"""VGG: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition".

arXiv 1409.1556. `VGG` is any column of Table 1, written down in `TABLE_1`; layers carry the names of the
authors' released networks (`conv1_1` ... `fc8`).
"""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from paperlib.models.layers import LocalResponseNorm

# Kernel sizes per stage; every stage ends in a 2x2 max pool. "n" is a local response normalisation.
TABLE_1: dict[str, tuple[str, ...]] = {
    "vgg11": ("3", "3", "33", "33", "33"),  # A
    "vgg11_lrn": ("3n", "3", "33", "33", "33"),  # A-LRN
    "vgg13": ("33", "33", "33", "33", "33"),  # B
    "vgg13_5x5": ("5", "5", "5", "5", "5"),  # B, each pair of 3x3 as one 5x5 (section 4.1)
    "vgg16_1x1": ("33", "33", "331", "331", "331"),  # C
    "vgg16": ("33", "33", "333", "333", "333"),  # D
    "vgg19": ("33", "33", "3333", "3333", "3333"),  # E
}
CHANNELS = (64, 128, 256, 512, 512)  # section 2.2: doubled after every pool until 512
HIDDEN = 4096  # units of fc6 and fc7


class VGG(nn.Module):
    """One column of Table 1: (N, 3, H, W) images to (N, num_classes) logits.

    `features` maps (N, 3, H, W) to (N, 512 * width, H // 32, W // 32); `classifier` takes the flattened map.

    Args:
        stages: kernel sizes of the five stages, a row of `TABLE_1`.
        num_classes: units of fc8.
        width: factor on all channels and hidden units; 1 is the paper's.
        image_size: side of the training crop in pixels; only the inputs of fc6 depend on it.
        hidden: units of fc6 and fc7; by default 4096 * width.
        dropout: probability of dropping a unit of fc6 and fc7 (section 3.1).
        batch_norm: batch normalisation after each convolution. Departs from the paper: it is of 2015.
        init_std: standard deviation of normal initial weights; by default Glorot's. Section 3.1 says "10^-2 variance",
            0.1 here, which explodes on inputs of [-128, 128]; 0.01, a usual reading, dies in the deep columns.

    Raises:
        ValueError: `image_size` is below 32 px (five pools leave nothing), or `width`, `hidden` or `num_classes`
            leaves no channel or unit.
    """

    def __init__(
        self,
        stages: tuple[str, ...],
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        image_size: int = 224,
        hidden: int | None = None,
        dropout: float = 0.5,
        batch_norm: bool = False,
        init_std: float | None = None,
    ) -> None:
        super().__init__()
        if image_size < 32:
            raise ValueError(f"image_size {image_size} is too small for five 2x2 pools; the least is 32")
        if CHANNELS[0] * width < 1:
            raise ValueError(f"width {width} leaves no channel; the least is 1/{CHANNELS[0]}")
        self.image_size = image_size
        channels = [int(c * width) for c in CHANNELS]
        hidden = int(HIDDEN * width) if hidden is None else hidden
        if min(hidden, num_classes) < 1:
            raise ValueError(f"hidden and num_classes must be at least 1, not {hidden} and {num_classes}")

        self.features = nn.Sequential(_layers(stages, channels, batch_norm))
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(channels[-1] * (image_size // 32) ** 2, hidden),
                relu6=nn.ReLU(inplace=True),
                drop6=nn.Dropout(dropout),
                fc7=nn.Linear(hidden, hidden),
                relu7=nn.ReLU(inplace=True),
                drop7=nn.Dropout(dropout),
                fc8=nn.Linear(hidden, num_classes),
            )
        )
        self.apply(init_glorot if init_std is None else partial(init_normal, std=init_std))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of crops (N, 3, image_size, image_size)."""
        x = self.features(x)  # (N, 512, H / 32, W / 32)
        return self.classifier(torch.flatten(x, 1))  # (N, num_classes)


def _layers(stages: tuple[str, ...], channels: list[int], batch_norm: bool) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for stage, (symbols, outputs) in enumerate(zip(stages, channels, strict=True), start=1):
        for i, symbol in enumerate(symbols, start=1):
            if symbol == "n":  # AlexNet's constants (section 2.1); PyTorch divides alpha by the window
                layers[f"norm{stage}"] = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
                continue
            kernel = int(symbol)
            layers[f"conv{stage}_{i}"] = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
            if batch_norm:
                layers[f"bn{stage}_{i}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{stage}_{i}"] = nn.ReLU(inplace=True)
            inputs = outputs
        layers[f"pool{stage}"] = nn.MaxPool2d(2, 2)
    return layers


def init_glorot(module: nn.Module) -> None:
    """Glorot & Bengio's uniform initialisation with zero biases, which section 3.1 found sufficient."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_normal(module: nn.Module, std: float) -> None:
    """Normal weights of mean 0 and standard deviation `std`, zero biases (section 3.1)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


# Section 3.1: the first four convolutions and the fully-connected layers. Counted through the net only the first of
# the four fits a deeper column (the second is 64 to 128 maps in A, 64 to 64 there); counted in its stage each does.
NET_A = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")


def start_from_net_a(model: VGG, net_a: VGG) -> None:
    """Copy the layers `NET_A` of the trained net A into a deeper column; none is held fixed later (section 3.1).

    A batch normalisation goes with its convolution. Raises ValueError, naming the layer, where one does not fit.
    """
    lent = net_a.state_dict()
    taken = {}
    for key, mine in model.state_dict().items():
        name = key.split(".")[1]  # features.conv1_1.weight
        if name.replace("bn", "conv") in NET_A:
            if key not in lent or lent[key].shape != mine.shape:
                raise ValueError(f"net A has no {key} of shape {tuple(mine.shape)} to lend")
            taken[key] = lent[key]
    model.load_state_dict(taken, strict=False)


def load_torchvision_state(model: VGG, state: Mapping[str, Tensor]) -> None:
    """Copy the weights of torchvision's VGG of the same column into `model`, whose logits are then the same.

    torchvision numbers the layers (`features.0.weight`) that have the names of the paper's nets here, in the same
    order. Raises RuntimeError where a layer or shape differs (another column).
    """
    names = {}
    for part in ("features", "classifier"):
        for number, (name, _) in enumerate(getattr(model, part).named_children()):
            names[f"{part}.{number}"] = f"{part}.{name}"
    renamed = {}
    for key, tensor in state.items():
        layer, _, parameter = key.rpartition(".")
        renamed[f"{names.get(layer, layer)}.{parameter}"] = tensor
    model.load_state_dict(renamed)


BUILDERS = {name: partial(VGG, stages) for name, stages in TABLE_1.items()}
