"""Sphinx extension: what needs the repository's public address is shown once `nox -s address` has set it, not before.

Until then no button leads to Colab, Kaggle or the source. Text that needs the address stands in `{only} address`.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

PLACEHOLDER = "OWNER"  # what stands in place of the owner before the address is set
KAGGLE = "https://kaggle.com/kernels/welcome?src="


def is_set(url: str) -> bool:
    return bool(url) and PLACEHOLDER not in url.split("/")


def show_or_hide(app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    if is_set(options.get("repository_url", "")):
        app.tags.add("address")
        return
    for name in ("use_repository_button", "use_issues_button", "use_source_button", "use_edit_page_button"):
        options[name] = False
    options["launch_buttons"] = {}


def add_kaggle(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A link beside Colab's on the pages that are notebooks."""
    options = app.config.html_theme_options
    if "address" not in app.tags or not str(context.get("page_source_suffix", "")).endswith(".ipynb"):
        return
    source = f"{options['repository_url']}/blob/{options.get('repository_branch', 'main')}/{page}.ipynb"
    link = {"type": "link", "text": "Kaggle", "url": KAGGLE + source, "icon": "fas fa-k", "tooltip": "Kaggle에서 열기"}
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            group["buttons"].append(link)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", show_or_hide, priority=950)
    app.connect("html-page-context", add_kaggle, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
