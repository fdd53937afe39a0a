"""paperlib evaluate: count the errors of finished runs, each alone and fused."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from os.path import isfile  # False for a name that is too long, too
from pathlib import Path
from typing import Annotated, Literal

import tyro

from paperlib import data, protocols
from paperlib.dense import Pool
from paperlib.errors import PaperlibError
from paperlib.evaluate import MEMORY
from paperlib.protocols import Predictions, Protocol, TestedImages, check_same_images, find_images, fuse, predict_images


@dataclass(frozen=True)
class Evaluate:
    """Count the errors of finished runs on their test images, each alone and, where there are several, fused.

    examples:
      paperlib evaluate runs/vgg-mini
      paperlib evaluate vgg-caltech --protocol dense --scales 73 110 146 --save dense.safetensors
      paperlib evaluate dense.safetensors runs/seed1/vgg-caltech
      paperlib evaluate runs/photographs --data folder:/media/usb/photographs --split val
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders, names of recorded runs (see `paperlib list`), or files of --save, which are not evaluated again."""
    protocol: protocols.Name = "center"
    """center: the central crop; mirror: it and its mirror image; ten-crop: AlexNet's corners and centre, mirrored;
    multi-crop: VGG's 5x5 grid, mirrored; dense: the uncropped image, mirrored; multi-crop+dense: their mean."""
    scales: tuple[int, ...] = ()
    """Smaller image sides Q in px, whose posteriors are averaged; by default the recipe's."""
    pool: Pool | None = None
    """dense: average the score map before (logit, VGG's default) or after (prob) the softmax, or, where the model ends
    in a global average, average all of its last maps at once (gap, the default there)."""
    split: protocols.SplitName = "test"
    """Images to count on, without those that the run left out. Choose models on val; see test once; on train the
    error shows what the model could fit."""
    every: int = 1
    """Count on every n-th image only, beginning with the first."""
    data: str | None = None
    """Data set, by name or folder:PATH, where the data have moved since the training."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the model."""
    memory: float = MEMORY
    """MB of decoded images to hold, and as much again for one pass through the model."""
    save: Path | None = None
    """File for the posteriors (safetensors), to be named in place of a run later."""


def main(args: Sequence[str]) -> None:
    """Check everything that can be checked, then evaluate run by run; each is saved before it is printed."""
    options = tyro.cli(Evaluate, args=args, prog="paperlib evaluate")
    stored = {name: protocols.load(Path(name)) for name in options.runs if isfile(name)}
    check_options(options, args, only_files=len(stored) == len(set(options.runs)))
    protocol = Protocol(options.protocol, options.scales, options.pool, options.precision, options.memory)
    runs = [name for name in options.runs if name not in stored]
    for run in runs:
        protocols.check(run, protocol)
    read = cache(data.load)  # once, however many runs were trained on it
    images = {run: find_images(run, options.split, options.every, options.data, read) for run in runs}
    subjects: list[TestedImages] = []
    for name in options.runs:
        subjects += stored[name] if name in stored else [images[name]]
    for other in subjects[1:]:
        check_same_images(subjects[0], other)

    done: list[Predictions] = []
    for name in options.runs:
        new = stored.get(name) or [predict_images(protocol, images[name])]
        done += new
        if options.save:
            protocols.save(options.save, done)
        for one in new:
            scales = ",".join(str(q) for q in one.scales)
            print(f"{one.run}  {one.data}/{one.split}  {one.protocol} Q={scales}\n{one.errors}", flush=True)
    if len(done) > 1:
        print(f"fusion of {len(done)}\n{fuse(done).errors}")
    print(f"chance: top-1 error {100 - 100 / len(subjects[0].classes):.2f}%")


def check_options(options: Evaluate, args: Sequence[str], only_files: bool) -> None:
    """PaperlibError for options that do not go together."""
    if not options.runs:
        raise PaperlibError("name a run folder, a recorded run, or a file of --save")
    if options.save and not options.save.parent.is_dir():
        raise PaperlibError(f"cannot write {options.save}: there is no folder {options.save.parent}")
    unused = [word for word in args if word.startswith("--") and word.partition("=")[0] != "--save"]
    if only_files and unused:
        advice = "name the run itself to evaluate it in another way"
        raise PaperlibError(f"{' '.join(unused)} would change nothing: files hold finished evaluations; {advice}")
