"""Copies of the book's notebooks for Colab and Kaggle, whose Markdown knows no MyST.

    python tools/guests.py _build/notebooks

Boxes become quotes, solutions fold, terms, citations and cross references become links to the book or plain words, and
each exercise gets an empty cell to answer in. The code is that of the book, cell by cell.
"""

import argparse
import base64
import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"(:{3,}|`{3,})\{([\w-]+)\}\s*(.*)")
OPTION = re.compile(r":([\w-]+):\s*(.*)")
ANSWER_HERE = "\0"  # stands in rendered text where an empty cell is to follow
GPU = """**GPU를 켜는 법.** Colab에서는 메뉴 `런타임 → 런타임 유형 변경`에서 GPU를 고른다.
Kaggle에서는 오른쪽 `Session options`의 `Accelerator`에서 GPU를 고르고 `Internet`을 켠다.
켜지 않아도 모든 셀이 CPU에서 돈다."""


def repository() -> str:
    """The public address of the repository: https://github.com/NAME/REPOSITORY."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def page_address(path: Path) -> str:
    """Where the book shows `path` (below book/) on GitHub Pages."""
    owner, name = repository().removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}/book/{path.with_suffix('.html').as_posix()}"


def references() -> dict[str, str]:
    """`Surname et al. (year)` by the key of references.bib."""
    shown = {}
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for key, entry in re.findall(r"@\w+\{([\w-]+),(.*?)\n\}", text, re.S):
        fields = {name.lower(): value for name, value in re.findall(r"(\w+)\s*=\s*[{\"](.*?)[}\"],?\s*(?=\n|$)", entry)}
        authors = [re.sub(r"[{}\\\"]", "", a).split(",")[0] for a in fields.get("author", key).split(" and ")]
        names = " & ".join(authors) if len(authors) < 3 else f"{authors[0]} 외"
        shown[key] = f"{names}, {fields.get('year', '')}".rstrip(", ")
    return shown


def label_homes() -> dict[str, Path]:
    """The page (below book/) of each label of the book."""
    book, homes = ROOT / "book", {}
    for path in [*book.rglob("*.md"), *book.rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8").replace("\\n", "\n")
        for label in re.findall(r"^[ \"]*(?:\(|:label: |:name: )([a-z][\w-]*)(?:\)=)?[ \",]*$", text, re.M):
            homes[label] = path.relative_to(book)
    entries = re.findall(r"^- id: '([\w-]+)'$", (book / "errata.yml").read_text(encoding="utf-8"), re.M)
    return homes | {f"errata-{entry}": Path("errata.md") for entry in entries}


class Page:
    """One notebook on its way: the numbers of its equations and exercises, and what its directives become."""

    def __init__(self, path: Path, texts: list[str], cited: dict[str, str], homes: dict[str, Path]) -> None:
        self.path, self.cited, self.homes = path, cited, homes
        everything = "\n".join(texts)
        self.equations = {label: n for n, label in enumerate(re.findall(r"\$\$\s*\(([\w-]+)\)", everything), 1)}
        labels = re.findall(r"\{exercise\}[^\n]*\n:label:\s*([\w-]+)", everything)
        self.exercises = {label: n for n, label in enumerate(labels, 1)}
        self.directives: dict[str, Callable[[str, dict[str, str], str], str]] = {
            "admonition": lambda title, options, body: quote(f"**{title}**\n\n{body}"),
            "exercise": self.exercise,
            "solution": lambda label, options, body: fold(f"해답 {self.exercises.get(label, '')}".strip(), body),
            "solution-start": lambda label, options, body: f"**해답 {self.exercises.get(label, '')}** (접힌 셀)",
            "solution-end": lambda title, options, body: "",
            "figure": self.figure,
            "quiz": self.quiz,
            "explorer": lambda name, options, body: f"[책의 쪽에서 움직여 보기]({page_address(self.path)}#{name})",
            "dropdown": lambda title, options, body: fold(title, body),
            "note": lambda title, options, body: quote(body),
            "tip": lambda title, options, body: quote(body),
            "warning": lambda title, options, body: quote(body),
        }

    def exercise(self, title: str, options: dict[str, str], body: str) -> str:
        """An exercise as a quote with its number, and the place of its answer."""
        return quote(f"**연습문제 {self.exercises[options['label']]}. {title}**\n\n{body}") + ANSWER_HERE

    def figure(self, name: str, options: dict[str, str], body: str) -> str:
        """A drawing inside the notebook, with its caption."""
        file = ROOT / "book" / self.path.parent / name
        kind = {".svg": "svg+xml", ".jpg": "jpeg"}.get(file.suffix, file.suffix[1:])
        data = base64.b64encode(file.read_bytes()).decode()
        return f"![{options['alt']}](data:image/{kind};base64,{data})\n\n*{body.strip()}*"

    def quiz(self, name: str, options: dict[str, str], body: str) -> str:
        """A question whose answer folds."""
        question, _, why = body.partition("\n---\n")
        lines = question.split("\n")
        right = [line[6:] for line in lines if line.startswith("- [x] ")] or [
            line[2:] for line in lines if line.startswith("= ")
        ]
        asked = [re.sub(r"^- \[[ x]\] ", "- ", line) for line in lines if not line.startswith("= ")]
        return quote("**확인 문제.** " + "\n".join(asked)) + "\n\n" + fold("답", f"**{right[0]}** {why}")

    def render(self, text: str) -> str:
        """Markdown that a notebook shows, from MyST. KeyError for a directive that is not known."""
        out: list[str] = []
        lines = iter(text.split("\n"))
        for line in lines:
            opened = FENCE.match(line)
            if opened is None:
                out.append(self.inline(line))
                continue
            fence, name, title = opened.groups()
            options, body = directive(list(until(lines, fence)))
            out.append(self.directives[name](self.inline(title), options, self.render(body)))
        text = re.sub(r"^\([\w-]+\)=\n", "", "\n".join(out), flags=re.M)
        return re.sub(r"\$\$\s*\(([\w-]+)\)", lambda m: rf"\tag{{{self.equations[m[1]]}}}$$", text)

    def inline(self, line: str) -> str:
        """A line with its roles resolved."""

        def role(match: re.Match[str]) -> str:
            kind, content = match.groups()
            label = re.sub(r"\s*<.*>$", "", content)
            if kind == "term":
                return f"[{label}]({page_address(Path('glossary.ipynb'))})"
            if kind.startswith("cite"):
                return "(" + "; ".join(self.cited[key.strip()] for key in content.split(",")) + ")"
            if kind == "eq":
                return f"식 ({self.equations[content]})"
            if kind == "numref":
                return "그림" if label.startswith("fig-") else "표"
            if kind in ("ref", "doc"):
                return label
            raise KeyError(f"{self.path}: no way to show the role {kind}")

        line = re.sub(r"\{([\w:]+)\}`([^`]+)`", role, line)
        line = re.sub(r"\]\((?!https?:|#|data:)([\w./-]+)\.(md|ipynb)(#[^)]*)?\)", self.link, line)
        return re.sub(r"\]\(([a-z][\w-]*-[\w-]+)\)", lambda m: f"]({page_address(self.homes[m[1]])}#{m[1]})", line)

    def link(self, match: re.Match[str]) -> str:
        """A link to another page of the book, by its public address."""
        target = (self.path.parent / f"{match[1]}.{match[2]}").as_posix()
        parts: list[str] = []
        for part in target.split("/"):
            parts = parts[:-1] if part == ".." else [*parts, part]
        return f"]({page_address(Path(*parts))}{match[3] or ''})"


def until(lines: Iterator[str], fence: str) -> Iterator[str]:
    """The lines before the one that closes `fence`."""
    for line in lines:
        if line.strip() == fence:
            return
        yield line


def directive(lines: list[str]) -> tuple[dict[str, str], str]:
    """The options and the body of a directive."""
    options = {}
    while lines and (found := OPTION.fullmatch(lines[0])):
        options[found[1]] = found[2]
        lines = lines[1:]
    return options, "\n".join(lines).strip("\n")


def quote(text: str) -> str:
    """A quote that keeps its paragraphs together."""
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


def fold(title: str, body: str) -> str:
    """Text that opens at a click."""
    return f"<details><summary><b>{title}</b></summary>\n\n{body.strip()}\n\n</details>"


def guest(path: Path, notebook: dict[str, Any], cited: dict[str, str], homes: dict[str, Path]) -> dict[str, Any]:
    """The copy of the notebook at `path` (below book/)."""
    texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    page, cells, in_solution = Page(path, texts, cited, homes), [], False
    for cell in copy.deepcopy(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            if in_solution:
                cell["metadata"] |= {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "cellView": "form"}
            cells.append(cell)
            continue
        starts, ends = "{solution-start}" in source, "{solution-end}" in source
        in_solution = starts or (in_solution and not ends)
        for n, part in enumerate(page.render(source).split(ANSWER_HERE)):
            if n:
                cells.append(answer(f"{cell['id']}-answer{n}"))
            if text := part.strip("\n"):
                name = f"{cell['id']}-{n}" if n else cell["id"]
                cells.append(cell | {"id": name, "source": text.splitlines(keepends=True)})
    where = f"notebooks/{path.as_posix()}"
    address = repository().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{address}/blob/{where}"
    kaggle = f"https://kaggle.com/kernels/welcome?src=https://github.com/{address}/blob/{where}"
    head = f"[책에서 보기]({page_address(path)}) · [Colab에서 열기]({colab}) · [Kaggle에서 열기]({kaggle})\n\n{GPU}"
    first = {"cell_type": "markdown", "id": "guest-head", "metadata": {}, "source": head.splitlines(keepends=True)}
    return notebook | {"cells": [cells[0], first, *cells[1:]]}


def answer(name: str) -> dict[str, Any]:
    """An empty cell to answer in."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name[:64],
        "metadata": {"tags": ["answer"]},
        "outputs": [],
        "source": ["# 여기에 답을 적는다\n"],
    }


def write_guests(folder: Path) -> list[Path]:
    """Write the copies below `folder`, in the folders of the book; returns their paths."""
    cited, homes, written = references(), label_homes(), []
    for source in sorted((ROOT / "book").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in source.parts:
            continue
        path = source.relative_to(ROOT / "book")
        copied = guest(path, json.loads(source.read_text(encoding="utf-8")), cited, homes)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(copied, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(target)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the copies")
    for path in write_guests(parser.parse_args().folder):
        print(path)
