"""A layer of three of the papers that PyTorch has in a slower form."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LocalResponseNorm(nn.LocalResponseNorm):
    """PyTorch's layer of this name, faster on a CPU (AlexNet, section 3.3).

    The sum over neighbouring maps is a 1x1 convolution with a band of ones, where PyTorch pools in three dimensions:
    the same numbers but for rounding. Under autocast the sum is in bf16 or fp16, where PyTorch's takes fp32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to maps of that shape."""
        i = torch.arange(x.shape[1], device=x.device)
        offset = i - i[:, None]  # (C, C), from the map normalised to the one that is summed
        band = (offset >= -(self.size // 2)) & (offset <= (self.size - 1) // 2)
        small = x * (self.alpha / self.size) ** 0.5  # scaled before it is squared: 256 * 256 is infinite in fp16
        sums = F.conv2d(small.square(), band.to(x.dtype)[:, :, None, None])
        return x * (self.k + sums).pow(-self.beta)
