"""Writing a run folder: its recipe, metrics, unreadable photographs and weights; `runs` reads and describes it."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import save
from torch import Tensor, nn

from paperlib.errors import PaperlibError
from paperlib.files import write, write_json
from paperlib.recipes.recipe import Recipe, differences
from paperlib.runs import read_run, states
from paperlib.version import __version__


def begin(
    folder: Path,
    name: str,
    recipe: Recipe,
    classes: Sequence[str],
    machine: dict[str, Any],
    images: dict[str, int] | None = None,
) -> None:
    """Make the run folder with its recipe.json, or check that the run there is the same.

    `images` counts those of train and val: with another number the order of an epoch is another. A folder where
    nothing is saved yet is taken over. Raises PaperlibError naming each value that differs, and where the folder
    cannot be made.
    """
    remove_partial_files(folder)
    if (folder / "recipe.json").exists() and states(folder):
        check_same_recipe(folder, recipe)
        check_same_data(folder, recipe, classes, images)
        return
    content = {"name": name, "recipe": asdict(recipe), "classes": list(classes), "images": images}
    content["environment"] = environment() | machine
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bad_files.json").unlink(missing_ok=True)  # of the run that is taken over
    except OSError as error:
        raise PaperlibError(f"cannot make the run folder {folder} ({error}); choose another with --out") from error
    write_json(folder / "recipe.json", content)


def environment() -> dict[str, str]:
    """Versions and machine, for recipe.json."""
    system = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    return system | {"paperlib": __version__} | {name: version(name) for name in ("torch", "torchvision", "accelerate")}


def remove_partial_files(folder: Path) -> None:
    """Remove the half-written files of killed processes; those of living ones stay."""
    for partial in folder.glob(".partial-*"):
        if not psutil.pid_exists(int(partial.name.rpartition("-")[2])):
            partial.unlink(missing_ok=True)


def check_same_recipe(folder: Path, recipe: Recipe) -> None:
    """Raise PaperlibError, naming each value that differs, unless the run in `folder` has this very recipe."""
    changed = differences(read_run(folder)["recipe"], json.loads(json.dumps(asdict(recipe))))
    if changed:
        raise PaperlibError(f"{folder} holds a run of another recipe ({'; '.join(changed)}); choose another folder")


def check_same_data(folder: Path, recipe: Recipe, classes: Sequence[str], images: dict[str, int] | None) -> None:
    """Raise PaperlibError unless the run in `folder` has these classes and these numbers of images."""
    run = read_run(folder)
    there, counted = run["classes"], run.get("images", images)
    if there != list(classes):
        pairs = [f"{a!r} -> {b!r}" for a, b in zip_longest(there, classes) if a != b]
        counts = f"{len(there)} there, {len(classes)} here; the first that differs: {pairs[0]}"
        raise PaperlibError(f"{folder} holds a run on other classes ({counts}); are the data of {recipe.data} whole?")
    if counted != images:
        advice = "put back or replace what is missing; what cannot be read is left out with --skip-bad"
        raise PaperlibError(f"{folder} holds a run on other images ({counted} there, {images} here); {advice}")


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
    write(folder / "weights.safetensors", save(on_cpu(tensors)))


def on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors takes them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
