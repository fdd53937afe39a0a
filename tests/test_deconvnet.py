"""The deconvnet against sums by hand and a slow second implementation; top activations and occlusion by brute force."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from paperlib.deconvnet import (
    ascend,
    cut,
    descend,
    filter,
    keep,
    project,
    receptive_boxes,
    rectify,
    top_activations,
    unpool,
)
from paperlib.errors import PaperlibError
from paperlib.models.alexnet import AlexNet
from paperlib.models.vgg import TABLE_1, VGG
from paperlib.models.zfnet import MAPS, ZFNet
from paperlib.occlusion import occlusion


class Net(nn.Module):
    """Any stack of feature layers."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(OrderedDict(layers))


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """float64 weights that keep signals alive, biases and batch statistics that cannot be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.double().modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            for t in (module.weight.data, module.bias.data, module.running_mean):
                t.normal_(0, 0.5, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


SMALL_NETS = {
    "alexnet": lambda: AlexNet(5, width=1 / 24, image_size=64),
    "zfnet": lambda: ZFNet(MAPS["zfnet"], 5, width=1 / 24, image_size=48),
    "vgg11": lambda: VGG(TABLE_1["vgg11"], 5, width=1 / 16, image_size=32),
    "vgg11_lrn": lambda: VGG(TABLE_1["vgg11_lrn"], 5, width=1 / 16, image_size=32, batch_norm=True),
}


# --- A second implementation: loops over windows, nothing shared with paperlib -------------------------------------


def two(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def starts(size: int, kernel: int, stride: int, padding: int, ceil: bool = False) -> Iterator[int]:
    """First input line of each window; may be negative. In ceil mode the last may reach beyond the padding."""
    first = -padding
    while first + kernel <= size + padding or (ceil and first < size and first + kernel - stride < size + padding):
        yield first
        first += stride


def windows(x: Tensor, layer: nn.Conv2d | nn.MaxPool2d) -> Iterator[tuple[int, int, int, int]]:
    """Output row and column, top and left of each window."""
    (kh, kw), (sh, sw), (ph, pw) = two(layer.kernel_size), two(layer.stride), two(layer.padding)
    ceil = getattr(layer, "ceil_mode", False)
    for i, top in enumerate(starts(x.shape[1], kh, sh, ph, ceil)):
        for j, left in enumerate(starts(x.shape[2], kw, sw, pw, ceil)):
            yield i, j, top, left


def grouped(conv: nn.Conv2d) -> Iterator[tuple[slice, slice]]:
    """Input and output maps of each group."""
    into, out = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    for g in range(conv.groups):
        yield slice(g * into, (g + 1) * into), slice(g * out, (g + 1) * out)


def slow_up(layer: nn.Module, x: Tensor) -> tuple[Tensor, dict[tuple[int, int, int], tuple[int, int]]]:
    """Output of a layer for one map (C, H, W), and for a pool the place of each maximum."""
    found: dict[tuple[int, int, int], Tensor] = {}
    places = {}
    if isinstance(layer, nn.Conv2d):
        p = layer.padding
        padded = F.pad(x, (p[1], p[1], p[0], p[0]))
        for i, j, top, left in windows(x, layer):
            kh, kw = layer.kernel_size
            patch = padded[:, top + p[0] : top + p[0] + kh, left + p[1] : left + p[1] + kw]
            sums = [(layer.weight[o] * patch[i]).sum(dim=(1, 2, 3)) for i, o in grouped(layer)]
            found[i, j, 0] = torch.cat(sums) + layer.bias
        rows, columns = 1 + max(k[0] for k in found), 1 + max(k[1] for k in found)
        flat = torch.stack([found[i, j, 0] for i in range(rows) for j in range(columns)], dim=1)
        return flat.view(-1, rows, columns), places
    if isinstance(layer, nn.MaxPool2d):
        kh, kw = two(layer.kernel_size)
        for i, j, top, left in windows(x, layer):
            for c in range(len(x)):
                place = None
                for r in range(max(top, 0), min(top + kh, x.shape[1])):
                    for q in range(max(left, 0), min(left + kw, x.shape[2])):
                        if place is None or x[c, r, q] > x[c][place]:
                            place = (r, q)
                places[c, i, j] = place
        shape = [1 + max(k[axis] for k in places) for axis in range(3)]
        y = x.new_zeros(shape)
        for (c, i, j), place in places.items():
            y[c, i, j] = x[c][place]
        return y, places
    if isinstance(layer, nn.ReLU):
        return x * (x > 0), places
    if isinstance(layer, nn.LocalResponseNorm):
        sums = torch.stack([x[max(0, c - 2) : c + 3].square().sum(dim=0) for c in range(len(x))])
        return x / (2 + 1e-4 * sums) ** 0.75, places
    if isinstance(layer, nn.BatchNorm2d):
        mean, var = layer.running_mean, layer.running_var
        y = [(x[c] - mean[c]) / (var[c] + layer.eps) ** 0.5 * layer.weight[c] + layer.bias[c] for c in range(len(x))]
        return torch.stack(y), places
    assert isinstance(layer, nn.Dropout)
    return x, places


def slow_down(layer: nn.Module, signal: Tensor, size: torch.Size, places: dict) -> Tensor:
    """The signal (C, h, w) above a layer as the signal below it."""
    below = signal.new_zeros(size)
    if isinstance(layer, nn.Conv2d):
        for i, j, top, left in windows(below, layer):
            for into, out in grouped(layer):
                patch = (layer.weight[out] * signal[out, i, j].view(-1, 1, 1, 1)).sum(dim=0)
                for r in range(max(top, 0), min(top + layer.kernel_size[0], size[1])):
                    for q in range(max(left, 0), min(left + layer.kernel_size[1], size[2])):
                        below[into, r, q] += patch[:, r - top, q - left]
        return below
    if isinstance(layer, nn.MaxPool2d):
        for (c, i, j), (r, q) in places.items():
            below[c, r, q] += signal[c, i, j]
        return below
    if isinstance(layer, nn.ReLU):
        return signal * (signal > 0)
    if isinstance(layer, nn.BatchNorm2d):
        factors = [layer.weight[c] / (layer.running_var[c] + layer.eps) ** 0.5 for c in range(len(signal))]
        return torch.stack([f * s for f, s in zip(factors, signal, strict=True)])
    return signal


@torch.no_grad()
def slow_projections(model: nn.Module, image: Tensor, layer: str, units: Sequence) -> tuple[Tensor, list[Tensor]]:
    """The maps (C, h, w) of `layer`, and the pixels (3, H, W) of each unit."""
    walked = []
    x = image
    for name, module in model.features.named_children():
        before = x.shape
        x, places = slow_up(module, x)
        walked.append((module, before, places))
        if name == layer:
            break
    pixels = []
    for unit in units:
        signal = torch.zeros_like(x)
        signal[unit] = x[unit]
        for module, size, places in reversed(walked):
            signal = slow_down(module, signal, size, places)
        pixels.append(signal)
    return x, pixels


def assert_equals_slow(model: nn.Module, image: Tensor, layer: str) -> None:
    maps = ascend(model, image[None], layer).maps[0]
    strongest = (int(maps.amax(dim=(1, 2)).argmax()), *divmod(int(maps.amax(dim=0).argmax()), maps.shape[2]))
    corner = (0, maps.shape[1] - 1, maps.shape[2] - 1)
    units = [strongest, corner, strongest[0], len(maps) - 1]
    slow_maps, slow = slow_projections(model, image, layer, units)
    torch.testing.assert_close(maps, slow_maps, rtol=0, atol=1e-12)
    fast = project(model, image[None], layer, units)
    for picture, expected in zip(fast, slow, strict=True):
        scale = max(1.0, float(expected.abs().max()))
        assert (picture - expected).abs().max() <= 1e-12 * scale


# --- Section 2.1 ---------------------------------------------------------------------------------------------------


def by_hand() -> tuple[nn.Module, Tensor]:
    """A 4x4 image, a filter that takes twice the right neighbour from a pixel, ReLU, overlapping 2x2 windows."""
    conv = nn.Conv2d(1, 1, 3, padding=1).double()
    conv.weight.data.copy_(torch.tensor([[0, 0, 0], [0, 1, -2], [0, 0, 0]]))
    conv.bias.data.fill_(1)
    image = torch.tensor([[0, 1, 0, 0], [0, 9, 0, 0], [0, 0, 0, 5], [0, 0, -4, 0]], dtype=torch.float64)
    return Net(conv=conv, relu=nn.ReLU(), pool=nn.MaxPool2d(2, 1)), image[None, None]


def test_four_by_four_by_hand() -> None:
    model, image = by_hand()
    ascent = ascend(model, image, "pool")
    #   after ReLU 0  2  1  1
    #              0 10  1  1
    #              1  1  0  6
    #              1  9  0  1
    assert ascent.maps[0, 0].tolist() == [[10, 10, 1], [10, 10, 6], [9, 9, 6]]
    assert ascent.switches["pool"][0, 0].tolist() == [[5, 5, 2], [5, 5, 11], [13, 13, 11]]
    unpooled = unpool(ascent.maps, ascent.switches["pool"], (4, 4))
    assert unpooled[0, 0].tolist() == [[0, 0, 1, 0], [0, 40, 0, 0], [0, 0, 0, 12], [0, 18, 0, 0]]
    pixels = descend(model, ascent, ascent.maps)  # the bias is not in it, and pixels are negative
    assert pixels[0, 0].tolist() == [[0, 0, 1, -2], [0, 40, -80, 0], [0, 0, 0, 12], [0, 18, -36, 0]]
    one = project(model, image, "pool", [(0, 1, 2)])
    assert one[0, 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 6], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "layer"),
    [("alexnet", "pool5"), ("zfnet", "relu5"), ("vgg11", "relu3_2"), ("vgg11_lrn", "pool3")],
)
def test_nets_of_the_papers_equal_loops_over_windows(name: str, layer: str) -> None:
    model = lively(SMALL_NETS[name]())
    image = 10 * noise(3, model.image_size, model.image_size)
    assert_equals_slow(model, image, layer)
    assert project(model, image[None], layer, [0, 1, 2, 3]).abs().sum() > 0  # something came down


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_stack_equals_loops_over_windows(data: st.DataObject) -> None:
    draw = data.draw
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)), label="conv kernel")
    stride = draw(st.integers(1, 3), label="conv stride")
    padding = draw(st.integers(0, 2), label="conv padding")
    groups = draw(st.sampled_from([1, 2]), label="groups")
    window = draw(st.integers(2, 3), label="pool window")
    pool = nn.MaxPool2d(
        window,
        draw(st.integers(1, 3), label="pool stride"),
        draw(st.integers(0, 1), label="pool padding"),
        ceil_mode=draw(st.booleans(), label="ceil"),
    )
    model = Net(
        conv1=nn.Conv2d(2, 4, kernel, stride, padding, groups=groups),
        bn1=nn.BatchNorm2d(4),
        relu1=nn.ReLU(inplace=True),
        pool1=pool,
        norm1=nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0),
        drop1=nn.Dropout(),
        conv2=nn.Conv2d(4, 4, 2, 1, 1, groups=groups),
        relu2=nn.ReLU(inplace=True),
    )
    height, width = draw(st.integers(9, 13), label="height"), draw(st.integers(9, 13), label="width")
    image = noise(2, height, width, seed=draw(st.integers(0, 1000), label="seed"))
    assert_equals_slow(lively(model), image, "relu2")


def test_ceil_windows_beyond_the_map() -> None:
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    model = lively(Net(conv=nn.Conv2d(3, 3, 3), relu=nn.ReLU(), pool=pool))
    image = noise(3, 12, 12)  # 10x10 after conv: windows at 0, 2, 4, 6 and, beyond the end, 8
    assert ascend(model, image[None], "pool").maps.shape == (1, 3, 5, 5)
    assert_equals_slow(model, image, "pool")


def test_max_unpool_agrees_without_overlap_and_loses_signal_with_it() -> None:
    x = torch.rand(2, 3, 9, 9, dtype=torch.float64)
    apart, switches = F.max_pool2d(x, 3, 3, return_indices=True)
    assert torch.equal(unpool(apart, switches, (9, 9)), F.max_unpool2d(apart, switches, 3, 3, output_size=(9, 9)))

    overlapping, switches = F.max_pool2d(x, 3, 2, return_indices=True)
    ours = unpool(overlapping, switches, (9, 9))
    overwritten = F.max_unpool2d(overlapping, switches, 3, 2, output_size=(9, 9))
    assert ours.sum() == pytest.approx(overlapping.sum().item())  # everything arrives
    assert overwritten.sum() < 0.95 * ours.sum()
    shared = ours != overwritten
    counts = unpool(torch.ones_like(overlapping), switches, (9, 9))
    assert torch.equal(shared, counts > 1)  # they differ exactly where windows share a switch


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1e6), st.integers(0, 100))
def test_positive_homogeneity(factor: float, seed: int) -> None:
    model = lively(SMALL_NETS["zfnet"]())
    ascent = ascend(model, noise(1, 3, 48, 48), "relu5")
    signal = noise(*ascent.maps.shape, seed=seed)
    pixels = descend(model, ascent, signal)
    torch.testing.assert_close(descend(model, ascent, factor * signal), factor * pixels)
    assert not torch.allclose(descend(model, ascent, -signal), -pixels)  # ReLU on the signal: no more than that


def test_biases_and_response_normalisation_take_no_part_on_the_way_down() -> None:
    model = lively(SMALL_NETS["zfnet"]())
    views = noise(1, 3, 48, 48)
    below, above = ascend(model, views, "pool2"), ascend(model, views, "norm2")
    signal = noise(*above.maps.shape)
    pixels = descend(model, above, signal)
    assert torch.equal(pixels, descend(model, below, signal))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.bias.data.fill_(1e3)
    assert torch.equal(pixels, descend(model, above, signal))


def test_batch_norm_counts_as_part_of_the_convolution() -> None:
    model = lively(Net(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), relu=nn.ReLU(), pool=nn.MaxPool2d(3, 2)))
    conv, bn = model.features.conv, model.features.bn
    folded = Net(conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), pool=nn.MaxPool2d(3, 2)).double()
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    folded.features.conv.weight.data = (conv.weight * factor.view(-1, 1, 1, 1)).detach()
    folded.features.conv.bias.data = ((conv.bias - bn.running_mean) * factor + bn.bias).detach()
    views = noise(2, 3, 11, 11)
    expected = project(folded, views, "pool", [2, (1, 3, 0)])
    torch.testing.assert_close(project(model, views, "pool", [2, (1, 3, 0)]), expected)


@pytest.mark.parametrize(("model", "size"), [("zfnet", 224), ("alexnet", 224), ("alexnet", 227)])
def test_filter_restores_the_size_that_conv1_saw(model: str, size: int) -> None:
    net = AlexNet(1, width=1 / 48, image_size=size) if model == "alexnet" else ZFNet(MAPS["zfnet"], 1, width=1 / 96)
    conv = net.features.conv1
    x = torch.rand(1, 3, size, size)
    y = conv(x)
    down = filter(y, conv, (size, size))
    assert down.shape == x.shape
    with torch.no_grad():  # the transpose, by its definition: <conv(x), y> == <x, filter(y)>
        torch.testing.assert_close(((y - conv.bias.view(-1, 1, 1)) * y).sum(), (x * down).sum())


@pytest.mark.parametrize("name", SMALL_NETS)
def test_every_layer_can_be_projected(name: str) -> None:
    model = lively(SMALL_NETS[name]())
    views = noise(2, 3, model.image_size, model.image_size)
    for layer, _ in model.features.named_children():
        pixels = project(model, views, layer, [1, (0, 0, 0)])
        assert pixels.shape == views.shape
        assert pixels.isfinite().all()


def test_many_units_in_one_pass() -> None:
    model = lively(SMALL_NETS["vgg11"]())
    views = noise(9, 3, 32, 32)
    units = [(7, i // 3, i % 3) for i in range(9)]
    of_one = project(model, views[:1], "relu2_1", units)
    of_each = project(model, views, "relu2_1", units)
    for i, unit in enumerate(units):
        torch.testing.assert_close(of_one[i], project(model, views[:1], "relu2_1", [unit])[0])
        torch.testing.assert_close(of_each[i], project(model, views[i : i + 1], "relu2_1", [unit])[0])


def test_gradient_and_guided_backprop_have_other_masks() -> None:
    model = Net(conv1=nn.Conv2d(1, 3, 1), relu1=nn.ReLU(), conv2=nn.Conv2d(3, 1, 1), relu2=nn.ReLU()).double()
    for conv, weights in ((model.features.conv1, [1, -1, 2]), (model.features.conv2, [3, 4, -1])):
        conv.weight.data.copy_(torch.tensor(weights).view_as(conv.weight))
        conv.bias.data.zero_()
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    up = model.features.conv1(x)  # 1, -1, 2 and, rectified, 1, 0, 2; conv2 makes 1 of it
    down = model.features.conv2.weight.view(3)  # 3, 4, -1: what comes down from an activation of 1
    forward, backward = (up > 0).view(3), down > 0
    weights = model.features.conv1.weight.view(3)

    (gradient,) = torch.autograd.grad(model.features(x).sum(), x)
    assert gradient.item() == (weights * down * forward).sum() == 1  # mask of the map
    assert project(model, x, "relu2", [0]).item() == (weights * down * backward).sum() == -1  # mask of the signal
    assert (weights * down * forward * backward).sum() == 3  # both: guided backprop


def test_rectify_looks_at_the_signal_alone() -> None:
    assert rectify(torch.tensor([-2.0, 0.0, 3.0])).tolist() == [0, 0, 3]


# --- What is left behind, and what is refused ----------------------------------------------------------------------


def state(model: nn.Module) -> tuple[list[bool], int, dict[str, Tensor]]:
    modules = list(model.modules())
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules)
    return [m.training for m in modules], hooks, {k: v.clone() for k, v in model.state_dict().items()}


def assert_untouched(model: nn.Module, before: tuple[list[bool], int, dict[str, Tensor]]) -> None:
    modes, hooks, weights = state(model)
    assert (modes, hooks) == before[:2]
    assert hooks == 0
    for name, tensor in weights.items():
        assert torch.equal(tensor, before[2][name]), name
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def mixed_mode() -> nn.Module:
    """A net in training of which one layer is not, with batch normalisation and dropout that would show it."""
    model = lively(VGG(TABLE_1["vgg11"], 5, width=1 / 16, image_size=32, batch_norm=True)).train()
    model.features.bn1_1.eval()
    return model


def test_mode_and_statistics_stay_and_results_are_those_of_evaluation() -> None:
    model = mixed_mode()
    views = noise(3, 3, 32, 32)
    before = state(model)
    copy = lively(VGG(TABLE_1["vgg11"], 5, width=1 / 16, image_size=32, batch_norm=True)).eval()
    torch.testing.assert_close(ascend(model, views, "pool5").maps, copy.features(views).detach())
    project(model, views, "pool5", [0, 1, 2])
    top_activations(model, "pool3", views, k=2)
    seen = occlusion(model, views[0], 1, 16, 16)
    torch.testing.assert_close(seen.probability, occlusion(copy, views[0], 1, 16, 16).probability)
    assert not any(t.requires_grad for t in (seen.projection, seen.probability, ascend(model, views, "relu2_1").maps))
    assert_untouched(model, before)


def test_views_are_not_changed() -> None:
    model = Net(relu=nn.ReLU(inplace=True), conv=nn.Conv2d(3, 2, 3)).double()
    views = noise(1, 3, 5, 5)
    before = views.clone()
    ascend(model, views, "conv")
    assert torch.equal(views, before)


def test_an_error_leaves_nothing_behind() -> None:
    model = mixed_mode()
    before = state(model)
    calls = []

    def view(image: Tensor) -> Tensor:
        calls.append(image)
        if len(calls) == 3:
            raise RuntimeError("disk full")
        return image

    with pytest.raises(RuntimeError, match="disk full"):
        top_activations(model, "relu2_1", noise(6, 3, 32, 32), view=view, batch_size=2)
    with pytest.raises(RuntimeError, match="channels"):
        ascend(model, noise(1, 4, 32, 32), "relu2_1")
    ascent = ascend(model, noise(1, 3, 32, 32), "relu2_1")
    broken = model.features.conv1_1.weight.data[:3]
    whole, model.features.conv1_1.weight.data = model.features.conv1_1.weight.data, broken
    with pytest.raises(RuntimeError):
        descend(model, ascent, ascent.maps)
    model.features.conv1_1.weight.data = whole
    with pytest.raises(PaperlibError, match="no class 5"):
        occlusion(model, noise(3, 32, 32), 5, 16, 16)
    assert_untouched(model, before)


def test_unknown_layer_names_the_near_ones() -> None:
    model = SMALL_NETS["zfnet"]()
    for call in (
        lambda: ascend(model, torch.rand(1, 3, 48, 48), "rellu5"),
        lambda: top_activations(model, "rellu5", torch.rand(2, 3, 48, 48)),
        lambda: occlusion(model, torch.rand(3, 48, 48), 0, 8, 8, layer="rellu5"),
        lambda: receptive_boxes(model, "rellu5", torch.zeros(1, 2), (48, 48)),
    ):
        with pytest.raises(PaperlibError, match=r"unknown layer 'rellu5'; did you mean .*relu5"):
            call()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.AvgPool2d(2), "'odd': AvgPool2d"),
        (nn.Conv2d(3, 3, 3, padding="same"), "'odd': Conv2d"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "'odd': Conv2d"),
        (nn.BatchNorm2d(3, track_running_stats=False), "'odd': BatchNorm2d"),
        (nn.BatchNorm2d(3, affine=False), "'odd': BatchNorm2d"),
        (nn.Sequential(nn.ReLU()), "'odd': Sequential"),
    ],
)
def test_layers_without_a_way_down_are_refused(layer: nn.Module, message: str) -> None:
    model = Net(conv=nn.Conv2d(3, 3, 3), odd=layer)
    with pytest.raises(PaperlibError, match=message):
        ascend(model, torch.rand(1, 3, 8, 8), "odd")


def test_other_mistakes_are_refused() -> None:
    model = SMALL_NETS["zfnet"]()
    views = torch.rand(2, 3, 48, 48)
    ascent = ascend(model, views, "relu5")
    mistakes = {
        r"\(N, 3, H, W\), not \(3, 48, 48\)": lambda: ascend(model, views[0], "relu5"),
        "3 units of 2 images": lambda: keep(ascent.maps, [0, 1, 2]),
        r"no unit \(0, 2, 0\)": lambda: keep(ascent.maps, [0, (0, 2, 0)]),
        "no unit 10 ": lambda: keep(ascent.maps, [0, 10]),
        "no unit -1": lambda: keep(ascent.maps, [0, -1]),
        r"no unit \(0, 1\)": lambda: keep(ascent.maps, [0, (0, 1)]),
        "does not fit maps": lambda: descend(model, ascent, ascent.maps[:1]),
        "the top 0 of 2 images": lambda: top_activations(model, "relu5", views, k=0),
        "the top 9 of 0 images": lambda: top_activations(model, "relu5", views[:0]),
        r"view \(3, 48, 48\), not \(3, 48, 40\)": lambda: occlusion(model, views[0, :, :, :40], 0, 8, 8),
        "square of 49 px": lambda: occlusion(model, views[0], 0, 49, 8),
        "every 0 px": lambda: occlusion(model, views[0], 0, 8, 0),
        "no class -1": lambda: occlusion(model, views[0], -1, 48, 8),
        "Linear has no nn.Sequential `features`": lambda: ascend(nn.Linear(1, 1), views, "relu5"),
        "Net has no nn.Sequential `classifier`": lambda: occlusion(Net(relu=nn.ReLU()), views[0], 0, 8, 8),
    }
    for message, call in mistakes.items():
        with pytest.raises(PaperlibError, match=message):
            call()


# --- Figure 2 ------------------------------------------------------------------------------------------------------


class Counted(Sequence[Tensor]):
    """Images that note when they are asked for, and how many are alive together."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.asked: list[int] = []
        self.alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
        self.most = 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        image = self.images[index].clone()
        self.asked.append(index)
        self.alive.add(image)
        self.most = max(self.most, len(self.alive))
        return image


@pytest.mark.parametrize("batch_size", [1, 7, 30, 64])
@pytest.mark.parametrize("layer", ["relu2", "norm2"])
def test_top_activations_of_thirty_images_equal_brute_force(layer: str, batch_size: int) -> None:
    model = lively(SMALL_NETS["zfnet"]())
    pictures = torch.randint(0, 256, (30, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    pictures[20], pictures[4], pictures[29] = pictures[3], pictures[3], pictures[11]  # ties between images

    def view(image: Tensor) -> Tensor:
        return image.double() - 127.5

    images = Counted(pictures)
    top = top_activations(model, layer, images, k=9, view=view, batch_size=batch_size)
    assert images.asked == list(range(30))
    assert images.most <= batch_size

    single = [ascend(model, view(picture)[None], layer).maps[0] for picture in pictures]
    assert top.values.shape == (len(single[0]), 9)
    assert top.boxes.shape == (len(single[0]), 9, 4)
    for c in range(len(single[0])):
        strongest = []
        for n, maps in enumerate(single):
            rows, columns = maps.shape[1:]
            value, i, j = max(
                ((maps[c, i, j].item(), i, j) for i in range(rows) for j in range(columns)), key=lambda t: t[0]
            )
            strongest.append((value, n, (i, j)))
        strongest.sort(key=lambda t: -t[0])  # stable
        values, numbers, positions = zip(*strongest[:9], strict=True)
        assert top.values[c].tolist() == pytest.approx(values, rel=1e-12)
        assert top.images[c].tolist() == list(numbers)
        assert [tuple(p) for p in top.positions[c].tolist()] == list(positions)
        assert top.units(c) == [(c, *position) for position in positions]


def test_of_equal_activations_the_first_image_and_place_win() -> None:
    model = Net(relu=nn.ReLU(), conv=nn.Conv2d(3, 2, 1))
    top = top_activations(model, "relu", torch.zeros(5, 3, 4, 4), k=3, batch_size=2)
    assert top.images.tolist() == [[0, 1, 2]] * 3
    assert top.positions.eq(0).all()
    assert top.boxes[0, 0].tolist() == [0, 0, 1, 1]
    assert top_activations(model, "relu", torch.zeros(2, 3, 4, 4), k=9).values.shape == (3, 2)  # fewer images than k


@pytest.mark.parametrize(("name", "layer"), [("alexnet", "relu2"), ("zfnet", "pool2"), ("vgg11", "pool2")])
def test_boxes_are_the_pixels_whose_loss_is_felt(name: str, layer: str) -> None:
    model = lively(SMALL_NETS[name]())
    side = model.image_size
    image = noise(1, 3, side, side)
    felt = []
    for axis in (2, 3):  # a line of NaN goes wherever it is seen, through every layer
        lines = image.repeat(side, 1, 1, 1)
        for i in range(side):
            lines[i].select(axis - 1, i).fill_(torch.nan)
        felt.append(ascend(model, lines, layer).maps.isnan().any(dim=1))  # (line, h, w)
    rows, columns = felt[0].shape[1:]
    grid = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    boxes = receptive_boxes(model, layer, grid, (side, side))
    for (i, j), (top, left, bottom, right) in zip(grid.tolist(), boxes.tolist(), strict=True):
        assert felt[0][:, i, j].nonzero().flatten().tolist() == list(range(top, bottom))
        assert felt[1][:, i, j].nonzero().flatten().tolist() == list(range(left, right))


def test_a_projection_stays_within_its_box() -> None:
    model = lively(SMALL_NETS["zfnet"]())
    views = noise(12, 3, 48, 48)
    top = top_activations(model, "relu2", views, k=4)
    for c in (0, 5):
        pictures = project(model, views[top.images[c]], "relu2", top.units(c))
        of_the_image = ascend(model, views[top.images[c]], "relu2").maps[:, c].amax(dim=(1, 2))
        torch.testing.assert_close(of_the_image, top.values[c])
        for picture, (first, left, bottom, right) in zip(pictures, top.boxes[c].tolist(), strict=True):
            inside = picture[:, first:bottom, left:right].clone()
            assert inside.abs().sum() > 0
            picture[:, first:bottom, left:right] = 0
            assert picture.abs().sum() == 0


# --- Figure 7 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layer", "last"), [("zfnet", None, "relu5"), ("vgg11", "relu2_1", "relu2_1")])
def test_occlusion_equals_one_image_at_a_time(name: str, layer: str | None, last: str) -> None:
    model = lively(SMALL_NETS[name]())
    side = model.image_size
    image = 3 * noise(3, side, side)
    seen = occlusion(model, image, label=2, square=12, stride=4, fill=0.5, layer=layer)

    model.eval()
    names = [n for n, _ in model.features.named_children()]
    below = model.features[: names.index(last) + 1]
    with torch.no_grad():
        channel = int(below(image[None])[0].sum(dim=(1, 2)).argmax())
        assert (seen.layer, seen.channel) == (last, channel)
        assert list(seen.offsets) == [o for o in range(0, side, 4) if o + 12 <= side]
        for i, top in enumerate(seen.offsets):
            for j, left in enumerate(seen.offsets):
                covered = image.clone()
                covered[:, top : top + 12, left : left + 12] = 0.5
                posterior = model(covered[None]).softmax(dim=1)[0]
                assert seen.activation[i, j].item() == pytest.approx(below(covered[None])[0, channel].sum().item())
                assert seen.probability[i, j].item() == pytest.approx(posterior[2].item())
                assert seen.label[i, j] == posterior.argmax()
    n = len(seen.offsets)
    assert seen.activation.shape == seen.probability.shape == seen.label.shape == (n, n)
    assert n * n > 32  # more than a batch
    assert torch.equal(seen.projection, project(model, image[None], last, [channel])[0])
    assert seen.probability.std() > 0


def test_patches_are_cut_out_of_their_images() -> None:
    images = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    first, second = cut(images, torch.tensor([[0, 1, 2, 4], [3, 0, 4, 5]]))
    assert first[0].tolist() == [[1, 2, 3], [6, 7, 8]]
    assert torch.equal(second, images[1, :, 3:4, :])
