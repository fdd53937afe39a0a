"""DenseNet: Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks".

arXiv 1608.06993. `DenseLayer` is H_l of eq. (2), `DenseBlock` Fig. 1, `Transition` the layer between two blocks
(section 3), `DenseNet` any column of Table 1 and any row of Table 2: plain, -B, -C and -BC. The memory-efficient
form is of Pleiss et al., "Memory-Efficient Implementation of DenseNets", arXiv 1707.06990.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Layers per dense block by depth. The net called 264 has 265 layers with weights by the count of the other four.
TABLE_1: dict[int, tuple[int, ...]] = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),  # not in the last version of the paper; growth rate 48, from the authors' repository
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
IMAGE_SIZE = {"imagenet": 224, "small": 32}  # side of the training crop, pixels


def layers_per_block(form: str, depth: int, bottleneck: bool) -> tuple[int, ...]:
    """Layers of each dense block of a net of `depth` layers: Table 1, or (depth - 4) / 3 in three equal blocks.

    The four layers outside the blocks are the stem, two transitions and the classifier; a bottleneck layer counts
    as two. Raises ValueError, with the rule, for a depth or form that does not exist.
    """
    if form not in IMAGE_SIZE:
        raise ValueError(f"form must be one of {', '.join(map(repr, IMAGE_SIZE))}, not {form!r}")
    if form == "imagenet":
        if depth not in TABLE_1 or not bottleneck:
            raise ValueError(f"ImageNet nets have bottlenecks and depth {', '.join(map(str, TABLE_1))}, not {depth}")
        return TABLE_1[depth]
    per_layer = 6 if bottleneck else 3
    if depth <= 4 or (depth - 4) % per_layer:
        kind = "with" if bottleneck else "without"
        raise ValueError(f"depth {kind} bottleneck must be {per_layer}n + 4 (n layers in each block), not {depth}")
    return ((depth - 4) // per_layer,) * 3


class DenseLayer(nn.Module):
    """H_l of eq. (2): BN-ReLU-conv3x3, with bottleneck BN-ReLU-conv1x1-BN-ReLU-conv3x3 (section 3).

    Takes all earlier maps of its block, (N, k_i, H, W) each, oldest first; returns the new ones, (N, k, H, W).
    """

    def __init__(self, inputs: int, growth_rate: int, bottleneck: bool, dropout: float, memory_efficient: bool) -> None:
        super().__init__()
        self.bottleneck, self.dropout, self.memory_efficient = bottleneck, dropout, memory_efficient
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        if bottleneck:
            width = 4 * growth_rate
            self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(width)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(inputs, growth_rate, 3, padding=1, bias=False)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """H_l of eq. (2): new maps (N, k, H, W) from all earlier ones, (N, k_i, H, W) each."""
        recompute = self.memory_efficient and self.training and torch.is_grad_enabled()
        x: Tensor = self.read_twice(*maps) if recompute else self.read(*maps)
        x = F.dropout(x, self.dropout, self.training)
        if self.bottleneck:
            x = self.conv2(self.relu2(self.norm2(x)))  # (N, 4k, H, W) to (N, k, H, W)
            x = F.dropout(x, self.dropout, self.training)
        return x

    def read(self, *maps: Tensor) -> Tensor:
        """Concatenation, BN, ReLU and first convolution: its intermediate maps are the quadratic share of memory."""
        x: Tensor = torch.cat(maps, 1)  # eq. (2): [x_0, x_1, ..., x_{l-1}]
        x = self.conv1(self.relu1(self.norm1(x)))
        return x

    def read_twice(self, *maps: Tensor) -> Tensor:
        """`read` that keeps none of its intermediate maps and makes them anew in backward (arXiv 1707.06990)."""
        once = partial(checkpoint, self.read, *maps, use_reentrant=False, preserve_rng_state=False)
        if torch.compiler.is_compiling():  # knows no context_fn, and needs none: compiled graphs count a batch once
            return once()
        return once(context_fn=lambda: (nullcontext(), _lent_buffers(self.norm1)))


@contextmanager
def _lent_buffers(norm: nn.BatchNorm2d) -> Iterator[None]:
    """Inside, `norm` updates copies of its running statistics: backward must not count the batch a second time."""
    buffers = dict(norm.named_buffers())
    for name, buffer in buffers.items():
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for name, buffer in buffers.items():
            setattr(norm, name, buffer)


class DenseBlock(nn.Sequential):
    """All maps of all layers, (N, C, H, W) to (N, C + layers * k, H, W), in the order [old, new] (Fig. 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """All maps (N, C + layers * k, H, W) from the first (N, C, H, W): each layer reads all before it (eq. 2)."""
        maps = [x]
        for layer in self:
            maps.append(layer(maps))
        return torch.cat(maps, 1)


class Transition(nn.Module):
    """BN-ReLU-conv1x1 and a 2x2 average pool: (N, C, H, W) to (N, outputs, H / 2, W / 2) (section 3).

    Section 3 names no ReLU here; the caption of Table 1 does ("conv" stands for BN-ReLU-conv), the official code too.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, outputs, H / 2, W / 2) (section 3)."""
        x = self.conv(self.relu(self.norm(x)))  # (N, outputs, H, W)
        x = self.pool(F.dropout(x, self.dropout, self.training))  # (N, outputs, H / 2, W / 2)
        return x


class DenseNet(nn.Module):
    """A densely connected network: (N, 3, H, W) images of any size to (N, num_classes) logits.

    Args:
        form: "imagenet" (7x7/2 stem and pool, four blocks of Table 1) or "small" (3x3 stem, three equal blocks).
        depth: layers with weights, L of Table 2 or a key of `TABLE_1`.
        growth_rate: k, the maps that each layer adds; the measure of width.
        num_classes: units of the classifier.
        bottleneck: 1x1 convolution to 4k maps before each 3x3 (-B).
        compression: theta, the share of maps that a transition lets through, rounded down; below 1 it is -C.
        dropout: probability of dropping a value after each convolution but the first (section 4.2: 0.2 on data
            without augmentation). torchvision drops after the 3x3 convolutions only.
        memory_efficient: while training, recompute concatenation, BN and ReLU instead of keeping them: memory grows
            with the depth, not its square; outputs, gradients and running statistics stay the same. It serves the
            form without bottleneck as well, since the recomputation stops before the convolution.

    Raises:
        ValueError: an unknown form, a depth that the form cannot have, a compression outside (0, 1].
    """

    def __init__(
        self,
        form: str,
        depth: int,
        growth_rate: int,
        num_classes: int = 1000,
        *,
        bottleneck: bool = True,
        compression: float = 0.5,
        dropout: float = 0.0,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        blocks = layers_per_block(form, depth, bottleneck)
        if not 0 < compression <= 1:
            raise ValueError(f"compression must lie in (0, 1], not {compression}")
        self.image_size = IMAGE_SIZE[form]
        # Section 3, implementation details: twice the growth rate for -BC and on ImageNet, else 16.
        channels = 2 * growth_rate if form == "imagenet" or (bottleneck and compression < 1) else 16

        self.stem = _stem(form, channels)
        self.stages = nn.ModuleDict()
        for b, count in enumerate(blocks, start=1):
            if b > 1:
                self.stages[f"transition{b - 1}"] = Transition(channels, int(channels * compression), dropout)
                channels = int(channels * compression)
            self.stages[f"dense{b}"] = block = DenseBlock()
            for i in range(1, count + 1):
                block.add_module(f"layer{i}", DenseLayer(channels, growth_rate, bottleneck, dropout, memory_efficient))
                channels += growth_rate
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        self.apply(init_he)

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Outputs of the dense blocks and transitions by name: dense1, transition1, dense2, ...

        For DenseNet-121 at 224 px dense1 is (N, 256, 56, 56), dense4 (N, 1024, 7, 7), before the last BN and ReLU.
        """
        x = self.stem(x)
        maps = {}
        for name, stage in self.stages.items():
            x = maps[name] = stage(x)
        return maps

    def last_maps(self, x: Tensor) -> Tensor:
        """What the global average takes in: maps (N, C, H / 32, W / 32), of the small form (N, C, H / 4, W / 4)."""
        *_, x = self.features(x).values()
        x = self.relu(self.norm(x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.avgpool(self.last_maps(x))  # (N, C, 1, 1)
        x = self.classifier(torch.flatten(x, 1))  # (N, num_classes)
        return x


def _stem(form: str, channels: int) -> nn.Sequential:
    if form == "small":
        return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, channels, 3, padding=1, bias=False)))
    conv = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
    norm, relu, pool = nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(OrderedDict(conv=conv, norm=norm, relu=relu, pool=pool))


def init_he(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out for convolutions; BN 1 and 0; classifier uniform as PyTorch's, bias 0.

    The paper cites He et al., arXiv 1502.01852; fan-out (k * k * outputs) is the official Torch code's choice.
    torchvision, which calls its own initialisation the official one, takes fan-in.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def connection_weights(model: DenseNet) -> dict[str, Tensor]:
    """Fig. 5: for each dense block, the mean absolute weight that each reader (column) gives each source (row).

    Sources are the maps that enter the block, then those of each of its layers; readers are the first convolution of
    each layer, then the transition or classifier behind the block. NaN where a reader comes before a source.
    """
    blocks = {name: stage for name, stage in model.stages.items() if isinstance(stage, DenseBlock)}
    behind = [stage.conv.weight for stage in model.stages.values() if isinstance(stage, Transition)]
    matrices = {}
    for (name, block), last in zip(blocks.items(), [*behind, model.classifier.weight], strict=True):
        layers = [layer for layer in block.children() if isinstance(layer, DenseLayer)]
        readers = [*(layer.conv1.weight for layer in layers), last]  # (outputs, inputs, ...) each
        inputs, growth_rate = readers[0].shape[1], readers[1].shape[1] - readers[0].shape[1]
        matrices[name] = matrix = torch.full((len(readers), len(readers)), torch.nan)
        for column, weight in enumerate(readers):
            parts = weight.detach().split([inputs] + column * [growth_rate], dim=1)
            matrix[: column + 1, column] = torch.stack([part.abs().mean() for part in parts])
    return matrices


def load_torchvision_state(model: DenseNet, state: Mapping[str, Tensor]) -> None:
    """Copy the weights of torchvision's DenseNet of the same depth into `model`, whose logits are then the same.

    The names of its published files (`norm.1`) are read as well as those of its models (`norm1`). Raises
    RuntimeError where a name or shape differs (another depth).
    """
    model.load_state_dict({_name_here(name): tensor for name, tensor in state.items()})


def _name_here(name: str) -> str:
    """`features.denseblock1.denselayer1.conv1.weight` is `stages.dense1.layer1.conv1.weight` here."""
    name = re.sub(r"^features\.(conv|norm)0\.", r"stem.\1.", name)
    name = re.sub(r"^features\.norm5\.", "norm.", name)
    name = re.sub(r"^features\.(dense|transition)(?:block)?(\d)\.", r"stages.\1\2.", name)
    return re.sub(r"\.denselayer(\d+)\.(norm|conv)\.?(\d)\.", r".layer\1.\2\3.", name)


def densenet_bc(
    num_classes: int = 1000,
    *,
    depth: int = 100,
    growth_rate: int = 12,
    dropout: float = 0.0,
    memory_efficient: bool = False,
) -> DenseNet:
    """DenseNet-BC of any depth L = 6n + 4 and growth rate k for small images."""
    return DenseNet("small", depth, growth_rate, num_classes, dropout=dropout, memory_efficient=memory_efficient)


_plain = partial(DenseNet, "small", bottleneck=False, compression=1.0)  # Table 2, without B and C
BUILDERS: dict[str, Callable[..., DenseNet]] = {
    "densenet40_k12": partial(_plain, 40, 12),
    "densenet100_k12": partial(_plain, 100, 12),
    "densenet100_k24": partial(_plain, 100, 24),
    "densenet_bc": densenet_bc,
    "densenet_bc100_k12": partial(DenseNet, "small", 100, 12),
    "densenet_bc250_k24": partial(DenseNet, "small", 250, 24),
    "densenet_bc190_k40": partial(DenseNet, "small", 190, 40),
    **{f"densenet{depth}": partial(DenseNet, "imagenet", depth, 48 if depth == 161 else 32) for depth in TABLE_1},
}
