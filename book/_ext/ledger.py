"""Sphinx extension: a ledger of claims as a table that readers filter, from a YAML file of entries.

    ```{ledger} errata.yml
    ```

shows every entry of the file (its fields: book/errata.yml) as a row that opens to what holds, the evidence and the
notebook that computes it; `{ledger-count}`errata.yml`` is their number. Each entry is a label, `errata-ID`.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import yaml
from book_site import readable
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.writers.html5 import HTML5Translator

FILTERS = {"paper": "논문", "review": "리뷰", "verdict": "판정", "topic": "주제"}
VERDICTS = {"틀림": "wrong", "조건이 빠짐": "partly", "모호함": "unclear", "맞음": "right"}
ROWS = {"correction": "바로잡기", "evidence": "근거"}


class ledger(nodes.General, nodes.Element): ...


class ledger_entry(nodes.General, nodes.Element): ...


def entries_of(path: Path) -> list[dict[str, Any]]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in entries:
        missing = {"id", "paper", "verdict", "topic", "title", "says", "correction", "evidence"} - entry.keys()
        if missing or entry["verdict"] not in VERDICTS:
            raise ValueError(f"{path.name}, entry {entry.get('id')}: lacks {missing or 'a known verdict'}")
    return entries


def reviews_of(book: Path) -> dict[str, dict[str, str]]:
    """Entry -> the reviews with a claim that it corrects (book/claims.yml): page and title."""
    ledger_of_claims = yaml.safe_load((book / "claims.yml").read_text(encoding="utf-8"))
    titles = {}
    for name in ledger_of_claims["reviews"]:
        page = book / "reviews" / f"{name}.md"
        titles[f"reviews/{page.name}"] = (
            page.read_text(encoding="utf-8").partition("# ")[2].partition("\n")[0].partition(": ")[2]
        )
    found: dict[str, dict[str, str]] = {}
    for claim in ledger_of_claims["claims"]:
        if "errata" in claim:
            page_name = f"reviews/{claim['review']}.md"
            found.setdefault(claim["errata"], {})[page_name] = titles[page_name]
    return found


def in_markdown(entry: dict[str, Any]) -> list[str]:
    """What an opened entry shows."""
    lines = [f"**{entry.get('of', '리뷰')}** {entry['says']}", ""]
    if entry.get("pages"):
        lines += ["**어디에** " + ", ".join(f"[{title}]({page})" for page, title in entry["pages"].items()), ""]
    if entry.get("place"):
        lines += [f"**자리** {entry['place']}", ""]
    for key, name in ROWS.items():
        lines += [f"**{name}** {entry[key]}", ""]
    if entry.get("cell"):
        lines += [f"**계산** [이것을 계산하는 쪽]({entry['cell']})", ""]
    return lines


class Ledger(SphinxDirective):
    required_arguments = 1
    option_spec = {"paper": directives.unchanged}  # noqa: RUF012 (docutils' way)

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.doc2path(self.env.docname)).parent / self.arguments[0]
        self.env.note_dependency(str(path))
        self.env.note_dependency(str(path.parent / "claims.yml"))
        shown, said = ledger(), reviews_of(path.parent)
        for entry in entries_of(path):
            entry["pages"] = said.get(f"errata-{entry['id']}", {})
            entry["review"] = "|".join(entry["pages"].values())
            if self.options.get("paper", entry["paper"]) == entry["paper"]:
                shown += self.entry(entry, path)
        return [shown]

    def entry(self, entry: dict[str, Any], path: Path) -> ledger_entry:
        label = f"errata-{entry['id']}"
        node = ledger_entry(ids=[label], fields={k: str(entry.get(k, "")) for k in (*FILTERS, "title")})
        heading = nodes.paragraph(classes=["ledger-title"])
        self.state.nested_parse(StringList([entry["title"]], str(path)), 0, heading)
        title = nodes.inline("", "", *heading[0].children) if heading.children else nodes.inline()
        node += title
        body = nodes.container(classes=["ledger-body"])
        self.state.nested_parse(StringList(in_markdown(entry), str(path)), 0, body)
        node += body
        labels = self.env.get_domain("std")
        labels.labels[label] = (self.env.docname, label, entry["title"])
        labels.anonlabels[label] = (self.env.docname, label)
        return node


class LedgerCount(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        path = Path(self.env.srcdir) / "book" / self.text
        self.env.note_dependency(str(path))
        return [nodes.Text(str(len(entries_of(path))))], []


def visit_ledger(translator: HTML5Translator, node: ledger) -> None:
    rows = list(node.findall(ledger_entry))
    choices = ""
    for key, name in FILTERS.items():
        values = list(dict.fromkeys(v for row in rows for v in row["fields"][key].split("|") if v))
        if len(values) > 1:
            options = "".join(f"<option>{html.escape(value)}</option>" for value in values)
            choices += (
                f'<label>{name} <select data-filter="{key}"><option value="">모두</option>{options}</select></label>'
            )
    search = '<label>찾기 <input type="search" placeholder="예: 디컨브넷" data-filter="text"/></label>'
    count = f'<p class="ledger-count" role="status">{len(rows)}건</p>'
    translator.body.append(f'<div class="ledger"><form class="ledger-filters" hidden>{choices}{search}</form>{count}')


def visit_entry(translator: HTML5Translator, node: ledger_entry) -> None:
    fields = node["fields"]
    data = "".join(f' data-{key}="{html.escape(fields[key])}"' for key in FILTERS)
    heading = html.escape(readable(fields["title"]))
    translator.body.append(
        f'<details class="ledger-entry" id="{node["ids"][0]}"{data} data-search-heading="{heading}"><summary>'
    )
    translator.body.append(f'<span class="ledger-paper">{fields["paper"]}</span><span class="ledger-name">')
    node.children[0].walkabout(translator)
    verdict = fields["verdict"]
    translator.body.append(f'</span><span class="ledger-topic">{fields["topic"]}</span>')
    translator.body.append(f'<span class="ledger-verdict {VERDICTS[verdict]}">{verdict}</span></summary>')
    node.children[1].walkabout(translator)
    translator.body.append("</details>\n")
    raise nodes.SkipNode


def close_ledger(translator: HTML5Translator, node: ledger) -> None:
    translator.body.append("</div>\n")


def no_visit(translator: Any, node: nodes.Node) -> None: ...


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(ledger, html=(visit_ledger, close_ledger))
    app.add_node(ledger_entry, html=(visit_entry, no_visit))
    app.add_directive("ledger", Ledger)
    app.add_role("ledger-count", LedgerCount())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
