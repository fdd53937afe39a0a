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
