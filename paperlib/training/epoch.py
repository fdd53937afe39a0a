"""The optimizer, and one epoch of training."""

import time
from collections.abc import Iterator

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from paperlib.errors import PaperlibError
from paperlib.models.zfnet import renormalize_filters
from paperlib.recipes.recipe import Recipe
from paperlib.training.batches import Batch
from paperlib.training.schedule import Schedule
from paperlib.training.state import Progress, set_random_state

CHECK_EVERY = 10  # steps from one check of losses and signals to the next: in all processes the same steps


def make_optimizer(model: nn.Module, recipe: Recipe) -> SGD:
    """SGD with the recipe's momentum and weight decay on every parameter."""
    return SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def train_epoch(
    network: nn.Module,
    loader: DataLoader[Batch],
    optimizer: Optimizer,
    schedule: Schedule,
    accelerator: Accelerator,
    progress: Progress,
    random: Tensor | None = None,
) -> Iterator[None]:
    """Train on what is left of an epoch after `progress.step` steps; `random` is the random state to go on with.

    Every `CHECK_EVERY` steps and after the last, brings `progress` up to date and yields, in all processes alike:
    the place to save and to stop. Raises FloatingPointError where a loss or a weight is infinite or nan.
    """
    network.train()
    parts = accelerator.gradient_accumulation_steps  # batches a step
    steps, first = len(loader) // parts, progress.step * parts
    batches = iter(loader)  # draws a random number itself
    if random is not None:
        set_random_state(random, accelerator.device)
    bar = tqdm(
        batches,
        desc=f"epoch {progress.epoch + 1}",
        unit="batch",
        total=len(loader),
        initial=first,
        leave=False,
        disable=None if accelerator.is_main_process else True,
    )
    sums: list[Tensor] = []
    before, began = progress.seconds, time.perf_counter()
    for number, batch in enumerate(bar, start=first):
        step, part = divmod(number, parts)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(progress.epoch + (step + 0.5) / steps)
        sums.append(train_on_batch(network, batch, optimizer, accelerator, schedule.recipe))
        if part == parts - 1 and ((step + 1) % CHECK_EVERY == 0 or step + 1 == steps):
            counted = accelerator.gather(torch.stack(sums)[None]).cpu().double().sum(dim=0)  # over all processes
            check_losses(counted[:, 0], parts, steps, schedule, progress)
            check_weights(network, accelerator, place(schedule, progress, step, steps, "by step"))
            loss, wrong, images = counted.sum(dim=0).tolist()
            schedule.observe_training(100 * wrong / max(images, 1))
            progress.add(step + 1, loss, int(wrong), int(images))
            progress.seconds = before + time.perf_counter() - began
            sums.clear()
            yield


def train_on_batch(
    network: nn.Module, batch: Batch | PaperlibError, optimizer: Optimizer, accelerator: Accelerator, recipe: Recipe
) -> Tensor:
    """Forward, backward and, with the last batch of a step, the step; returns sums (3,): loss, wrong, images."""
    if isinstance(batch, PaperlibError):
        raise batch
    images, labels, weights = (t.to(accelerator.device, non_blocking=True) for t in batch)
    with accelerator.accumulate(network):
        logits = network(images)  # in the recipe's precision, returned in fp32
        losses = cross_entropy(logits, labels, reduction="none")
        # The mean over the step: processes average their gradients, and parts are divided by their number.
        scale = accelerator.num_processes * accelerator.gradient_accumulation_steps
        accelerator.backward((losses * weights).sum() * scale)
        if recipe.clip and accelerator.sync_gradients:
            accelerator.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        if recipe.renormalize and accelerator.sync_gradients:
            renormalize_filters(network, recipe.renormalize)
        optimizer.zero_grad()
    wrong = (logits.argmax(dim=1) != labels).float()
    counts = torch.stack([losses.detach(), wrong, torch.ones_like(losses)])  # (3, N)
    return (counts * (weights > 0)).sum(dim=1)


def check_losses(losses: Tensor, parts: int, steps: int, schedule: Schedule, progress: Progress) -> None:
    """Raise FloatingPointError at the first of the `losses`, `parts` a step since `progress`, that is no number."""
    broken = (~losses.isfinite()).nonzero().flatten().tolist()
    if broken:
        step = progress.step + broken[0] // parts
        where = place(schedule, progress, step, steps, "step")
        raise FloatingPointError(f"the loss became {losses[broken[0]].item()} {where}")


def check_weights(network: nn.Module, accelerator: Accelerator, where: str) -> None:
    """Raise FloatingPointError, in all processes, unless every weight in all of them is a finite number."""
    tensors = (*network.parameters(), *network.buffers())
    finite = torch.stack([t.detach().isfinite().all() for t in tensors]).all()
    if not accelerator.gather(finite.float()[None]).all():
        raise FloatingPointError(f"weights became infinite or nan {where}")


def place(schedule: Schedule, progress: Progress, step: int, steps: int, word: str) -> str:
    """Where in the run a step is, for a message."""
    rate = schedule.rate(progress.epoch + (step + 0.5) / steps)
    return f"in epoch {progress.epoch + 1} at lr {rate:g}, {word} {step + 1} of {steps}"
