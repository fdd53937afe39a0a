"""What a run folder holds, and its safe writing and reading.

    recipe.json          the recipe, its name, the classes, the versions and the machine
    metrics.csv          a row an epoch
    state.safetensors    everything needed to go on after the last whole epoch
    weights.safetensors  the weights of a finished run

Every file is written beside its place and then moved there: a reader sees the old one or the new one, whole.
No file is a pickle: nothing that a folder contains can run code.
"""

import csv
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from paperlib.errors import PaperlibError, unknown
from paperlib.models import build, densenet, resnet, vgg
from paperlib.recipes import Recipe, differences
from paperlib.version import __version__


def write(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: all of it or, whatever happens, nothing."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    return found | {"paperlib": __version__} | {name: version(name) for name in ("torch", "torchvision", "accelerate")}


def begin(folder: Path, name: str, recipe: Recipe, classes: Sequence[str]) -> None:
    """Make the run folder with its recipe.json, or check that the run there is this very one.

    A folder where no epoch is done yet is taken over. Raises PaperlibError naming each value that differs, and where
    the folder cannot be made.
    """
    path = folder / "recipe.json"
    if path.exists() and begun(folder):
        check(folder, recipe)
        if _read_run(folder)["classes"] != list(classes):
            raise PaperlibError(f"{folder} holds a run on other classes; are the data of {recipe.data} whole?")
        return
    content = {"name": name, "recipe": asdict(recipe), "classes": list(classes), "environment": _environment()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise PaperlibError(f"cannot make the run folder {folder} ({error}); choose another with --out") from error


def check(folder: Path, recipe: Recipe) -> None:
    """Raise PaperlibError, naming each value that differs, unless the run in `folder` is of this very recipe."""
    changed = differences(_read_run(folder)["recipe"], json.loads(json.dumps(asdict(recipe))))
    if changed:
        raise PaperlibError(f"{folder} holds a run of another recipe ({'; '.join(changed)}); choose another folder")


def _read_run(folder: Path) -> dict[str, Any]:
    path = folder / "recipe.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["recipe"], dict) or not isinstance(content["classes"], list):
            raise ValueError("not a run's recipe")
    except FileNotFoundError:
        raise PaperlibError(f"{folder} is not a run folder: it has no {path.name}") from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); start the run anew in another folder") from error
    return content


def save_state(
    folder: Path, epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: dict[str, Any]
) -> None:
    """Keep all that is needed to go on after `epoch` whole epochs."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items() if value is not None}
    numbers = {"epoch": epoch, "groups": state["param_groups"], "schedule": schedule}
    write(folder / "state.safetensors", save(_plain(tensors), {"numbers": json.dumps(numbers)}))


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, dict[str, Any]]:
    """Restore model and optimizer; returns the whole epochs done (0 in a new folder) and the schedule's state."""
    path = folder / "state.safetensors"
    if not begun(folder):
        return 0, {}
    tensors, metadata = _read_tensors(path)
    if "numbers" not in metadata:
        raise PaperlibError(f"{path} is not a state of paperlib; remove it and run the same command again")
    numbers = json.loads(metadata["numbers"])
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": numbers["groups"]})
    return numbers["epoch"], numbers["schedule"]


def save_weights(folder: Path, model: nn.Module, dtype: torch.dtype | None = None) -> None:
    """Write weights.safetensors; `dtype` rounds the floating-point ones (float16 halves the file)."""
    tensors = model.state_dict()
    if dtype is not None:
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    write(folder / "weights.safetensors", save(_plain(tensors)))


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            # Clones: a tensor that stays mapped keeps Windows from replacing the file.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it and run the same command again") from error


def save_metrics(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write metrics.csv: `rows` of the same keys, one an epoch."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    write(folder / "metrics.csv", ("\n".join(lines) + "\n").encode())


def load_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv as numbers; none in a new folder."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def begun(folder: Path) -> bool:
    """Whether the run in this folder has whole epochs to go on from."""
    return (folder / "state.safetensors").exists()


def finished(folder: Path) -> bool:
    """Whether the run in this folder is complete."""
    return (folder / "weights.safetensors").exists()


def find(run: str | Path) -> Path:
    """The folder of a run: a path, or the name of a run that comes with the package."""
    recorded = Path(str(files("paperlib"))) / "assets" / "runs"
    for folder in (Path(run), recorded / str(run)):
        if folder.is_dir():
            return folder
    names = sorted(path.name for path in recorded.iterdir())
    raise PaperlibError(f"no run folder {str(run)!r}; runs that come with the package: {', '.join(names)}")


def recorded(name: str) -> dict[str, dict[str, Any]]:
    """What evaluation.json says of each recorded seed of a recipe: by the name of its folder, `seed0` and so on."""
    folders = sorted(path.parent for path in find(name).glob("*/evaluation.json"))
    return {folder.name: json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) for folder in folders}


def load_recipe(run: str | Path) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a run and the names of its classes."""
    folder = find(run)
    content = _read_run(folder)
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content["recipe"].items()}
    try:
        return Recipe(**values), tuple(content["classes"])
    except TypeError as error:
        raise PaperlibError(f"{folder} is of another version of paperlib ({error})") from error


def load_model(run: str | Path) -> nn.Module:
    """The trained net of a finished run, in evaluation mode. PaperlibError where there is none or it is broken."""
    folder = find(run)
    recipe, classes = load_recipe(folder)
    if not finished(folder):
        raise PaperlibError(f"{folder} holds no weights of a finished run; run its training command to make them")
    model = build(recipe.model, num_classes=len(classes), **recipe.options)
    tensors, _ = _read_tensors(folder / "weights.safetensors")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise PaperlibError(f"{folder}: the weights are of another net than {recipe.model} ({error})") from error
    return model.eval()


def pretrained(name: str, file: str | Path | None = None) -> nn.Module:
    """The net `name` with the weights that torchvision publishes (IMAGENET1K_V1), in evaluation mode.

    They are read from `file` (.pth or .safetensors), or downloaded once and their hash checked; no code in them runs.
    They want views of mean (123.675, 116.28, 103.53) and std (58.395, 57.12, 57.375). Raises PaperlibError for a
    name without weights, without a connection, and where the file holds other weights.
    """
    there = torchvision.models.list_models()
    papers = {n: paper for paper in (vgg, resnet, densenet) for n in paper.BUILDERS if n in there}
    if name not in papers:
        raise unknown("net with published weights", name, papers)
    theirs: dict[str, Any] = {"shortcut": "B", "stride_on": "3x3"} if papers[name] is resnet else {}
    model = build(name, **theirs)
    safely: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        if file is None:
            weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
            state = weights.get_state_dict(check_hash=True, **safely)
        else:
            state = load_file(file) if Path(file).suffix == ".safetensors" else torch.load(file, **safely)
        papers[name].load_torchvision_state(model, state)
    except Exception as error:  # the readers of three formats and the network raise whatever they like
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if file is None:
            advice = f"offline, give a file that holds them: pretrained({name!r}, FILE)"
            raise PaperlibError(f"cannot download the weights of {name} ({reason}); {advice}") from error
        raise PaperlibError(f"{file} does not hold torchvision's weights of {name} ({reason})") from error
    return model.eval()
