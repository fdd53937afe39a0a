"""From images to class posteriors to counted errors.

A predictor is a function from N images, uint8 (3, H, W) each and of any sizes, to posteriors (N, classes). Small
ones make larger ones: `average(mirrored(a), mirrored(b))` is what a paper calls two scales, or a fusion of two nets,
and `average(multi_crop(...), dense(...))` is VGG's combination of both: the mean of two posteriors, not of all views.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from statistics import fmean, stdev

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm.auto import tqdm

from paperlib.errors import PaperlibError
from paperlib.modes import evaluating
from paperlib.transforms import RGB, CropViews, TestView, View, five_crops, grid_crops

Predictor = Callable[[Sequence[Tensor]], Tensor]
MEMORY = 256  # MB of decoded images, and as much again for one pass through the net
CHUNK = 256  # images that wait for each other, so that views of one shape meet


def many_views(model: nn.Module, views: View, memory: float = MEMORY) -> Predictor:
    """Mean posterior over the `views` (V, 3, h, w) of each image.

    Views are made when their turn comes, and those of one shape go through the net together: as many at once as
    keep themselves and the input and output of the largest layer within `memory` MB, but at least one.
    """
    device = next(model.parameters()).device

    @cache
    def limit(shape: torch.Size) -> int:
        return max(1, int(memory * 1e6 / _bytes(model, shape)))

    def predict(images: Sequence[Tensor]) -> Tensor:
        means: dict[int, Tensor] = {}
        waiting: dict[torch.Size, list[tuple[int, Tensor]]] = defaultdict(list)

        def run(shape: torch.Size) -> None:
            indices, stacks = zip(*waiting.pop(shape), strict=True)
            parts = torch.cat(stacks).split(limit(shape))
            posteriors = torch.cat([model(part.to(device)).float().softmax(dim=-1).cpu() for part in parts])
            for i, mine in zip(indices, posteriors.split([len(stack) for stack in stacks]), strict=True):
                means[i] = mine.mean(dim=0)

        with evaluating(model), torch.inference_mode():
            for i, image in enumerate(images):
                stack = views(image)
                shape = stack.shape[1:]
                waiting[shape].append((i, stack))
                held = {s: sum(len(w) for _, w in group) / limit(s) for s, group in waiting.items()}
                if held[shape] >= 1 or sum(held.values()) >= 1:
                    run(max(held, key=lambda s: held[s]))
            for shape in list(waiting):
                run(shape)
        return torch.stack([means[i] for i in range(len(images))])  # (N, classes)

    return predict


def _bytes(model: nn.Module, shape: torch.Size) -> int:
    """Bytes of the input and output of the layer that has most, for one view; computed without running the net."""
    sizes: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, output: sizes.append(inputs[0].nbytes + output.nbytes))
        for module in model.modules()
        if next(module.children(), None) is None
    ]
    meta = {name: t.to("meta") for name, t in chain(model.named_parameters(), model.named_buffers())}
    try:
        functional_call(model, meta, (torch.empty(1, *shape, device="meta"),))
    finally:
        for hook in hooks:
            hook.remove()
    return max(sizes)


def one_view(model: nn.Module, view: View, memory: float = MEMORY) -> Predictor:
    """Softmax of `model` on the `view` (3, h, w) of each image."""
    return many_views(model, lambda image: view(image)[None], memory)


class _Mirrors(Sequence[Tensor]):
    """The mirror images, made when asked for."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        return self.images[index].flip(-1)


def mirrored(predict: Predictor) -> Predictor:
    """Mean posterior of each image and its mirror image (VGG, section 3.2)."""
    return lambda images: (predict(images) + predict(_Mirrors(images))) / 2


def average(*predictors: Predictor) -> Predictor:
    """Mean posterior of several predictors: several scales Q of one net (VGG, section 4.2), or several nets (4.4)."""
    if not predictors:
        raise ValueError("average() needs at least one predictor")
    return lambda images: torch.stack([predict(images) for predict in predictors]).mean(dim=0)


def center(
    model: nn.Module, sides: Sequence[int], crop: int, mean: RGB, std: RGB, *, memory: float = MEMORY
) -> Predictor:
    """The central crop at each scale Q of `sides`."""
    return average(*(one_view(model, TestView(side, crop, mean, std), memory) for side in sides))


def ten_crop(
    model: nn.Module, sides: Sequence[int], crop: int, mean: RGB, std: RGB, *, memory: float = MEMORY
) -> Predictor:
    """AlexNet's ten crops (section 4.1) at each scale: corners and centre, of the image and of its mirror image."""
    views = (CropViews(side, crop, mean, std, five_crops) for side in sides)
    return average(*(mirrored(many_views(model, view, memory)) for view in views))


def multi_crop(
    model: nn.Module, sides: Sequence[int], crop: int, mean: RGB, std: RGB, *, memory: float = MEMORY
) -> Predictor:
    """VGG's multi-crop (section 3.2): a 5x5 grid, of the image and of its mirror image; 50 views a scale Q."""
    views = (CropViews(side, crop, mean, std, grid_crops) for side in sides)
    return average(*(mirrored(many_views(model, view, memory)) for view in views))


@dataclass(frozen=True)
class Errors:
    """Counted errors: `top1` and `top5` in percent of `images`, and the seconds that it took."""

    top1: float
    top5: float
    images: int
    seconds: float

    def __str__(self) -> str:
        counted = f"({self.images} images, {self.seconds:.1f} s)"
        return f"top-1 error {self.top1:.2f}%  top-5 error {self.top5:.2f}%  {counted}"


def errors(posteriors: Tensor, labels: Tensor, k: int) -> Tensor:
    """Whether the label is missing from the k most probable classes: booleans (N,) from (N, classes) and (N,)."""
    k = min(k, posteriors.shape[1])
    return ~(posteriors.topk(k).indices == labels[:, None]).any(dim=1)


T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean of `second - first` over runs of equal seeds, and the half-width of its 95% interval by Student's t.

    The interval speaks of other seeds on these very images, not of other images. Raises ValueError for fewer than two
    or more than ten pairs, or unequal numbers.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    if n not in T_95:
        raise ValueError(f"paired() takes 2 to 10 pairs, not {n}")
    return fmean(differences), T_95[n] * stdev(differences) / n**0.5


def evaluate(
    predict: Predictor,
    images: Sequence[Tensor] | Tensor,
    labels: Tensor,
    *,
    memory: float = MEMORY,
    keep: Callable[[Tensor], object] = lambda posteriors: None,
) -> Errors:
    """Top-1 and top-5 error over images, at most `memory` MB of them (or one) decoded at a time.

    `keep` is handed the posteriors (n, classes) of each n images in turn. A bar shows in terminals.
    """
    if len(labels) == 0:
        raise PaperlibError("there are no images to evaluate")
    start = time.perf_counter()
    done = top1 = top5 = 0
    with tqdm(total=len(labels), desc="evaluate", unit="image", leave=False, disable=None) as bar:
        for chunk in _chunks(images, len(labels), memory * 1e6):
            posteriors = predict(chunk)
            del chunk  # before the next one is decoded
            own = labels[done : done + len(posteriors)]
            top1 += int(errors(posteriors, own, 1).sum())
            top5 += int(errors(posteriors, own, 5).sum())
            keep(posteriors)
            done += len(own)
            bar.update(len(own))
    return Errors(100 * top1 / done, 100 * top5 / done, done, time.perf_counter() - start)


def _chunks(images: Sequence[Tensor] | Tensor, count: int, most: float) -> Iterator[list[Tensor]]:
    chunk: list[Tensor] = []
    held = 0
    for i in range(count):
        image = images[i]
        if chunk and (len(chunk) == CHUNK or held + image.nbytes > most):
            yield chunk
            chunk, held = [], 0
        chunk.append(image)
        held += image.nbytes
    yield chunk
