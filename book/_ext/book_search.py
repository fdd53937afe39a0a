"""Sphinx extension: a search that finds Korean, in the page, without a server.

After the build, every page's sections are written to one classic script: title, heading, readable text. The matcher
(book/_static/search/search.js) looks for the query's syllables in them, with spaces left out and particles stripped;
synonyms come from the glossary (each term and its English names) and from synonyms.yml beside this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from book_site import full_title
from bs4 import BeautifulSoup, NavigableString, Tag
from sphinx.application import Sphinx

RAISED = str.maketrans("0123456789+-−()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ")
LOWERED = str.maketrans("0123456789+-−()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₍₎")
HEADINGS = ("h1", "h2", "h3", "h4")
BLOCKS = ("p", "li", "dt", "dd", "td", "th", "div", "figcaption", "summary")
LEFT_OUT = "pre, script, style, svg, .headerlink, .eqno, .toggle-button, nav, .cell_output .stderr, button"


def spelled(math: Tag) -> str:
    """A formula in one line of plain text: 10⁻⁴, x₁, a/b, √(x)."""
    parts = [spelled(child) if isinstance(child, Tag) else str(child) for child in math.children]
    if math.name == "msup" and len(parts) == 2:
        parts[1] = parts[1].replace(" ", "")
        raised = parts[1].translate(RAISED)
        return parts[0] + (raised if not re.search(r"[A-Za-z0-9,=/]", raised) else f"^{parts[1]}")
    if math.name == "msub" and len(parts) == 2:
        return parts[0] + parts[1].replace(" ", "").translate(LOWERED)
    if math.name == "mfrac" and len(parts) == 2:
        return "/".join(part if len(part) <= 3 else f"({part})" for part in parts)
    if math.name == "msqrt":
        return f"√({''.join(parts)})"
    if math.name == "mo" and parts and parts[0] in "=≈<>≤≥→+−":
        return f" {parts[0]} "
    return " " if math.name == "mspace" else "".join(parts)


def text_of(node: Tag) -> str:
    """Readable words of a block: formulas spelled out, white space made one space."""
    for math in node.find_all("math"):
        math.replace_with(NavigableString(spelled(math)))
    for block in node.find_all(BLOCKS):
        block.append(" ")
    return " ".join(node.get_text().split())


def sections_of(article: Tag) -> Iterator[tuple[str, str, str, str]]:
    """(anchor, heading, text, identifiers of the code) of each section, and of each entry of a glossary or ledger."""
    for entry in article.select("dl.glossary > dt"):
        body = entry.find_next_sibling("dd")
        for mark in entry.select(".headerlink"):
            mark.decompose()
        yield entry.get("id", ""), text_of(entry), text_of(body) if body else "", ""
    for glossary in article.select("dl.glossary"):
        glossary.decompose()
    for entry in article.select("[data-search-heading]"):
        entry.summary.decompose()
        yield entry["id"], entry["data-search-heading"], text_of(entry), ""
        entry.decompose()
    known: set[str] = set()  # identifiers of the page, each listed once
    for section in reversed(article.find_all("section")):  # inner ones first: each keeps its own text
        heading = section.find(HEADINGS)
        if heading is None:
            section.unwrap()
            continue
        words = re.findall(
            r"[A-Za-z_][\w.]{3,}", " ".join(cell.get_text() for cell in section.select(".cell_input pre"))
        )
        code = " ".join(word for word in dict.fromkeys(words) if word not in known)
        known.update(words)
        pictures = [image.get("alt") or image.get("aria-label") or "" for image in section.select("img, svg")]
        alts = " ".join(alt for alt in pictures if re.search("[가-힣]", alt))
        for other in section.select(LEFT_OUT):
            other.decompose()
        name = text_of(heading.extract())
        yield section.get("id", ""), name, f"{text_of(section)} {alts}".strip(), code
        section.decompose()


def page_of(path: Path, name: str, title: str) -> dict[str, Any] | None:
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
    if article is None:
        return None
    found = list(sections_of(article))[::-1]
    return {"page": name, "title": title, "sections": [list(section) for section in found]}


def glossary_groups(source: str) -> list[list[str]]:
    """Each term with the English names that its entry begins with: `*fully-connected layer, FC.*`."""
    entries = re.findall(r"^(\S[^\n]*)\n  \*([^*]+?)\.?\*", source, re.M)
    return [[term, *(name.strip() for name in names.split(","))] for term, names in entries]


def write_index(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = []
    for name in sorted(app.env.found_docs):
        title = full_title(name, app.env.titles[name].astext(), app.config.site_parts)
        pages.append(page_of(out / f"{name}.html", name, title))
    here = Path(__file__).parent
    groups = yaml.safe_load((here / "synonyms.yml").read_text(encoding="utf-8"))
    groups += glossary_groups((Path(app.srcdir) / "book" / "glossary.md").read_text(encoding="utf-8"))
    data = {"pages": [page for page in pages if page], "synonyms": groups}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (out / "_static" / "search" / "index.js").write_text(f"window.bookIndex={text};\n", encoding="utf-8")


def own_search(app: Sphinx) -> None:
    """Sphinx's own index, which splits at spaces, is not made."""
    if app.builder.format == "html":
        app.builder.search = False


def search_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    yield "search", {"title": "검색"}, "search.html"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", own_search)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
