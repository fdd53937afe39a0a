"""Who may import whom: a file imports only from lower floors."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "paperlib"
FLOORS = {
    0: ["errors", "modes", "signals", "version"],
    1: [
        "models.*", "recipes", "experiments", "transforms", "scenes", "anatomy", "evaluate", "checkpoint", "fetch",
        "figures",
    ],
    2: ["data", "batches", "train", "dense", "deconvnet", "posteriors", "transfer"],
    3: ["run", "widgets"],
    4: ["cli"],
    5: ["__main__"],
}  # fmt: skip
# On one floor, a module that stands on another one there.
BESIDE = {
    ("checkpoint", "models.*"), ("checkpoint", "recipes"), ("experiments", "recipes"), ("evaluate", "transforms"),
    ("batches", "data"), ("train", "batches"),
}  # fmt: skip


def floor(module: str) -> int:
    return next(n for n, names in FLOORS.items() if module in names)


def name_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return "models.*" if relative.parts[0] == "models" else relative.stem


def imported(path: Path) -> set[str]:
    """The modules of paperlib that a file imports, by the names of FLOORS; `paperlib` itself for the package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            base = node.module or ""
            modules = [f"{base}.{a.name}" for a in node.names] if base in ("paperlib", "paperlib.models") else [base]
        for module in modules:
            parts = module.split(".")
            if parts[0] == "paperlib":
                found.add("models.*" if parts[1:2] == ["models"] else parts[1] if len(parts) > 1 else "paperlib")
    return found


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py" or path.parent != PACKAGE]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_file_imports_only_from_lower_floors(path: Path) -> None:
    own = name_of(path)
    for other in imported(path) - {"paperlib", own}:
        lower = floor(other) < floor(own) or (own, other) in BESIDE
        assert lower, f"{own} [{floor(own)}] imports {other} [{floor(other)}]"


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


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_file_is_over_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
