"""A plain training loop to read and to retype. `training.run` is the one that resumes and uses many GPUs."""

from collections.abc import Callable, Iterable, Iterator
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

HIDE_BAR = False if issubclass(tqdm, tqdm_notebook) else None  # None: hidden unless in a terminal


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    epochs: int = 1,
    *,
    loss_function: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    scheduler: LRScheduler | None = None,
) -> list[float]:
    """Train `model` on `batches` of images (N, 3, H, W) and labels (N,); returns the loss of every step.

    An epoch goes once through `batches`. `scheduler` changes the learning rate after every step. Training ends
    early at a loss that is infinite or nan.
    """
    device = next(model.parameters()).device
    losses = []
    model.train()
    for epoch in range(1, epochs + 1):
        for images, labels in tqdm(batches, f"epoch {epoch}/{epochs}", unit="batch", leave=False, disable=HIDE_BAR):
            logits = model(images.to(device))  # (N, classes)
            loss = loss_function(logits, labels.to(device))
            losses.append(loss.item())
            if not isfinite(losses[-1]):
                return losses
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
    return losses


def random_batches(
    images: Tensor, labels: Tensor, batch_size: int, steps: int, generator: torch.Generator | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` batches of images and labels, each drawn at random from all of them."""
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch_size,), generator=generator)
        yield images[chosen], labels[chosen]
