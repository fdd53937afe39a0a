"""CONTRIBUTING.md says how a network and a schedule are added: here it is done, in a copy of the package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```(python|diff)\n# (\S+)\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M | re.S
)
SCHEDULE = [place for _, place, _ in BLOCKS if "schedule" in place or place.endswith("recipe.py")]
NETWORK = [place for _, place, _ in BLOCKS if place not in SCHEDULE]
TEST_OF_THE_SCHEDULE = """
from dataclasses import replace
from paperlib import RECIPES
from paperlib.training.schedule import Schedule

def test_half_a_cosine():
    schedule = Schedule(replace(RECIPES["fashion-lenet5"], schedule="cosine"))
    assert [round(schedule.factor(epoch), 6) for epoch in (0, 2, 4, 8)] == [1, 0.853553, 0.5, 0]
"""


def change(text: str, diff: str) -> str:
    """The text with the changes of a diff: a line of context or a removed one must be there once."""
    lines, at = text.splitlines(), 0
    for mark, line in ((line[:1], line[1:]) for line in diff.splitlines()):
        if mark == "+":
            lines.insert(at, line)
            at += 1
        else:
            assert lines.count(line) == 1, line
            at = lines.index(line) + (mark == " ")
            if mark == "-":
                del lines[at]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with what CONTRIBUTING.md adds."""
    place = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "paperlib", place / "paperlib", ignore=shutil.ignore_patterns("assets", "__pycache__"))
    (place / "tests").mkdir()
    for name in ("__init__.py", "conftest.py", "test_imports.py", "test_names.py"):
        shutil.copy(ROOT / "tests" / name, place / "tests" / name)
    for kind, name, text in BLOCKS:
        path = place / name
        assert path.exists() == (kind == "diff")
        path.write_text(text if kind == "python" else change(path.read_text(encoding="utf-8"), text), encoding="utf-8")
    (place / "tests" / "test_cosine.py").write_text(TEST_OF_THE_SCHEDULE)
    return place


def test_a_network_with_its_recipe_and_tests_takes_six_files_and_a_schedule_two() -> None:
    assert len(NETWORK) == len(set(NETWORK)) == 6
    assert len(SCHEDULE) == len(set(SCHEDULE)) == 2


def test_the_tests_of_the_copy_pass(copy: Path) -> None:
    chosen = "lenet or cosine or lower_floors or stands_alone or 300_lines or forward or table_names_every_model"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "-k", chosen]
    done = subprocess.run(command, cwd=copy, env={"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_copy_lists_the_network(copy: Path) -> None:
    command, environment = [sys.executable, "-m", "paperlib", "list"], {"PYTHONPATH": str(copy)}
    listed = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True).stdout
    assert re.search(r"lenet5 +62,006 parameters +32 px", listed)
    assert "fashion-lenet5-half" in listed


def test_what_is_added_is_formatted_and_typed(copy: Path) -> None:
    pytest.importorskip("ruff")
    settings = ["--config", str(ROOT / "pyproject.toml")]
    for task in (["check", *settings], ["format", "--check", *settings]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *task, "paperlib", "tests/test_lenet.py"],
            cwd=copy,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
