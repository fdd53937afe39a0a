"""Every recipe by name."""

from paperlib.errors import unknown
from paperlib.recipes import densenet, resnet, vgg, zfnet
from paperlib.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    **zfnet.RECIPES,
    **vgg.RECIPES,
    **resnet.RECIPES,
    **densenet.RECIPES,
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; PaperlibError with the near names where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
