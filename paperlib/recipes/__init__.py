"""Every recipe by name."""

from paperlib.recipes.experiments import RECIPES, recipe

__all__ = ["RECIPES", "recipe"]
