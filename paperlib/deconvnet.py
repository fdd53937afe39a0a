"""ZFNet's deconvnet (section 2.1), the images that excite a map most (Figure 2), and occlusion (Figure 7).

For every model whose `features` is a plain `nn.Sequential` of convolutions, ReLUs, max pools, dropouts, response and
batch normalisations: AlexNet, ZFNet, VGG. Layers are walked one by one, up and down, without hooks: nothing is left
behind after an error. All is computed as in evaluation, whatever the mode of the model, and the mode stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from paperlib.anatomy import behind_window
from paperlib.errors import PaperlibError, unknown
from paperlib.transforms import Images, View

Unit = int | tuple[int, int, int]  # a map, or one activation: map, row, column
Size = tuple[int, int]  # height, width
_FEATURES = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.LocalResponseNorm, nn.BatchNorm2d, nn.Dropout)


@dataclass(frozen=True)
class Ascent:
    """What the way up to `layer` leaves for the way down: its `maps` (N, C, h, w), and by layer `switches` and `sizes`.

    `switches` holds the places of the maxima of each pool, (N, C, h, w), as indices into the flattened plane that was
    pooled; `sizes` the height and width of what went into each layer.
    """

    layer: str
    maps: Tensor
    switches: dict[str, Tensor]
    sizes: dict[str, Size]


def unpool(signal: Tensor, switches: Tensor, size: Size) -> Tensor:
    """`signal` (N, C, h, w) at the places of the maxima, in planes (N, C, *size) of zeros (section 2.1, unpooling).

    A place that overlapping windows share gets the sum of their signals; `max_unpool2d` would keep one of them.
    """
    planes = signal.new_zeros(*signal.shape[:2], size[0] * size[1])
    return planes.scatter_add(2, switches.flatten(2), signal.flatten(2)).view(*signal.shape[:2], *size)


def rectify(signal: Tensor) -> Tensor:
    """ReLU on the signal itself, wherever the maps of the way up were positive (section 2.1, rectification)."""
    return F.relu(signal)


def filter(signal: Tensor, conv: nn.Conv2d, size: Size) -> Tensor:
    """`signal` (N, C, h, w) through the transposed filters of `conv`, no bias, to (N, inputs, *size) (section 2.1)."""
    kernel, stride, padding, dilation = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    assert not isinstance(padding, str)
    # Lines at the far end that no window reaches: one of the 226 that conv1 of ZFNet sees
    unseen = [(size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) % stride[i] for i in (0, 1)]
    return F.conv_transpose2d(signal, conv.weight, None, stride, padding, unseen, conv.groups, dilation)


@torch.no_grad()
def ascend(model: nn.Module, views: Tensor, layer: str) -> Ascent:
    """Run views (N, 3, H, W) up to the feature layer `layer` (`relu5`, `pool1`, ...) and record the switches.

    Raises PaperlibError for an unknown layer, a layer with no way down, and views of another shape.
    """
    x = views.to(next(model.parameters()))
    if x.dim() != 4:
        raise PaperlibError(f"views must be (N, 3, H, W), not {tuple(x.shape)}")
    switches, sizes = {}, {}
    for name, module in layers_up_to(model, layer):
        sizes[name] = (x.shape[2], x.shape[3])
        if isinstance(module, nn.MaxPool2d):
            window = module.kernel_size, module.stride, module.padding, module.dilation
            x, switches[name] = F.max_pool2d(x, *window, ceil_mode=module.ceil_mode, return_indices=True)
        else:
            x = apply_layer(module, x)
    return Ascent(layer, x, switches, sizes)


def keep(maps: Tensor, units: Sequence[Unit]) -> Tensor:
    """M signals (M, C, h, w), each with one unit as it is and all other activations zero (section 2.1).

    All units are of the one image of maps (1, C, h, w), or the m-th of the m-th image of (M, C, h, w). Raises
    PaperlibError where the numbers do not fit or there is no such unit.
    """
    if len(maps) not in (1, len(units)):
        raise PaperlibError(f"{len(units)} units of {len(maps)} images; take one image, or one unit of each")
    signal = torch.zeros_like(maps[:1]).repeat(len(units), 1, 1, 1)
    for m, unit in enumerate(units):
        place = (unit,) if isinstance(unit, int) else unit
        if len(place) not in (1, 3) or any(not 0 <= p < side for p, side in zip(place, maps.shape[1:], strict=False)):
            raise PaperlibError(f"no unit {unit} in maps {tuple(maps.shape[1:])}")
        signal[(m, *place)] = maps[(m % len(maps), *place)]
    return signal


@torch.no_grad()
def descend(model: nn.Module, ascent: Ascent, signal: Tensor) -> Tensor:
    """Project a signal (M, C, h, w) at `ascent.layer` to pixels (M, 3, H, W): unpool, rectify, filter (section 2.1).

    M is the number of views of the ascent, or any where that is one. The last step is a filter: pixels may be negative.
    Response normalisation is identity. Departs from the paper: batch normalisation, which it does not have, counts
    as part of the convolution before it: its factor multiplies the signal, its shift is a bias and is left out.

    Raises PaperlibError where the signal has another shape than the maps of the ascent.
    """
    if signal.shape[1:] != ascent.maps.shape[1:] or len(ascent.maps) not in (1, len(signal)):
        raise PaperlibError(f"a signal {tuple(signal.shape)} does not fit maps {tuple(ascent.maps.shape)}")
    for name, module in reversed(layers_up_to(model, ascent.layer)):
        if isinstance(module, nn.MaxPool2d):
            signal = unpool(signal, ascent.switches[name].expand(len(signal), -1, -1, -1), ascent.sizes[name])
        elif isinstance(module, nn.ReLU):
            signal = rectify(signal)
        elif isinstance(module, nn.Conv2d):
            signal = filter(signal, module, ascent.sizes[name])
        elif isinstance(module, nn.BatchNorm2d):
            deviation = (module.get_buffer("running_var") + module.eps).sqrt()
            signal = signal * (module.weight / deviation)[:, None, None]
    return signal


def project(model: nn.Module, views: Tensor, layer: str, units: Sequence[Unit]) -> Tensor:
    """Pixels (M, 3, H, W) of M units of `layer` in views (1, 3, H, W) or (M, 3, H, W): `ascend`, `keep`, `descend`."""
    ascent = ascend(model, views, layer)
    return descend(model, ascent, keep(ascent.maps, units))


def receptive_boxes(model: nn.Module, layer: str, positions: Tensor, size: Size) -> Tensor:
    """The pixels of an image of `size` that units of `layer` see, from their `positions` (..., 2), row and column.

    Boxes (..., 4): top, left, bottom, right, the last two exclusive, clipped to the image.
    """
    field, jump, start = torch.ones(2), torch.ones(2), torch.zeros(2)  # of unit (0, 0): height and width
    for _, module in layers_up_to(model, layer):
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)):
            start = start - torch.tensor(module.padding) * jump
            window = map(torch.tensor, (module.kernel_size, module.stride, module.dilation))
            field, jump = behind_window(field, jump, *window)
    near = start + positions.cpu() * jump
    return torch.cat([near.clamp(min=0), torch.minimum(near + field, torch.tensor(size))], dim=-1).long()


def cut(images: Tensor, boxes: Tensor) -> list[Tensor]:
    """Of each of images (M, 3, H, W) the patch (3, h, w) in its box (M, 4), as `receptive_boxes` gives them."""
    edges = zip(images, boxes.tolist(), strict=True)
    return [image[:, top:bottom, left:right] for image, (top, left, bottom, right) in edges]


@dataclass(frozen=True)
class Top:
    """The k strongest activations of each of the C maps of `layer`, at most one an image, strongest first.

    `values` (C, k); `images` (C, k), their indices; `positions` (C, k, 2), row and column in the map; `boxes`
    (C, k, 4), the patches of the views that the units see, as `receptive_boxes` gives them.
    """

    layer: str
    values: Tensor
    images: Tensor
    positions: Tensor
    boxes: Tensor

    def units(self, channel: int) -> list[Unit]:
        """The k units of map `channel`, for `project` with the views of `images[channel]`."""
        return [(channel, row, column) for row, column in self.positions[channel].tolist()]


def top_activations(
    model: nn.Module, layer: str, images: Images, k: int = 9, view: View | None = None, batch_size: int = 32
) -> Top:
    """The k images that excite each map of `layer` most, each with its strongest unit (Figure 2).

    Goes through `images` once, `batch_size` views (of one shape; the images themselves without `view`) in memory at a
    time. Of equal activations the first image wins, in an image the first unit in reading order. Fewer than k images
    give fewer columns. A unit at an edge may be excited by the zeros that a convolution pads with: `positions` tells.
    Raises PaperlibError for k below 1 or no images, and as `ascend` does.
    """
    if k < 1 or len(images) == 0:
        raise PaperlibError(f"the top {k} of {len(images)} images: there must be at least one of each")
    best: list[Tensor] = []
    for i in tqdm(range(0, len(images), batch_size), desc="top", unit="batch", leave=False, disable=None):
        indices = torch.arange(i, min(i + batch_size, len(images)))
        views = torch.stack([images[j] if view is None else view(images[j]) for j in indices.tolist()])
        maps = ascend(model, views, layer).maps  # (N, C, h, w)
        values, places = maps.flatten(2).max(dim=2)  # (N, C)
        positions = torch.stack([places // maps.shape[3], places % maps.shape[3]], dim=2)
        boxes = receptive_boxes(model, layer, positions, (views.shape[2], views.shape[3]))
        batch = [t.transpose(0, 1).cpu() for t in (values, indices[:, None].expand(values.shape), positions, boxes)]
        best = [torch.cat(pair, dim=1) for pair in zip(best, batch, strict=True)] if best else batch
        order = best[0].sort(dim=1, descending=True, stable=True).indices[:, :k]
        best = [t[torch.arange(len(t))[:, None], order] for t in best]
    return Top(layer, *best)


def plain_layers(model: nn.Module, part: str, known: tuple[type[nn.Module], ...]) -> list[tuple[str, nn.Module]]:
    """The named layers of `model.features` or `model.classifier`; PaperlibError where one has no known way down."""
    sequence = getattr(model, part, None)
    if not isinstance(sequence, nn.Sequential):
        raise PaperlibError(f"{type(model).__name__} has no nn.Sequential `{part}`, as AlexNet, ZFNet and VGG have")
    for name, module in sequence.named_children():
        plain = isinstance(module, known)
        if isinstance(module, nn.Conv2d):
            plain = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        if isinstance(module, nn.BatchNorm2d):
            plain = module.running_var is not None and module.affine
        if not plain:
            raise PaperlibError(f"the deconvnet knows no way through layer {name!r}: {module}")
    return list(sequence.named_children())


def layers_up_to(model: nn.Module, layer: str | None = None) -> list[tuple[str, nn.Module]]:
    """The feature layers up to and including `layer`, all of them without it."""
    layers = plain_layers(model, "features", _FEATURES)
    names = [name for name, _ in layers]
    if layer is not None and layer not in names:
        raise unknown("layer", layer, names)
    return layers if layer is None else layers[: names.index(layer) + 1]


def apply_layer(module: nn.Module, x: Tensor) -> Tensor:
    """The output of `module` in evaluation, whatever its mode; `x` is left as it is."""
    if isinstance(module, nn.ReLU):
        return F.relu(x)
    if isinstance(module, nn.BatchNorm2d):
        return F.batch_norm(x, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps)
    y: Tensor = x if isinstance(module, nn.Dropout) else module(x)
    return y
