"""Sphinx extension: a drawn SVG set into the page itself, where it takes on the colours of the theme."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "figures"


def inline(svg: str, alt: str) -> str:
    """The drawing as an element of the page: one line, `alt` as its name, no tooltip over it."""
    svg = re.sub(r"\s*<(title|desc)>.*?</\1>", "", svg, flags=re.DOTALL)
    svg = svg.replace(' role="img"', f' role="img" aria-label="{escape(alt)}"', 1)
    svg = re.sub(r' (?:color|font-family)="[^"]*"', "", svg, count=2)  # the page's own
    return svg.replace("\n", "")


class Drawings(SphinxPostTransform):
    """Put the drawing in place of an image that names it; figure, caption and number stay as they are."""

    default_priority = 5  # before images are looked for on disk
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir) / image["uri"]
            if path.parent != FOLDER or path.suffix != ".svg":
                continue
            svg = inline(path.read_text(encoding="utf-8"), image.get("alt", ""))
            drawn = nodes.raw("", svg, format="html")
            figure = image.parent
            if isinstance(figure, nodes.figure):
                figure["classes"].append("drawn")
                figure.replace(image, drawn)
            else:
                image.replace_self(nodes.inline("", "", drawn, classes=["drawn"]))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(Drawings)
    app.add_css_file("figures.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
