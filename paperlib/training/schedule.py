"""The learning rate of every step."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Annotated, Any

from paperlib.errors import unknown
from paperlib.recipes.recipe import Recipe
from paperlib.values import NOT_NEGATIVE, Must

Number = Annotated[int, NOT_NEGATIVE]
Percent = Annotated[Any, Must("be a number or infinite", lambda x: isinstance(x, float) and not isnan(x))]


@dataclass
class Schedule:
    """The learning rate of every step, as the recipe says; its fields other than the recipe are its state."""

    recipe: Recipe
    divisions: Number = 0  # how often `plateau` has divided by 10
    best: Percent = float("inf")  # lowest validation error so far, in percent
    waited: Number = 0  # epochs since then
    warm: bool = False  # whether the warm-up, where the recipe has one, is over

    def __post_init__(self) -> None:
        if self.recipe.schedule not in FACTORS:
            raise unknown("schedule", self.recipe.schedule, FACTORS)

    def rate(self, progress: float) -> float:
        """The learning rate after `progress` epochs, 2.5 for the middle of the third."""
        if self.recipe.warm_up_lr and not self.warm:
            return self.recipe.warm_up_lr
        return self.recipe.lr * self.factor(progress)

    def factor(self, progress: float) -> float:
        """What the recipe's `lr` is multiplied by after `progress` epochs, once the warm-up is over."""
        return FACTORS[self.recipe.schedule](self, progress)

    def observe(self, error: float) -> None:
        """Take note of an epoch's validation error, in percent."""
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


def plateau(schedule: Schedule, progress: float) -> float:
    """A tenth each time the validation error has stopped falling (VGG, section 3.1)."""
    return 0.1**schedule.divisions


def milestones(schedule: Schedule, progress: float) -> float:
    """A tenth after each milestone (ResNet, section 4.2; DenseNet, section 4.2)."""
    return 0.1 ** sum(progress >= milestone for milestone in schedule.recipe.milestones)


def one_cycle(schedule: Schedule, progress: float) -> float:
    """A straight line up to 1 over the first fifth, and down to 0 over the rest."""
    epochs = schedule.recipe.epochs
    rise = 0.2 * epochs
    return min(progress / rise, (epochs - progress) / (epochs - rise))


# By the name that a recipe gives; `recipes/recipe.py` lists the names.
FACTORS: dict[str, Callable[[Schedule, float], float]] = {
    "plateau": plateau,
    "milestones": milestones,
    "one-cycle": one_cycle,
}
