"""The learning rate of every step."""

from dataclasses import dataclass
from typing import Any

from paperlib.recipes.recipe import Recipe


@dataclass
class Schedule:
    """The learning rate of every step, as the recipe says; its fields other than the recipe are its state."""

    recipe: Recipe
    divisions: int = 0  # how often `plateau` has divided by 10
    best: float = float("inf")  # lowest validation error so far, in percent
    waited: int = 0  # epochs since then
    warm: bool = False  # whether the warm-up, where the recipe has one, is over

    def rate(self, progress: float) -> float:
        """The learning rate after `progress` epochs, whole and part."""
        recipe = self.recipe
        if recipe.warm_up_lr and not self.warm:
            return recipe.warm_up_lr
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

    def observe_training(self, error: float) -> None:
        """Take note of the training error of the last steps, in percent: below 80 the warm-up ends."""
        self.warm = self.warm or error < 80

    def state_dict(self) -> dict[str, Any]:
        """The state, without the recipe."""
        return {name: value for name, value in vars(self).items() if name != "recipe"}
