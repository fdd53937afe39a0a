"""Figures: Hangul is drawn with glyphs, and nothing is dropped."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch

from paperlib import figures
from paperlib.errors import PaperlibError

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _style_ends_with_the_test() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever another test has set
        matplotlib.use("agg")
        yield


def contrast(colour: str, page: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        values = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)]
        return 0.2126 * values[0] + 0.7152 * values[1] + 0.0722 * values[2]

    low, high = sorted((luminance(colour), luminance(page)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#14181e"])
def test_the_style_is_readable_on_a_white_and_on_a_dark_page(page: str) -> None:
    """3 is asked for of graphics and large text, 4.5 of small text; a grey has at most 4.2 with both pages."""
    figures.style()
    assert matplotlib.rcParams["savefig.facecolor"] == matplotlib.rcParams["axes.facecolor"] == "none"
    assert contrast(matplotlib.rcParams["xtick.color"], page) > 4.2
    assert contrast(matplotlib.rcParams["text.color"], page) > 4.2
    assert all(contrast(colour, page) > 3.8 for colour in figures.COLOURS)


def test_a_saved_figure_is_transparent(tmp_path: Path) -> None:
    figures.style()
    path = figures.save(figures.learning_curves({"a": []}), tmp_path / "x" / "curves.png")
    corner = matplotlib.image.imread(path)[0, 0]
    assert corner[3] == 0


def test_the_korean_font_changes_nothing_but_the_font() -> None:
    matplotlib.rcParams["figure.constrained_layout.use"] = False
    before = dict(matplotlib.rcParams)
    figures.use_korean_font()
    changed = {key for key, value in matplotlib.rcParams.items() if value != before[key]}
    assert changed == {"font.family", "axes.unicode_minus"}


def test_an_image_without_a_map_is_shown_alone() -> None:
    figure = figures.overlay(torch.zeros(3, 8, 8, dtype=torch.uint8), {})
    assert [axis.get_title() for axis in figure.axes] == ["8×8 px"]


def test_the_largest_values_of_a_projection_are_clipped() -> None:
    """Of 1 to 200 the largest half a percent is above 199.005."""
    signal = torch.arange(1.0, 201)
    assert figures.soften(signal).max() == pytest.approx(199.005)
    assert figures.soften(-signal).min() == pytest.approx(-199.005)
    assert torch.equal(figures.soften(signal)[:199], signal[:199])


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
    names = [["dog"] * 4, ["cat"] * 4, ["dog"] * 4, [r"$\frac$", "dog", "dog", "dog"]]
    maps = {"relu5 7": torch.rand(4, 4), "dog": torch.rand(4, 4)}
    figure = figures.occlusion_maps(image, maps, signal, names, square=4, stride=4)
    figure.canvas.draw()
    _first, activation, _, probability, label = figure.axes[:5]
    assert [axis.get_title() for axis in (activation, probability)] == ["relu5 7", "dog"]
    assert activation.images[0].get_extent() == label.images[0].get_extent() == [0, 16, 16, 0]
    assert torch.equal(torch.tensor(label.images[0].get_array().data)[:, 0], torch.tensor([0, 1, 0, 2]))
    assert [text.get_text() for text in label.get_legend().get_texts()] == ["dog", "cat", r"\$\frac\$"]
