"""What the AlexNet and ZFNet papers state of their nets, and the numbers that follow from it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from paperlib.anatomy import anatomy
from paperlib.models.alexnet import BUILDERS as ALEXNET
from paperlib.models.alexnet import AlexNet
from paperlib.models.zfnet import BUILDERS as ZFNETS
from paperlib.models.zfnet import MAPS, ZFNet, renormalize_filters

BUILDERS = {**ALEXNET, **ZFNETS}
SMALL = {"width": 0.125, "image_size": 64}


def on_meta(name: str, num_classes: int = 1000, **options: object) -> nn.Module:
    with torch.device("meta"):  # shapes without numbers: the nets hold up to 430 MB
        return BUILDERS[name](num_classes, **options)


def sides(model: nn.Module) -> list[int]:
    return [row.shape[-1] for row in anatomy(model).only("Conv2d", "MaxPool2d")]


@pytest.mark.parametrize(("name", "params"), [("alexnet", 60_965_224), ("zfnet", 62_357_608), ("zfnet_b", 107_627_624)])
def test_parameters(name: str, params: int) -> None:
    assert anatomy(on_meta(name)).params == params


@pytest.mark.parametrize("size", [224, 227])
def test_alexnet_sizes(size: int) -> None:
    model = on_meta("alexnet", image_size=size)
    assert sides(model) == [55, 27, 27, 13, 13, 13, 13, 6]
    padding = model.features.conv1.padding[0]
    assert padding == {224: 2, 227: 0}[size]
    assert (size - 11) % 4 == 0 or size == 224  # only 227 is tiled without padding


def test_zfnet_sizes_row_by_row() -> None:
    rows = [(row.name, row.shape) for row in anatomy(on_meta("zfnet")) if row.kind != "Dropout"]
    assert rows == [
        ("input", (3, 224, 224)),
        ("conv1", (96, 110, 110)),
        ("relu1", (96, 110, 110)),
        ("pool1", (96, 55, 55)),
        ("norm1", (96, 55, 55)),
        ("conv2", (256, 26, 26)),
        ("relu2", (256, 26, 26)),
        ("pool2", (256, 13, 13)),
        ("norm2", (256, 13, 13)),
        ("conv3", (384, 13, 13)),
        ("relu3", (384, 13, 13)),
        ("conv4", (384, 13, 13)),
        ("relu4", (384, 13, 13)),
        ("conv5", (256, 13, 13)),
        ("relu5", (256, 13, 13)),
        ("pool5", (256, 6, 6)),
        ("fc6", (4096,)),
        ("relu6", (4096,)),
        ("fc7", (4096,)),
        ("relu7", (4096,)),
        ("fc8", (1000,)),
    ]


def test_figure_3_needs_ceil_mode_or_the_padding_of_the_review() -> None:
    model = on_meta("zfnet")
    for pool in (model.features.pool1, model.features.pool2):
        pool.ceil_mode = False
    assert sides(model)[:4] == [110, 54, 25, 12]  # not Figure 3
    for pool in (model.features.pool1, model.features.pool2):
        pool.padding = 1
    assert sides(model) == [110, 55, 26, 13, 13, 13, 13, 6]


def test_alexnet_normalises_before_pooling_and_zfnet_after() -> None:
    def order(name: str) -> list[str]:
        return [n[:-1] for n, _ in on_meta(name).features.named_children()][:8]

    assert order("alexnet") == ["conv", "relu", "norm", "pool"] * 2
    assert order("zfnet") == ["conv", "relu", "pool", "norm"] * 2


@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
def test_response_normalisation_does_not_divide_alpha_by_n(name: str) -> None:
    norm = BUILDERS[name](10, **SMALL).features.norm1
    x = 100 * torch.rand(1, 12, 2, 2, dtype=torch.float64)
    for i in range(12):
        near = x[0, max(0, i - 2) : i + 3].square().sum(dim=0)
        torch.testing.assert_close(norm(x)[0, i], x[0, i] / (2 + 1e-4 * near) ** 0.75)


def test_alexnet_groups_do_not_see_each_other_except_in_layer_3() -> None:
    model = AlexNet(10, **SMALL)
    for name, blind in {"conv2": True, "conv3": False, "conv4": True, "conv5": True}.items():
        conv = model.features.get_submodule(name)
        x = torch.rand(1, conv.weight.shape[1] * conv.groups, 5, 5)
        changed = x.clone()
        changed[:, : x.shape[1] // 2] += 1  # the maps of the first GPU
        half = conv.out_channels // 2
        assert torch.equal(conv(x)[:, half:], conv(changed)[:, half:]) == blind
        assert not torch.equal(conv(x)[:, :half], conv(changed)[:, :half])


def params_of_table_3(maps: tuple[int, ...], removed: str, hidden: int) -> int:
    """Weights and biases by arithmetic."""
    kernels = {"1": 7, "2": 5, "3": 3, "4": 3, "5": 3}
    count, inputs = 0, 3
    for (layer, kernel), outputs in zip(kernels.items(), maps, strict=True):
        if layer not in removed:
            count += outputs * (inputs * kernel**2 + 1)
            inputs = outputs
    inputs *= 6 * 6
    for layer in "67":
        if layer not in removed:
            count += hidden * (inputs + 1)
            inputs = hidden
    return count + 1000 * (inputs + 1)


@pytest.mark.parametrize("hidden", [2048, 4096, 8192])
@pytest.mark.parametrize("removed", ["", "34", "7", "67", "3467"])
@pytest.mark.parametrize("name", ["zfnet", "zfnet_b"])
def test_ablations_of_table_3(name: str, removed: str, hidden: int) -> None:
    model = on_meta(name, removed=removed, hidden=hidden)
    assert anatomy(model).params == params_of_table_3(MAPS[name], removed, hidden)
    left = {row.name[-1] for row in anatomy(model).only("Conv2d", "Linear")}
    assert left == set("12345678") - set(removed)


def test_the_arithmetic_of_table_3_knows_the_whole_nets() -> None:
    assert params_of_table_3(MAPS["zfnet"], "", 4096) == 62_357_608
    assert params_of_table_3(MAPS["zfnet_b"], "", 4096) == 107_627_624


def test_the_table_of_the_review_mixes_two_nets_and_one_shape_fits_neither() -> None:
    layers = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8")
    review_input = dict(
        zip(
            layers,
            [
                (3, 224, 224),
                (96, 110, 110),
                (96, 55, 55),
                (256, 26, 26),
                (256, 13, 13),
                (256, 13, 13),
                (384, 13, 13),
                (256, 13, 13),
                (256 * 6 * 6,),
                (4096,),
                (4096,),
            ],
            strict=True,
        )
    )
    review_channels = {"conv1": 96, "conv2": 256, "conv3": 512, "conv4": 1024, "conv5": 512}

    def inputs(name: str) -> dict[str, tuple[int, ...]]:
        rows = list(anatomy(on_meta(name)))
        seen = {row.name: before.shape for before, row in pairwise(rows)}
        seen["fc6"] = (torch.Size(seen["fc6"]).numel(),)
        return {layer: seen[layer] for layer in layers}

    a, b = inputs("zfnet"), inputs("zfnet_b")
    assert [n for n in layers if review_input[n] != a[n]] == ["conv4"]
    assert [n for n in layers if review_input[n] != b[n]] == ["conv4", "conv5", "pool5", "fc6"]
    assert (a["conv4"], b["conv4"]) == ((384, 13, 13), (512, 13, 13))
    channels = {n: anatomy(on_meta("zfnet_b"))[n].shape[0] for n in review_channels}
    assert review_channels == channels  # the channel column is net (b)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("alexnet", {}, [15, 7, 7, 3, 3, 3, 3, 1]),
        ("zfnet", {}, [30, 15, 6, 3, 3, 3, 3, 1]),
        ("zfnet", {"conv2_stride": 1}, [30, 15, 11, 5, 5, 5, 5, 2]),
    ],
)
def test_small_twins(name: str, options: dict[str, int], expected: list[int]) -> None:
    model = BUILDERS[name](7, **SMALL, **options)
    assert sides(model) == expected
    logits = model(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("case", [("alexnet", {}, 64), ("zfnet", {}, 47), ("zfnet", {"conv2_stride": 1}, 35)])
@settings(max_examples=15, deadline=None)
@example(beyond=0)
@example(beyond=-1)
@given(beyond=st.integers(-30, 80))
def test_any_side_from_the_least_on_fits(case: tuple[str, dict[str, int], int], beyond: int) -> None:
    name, options, least = case
    side = least + beyond
    if side < least:
        with pytest.raises(ValueError, match=f"too small.*least is {least}"):
            on_meta(name, 3, width=0.0625, image_size=side, **options)
    else:
        model = on_meta(name, 3, width=0.0625, image_size=side, **options)
        assert model(torch.empty(1, 3, side, side, device="meta")).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {"width": 0.01}, "least is 1/48"),
        ("zfnet", {"width": 0.01}, "least is 1/96"),
        ("zfnet", {"removed": "5"}, "3, 4, 6, 7"),
        ("zfnet", {"conv2_stride": 3}, "1 or 2"),
    ],
)
def test_nonsense_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on_meta(name, 10, **options)


def weighted(model: nn.Module) -> dict[str, nn.Module]:
    layers = [*model.features.named_children(), *model.classifier.named_children()]
    return {name: layer for name, layer in layers if isinstance(layer, (nn.Conv2d, nn.Linear))}


@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
def test_initial_weights_are_the_papers_at_full_width(name: str) -> None:
    torch.manual_seed(0)
    for layer, module in weighted(BUILDERS[name](10, hidden=64)).items():
        assert module.weight.std().item() == pytest.approx(0.01, rel=0.05), layer
        assert module.weight.mean().item() == pytest.approx(0, abs=1e-3), layer
        assert module.weight.flatten(1).unique(dim=0).shape[0] == len(module.weight), layer  # no two filters are equal
        wakes = name == "alexnet" and layer in ("conv2", "conv4", "conv5", "fc6", "fc7")
        assert module.bias.unique().tolist() == [float(wakes)], layer


@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
@pytest.mark.parametrize("options", [{"width": 0.25}, {"width": 0.25, "image_size": 64}])
def test_a_narrow_net_keeps_the_variance_of_its_signals(name: str, options: dict[str, float]) -> None:
    torch.manual_seed(0)
    whole = {n: m.weight[0].numel() for n, m in weighted(on_meta(name, 10)).items()}
    for layer, module in weighted(BUILDERS[name](10, **options)).items():
        fan_in = module.weight[0].numel()  # variance of a sum of fan_in products
        expected = whole[layer] * 0.01**2
        assert fan_in * module.weight.var().item() == pytest.approx(expected, rel=0.15), layer


def test_batch_norm_comes_between_convolution_and_relu() -> None:
    for name in BUILDERS:
        names = [n for n, _ in on_meta(name, 10, batch_norm=True).features.named_children()]
        assert [names[names.index(f"conv{i}") + 1 :][:2] for i in "12345"] == [[f"bn{i}", f"relu{i}"] for i in "12345"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=5, max_size=5), st.sampled_from([0.1, 0.5]))
def test_filters_beyond_the_limit_are_scaled_to_it(scales: list[float], limit: float) -> None:
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Linear(4, 4))
    before = torch.randn(5, 3, 3, 3, dtype=torch.float64)
    before = before / before.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * 27**0.5  # RMS 1
    before = before * torch.tensor(scales, dtype=torch.float64).view(-1, 1, 1, 1)
    model.double()[0].weight.data.copy_(before)
    linear = model[1].weight.clone()

    changed = renormalize_filters(model, limit)
    for old, new, rms in zip(before, model[0].weight.detach(), scales, strict=True):
        torch.testing.assert_close(new, old if rms <= limit else old * limit / rms)
    assert changed == sum(rms > limit * (1 + 1e-12) for rms in scales) or limit in scales
    assert torch.equal(model[1].weight, linear)
    assert (model[0].weight.square().mean(dim=(1, 2, 3)).sqrt() <= limit * (1 + 1e-12)).all()


def test_renormalising_takes_part_in_training() -> None:
    model = ZFNet(MAPS["zfnet"], 3, **SMALL)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    model.features.conv1.weight.data.mul_(100)
    assert renormalize_filters(model) == model.features.conv1.out_channels
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    assert model.features.conv1.weight.requires_grad
