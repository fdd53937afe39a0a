"""Explorers without a browser: what is shown at first, and again when a control moves."""

from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest

from paperlib import figures, widgets

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
    figures.use_korean_font()
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
