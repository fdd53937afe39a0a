"""Draw book/_static/card.png, the picture that links to the book carry: python tools/social_card.py

1200 x 630 px: the title and the poster of the four networks. Needs the extra `browser` and a Chromium.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
PAGE = """<!doctype html><meta charset="utf-8"><style>
  body {{ box-sizing: border-box; width: 1200px; height: 630px; margin: 0; padding: 0 60px;
    display: flex; align-items: center; gap: 50px;
    background: #fff; color: #1f2328; font-family: Pretendard, "Noto Sans KR", NanumGothic, sans-serif;
    word-break: keep-all; }}
  h1 {{ margin: 0 0 24px; font-size: 66px; line-height: 1.25; }}
  p {{ margin: 0; font-size: 31px; line-height: 1.5; color: #59636e; }}
  svg {{ flex: none; width: 530px; height: auto; }}
</style><div><h1>실행되는<br>논문 리뷰</h1>
<p>ZFNet, VGG, ResNet, DenseNet을 읽고, 짓고, 학습해 확인한다</p></div>{poster}"""


def main() -> None:
    poster = (STATIC / "figures" / "poster.svg").read_text(encoding="utf-8")
    executable = os.environ.get("PAPERLIB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 630})
        page.set_content(PAGE.format(poster=poster))
        page.screenshot(path=str(STATIC / "card.png"))
        browser.close()


if __name__ == "__main__":
    main()
