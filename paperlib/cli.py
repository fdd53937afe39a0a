"""The command line: paperlib list | train | evaluate | visualize | transfer | data."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from torch.utils.data import ConcatDataset, Subset

import paperlib
from paperlib import data, protocols, runs
from paperlib.deconvnet import ascend, cut, project, top_activations
from paperlib.dense import Pool
from paperlib.devices import device
from paperlib.errors import PaperlibError, unknown
from paperlib.evaluate import MEMORY
from paperlib.models import MODELS, build, options
from paperlib.occlusion import occlusion
from paperlib.protocols import Predictions, Protocol
from paperlib.recipes import RECIPES, recipe
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.transfer import Kind, features, probe
from paperlib.transforms import TestView, denormalize


@dataclass(frozen=True)
class Train:
    """Train RECIPE into a folder. The same command again goes on where it stopped."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run folder; runs/RECIPE by default."""
    machine: Annotated[Machine, tyro.conf.arg(name="")] = Machine()


@dataclass(frozen=True)
class Evaluate:
    """Count the errors of finished runs on their test images, each alone and, where there are several, fused."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders, names of runs that come with the package, or files of --save, whose passes are not repeated."""
    protocol: protocols.Name = "center"
    """center: the central crop; mirror: it and its mirror image; ten-crop: AlexNet's corners and centre, mirrored;
    multi-crop: VGG's 5x5 grid, mirrored; dense: the whole image, mirrored; multi-crop+dense: the mean of the two."""
    scales: tuple[int, ...] = ()
    """Smaller image sides Q in px, whose posteriors are averaged; by default the recipe's."""
    pool: Pool | None = None
    """dense: average the score map before (logit, VGG's default) or after (prob) the softmax, or, where the net ends in
    a global average, its last maps as a whole (gap, the default there)."""
    split: protocols.SplitName = "test"
    """Images to count on, without those that the run left out. Choose models on val; look at test once; on train the
    error shows what the net could fit."""
    every: int = 1
    """Count on every n-th image only, the first among them."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the net."""
    memory: float = MEMORY
    """MB of decoded images to hold, and as much again for one pass through the net."""
    save: Path | None = None
    """File for the posteriors (safetensors), to be named in place of a run later."""


@dataclass(frozen=True)
class Deconvnet:
    """The strongest units of a layer in pixels, beside the patches that they see (ZFNet, Figure 2)."""

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a run that comes with the package: of AlexNet, ZFNet or VGG."""
    layer: str
    """Layer of the features: conv5, pool1 ..."""
    out: Path
    """Folder for the pictures, one a map: LAYER-MAP.png."""
    top: int = 9
    """Units of each map, at most one an image."""
    maps: tuple[int, ...] = ()
    """Maps by number; by default the sixteen with the strongest activations."""
    split: Literal["train", "val", "test"] = "val"
    """Images to look for them in."""
    every: int = 1
    """Look at every n-th image only, the first among them."""


@dataclass(frozen=True)
class Occlude:
    """Four maps of a photograph as a grey square moves over it (ZFNet, Figure 7)."""

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a run that comes with the package: of AlexNet, ZFNet or VGG."""
    image: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path
    """Folder for the picture: occlusion-IMAGE.png."""
    label: str | None = None
    """Name of its class; by default the one that the net finds most probable."""
    layer: str | None = None
    """Layer whose strongest map is watched; by default the last ReLU of the features, layer 5."""
    square: int | None = None
    """Side of the square in px of the crop, a quarter of it by default; the paper does not say."""
    stride: int | None = None
    """Px from one place of the square to the next, a quarter of the square by default; the paper does not say."""


@dataclass(frozen=True)
class Transfer:
    """Keep the features of a run and train a classifier on them, for other data (ZFNet, Tables 4 to 7)."""

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a run that comes with the package."""
    layers: tuple[str, ...]
    """Layers whose outputs are the features: features.pool5, classifier.relu7 ..."""
    data: str
    """Data set, by name or folder:PATH, of which all images are shared out anew for each fold."""
    per_class: tuple[int, ...] = (15, 30)
    """Training images of each class."""
    most: int = 50
    """Test images of each class, at most."""
    folds: int = 5
    """How often the images are shared out, with the seeds 0, 1, ..."""
    kind: Kind = "svm"
    """svm: one linear SVM a class; softmax: multinomial logistic regression."""
    side: int | None = None
    """Smaller image side Q in px; by default the run's."""
    untrained: bool = False
    """Take the net with its initial weights: what the features owe to its structure alone."""


@dataclass(frozen=True)
class Fetch:
    """Download a data set below PAPERLIB_DATA and check it."""

    name: Annotated[str, tyro.conf.Positional]
    """Name of the data set."""


def print_table(rows: dict[str, str]) -> None:
    """Print names and what they stand for, in two columns."""
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"  {name:<{width}}  {text}")


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
    print_table({name: f"{r.model} on {r.data}: {r.target}" for name, r in RECIPES.items()})
    print("\ndata sets")
    print("  " + "  ".join(data.DATASETS))
    print("  folder:PATH             a folder with train, test and perhaps val, each of one folder a class")


def train_command(args: Sequence[str]) -> None:
    """Train a recipe: paperlib train RECIPE [--out FOLDER] [--epochs 20] [--lr 0.02] [--skip-bad] ..."""
    from paperlib.training.run import run

    if not args or args[0].startswith("-"):
        print(f"{train_command.__doc__}\n\nrecipes")
        print_table({name: r.target for name, r in RECIPES.items()})
        print("\npaperlib train RECIPE --help lists every value of a recipe, and the options of the machine")
        sys.exit(0 if args else 2)
    name, *rest = args
    made = recipe(name)
    defaults = {o: v for o, v in options(made.model).items() if v is not None}  # None shows no type
    every = replace(made, options=defaults | made.options)  # what the recipe does not name can be said, too
    wish = tyro.cli(Train, default=Train(recipe=every), args=rest, prog=f"paperlib train {name}")
    said = {o: v for o, v in wish.recipe.options.items() if o in made.options or v != defaults[o]}
    chosen = replace(wish.recipe, options=said)
    run(chosen, wish.out or Path("runs") / name, wish.machine, name=name, log=partial(print, flush=True))


def evaluate_command(args: Sequence[str]) -> None:
    """Count the errors of runs, alone and fused."""
    wish = tyro.cli(Evaluate, args=list(args), prog="paperlib evaluate")
    if not wish.runs:
        raise PaperlibError("name a run folder, a run that comes with the package, or a file of --save")
    if wish.every < 1:
        raise PaperlibError(f"--every must be at least 1, not {wish.every}")
    if wish.save and not wish.save.parent.is_dir():
        raise PaperlibError(f"cannot write {wish.save}: there is no folder {wish.save.parent}")
    how = Protocol(wish.protocol, wish.scales, wish.pool, wish.precision, wish.memory)
    for run in wish.runs:
        if not Path(run).is_file():
            protocols.check(run, how)  # what does not go together is refused before the first has taken its time
    passes: list[Predictions] = []
    for run in wish.runs:
        one = protocols.load(Path(run)) if Path(run).is_file() else None
        for new in one or [protocols.evaluate_run(run, how, wish.split, wish.every)]:
            protocols.check_same_images((passes or [new])[0], new)
            passes.append(new)
            scales = ",".join(str(q) for q in new.scales)
            print(f"{new.run}  {new.data}/{new.split}  {new.protocol} Q={scales}\n{new.errors}", flush=True)
    if wish.save:
        protocols.save(wish.save, passes)
    if len(passes) > 1:
        print(f"fusion of {len(passes)}\n{protocols.fuse(passes).errors}")
    print(f"chance: top-1 error {100 - 100 / len(passes[0].classes):.2f}%")


def visualize_command(args: Sequence[str]) -> None:
    """Draw what a net sees: paperlib visualize deconvnet | occlusion --help."""
    from paperlib import figures

    kinds: dict[str, Callable[[Sequence[str]], None]] = {"deconvnet": draw_deconvnet, "occlusion": draw_occlusion}
    if not args or args[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10}{f.__doc__}" for name, f in kinds.items())
        print(f"paperlib visualize KIND [--help]\n\n{lines}")
        sys.exit(0 if args else 2)
    if args[0] not in kinds:
        raise unknown("kind of picture", args[0], kinds)
    figures.use_korean_font()
    kinds[args[0]](args[1:])


def draw_deconvnet(args: Sequence[str]) -> None:
    """The strongest units of a layer in pixels, beside the patches that they see."""
    from paperlib import figures

    wish = tyro.cli(Deconvnet, args=list(args), prog="paperlib visualize deconvnet")
    if wish.every < 1:
        raise PaperlibError(f"--every must be at least 1, not {wish.every}")
    made, _ = runs.load_recipe(wish.run)
    model = runs.load_model(wish.run).to(device())
    count = ascend(model, torch.zeros(1, 3, made.crop, made.crop), wish.layer).maps.shape[1]
    if wrong := [m for m in wish.maps if not 0 <= m < count]:
        raise PaperlibError(f"no map {wrong[0]} in {wish.layer}: it has {count}, from 0 on")
    split: data.Split = getattr(data.load(made.data), wish.split)
    images = Subset(split.images, range(0, len(split), wish.every))  # type: ignore[arg-type, var-annotated]
    view = TestView(made.test_side, made.crop, made.mean, made.std)
    found = top_activations(model, wish.layer, images, wish.top, view)  # type: ignore[arg-type]
    strongest = found.values[:, 0].argsort(descending=True, stable=True)[:16].tolist()
    for channel in wish.maps or sorted(strongest):
        views = torch.stack([view(images[i]) for i in found.images[channel].tolist()])
        signals = project(model, views, wish.layer, found.units(channel)).cpu()
        shown, boxes = denormalize(views, made.mean, made.std), found.boxes[channel]
        title = f"{wish.layer} {channel}: {found.values[channel, 0]:.3g} – {found.values[channel, -1]:.3g}"
        save_picture(
            figures.projections(cut(shown, boxes), cut(signals, boxes), title),
            wish.out / f"{wish.layer}-{channel:03}.png",
        )


def draw_occlusion(args: Sequence[str]) -> None:
    """Four maps of a photograph as a grey square moves over it."""
    from paperlib import figures

    wish = tyro.cli(Occlude, args=list(args), prog="paperlib visualize occlusion")
    made, classes = runs.load_recipe(wish.run)
    if wish.label is not None and wish.label not in classes:
        raise unknown("class", wish.label, classes)
    model = runs.load_model(wish.run).to(device())
    view = TestView(made.test_side, made.crop, made.mean, made.std)(data.read_photograph(wish.image))
    with torch.inference_mode():
        posteriors = model(view[None].to(device())).softmax(dim=1)[0]
    label = int(posteriors.argmax()) if wish.label is None else classes.index(wish.label)
    square = made.crop // 4 if wish.square is None else wish.square
    stride = max(1, square // 4) if wish.stride is None else wish.stride
    found = occlusion(model, view, label, square, stride, layer=wish.layer)
    names = [[classes[c] for c in row] for row in found.label.tolist()]
    maps = {f"{found.layer} {found.channel}": found.activation, f"{classes[label]}의 확률": found.probability}
    shown = denormalize(view, made.mean, made.std)
    figure = figures.occlusion_maps(shown, maps, found.projection, names, square, stride)
    print(f"{classes[label]}: probability {posteriors[label]:.3f}, covered {found.probability.min():.3f} at the least")
    save_picture(figure, wish.out / f"occlusion-{wish.image.stem}.png")


def save_picture(figure: Any, path: Path) -> None:
    """Write a figure as PNG into a folder that is made where it is missing, and print its path."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, bbox_inches="tight")
    except OSError as error:
        raise PaperlibError(f"cannot write {path} ({error}); choose another folder with --out") from error
    print(path, flush=True)


def transfer_command(args: Sequence[str]) -> None:
    """Train a classifier on the features of a run, for other data."""
    wish = tyro.cli(Transfer, args=list(args), prog="paperlib transfer")
    if wish.folds < 1 or wish.most < 1 or min(wish.per_class, default=0) < 3:
        raise PaperlibError("--per-class must be at least 3 (for the cross-validation), --most and --folds at least 1")
    made, classes = runs.load_recipe(wish.run)
    if wish.data == made.data and not wish.untrained:
        raise PaperlibError(f"{wish.run} was trained on {made.data}, and would be tested on images that it has seen")
    torch.manual_seed(made.seed)
    untrained = build(made.model, num_classes=len(classes), **made.options) if wish.untrained else None
    model = (untrained or runs.load_model(wish.run)).to(device())
    dataset = data.load(wish.data)
    splits = dataset.train, dataset.val, dataset.test
    view = TestView(wish.side or made.test_side, made.crop, made.mean, made.std)
    images: Any = ConcatDataset([s.images for s in splits])  # type: ignore[misc]
    labels = torch.cat([s.labels for s in splits])
    for layer, x in features(model, wish.layers, images, view).items():
        for count in wish.per_class:
            print(f"{layer}  {probe(x, labels, count, wish.folds, wish.kind, wish.most)}", flush=True)


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
    "visualize": visualize_command,
    "transfer": transfer_command,
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
