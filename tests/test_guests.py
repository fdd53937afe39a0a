"""The copies for Colab and Kaggle: the code of the book, and nothing of MyST left in the text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.guests import ROOT, Page, write_guests

SOURCES = sorted(p for p in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[dict[str, Any], dict[str, Any]]]:
    """The book's notebook and its copy, by path below book/."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_guests(folder)
    paths = [source.relative_to(ROOT / "book") for source in SOURCES]
    return {path: (read(ROOT / "book" / path), read(folder / path)) for path in paths}


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def sources(notebook: dict[str, Any], kind: str) -> list[str]:
    cells = [c for c in notebook["cells"] if c["cell_type"] == kind and "answer" not in c["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in cells]


def test_the_code_and_its_outputs_are_those_of_the_book(copies: dict[Path, Any]) -> None:
    assert len(copies) == len(SOURCES) >= 20
    for original, copy in copies.values():
        assert sources(copy, "code") == sources(original, "code")
        kept = [c["outputs"] for c in copy["cells"] if c["cell_type"] == "code" and c["outputs"]]
        assert kept == [c["outputs"] for c in original["cells"] if c["cell_type"] == "code" and c["outputs"]]
        ids = [cell["id"] for cell in copy["cells"]]
        assert len(ids) == len(set(ids))


def test_no_directive_and_no_role_is_left(copies: dict[Path, Any]) -> None:
    for path, (_, copy) in copies.items():
        text = "\n".join(sources(copy, "markdown"))
        assert not re.findall(r"^:::.*|\{[a-z:]+\}`", text, re.M), path
        assert not re.findall(r"\]\((?!https?:|#|data:)[^)]*\)", text), path  # a link that only the book can follow


def test_solutions_are_folded_and_exercises_have_a_cell(copies: dict[Path, Any]) -> None:
    folded = hidden = answers = exercises = 0
    for original, copy in copies.values():
        text = "\n".join(sources(original, "markdown"))
        exercises += len(re.findall(r"\{exercise\}", text))
        assert "\n".join(sources(copy, "markdown")).count("연습문제") >= len(re.findall(r"\{exercise\}", text))
        folded += "\n".join(sources(copy, "markdown")).count("<details>")
        hidden += sum(cell["metadata"].get("cellView") == "form" for cell in copy["cells"])
        answers += sum("answer" in cell["metadata"].get("tags", []) for cell in copy["cells"])
    assert exercises >= 60
    assert folded + hidden >= exercises - 5  # a solution may take several hidden cells
    assert answers == exercises


def test_what_the_directives_become() -> None:
    text = """:::{exercise} 세어 보기
:label: vgg-count

$k$는 {term}`수용 영역`이고 {cite:p}`a2015`다. {eq}`sum`을 본다.
:::

::::{solution} vgg-count
:class: dropdown

:::{admonition} 잠깐
9다.
:::
::::

$$
x = 9
$$ (sum)
"""
    page = Page(Path("vgg/architecture.ipynb"), [text], {"a2015": "Kim & Lee, 2015"}, {"errata-a": Path("errata.md")})
    shown = page.render(text)
    assert "> **연습문제 1. 세어 보기**" in shown
    assert "glossary.html)이고 (Kim & Lee, 2015)다. 식 (1)을 본다." in shown
    assert "<details><summary><b>해답 1</b></summary>\n\n> **잠깐**\n>\n> 9다.\n\n</details>" in shown
    assert r"\tag{1}$$" in shown
    assert "](https://" in page.inline("[다음](../resnet/index.md#top)")
    assert page.inline("[다음](../resnet/index.md#top)").endswith("/book/resnet/index.html#top)")
    assert page.inline("[근거](errata-a)").endswith("/book/errata.html#errata-a)")
    with pytest.raises(KeyError):
        page.render(":::{unheard-of}\n:::")
