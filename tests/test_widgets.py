"""The explorers without a browser: values are set, the report is read."""

import re

import torch
from IPython.core.formatters import DisplayFormatter
from torch import nn

from paperlib.widgets import _kept_bytes, resnet_explorer


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
    assert "29층, 논문에 없는 망" in explorer.output.value


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


def test_a_page_without_a_kernel_shows_the_report() -> None:
    explorer = resnet_explorer()
    bundle, _ = DisplayFormatter().format(explorer)
    assert bundle["text/html"] == explorer.output.value


def test_kept_bytes_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    image, maps, statistics = 3 * 8 * 8, 4 * 8 * 8, 2 * 4  # BN keeps a mean and a deviation for each channel
    assert _kept_bytes(net, torch.randn(1, 3, 8, 8)) == 4 * (image + maps + maps + statistics)
    net[2] = nn.ReLU()  # its output in a place of its own; what BN made is no longer needed
    assert _kept_bytes(net, torch.randn(1, 3, 8, 8)) == 4 * (image + maps + maps + statistics)
