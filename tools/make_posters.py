"""Take the pictures that explorers show before a reader starts them: book/_static/live/posters/NAME.jpg.

    python tools/make_posters.py

From the built book (nox -s book), in Chromium: what each explorer shows first, as it is on the page.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
POSTERS = ROOT / "book" / "_static" / "live" / "posters"
PICTURES = {  # page, and what is taken of the explorer
    "score-map": ("book/intro.html", ".live-picture canvas"),
    "deconvnet": ("book/zfnet/deconvnet.html", ".live-pair"),
    "occlusion": ("book/zfnet/occlusion.html", ".live-picture canvas"),
    "feature-maps": ("book/zfnet/features.html", ".live-picture:last-child canvas"),
}


def main() -> None:
    POSTERS.mkdir(exist_ok=True)
    chromium = os.environ.get("PAPERLIB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (path, part) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{HTML.as_uri()}/{path}")
            explorer = page.locator(f".explorer[data-explorer={name}]")
            explorer.locator(".live-start").click()
            page.wait_for_selector(f".explorer[data-explorer={name}][data-state=ready]", timeout=60_000)
            if name == "occlusion":
                explorer.locator(".live-button").click()
                page.wait_for_selector(f".explorer[data-explorer={name}][data-state=running]")
                page.wait_for_selector(f".explorer[data-explorer={name}][data-state=ready]", timeout=60_000)
            page.add_style_tag(content=".live-pair p { display: none }")
            explorer.locator(part).last.screenshot(path=POSTERS / f"{name}.jpg", type="jpeg", quality=65)
        browser.close()


if __name__ == "__main__":
    main()
