"""Writing a run folder: its recipe, metrics, unreadable photographs and weights; `runs` reads and describes it."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from paperlib import provenance
from paperlib.data import Data, Photographs, Split
from paperlib.errors import PaperlibError
from paperlib.files import write, write_json
from paperlib.recipes.recipe import Recipe, differences
from paperlib.runs import WEIGHTS, finished, load_metrics, read_run, states
from paperlib.tensors import load_tensors, save_tensors
from paperlib.training.lock import HOLDER, LOCK


def begin(folder: Path, name: str, recipe: Recipe, data: Data, machine: dict[str, Any]) -> None:
    """Write recipe.json of a new run, or check that the run in `folder` has the same recipe and data.

    A run where nothing is saved yet begins anew. Call it as the only writer. Raises PaperlibError naming what differs.
    """
    check_folder(folder, recipe)
    remove_partial_files(folder)
    splits = {"train": data.train, "val": data.val}
    there = {
        "classes": list(data.classes),
        "images": {part: len(split) for part, split in splits.items()},
        "files": {part: digest_of_files(split) for part, split in splits.items()},
    }
    if states(folder):
        check_same_data(folder, recipe, there)
        return
    (folder / "bad_files.json").unlink(missing_ok=True)  # perhaps of other data
    content = {"name": name, "recipe": asdict(recipe), **there, "environment": environment() | machine}
    write_json(folder / "recipe.json", content)


def is_complete(folder: Path, recipe: Recipe, log: Callable[[str], None]) -> bool:
    """Whether `folder` holds this very run with weights that can be read; PaperlibError where it is another run."""
    try:
        if not finished(folder):
            return False
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        raise PaperlibError(f"cannot use the run folder {folder} ({error}); choose another with --out") from error
    check_same_recipe(folder, recipe)
    try:
        load_tensors(folder / WEIGHTS)
    except PaperlibError as error:
        log(f"{error.__cause__}: {folder / WEIGHTS} is written again from the last state")
        return False
    return True


def check_folder(folder: Path, recipe: Recipe) -> None:
    """Raise PaperlibError unless `folder` is new, empty, or holds a run of this very recipe that can go on.

    A folder with anything else in it belongs to somebody: nothing in it is overwritten.
    """
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {name for name in names if name not in (LOCK, HOLDER) and not name.startswith(".partial-")}
    if not names:
        return
    if "recipe.json" not in names:
        raise PaperlibError(f"{folder} is not empty and holds no run ({sorted(names)[0]} ...); choose another --out")
    check_same_recipe(folder, recipe)
    before_a_state = {"recipe.json", "bad_files.json", "metrics.csv"}
    others = {name for name in names - before_a_state if not name.startswith("events.out.tfevents")}
    if not states(folder) and (others or len(load_metrics(folder)) > 1):
        raise PaperlibError(f"{folder} holds a run without its states, which cannot go on; choose another --out")


def environment() -> dict[str, str | int]:
    """Versions, commit, date and machine, for recipe.json."""
    here = provenance.machine()
    about = {"machine": here.pop("architecture"), **here, "commit": provenance.commit(), "date": provenance.today()}
    return provenance.versions() | about


def remove_partial_files(folder: Path) -> None:
    """Remove the half-written files of killed processes; those of living ones stay."""
    for partial in folder.glob(".partial-*"):
        process = partial.name.rpartition("-")[2]
        if process.isdecimal() and len(process) < 10 and not psutil.pid_exists(int(process)):
            partial.unlink(missing_ok=True)


def check_same_recipe(folder: Path, recipe: Recipe) -> None:
    """Raise PaperlibError, naming each value that differs, unless the run in `folder` has this very recipe."""
    changed = differences(read_run(folder)["recipe"], json.loads(json.dumps(asdict(recipe))))
    if changed:
        raise PaperlibError(f"{folder} holds a run of another recipe ({'; '.join(changed)}); choose another folder")


def check_same_data(folder: Path, recipe: Recipe, here: dict[str, Any]) -> None:
    """Raise PaperlibError unless the run in `folder` has these `classes`, numbers of `images`, and `files`."""
    run = read_run(folder)
    there = {key: run.get(key, here[key]) for key in here}  # runs of earlier versions do not name all
    if there["classes"] != here["classes"]:
        classes = there["classes"], here["classes"]
        pairs = [f"{a!r} -> {b!r}" for a, b in zip_longest(*classes) if a != b]
        counts = f"{len(classes[0])} there, {len(classes[1])} here; the first that differs: {pairs[0]}"
        raise PaperlibError(f"{folder} holds a run on other classes ({counts}); are the data of {recipe.data} whole?")
    if there["images"] != here["images"]:
        advice = "put back or replace what is missing; what cannot be read is left out with --skip-bad"
        counts = f"{there['images']} there, {here['images']} here"
        raise PaperlibError(f"{folder} holds a run on other images ({counts}); {advice}")
    if there["files"] != here["files"]:
        advice = "give them their names back, or train in another --out"
        raise PaperlibError(f"{folder} holds a run on other files: some of {recipe.data} were renamed; {advice}")


def digest_of_files(split: Split) -> str | None:
    """A digest of the names of photographs, CLASS/FILE, in their order; none where the images are no files."""
    if not isinstance(split.images, Photographs):
        return None
    names = (b"/".join(path.rsplit(os.sep.encode(), 2)[-2:]) for path in split.images.paths)
    return sha256(b"\0".join(names)).hexdigest()


def save_metrics(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write metrics.csv: `rows` of the same keys, one an epoch."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    write(folder / "metrics.csv", ("\n".join(lines) + "\n").encode())


def save_unreadable(folder: Path, unreadable: dict[str, dict[int, str]]) -> None:
    """Write bad_files.json: of each split the index of each photograph that is left out, and why."""
    write_json(folder / "bad_files.json", unreadable)


def save_weights(folder: Path, model: nn.Module, dtype: torch.dtype | None = None) -> None:
    """Write weights.safetensors; `dtype` rounds the floating-point ones (float16 halves the file)."""
    tensors = model.state_dict()
    if dtype is not None:
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(folder / WEIGHTS, tensors)
