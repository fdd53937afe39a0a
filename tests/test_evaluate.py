"""Counting errors over images, and predictors made of predictors."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as F

from paperlib import build
from paperlib.evaluate import (
    Difference,
    _bytes,
    average,
    center,
    errors,
    evaluate,
    low_to_high,
    many_views,
    mirrored,
    multi_crop,
    one_view,
    paired,
    predict_all,
    spread,
    ten_crop,
)
from paperlib.transforms import CropViews, TestView, five_crops, normalize, rescale

MEAN, STD = (120.0, 115.0, 100.0), (60.0, 60.0, 60.0)


def small() -> nn.Module:
    torch.manual_seed(0)
    model = build("vgg11", 5, width=0.125, image_size=32, hidden=32)
    for parameter in model.classifier.parameters():  # type: ignore[union-attr]
        parameter.data *= 3  # posteriors that differ from 1/5
    return model


def photographs(*sizes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def table(posteriors: Tensor):
    """A predictor that looks the posterior up by the image's first pixel."""
    return lambda images: torch.stack([posteriors[int(image[0, 0, 0])] for image in images])


def numbered(count: int) -> list[Tensor]:
    return [torch.full((3, 2, 2), i, dtype=torch.uint8) for i in range(count)]


def test_top_k_by_hand() -> None:
    posteriors = torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.05, 0.1], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]])
    labels = torch.tensor([3, 0])
    assert errors(posteriors, labels, 1).tolist() == [True, False]
    assert errors(posteriors, labels, 2).tolist() == [False, False]
    assert errors(posteriors, torch.tensor([4, 0]), 5).tolist() == [True, False]  # the least probable of six
    assert errors(posteriors[:, :3], torch.tensor([0, 0]), 5).tolist() == [False, False]  # fewer classes than k


def test_errors_are_counted_over_images_not_averaged_over_batches() -> None:
    """5 images in batches of 2: the lone last one weighs as much as the others, not as a batch."""
    posteriors = torch.eye(7)[torch.tensor([0, 1, 2, 3, 0])]
    labels = torch.tensor([0, 1, 2, 3, 6])
    found = evaluate(table(posteriors), numbered(5), labels, memory=24e-6)  # two images of 12 bytes
    assert found.images == 5
    assert found.top1 == pytest.approx(20.0)


@pytest.mark.parametrize(("memory", "wanted"), [(24e-6, [2, 2, 1]), (1e-9, [1] * 5), (1, [5])])
def test_no_more_images_are_decoded_than_the_memory_holds(memory: float, wanted: list[int]) -> None:
    """Images of 12 bytes; one always goes."""
    seen: list[int] = []

    def predict(images: Sequence[Tensor]) -> Tensor:
        seen.append(len(images))
        return torch.ones(len(images), 2) / 2

    assert predict_all(predict, numbered(5), memory=memory).shape == (5, 2)
    assert seen == wanted


def test_mirrored_averages_the_posteriors_of_image_and_mirror_image() -> None:
    image = torch.tensor([[[0, 1]]] * 3, dtype=torch.uint8)
    posteriors = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    torch.testing.assert_close(mirrored(table(posteriors))([image]), torch.tensor([[0.6, 0.4]]))


def test_average_is_the_mean_of_posteriors() -> None:
    a, b, c = (table(torch.tensor([p])) for p in ([1.0, 0.0], [0.2, 0.8], [0.0, 1.0]))
    torch.testing.assert_close(average(a, b, c)(numbered(1)), torch.tensor([[0.4, 0.6]]))
    with pytest.raises(ValueError, match="at least one"):
        average()


def test_a_paired_difference_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1; t(2, 0.975) = 4.303."""
    mean, half = paired([10.0, 20.0, 30.0], [11.0, 22.0, 33.0])
    assert mean == pytest.approx(2)
    assert half == pytest.approx(4.303 / 3**0.5, abs=1e-3)
    assert paired([1.0, 5.0], [1.0, 5.0]) == (0, 0)
    with pytest.raises(ValueError, match="two or more pairs, not 1"):
        paired([1.0], [2.0])


def test_a_paired_difference_of_any_number_of_seeds() -> None:
    """Of twelve seeds: t(11, 0.975) = 2.201; the differences +1 and -1 have a standard deviation of sqrt(12 / 11)."""
    mean, half = paired([0.0] * 12, [1.0, -1.0] * 6)
    assert mean == 0
    assert half == pytest.approx(2.201 * (12 / 11) ** 0.5 / 12**0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("mean", "half", "expected", "verdict"),
    [(-1, 0.5, -2, "same"), (1, 0.5, 2, "same"), (1, 0.5, -2, "opposite"), (-0.5, 0.5, -2, "undecided")],
)
def test_the_verdict_on_a_difference(mean: float, half: float, expected: float, verdict: str) -> None:
    assert Difference(mean, half).verdict(expected) == verdict


def test_values_over_seeds_as_text() -> None:
    assert spread([9.0, 10.0, 11.0]) == " 10.0 ± 1.0"
    assert spread(iter([9.0, 10.0, 11.0]), digits=2) == " 10.00 ± 1.00"
    assert low_to_high([1.0, 2.0, 6.0]) == " 3.00 (1.00–6.00)"


def test_the_bytes_of_the_largest_layer_by_hand() -> None:
    """VGG's first ReLU: 8 channels as large as the image come in and go out, 4 bytes each."""
    assert _bytes(small(), torch.Size((3, 32, 32))) == 2 * 4 * 8 * 32 * 32


SQUARE = 2 * 4 * 8 * 40 * 40 / 1e6  # MB that a 40x40 view needs in the small net


@pytest.mark.parametrize(
    ("memory", "wanted"),
    [(1, [3, 1, 1]), (2 * SQUARE, [1, 2, 1, 1]), (SQUARE / 10, [1] * 5)],
    ids=["all squares at once", "two squares, or one strip alone", "one by one, come what may"],
)
def test_views_of_one_shape_share_passes_within_the_memory(memory: float, wanted: list[int]) -> None:
    model = small()
    net = nn.Sequential(model.features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.classifier)  # type: ignore[arg-type]
    images = photographs((40, 40), (40, 60), (40, 40), (60, 40), (40, 40))
    view = TestView(40, None, MEAN, STD)
    alone = torch.cat([one_view(net, view)([image]) for image in images])
    passes: list[int] = []
    net.register_forward_pre_hook(lambda _, inputs: None if inputs[0].is_meta else passes.append(len(inputs[0])))
    torch.testing.assert_close(one_view(net, view, memory)(images), alone, rtol=0, atol=1e-6)
    assert passes == wanted
    assert (alone[0] - alone[1]).abs().max() > 1e-3


def test_the_views_of_one_image_are_split_where_the_memory_is_small() -> None:
    model = small()
    images = photographs((32, 40), (32, 40))
    view = CropViews(32, 32, MEAN, STD, five_crops)
    wanted = many_views(model, view)(images)
    passes: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: None if inputs[0].is_meta else passes.append(len(inputs[0])))
    got = many_views(model, view, memory=2 * 2 * 4 * 8 * 32 * 32 / 1e6)(images)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    assert passes == [2, 2, 1] * 2


def test_the_views_of_an_image_are_made_when_their_turn_comes() -> None:
    """With memory for two views, never more than two that have not gone through the net."""
    model = small()
    waiting, most = 0, 0

    def view(image: Tensor) -> Tensor:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        return TestView(32, 32, MEAN, STD)(image)

    def passed(_: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal waiting
        waiting -= 0 if inputs[0].is_meta else len(inputs[0])

    model.register_forward_pre_hook(passed)
    one_view(model, view, memory=2 * 2 * 4 * 8 * 32 * 32 / 1e6)(photographs(*[(32, 40)] * 7))
    assert (most, waiting) == (2, 0)


def by_hand(model: nn.Module, image: Tensor, side: int, places: int) -> Tensor:
    """Mean posterior of the image's and its mirror image's crops: `places` of 5x5 (25), or corners and centre (5)."""
    crops = []
    for one in (image, image.flip(-1)):
        scaled = rescale(one, side)
        if places == 5:
            crops += list(F.ten_crop(scaled, [32, 32]))[:5]
            continue
        for i in range(5):
            for j in range(5):
                y, x = (round(k * (n - 32) / 4) for k, n in zip((i, j), scaled.shape[1:], strict=True))
                crops.append(scaled[:, y : y + 32, x : x + 32])
    assert len(crops) == 2 * places
    with torch.inference_mode():
        return model.eval()(normalize(torch.stack(crops), MEAN, STD)).softmax(dim=1).mean(dim=0)


def test_the_protocols_by_hand() -> None:
    model = small()
    images = photographs((40, 53), (70, 40))
    for protocol, places in ((ten_crop, 5), (multi_crop, 25)):
        got = protocol(model, (40, 50), 32, MEAN, STD)(images)
        for p, image in zip(got, images, strict=True):
            wanted = (by_hand(model, image, 40, places) + by_hand(model, image, 50, places)) / 2
            torch.testing.assert_close(p, wanted, rtol=0, atol=1e-6)
    single = [one_view(model, TestView(side, 32, MEAN, STD))(images) for side in (40, 50)]
    torch.testing.assert_close(center(model, (40, 50), 32, MEAN, STD)(images), (single[0] + single[1]) / 2)


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from([center, ten_crop, multi_crop]),
    st.lists(st.integers(32, 60), min_size=1, max_size=3),
    st.integers(1, 90),
    st.integers(6, 90),
)
def test_properties_of_the_posterior_of_crops(protocol, scales: list[int], height: int, width: int) -> None:
    model = small()
    images = photographs((height, width))

    def predict(sides: list[int]) -> Tensor:
        return protocol(model, sides, 32, MEAN, STD)(images)

    p = predict(scales)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(1))
    close = {"rtol": 0.0, "atol": 1e-5}
    torch.testing.assert_close(predict(scales[::-1]), p, **close)  # the order of Q
    torch.testing.assert_close(predict(scales * 2), p, **close)  # {Q, Q} is {Q}
    one = protocol(model, scales, 32, MEAN, STD)
    torch.testing.assert_close(average(one, one)(images), p, **close)  # a net fused with itself
    if protocol is not center:
        torch.testing.assert_close(one([images[0].flip(-1)]), p, **close)  # the mirror image
