"""VGG: the numbers of Table 1 and Table 2, and parity with torchvision."""

import pytest
import torch
import torchvision
from torch import nn

from paperlib import build
from paperlib.models.vgg import TABLE_1, VGG, load_torchvision_state, start_from_net_a

# Table 2 gives millions, rounded: 133, 133, 134, 138, 144. The exact numbers follow from Table 1.
PARAMETERS = {
    "vgg11": 132_863_336,
    "vgg11_lrn": 132_863_336,  # normalisation has no parameters
    "vgg13": 133_047_848,
    "vgg16_1x1": 133_638_952,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
WEIGHT_LAYERS = {"vgg11": 11, "vgg11_lrn": 11, "vgg13": 13, "vgg16_1x1": 16, "vgg16": 16, "vgg19": 19}


def layers(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, kind)]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_depth_of_every_column(name: str) -> None:
    with torch.device("meta"):
        model = build(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert len(layers(model, nn.Conv2d)) + len(layers(model, nn.Linear)) == WEIGHT_LAYERS[name]


def test_the_5x5_variant_replaces_each_pair_of_b_by_one_filter() -> None:
    with torch.device("meta"):
        pairs, single = build("vgg13"), build("vgg13_5x5")
    assert [c.kernel_size for c in layers(single, nn.Conv2d)] == [(5, 5)] * 5
    assert len(layers(pairs, nn.Conv2d)) == 2 * len(layers(single, nn.Conv2d))


def test_column_c_adds_a_1x1_where_d_adds_a_3x3() -> None:
    with torch.device("meta"):
        c, d = build("vgg16_1x1"), build("vgg16")
    differ = [
        (a, b)
        for a, b in zip(layers(c, nn.Conv2d), layers(d, nn.Conv2d), strict=True)
        if a.kernel_size != b.kernel_size
    ]
    assert [(a.kernel_size, b.kernel_size) for a, b in differ] == [((1, 1), (3, 3))] * 3
    assert all(a.in_channels == a.out_channels for a, _ in differ)  # the 1x1 changes no channel count


def test_the_lrn_of_column_a_is_alexnets() -> None:
    """b = a / (k + alpha * sum of a^2 over n = 5 neighbours)^beta, k = 2, alpha = 1e-4, beta = 0.75, not over n."""
    (norm,) = layers(VGG(TABLE_1["vgg11_lrn"], 10, width=0.25, image_size=32), nn.LocalResponseNorm)
    a = torch.randn(1, 7, 1, 1, dtype=torch.float64) * 50
    squares = [a[0, max(0, i - 2) : i + 3].pow(2).sum() for i in range(7)]
    by_hand = torch.stack([a[0, i, 0, 0] / (2 + 1e-4 * s) ** 0.75 for i, s in enumerate(squares)])
    torch.testing.assert_close(norm(a)[0, :, 0, 0], by_hand, rtol=1e-12, atol=0)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_logits_equal_torchvisions(name: str, batch_norm: bool) -> None:
    """A, B, D and E from copied weights, at 224 px."""
    reference = getattr(torchvision.models, name + "_bn" * batch_norm)(num_classes=10, init_weights=False).eval()
    generator = torch.Generator().manual_seed(0)
    for name_, tensor in reference.state_dict().items():
        if tensor.is_floating_point():  # variances and BN scales positive, biases and means not zero
            tensor.uniform_(0.01 if tensor.dim() == 1 and "bias" not in name_ else -0.02, 0.02, generator=generator)
    ours = build(name, num_classes=10, batch_norm=batch_norm).eval()
    load_torchvision_state(ours, reference.state_dict())
    x = torch.randn(1, 3, 224, 224, generator=generator) * 20
    with torch.inference_mode():
        expected = reference(x)
        assert expected.std() > 0
        assert torch.equal(ours(x), expected)


def test_the_state_of_another_column_is_refused() -> None:
    with torch.device("meta"):
        b = torchvision.models.vgg13(num_classes=10, init_weights=False).state_dict()
        a = build("vgg11", num_classes=10)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict: .*features\.22\.weight"):
        load_torchvision_state(a, b)


def test_the_order_of_a_state_does_not_matter() -> None:
    """A file may sort its tensors; many shapes agree, so that a loader by position would not notice."""
    reference = torchvision.models.vgg11(num_classes=10, init_weights=False).state_dict()
    model = build("vgg11", num_classes=10)
    load_torchvision_state(model, dict(sorted(reference.items(), reverse=True)))
    assert torch.equal(model.features.conv5_1.weight, reference["features.16.weight"])
    assert torch.equal(model.features.conv5_2.weight, reference["features.18.weight"])


def test_a_narrow_net_is_the_same_code() -> None:
    model = VGG(TABLE_1["vgg16"], 10, width=0.25, image_size=64, hidden=100)
    assert [c.out_channels for c in layers(model, nn.Conv2d)] == [16] * 2 + [32] * 2 + [64] * 3 + [128] * 6
    assert [(f.in_features, f.out_features) for f in layers(model, nn.Linear)] == [(512, 100), (100, 100), (100, 10)]


def test_dropout_of_one_half_behind_both_hidden_layers() -> None:
    """Section 3.1: the first two fully-connected layers."""
    names = [name for name, _ in build("vgg11", 10, width=0.25, image_size=32).classifier.named_children()]
    assert names == ["fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8"]
    assert [m.p for m in layers(build("vgg11", 10, width=0.25, image_size=32), nn.Dropout)] == [0.5, 0.5]


def test_glorot_initialisation() -> None:
    """Uniform with variance 2 / (fan in + fan out), zero biases (Glorot & Bengio; VGG, section 3.1)."""
    torch.manual_seed(0)
    model = VGG(TABLE_1["vgg11"], 10, image_size=32)
    conv = model.features.conv4_2
    assert conv.weight.var().item() == pytest.approx(2 / (9 * 512 + 9 * 512), rel=0.01)
    assert all(not m.bias.any() for m in layers(model, (nn.Conv2d, nn.Linear)))


@pytest.mark.parametrize("std", [0.1, 0.01])
def test_normal_initialisation(std: float) -> None:
    """Section 3.1: N(0, variance 10^-2) taken literally, and read as a standard deviation; zero biases."""
    torch.manual_seed(0)
    model = build("vgg11", 10, width=0.25, image_size=32, init_std=std)
    for m in layers(model, (nn.Conv2d, nn.Linear)):
        assert m.weight.std().item() == pytest.approx(std, rel=0.1)
        assert not m.bias.any()


@pytest.mark.parametrize("name", ["vgg13", "vgg16_1x1", "vgg16", "vgg19"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_deeper_columns_start_from_net_a(name: str, batch_norm: bool) -> None:
    """Section 3.1: four convolutions, by their place in the stage, and the three FCs; all others stay."""
    small = {"num_classes": 10, "width": 0.0625, "image_size": 32, "batch_norm": batch_norm}
    a, model = build("vgg11", **small), build(name, **small)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with torch.no_grad():
        for tensor in a.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape) * 100)
    start_from_net_a(model, a)
    lent = {"conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"}
    lent |= {n.replace("conv", "bn") for n in lent}
    for key, tensor in model.state_dict().items():
        expected = a.state_dict()[key] if key.split(".")[1] in lent else before[key]
        assert torch.equal(tensor, expected), key


def test_a_net_that_net_a_does_not_fit_is_refused() -> None:
    """B with 5x5: its conv1_1 has another kernel. Counted through the net, conv1_2 of B would not fit conv2_1 of A."""
    a = build("vgg11", 10, width=0.0625, image_size=32)
    with pytest.raises(ValueError, match=r"no features.conv1_1.weight of shape \(4, 3, 5, 5\)"):
        start_from_net_a(build("vgg13_5x5", 10, width=0.0625, image_size=32), a)
