"""What a run folder holds, and its safe writing and reading.

    recipe.json              the recipe, its name, the classes, the versions and the machine
    metrics.csv              a row an epoch
    state-STEPS.safetensors  everything needed to go on after so many steps; the last two
    bad_files.json           the photographs that a run with --skip-bad leaves out
    weights.safetensors      the weights of a finished run

Every file is written beside its place and then moved there: a reader sees the old one or the new one, whole.
No file is a pickle: nothing that a folder contains can run code.
"""

import csv
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
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
    """Write `content` to `path` atomically: all of it or, with PaperlibError, nothing, also when the power fails."""
    partial = path.with_name(f".partial-{os.getpid()}")  # of its own: two writers must not mix in one file
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        advice = "make room there, and the same command goes on"
        raise PaperlibError(f"cannot write {path} ({error}); what was there before is whole; {advice}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as `write` does."""
    write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


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
        before = _read_run(folder)
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


def states(folder: Path) -> list[Path]:
    """The saved states, the newest first; none in a new folder."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)


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
    tensors, metadata = _read_tensors(path)
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


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            # Clones: a tensor that stays mapped keeps Windows from replacing the file.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it and run the same command again") from error


def save_bad(folder: Path, bad: dict[str, dict[int, str]]) -> None:
    """Write bad_files.json: of each split the index of each photograph that is left out, and what is wrong with it."""
    write_json(folder / "bad_files.json", bad)


def load_bad(folder: Path) -> dict[str, dict[int, str]] | None:
    """What `save_bad` wrote; None where it did not."""
    path = folder / "bad_files.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {split: {int(index): str(wrong) for index, wrong in content[split].items()} for split in content}
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it, and --skip-bad makes it anew") from error


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
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [row | {"epoch": int(row["epoch"])} for row in rows]


def finished(folder: Path) -> bool:
    """Whether the run in this folder is complete."""
    return (folder / "weights.safetensors").exists()


def find(run: str | Path) -> Path:
    """The folder of a run: a path, or the name of a run that comes with the package."""
    recorded = Path(str(files("paperlib"))) / "assets" / "runs"
    for folder in (Path(run), recorded / str(run)):
        if folder.is_dir():
            return folder
    names = sorted(path.parent.relative_to(recorded).as_posix() for path in recorded.rglob("weights.safetensors"))
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
    if file is not None and Path(file).suffix != ".safetensors" and torch.__version__ < "2.10":
        # CVE-2025-32434 and CVE-2026-24747: there a .pth file can run code in spite of weights_only
        advice = "take PyTorch 2.10 or later, or a .safetensors file"
        raise PaperlibError(f"{file} is not read: with PyTorch {torch.__version__} it could run code; {advice}")
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
