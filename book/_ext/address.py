"""Sphinx extension: what needs the repository's public address is shown once `nox -s address` has set it, not before.

Until then no button leads to Colab, Kaggle or the source; text that needs the address stands in `{only} address`.
Colab and Kaggle open the copies that `tools/guests.py` writes, on the branch `notebooks`.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

PLACEHOLDER = "OWNER"  # what stands in place of the owner before the address is set
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com/github/"
KAGGLE = "https://kaggle.com/kernels/welcome?src=" + GITHUB


def is_set(url: str) -> bool:
    return url.startswith(GITHUB) and PLACEHOLDER not in url.split("/")


def show_or_hide(app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    if is_set(options.get("repository_url", "")):
        app.tags.add("address")
        return
    for name in ("use_repository_button", "use_issues_button", "use_source_button", "use_edit_page_button"):
        options[name] = False
    options["launch_buttons"] = {}


def open_the_copies(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """On a notebook's page the launch buttons lead to its copies."""
    url = app.config.html_theme_options.get("repository_url", "")
    if not is_set(url) or not str(context.get("page_source_suffix", "")).endswith("ipynb"):
        return
    copy = f"{url.removeprefix(GITHUB)}/blob/notebooks/{page.removeprefix('book/')}.ipynb"
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                if button["text"] == "Colab":
                    button["url"] = COLAB + copy
            group["buttons"].append(
                {"type": "link", "text": "Kaggle", "tooltip": "Kaggle에서 열기", "url": KAGGLE + copy}
            )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", show_or_hide, priority=950)  # after Jupyter Book has filled the theme's options
    app.connect("html-page-context", open_the_copies, priority=502)  # after the theme has made its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
