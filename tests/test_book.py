"""The rules that every notebook keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind and "".join(cell["source"]).strip()]


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 3


def test_every_page_is_in_the_table_of_contents() -> None:
    def files(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [v for k, v in node.items() if k in ("file", "root")] + files(list(node.values()))
        return [name for child in node for name in files(child)] if isinstance(node, list) else []

    listed = set(files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
    pages = [path for path in (ROOT / "book").rglob("*.md")] + NOTEBOOKS
    assert {path.relative_to(ROOT).with_suffix("").as_posix() for path in pages} == listed


@named
def test_outputs_are_stored_and_clean(path: Path) -> None:
    """Run once from top to bottom, no error, nothing on stderr."""
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]


@named
def test_a_notebook_is_a_lesson_not_a_program(path: Path) -> None:
    code = cells(path, "code")
    assert len(code) <= 17
    assert path.stat().st_size < 1_000_000
    assert all(len("".join(cell["source"]).splitlines()) <= 45 for cell in code)
    assert len(cells(path, "markdown")) >= len(code) / 2


@named
def test_measured_cells_assert_what_must_hold(path: Path) -> None:
    """A cell whose output is not compared must state in an assertion what it shows."""
    for cell in cells(path, "code"):
        if "nbval-ignore-output" in cell["metadata"].get("tags", []):
            assert "assert " in "".join(cell["source"]), "".join(cell["source"])[:200]


@named
def test_the_first_cell_is_the_same_in_every_notebook(path: Path) -> None:
    assert cells(path, "code")[0]["source"] == cells(NOTEBOOKS[0], "code")[0]["source"]
    text = "".join(cells(path, "code")[0]["source"])
    assert '"google.colab" in sys.modules' in text


@named
def test_the_lesson_has_its_parts(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    for part in ("목표", "예측", "확인한 것", "{exercise}", "{solution}", ":class: dropdown"):
        assert part in text, part
