"""ResNet: the numbers of arXiv 1512.03385, and logits against torchvision's and against a forward written out here."""

import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from paperlib.anatomy import anatomy
from paperlib.models.resnet import BUILDERS, IMAGENET, SMALL, PadShortcut, ResNet, load_torchvision_state

from .conftest import counted, randomise


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "num_classes", "count"),
    [
        ("resnet18", 1000, 11_689_512),
        ("resnet34", 1000, 21_797_672),
        ("resnet50", 1000, 25_557_032),
        ("resnet101", 1000, 44_549_160),
        ("resnet152", 1000, 60_192_808),
        ("plain18", 1000, 11_515_688),
        ("plain34", 1000, 21_623_848),
        ("resnet20", 10, 269_722),
        ("resnet32", 10, 464_154),
        ("resnet44", 10, 658_586),
        ("resnet56", 10, 853_018),
        ("resnet110", 10, 1_727_962),
        ("resnet1202", 10, 19_421_274),
    ],
)
def test_parameters(name: str, num_classes: int, count: int) -> None:
    assert parameters(counted(name, num_classes)) == count


@pytest.mark.parametrize("depth", [18, 34, 20, 32, 44, 56])
def test_plain_twin_has_the_parameters_of_option_a(depth: int) -> None:
    plain, residual = counted(f"plain{depth}"), counted(f"resnet{depth}", shortcut="A")
    assert parameters(plain) == parameters(residual)
    assert plain.state_dict().keys() == residual.state_dict().keys()


def test_option_c_projects_in_every_block() -> None:
    def projections(inputs: int, outputs: int, blocks: int) -> int:  # weights, scale and shift
        return inputs * outputs + 2 * outputs + (blocks - 1) * (outputs * outputs + 2 * outputs)

    extra = projections(64, 64, 3) + projections(64, 128, 4) + projections(128, 256, 6) + projections(256, 512, 3)
    assert parameters(counted("resnet34", shortcut="C")) == 21_623_848 + extra == 22_716_840


@pytest.mark.parametrize("name", BUILDERS)
def test_depth_is_the_number_of_layers_with_weights(name: str) -> None:
    layers = [n for n, m in counted(name).named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert sum("shortcut" not in layer for layer in layers) == int(re.sub(r"\D", "", name))


# Table 1, "FLOPs", which are multiply-adds; the paper cuts rather than rounds (3.86 is its 3.8).
@pytest.mark.parametrize(("depth", "gmacs"), [(18, 1.8), (34, 3.6), (50, 3.8), (101, 7.6), (152, 11.3)])
def test_multiply_adds_of_table_1(depth: int, gmacs: float) -> None:
    assert anatomy(counted(f"resnet{depth}")).macs / 1e9 == pytest.approx(gmacs, abs=0.07)


def test_stride_on_the_3x3_costs_what_the_wider_1x1_costs() -> None:
    paper, later = (anatomy(counted("resnet50", stride_on=on)).macs for on in ("1x1", "3x3"))
    # the first 1x1 of conv3_1, conv4_1, conv5_1 sees the whole map instead of a quarter
    firsts = [(256, 128, 56), (512, 256, 28), (1024, 512, 14)]  # inputs, outputs, side
    wider = sum(inputs * outputs * (side**2 - (side // 2) ** 2) for inputs, outputs, side in firsts)
    assert later - paper == wider
    assert later / 1e9 == pytest.approx(4.1, abs=0.05)


def test_strides_stand_where_the_paper_puts_them() -> None:
    def halving(**options: Any) -> list[str]:
        modules = counted("resnet50", **options).named_modules()
        return [name for name, m in modules if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]

    def stages(inner: str) -> list[str]:
        return [f"stages.conv{i}_x.0.{name}" for i in (3, 4, 5) for name in (inner, "shortcut.conv")]

    assert halving() == ["stem.conv1", *stages("residual.conv1")]
    assert halving(stride_on="3x3") == ["stem.conv1", *stages("residual.conv2")]


def test_stride_on_the_1x1_never_looks_at_three_pixels_of_four() -> None:
    x = torch.randn(1, 16, 6, 6)
    changed = x + torch.randn_like(x)
    changed[:, :, ::2, ::2] = x[:, :, ::2, ::2]
    for on, blind in (("1x1", True), ("3x3", False)):
        residual = BUILDERS["resnet50"](width=1 / 16, stride_on=on).eval().stages["conv3_x"][0].residual
        assert torch.equal(residual(x), residual(changed)) is blind


def test_features_of_table_1() -> None:
    maps = counted("resnet50").features(torch.empty(2, 3, 224, 224, device="meta"))
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        "conv2_x": (2, 256, 56, 56),
        "conv3_x": (2, 512, 28, 28),
        "conv4_x": (2, 1024, 14, 14),
        "conv5_x": (2, 2048, 7, 7),
    }
    maps = counted("resnet20").features(torch.empty(2, 3, 32, 32, device="meta"))
    assert [tuple(m.shape) for m in maps.values()] == [(2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8)]


def test_receptive_field_and_jump_pass_the_shortcuts() -> None:
    # conv1 7, pool 11, then 2 * jump for every 3x3: 3 * 8 + 4 * 16 + 6 * 32 + 3 * 64
    last = anatomy(counted("resnet50"))["stages.conv5_x.2.relu"]
    assert (last.receptive_field, last.jump) == (11 + 24 + 64 + 192 + 192, 32)
    padded = anatomy(counted("resnet34", shortcut="A"))["stages.conv3_x.0.shortcut"]
    assert (padded.shape, padded.jump) == ((128, 28, 28), 8)


def test_option_a_by_hand() -> None:
    x = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], [[10.0, 20, 30], [40, 50, 60], [70, 80, 90]]])[None]
    kept = [[[1.0, 3], [7, 9]], [[10.0, 30], [70, 90]]]
    zero = [[0.0, 0], [0, 0]]
    assert PadShortcut(3, 2, "end")(x).tolist() == [[*kept, zero, zero, zero]]
    assert PadShortcut(3, 2, "symmetric")(x).tolist() == [[zero, *kept, zero, zero]]


@torch.no_grad()
def by_hand(state: dict[str, Tensor], x: Tensor, n: int, before: int | None) -> Tensor:
    """Section 4.2 without a module: `before` zero channels in front of the 16 kept ones, None for the plain net."""

    def conv(x: Tensor, name: str, i: int, stride: int = 1) -> Tensor:
        x = F.conv2d(x, state[f"{name}conv{i}.weight"], stride=stride, padding=1)
        mean, var, weight, shift = (
            state[f"{name}bn{i}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, weight, shift)

    x = conv(x, "stem.", 1).relu()
    for stage in (2, 3, 4):
        for i in range(n):
            stride = 2 if stage > 2 and i == 0 else 1
            name = f"stages.conv{stage}_x.{i}.residual."
            y = conv(conv(x, name, 1, stride).relu(), name, 2)
            if before is not None:
                start = 0 if stride == 1 else before * (stage - 2)
                y[:, start : start + x.shape[1]] += x[:, :, ::stride, ::stride]
            x = y.relu()
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(
    ("name", "options", "before"),
    [
        ("resnet20", {}, 0),
        ("resnet20", {"padding": "symmetric"}, 8),
        ("plain20", {}, None),
    ],
)
def test_small_nets_equal_a_forward_by_hand(name: str, options: dict[str, Any], before: int | None) -> None:
    torch.manual_seed(0)
    model = BUILDERS[name](10, **options).eval()
    randomise(model)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(x), by_hand(model.state_dict(), x, 3, before), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
@torch.no_grad()
def test_logits_equal_torchvision(depth: int) -> None:
    torch.manual_seed(depth)
    theirs = torchvision.models.get_model(f"resnet{depth}", weights=None).eval()
    randomise(theirs)
    ours = counted(f"resnet{depth}", stride_on="3x3").to_empty(device="cpu").eval()  # nothing of its own to keep
    load_torchvision_state(ours, theirs.state_dict())
    x = torch.randn(1, 3, 64, 64)
    logits = theirs(x)
    assert logits.isfinite().all()
    assert logits.std() > 0.01
    assert torch.equal(ours(x), logits)


def test_torchvision_states_without_batch_counters_load() -> None:
    theirs = torchvision.models.resnet18(weights=None, num_classes=3).eval()
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    ours = BUILDERS["resnet18"](3).eval()
    load_torchvision_state(ours, state)
    x = torch.randn(1, 3, 40, 40)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50", {}, 'stride_on="3x3"'),
        ("resnet50", {"stride_on": "3x3", "shortcut": "A"}, "not 'A'"),
        ("resnet34", {"shortcut": "C"}, "not 'C'"),
        ("plain18", {}, 'shortcut="B"'),
    ],
)
def test_torchvision_states_that_would_mislead_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_torchvision_state(counted(name, **options), {})


def test_torchvision_state_of_another_depth_is_refused() -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    with pytest.raises(RuntimeError, match=r"conv2_x\.2"):
        load_torchvision_state(BUILDERS["resnet34"](), state)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20"])
def test_zero_init_makes_blocks_their_shortcuts(name: str) -> None:
    x = torch.rand(2, 3, 64, 64)
    model = BUILDERS[name](7, width=0.25, zero_init=True)
    for row in model.stages.children():
        same = torch.rand(2, row[-1].residual[0].in_channels, 6, 6)
        assert torch.equal(row[-1](same), same)
    assert model(x).shape == (2, 7)
    usual = BUILDERS[name](7, width=0.25)
    assert all((m.weight == 1).all() for m in usual.modules() if isinstance(m, nn.BatchNorm2d))


def test_initialisation_is_he_fan_out() -> None:
    torch.manual_seed(0)
    model = BUILDERS["resnet34"]()
    for name, outputs in (("conv3_x", 128), ("conv5_x", 512)):  # inputs are half as many: fan-in differs by sqrt(2)
        weight = model.stages[name][0].residual.conv1.weight
        assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * outputs)), rel=0.02)
        assert weight.abs().max() > 3.5 * weight.std()  # normal, not uniform
    assert not model.fc.bias.any()
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {"shortcut": "C"}),
        ("resnet34", {"shortcut": "A"}),
        ("resnet50", {}),
        ("resnet50", {"shortcut": "A", "stride_on": "3x3"}),
        ("resnet110", {"padding": "symmetric"}),
        ("plain20", {}),
    ],
)
def test_gradients_reach_every_parameter(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = BUILDERS[name](5, width=0.25, **options)
    F.cross_entropy(model(torch.randn(4, 3, 64, 64)), torch.arange(4)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {"shortcut": "D"}, "shortcut must be one of 'A', 'B', 'C', not 'D'"),
        ("resnet20", {"padding": "start"}, "padding must be one of 'end', 'symmetric', not 'start'"),
        ("resnet50", {"stride_on": "5x5"}, "stride_on must be one of '1x1', '3x3', not '5x5'"),
        ("resnet20", {"width": 1 / 32}, "width 0.03125 leaves no channel; the least is 1/16"),
        ("plain18", {"shortcut": "B"}, "a plain net has no shortcuts"),
        ("plain20", {"zero_init": True}, "a plain net has no shortcuts"),
    ],
)
def test_unknown_options_are_refused_with_the_allowed_ones(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counted(name, **options)


def test_forms_any_6n_plus_2_and_any_image() -> None:
    model = ResNet(SMALL, "basic", (1, 1, 1), 10)  # 8 layers
    assert model(torch.randn(2, 3, 28, 28)).shape == (2, 10)
    assert (model.image_size, counted("resnet18").image_size) == (32, 224)
    assert (SMALL.shortcut, IMAGENET.shortcut) == ("A", "B")
    assert model.stem.conv1.weight.shape == (16, 3, 3, 3)
    with pytest.raises(ValueError, match="block must be one of 'plain', 'basic', 'bottleneck', not 'wide'"):
        ResNet(SMALL, "wide", (1, 1, 1))
