"""Optimizer, learning-rate schedule, and one epoch of training."""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from paperlib.recipes import Recipe


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
class Schedule:
    """The learning rate of every step, as the recipe says; its fields other than the recipe are its state."""

    recipe: Recipe
    divisions: int = 0  # how often `plateau` has divided by 10
    best: float = float("inf")  # lowest validation error so far, in percent
    waited: int = 0  # epochs since then

    def rate(self, progress: float) -> float:
        """The learning rate after `progress` epochs, whole and part."""
        recipe = self.recipe
        if recipe.schedule == "plateau":
            return recipe.lr * 0.1**self.divisions
        if recipe.schedule == "milestones":
            return recipe.lr * 0.1 ** sum(progress >= m for m in recipe.milestones)
        rise = 0.2 * recipe.epochs
        return recipe.lr * min(progress / rise, (recipe.epochs - progress) / (recipe.epochs - rise))

    def observe(self, error: float) -> None:
        """Take note of an epoch's validation error."""
        self.waited = 0 if error < self.best else self.waited + 1
        self.best = min(self.best, error)
        if self.waited > self.recipe.patience:
            self.divisions, self.waited = self.divisions + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """The state, without the recipe."""
        return {"divisions": self.divisions, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take on a state that `state_dict` gave."""
        for name, value in state.items():
            setattr(self, name, value)


def train_epoch(
    epoch: int,
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    schedule: Schedule,
    accelerator: Accelerator,
) -> tuple[float, float]:
    """Train on every batch once. Returns the mean loss and the top-1 error in percent, over the images seen."""
    model.train()
    losses: list[Tensor] = []
    wrong: list[Tensor] = []
    show = accelerator.is_main_process
    bar = tqdm(loader, desc=f"epoch {epoch + 1}", unit="batch", leave=False, disable=None if show else True)
    for step, (images, labels) in enumerate(bar):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(epoch + (step + 0.5) / len(loader))
        optimizer.zero_grad()
        logits = model(images)  # in the recipe's precision, returned in fp32
        loss = cross_entropy(logits, labels, reduction="none")
        accelerator.backward(loss.mean())
        optimizer.step()
        loss, missed = accelerator.gather_for_metrics((loss.detach(), logits.argmax(dim=1) != labels))
        losses.append(loss)
        wrong.append(missed)
    return torch.cat(losses).mean().item(), 100 * torch.cat(wrong).float().mean().item()
