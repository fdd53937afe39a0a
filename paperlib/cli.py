"""The command line: paperlib list | train | evaluate | data."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

import paperlib
from paperlib import checkpoint, data
from paperlib.dense import Pool, dense
from paperlib.errors import PaperlibError, unknown
from paperlib.evaluate import Predictor, evaluate, mirrored, one_view
from paperlib.models import MODELS, build
from paperlib.models.vgg import VGG
from paperlib.recipes import PLAIN, RECIPES, Machine, Recipe, recipe
from paperlib.transforms import TestView

Protocol = Literal["center", "mirror", "dense"]


@dataclass(frozen=True)
class Train:
    """Train RECIPE into a folder. The same command again goes on where it stopped."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run folder; runs/RECIPE by default."""
    machine: Annotated[Machine, tyro.conf.arg(name="")] = PLAIN


@dataclass(frozen=True)
class Evaluate:
    """Count the errors of a finished run on its test images."""

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or the name of a run that comes with the package."""
    protocol: Protocol = "center"
    """center: the central crop; mirror: it and its mirror image; dense: VGG's whole image, mirrored (section 3.2)."""
    scales: tuple[int, ...] = ()
    """Smaller image sides Q in px; by default the recipe's. Only dense takes several."""
    pool: Pool | None = None
    """dense: average the score map before (logit, the default) or after (prob) the softmax."""
    split: Literal["test", "val"] = "test"
    """Images to count on. Choose models on val; look at test once."""


@dataclass(frozen=True)
class Fetch:
    """Download a data set below PAPERLIB_DATA and check it."""

    name: Annotated[str, tyro.conf.Positional]
    """Name of the data set."""


def list_command(args: Sequence[str]) -> None:
    """Print the models, recipes and data sets."""
    if args:
        print("usage: paperlib list\n\n" + str(list_command.__doc__))
        sys.exit(0 if args[0] in ("-h", "--help") else 2)
    print("models, as in their papers: 1000 classes at 224 px, 10 classes at 32 px")
    for name in MODELS:
        with torch.device("meta"):
            model = build(name)
            model = build(name, num_classes=10) if model.image_size == 32 else model
        print(f"  {name:<20}{sum(p.numel() for p in model.parameters()):>13,} parameters  {model.image_size:>3} px")
    print("\nrecipes")
    for name, r in RECIPES.items():
        print(f"  {name:<20}{r.model} on {r.data}: {r.target}")
    print("\ndata sets")
    print("  " + "  ".join(data.DATASETS))


def train_command(args: Sequence[str]) -> None:
    """Train a recipe: paperlib train RECIPE [--out FOLDER] [--epochs 20] [--lr 0.02] ..."""
    from paperlib.run import run

    if not args or args[0].startswith("-"):
        names = "\n".join(f"  {name:<20}{r.target}" for name, r in RECIPES.items())
        print(f"{train_command.__doc__}\n\nrecipes:\n{names}\n")
        print("paperlib train RECIPE --help lists every value of a recipe")
        sys.exit(0 if args else 2)
    name, *rest = args
    prog = f"paperlib train {name}"
    wish = tyro.cli(Train, default=Train(recipe=recipe(name)), args=rest, prog=prog)
    run(wish.recipe, wish.out or Path("runs") / name, wish.machine, name=name, log=partial(print, flush=True))


def evaluate_command(args: Sequence[str]) -> None:
    """Count the errors of a run."""
    wish = tyro.cli(Evaluate, args=list(args), prog="paperlib evaluate")
    made, classes = checkpoint.load_recipe(wish.run)
    predict = predictor(wish, made)
    dataset = data.load(made.data)
    if dataset.classes != classes:
        raise PaperlibError(
            f"{made.data} has other classes than the run {wish.run} was trained on; are the data whole?"
        )
    images = getattr(dataset, wish.split)
    found = evaluate(predict, images.images, images.labels)
    scales = ",".join(str(q) for q in wish.scales or (made.test_side,))
    print(f"{wish.run}  {made.data}/{wish.split}  {wish.protocol} Q={scales}")
    print(f"{found}\nchance: top-1 error {100 - 100 / len(classes):.2f}%")


def predictor(wish: Evaluate, made: Recipe) -> Predictor:
    """The predictor that the options ask for; PaperlibError where they do not go together."""
    model = checkpoint.load_model(wish.run).to("cuda" if torch.cuda.is_available() else "cpu")
    scales = wish.scales or (made.test_side,)
    if wish.protocol == "dense":
        if not isinstance(model, VGG):
            raise PaperlibError(f"--protocol dense is VGG's; {made.model} is none")
        return dense(model, scales, made.mean, made.std, pool=wish.pool or "logit")
    if wish.pool is not None:
        raise PaperlibError(f"--pool goes with --protocol dense, not {wish.protocol}")
    if len(scales) > 1:
        raise PaperlibError(f"--protocol {wish.protocol} takes one scale, not {len(scales)}; dense takes several")
    if scales[0] < made.crop:
        raise PaperlibError(f"Q = {scales[0]} px is too small: the least is the {made.crop} px crop of this net")
    single = one_view(model, TestView(scales[0], made.crop, made.mean, made.std))
    return mirrored(single) if wish.protocol == "mirror" else single


def data_command(args: Sequence[str]) -> None:
    """Download and check a data set."""
    wish = tyro.cli(Fetch, args=list(args), prog="paperlib data")
    found = data.load(wish.name, download=True)
    sizes = ", ".join(f"{len(getattr(found, split))} {split}" for split in ("train", "val", "test"))
    print(f"{wish.name}: {len(found.classes)} classes, {sizes} images")


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "list": list_command,
    "train": train_command,
    "evaluate": evaluate_command,
    "data": data_command,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 2 where the user's words or files are at fault."""
    command, *rest = (sys.argv[1:] if args is None else args) or ["--help"]
    if command in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10}{f.__doc__}" for name, f in COMMANDS.items())
        print(f"paperlib COMMAND [--help]\n\n{lines}\n\n  --version  {paperlib.__version__}")
        return 0
    if command == "--version":
        print(paperlib.__version__)
        return 0
    try:
        if command not in COMMANDS:
            raise unknown("command", command, COMMANDS)
        COMMANDS[command](rest)
    except PaperlibError as error:
        print(f"paperlib: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of `paperlib list | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell says of a command that a closed pipe ended
    except KeyboardInterrupt:
        print("paperlib: stopped" + "; the same command goes on" * (command == "train"), file=sys.stderr)
        return 130
    return 0
