"""The faster layer against PyTorch's."""

import pytest
import torch
from torch import nn

from paperlib import build
from paperlib.anatomy import anatomy
from paperlib.models.layers import LocalResponseNorm


@pytest.mark.parametrize(("maps", "window"), [(96, 5), (7, 5), (3, 5), (1, 5), (8, 4), (8, 1)])
def test_response_norm_is_pytorchs(maps: int, window: int) -> None:
    """Outputs and gradients, also where a window is wider than the maps or even (and then not symmetric)."""
    torch.manual_seed(0)
    x = (30 * torch.randn(2, maps, 5, 4, dtype=torch.float64)).requires_grad_()
    weight = torch.randn_like(x)
    results = []
    for layer in (nn.LocalResponseNorm(window, 5e-4, 0.75, 2.0), LocalResponseNorm(window, 5e-4, 0.75, 2.0)):
        y = layer(x)
        results.append((y, *torch.autograd.grad((y * weight).sum(), x)))
    for here, there in zip(*results, strict=True):
        torch.testing.assert_close(here, there, rtol=1e-12, atol=1e-12)


def test_response_norm_under_autocast_is_as_close_as_bf16_can_be() -> None:
    torch.manual_seed(0)
    x = 30 * torch.rand(2, 96, 5, 5)
    layer = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x.bfloat16())
    torch.testing.assert_close(y.float(), layer(x), rtol=2**-6, atol=0)


def test_response_norm_of_large_activations_is_finite_in_half_precision() -> None:
    """300 squared is beyond fp16; inputs of 8 bits with only the mean subtracted give such activations."""
    x = torch.full((1, 96, 3, 3), 300.0)
    layer = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    torch.testing.assert_close(layer(x.half()).float(), layer(x), rtol=2**-8, atol=0)


def test_response_norm_has_no_multiply_adds_with_weights() -> None:
    table = anatomy(build("zfnet", num_classes=2, width=1 / 16, image_size=64))
    assert table["norm1"].macs == table["norm2"].macs == 0
    assert table["conv1"].macs == 7 * 7 * 3 * 6 * 30 * 30  # 6 maps of 30 px
