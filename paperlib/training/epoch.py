"""Optimizer, random state, and one epoch of training."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from paperlib.models.zfnet import renormalize_filters
from paperlib.recipes.recipe import Recipe
from paperlib.training.batches import Batch
from paperlib.training.schedule import Schedule

LOOK = 10  # steps from one look at the losses and signals to the next: all processes look at the same, so they agree


def make_optimizer(model: nn.Module, recipe: Recipe) -> SGD:
    """SGD with the recipe's momentum and weight decay on every parameter."""
    return SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


@dataclass
class Progress:
    """How far a run is: whole epochs, steps into the next, and sums over the images that those steps have seen."""

    epoch: int = 0
    step: int = 0
    images: int = 0
    wrong: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def random_state(device: torch.device) -> Tensor:
    """The state of the generators that dropout draws from, bytes (1, n)."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(getattr(torch, device.type).get_rng_state())
    return torch.cat(states)[None]


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Take on a state (n,) that `random_state` gave on a device of this type."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].clone())  # copies: PyTorch reads from where the storage begins, not the view
    if device.type != "cpu":
        getattr(torch, device.type).set_rng_state(state[size:].clone())


def train_epoch(
    net: nn.Module,
    loader: DataLoader[Batch],
    optimizer: Optimizer,
    schedule: Schedule,
    accelerator: Accelerator,
    progress: Progress,
    random: Tensor | None = None,
) -> Iterator[None]:
    """Train on what is left of an epoch after `progress.step` steps; `random` is the random state to go on with.

    Every `LOOK` steps and after the last, brings `progress` up to date and yields, in all processes alike: the place
    to save and to stop. Raises FloatingPointError where a loss or a weight is no longer a finite number.
    """
    net.train()
    parts, recipe = accelerator.gradient_accumulation_steps, schedule.recipe
    steps, done = len(loader) // parts, progress.step
    batches = iter(loader)  # draws a random number itself
    if random is not None:
        set_random_state(random, accelerator.device)
    seen: list[Tensor] = []
    before, began = progress.seconds, time.perf_counter()
    bar = tqdm(
        batches,
        desc=f"epoch {progress.epoch + 1}",
        unit="batch",
        total=len(loader),
        initial=done * parts,
        leave=False,
        disable=None if accelerator.is_main_process else True,
    )
    for number, (images, labels, weights) in enumerate(bar, start=done * parts):
        step, part = divmod(number, parts)
        rate = schedule.rate(progress.epoch + (step + 0.5) / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, labels, weights = (t.to(accelerator.device, non_blocking=True) for t in (images, labels, weights))
        with accelerator.accumulate(net):
            logits = net(images)  # in the recipe's precision, returned in fp32
            losses = cross_entropy(logits, labels, reduction="none")
            # The mean over the step: processes average their gradients, and parts are divided by their number.
            accelerator.backward((losses * weights).sum() * accelerator.num_processes * parts)
            if recipe.clip and accelerator.sync_gradients:
                accelerator.clip_grad_norm_(net.parameters(), recipe.clip)
            optimizer.step()
            if recipe.renormalize and accelerator.sync_gradients:
                renormalize_filters(net, recipe.renormalize)
            optimizer.zero_grad()
        found = torch.stack([losses.detach(), (logits.argmax(dim=1) != labels).float(), torch.ones_like(losses)])
        seen.append((found * (weights > 0)).sum(dim=1))
        if part == parts - 1 and ((step + 1) % LOOK == 0 or step + 1 == steps):
            sums = accelerator.gather(torch.stack(seen)[None]).cpu().double().sum(dim=0)  # (batches, 3), all processes
            broken = (~sums[:, 0].isfinite()).nonzero()
            if len(broken):
                first = progress.step + int(broken[0]) // parts
                lr = schedule.rate(progress.epoch + (first + 0.5) / steps)
                value = sums[int(broken[0]), 0].item()
                where = f"in epoch {progress.epoch + 1} at lr {lr:g}, step {first + 1} of {steps}"
                raise FloatingPointError(f"the loss became {value} {where}")
            finite = torch.stack([t.detach().isfinite().all() for t in (*net.parameters(), *net.buffers())]).all()
            if not accelerator.gather(finite.float()[None]).all():
                where = f"in epoch {progress.epoch + 1} at lr {rate:g}, by step {step + 1} of {steps}"
                raise FloatingPointError(f"weights became infinite or nan {where}")
            loss, wrong, images_seen = sums.sum(dim=0).tolist()
            schedule.observe_training(100 * wrong / max(images_seen, 1))
            progress.step, progress.loss = step + 1, progress.loss + loss
            progress.wrong, progress.images = progress.wrong + int(wrong), progress.images + int(images_seen)
            progress.seconds = before + time.perf_counter() - began
            seen.clear()
            yield
