"""What a run folder holds, and its safe writing and reading.

    recipe.json              the recipe, its name, the classes, the versions and the machine
    metrics.csv              a row an epoch
    state-STEPS.safetensors  everything needed to go on after so many steps; the last two
    bad_files.json           the photographs that a run with --skip-bad leaves out
    weights.safetensors      the weights of a finished run
    .lock, .writer           held by the process that trains, and which one that is

Every file is written beside its place and then moved there: a reader sees the old one or the new one, whole.
No file is a pickle: nothing that a folder contains can run code.
"""

import csv
import json
from contextlib import suppress
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import Recipe
from paperlib.values import broken_rule

if TYPE_CHECKING:  # `paperlib list` does not wait for torch
    from torch import nn

WEIGHTS = "weights.safetensors"
RECORDED = Path(str(files("paperlib"))) / "assets" / "runs"  # the runs that come with the package


def read_run(folder: Path) -> dict[str, Any]:
    """recipe.json of a run folder. PaperlibError where it is broken or missing; a folder of runs names them."""
    path = folder / "recipe.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["recipe"], dict) or broken_rule(tuple(content["classes"]), tuple[str, ...]):
            raise ValueError("not a run's recipe")
    except FileNotFoundError:
        if seeds := [name_of(path.parent) for path in sorted(folder.glob("*/recipe.json"))]:
            raise PaperlibError(f"{name_of(folder)} holds several runs; name one: {', '.join(seeds)}") from None
        raise PaperlibError(f"{folder} is not a run folder: it has no {path.name}") from None
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); start the run anew in another folder") from error
    return content


def load_unreadable(folder: Path) -> dict[str, dict[int, str]] | None:
    """The unreadable photographs of train and val that a run leaves out, by index; None where it has no list."""
    path = folder / "bad_files.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if rule := broken_rule(content, dict[Literal["train", "val"], dict[str, str]]):
            raise ValueError(f"it must {rule}")
        if not all(index.isdecimal() for split in content.values() for index in split):
            raise ValueError("photographs are named by their index")
        return {split: {int(index): why for index, why in content[split].items()} for split in content}
    except (OSError, RecursionError, ValueError) as error:
        raise PaperlibError(f"{path} is broken ({error}); remove it, and --skip-bad makes it anew") from error


def load_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv as numbers; none in a new folder. PaperlibError where it is broken."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # a spreadsheet puts a mark before the first name
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        rows = [row | {"epoch": int(row["epoch"])} for row in rows]
        check_rows(rows)
    except (ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError, csv.Error) as error:
        raise PaperlibError(f"{path} is broken ({error!r}); remove it") from error
    return rows


def check_rows(rows: Any) -> None:
    """Raise ValueError unless these are the rows of metrics.csv: numbers by name, of epochs 1, 2 and so on."""
    if not isinstance(rows, list) or broken_rule(tuple(rows), tuple[dict[str, float], ...]):
        raise ValueError("rows must be numbers by name")
    if [row.get("epoch") for row in rows] != list(range(1, len(rows) + 1)) or len({tuple(row) for row in rows}) > 1:
        raise ValueError("rows must be of epochs 1, 2 and so on, with the same columns")


def finished(folder: Path) -> bool:
    """Whether the run in this folder is complete."""
    return (folder / WEIGHTS).exists()


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
    for folder in (Path(run).expanduser(), RECORDED / run):
        with suppress(OSError):  # a name that is too long for a file
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
    except (ArithmeticError, ValueError) as error:
        raise PaperlibError(f"{folder / 'recipe.json'} is broken ({error})") from error


def weights_of(folder: Path) -> Path:
    """The file of the weights of a finished run; PaperlibError where there is none."""
    if not finished(folder):
        raise PaperlibError(f"{folder} holds no weights of a finished run; run its training command to make them")
    return folder / WEIGHTS


def load_model(run: str | Path) -> "nn.Module":
    """The trained model of a finished run, in evaluation mode. PaperlibError where there is none or it is broken."""
    from paperlib.models import build
    from paperlib.tensors import load_tensors

    folder = find(run)
    recipe, classes = load_recipe(folder)
    weights = weights_of(folder)
    model = build(recipe.model, num_classes=len(classes), **recipe.options)
    tensors, _ = load_tensors(weights)
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise PaperlibError(
            f"{weights} is broken: it holds infinite numbers or nan; train the run anew in another folder"
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise PaperlibError(f"{folder}: the weights are of another model than {recipe.model} ({error})") from error
    return model.eval()


def states(folder: Path) -> list[Path]:
    """The saved states, the newest first; none in a new folder."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)
