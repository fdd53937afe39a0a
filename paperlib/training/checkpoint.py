"""Writing a run folder: its recipe, its states, its weights; `runs` reads and describes it."""

import json
import platform
from collections.abc import Callable, Sequence
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
from paperlib.runs import read_run, read_tensors, states
from paperlib.version import __version__


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    return found | {"paperlib": __version__} | {name: version(name) for name in ("torch", "torchvision", "accelerate")}


def begin(
    folder: Path,
    name: str,
    recipe: Recipe,
    classes: Sequence[str],
    machine: dict[str, Any],
    images: dict[str, int] | None = None,
) -> None:
    """Make the run folder with its recipe.json, or check that the run there is this very one.

    `images` counts those of train and val: with another number the order of an epoch is another.
    A folder where nothing is saved yet is taken over. Raises PaperlibError naming each value that differs, and where
    the folder cannot be made.
    """
    path = folder / "recipe.json"
    for partial in folder.glob(".partial-*"):
        if not psutil.pid_exists(int(partial.name.rpartition("-")[2])):  # its writer was killed
            partial.unlink(missing_ok=True)
    if path.exists() and states(folder):
        check(folder, recipe)
        before = read_run(folder)
        there, counted = before["classes"], before.get("images", images)
        if there != list(classes):
            pairs = [f"{a!r} -> {b!r}" for a, b in zip_longest(there, classes) if a != b]
            counts = f"{len(there)} there, {len(classes)} here; the first that differs: {pairs[0]}"
            raise PaperlibError(
                f"{folder} holds a run on other classes ({counts}); are the data of {recipe.data} whole?"
            )
        if counted != images:
            advice = "put back or replace what is missing; what cannot be read is left out with --skip-bad"
            raise PaperlibError(f"{folder} holds a run on other images ({counted} there, {images} here); {advice}")
        return
    environment = _environment() | machine
    content = {"name": name, "recipe": asdict(recipe), "classes": list(classes), "images": images}
    content["environment"] = environment
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bad_files.json").unlink(missing_ok=True)  # of the run that is taken over
    except OSError as error:
        raise PaperlibError(f"cannot make the run folder {folder} ({error}); choose another with --out") from error
    write_json(path, content)


def check(folder: Path, recipe: Recipe) -> None:
    """Raise PaperlibError, naming each value that differs, unless the run in `folder` is of this very recipe."""
    changed = differences(read_run(folder)["recipe"], json.loads(json.dumps(asdict(recipe))))
    if changed:
        raise PaperlibError(f"{folder} holds a run of another recipe ({'; '.join(changed)}); choose another folder")


def save_state(
    folder: Path,
    steps: int,
    numbers: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    random: Tensor,
) -> None:
    """Keep all that is needed to go on after `steps` steps; the state before this one stays too, older ones go.

    `numbers` is what fits in JSON; `random` (processes, n) holds the random state of each process.
    """
    tensors = {"random": random} | {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items() if value is not None}
    content = save(_plain(tensors), {"numbers": json.dumps(numbers | {"groups": state["param_groups"]})})
    write(folder / f"state-{steps:09}.safetensors", content)
    for old in states(folder)[2:]:
        old.unlink()


def set_broken_aside(folder: Path, say: Callable[[str], None]) -> None:
    """Rename states newer than the first that can be read to .broken, and say so. PaperlibError if none can."""
    found = states(folder)
    for newer, path in enumerate(found):
        try:
            _read_state(path)
        except PaperlibError:
            continue
        for broken in found[:newer]:
            broken.rename(broken.with_suffix(".broken"))
            say(f"{broken} cannot be read: it is set aside as .broken, and the run goes on from the state before it")
        return
    if found:
        raise PaperlibError(f"no state in {folder} can be read; remove the folder to begin anew")


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, metadata = read_tensors(path)
    if "numbers" not in metadata:
        raise PaperlibError(f"{path} is not a state of paperlib")
    return tensors, json.loads(metadata["numbers"])


def load_state(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Any], Tensor | None]:
    """Restore model and optimizer from the newest state; returns its numbers and random states, or {} and None."""
    if not states(folder):
        return {}, None
    path = states(folder)[0]
    tensors, numbers = _read_state(path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    try:
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        optimizer.load_state_dict({"state": state, "param_groups": numbers.pop("groups")})
    except (KeyError, RuntimeError, ValueError) as error:
        raise PaperlibError(f"{path} is the state of another net ({error}); remove it") from error
    return numbers, tensors["random"]


def save_weights(folder: Path, model: nn.Module, dtype: torch.dtype | None = None) -> None:
    """Write weights.safetensors; `dtype` rounds the floating-point ones (float16 halves the file)."""
    tensors = model.state_dict()
    if dtype is not None:
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    write(folder / "weights.safetensors", save(_plain(tensors)))


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def save_bad(folder: Path, bad: dict[str, dict[int, str]]) -> None:
    """Write bad_files.json: of each split the index of each photograph that is left out, and what is wrong with it."""
    write_json(folder / "bad_files.json", bad)


def save_metrics(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write metrics.csv: `rows` of the same keys, one an epoch."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    write(folder / "metrics.csv", ("\n".join(lines) + "\n").encode())
