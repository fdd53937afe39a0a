"""From images to class posteriors to counted errors.

A predictor is a function from N images, uint8 (3, H, W) each and of any sizes, to posteriors (N, classes). Small
predictors make larger ones: `average(mirrored(a), mirrored(b))` is two scales, or a fusion of two models, and
`average(multi_crop(...), dense(...))` is VGG's combination of both: the mean of two posteriors, not of all views.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from statistics import fmean, stdev
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm.auto import tqdm

from paperlib.errors import PaperlibError
from paperlib.modes import evaluation_mode
from paperlib.transforms import RGB, CropViews, Images, View, center_crop, five_crops, grid_crops

Predictor = Callable[[Sequence[Tensor]], Tensor]
MEMORY = 256  # MB of decoded images, and as much again for one pass through the model
CHUNK = 256  # images decoded together, so that views of one shape meet in one batch


def many_views(model: nn.Module, views: View, memory: float = MEMORY) -> Predictor:
    """Mean posterior over the `views` (V, 3, h, w) of each image.

    Views of one shape go through the model together: at most so many that they, and the input and output of the
    largest layer, fit in `memory` MB, but at least one. No more views than that are made ahead of their turn.
    """
    device = next(model.parameters()).device

    @cache
    def limit(shape: torch.Size) -> int:
        """Views of `shape` that go through the model together."""
        return max(1, int(memory * 1e6 / _bytes(model, shape)))

    def predict(images: Sequence[Tensor]) -> Tensor:
        means: dict[int, Tensor] = {}  # by the index of the image
        waiting: dict[torch.Size, list[tuple[int, Tensor]]] = defaultdict(list)  # index and views, by their shape

        def run(shape: torch.Size) -> None:
            indices, stacks = zip(*waiting.pop(shape), strict=True)
            batches = torch.cat(stacks).split(limit(shape))
            posteriors = torch.cat([model(batch.to(device)).float().softmax(dim=-1).cpu() for batch in batches])
            for i, of_image in zip(indices, posteriors.split([len(stack) for stack in stacks]), strict=True):
                means[i] = of_image.mean(dim=0)

        with evaluation_mode(model), torch.inference_mode():
            for i, image in enumerate(images):
                stack = views(image)
                shape = stack.shape[1:]
                waiting[shape].append((i, stack))
                shares = {s: sum(len(v) for _, v in group) / limit(s) for s, group in waiting.items()}
                if sum(shares.values()) >= 1:
                    run(max(shares, key=lambda s: shares[s]))
            for shape in list(waiting):
                run(shape)
        return torch.stack([means[i] for i in range(len(images))])  # (N, classes)

    return predict


def _bytes(model: nn.Module, shape: torch.Size) -> int:
    """Bytes of the input and output of the layer that has most, for one view, computed on the meta device."""
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
    """The mirror images, each computed when it is read."""

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
    """Mean posterior of several predictors: the scales Q of one model (VGG, section 4.2), or several models (4.4)."""
    if not predictors:
        raise ValueError("average() needs at least one predictor")
    return lambda images: torch.stack([predict(images) for predict in predictors]).mean(dim=0)


def crops(
    model: nn.Module,
    sides: Sequence[int],
    crop: int,
    mean: RGB,
    std: RGB,
    *,
    cut: Callable[[Tensor, int], Tensor],
    mirror: bool = True,
    memory: float = MEMORY,
) -> Predictor:
    """Mean posterior over the crops that `cut` takes of each image, and of its mirror image, at each scale Q.

    `sides`: the scales Q in px. `cut`: `center_crop`, `five_crops` or `grid_crops`. `memory` as in `many_views`.
    Raises PaperlibError where a Q is below the `crop` side.
    """
    scales = [many_views(model, CropViews(side, crop, mean, std, cut), memory) for side in sides]
    return average(*(mirrored(scale) if mirror else scale for scale in scales))


center = partial(crops, cut=center_crop, mirror=False)  # one view a scale
ten_crop = partial(crops, cut=five_crops)  # AlexNet, section 4.1: corners and centre, mirrored
multi_crop = partial(crops, cut=grid_crops)  # VGG, section 3.2: a 5x5 grid, mirrored; 50 views a scale


@dataclass(frozen=True)
class Errors:
    """Counted errors: `top1` and `top5` in percent of `images`, and the seconds that it took."""

    top1: float
    top5: float
    images: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"top-1 error {self.top1:.2f}%  top-5 error {self.top5:.2f}%  ({self.images} images, {self.seconds:.1f} s)"
        )


def errors(posteriors: Tensor, labels: Tensor, k: int) -> Tensor:
    """Whether the label is missing from the k most probable classes: booleans (N,) from (N, classes) and (N,)."""
    k = min(k, posteriors.shape[1])
    return ~(posteriors.topk(k).indices == labels[:, None]).any(dim=1)


class Difference(NamedTuple):
    """A mean difference over seeds, and the half-width of its 95% interval."""

    mean: float
    half: float

    def verdict(self, expected: float) -> Literal["same", "opposite", "undecided"]:
        """Whether the interval excludes 0, and then whether the mean has the sign of the `expected` difference."""
        if abs(self.mean) <= self.half:
            return "undecided"
        return "same" if (self.mean < 0) == (expected < 0) else "opposite"


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Mean of `second - first` over runs of equal seeds, and the half-width of its 95% interval by Student's t.

    The interval is about other seeds on these very images, not about other images. Raises ValueError for fewer than
    two pairs and for unequal numbers.
    """
    from scipy.stats import t as student  # takes half a second to load

    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    if n < 2:
        raise ValueError(f"paired() takes two or more pairs, not {n}")
    return Difference(fmean(differences), float(student.ppf(0.975, n - 1)) * stdev(differences) / n**0.5)


def spread(values: Iterable[float], digits: int = 1) -> str:
    """Mean ± standard deviation over seeds, as text."""
    values = list(values)
    return f"{fmean(values):{digits + 4}.{digits}f} ± {stdev(values):{digits + 2}.{digits}f}"


def low_to_high(values: Iterable[float]) -> str:
    """Mean (least–most) over seeds, as text."""
    values = list(values)
    return f"{fmean(values):5.2f} ({min(values):.2f}–{max(values):.2f})"


def predict_all(predict: Predictor, images: Images, *, memory: float = MEMORY) -> Tensor:
    """Posteriors (N, classes) of N images, at most `memory` MB of them (or one) decoded at a time.

    Shows a progress bar in terminals. Raises PaperlibError where there are no images.
    """
    if len(images) == 0:
        raise PaperlibError("there are no images to evaluate")
    posteriors = []
    with tqdm(total=len(images), desc="evaluate", unit="image", leave=False, disable=None) as bar:
        for chunk in _chunks(images, memory * 1e6):
            posteriors.append(predict(chunk))
            bar.update(len(chunk))
            del chunk  # before the next one is decoded
    return torch.cat(posteriors)


def count_errors(posteriors: Tensor, labels: Tensor, seconds: float) -> Errors:
    """Top-1 and top-5 error of posteriors (N, classes) for labels (N,), over all N images at once."""
    count = len(labels)
    top1, top5 = (100 * int(errors(posteriors, labels, k).sum()) / count for k in (1, 5))
    return Errors(top1, top5, count, seconds)


def evaluate(predict: Predictor, images: Images, labels: Tensor, *, memory: float = MEMORY) -> Errors:
    """Top-1 and top-5 error over N images with labels (N,); `memory` and PaperlibError as in `predict_all`."""
    start = time.perf_counter()
    posteriors = predict_all(predict, images, memory=memory)
    return count_errors(posteriors, labels.to(posteriors.device), time.perf_counter() - start)


def _chunks(images: Images, most: float) -> Iterator[list[Tensor]]:
    chunk: list[Tensor] = []
    size = 0
    for i in range(len(images)):
        image = images[i]
        if chunk and (len(chunk) == CHUNK or size + image.nbytes > most):
            yield chunk
            chunk, size = [], 0
        chunk.append(image)
        size += image.nbytes
    yield chunk
