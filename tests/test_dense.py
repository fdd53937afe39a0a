"""Dense evaluation: equal to the plain net at the training size, map sides, and the invariances of its order."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from paperlib import build
from paperlib.anatomy import anatomy
from paperlib.dense import Pool, dense, fully_convolutional
from paperlib.errors import PaperlibError
from paperlib.evaluate import average, one_view
from paperlib.models.vgg import VGG
from paperlib.transforms import TestView

MEAN, STD = (120.0, 115.0, 100.0), (60.0, 60.0, 60.0)


def small(seed: int = 0) -> VGG:
    torch.manual_seed(seed)
    model = build("vgg11", 5, width=0.125, image_size=64, hidden=32)
    assert isinstance(model, VGG)
    for parameter in model.classifier.parameters():
        parameter.data *= 3  # posteriors that differ from 1/5
    return model


def photographs(count: int, *sizes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randint(0, 256, (3, *sizes[i % len(sizes)]), generator=generator, dtype=torch.uint8) for i in range(count)
    ]


@pytest.mark.parametrize("name", ["vgg11", "vgg16"])
def test_the_map_of_a_224_crop_is_the_plain_net(name: str) -> None:
    model = build(name, num_classes=20).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        logits, scores = model(x), fully_convolutional(model)(x)
    assert scores.shape == (1, 20, 1, 1)
    torch.testing.assert_close(scores.flatten(1), logits, rtol=0, atol=1e-5)
    assert logits.abs().max() > 1e-3


def test_the_parameters_are_shared_not_copied() -> None:
    model = small()
    net = fully_convolutional(model)
    assert {p.data_ptr() for p in net.parameters()} == {p.data_ptr() for p in model.parameters()}
    net(torch.randn(1, 3, 96, 64)).sum().backward()
    assert model.classifier.fc6.weight.grad.abs().sum() > 0


SIDES = {
    224: 1, 256: 2, 288: 3, 320: 4, 352: 5, 384: 6, 416: 7, 448: 8, 480: 9, 512: 10, 640: 14,
    225: 1, 255: 1, 287: 2,
}  # fmt: skip


def test_map_sides() -> None:
    with torch.device("meta"):
        net = fully_convolutional(build("vgg16"))
        for side, cells in SIDES.items():
            assert net(torch.empty(1, 3, side, side)).shape == (1, 1000, cells, cells)
        assert net(torch.empty(1, 3, 384, 640)).shape == (1, 1000, 6, 14)


def test_a_side_below_the_training_size_is_refused() -> None:
    with pytest.raises(PaperlibError, match=r"Q = 63 px is too small: the least .* 64 px"):
        dense(small(), (96, 63), MEAN, STD)
    with pytest.raises(PaperlibError, match="a 90x63 px image: the least side is 64 px"):
        fully_convolutional(small())(torch.zeros(1, 3, 63, 90))


@pytest.mark.parametrize("pool", ["logit", "prob"])
def test_posteriors_in_the_papers_order(pool: str) -> None:
    """Spatial mean and softmax of the image and of its mirror image, averaged; then the scales."""
    model = small().eval()
    (image,) = photographs(1, (80, 120))
    net = fully_convolutional(model)
    by_hand = []
    for q in (64, 96):
        for x in (image, image.flip(-1)):
            with torch.inference_mode():
                scores = net(TestView(q, None, MEAN, STD)(x)[None])[0]  # (5, h, w)
            if pool == "logit":
                by_hand.append(scores.mean(dim=(1, 2)).softmax(dim=0))
            else:
                by_hand.append(scores.softmax(dim=0).mean(dim=(1, 2)))
    got = dense(model, (64, 96), MEAN, STD, pool=pool)([image])[0]
    torch.testing.assert_close(got, torch.stack(by_hand).mean(dim=0), rtol=0, atol=1e-6)


def test_the_two_pools_differ_on_a_map_and_agree_on_one_cell() -> None:
    images = photographs(2, (64, 64))
    for q, same in ((64, True), (160, False)):
        logit, prob = (dense(small(), (q,), MEAN, STD, pool=pool)(images) for pool in ("logit", "prob"))
        assert torch.allclose(logit, prob, atol=1e-6) is same


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(64, 130), min_size=1, max_size=3), st.integers(30, 200), st.integers(30, 200))
def test_properties_of_the_dense_posterior(scales: list[int], height: int, width: int) -> None:
    model = small()
    images = photographs(1, (height, width))
    predict = dense(model, tuple(scales), MEAN, STD)
    p = predict(images)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(1))
    close = {"rtol": 0.0, "atol": 1e-5}
    torch.testing.assert_close(predict([images[0].flip(-1)]), p, **close)  # the mirror image
    torch.testing.assert_close(dense(model, tuple(reversed(scales)), MEAN, STD)(images), p, **close)  # the order of Q
    torch.testing.assert_close(dense(model, tuple(scales * 2), MEAN, STD)(images), p, **close)  # {Q, Q} is {Q}
    torch.testing.assert_close(average(predict, predict)(images), p, **close)  # a net fused with itself


def test_an_image_does_not_depend_on_its_companions() -> None:
    images = photographs(5, (64, 100), (100, 64), (64, 64))
    predict = dense(small(), (64,), MEAN, STD)
    torch.testing.assert_close(predict(images), torch.cat([predict([i]) for i in images]), rtol=0, atol=1e-6)


def test_a_shift_by_a_jump_shifts_the_interior_of_the_map() -> None:
    """Away from the zero padding the map is a convolution: 32 px in the image are one cell in the map."""
    model = small().double().eval()
    canvas = torch.randn(1, 3, 512, 544, dtype=torch.float64)
    net = fully_convolutional(model)
    with torch.inference_mode():
        left, right = net(canvas[..., :512]), net(canvas[..., 32:])
    edge = 3  # cells whose field of 182 px (150 + 32) may touch the border
    torch.testing.assert_close(
        left[..., edge:-edge, edge + 1 : -edge], right[..., edge:-edge, edge : -edge - 1], rtol=0, atol=1e-12
    )
    assert not torch.allclose(left[..., 1:], right[..., :-1], rtol=0, atol=1e-12)  # the border does differ


@pytest.mark.parametrize("training", [False, True])
def test_dropout_is_off_and_the_mode_stays(training: bool) -> None:
    model = small().train(training)
    images = photographs(2, (70, 90))
    for predict in (one_view(model, TestView(64, 64, MEAN, STD)), dense(model, (64, 96), MEAN, STD)):
        assert torch.equal(predict(images), predict(images))
        assert {module.training for module in model.modules()} == {training}


def test_the_layer_table_of_the_dense_form_of_d() -> None:
    """fc6 as 7x7, fc7 and fc8 as 1x1 at every cell of the 6x6 map of Q = 384; a cell sees 404 px."""
    with torch.device("meta"):
        model = build("vgg16")
    table = anatomy(fully_convolutional(model), (3, 384, 384))
    assert [table[name].shape for name in ("fc6", "fc7", "fc8")] == [(4096, 6, 6), (4096, 6, 6), (1000, 6, 6)]
    assert table.params == 138_357_544
    assert (table["fc8"].receptive_field, table["fc8"].jump) == (404, 32)
    plain = anatomy(model)
    assert table["fc6"].macs == 36 * plain["fc6"].macs
    windows = 36 * plain.macs
    assert 11.2 < windows / table.macs < 11.3  # the same windows as crops cost this much more


AVERAGED = {"resnet18": 64, "resnet20": 32, "densenet121": 64, "densenet40_k12": 32}  # a name: side of a crop in px


def averaged(name: str) -> nn.Module:
    """A net that ends in a global average, whose running statistics are not those of its start."""
    torch.manual_seed(0)
    options = {"width": 0.25} if "resnet" in name else {}
    model = build(name, 5, **options)
    model(torch.randn(4, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("name", AVERAGED)
def test_a_crop_is_one_window_of_a_net_with_a_global_average(name: str) -> None:
    model, side = averaged(name), AVERAGED[name]
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        scores = fully_convolutional(model, side)(x)
        assert scores.shape == (2, 5, 1, 1)
        torch.testing.assert_close(scores.flatten(1), model(x))
    with pytest.raises(PaperlibError, match=f"the least side is {side} px"):
        fully_convolutional(model, side)(x[..., :-1])


@pytest.mark.parametrize(("side", "windows"), [(64, 1), (96, 2), (128, 3)])
def test_the_scores_of_windows_are_those_of_the_parts_of_the_last_maps(side: int, windows: int) -> None:
    """ResNet at 64 px has 2x2 cells; each window's score by hand, and their mean the logits of pool="logit"."""
    model = averaged("resnet18")
    x = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    normalised = ((x.float() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None])[None]
    with torch.inference_mode():
        maps = model.last_maps(normalised)
        by_hand = [
            model.fc(maps[:, :, i : i + 2, j : j + 2].mean(dim=(2, 3))) for i in range(windows) for j in range(windows)
        ]
        scores = fully_convolutional(model, 64)(normalised)
        torch.testing.assert_close(scores.flatten(2), torch.stack(by_hand, dim=2), rtol=0, atol=1e-5)
        found = {p: dense(model, (side,), MEAN, STD, crop=64, pool=p, mirror=False)([x]) for p in get_args(Pool)}
        expected = {
            "gap": model(normalised).softmax(dim=1),
            "logit": torch.stack(by_hand).mean(dim=0).softmax(dim=1),
            "prob": torch.stack(by_hand).softmax(dim=2).mean(dim=0),
        }
    for pool, posteriors in found.items():
        torch.testing.assert_close(posteriors, expected[pool], rtol=0, atol=1e-5)
    assert torch.allclose(found["gap"], found["logit"], atol=1e-5) == (windows == 1)  # else the border weighs less


def test_dense_takes_the_scales_of_resnets_table_4() -> None:
    """Section 3.4, sides 224 to 640 at 64 / 224: mean posterior of five sizes; by default the global average."""
    model = averaged("resnet18")
    sides = [round(q * 64 / 224) for q in (224, 256, 384, 480, 640)]
    images = photographs(3, (90, 120), (200, 150))
    whole = dense(model, sides, MEAN, STD, crop=64)(images)
    each = [dense(model, [side], MEAN, STD, crop=64, pool="gap")(images) for side in sides]
    torch.testing.assert_close(whole, torch.stack(each).mean(dim=0))


def test_dense_says_what_it_does_not_take() -> None:
    with pytest.raises(PaperlibError, match="a VGG, ResNet or DenseNet, not AlexNet"):
        dense(build("alexnet", 5, width=0.125, image_size=64), (64,), MEAN, STD)
    with pytest.raises(PaperlibError, match="VGG has none"):
        dense(small(), (64,), MEAN, STD, pool="gap")
