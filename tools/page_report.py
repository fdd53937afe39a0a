"""What each built page shows and weighs, as a table: python tools/page_report.py [--html _build/html] [--axe] [PAGE ..]

Per page at 1280 px: pictures, those with a caption and with an alternative text; the share of the article's height
that is open code, printed output and pictures; kilobytes without and with pictures; with --axe, what axe finds by
severity, in light and dark. Needs the extra `browser`, a Chromium (PAPERLIB_CHROMIUM names another), a built book.
"""

from __future__ import annotations

import argparse
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SEVERITIES = ("critical", "serious", "moderate", "minor")
MEASURE = """() => {
  const article = document.querySelector('article.bd-article');
  const total = article.getBoundingClientRect().height || 1;
  const pictures = [...article.querySelectorAll('img, svg')]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height >= 60 && !e.parentElement.closest('svg'));
  const high = (elements) => Math.round(100 * elements.filter((e) => e.checkVisibility())
    .reduce((sum, e) => sum + e.getBoundingClientRect().height, 0) / total);
  const alt = (e) => e.getAttribute('alt') || e.getAttribute('aria-label') || '';
  return {
    pictures: pictures.length,
    captions: pictures.filter((e) => e.closest('figure')?.querySelector('figcaption')).length,
    alts: pictures.filter((e) => /[가-힣]/.test(alt(e))).length,
    code: high([...article.querySelectorAll('.cell_input')]),
    text: high([...article.querySelectorAll('.cell_output .output.text_plain, .cell_output .output.stream')]),
    picture: high(pictures),
  };
}"""
AXE = """axe.run(document, {resultTypes: ["violations"], preload: false})
  .then((found) => found.violations.map((v) => [v.impact, v.id, v.nodes.length]))"""


def axe_script() -> str:
    """axe-core, out of the package that carries it."""
    package = find_spec("axe_playwright_python")
    assert package
    assert package.origin
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def kilobytes(html: Path, urls: set[str]) -> tuple[int, int]:
    """Bytes a first visit loads, without and with pictures."""
    files = {Path(url.removeprefix("file://").split("?")[0].split("#")[0]) for url in urls if url.startswith("file://")}
    drawn = {".png", ".jpg", ".jpeg", ".svg", ".webp", ".gif"}
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    whole = sum(sizes.values())
    return round((whole - sum(n for path, n in sizes.items() if path.suffix in drawn)) / 1000), round(whole / 1000)


def opened(browser: Browser, path: Path, mode: str) -> tuple[Page, set[str]]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=mode)
    context.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}');")
    page, urls = context.new_page(), set()
    page.on("request", lambda request: urls.add(request.url))
    page.goto(path.as_uri(), wait_until="load")
    return page, urls


def row_of(browser: Browser, html: Path, path: Path, axe: str | None) -> dict[str, Any]:
    page, urls = opened(browser, path, "light")
    row = {"page": path.relative_to(html).as_posix().removesuffix(".html"), **page.evaluate(MEASURE)}
    row["kB"], row["kB with pictures"] = kilobytes(html, urls)
    if axe:
        for mode in ("light", "dark"):
            seen = page if mode == "light" else opened(browser, path, mode)[0]
            seen.evaluate(axe)
            found = seen.evaluate(AXE)
            row[f"axe {mode}"] = " ".join(f"{s}:{n}" for s in SEVERITIES if (n := sum(1 for f in found if f[0] == s)))
    for context in browser.contexts:
        context.close()
    return row


def as_table(rows: list[dict[str, Any]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="such as book/vgg/index; all when none is named")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--axe", action="store_true", help="run axe on every page, light and dark")
    given = parser.parse_args()
    html = given.html.resolve()
    paths = [html / f"{name}.html" for name in given.pages] or sorted(html.glob("book/**/*.html"))
    executable = os.environ.get("PAPERLIB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        axe = axe_script() if given.axe else None
        print(as_table([row_of(browser, html, path, axe) for path in paths]))
        browser.close()


if __name__ == "__main__":
    main()
