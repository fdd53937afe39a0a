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
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import Recipe

if TYPE_CHECKING:  # `paperlib list` does not wait for torch
    from torch import Tensor, nn

RECORDED = Path(str(files("paperlib"))) / "assets" / "runs"  # the runs that come with the package


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """The tensors of a safetensors file by name, and its metadata. PaperlibError where it is broken."""
    try:
        with safe_open(path, framework="pt") as file:
            # Clones: a tensor that stays mapped keeps Windows from replacing the file.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it and run the same command again") from error


def read_run(folder: Path) -> dict[str, Any]:
    """recipe.json of a run folder. PaperlibError where it is broken or missing; a folder of runs names them."""
    path = folder / "recipe.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["recipe"], dict) or not isinstance(content["classes"], list):
            raise ValueError("not a run's recipe")
    except FileNotFoundError:
        if seeds := [name_of(path.parent) for path in sorted(folder.glob("*/recipe.json"))]:
            raise PaperlibError(f"{name_of(folder)} holds several runs; name one: {', '.join(seeds)}") from None
        raise PaperlibError(f"{folder} is not a run folder: it has no {path.name}") from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); start the run anew in another folder") from error
    return content


def load_unreadable(folder: Path) -> dict[str, dict[int, str]] | None:
    """The unreadable photographs of bad_files.json: by split and index, why; None without that file."""
    path = folder / "bad_files.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {split: {int(index): str(why) for index, why in content[split].items()} for split in content}
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it, and --skip-bad makes it anew") from error


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


def name_of(folder: Path) -> str:
    """The name of a run: RECIPE or RECIPE/seedK of a recorded one, else the path of its folder."""
    return (folder.relative_to(RECORDED) if folder.is_relative_to(RECORDED) else folder).as_posix()


def recorded_runs() -> list[str]:
    """The names of all runs that come with the package: vgg-caltech, fashion-mnist-resnet20/seed0 ..."""
    return sorted(name_of(path.parent) for path in RECORDED.rglob("recipe.json"))


def find(run: str | Path) -> Path:
    """The folder of a run: a path, or the name of a recorded run; of a recipe alone, the folder of its seeds.

    Raises PaperlibError with the near names where there is none.
    """
    for folder in (Path(run), RECORDED / run):
        if folder.is_dir():
            return folder
    names = recorded_runs()
    recipes = sorted({name.partition("/")[0] for name in names})
    near = get_close_matches(str(run).lower(), [*recipes, *names], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "paperlib list shows the recorded runs"
    raise PaperlibError(f"no run folder {str(run)!r}; {hint}")


def read_evaluation(run: str | Path) -> dict[str, dict[str, Any]]:
    """What evaluation.json says of a recorded run: by test, its scales, errors in % and number of images."""
    path = find(run) / "evaluation.json"
    try:
        content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PaperlibError(f"{path} cannot be read ({error})") from error
    return content


def read_provenance(run: str | Path) -> dict[str, dict[str, Any]]:
    """Where each test of a recorded run comes from: its commands, protocol, commit, date, versions and machine."""
    content: dict[str, dict[str, Any]] = json.loads((find(run) / "provenance.json").read_text(encoding="utf-8"))
    return content


def train_command(run: str | Path) -> str:
    """The command that trains a run of a registered recipe."""
    content = read_run(find(run))
    processes = content["environment"].get("processes", 1)
    program = "paperlib" if processes == 1 else f"torchrun --standalone --nproc_per_node {processes} -m paperlib"
    return f"{program} train {content['name']} --seed {content['recipe']['seed']}"


def recorded(recipe: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What evaluation.json says of each recorded seed of a recipe: by the name of its folder, `seed0` and so on."""
    folders = sorted(path.parent for path in find(recipe).glob("*/evaluation.json"))
    return {folder.name: read_evaluation(folder) for folder in folders}


def load_recipe(run: str | Path) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a run and the names of its classes."""
    folder = find(run)
    content = read_run(folder)
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content["recipe"].items()}
    try:
        return Recipe(**values), tuple(content["classes"])
    except TypeError as error:
        raise PaperlibError(f"{folder} is of another version of paperlib ({error})") from error


def weights_of(folder: Path) -> Path:
    """The file of the weights of a finished run; PaperlibError where there is none."""
    if not finished(folder):
        raise PaperlibError(f"{folder} holds no weights of a finished run; run its training command to make them")
    return folder / "weights.safetensors"


def load_model(run: str | Path) -> "nn.Module":
    """The trained model of a finished run, in evaluation mode. PaperlibError where there is none or it is broken."""
    from paperlib.models import build

    folder = find(run)
    recipe, classes = load_recipe(folder)
    weights = weights_of(folder)
    model = build(recipe.model, num_classes=len(classes), **recipe.options)
    tensors, _ = read_tensors(weights)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise PaperlibError(f"{folder}: the weights are of another model than {recipe.model} ({error})") from error
    return model.eval()


def states(folder: Path) -> list[Path]:
    """The saved states, the newest first; none in a new folder."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)
