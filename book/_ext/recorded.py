"""Sphinx extension: numbers of recorded runs, read at build and never typed.

{recorded}`fashion-mnist-plain56 test` is the top-1 error of that run's evaluation.json, mean of its seeds with the
smallest and the largest in brackets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

BOOK = Path(__file__).resolve().parents[1]
RUNS = BOOK.parent / "paperlib" / "assets" / "runs"


def errors(run: str, protocol: str) -> list[float]:
    """Top-1 errors (%) of the run's seeds under the protocol; KeyError or OSError where there is no such record."""
    seeds = sorted((RUNS / run).glob("seed*")) or [RUNS / run]
    return [json.loads((seed / "evaluation.json").read_text(encoding="utf-8"))[protocol]["top1"] for seed in seeds]


def shown(values: list[float]) -> str:
    """The mean with one decimal, and the range of several values."""
    mean = f"{sum(values) / len(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f}–{max(values):.1f})"


class Recorded(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        run, _, protocol = self.text.partition(" ")
        try:
            return [nodes.inline("", shown(errors(run, protocol)), classes=["recorded"])], []
        except (KeyError, OSError) as error:
            return [], [self.inliner.reporter.error(f"no record of {self.text!r}: {error!r}", line=self.lineno)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("recorded", Recorded())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
