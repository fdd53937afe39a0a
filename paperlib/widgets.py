"""Explorers for the notebooks: choose, and see at once what the choice costs.

What a page without a kernel shows is the first choice: its report, or its picture as an ordinary output.
"""

from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from itertools import groupby
from typing import Any

import ipywidgets
import torch
from IPython.display import display

from paperlib import figures
from paperlib.anatomy import Row, anatomy, kept_for_backward
from paperlib.deconvnet import cut, project, top_activations
from paperlib.models.densenet import DenseNet
from paperlib.models.resnet import IMAGENET, SMALL, TABLE_1, TABLE_6, Form, ResNet
from paperlib.transforms import RGB, denormalize

COLOURS = ("#1f77b4", "#2ca02c", "#ff7f0e", "#d62728")  # one for each stage


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """Controls above the HTML that `report` makes of their values, anew at every change.

    A page without a kernel shows the report as it was when the notebook was stored, not an empty box.
    """

    def __init__(self, report: Callable[..., str], **controls: ipywidgets.ValueWidget) -> None:
        self.report, self.controls = report, controls
        self.output = ipywidgets.HTML()
        for control in controls.values():
            control.observe(self._show, names="value")
        self._show()
        super().__init__([*controls.values(), self.output])

    def _show(self, change: Any = None) -> None:
        self.output.value = self.report(**{name: control.value for name, control in self.controls.items()})

    def _repr_html_(self) -> str:
        return self.output.value


def resnet_explorer() -> Explorer:
    """Depth, block, shortcut and stride of a ResNet; parameters, multiply-adds, receptive field, memory, drawn."""
    deep = [(IMAGENET, TABLE_1[name][1]) for name in ("resnet18", "resnet34", "resnet101", "resnet152")]
    deep += [(SMALL, TABLE_6[name][1]) for name in ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")]
    options = [(f"{'-'.join(map(str, blocks))} ({form.image_size} px)", (form, blocks)) for form, blocks in deep]
    kinds = {"병목 (1×1, 3×3, 1×1)": "bottleneck", "기본 (3×3 둘)": "basic", "지름길 없음 (3×3 둘)": "plain"}
    block = ipywidgets.Dropdown(options=kinds, description="블록")
    shortcut = ipywidgets.ToggleButtons(options=["A", "B", "C"], value="B", description="지름길")
    stride_on = ipywidgets.ToggleButtons(options=["1x1", "3x3"], description="스트라이드")

    def enable(change: Any = None) -> None:
        """Grey out what the block does not have."""
        shortcut.disabled, stride_on.disabled = block.value == "plain", block.value != "bottleneck"

    enable()
    block.observe(enable, names="value")
    size = ipywidgets.Dropdown(options=options, index=1, description="블록 수")
    return Explorer(_resnet_report, size=size, block=block, shortcut=shortcut, stride_on=stride_on)


def _resnet_report(size: tuple[Form, tuple[int, ...]], block: str, shortcut: str, stride_on: str) -> str:
    form, blocks = size
    classes = 1000 if form == IMAGENET else 10
    option = None if block == "plain" else shortcut
    with torch.device("meta"):
        model = ResNet(form, block, blocks, classes, shortcut=option, stride_on=stride_on)
    table = anatomy(model)
    depth = sum(blocks) * (3 if block == "bottleneck" else 2) + 2
    names = [name for name, row in {**TABLE_1, **TABLE_6}.items() if row == (block, blocks)]
    title = f"{names[0]}, {depth}층" if names else f"{depth}층, 논문에 없는 네트워크"
    memory = kept_for_backward(model) / 2**20
    field = max(row.receptive_field or 0 for row in table)
    facts = {
        "파라미터": f"{table.params:,}",
        "계산량": f"{table.macs / 1e9:.2f} GMAC",
        "수용 영역": f"{field} px",
        "역전파를 위해 두는 값": f"{memory:.1f} MiB (32비트, 한 장)",
    }
    head = ("스테이지", "출력", "파라미터", "MMAC", "수용 영역")
    lines = [_line("th", head)]
    for stage, rows in groupby(list(table)[1:], _stage):
        inside = list(rows)
        last = next(row for row in reversed(inside) if row.receptive_field or stage == "fc")
        shape, seen = "×".join(map(str, last.shape)), last.receptive_field or "모두"
        params, macs = sum(row.params for row in inside), sum(row.macs for row in inside) / 1e6
        lines.append(_line("td", (stage, shape, f"{params:,}", f"{macs:,.1f}", seen)))
    summary = ", ".join(f"{name} <b>{value}</b>" for name, value in facts.items())
    return f"<p><b>{title}</b>: {summary}</p>{_drawn(model)}<table>{''.join(lines)}</table>"


def _stage(row: Row) -> str:
    parts = row.name.split(".")
    return parts[1] if parts[0] == "stages" else "fc" if row.name in ("avgpool", "fc") else "stem"


def _line(tag: str, cells: tuple[object, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"


def _drawn(model: ResNet) -> str:
    """Every block a bar, as high as its map; over it its shortcut: identity, zero padding dashed, projection thick."""
    bars = [(i, block) for i, row in enumerate(model.stages.children()) for block in row.children()]
    step = 640 / len(bars)
    drawing = []
    for k, (i, block) in enumerate(bars):
        left, height = k * step, 100 / 2**i
        drawing.append(
            f'<rect x="{left + 0.15 * step:.1f}" y="{150 - height:.1f}" width="{0.7 * step:.1f}" height="{height:.1f}"'
            f' fill="{COLOURS[i]}"/>'
        )
        if block.shortcut is not None:
            top, kind = 145 - height, type(block.shortcut).__name__
            style = {"Sequential": 'stroke-width="4"', "PadShortcut": 'stroke-dasharray="4 3" stroke-width="2"'}
            drawing.append(
                f'<path d="M{left:.1f} {top:.1f} q{step / 2:.1f} -30 {step:.1f} 0" fill="none" stroke="currentColor"'
                f" {style.get(kind, '')}/>"
            )
    return f'<svg viewBox="0 0 640 155" style="width:100%; max-width:640px">{"".join(drawing)}</svg>'


def densenet_explorer() -> ipywidgets.VBox:
    """A DenseNet for 32 px images of any L, k and theta, with or without bottleneck, drawn; returns the controls."""
    slider = {"continuous_update": False}
    controls = {
        "depth": ipywidgets.IntSlider(100, 10, 250, 6, description="L", **slider),  # 6n + 4: every form has these
        "growth_rate": ipywidgets.IntSlider(12, 4, 48, 4, description="k", **slider),
        "compression": ipywidgets.FloatSlider(0.5, min=0.1, max=1.0, step=0.1, description="θ", **slider),
        "bottleneck": ipywidgets.Checkbox(True, description="병목 (B)"),
    }

    def picture() -> object:
        chosen = {name: control.value for name, control in controls.items()}
        with torch.device("meta"):
            naive, efficient = (DenseNet("small", num_classes=10, memory_efficient=e, **chosen) for e in (False, True))
        table, memory = anatomy(naive), [kept_for_backward(model) / 1e6 for model in (naive, efficient)]
        blocks = [
            [row.shape[0] for row in table if row.name.startswith(f"stages.{name}.") and row.name.endswith(".norm1")]
            for name in ("dense1", "dense2", "dense3")
        ]
        form = "B" * chosen["bottleneck"] + "C" * (chosen["compression"] < 1)
        title = (
            f"DenseNet{'-' * bool(form)}{form}, L = {chosen['depth']}, k = {chosen['growth_rate']}, "
            f"θ = {chosen['compression']:.1f}: 블록마다 {len(blocks[0])}계층\n"
            f"파라미터 {table.params:,}개, {table.macs / 1e6:,.0f} MMAC\n"
            f"역전파를 위해 남는 것: 이미지 한 장에 {memory[0]:,.1f} MB, 재계산하면 {memory[1]:,.1f} MB"
        )
        return figures.channel_stairs([[*read, read[-1] + chosen["growth_rate"]] for read in blocks], title)

    shown = display(picture(), display_id=True)
    for control in controls.values():
        control.observe(lambda _: shown.update(picture()), "value")
    return ipywidgets.VBox(list(controls.values()))


def deconvnet_explorer(
    model: torch.nn.Module, views: torch.Tensor, layers: Sequence[str], mean: RGB, std: RGB
) -> ipywidgets.VBox:
    """The nine strongest units of any map of `layers` in pixels, beside their patches; returns the controls.

    `views` (N, 3, H, W) are searched once for each layer, when it is first chosen. The explorer opens with the last
    layer and the map whose ninth activation is the strongest.
    """
    top = cache(lambda layer: top_activations(model, layer, views))
    layer = ipywidgets.Dropdown(options=list(layers), value=layers[-1], description="계층")
    ninth = top(layer.value).values[:, -1]
    channel = ipywidgets.IntSlider(int(ninth.argmax()), 0, len(ninth) - 1, description="맵", continuous_update=False)

    def picture() -> object:
        strongest, c = top(layer.value), channel.value
        seen, boxes = views[strongest.images[c]], strongest.boxes[c]
        signals = project(model, seen, strongest.layer, strongest.units(c)).cpu()
        patches = cut(denormalize(seen.cpu(), mean, std), boxes)
        values = f"활성값 {strongest.values[c, 0]:.3g} – {strongest.values[c, -1]:.3g}"
        return figures.projections(patches, cut(signals, boxes), f"{strongest.layer}의 맵 {c}, {values}")

    shown = display(picture(), display_id=True)

    def redraw(change: Any = None) -> None:
        shown.update(picture())

    def change_layer(change: Any) -> None:
        channel.unobserve(redraw, "value")
        channel.max = len(top(layer.value).values) - 1  # a map that this layer has not becomes its last one
        channel.observe(redraw, "value")
        redraw()

    layer.observe(change_layer, "value")
    channel.observe(redraw, "value")
    return ipywidgets.VBox([layer, channel])
