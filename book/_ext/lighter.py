"""Sphinx extension: the theme's style sheet and icon font without what no page uses."""

from __future__ import annotations

import re
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from sphinx.application import Sphinx

STATIC = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
NOT_USED = (
    "*.map",
    "scripts/fontawesome.js*",
    "vendor/fontawesome/webfonts/*.ttf",
    "vendor/fontawesome/webfonts/fa-[rb]*",
    "sphinx-thebe.*",
    "locales/**/*.po",
)


def without_icon_classes(styles: str) -> str:
    """Font Awesome's rules out: icons in the pages are drawings; what stays are the marks of boxes and links."""
    rules = re.sub(r"(?<=[};])(?:\.fa[-.\w:,>\s()]*)\{[^{}]*\}", "", styles)
    rules = re.sub(r",\s*url\([^)]*\.ttf\)\s*format\(\"truetype\"\)", "", rules)
    return re.sub(r"/\*#\s*sourceMappingURL=.*?\*/", "", rules)


def make_lighter(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    place = Path(app.outdir) / "_static"
    for pattern in NOT_USED:
        for path in (*place.glob(pattern), *place.glob(f"*/{pattern}")):
            path.unlink()
    styles = without_icon_classes((STATIC / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8"))
    (place / "styles" / "pydata-sphinx-theme.css").write_text(styles, encoding="utf-8")
    icons = "vendor/fontawesome/webfonts/fa-solid-900.woff2"
    options = subset.Options(flavor="woff2")
    font = subset.load_font(str(STATIC / icons), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={ord(letter) for letter in styles if 0xE000 <= ord(letter) <= 0xF8FF})
    subsetter.subset(font)
    subset.save_font(font, str(place / icons), options)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", make_lighter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
