"""Views: sizes, aspect, and what the draws decide."""

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paperlib.errors import PaperlibError
from paperlib.protocols import Protocol, check
from paperlib.recipes.recipe import Recipe
from paperlib.transforms import (
    CropViews,
    TestView,
    TrainView,
    denormalize,
    five_crops,
    grid_crops,
    normalize,
    principal_colours,
    rescale,
)

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def ramp(height: int, width: int) -> torch.Tensor:
    """An image whose red channel numbers the columns, whose green channel numbers the rows."""
    columns = torch.arange(width).expand(height, width)
    rows = torch.arange(height)[:, None].expand(height, width)
    return torch.stack([columns, rows, torch.zeros_like(rows)]).to(torch.uint8)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2, 200))
def test_rescale_sets_the_smaller_side_and_keeps_the_aspect(height: int, width: int, side: int) -> None:
    out = rescale(torch.zeros(3, height, width, dtype=torch.uint8), side)
    assert min(out.shape[1:]) == side
    long, short = max(height, width), min(height, width)
    assert max(out.shape[1:]) == side * long // short
    assert (out.shape[1] - out.shape[2]) * (height - width) >= 0  # the longer side stays the longer


def test_normalize_by_hand() -> None:
    image = torch.tensor([100, 50, 200], dtype=torch.uint8)[:, None, None]
    out = normalize(image, (90.0, 60.0, 200.0), (10.0, 5.0, 2.0))
    assert out.flatten().tolist() == [1.0, -2.0, 0.0]
    assert torch.equal(denormalize(out, (90.0, 60.0, 200.0), (10.0, 5.0, 2.0)), image)
    assert denormalize(100 * out, (90.0, 60.0, 200.0), (10.0, 5.0, 2.0)).flatten().tolist() == [255, 0, 200]


def test_the_draws_choose_the_crop_and_the_mirror() -> None:
    view = TrainView((40, 40), 32, True, **PLAIN)
    draws = torch.tensor([[0.5, 0.0, 0.0, 0.9], [0.5, 0.999, 0.999, 0.9], [0.5, 0.5, 0.5, 0.1]])
    first, last, mirrored = view([ramp(40, 60)] * 3, draws)
    assert (first[0, 0, 0], first[1, 0, 0]) == (0, 0)
    assert (last[0, -1, -1], last[1, -1, -1]) == (59, 39)  # the last column and row can be reached
    assert mirrored[0, 0].tolist() == list(range(45, 13, -1))  # left = floor(0.5 * 29) = 14
    assert mirrored[1, 0, 0] == 4  # top = floor(0.5 * 9)
    off = TrainView((40, 40), 32, False, **PLAIN)([ramp(40, 60)], draws[2:])
    assert torch.equal(off[0].flip(-1), mirrored)


@given(st.integers(0, 2**31))
def test_a_batch_in_one_tensor_gives_the_views_of_its_images(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (6, 3, 40, 52), generator=generator, dtype=torch.uint8)
    draws = torch.rand(6, 4, generator=generator)
    for side in (40, 36):
        view = TrainView((side, side), 32, True, (100.0, 90.0, 80.0), (50.0, 60.0, 70.0))
        assert torch.equal(view(images, draws), view(list(images), draws))


def test_s_is_drawn_from_both_ends_of_its_range() -> None:
    """A field of one colour per side: a crop of 32 px out of S px keeps 32 / S of a ramp's height."""
    view = TrainView((32, 64), 32, False, **PLAIN)
    image = ramp(64, 64)
    low, high = view([image] * 2, torch.tensor([[0.0, 0, 0, 1], [0.999, 0, 0, 1]]))
    assert high[0, 0].tolist() == list(range(32))  # S = 64: not resized
    assert low[0, 0, -1] > 60  # S = 32: the whole image


@given(st.integers(20, 90), st.integers(20, 90), st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4))
def test_training_views_have_the_size_of_the_crop(height: int, width: int, draws: list[float]) -> None:
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    view = TrainView((24, 48), 24, True, **PLAIN)(
        [image], torch.tensor([draws], dtype=torch.float64).float().clamp(max=0.9999)
    )
    assert view.shape == (1, 3, 24, 24)
    assert view.dtype == torch.float32


def test_test_views_are_whole_or_the_centre() -> None:
    whole = TestView(40, None, **PLAIN)(ramp(40, 60))
    assert whole.shape == (3, 40, 60)
    centre = TestView(40, 32, **PLAIN)(ramp(40, 60))
    assert centre.shape == (3, 32, 32)
    assert (centre[0, 0, 0], centre[1, 0, 0]) == (14, 4)


def test_padding_is_the_mean_colour_and_the_crop_reaches_every_corner() -> None:
    """ResNet, section 4.2: 4 px on each side, a crop as large as the image. 9 x 9 places of a 28 px crop."""
    view = TrainView((28, 28), 28, False, (200.0, 100.0, 5.0), (2.0, 2.0, 2.0), pad=4)
    images = torch.randint(0, 256, (40, 3, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    draws = torch.rand(40, 4, generator=torch.Generator().manual_seed(1))
    views = view(images, draws)
    padded = torch.nn.functional.pad(normalize(images, (200.0, 100.0, 5.0), (2.0, 2.0, 2.0)), [4] * 4)
    for one, image, u in zip(views, padded, draws.tolist(), strict=True):
        top, left = int(u[1] * 9), int(u[2] * 9)
        assert torch.equal(one, image[:, top : top + 28, left : left + 28])
    assert torch.equal(view(list(images), draws), views)
    corner = view(images[:1], torch.zeros(1, 4))
    assert not corner[:, :, :4].any()
    assert not corner[:, :, :, :4].any()


def test_principal_colours_are_the_covariance_taken_apart() -> None:
    """sum p_i lambda_i p_i^T gives the covariance of the pixels back; by torch.cov, another way."""
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, 5, 7), generator=generator, dtype=torch.uint8) for _ in range(3)]
    steps = torch.tensor(principal_colours(images), dtype=torch.float64) / 255  # rows lambda_i p_i
    values = steps.norm(dim=1)
    assert values.tolist() == sorted(values.tolist(), reverse=True)
    pixels = torch.cat([image.flatten(1) for image in images], dim=1).double() / 255
    covariance = (steps / values[:, None]).T @ steps
    assert torch.allclose(covariance, torch.cov(pixels, correction=0), atol=1e-12)


def test_the_colour_shift_moves_every_pixel_of_a_view_by_the_same_normal_amount() -> None:
    steps = ((30.0, 30.0, 30.0), (3.0, 0.0, -3.0), (0.0, 0.5, 0.0))
    plain = TrainView((8, 8), 8, False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    view = TrainView((8, 8), 8, False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), steps)
    assert (plain.draws, view.draws) == (4, 7)
    images = torch.full((20_000, 3, 8, 8), 100, dtype=torch.uint8)
    draws = torch.rand(len(images), 7, generator=torch.Generator().manual_seed(0))
    shift = view(images, draws) - plain(images, draws)
    assert torch.equal(shift, shift[:, :, :1, :1].expand_as(shift))
    red, green, blue = shift[:, :, 0, 0].T
    assert torch.allclose((red - blue).std(), torch.tensor(0.6), rtol=0.03)  # 0.1 * (3 + 3)
    assert torch.allclose((red + blue).std(), torch.tensor(6.0), rtol=0.03)  # 0.1 * (30 + 30)
    assert torch.allclose((green - (red + blue) / 2).std(), torch.tensor(0.05), rtol=0.03)
    listed = view(list(images[:5]), draws[:5])
    assert torch.equal(listed, view(images[:5], draws[:5]))
    middle = torch.cat([draws[:1, :4], torch.full((1, 3), 0.5)], dim=1)
    assert torch.equal(view(images[:1], middle), plain(images[:1], middle))  # the normal quantile of 1/2 is 0


def corners(views: torch.Tensor) -> list[tuple[int, int]]:
    """(left, top) of crops of a ramp."""
    return [(int(v[0, 0, 0]), int(v[1, 0, 0])) for v in views]


def test_the_grid_by_hand() -> None:
    """From edge to edge; where the four steps are not whole, to the nearest pixel."""
    views = grid_crops(ramp(40, 60), 32)
    assert views.shape == (25, 3, 32, 32)
    assert corners(views) == [(x, y) for y in (0, 2, 4, 6, 8) for x in (0, 7, 14, 21, 28)]
    assert corners(grid_crops(ramp(37, 32), 32)) == [(0, y) for y in (0, 1, 2, 4, 5) for _ in range(5)]
    assert [x for x, _ in corners(grid_crops(ramp(384, 384).clamp(max=255), 224)[:5])] == [0, 40, 80, 120, 160]


def test_the_five_crops_by_hand() -> None:
    assert corners(five_crops(ramp(40, 60), 32)) == [(0, 0), (28, 0), (0, 8), (28, 8), (14, 4)]


@given(st.integers(1, 200), st.integers(1, 200), st.integers(16, 80))
def test_crop_views_have_the_size_of_the_crop(height: int, width: int, side: int) -> None:
    image = ramp(height, width)
    for cut, count in ((five_crops, 5), (grid_crops, 25)):
        views = CropViews(side, 16, (100.0, 0.0, 0.0), (2.0, 1.0, 1.0), cut)(image)
        assert views.shape == (count, 3, 16, 16)
        whole = TestView(side, None, (100.0, 0.0, 0.0), (2.0, 1.0, 1.0))(image)
        assert torch.equal(views[0], whole[:, :16, :16])
        assert torch.equal(views[-1] if count == 25 else views[3], whole[:, -16:, -16:])


def test_a_scale_below_the_crop_is_refused_not_padded() -> None:
    for view in (lambda: TestView(31, 32, **PLAIN), lambda: CropViews(31, 32, cut=grid_crops, **PLAIN)):
        with pytest.raises(PaperlibError, match="Q = 31 px is too small: the least is the 32 px crop"):
            view()


def test_resampling_twice_is_marked_as_a_departure_and_changes_little() -> None:
    """S from the photograph itself against S from what a run keeps of it, its S_max: some 2 of 255 in mean."""
    assert TrainView.__doc__ is not None
    assert "Departs from the paper: a run hands over photographs that it has rescaled to S_max" in TrainView.__doc__
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (8, 3, 20, 30), generator=generator, dtype=torch.uint8)
    view, draws = TrainView((73, 146), 64, True, **PLAIN), torch.rand(8, 4, generator=generator)
    photographs = [rescale(image, 200) for image in coarse]
    change = (view(photographs, draws) - view([rescale(p, 146) for p in photographs], draws)).abs()
    assert 0 < change.mean() < 2.5
    fixed = TrainView((146, 146), 64, True, **PLAIN)
    assert torch.equal(fixed(photographs, draws), fixed([rescale(p, 146) for p in photographs], draws))


def test_a_side_that_no_memory_holds_is_refused_with_the_limit(tiny_recipe: Recipe, tiny_run: Path) -> None:
    for values in ({"test_side": 100_000}, {"sides": (40, 100_000)}, {"crop_side": 4096}):
        with pytest.raises(PaperlibError, match=r"must .*lie in \[1, 2048\]"):
            dataclasses.replace(tiny_recipe, **values)
    for view in (lambda: TestView(2049, None, **PLAIN), lambda: CropViews(2049, 32, cut=grid_crops, **PLAIN)):
        with pytest.raises(PaperlibError, match="Q = 2049 px is too large: the greatest is 2048 px"):
            view()
    for name in ("center", "dense", "multi-crop"):
        with pytest.raises(PaperlibError, match="Q = 100000 px is too large"):
            check(tiny_run, Protocol(name, (100_000,)))
    assert TestView(2048, None, **PLAIN).side == 2048
