"""Sphinx extension: a review read claim by claim, from book/claims.yml.

    ```{review} vgg-blog
    ```

shows who wrote the review and where, how many of its statements hold, and each in the review's order with its verdict,
the reason and what decides it.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

VERDICTS = {
    "맞음": "right",
    "부정확": "partly",
    "틀림": "wrong",
    "논문에 없음": "unclear",
    "여기서 확인 불가": "unclear",
}
WHERE = {"author": "지은이", "date": "날짜", "address": "주소"}


def evidence(check: str | dict[str, Any]) -> str:
    """What decides a claim, in a few words."""
    if isinstance(check, dict):
        return "계산"
    if "::" in check:
        return "시험"
    if check == "paper":
        return "논문의 글"
    return f"[노트북](/{check})"


def row(claim: dict[str, Any]) -> str:
    """A line of the table."""
    kinds = [kind for kind in dict.fromkeys(map(evidence, claim["check"])) if kind != "논문의 글" or not claim["place"]]
    sources = [*([f"논문 {claim['place']}"] if claim["place"] else []), *kinds]
    if "errata" in claim:
        sources.append(f"[바로잡기](#{claim['errata']})")
    reason = f"{claim.get('why', '')} <small>{' · '.join(sources)}</small>".strip()
    verdict = f'<span class="ledger-verdict {VERDICTS[claim["verdict"]]}">{claim["verdict"]}</span>'
    cells = [claim["says"], verdict, reason]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


class Review(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / "book" / "claims.yml"
        self.env.note_dependency(str(path))
        ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
        review = ledger["reviews"][self.arguments[0]]
        claims = [claim for claim in ledger["claims"] if claim["review"] == self.arguments[0]]
        counts = Counter(claim["verdict"] for claim in claims)
        lines = [
            f"**{review['title']}**",
            "",
            " · ".join(f"{name}: {review[key]}" for key, name in WHERE.items()),
            "",
            f"확인할 수 있는 말 {len(claims)}개 가운데 "
            + ", ".join(f"{v} {counts[v]}개" for v in VERDICTS if counts[v])
            + "다.",
            "",
        ]
        for where, group in groupby(claims, key=lambda claim: claim["where"]):
            lines += [f"**{where}**", "", "| 리뷰가 하는 말 | 판정 | 까닭과 근거 |", "|---|---|---|"]
            lines += [*map(row, group), ""]
        shown = nodes.container(classes=["review-claims"])
        self.state.nested_parse(StringList(lines, str(path)), 0, shown)
        return [shown]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("review", Review)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
