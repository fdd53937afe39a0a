"""The built book in a real browser: every page, two widths, two colour modes, nothing from the internet."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWNER_AND_NAME = "/".join(PROJECT["urls"]["Repository"].split("/")[-2:])
KILOBYTES = 1200  # of a page without its pictures
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/**/*.html"))
WIDTHS = (1280, 390)
MODES = ("light", "dark")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
KOREAN_FONTS = ("Nanum", "Noto Sans KR", "Noto Sans CJK", "Pretendard", "Malgun", "Apple SD Gothic", "UnDotum")


@functools.cache
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def chromium() -> str | None:
    named = os.environ.get("PAPERLIB_CHROMIUM")
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return named or next((path for path in found if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (HTML / "index.html").is_file():
        pytest.skip("no _build/html: build the book first (nox -s book)")
    executable = chromium()
    if executable is None:
        pytest.skip("no Chromium: set PAPERLIB_CHROMIUM to its path")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield running
        running.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a page that closes early breaks its pipes; a missing file still answers 404


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(HTML))
    server = QuietServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open a page; afterwards no console error and no request to elsewhere."""
    complaints: list[str] = []
    contexts = []

    def visit(path: str, width: int = 1280, mode: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode, locale="ko-KR")
        contexts.append(context)
        context.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}');")
        page = context.new_page()
        page.on(
            "console", lambda said: complaints.append(f"{said.type}: {said.text}") if said.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: None if is_local(request.url) else complaints.append(f"left: {request.url}"))
        page.goto(f"{site}/{path}", wait_until="load")
        page.evaluate("document.fonts.ready")
        return page

    def is_local(url: str) -> bool:
        return url.startswith((site, "data:", "blob:"))

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def main_text(page: Page) -> str:
    """What the reader sees of the article, code left out."""
    return page.evaluate(
        """() => {
            const article = document.querySelector('article').cloneNode(true);
            article.querySelectorAll('pre, code, script, style').forEach((e) => e.remove());
            return article.textContent;
        }"""
    )


def shown_search_controls(page: Page) -> int:
    """Buttons and fields that open the search, visible now, outside the article and the closed dialog."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.search-button, .search-button-field, form.bd-search')]
            .filter((e) => !e.closest('dialog, article'))
            .filter((e) => e.checkVisibility({visibilityProperty: true, opacityProperty: true}))
            .filter((e) => { const box = e.getBoundingClientRect();
                             return box.width > 0 && box.right > 0 && box.left < innerWidth && box.top < innerHeight; })
            .length"""
    )


def text_fonts(page: Page) -> set[str]:
    """Fonts that Chromium really drew the article's text with (not the wished-for stack)."""
    client = page.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        client.send(f"{domain}.enable")
    root = client.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    fonts: set[str] = set()
    for selector in ("article h1", "article p"):
        node = client.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        if node:
            used = client.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
            fonts |= {font["familyName"] for font in used}
    return fonts


def save_screenshot(page: Page, path: str, width: int, mode: str) -> None:
    """Keep a full-page picture where PAPERLIB_SCREENSHOTS names a folder."""
    folder = os.environ.get("PAPERLIB_SCREENSHOTS")
    if folder:
        name = path.removesuffix(".html").replace("/", "-")
        page.screenshot(path=str(Path(folder) / f"{name}-{width}-{mode}.png"), full_page=True)


def test_there_are_pages_to_look_at(browser: Browser) -> None:
    assert {"book/intro.html", "book/vgg/index.html", "book/glossary.html", "book/errata.html"} <= set(PAGES)


def test_index_leads_to_the_introduction(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}/index.html", wait_until="commit")
    page.wait_for_url("**/book/intro.html")
    assert page.locator("article h1").inner_text().startswith("실행되는 논문 리뷰")
    page.context.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES or ["book/intro.html"])
def test_page_is_sound(open_page: Callable[..., Page], path: str, width: int, mode: str) -> None:
    page = open_page(path, width, mode)
    save_screenshot(page, path, width, mode)

    assert page.evaluate("document.documentElement.dataset.theme") == mode
    assert page.evaluate("document.documentElement.lang") == "ko"

    # Nothing wider than the window; a wide table or formula scrolls inside its own box.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    stray = page.evaluate(
        """() => [...document.querySelectorAll('article *')]
            .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
            .filter((e) => { for (let p = e; p && p.tagName !== 'ARTICLE'; p = p.parentElement)
                               if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return false;
                             return true; })
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert stray == []

    assert "**" not in main_text(page)
    assert shown_search_controls(page) == 1

    wished = page.evaluate("getComputedStyle(document.querySelector('article h1 + *, article p')).fontFamily")
    assert any(known in wished for known in KOREAN_FONTS), wished
    drawn = text_fonts(page)
    assert any(known in font for font in drawn for known in KOREAN_FONTS), drawn

    broken = page.evaluate(
        """async () => { const images = [...document.images];
            images.forEach((i) => { i.loading = 'eager'; });
            await Promise.allSettled(images.map((i) => i.decode()));
            return images.filter((i) => !i.naturalWidth).map((i) => i.src); }"""
    )
    assert broken == []

    assert page.locator("article .math:not(:has(math))").count() == 0
    assert page.locator("article .math :is(a, button, [tabindex]):not([tabindex='-1'])").count() == 0

    if width == 1280:
        page.evaluate(axe())
        found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")["violations"]
        grave = [v for v in found if v["impact"] in {"serious", "critical"}]
        assert [(v["id"], n["html"][:200]) for v in grave for n in v["nodes"]] == []


@pytest.mark.parametrize("path", PAGES or ["book/intro.html"])
def test_page_is_light(browser: Browser, path: str) -> None:
    """What a first visit loads, as it lies on disk, pictures left out."""
    page, urls = browser.new_page(), set()
    page.on("request", lambda request: urls.add(request.url.partition("?")[0].partition("#")[0]))
    page.goto((HTML / path).as_uri(), wait_until="load")
    files = [HTML / url.removeprefix(f"{HTML.as_uri()}/") for url in urls if url.startswith("file:")]
    sizes = {file: file.stat().st_size for file in files if file.suffix not in {".png", ".jpg", ".svg"}}
    assert len(sizes) > 5
    assert sum(sizes.values()) <= 1000 * KILOBYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]
    page.context.close()


def test_formulas_are_drawn_in_the_book_s_own_letters(open_page: Callable[..., Page]) -> None:
    """Each letter of a formula is in the font that the book carries; Hangul in formulas comes from the text's fonts."""
    page = open_page("book/densenet/memory.html")
    client = page.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        client.send(f"{domain}.enable")
    root = client.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    formulas = client.send("DOM.querySelectorAll", {"nodeId": root, "selector": "article math :is(mi, mn, mo, mtext)"})[
        "nodeIds"
    ]
    fonts = {
        font["familyName"]
        for node in formulas
        for font in client.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    }
    assert "STIX Two Math" in fonts
    assert all("STIX" in font or any(known in font for known in KOREAN_FONTS) for font in fonts), fonts


def test_pages_say_what_they_are() -> None:
    """Titles that differ, with the paper's name in each page of a paper; a description and a picture to share."""
    heads = {path: (HTML / path).read_text(encoding="utf-8").partition("</head>")[0] for path in PAGES}
    titles = {path: re.findall(r"<title>(.*?)</title>", head) for path, head in heads.items()}
    assert all(len(title) == 1 for title in titles.values())
    assert len({title[0] for title in titles.values()}) == len(PAGES)
    for folder, name in {"zfnet": "ZFNet", "vgg": "VGG", "resnet": "ResNet", "densenet": "DenseNet"}.items():
        assert all(title[0].startswith(name) for path, title in titles.items() if f"/{folder}/" in path)
    for path, head in heads.items():
        said = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', head))
        assert said["og:description"] == said["description"]
        assert "\\" not in said["description"], path
        picture = said["og:image"].rpartition("/_")[2]
        assert (HTML / f"_{picture}").is_file(), path
    known = "OWNER" not in PROJECT["urls"]["Repository"]
    assert (HTML / "sitemap.xml").is_file() == known
    assert (HTML / "404.html").is_file()


def test_cards_open_over_terms_and_citations(open_page: Callable[..., Page]) -> None:
    page = open_page("book/vgg/index.html")
    page.locator("article a[href*='glossary.html#term-']").first.hover()
    card = page.locator("#term-card")
    card.wait_for(timeout=5_000)
    assert "다." in card.inner_text()
    page.keyboard.press("Escape")
    assert card.count() == 0
    page.locator("article a[href*='references.html#']").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    card.wait_for(timeout=5_000)
    assert "Simonyan" in card.inner_text()


def test_long_tables_sort(open_page: Callable[..., Page]) -> None:
    page = open_page("book/vgg/index.html")
    table = page.locator("article table:has(.sort-button)").first
    column = "(rows) => rows.map((row) => row.cells[0].textContent)"
    before = table.locator("tbody tr").evaluate_all(column)
    assert len(before) > 10
    button = table.locator(".sort-button").first
    button.click()
    once = table.locator("tbody tr").evaluate_all(column)
    button.click()
    twice = table.locator("tbody tr").evaluate_all(column)
    assert sorted(before) == sorted(once) == sorted(twice)
    assert once != twice
    assert table.locator("th").first.get_attribute("aria-sort") == "descending"


def test_reviews_are_corrected_in_a_table_to_filter(open_page: Callable[..., Page]) -> None:
    page = open_page("book/errata.html#errata-zf-switch")
    named = page.locator("#errata-zf-switch")
    assert named.get_attribute("open") is not None
    assert named.locator("a[href='zfnet/deconvnet.html']").is_visible()
    entries = page.locator(".ledger-entry:visible")
    everything = entries.count()
    page.locator("[data-filter='paper']").select_option("VGG")
    only_vgg = entries.count()
    page.locator("[data-filter='text']").fill("점수맵")  # as one types it: without the space
    assert 0 < entries.count() < only_vgg < everything
    assert page.locator(".ledger-count").inner_text() == f"{entries.count()}건"
    page.locator("[data-filter='text']").fill("")
    page.locator("[data-filter='review']").select_option("VGG 블로그")
    assert 0 < entries.count() < only_vgg


@pytest.mark.parametrize("path", PAGES or ["book/intro.html"])
def test_controls_speak_korean(open_page: Callable[..., Page], path: str) -> None:
    names = open_page(path).evaluate(
        """() => [...document.querySelectorAll('body *')].filter((e) => !e.matches('img, svg, svg *, math *'))
            .flatMap((e) => [e.title, e.dataset.bsTitle, e.dataset.tooltip, e.placeholder, e.ariaLabel,
                             e.matches('button, summary') && !e.ariaLabel && !e.closest('.explorer')
                                 ? e.textContent.trim() : ''])  // an explorer's choices are names and sizes
            .filter(Boolean)"""
    )
    english = {name for name in names if not any("가" <= letter <= "힣" for letter in name)} - {".pdf", ".ipynb", ".md"}
    assert english == set()


@pytest.mark.parametrize("path", [path for path in PAGES if (ROOT / path).with_suffix(".ipynb").is_file()])
def test_notebook_opens_on_colab_once_the_address_is_set_and_downloads(
    open_page: Callable[..., Page], path: str
) -> None:
    page = open_page(path)
    notebook = path.replace(".html", ".ipynb")
    links = page.locator(":is(a[href*='colab.research.google.com'], a[href*='kaggle.com'])")
    found = [str(link.get_attribute("href")) for link in links.all()]
    copy = f"{OWNER_AND_NAME}/blob/notebooks/{notebook.removeprefix('book/')}"
    assert [link.endswith(copy) for link in found] == ([] if "OWNER" in OWNER_AND_NAME else [True, True])
    assert page.locator(f"a.btn-download-source-button[href$='{Path(notebook).name}']").count() == 1


def test_search_leads_to_the_section(open_page: Callable[..., Page], site: str) -> None:
    """From the dialog of any page, by Enter, to results by section without TeX, and on to the section."""
    page = open_page("book/resnet/backbone.html")
    page.keyboard.press("Control+k")
    page.locator("dialog#pst-search-dialog input").fill("수용영역은")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    results = page.locator("#book-results")
    assert "\\" not in results.inner_text()
    assert results.locator("mark").first.inner_text().startswith("수용 영역")
    results.locator("a[href*='glossary.html#term-']").first.click()
    page.wait_for_url("**/book/glossary.html#term-*")


def test_search_works_without_a_server(browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{(HTML / 'search.html').as_uri()}?q=보틀넥")
    page.locator("#book-results a[href*='bottleneck']").first.wait_for(timeout=5_000)
    page.context.close()


def queries() -> dict[str, dict[str, set[str]]]:
    """Kind -> query -> the pages one of which it must find, from search_queries.txt."""
    kinds: dict[str, dict[str, set[str]]] = {}
    kind = ""
    for line in (ROOT / "tests" / "search_queries.txt").read_text(encoding="utf-8").splitlines():
        query, _, pages = line.partition("|")
        if line.startswith("["):
            kind = line.strip("[]")
        elif pages:
            kinds.setdefault(kind, {})[query.strip()] = {f"book/{name}" for name in pages.split()}
    return kinds


def test_search_finds_what_readers_type(open_page: Callable[..., Page]) -> None:
    """Nothing without a result; of all queries 98% found and 95% in the first three pages, of each kind 85%."""
    wanted = {query: pages for kind in queries().values() for query, pages in kind.items()}
    assert len(wanted) >= 120
    found = open_page("search.html").evaluate(
        """(queries) => { const index = bookSearch.prepare(window.bookIndex);
            return queries.map((query) => bookSearch.search(index, query).results.map((r) => r.page)); }""",
        list(wanted),
    )
    ranks = {query: [page in wanted[query] for page in pages] for query, pages in zip(wanted, found, strict=True)}
    assert [query for query, rank in ranks.items() if not rank] == []
    late = [query for query, rank in ranks.items() if not any(rank[:3])]
    assert sum(any(rank) for rank in ranks.values()) >= 0.98 * len(ranks)
    assert len(late) <= 0.05 * len(ranks), late
    for kind, asked in queries().items():
        assert len(set(late) & set(asked)) <= 0.15 * len(asked), (kind, late)


def test_solution_opens_on_click(open_page: Callable[..., Page]) -> None:
    solution = open_page("book/vgg/index.html").locator(".solution.dropdown").first
    body = solution.locator(".solution-content, section, p:not(.admonition-title)").first
    assert not body.is_visible()
    solution.locator("button").first.click()
    body.wait_for(state="visible", timeout=5_000)
