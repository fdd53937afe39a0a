"""paperlib visualize: draw what a network sees."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from paperlib import data, figures, protocols, runs
from paperlib.deconvnet import ascend, cut, project, top_activations
from paperlib.devices import device
from paperlib.errors import PaperlibError, unknown
from paperlib.occlusion import occlusion
from paperlib.transforms import TestView, denormalize


@dataclass(frozen=True)
class Deconvnet:
    """The strongest units of a layer in pixels, beside the patches that they see (ZFNet, Figure 2).

    examples:
      paperlib visualize deconvnet zfnet-caltech --layer conv5 --out pictures
      paperlib visualize deconvnet zfnet-caltech --layer relu3 --maps 5 17 --top 4 --every 10 --out pictures
    """

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a recorded run: of AlexNet, ZFNet or VGG."""
    layer: str
    """Layer of the features: conv5, pool1 ..."""
    out: Path
    """Folder for the pictures, one a map: LAYER-MAP.png."""
    top: int = 9
    """Units of each map, at most one an image."""
    maps: tuple[int, ...] = ()
    """Maps by number; by default the sixteen with the strongest activations."""
    split: protocols.SplitName = "val"
    """Images to search."""
    every: int = 1
    """Search every n-th image only, beginning with the first."""


@dataclass(frozen=True)
class Occlude:
    """Four maps of a photograph as a grey square moves over it (ZFNet, Figure 7).

    examples:
      paperlib visualize occlusion zfnet-caltech dog.jpg --out pictures
      paperlib visualize occlusion zfnet-caltech dog.jpg --label dalmatian --square 12 --stride 4 --out pictures
    """

    run: Annotated[str, tyro.conf.Positional]
    """Run folder, or name of a recorded run: of AlexNet, ZFNet or VGG."""
    image: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path
    """Folder for the picture: occlusion-IMAGE.png."""
    label: str | None = None
    """Name of its class; by default the class that the model finds most probable."""
    layer: str | None = None
    """Layer whose strongest map is drawn; by default the last ReLU of the features, layer 5."""
    square: int | None = None
    """Side of the square in px of the crop, by default a quarter of it; the paper does not say."""
    stride: int | None = None
    """Px from one place of the square to the next, by default a quarter of the square; the paper does not say."""


def main(args: Sequence[str]) -> None:
    """Draw the kind of picture that the first word names."""
    kinds = {"deconvnet": draw_deconvnet, "occlusion": draw_occlusion}
    if not args or args[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<11}{kind.__doc__}" for name, kind in kinds.items())
        print(f"usage: paperlib visualize KIND [--help]\n\nDraw what a network sees.\n\n{lines}")
        sys.exit(0 if args else 2)
    if args[0] not in kinds:
        raise unknown("kind of picture", args[0], kinds)
    figures.style()
    kinds[args[0]](args[1:])


def draw_deconvnet(args: Sequence[str]) -> None:
    """The strongest units of a layer in pixels, beside the patches that they see."""
    options = tyro.cli(Deconvnet, args=args, prog="paperlib visualize deconvnet")
    recipe, _ = runs.load_recipe(options.run)
    images = protocols.find_images(options.run, options.split, options.every).images
    model = runs.load_model(options.run).to(device())
    count = ascend(model, torch.zeros(1, 3, recipe.crop, recipe.crop), options.layer).maps.shape[1]
    if missing := [m for m in options.maps if not 0 <= m < count]:
        raise PaperlibError(f"no map {missing[0]} in {options.layer}: it has {count}, from 0 on")
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)
    top = top_activations(model, options.layer, images, options.top, view)
    protocols.check_finite(top.values, options.run)
    strongest = top.values[:, 0].argsort(descending=True, stable=True)[:16].tolist()
    for channel in options.maps or sorted(strongest):
        views = torch.stack([view(images[i]) for i in top.images[channel].tolist()])
        signals = project(model, views, options.layer, top.units(channel)).cpu()
        patches, boxes = denormalize(views, recipe.mean, recipe.std), top.boxes[channel]
        title = f"{options.layer} {channel}: {top.values[channel, 0]:.3g} – {top.values[channel, -1]:.3g}"
        figure = figures.projections(cut(patches, boxes), cut(signals, boxes), title)
        print(figures.save(figure, options.out / f"{options.layer}-{channel:03}.png"), flush=True)


def draw_occlusion(args: Sequence[str]) -> None:
    """Four maps of a photograph as a grey square moves over it."""
    options = tyro.cli(Occlude, args=args, prog="paperlib visualize occlusion")
    recipe, classes = runs.load_recipe(options.run)
    if options.label is not None and options.label not in classes:
        raise unknown("class", options.label, classes)
    model = runs.load_model(options.run).to(device())
    view = TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std)(data.read_photograph(options.image))
    with torch.inference_mode():
        posteriors = model(view[None].to(device())).softmax(dim=1)[0]
    protocols.check_finite(posteriors, options.run)
    label = int(posteriors.argmax()) if options.label is None else classes.index(options.label)
    square = recipe.crop // 4 if options.square is None else options.square
    stride = max(1, square // 4) if options.stride is None else options.stride
    result = occlusion(model, view, label, square, stride, layer=options.layer)
    names = [[classes[c] for c in row] for row in result.label.tolist()]
    maps = {f"{result.layer} {result.channel}": result.activation, f"{classes[label]}의 확률": result.probability}
    shown = denormalize(view, recipe.mean, recipe.std)
    figure = figures.occlusion_maps(shown, maps, result.projection, names, square, stride)
    print(figures.save(figure, options.out / f"occlusion-{options.image.stem}.png"))
    least = result.probability.min()
    print(f"{classes[label]}: probability {posteriors[label]:.3f}, covered {least:.3f} at the least")
