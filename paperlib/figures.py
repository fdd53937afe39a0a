"""Arrays and results as figures, labelled in Korean. The only module that imports matplotlib."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.rcsetup import cycler
from torch import Tensor, uint8

from paperlib.errors import PaperlibError

GREY = "#7b7b7b"  # text and axes: a contrast of 4.2 with the white and with the dark page
COLOURS = (  # at least 3.9 with either page
    *("#2a7fd0", "#c2680f", "#22945f", "#d6524a", "#8a63d2"),
    *(GREY, "#c4579f", "#8b7d1a", "#148b8b", "#96704a"),
)
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY),
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 13,
    "axes.titlesize": 13,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "figure.constrained_layout.use": True,
}


def style() -> None:
    """Draw all figures from here on in the style of the book: readable on a white and on a dark page, with Hangul."""
    use_korean_font()
    plt.rcParams.update(STYLE)


def use_korean_font() -> None:
    """Make matplotlib draw Hangul with NanumGothic.

    The font files come with the package koreanize-matplotlib, whose own import fails from Python 3.12 on.
    """
    spec = find_spec("koreanize_matplotlib")
    folder = Path(spec.origin).parent / "fonts" if spec and spec.origin else Path()
    paths = sorted(folder.glob("NanumGothic*.ttf"))
    if not paths:
        raise PaperlibError("no NanumGothic font found; install it with: pip install koreanize-matplotlib")
    for path in paths:
        font_manager.fontManager.addfont(str(path))
    plt.rcParams.update({"font.family": "NanumGothic", "axes.unicode_minus": False})


def image_grid(images: Sequence[Tensor], titles: Sequence[str], columns: int = 5, size: float = 2.0) -> Figure:
    """Images (3, H, W), uint8, in a grid of `columns`, each under its title."""
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, (size + 0.3) * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image.permute(1, 2, 0).cpu().numpy())
        axis.set_title(title, fontsize=10)
    return figure


def overlay(
    image: Tensor,
    maps: Mapping[str, Tensor],
    limits: tuple[float, float] = (0.0, 1.0),
    *,
    sides: Sequence[int] | None = None,
    crop: int = 224,
) -> Figure:
    """An image (3, H, W), uint8, then each map (h, w) of posteriors over it in grey, under its name, three to a row.

    Every map is coloured between `limits`, so that maps can be compared. With `sides`, the Q in px of each map, a cell
    is drawn on the middle 32 px of the `crop` px window that it scores; else each map is stretched over the image.
    """
    height, width = image.shape[-2:]
    columns = min(3, len(maps) + 1)
    rows = -(-(len(maps) + 1) // columns)
    size = (3.0 * columns, (3.0 * height / width + 0.3) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    first, *others = axes.flat
    first.imshow(image.permute(1, 2, 0).cpu().numpy())
    first.set_title(f"{width}×{height} px", fontsize=13)
    grey = image.float().mean(dim=0).cpu().numpy()
    for i, (axis, (title, values)) in enumerate(zip(others, maps.items(), strict=False)):
        extent = (0.0, float(width), float(height), 0.0)
        if sides is not None:
            unit = min(height, width) / sides[i]  # image px in a px of the rescaled image
            edge = (crop - 32) / 2
            bottom, right = ((edge + 32 * n) * unit for n in values.shape)
            extent = (edge * unit, right, bottom, edge * unit)
        axis.imshow(grey, cmap="gray", vmin=0, vmax=255)
        shown = axis.imshow(
            values.cpu().numpy(), cmap="inferno", alpha=0.6, vmin=limits[0], vmax=limits[1], extent=extent
        )
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.set_title(title, fontsize=13)
    if maps:
        figure.colorbar(shown, ax=axes, shrink=0.8).set_label("사후 확률", fontsize=13)
    return figure


def signed(signal: Tensor) -> Tensor:
    """A projection (3, H, W) as a uint8 image: 0 is grey, the largest magnitude black or full."""
    return (127.5 + 127.5 * signal / signal.abs().max().clamp(min=1e-12)).round().to(uint8)


def soften(signal: Tensor) -> Tensor:
    """A projection (3, H, W) whose largest half a percent of values is clipped, so that the eye sees the others."""
    limit = signal.abs().flatten().quantile(0.995)
    return signal.clamp(-limit, limit)


def projections(patches: Sequence[Tensor], signals: Sequence[Tensor], title: str) -> Figure:
    """ZFNet's Figure 2 for one map: k projections (3, h, w) left, each by `signed`, and right their uint8 patches."""
    columns = min(3, len(patches))
    rows = -(-len(patches) // columns)
    figure, axes = plt.subplots(rows, 2 * columns, figsize=(2.2 * columns, 1.1 * rows + 0.4), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for i, (signal, patch) in enumerate(zip(map(signed, signals), patches, strict=True)):
        for half, image in ((0, signal), (columns, patch)):
            axes[i // columns, half + i % columns].imshow(image.permute(1, 2, 0).cpu().numpy())
    figure.suptitle(title, fontsize=12)
    plt.close(figure)
    return figure


def _no_formula(name: str) -> str:
    r"""The name of a class as it is: in a class called `$\frac$` dollars are no formula."""
    return name.replace("$", r"\$")


def occlusion_maps(
    image: Tensor,
    maps: Mapping[str, Tensor],
    projection: Tensor,
    names: Sequence[Sequence[str]],
    square: int,
    stride: int,
) -> Figure:
    """ZFNet's Figure 7: the image (3, H, W), uint8, two maps (n, n), a projection, and the class named in each cell.

    A cell is drawn at the centre of its square; the seven most frequent names get a colour each.
    """
    height, width = image.shape[-2:]
    edge = (square - stride) / 2
    extent = (edge, edge + stride * len(names[0]), edge + stride * len(names), edge)
    figure, axes = plt.subplots(1, 5, figsize=(13, 3.2))
    pictures = {f"이미지, 사각형 {square} px": image, "디컨브넷": signed(projection)}
    for axis, (title, picture) in zip(axes[[0, 2]], pictures.items(), strict=True):
        axis.imshow(picture.permute(1, 2, 0).cpu().numpy())
        axis.set_title(title, fontsize=12)
    axes[0].add_patch(Rectangle((0, 0), square, square, color="0.5"))
    for axis, (title, values) in zip(axes[[1, 3]], maps.items(), strict=True):
        shown = axis.imshow(values.cpu().numpy(), extent=extent)
        axis.set_title(_no_formula(title), fontsize=12)
        figure.colorbar(shown, ax=axis, location="bottom", shrink=0.8)
    counts = Counter(name for row in names for name in row)
    common = [name for name, _ in counts.most_common(7)]
    codes = [[common.index(name) if name in common else 7 for name in row] for row in names]
    colours = plt.get_cmap("Set2")
    axes[4].imshow(codes, extent=extent, cmap=colours, vmin=-0.5, vmax=7.5, interpolation="nearest")
    axes[4].set_title("가장 그럴듯한 클래스", fontsize=12)
    for i, name in enumerate(common):
        axes[4].plot([], [], "s", color=colours(i), label=_no_formula(name))
    axes[4].legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=9, ncols=2, frameon=False)
    for axis in axes:
        axis.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    plt.close(figure)
    return figure


def learning_curves(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Training (dashed) and validation (solid) top-1 error of each run, from the rows of its metrics.csv."""
    figure, axis = plt.subplots(figsize=(5.6, 3.8))
    for name, rows in runs.items():
        epochs = [row["epoch"] for row in rows]
        (line,) = axis.plot(epochs, [row["val_top1_error"] for row in rows], label=f"{name} 검증")
        axis.plot(epochs, [row["train_top1_error"] for row in rows], "--", color=line.get_color(), label=f"{name} 학습")
    axis.locator_params(axis="x", integer=True)
    axis.set_xlabel("에폭")
    axis.set_ylabel("top-1 오류 (%)")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def channel_stairs(blocks: Sequence[Sequence[int]], title: str) -> Figure:
    """Channels through a DenseNet: for each dense block the channels its layers read and, last, those it gives."""
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    start = 0
    for number, channels in enumerate(blocks, start=1):
        axis.bar(range(start, start + len(channels)), channels, width=1.0, label=f"밀집 블록 {number}")
        last = len(channels) - 1
        axis.text(start - 0.7, channels[0], str(channels[0]), ha="right", va="center", fontsize=12)
        axis.text(start + last, channels[last], str(channels[last]), ha="center", va="bottom", fontsize=12)
        start += len(channels) + 1 + len(channels) // 5  # a gap for the transition
    axis.set_xticks([])
    axis.set_xlabel("계층 (틈은 전이 계층)", fontsize=13)
    axis.set_ylabel("채널", fontsize=13)
    axis.set_title(title, fontsize=12, loc="left", linespacing=1.5)
    axis.legend(fontsize=12)
    axis.spines[["top", "right"]].set_visible(False)
    plt.close(figure)  # whoever asked shows it; a notebook would draw it once more
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG into a folder that is made where it is missing; PaperlibError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, bbox_inches="tight")
    except OSError as error:
        raise PaperlibError(f"cannot write {path} ({error}); choose another folder with --out") from error
    return path
