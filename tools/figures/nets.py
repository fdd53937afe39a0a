"""The architectures at one scale: side and thickness of every feature map from the package's own layer table."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from draw import PAPER, SMALL, Drawing

from paperlib import build
from paperlib.anatomy import Anatomy, anatomy

UP = 7.2  # units for the square root of a map's side in pixels, the same in all four drawings
THICK = 0.62  # units for the square root of its channels


@cache
def table(name: str) -> Anatomy:
    """The layer table of a net for its own image size."""
    with torch.device("meta"):
        return anatomy(build(name))


def thickness(channels: int) -> float:
    return THICK * channels**0.5


def tall(side: int) -> float:
    return UP * side**0.5


def mega(params: int) -> str:
    return f"{params / 1e6:.1f} M"


def output(name: str, layer: str) -> tuple[int, int]:
    """(channels, side) of a layer's output."""
    channels, side, _ = table(name)[layer].shape
    return channels, side


def stages(
    drawing: Drawing, paper: str, groups: Sequence[tuple[str, int, int, int]], *, x: float, y: float, gap: float,
    labels: Callable[[int], str] = str,
) -> list[tuple[float, float]]:  # fmt: skip
    """Draw groups (words below, count, channels, side) of feature maps along a line; returns each group's edges."""
    edges = []
    for words, count, channels, side in groups:
        start, w, h = x, thickness(channels), tall(side)
        for i in range(count):
            end = drawing.slab(x, y, w, h, PAPER[paper])
            x = x + w + 1.8 if i < count - 1 else end
        edges.append((start, x))
        middle = (start + x - h * 0.22) / 2
        drawing.text(middle, y + 82, labels(side), SMALL, "mute")
        drawing.text(middle, y + 98, words, SMALL)
        x = max(x + gap, start)
    return edges


def input_image(drawing: Drawing, x: float, y: float, side: int) -> float:
    """The input as a thin slab with its size below; returns the right edge."""
    end = drawing.slab(x, y, 1.5, tall(side), "ink", 0.06)
    drawing.text(x + 8, y + 82, str(side), SMALL, "mute")
    drawing.text(x + 8, y + 98, "입력", SMALL)
    return end
