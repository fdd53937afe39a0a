"""Figures: Hangul is drawn with glyphs, and nothing is dropped."""

import matplotlib
import pytest
import torch

from paperlib import figures
from paperlib.errors import PaperlibError

matplotlib.use("agg")


def test_hangul_is_drawn_with_glyphs() -> None:
    """A missing glyph is a warning of matplotlib's, and a warning fails a test."""
    figures.use_korean_font()
    rows = [{"epoch": e, "val_top1_error": 50.0 - e, "train_top1_error": 55.0 - e} for e in (1.0, 2.0)]
    figures.learning_curves({"합성곱": rows}).canvas.draw()


def test_a_missing_font_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    with pytest.raises(PaperlibError, match="pip install koreanize-matplotlib"):
        figures.use_korean_font()


def test_every_image_and_map_has_its_panel() -> None:
    images = [torch.zeros(3, 8, 8, dtype=torch.uint8)] * 7
    figure = figures.image_grid(images, [str(i) for i in range(7)], columns=3)
    assert [a.get_title() for a in figure.axes if a.images] == [str(i) for i in range(7)]
    figure = figures.overlay(images[0], {"a": torch.rand(2, 2), "b": torch.rand(3, 3)})
    assert {"a", "b"} <= {a.get_title() for a in figure.axes}


def test_a_projection_is_grey_where_it_is_zero() -> None:
    """Each of the three channels by the one scale of the signal, so that colours stay what they are."""
    signal = torch.tensor([0.0, 4.0, -2.0])[:, None, None]
    assert figures.signed(signal).flatten().tolist() == [128, 255, 64]
    assert figures.signed(torch.zeros(3, 2, 2)).unique().tolist() == [128]


def test_projections_stand_left_of_their_patches() -> None:
    """Five units in two rows of three: columns 0 to 2 hold signals, 3 to 5 patches, of whatever sizes."""
    patches = [torch.full((3, 4 + i, 4), 10 * i, dtype=torch.uint8) for i in range(5)]
    signals = [torch.full((3, 4 + i, 4), 1.0 + i) for i in range(5)]
    figure = figures.projections(patches, signals, "conv5 3")
    shown = [axis.images[0].get_array()[0, 0, 0] if axis.images else None for axis in figure.axes]
    assert shown == [255, 255, 255, 0, 10, 20, 255, 255, None, 30, 40, None]


def test_occlusion_maps_lie_on_the_places_of_their_squares() -> None:
    """A 4 px square in 16 px, 4 px apart: 4x4 places whose centres are 2 px to 14 px."""
    figures.use_korean_font()
    image, signal = torch.zeros(3, 16, 16, dtype=torch.uint8), torch.ones(3, 16, 16)
    names = [["dog"] * 4, ["cat"] * 4, ["dog"] * 4, ["ball", "dog", "dog", "dog"]]
    maps = {"relu5 7": torch.rand(4, 4), "dog": torch.rand(4, 4)}
    figure = figures.occlusion_maps(image, maps, signal, names, square=4, stride=4)
    figure.canvas.draw()
    _first, activation, _, probability, label = figure.axes[:5]
    assert [axis.get_title() for axis in (activation, probability)] == ["relu5 7", "dog"]
    assert activation.images[0].get_extent() == label.images[0].get_extent() == [0, 16, 16, 0]
    assert torch.equal(torch.tensor(label.images[0].get_array().data)[:, 0], torch.tensor([0, 1, 0, 2]))
    assert [text.get_text() for text in label.get_legend().get_texts()] == ["dog", "cat", "ball"]
