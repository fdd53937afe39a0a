"""paperlib train: train a recipe."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from paperlib.commands.list import print_table
from paperlib.errors import PaperlibError
from paperlib.recipes import RECIPES, recipe
from paperlib.recipes.recipe import Machine, Recipe

USAGE = """usage: paperlib train RECIPE [--out FOLDER] [--VALUE ...]

Train a recipe into a folder. The same command again goes on where it stopped.

examples:
  paperlib train vgg-mini
  paperlib train vgg-mini --epochs 2 --lr 0.02 --out runs/short
  paperlib train vgg-mini --data folder:~/photographs --skip-bad
  torchrun --standalone --nproc_per_node 2 -m paperlib train vgg-mini

paperlib train RECIPE --help lists every value of a recipe, and the options of the machine.

recipes"""


@dataclass(frozen=True)
class Train:
    """Train RECIPE into a folder. The same command again goes on where it stopped."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run folder; runs/RECIPE by default."""
    machine: Annotated[Machine, tyro.conf.arg(name="")] = Machine()


def main(args: Sequence[str]) -> None:
    """Train the recipe that the first word names, with the values that the others change."""
    if not args or args[0] in ("-h", "--help"):
        print(USAGE)
        print_table({name: r.target for name, r in RECIPES.items()})
        sys.exit(0 if args else 2)
    name, *values = args
    if name.startswith("-"):
        first = next((word for word in values if word in RECIPES), "RECIPE")
        others = " ".join(word for word in args if word != first)
        raise PaperlibError(f"the recipe comes first: paperlib train {first} {others}")
    changed = parse(name, values)
    from paperlib.training.run import run  # loads torch

    run(changed.recipe, changed.out or Path("runs") / name, changed.machine, name=name, log=partial(print, flush=True))


def parse(name: str, values: Sequence[str]) -> Train:
    """The recipe `name` with the values of the command line; any option of its model can be given."""
    original = recipe(name)
    from paperlib.models import options  # loads torch: not for a mistyped name

    defaults = {o: v for o, v in options(original.model).items() if v is not None}  # None shows no type
    full = replace(original, options=defaults | original.options)
    train = tyro.cli(Train, default=Train(recipe=full), args=values, prog=f"paperlib train {name}")
    given = {o: v for o, v in train.recipe.options.items() if o in original.options or v != defaults[o]}
    return replace(train, recipe=replace(train.recipe, options=given))
