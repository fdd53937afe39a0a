"""Sphinx extension: what every page needs around its text.

Titles that differ, a description and a card for those who share the page, icons as drawings instead of a script of
1.5 MB, Korean labels, the texts of the hover cards, a sitemap (once the address is known) and a 404 page.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

UNKNOWN = "OWNER"  # stands in the repository's address until `nox -s address` sets it
LABELS = {  # what templates and other extensions have in English with no way to translate it
    "Colab logo": "",
    "Main": "책의 차례",
    "Page": "이 쪽의 차례",
    "Version warning": "판 알림",
    "Toggle primary sidebar": "책의 차례 열고 닫기",
    "Toggle secondary sidebar": "이 쪽의 차례 열고 닫기",
    "Toggle hidden content": "코드 열고 닫기",
    "next page": "다음 쪽",
    "previous page": "이전 쪽",
}
NOT_NEEDED = ("scripts/fontawesome.js", "sphinx-thebe", "clipboard_no", "THEBE_JS_URL")
DESCRIPTION = 155  # characters that a search engine shows


def parts_of(toc: Path) -> dict[str, str]:
    """Page -> the caption of its part in _toc.yml."""

    def files(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node[k] for k in ("file",) if k in node] + files(list(node.values()))
        return [name for child in node for name in files(child)] if isinstance(node, list) else []

    parts = yaml.safe_load(toc.read_text(encoding="utf-8"))["parts"]
    return {name: part["caption"] for part in parts for name in files(part)}


def full_title(page: str, title: str, parts: dict[str, str]) -> str:
    """`구조` of the VGG part is `VGG 구조`: a title that says where it is."""
    part = parts.get(page, "")
    is_paper = part in {"ZFNet", "VGG", "ResNet", "DenseNet"}
    return f"{part} {title}" if is_paper and not title.startswith(part) else title


def plain(node: nodes.Node) -> str:
    """The words of a node, without TeX and footnote marks."""
    if isinstance(node, nodes.math):
        return readable(node.astext())
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(plain(child) for child in node.children)


def readable(tex: str) -> str:
    """A short formula as one would type it: `3 \\times 3` is `3×3`."""
    for old, new in (
        (r"\\times", "×"),
        (r"\\cdot", "·"),
        (r"\\to", "→"),
        (r"\\approx", "≈"),
        (r"\{,\}", ","),
        (r"\\[,;% ]", " "),
    ):
        tex = re.sub(old, new, tex)
    tex = re.sub(r"\\(?:text|mathrm|operatorname)\{([^}]*)\}", r"\1", tex)
    tex = re.sub(r"\\([A-Za-z]+)", r"\1", tex)
    return re.sub(r"\s*×\s*", "×", re.sub(r"[{}$]", "", tex))


def description(doctree: nodes.document) -> str:
    """The first paragraphs of the page's own text, cut at a sentence or a word."""
    words = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document) and len(words) < DESCRIPTION:
            words += " " + plain(paragraph)
    words = " ".join(re.sub(r"\s*\[[^\]]*\d{4}[^\]]*\]", "", words).split())  # citations out
    if len(words) <= DESCRIPTION:
        return words
    cut = words[:DESCRIPTION]
    return cut[: cut.rfind("다.") + 2] if cut.rfind("다.") > DESCRIPTION // 2 else cut[: cut.rfind(" ")] + " …"


def site_address(config: Config) -> str:
    """Where GitHub Pages shows the book, or "" while the repository's address is not set."""
    owner, name = config.html_theme_options["repository_url"].rstrip("/").split("/")[-2:]
    return "" if owner == UNKNOWN else f"https://{owner.lower()}.github.io/{name}/"


def picture_of(context: dict[str, Any]) -> str:
    """The page's first drawn or plotted picture that social sites can show, else the book's own card."""
    found = re.search(r'<img[^>]* src="[^"]*?(_images/[^"]+\.(?:png|jpe?g))"', context.get("body") or "")
    return found[1] if found else "_static/card.png"


def add_description(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    context["script_files"] = [
        s for s in context["script_files"] if not any(n in f"{s.filename} {s.attributes}" for n in NOT_NEEDED)
    ]
    context["css_files"] = [c for c in context["css_files"] if "sphinx-thebe" not in str(c.filename)]
    title = re.sub(r"<[^>]*>", "", context.get("title") or "")
    context["full_title"] = full_title(page, html.unescape(title), app.config.site_parts)
    if doctree is None:
        return
    root = site_address(app.config) or context["content_root"]
    said = {
        "description": description(doctree),
        "og:title": context["full_title"],
        "og:description": description(doctree),
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:locale": "ko_KR",
        "og:image": root + picture_of(context),
        "twitter:card": "summary_large_image",
    }
    if site_address(app.config):
        said["og:url"] = f"{root}{page}.html"
        context["metatags"] += f'<link rel="canonical" href="{said["og:url"]}"/>\n'
    for name, content in said.items():
        key = "property" if name.startswith("og:") else "name"
        context["metatags"] += f'<meta {key}="{name}" content="{html.escape(content)}"/>\n'


@cache
def icon(name: str) -> str:
    """The drawing of one Font Awesome icon, out of the theme's script: view box and path."""
    script = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/fontawesome.js"
    pattern = rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
    drawings = re.findall(pattern, script.read_text(encoding="utf-8"))
    if not drawings:
        raise KeyError(f"Font Awesome has no icon {name}")
    wide, high, path = drawings[-1]  # the filled one stands last
    return f'viewBox="0 0 {wide} {high}" aria-hidden="true" focusable="false"><path fill="currentColor" d="{path}"/>'


def draw_icon(found: re.Match[str]) -> str:
    names = found[2].split()
    name = next(n for n in names if n.startswith("fa-") and n not in {"fa-solid", "fa-brands", "fa-regular", "fa-lg"})
    kept = re.sub(r'\btitle="[^"]*"', "", found[3])
    return f'<svg class="icon {" ".join(names)}"{kept} {icon(name.removeprefix("fa-"))}</svg>'


def in_korean(page: str) -> str:
    for english, korean in LABELS.items():
        page = re.sub(rf'\b(title|aria-label|alt)="{english}"', rf'\1="{korean}"', page)
    return re.sub(r'(<button class="sidebar-toggle[^>]*?title="([^"]*)")', r'\1 aria-label="\2"', page)


def finished(page: str, context: dict[str, Any]) -> str:
    """The last touch on a page's HTML, after all templates."""
    title = context.get("full_title") or context["docstitle"]
    whole = title if title.startswith(context["docstitle"]) else f"{title} — {context['docstitle']}"
    page = re.sub(r"<title>.*?</title>", lambda _: f"<title>{html.escape(whole)}</title>", page, count=1, flags=re.S)
    page = re.sub(
        r"<(i|span)\b[^>]*?\bclass=\"([^\"]*\bfa[bsr]? [^\"]*|[^\"]*\bfa-(?:solid|brands) [^\"]*)\"([^>]*)></\1>",
        draw_icon,
        page,
    )
    page = re.sub(
        r'\s*<!-- So that users can add custom icons -->\s*<script src="[^"]*fontawesome\.js[^"]*"></script>', "", page
    )
    viewport = re.compile(r'<meta name="viewport"[^>]*>\s*')
    page = viewport.sub("", page).replace(
        "<head>", '<head>\n    <meta name="viewport" content="width=device-width, initial-scale=1"/>', 1
    )
    page = page.replace('role="doc-biblioentry"', 'role="listitem"')
    page = page.replace(
        '<div id="pst-primary-sidebar"', '<div id="pst-primary-sidebar" role="complementary" aria-label="책"'
    )
    page = page.replace('<meta name="docsearch:version" content="" />', "")
    return in_korean(page)


def touch_pages(app: Sphinx) -> None:
    """Every page passes through `finished` as it is written."""
    templates = getattr(app.builder, "templates", None)
    if templates is None or app.builder.format != "html":
        return
    render = templates.render
    templates.render = lambda name, context: finished(render(name, context), context)


def write_cards(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The glossary's entries for the cards that open over a term: a classic script, loaded at the first one."""
    if not re.search(r"<dl[^>]*glossary", context.get("body") or ""):
        return
    entries = re.findall(r'<dt id="(term-[^"]+)">(.*?)</dt>\s*<dd>(.*?)</dd>', context["body"], re.S)
    cards = {key: [re.sub(r"<a .*?</a>", "", name, flags=re.S).strip(), text.strip()] for key, name, text in entries}
    place = Path(app.outdir) / "_static" / "cards.js"
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"window.bookCards = {json.dumps(cards, ensure_ascii=False)};\n", encoding="utf-8")


def write_files(app: Sphinx, exception: Exception | None) -> None:
    """404.html for any depth, and a sitemap where the address is known."""
    if exception or app.builder.format != "html":
        return
    address = site_address(app.config)
    base = "/" + address.split("/", 3)[3] if address else "/"
    text = (Path(__file__).parent / "404.html").read_text(encoding="utf-8")
    (Path(app.outdir) / "404.html").write_text(text.replace("{{ base }}", base), encoding="utf-8")
    if address:
        urls = "".join(f"<url><loc>{address}{name}.html</loc></url>" for name in sorted(app.env.found_docs))
        head = '<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        (Path(app.outdir) / "sitemap.xml").write_text(f"{head}{urls}</urlset>\n", encoding="utf-8")
        (Path(app.outdir) / "robots.txt").write_text(
            f"User-agent: *\nSitemap: {address}sitemap.xml\n", encoding="utf-8"
        )


def read_toc(app: Sphinx, config: Config) -> None:
    config.site_parts = parts_of(Path(app.srcdir) / config.external_toc_path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("site_parts", {}, "html")
    app.connect("config-inited", read_toc, priority=950)
    app.connect("builder-inited", touch_pages, priority=950)
    app.connect("html-page-context", write_cards, priority=900)
    app.connect("html-page-context", add_description, priority=950)
    app.connect("build-finished", write_files)
    app.add_js_file("book.js", priority=900, loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
