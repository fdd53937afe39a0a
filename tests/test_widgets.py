"""Explorers without a browser: what is shown at first, and again when a control moves."""

import re
from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from paperlib import build, figures, widgets
from paperlib.deconvnet import cut, project, top_activations
from paperlib.widgets import resnet_explorer

matplotlib.use("agg")


class Shown(list[Any]):
    """Stands for the notebook: keeps every picture in the order in which it appeared."""

    def display(self, picture: Any, *, display_id: bool) -> "Shown":
        assert display_id
        self.append(picture)
        return self

    def update(self, picture: Any) -> None:
        self.append(picture)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    figures.style()
    notebook = Shown()
    monkeypatch.setattr(widgets, "display", notebook.display)
    yield notebook
    assert matplotlib.pyplot.get_fignums() == []  # nothing that a notebook would draw a second time


def heights(figure: Any) -> list[int]:
    return [int(bar.get_height()) for bar in figure.axes[0].patches]


def test_densenet_explorer_shows_a_first_choice_and_follows_its_controls(shown: Shown) -> None:
    depth, growth_rate, compression, bottleneck = widgets.densenet_explorer().children
    title = shown[0].axes[0].get_title(loc="left")
    assert "DenseNet-BC, L = 100, k = 12" in title
    assert "769,162개, 288 MMAC" in title
    assert "34.9 MB, 재계산하면 12.7 MB" in title
    assert heights(shown[0])[:17] == [24 + 12 * layer for layer in range(17)]
    assert heights(shown[0])[17] == 216 // 2

    depth.value, bottleneck.value, compression.value = 40, False, 1.0
    assert len(shown) == 4
    title = shown[-1].axes[0].get_title(loc="left")
    assert "DenseNet, L = 40" in title
    assert "1,019,722개" in title
    assert heights(shown[-1]) == [16 + 12 * layer + 144 * block for block in range(3) for layer in range(13)]
    growth_rate.value = 24
    assert heights(shown[-1])[1] == 16 + 24
    shown[-1].canvas.draw()  # every letter has its glyph


def test_densenet_explorer_offers_only_depths_that_exist(shown: Shown) -> None:
    controls = widgets.densenet_explorer().children
    depth, bottleneck = controls[0], controls[3]
    for with_bottleneck in (True, False):
        bottleneck.value = with_bottleneck
        for chosen in (depth.min, depth.min + depth.step, depth.max):
            depth.value = chosen
            assert f"L = {chosen}" in shown[-1].axes[0].get_title(loc="left")


def test_the_resnet_explorer_opens_with_the_papers_resnet50() -> None:
    explorer = resnet_explorer()
    report = explorer.output.value
    for fact in ("resnet50, 50층", "25,557,032", "3.86 GMAC", "483 px", "2048×7×7"):
        assert fact in report
    # Parameters by stage add up to all of them; the heading is no number.
    stages = [int(n.replace(",", "")) for n in re.findall(r"<td>[\d×]+</td><td>([\d,]+)</td>", report)]
    assert (len(stages), sum(stages)) == (6, 25_557_032)


def test_every_control_of_the_resnet_explorer_changes_the_report() -> None:
    explorer = resnet_explorer()
    explorer.controls["stride_on"].value = "3x3"
    assert "4.09 GMAC" in explorer.output.value
    explorer.controls["shortcut"].value = "C"
    assert "40,128,552" in explorer.output.value
    explorer.controls["block"].value = "plain"
    assert "plain34, 34층" in explorer.output.value
    assert "21,623,848" in explorer.output.value
    explorer.controls["size"].label = "3-3-3 (32 px)"
    assert "plain20, 20층" in explorer.output.value
    explorer.controls["block"].value = "bottleneck"
    assert "29층, 논문에 없는 네트워크" in explorer.output.value


def test_controls_that_a_block_does_not_have_are_grey() -> None:
    controls = resnet_explorer().controls
    for block, grey in (("bottleneck", (False, False)), ("basic", (False, True)), ("plain", (True, True))):
        controls["block"].value = block
        assert (controls["shortcut"].disabled, controls["stride_on"].disabled) == grey


def test_shortcuts_are_drawn_as_what_they_are() -> None:
    explorer = resnet_explorer()
    explorer.controls["block"].value = "basic"

    def drawn(option: str) -> tuple[int, int, int, int]:
        explorer.controls["shortcut"].value = option
        marks = ("<rect", "<path", "dasharray", 'stroke-width="4"')
        bars, arcs, padded, projected = (explorer.output.value.count(mark) for mark in marks)
        return bars, arcs, padded, projected

    assert drawn("A") == (16, 16, 3, 0)  # ResNet-34: three times the channels grow
    assert drawn("B") == (16, 16, 0, 3)
    assert drawn("C") == (16, 16, 0, 16)
    explorer.controls["block"].value = "plain"
    assert explorer.output.value.count("<path") == 0


def test_the_deconvnet_explorer_follows_layer_and_map(shown: Shown) -> None:
    """It opens with the strongest map of the last layer; a map that the next layer lacks becomes its last one."""
    torch.manual_seed(0)
    net = build("zfnet", 4, width=1 / 24, image_size=64).eval()
    views = 40 * torch.randn(12, 3, 64, 64)
    arguments = (net, views, ("relu1", "relu2", "relu4"), (128.0,) * 3, (1.0,) * 3)
    layer, channel = widgets.deconvnet_explorer(*arguments).children
    strongest = int(top_activations(net, "relu4", views).values[:, -1].argmax())
    assert (layer.value, channel.value, channel.max) == ("relu4", strongest, 15)
    channel.value = 15
    layer.value = "relu1"
    titles = [picture.get_suptitle() for picture in shown]
    assert len(titles) == 3  # one picture a change, also where the map changes with the layer
    assert titles[0].startswith(f"relu4의 맵 {strongest}, 활성값 ")
    assert titles[1].startswith("relu4의 맵 15, ")
    assert titles[-1].startswith("relu1의 맵 3, ")
    assert len(shown[0].axes) == 2 * 9
    top = top_activations(net, "relu1", views)
    drawn = shown[-1].axes[0].images[0].get_array()
    pixels = cut(project(net, views[top.images[3]], "relu1", top.units(3)), top.boxes[3])[0]
    assert (torch.from_numpy(drawn.copy()) == figures.signed(pixels).permute(1, 2, 0)).all()


def test_a_page_without_a_kernel_shows_the_report() -> None:
    explorer = resnet_explorer()
    bundle, _ = DisplayFormatter().format(explorer)
    assert bundle["text/html"] == explorer.output.value
