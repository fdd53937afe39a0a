"""From images to class posteriors to counted errors.

A predictor is a function from N images, uint8 (3, H, W) each and of any sizes, to posteriors (N, classes). Small
ones make larger ones: `average(mirrored(a), mirrored(b))` is what a paper calls two scales, or a fusion of two nets.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from paperlib.errors import PaperlibError
from paperlib.modes import evaluating

View = Callable[[Tensor], Tensor]
Predictor = Callable[[Sequence[Tensor]], Tensor]


def one_view(model: nn.Module, view: View) -> Predictor:
    """Softmax of `model` on `view` of each image. Views of one shape go through the net together."""
    device = next(model.parameters()).device

    def predict(images: Sequence[Tensor]) -> Tensor:
        views = [view(image) for image in images]
        groups: dict[torch.Size, list[int]] = defaultdict(list)
        for i, v in enumerate(views):
            groups[v.shape].append(i)
        posteriors: list[Tensor] = [torch.empty(0)] * len(views)
        with evaluating(model), torch.inference_mode():
            for indices in groups.values():
                batch = torch.stack([views[i] for i in indices]).to(device)
                for i, p in zip(indices, model(batch).softmax(dim=-1).cpu(), strict=True):
                    posteriors[i] = p
        return torch.stack(posteriors)  # (N, classes)

    return predict


def mirrored(predict: Predictor) -> Predictor:
    """Mean posterior of each image and its mirror image (VGG, section 3.2)."""
    return lambda images: (predict(images) + predict([image.flip(-1) for image in images])) / 2


def average(*predictors: Predictor) -> Predictor:
    """Mean posterior of several predictors: several scales Q of one net (VGG, section 4.2), or several nets (4.4)."""
    if not predictors:
        raise ValueError("average() needs at least one predictor")
    return lambda images: torch.stack([predict(images) for predict in predictors]).mean(dim=0)


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


def evaluate(predict: Predictor, images: Sequence[Tensor], labels: Tensor, batch_size: int = 64) -> Errors:
    """Top-1 and top-5 error over images, `batch_size` of them in memory at a time. A bar shows in terminals."""
    if len(labels) == 0:
        raise PaperlibError("there are no images to evaluate")
    start = time.perf_counter()
    top1: list[float] = []
    top5: list[float] = []
    for i in tqdm(range(0, len(labels), batch_size), desc="evaluate", unit="batch", leave=False, disable=None):
        stop = min(i + batch_size, len(labels))
        posteriors = predict([images[j] for j in range(i, stop)])
        top1 += errors(posteriors, labels[i:stop], 1).tolist()
        top5 += errors(posteriors, labels[i:stop], 5).tolist()
    return Errors(100 * fmean(top1), 100 * fmean(top5), len(labels), time.perf_counter() - start)
