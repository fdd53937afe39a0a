"""`fashion-scenes`: Fashion-MNIST items at random scale and place on coloured backgrounds of varying size.

Photographs differ in size, aspect and in how large their object is; the 28x28 originals do not. These scenes do, so
that VGG's scales (S, Q, jitter) have something to measure without a download. A scene depends on (seed, index) alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

SIDES = (48, 160)  # px, both sides of the image
MAX_ASPECT = 2.0
OBJECT_SCALE = (0.4, 0.9)  # side of the 28x28 item over the smaller side of the image


def scene(item: Tensor, seed: int, index: int) -> Tensor:
    """The scene (3, H, W), uint8, that shows the grey `item` (28, 28), uint8."""
    rng = np.random.default_rng((seed, index))
    height, width = _size(rng)
    side = round(min(height, width) * rng.uniform(*OBJECT_SCALE))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)

    background = torch.from_numpy(rng.integers(40, 216, (3, 3, 3), dtype=np.uint8))  # a 3x3 grid of colours
    image = F.resize(background, [height, width], antialias=True).float()
    image += torch.from_numpy(rng.normal(0, 8, (1, height, width)).astype(np.float32))  # grain
    colour = torch.from_numpy(rng.integers(60, 256, 3).astype(np.float32))[:, None, None]

    grey = F.resize(item[None], [side, side], antialias=True).float() / 255  # (1, side, side)
    opacity = (grey * 4).clamp(max=1)  # the dark parts of an item belong to it, not to the background
    window = image[:, top : top + side, left : left + side]
    window.copy_(window * (1 - opacity) + colour * grey * opacity)
    return image.clamp(0, 255).to(torch.uint8)


def _size(rng: np.random.Generator) -> tuple[int, int]:
    while True:
        height, width = (int(n) for n in rng.integers(SIDES[0], SIDES[1] + 1, 2))
        if max(height, width) <= MAX_ASPECT * min(height, width):
            return height, width


class Scenes(Sequence[Tensor]):
    """The scenes of grey items (N, 28, 28), uint8; each is composed when asked for, in some 0.7 ms."""

    def __init__(self, items: Tensor, seed: int) -> None:
        self.items, self.seed = items, seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        return scene(self.items[index], self.seed, index)
