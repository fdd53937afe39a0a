"""Layer tables: hand counts, the memory walk of VGG-16, receptive fields against gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from paperlib import build
from paperlib.anatomy import anatomy, kept_for_backward
from paperlib.errors import PaperlibError


@pytest.fixture(scope="module")
def vgg16() -> nn.Module:
    with torch.device("meta"):
        return build("vgg16")


def test_the_memory_walk_of_vgg16(vgg16: nn.Module) -> None:
    """The rows of the well-known walk; its total of 24M values does not follow from them: it is 15.2M, 61 MB."""
    walk = anatomy(vgg16).only("input", "Conv2d", "MaxPool2d", "Linear")
    values = [
        150_528, 3_211_264, 3_211_264, 802_816, 1_605_632, 1_605_632, 401_408, 802_816, 802_816, 802_816, 200_704,
        401_408, 401_408, 401_408, 100_352, 100_352, 100_352, 100_352, 25_088, 4_096, 4_096, 1_000,
    ]  # fmt: skip
    assert [row.activations for row in walk] == values
    assert walk.activations == sum(values) == 15_237_608
    biases = 64 * 2 + 128 * 2 + 256 * 3 + 512 * 6 + 4096 * 2 + 1000
    assert walk["fc6"].params == 102_760_448 + 4096
    assert walk.params - biases == 138_344_128


def test_multiply_adds_of_vgg16(vgg16: nn.Module) -> None:
    table = anatomy(vgg16)
    assert table["conv1_1"].macs == 224 * 224 * 64 * 27
    assert table["fc6"].macs == 7 * 7 * 512 * 4096
    assert table.macs == 15_470_264_320


def test_what_vgg16_keeps_for_backward(vgg16: nn.Module) -> None:
    """Every row of the walk but the logits, and the places of the maxima; a batch of two keeps twice as much."""
    pools = anatomy(vgg16).only("MaxPool2d").activations
    assert kept_for_backward(vgg16.eval()) == 4 * (15_237_608 - 1000) + 8 * pools
    assert kept_for_backward(vgg16, batch=2) == 2 * kept_for_backward(vgg16)


@pytest.mark.parametrize("efficient", [False, True])
def test_what_is_kept_is_what_hooks_see_on_a_real_device(efficient: bool) -> None:
    model = build("densenet40_k12", 10, memory_efficient=efficient)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    counted = kept_for_backward(model, (3, 16, 16), batch=2)
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())

    held: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(torch.randn(2, 3, 16, 16))
    assert logits.requires_grad
    for tensor in (*model.parameters(), *model.buffers()):
        held.pop(tensor.untyped_storage().data_ptr(), None)
    assert counted == sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def test_receptive_fields_of_vgg16(vgg16: nn.Module) -> None:
    table = anatomy(vgg16)
    assert (table["conv5_3"].receptive_field, table["conv5_3"].jump) == (196, 16)
    assert (table["pool5"].receptive_field, table["pool5"].jump) == (212, 32)
    assert table["fc6"].receptive_field is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 5]), st.integers(1, 3), st.booleans()), min_size=1, max_size=4))
def test_receptive_field_is_where_the_gradient_reaches(windows: list[tuple[int, int, bool]]) -> None:
    layers: list[nn.Module] = []
    for kernel, stride, pool in windows:
        if pool:
            layers.append(nn.AvgPool2d(kernel, stride))
        else:
            layers.append(nn.Conv2d(1, 1, kernel, stride, bias=False))
            nn.init.ones_(layers[-1].weight)
    net = nn.Sequential(*layers)
    x = torch.ones(1, 1, 200, 200, requires_grad=True)
    y = net(x)
    (gradient,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    last = anatomy(net, (1, 200, 200)).rows[-1]
    seen = (gradient[0, 0].sum(dim=0) != 0).nonzero()
    assert int(seen.max()) < last.receptive_field
    if all(kernel >= stride for kernel, stride, _ in windows):  # no gaps, so the field is filled
        assert int(seen.max()) + 1 == last.receptive_field
    assert last.jump == torch.tensor([stride for _, stride, _ in windows]).prod()


def test_dilation_widens_the_field() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, dilation=4), nn.MaxPool2d(2, 1, dilation=3))
    assert [row.receptive_field for row in anatomy(net, (1, 50, 50))] == [1, 9, 12]


class Meeting(nn.Module):
    """A 3x3 and a 1x1 path that meet in a sum, then in a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.last = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1), nn.Conv2d(4, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        total = self.wide(x) + self.narrow(x)
        return self.last(torch.cat([total, x], dim=1))


def test_fields_pass_through_sums_and_concatenations() -> None:
    table = anatomy(Meeting(), (2, 9, 9))
    assert {row.name: row.receptive_field for row in table} == {"input": 1, "wide": 3, "narrow": 1, "last": 5}


def test_a_global_average_states_no_field() -> None:
    table = anatomy(nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)), (1, 9, 9))
    assert [row.receptive_field for row in table] == [1, 3, None]


def test_a_single_layer_is_a_model() -> None:
    table = anatomy(nn.Conv2d(3, 4, 3), (3, 8, 8))
    assert (table.params, table.macs) == (4 * 27 + 4, 6 * 6 * 4 * 27)


def test_a_model_whose_rows_would_not_add_up_is_refused() -> None:
    conv = nn.Conv2d(3, 3, 3)
    with pytest.raises(PaperlibError, match="the rows have 168 parameters, Sequential has 84: it uses a layer twice"):
        anatomy(nn.Sequential(conv, conv), (3, 8, 8))
    with pytest.raises(PaperlibError, match="transposed"):
        anatomy(nn.ConvTranspose2d(3, 3, 2, 2), (3, 8, 8))


def test_a_model_in_float64() -> None:
    assert anatomy(nn.Sequential(nn.Conv2d(3, 4, 3)).double(), (3, 8, 8)).macs == 6 * 6 * 4 * 27


def test_the_model_is_left_as_it_was() -> None:
    model = build("vgg11", 10, width=0.25, image_size=32, batch_norm=True)
    model.features.bn1_1.eval()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    anatomy(model)
    assert model.training
    assert not model.features.bn1_1.training
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


def test_an_error_inside_leaves_no_hook() -> None:
    model = build("vgg11", 10, width=0.25, image_size=32)
    with pytest.raises(RuntimeError):
        anatomy(model, (4, 32, 32))
    assert not any(m._forward_hooks for m in model.modules())
    assert model.training


def test_the_table_prints_a_line_a_layer_and_the_total(vgg16: nn.Module) -> None:
    lines = str(anatomy(vgg16)).splitlines()
    assert lines[0].split() == ["name", "kind", "shape", "params", "activations", "MACs", "field", "jump"]
    assert "138,357,544" in lines[-1]
    assert len({len(line) for line in lines}) == 1
    assert anatomy(vgg16)._repr_html_().count("<tr>") == len(lines)
