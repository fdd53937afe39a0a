"""Sphinx extension: Korean words for the theme, formulas that keep their particles, each script once."""

from __future__ import annotations

from gettext import NullTranslations
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.locale import translators
from sphinx.transforms.post_transforms import SphinxPostTransform

WORDS = {  # what the Korean catalogs of the theme and of sphinx-exercise lack or translate badly
    "booktheme": {
        "By": "지은이:",
        "By the": "지은이:",
        "Contents": "이 쪽의 차례",
        "Fullscreen mode": "전체 화면으로 보기",
        "Launch interactive content": "실행하기",
        "Launch on": "다음에서 열기:",
        "Open an issue": "문제 알리기",
        "Show source": "소스 보기",
        "Source repositories": "소스 저장소",
        "next page": "다음",
        "previous page": "이전",
    },
    "exercise": {"Exercise": "연습문제", "Solution": "해답", "Solution to": "해답:"},
    "sphinx": {
        "Back to top": "맨 위로",
        "Breadcrumb": "현재 위치",
        "Click to collapse": "접기",
        "Click to expand": "펼치기",
        "Color mode": "색 모드",
        "Dark": "어둡게",
        "Home": "처음",
        "Light": "밝게",
        "Link to this code": "이 코드의 주소",
        "Link to this definition": "이 설명의 주소",
        "Link to this equation": "이 식의 주소",
        "Link to this heading": "이 제목의 주소",
        "Link to this image": "이 그림의 주소",
        "Link to this table": "이 표의 주소",
        "Link to this term": "이 용어의 주소",
        "On this page": "이 쪽의 차례",
        "Search": "검색",
        "Site navigation": "책의 차례",
        "Skip to main content": "본문으로 건너뛰기",
        "System Settings": "시스템 설정",
        "© Copyright %(copyright)s.": "© %(copyright)s",
    },
}


class KoreanWords(NullTranslations):
    """A message catalog made of a dict; messages it lacks go to the catalog it stands before."""

    def __init__(self, words: dict[str, str], behind: NullTranslations | None) -> None:
        super().__init__()
        self.words = words
        if behind is not None:
            self.add_fallback(behind)

    def gettext(self, message: str) -> str:
        return self.words.get(message) or super().gettext(message)


def put_words_first(app: Sphinx, config: Config) -> None:
    for catalog, words in WORDS.items():
        translators["general", catalog] = KoreanWords(words, translators.get(("general", catalog)))
    app.translator = translators["general", "sphinx"]  # what the page templates use
    config.numfig_format["exercise"] = "연습문제 %s"
    config.html_theme_options["search_bar_text"] = "검색"


class KeepParticles(SphinxPostTransform):
    """Hold a formula, its particle and the bracket before it on one line: a browser may break beside any formula."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for formula in list(self.document.findall(nodes.math)):
            parent = formula.parent
            place = parent.index(formula)
            before = parent[place - 1] if place else None
            after = parent[place + 1] if place + 1 < len(parent) else None
            bracket = "(" if isinstance(before, nodes.Text) and before.endswith("(") else ""
            particle = after.split(maxsplit=1)[0] if isinstance(after, nodes.Text) and not after[:1].isspace() else ""
            if not bracket and not particle:
                continue
            held = nodes.inline("", "", nodes.Text(bracket), formula.deepcopy(), nodes.Text(particle), classes=["held"])
            first, last = place - bool(bracket), place + bool(particle)
            left = [nodes.Text(before[:-1])] if bracket else []
            right = [nodes.Text(after[len(particle) :])] if particle else []
            parent[first : last + 1] = [*left, held, *right]


def load_scripts_once(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop inline scripts that Sphinx lists twice (as "" and as None): a second `const` is a console error."""
    once = {(script.filename or "", *sorted(script.attributes.items())): script for script in context["script_files"]}
    context["script_files"] = list(once.values())


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", put_words_first, priority=900)
    app.connect("html-page-context", load_scripts_once, priority=900)
    app.add_post_transform(KeepParticles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
