"""DenseNet: the numbers of arXiv 1608.06993, parity with torchvision, and the memory-efficient form (1707.06990)."""

import copy
import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from paperlib import build
from paperlib.anatomy import anatomy
from paperlib.models import densenet
from paperlib.models.densenet import BUILDERS, DenseBlock, DenseLayer, DenseNet, Transition, load_torchvision_state

from .conftest import counted, randomise

FORMS = {  # small nets of every form of Table 2, and the ImageNet form
    "plain": ("small", 13, {"bottleneck": False, "compression": 1.0}),
    "C": ("small", 13, {"bottleneck": False, "compression": 0.5}),
    "B": ("small", 16, {"compression": 1.0}),
    "BC": ("small", 16, {}),
    "imagenet": ("imagenet", 121, {}),
}


def small(form: str, growth_rate: int = 4, num_classes: int = 5, **options: Any) -> DenseNet:
    kind, depth, own = FORMS[form]
    return DenseNet(kind, depth, growth_rate, num_classes, **{**own, **options})


@pytest.mark.parametrize(
    ("name", "num_classes", "count"),
    [
        ("densenet40_k12", 10, 1_019_722),
        ("densenet100_k12", 10, 6_979_642),
        ("densenet100_k24", 10, 27_249_082),
        ("densenet_bc100_k12", 10, 769_162),
        ("densenet_bc250_k24", 10, 15_324_406),
        ("densenet_bc190_k40", 10, 25_624_430),
        ("densenet121", 1000, 7_978_856),
        ("densenet169", 1000, 14_149_480),
        ("densenet201", 1000, 20_013_928),
        ("densenet161", 1000, 28_681_000),
    ],
)
def test_parameters(name: str, num_classes: int, count: int) -> None:
    assert sum(p.numel() for p in counted(name, num_classes).parameters()) == count


def test_parameters_of_264_by_hand() -> None:
    k, channels = 32, 64
    total = 3 * 64 * 49 + 2 * channels
    for b, layers in enumerate((6, 12, 64, 48)):
        if b:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
        for _ in range(layers):
            total += 2 * channels + channels * 4 * k + 2 * 4 * k + 4 * k * k * 9
            channels += k
    total += 2 * channels + 1000 * channels + 1000
    assert sum(p.numel() for p in counted("densenet264").parameters()) == total == 33_337_704


def test_bc_of_any_depth_and_growth_rate_by_name() -> None:
    with torch.device("meta"):
        shapes = [
            {name: t.shape for name, t in build(model, 10, **options).state_dict().items()}
            for model, options in (("densenet_bc100_k12", {}), ("densenet_bc", {"depth": 100, "growth_rate": 12}))
        ]
        assert shapes[0] == shapes[1]
        net = build("densenet_bc", 10, depth=22, growth_rate=24, dropout=0.2, memory_efficient=True)
        layer = net.stages["dense3"][2]
        assert (layer.dropout, layer.memory_efficient) == (0.2, True)
        assert anatomy(net, (3, 28, 28)).macs == pytest.approx(anatomy(build("resnet56"), (3, 28, 28)).macs, rel=0.02)
        counts = [sum(p.numel() for p in one.parameters()) for one in (net, build("resnet20", 10))]
    assert counts[0] == pytest.approx(counts[1], rel=0.04)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name[-1].isdigit()])
def test_depth_is_the_number_of_layers_with_weights(name: str) -> None:
    layers = sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in counted(name).modules())
    depth = int(re.findall(r"\d+", name)[0])
    assert layers == (265 if depth == 264 else depth)  # the blocks of Table 1 give the last net one layer more


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("small", 41, 12), r"with bottleneck must be 6n \+ 4 \(n layers in each block\), not 41"),
        (("small", 43, 12), r"6n \+ 4"),
        (("small", 4, 12), r"6n \+ 4"),
        (("imagenet", 100, 12), "121, 161, 169, 201, 264, not 100"),
        (("large", 100, 12), "'imagenet', 'small', not 'large'"),
    ],
)
def test_depths_that_do_not_exist_are_refused_with_the_rule(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DenseNet(*arguments)


def test_refused_options() -> None:
    with pytest.raises(ValueError, match=r"without bottleneck must be 3n \+ 4 .* not 41"):
        DenseNet("small", 41, 12, bottleneck=False)
    with pytest.raises(ValueError, match="ImageNet nets have bottlenecks"):
        DenseNet("imagenet", 121, 32, bottleneck=False)
    for theta in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"compression must lie in \(0, 1\]"):
            DenseNet("small", 40, 12, compression=theta)


def test_stem_has_16_maps_and_2k_where_bottleneck_meets_compression() -> None:
    assert {form: small(form).stem.conv.out_channels for form in FORMS} == {
        "plain": 16,
        "C": 16,
        "B": 16,
        "BC": 8,
        "imagenet": 8,
    }
    assert counted("densenet161").stem.conv.out_channels == 96


def test_block_of_the_review_ends_with_22_maps() -> None:
    layers = [DenseLayer(6 + 4 * i, 4, bottleneck=True, dropout=0.0, memory_efficient=False) for i in range(4)]
    block = DenseBlock(*layers).eval()
    x = torch.randn(1, 6, 5, 5)
    y = block(x)
    assert y.shape == (1, 22, 5, 5)
    # order [old, new]: the input first, then what each layer makes of all before it
    assert torch.equal(y[:, :6], x)
    for i, layer in enumerate(layers):
        old, new = y[:, : 6 + 4 * i], y[:, 6 + 4 * i : 10 + 4 * i]
        torch.testing.assert_close(layer([old]), new)


def test_transition_by_hand() -> None:
    transition = Transition(2, 1, dropout=0.0).eval()
    nn.init.constant_(transition.conv.weight, 10.0)
    transition.norm.eps = 0.0
    x = torch.tensor([[[1.0, -2, 3], [4, 5, 6], [7, 8, 9]], [[-1.0, -1, -1], [-1, -1, -1], [-1, -1, -1]]])[None]
    assert transition(x).tolist() == [[[[10 * (1 + 0 + 4 + 5) / 4]]]]  # rectified, mixed, averaged; 3x3 to 1x1


def test_features_of_table_1() -> None:
    maps = counted("densenet121").features(torch.empty(2, 3, 224, 224, device="meta"))
    assert {name: tuple(m.shape[1:]) for name, m in maps.items()} == {
        "dense1": (64 + 6 * 32, 56, 56),
        "transition1": (128, 28, 28),
        "dense2": (128 + 12 * 32, 28, 28),
        "transition2": (256, 14, 14),
        "dense3": (256 + 24 * 32, 14, 14),
        "transition3": (512, 7, 7),
        "dense4": (512 + 16 * 32, 7, 7),
    }
    net = DenseNet("small", 16, 5, compression=0.5)  # 10 maps, 20 after the block of two layers, 40 % 3 != 0
    assert [m.shape[1] for m in net.features(torch.randn(1, 3, 8, 8)).values()] == [20, 10, 20, 10, 20]
    net = DenseNet("small", 16, 5, compression=0.33)  # rounded down: 20 * .33 = 6.6, 16 * .33 = 5.28
    assert [m.shape[1] for m in net.features(torch.randn(1, 3, 8, 8)).values()] == [20, 6, 16, 5, 15]


def test_receptive_field_passes_the_concatenations() -> None:
    # stem 3; twelve 3x3 at jump 1, 2, 4; two pools of 2
    last = anatomy(counted("densenet40_k12"))["norm"]
    assert (last.shape, last.receptive_field, last.jump) == ((448, 8, 8), 3 + 24 + 1 + 48 + 2 + 96, 4)


@torch.no_grad()
def by_hand(model: DenseNet, x: Tensor) -> Tensor:
    """The small form without a module: for every name of a convolution BN-ReLU-conv, and eq. (2)."""
    state = model.state_dict()

    def norm_relu(x: Tensor, name: str) -> Tensor:
        mean, var, weight, shift = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, shift).relu()

    x = F.conv2d(x, state["stem.conv.weight"], padding=1)
    for b in (1, 2, 3):
        if b > 1:
            name = f"stages.transition{b - 1}"
            x = F.avg_pool2d(F.conv2d(norm_relu(x, f"{name}.norm"), state[f"{name}.conv.weight"]), 2)
        layer = 1
        while f"stages.dense{b}.layer{layer}.norm1.weight" in state:
            y, conv = x, 1
            while (name := f"stages.dense{b}.layer{layer}.conv{conv}.weight") in state:
                y = norm_relu(y, name.replace("conv", "norm").removesuffix(".weight"))
                y = F.conv2d(y, state[name], padding=state[name].shape[-1] // 2)
                conv += 1
            x = torch.cat([x, y], 1)
            layer += 1
    return F.linear(norm_relu(x, "norm").mean((2, 3)), state["classifier.weight"], state["classifier.bias"])


@pytest.mark.parametrize("form", ["plain", "C", "B", "BC"])
def test_small_nets_equal_a_forward_by_hand(form: str) -> None:
    torch.manual_seed(0)
    model = small(form).eval()
    randomise(model)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(x), by_hand(model, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [121, 161, 169, 201])
@torch.no_grad()
def test_logits_equal_torchvision(depth: int) -> None:
    torch.manual_seed(depth)
    theirs = torchvision.models.get_model(f"densenet{depth}", weights=None).eval()
    randomise(theirs)
    ours = counted(f"densenet{depth}").to_empty(device="cpu").eval()  # nothing of its own to keep
    load_torchvision_state(ours, theirs.state_dict())
    x = torch.randn(1, 3, 64, 64)
    logits = theirs(x)
    assert logits.isfinite().all()
    assert logits.std() > 0.01
    assert torch.equal(ours(x), logits)


def test_torchvision_files_of_old_names_load() -> None:
    theirs = torchvision.models.densenet121(weights=None, num_classes=3).eval()
    state = {re.sub(r"(denselayer\d+\.(?:norm|conv))", r"\1.", k): v for k, v in theirs.state_dict().items()}
    state = {k: v for k, v in state.items() if "num_batches" not in k}
    assert "features.denseblock4.denselayer16.conv.2.weight" in state
    ours = BUILDERS["densenet121"](3).eval()
    load_torchvision_state(ours, state)
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))
    with pytest.raises(RuntimeError, match=r"dense3\.layer25"):
        load_torchvision_state(BUILDERS["densenet161"](3), state)


@pytest.mark.parametrize(("form", "dropout"), [("plain", 0.0), ("C", 0.2), ("BC", 0.2), ("imagenet", 0.0)])
def test_memory_efficient_equals_naive_over_three_steps(form: str, dropout: float) -> None:
    torch.manual_seed(0)
    naive = small(form, dropout=dropout)
    efficient = small(form, dropout=dropout, memory_efficient=True)
    efficient.load_state_dict(naive.state_dict())
    start = copy.deepcopy(naive.state_dict())
    batches = [(torch.randn(4, 3, 48, 48), torch.arange(4)) for _ in range(3)]

    results = []
    for model in (naive, efficient):
        torch.manual_seed(1)  # the same units drop
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trace = []
        for images, labels in batches:
            optimizer.zero_grad()
            logits = model(images)
            F.cross_entropy(logits, labels).backward()
            trace.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
            optimizer.step()
            trace[-1] |= {"logits": logits.detach()} | copy.deepcopy(model.state_dict())
        results.append(trace)

    for step, (one, other) in enumerate(zip(*results, strict=True), start=1):
        assert one.keys() == other.keys()
        assert [name for name in one if not torch.equal(one[name], other[name])] == []
        assert all(v == step for k, v in other.items() if k.endswith("num_batches_tracked"))
    assert not any(torch.equal(start[k], v) for k, v in results[1][-1].items() if "running" in k)


@pytest.mark.parametrize(
    ("form", "naive", "efficient"),
    [
        # reads 16, 20, 24 maps: concatenation and rectified copy of each, against the 16 + 4 + 4 maps themselves
        ("plain", 2 * (16 + 20 + 24), 16 + 4 + 4),
        # reads 8, 12 maps; both keep 4k = 16 maps before and after the second BN-ReLU of each of the two layers
        ("BC", 2 * (8 + 12) + 2 * 2 * 16, 8 + 4 + 2 * 2 * 16),
    ],
)
def test_memory_efficient_keeps_maps_instead_of_concatenations(form: str, naive: int, efficient: int) -> None:
    def kept(memory_efficient: bool) -> int:
        """Maps that autograd holds between forward and backward, each storage once."""
        held: list[Tensor] = []
        block = small(form, memory_efficient=memory_efficient).stages["dense1"]
        x = torch.randn(2, block.layer1.norm1.num_features, 8, 8)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t) or t, lambda t: t):
            y = block(x)
        assert y.requires_grad
        return sum({t.data_ptr(): t.shape[1] for t in held if t.dim() == 4 and t.shape[0] == 2}.values())

    assert (kept(False), kept(True)) == (naive, efficient)


@pytest.mark.parametrize("form", ["plain", "BC"])
def test_memory_efficient_runs_no_convolution_twice(form: str) -> None:
    class Calls(TorchDispatchMode):
        names: list[str]

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    model = small(form, memory_efficient=True)
    with Calls() as calls:
        calls.names = []
        model(torch.randn(2, 3, 16, 16)).sum().backward()
    convolutions = sum(isinstance(m, nn.Conv2d) for m in model.modules())
    layers = sum(isinstance(m, DenseLayer) for m in model.modules())
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert calls.names.count("convolution") == convolutions
    assert calls.names.count("native_batch_norm") == norms + layers


def test_memory_efficient_counts_a_batch_once_when_compiled() -> None:
    torch.manual_seed(0)
    naive = DenseNet("small", 7, 2, 5, bottleneck=False)
    efficient = DenseNet("small", 7, 2, 5, bottleneck=False, memory_efficient=True)
    efficient.load_state_dict(naive.state_dict())
    x = torch.randn(2, 3, 8, 8)
    naive(x).sum().backward()
    torch.compile(efficient, backend="aot_eager")(x).sum().backward()
    for one, other in zip(naive.parameters(), efficient.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    for one, other in zip(naive.buffers(), efficient.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_is_recomputed_without_a_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("checkpointed")

    monkeypatch.setattr(densenet, "checkpoint", refuse)
    model, x = small("BC", memory_efficient=True), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        model(x)
    model.eval()(x)
    with pytest.raises(AssertionError, match="checkpointed"):
        model.train()(x)


def test_dropout_follows_every_convolution_but_the_first() -> None:
    model = small("BC", dropout=1.0)
    inner = []
    for layer in model.stages["dense1"]:
        nn.init.ones_(layer.norm2.bias)  # the 3x3 gives something to drop, though the 1x1 gave zeros
    model.stages["dense1"].layer1.norm2.register_forward_pre_hook(lambda _, args: inner.append(args[0].clone()))
    x = torch.randn(2, 3, 16, 16)
    maps = model.features(x)
    assert torch.equal(maps["dense1"][:, :8], model.stem(x))
    assert model.stem(x).any()
    assert not maps["dense1"][:, 8:].any()
    assert not inner[0].any()
    assert not maps["transition1"].any()
    assert model.eval().features(x)["dense1"][:, 8:].any()


@pytest.mark.parametrize("form", ["plain", "BC"])
@torch.no_grad()
def test_connection_weights_by_hand(form: str) -> None:
    """Each weight is +-(10 * reader + source): so is, without the sign, the mean that Fig. 5 colours."""
    model = small(form)
    stages = list(model.stages.values())
    for block, behind in zip(stages[::2], [stages[1].conv, stages[3].conv, model.classifier], strict=True):
        sources = [block.layer1.conv1.in_channels] + 4 * [4]
        for column, reader in enumerate([*(layer.conv1 for layer in block), behind]):
            values = [float(10 * column + s) for s in range(column + 1) for _ in range(sources[s])]
            signs = torch.ones_like(reader.weight)
            signs[::2] = -1
            ones = [1] * (reader.weight.dim() - 2)
            reader.weight.copy_(signs * torch.tensor(values).view(1, -1, *ones))
    layers = len(stages[0])
    expected = torch.tensor(
        [[10.0 * c + s if s <= c else torch.nan for c in range(layers + 1)] for s in range(layers + 1)]
    )
    found = densenet.connection_weights(model)
    assert list(found) == ["dense1", "dense2", "dense3"]
    for matrix in found.values():
        torch.testing.assert_close(matrix, expected, equal_nan=True)


def test_initialisation_is_he_fan_out() -> None:
    torch.manual_seed(0)
    model = BUILDERS["densenet121"]()
    layer = model.stages["dense4"].layer16
    assert layer.conv1.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.02)
    assert layer.conv2.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 32)), rel=0.02)
    assert layer.conv1.weight.abs().max() > 3.5 * layer.conv1.weight.std()  # normal, not uniform
    assert not model.classifier.bias.any()
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("efficient", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_every_parameter(form: str, efficient: bool) -> None:
    torch.manual_seed(0)
    model = small(form, memory_efficient=efficient)
    F.cross_entropy(model(torch.randn(4, 3, 64, 64)), torch.arange(4)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_any_image_and_both_training_crops() -> None:
    assert small("BC")(torch.randn(2, 3, 28, 28)).shape == (2, 5)
    assert (small("BC").image_size, small("imagenet").image_size) == (32, 224)
