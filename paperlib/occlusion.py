"""Occlusion: what a model answers as a grey square moves over an image (ZFNet, section 4.2, Figure 7)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.deconvnet import apply_layer, ascend, descend, keep, layers_up_to, plain_layers
from paperlib.errors import PaperlibError

_CLASSIFIER = (nn.Linear, nn.ReLU, nn.Dropout)


@dataclass(frozen=True)
class Occlusion:
    """The maps of Figure 7; entry (i, j) is of the square with its top at row `offsets[i]`, its left at `offsets[j]`.

    `activation` (n, n): the sum over map `channel` of `layer`; `projection` (3, H, W): that map of the unoccluded
    image in pixels; `probability` (n, n): of the right class; `label` (n, n): the most probable class.
    """

    layer: str
    channel: int
    activation: Tensor
    projection: Tensor
    probability: Tensor
    label: Tensor
    offsets: range


@torch.no_grad()
def occlusion(
    model: nn.Module, image: Tensor, label: int, square: int, stride: int, fill: float = 0.0, layer: str | None = None
) -> Occlusion:
    """Cover the view `image` (3, H, W) of class `label` by a grey square, wherever it fits (section 4.2, Figure 7).

    `square` and `stride` are in px; the paper gives neither. What is left at the right and at the bottom, where the
    stride does not divide, is not covered. `fill` is in the units of the view: 0 is the mean colour.
    `layer` is by default the last ReLU of the features, layer 5. Its map with the strongest response to the uncovered
    image is recorded; the response is the sum over space, since the paper does not say how it measures "strongest".

    Raises PaperlibError for a square, stride, label or view that does not fit, and as `ascend` does.
    """
    features, classifier = layers_up_to(model), plain_layers(model, "classifier", _CLASSIFIER)
    layer = layer or [name for name, module in features if isinstance(module, nn.ReLU)][-1]
    above = [*features[len(layers_up_to(model, layer)) :], ("flatten", nn.Flatten()), *classifier]
    side = getattr(model, "image_size", image.shape[-1])
    if image.shape != (3, side, side):
        raise PaperlibError(f"the image must be a view (3, {side}, {side}), not {tuple(image.shape)}")
    if not 1 <= square <= side or stride < 1:
        raise PaperlibError(f"a square of {square} px every {stride} px does not fit an image of {side} px")
    last = classifier[-1][1]
    assert isinstance(last, nn.Linear)
    if not 0 <= label < last.out_features:
        raise PaperlibError(f"no class {label}; the model has {last.out_features}")

    ascent = ascend(model, image[None], layer)
    channel = int(ascent.maps.sum(dim=(2, 3)).argmax())
    offsets = range(0, side - square + 1, stride)
    corners = [(top, left) for top in offsets for left in offsets]
    activations, posteriors = [], []
    for i in range(0, len(corners), 32):
        batch = corners[i : i + 32]
        x = image.repeat(len(batch), 1, 1, 1)
        for covered, (top, left) in zip(x, batch, strict=True):
            covered[:, top : top + square, left : left + square] = fill
        x = ascend(model, x, layer).maps
        activations.append(x[:, channel].sum(dim=(1, 2)))
        for _, module in above:
            x = apply_layer(module, x)
        posteriors.append(x.softmax(dim=1))
    grid = len(offsets), len(offsets)
    probabilities = torch.cat(posteriors).view(*grid, -1)  # (n, n, classes)
    projection = descend(model, ascent, keep(ascent.maps, [channel]))[0]
    activation, most_probable = torch.cat(activations).view(grid), probabilities.argmax(dim=2)
    return Occlusion(layer, channel, activation, projection, probabilities[..., label], most_probable, offsets)
