"""Who may import whom: a file imports only from lower floors."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "paperlib"
ROOMS = ["models", "recipes", "data", "commands"]  # folders that are one room: their files may import each other
FLOORS = {
    0: ["errors", "names", "values", "version", "modes", "devices", "training.fit", "training.signals"],
    1: ["files", "training.lock", "models", "recipes", "transforms", "anatomy", "figures"],
    2: ["data", "evaluate", "deconvnet", "pretrained", "provenance", "tensors", "training.schedule"],
    3: ["dense", "occlusion", "runs", "tables", "transfer", "training.batches"],
    4: ["protocols", "training.folder", "training.state", "widgets"],
    5: ["training.epoch"],
    6: ["training.setup"],
    7: ["training.run"],
    8: ["commands"],
    9: ["cli"],
    10: ["__main__"],
}  # fmt: skip


def floor(module: str) -> int:
    return next(n for n, names in FLOORS.items() if module in names)


def room(module: str) -> str:
    """The room of a module by its dotted name without `paperlib.`: its folder where that is a room, else itself."""
    first = module.split(".")[0]
    return first if first in ROOMS else module


def name_of(path: Path) -> str:
    return room(".".join(path.relative_to(PACKAGE).with_suffix("").parts))


def imported(path: Path) -> set[str]:
    """The rooms of paperlib that a file imports; `paperlib` itself for the package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            base = node.module or ""
            folder = (PACKAGE.parent / base.replace(".", "/")).is_dir()
            modules = [f"{base}.{a.name}" for a in node.names] if folder else [base]
        for module in modules:
            if module.split(".")[0] == "paperlib":
                place = PACKAGE.parent / module.replace(".", "/")
                known = place.with_suffix(".py").exists() or place.is_dir() or "." not in module
                own = module if known else module.rpartition(".")[0]  # a name that the package itself exports
                found.add(room(own.removeprefix("paperlib.")))
    return found


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "__init__.py" or p.parent.name in ROOMS]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_file_imports_only_from_lower_floors(path: Path) -> None:
    own = name_of(path)
    for other in imported(path) - {"paperlib", own}:
        assert floor(other) < floor(own), f"{own} [{floor(own)}] imports {other} [{floor(other)}]"


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=lambda p: p.name)
def test_a_paper_stands_alone(path: Path) -> None:
    """A model file imports torch, the standard library and the shared layer only: not another paper's file."""
    if path.name != "__init__.py":
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        others = {name for name in names if name.split(".")[0] not in {"torch", *sys.stdlib_module_names}}
        assert others <= {"paperlib.models.layers"}


def test_matplotlib_is_imported_in_figures_alone() -> None:
    users = [path.name for path in FILES if "matplotlib" in path.read_text(encoding="utf-8")]
    assert users == ["figures.py"]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from `def` on without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    prose = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
    return (function.end_lineno or 0) - function.lineno + 1 - prose


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_file_fits_in_300_lines_and_a_function_on_a_screen_of_60(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    long = {function.name: code_lines(function) for function in functions(path) if code_lines(function) > 60}
    assert not long


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_forward_states_its_shapes(path: Path) -> None:
    for function in functions(path):
        if function.name == "forward":
            assert "(N" in (ast.get_docstring(function) or ""), f"line {function.lineno}"
