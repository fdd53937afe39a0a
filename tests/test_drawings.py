"""The drawn figures: as their script draws them, in the theme's colours, told in words, true to paper and package."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch

from paperlib import build

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "book" / "_static" / "figures"
FILES = sorted(FOLDER.glob("*.svg"))
CHAPTERS = ("zfnet", "vgg", "resnet", "densenet")
SVG = "{http://www.w3.org/2000/svg}"
KOREAN = re.compile("[가-힣]")
named = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)


def module(name: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module(name)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/figures, which draws them all."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "figures"))
    spec = importlib.util.spec_from_file_location("draw_figures", ROOT / "tools" / "figures" / "__main__.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def texts() -> dict[str, str]:
    """The Markdown of every page, by its path under book/."""
    found = {}
    for path in sorted((ROOT / "book").rglob("*")):
        if path.suffix == ".md":
            found[path.relative_to(ROOT / "book").as_posix()] = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb" and ".ipynb_checkpoints" not in path.parts:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            markdown = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
            found[path.relative_to(ROOT / "book").as_posix()] = "\n\n".join(markdown)
    return found


PAGES = texts()
FIGURE = re.compile(r"^(:{3,}|`{3,})\{figure\} (\S+)\n((?::[\w-]+:[^\n]*\n)*)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)


def figures() -> list[tuple[str, str, dict[str, str], str]]:
    """(page, target, options, caption) of every figure directive."""
    found = []
    for page, text in PAGES.items():
        for _, target, options, caption in FIGURE.findall(text):
            found.append((page, target, dict(re.findall(r"^:([\w-]+): *(.*)$", options, re.MULTILINE)), caption))
    return found


def test_the_committed_files_are_what_the_script_draws(script: ModuleType) -> None:
    assert len(FILES) >= 24
    assert {path.stem for path in FILES} == set(script.DRAWINGS) == set(script.WORDS)
    for path in FILES:
        assert path.read_text(encoding="utf-8") == script.written(path.stem), f"python tools/figures {path.stem}"


@named
def test_a_drawing_says_in_korean_what_it_shows(path: Path) -> None:
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    title, description = root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")
    assert title
    assert description
    assert KOREAN.search(title)
    assert KOREAN.search(description)
    assert root.get("role") == "img"


@named
def test_a_drawing_takes_the_colours_of_the_theme(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    paints = set(re.findall(r'(?:fill|stroke)="([^"]*)"', text))
    assert paints <= {"none", "currentColor"} | {p for p in paints if re.fullmatch(r"var\(--fig-\w+, #\w{6}\)", p)}
    assert not re.search("black|white|#000|#fff", text, re.IGNORECASE)
    css = (ROOT / "book" / "_static" / "figures.css").read_text(encoding="utf-8")
    for variable in set(re.findall(r"var\((--fig-\w+)", text)):
        assert css.count(f"  {variable}:") == 2, f"{variable} in the light and in the dark theme"


@named
def test_words_in_a_drawing_are_legible_on_a_phone(path: Path) -> None:
    """10 px at least where the column is 350 px wide; the cards' pictures have no words."""
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    width = float((root.get("viewBox") or "").split()[2])
    for element in root.iter():
        if size := element.get("font-size"):
            assert float(size) * 350 / width > 9.7, "".join(element.itertext())


def test_every_drawing_is_on_a_page() -> None:
    used = {name for text in PAGES.values() for name in re.findall(r"_static/figures/([\w-]+)\.svg", text)}
    assert used == {path.stem for path in FILES}


def test_every_notebook_and_chapter_has_a_drawing_near_its_top() -> None:
    for page, text in PAGES.items():
        chapter = page.endswith("index.md") and not page.startswith("reviews/")
        if chapter or page.endswith(".ipynb") or page in ("intro.md", "real_training.md"):
            assert 0 < text.find("_static/figures/") < 1200, page


def test_every_figure_has_a_caption_a_label_and_words_for_those_who_do_not_see_it() -> None:
    found = figures()
    assert len(found) >= 24
    for page, target, options, caption in found:
        assert KOREAN.search(caption), (page, target)
        assert KOREAN.search(options["alt"]), (page, target)
        assert "/" not in options["alt"], (page, target)
        if path := re.search(r"_static/figures/([\w-]+\.svg)$", target):
            description = ElementTree.fromstring((FOLDER / path[1]).read_text(encoding="utf-8")).findtext(f"{SVG}desc")
            assert options["alt"] == description, (page, target)
            assert options["name"].startswith("fig-"), (page, target)


def test_the_errors_in_the_drawings_are_those_of_the_chapters_tables(script: ModuleType) -> None:
    results, depth = script.zfnet_results, script.resnet_depth
    shown: dict[str, list[object]] = {
        "zfnet": [*results.TABLE_3.values(), *(f"{a} ± {s}" for a, s in results.TABLE_4.values())],
        "vgg": list(script.vgg_evaluation.TABLE_5.values()),
        "resnet": [
            *(f"{error:.2f}" for row in depth.TABLE_2.values() for error in row.values()),
            *depth.TABLE_6.values(),
            *script.resnet.OPTIONS.values(),
        ],
    }
    for chapter, values in shown.items():
        review = PAGES[f"{chapter}/index.md"].split("여기부터는 리뷰다", 1)[1]
        rows = "\n".join(line for line in review.splitlines() if line.startswith("|"))
        for value in values:
            assert re.search(rf"\| {re.escape(str(value))}(?= )", rows), (chapter, value)


def test_the_parameters_in_the_drawings_are_those_of_table_3(script: ModuleType) -> None:
    expected = {"": 60_965_224, "34": 59_268_712, "7": 44_183_912, "67": 11_551_080, "3467": 9_854_568}
    results = script.zfnet_results
    assert {removed: results.parameters_without(removed) for removed in results.TABLE_3} == expected


def test_the_poster_has_as_many_layers_as_the_names_say(script: ModuleType) -> None:
    assert [len(script.together.layers(name)) for name in script.together.NETS] == [8, 16, 34, 121]


def test_the_channels_of_densenet_121_end_with_what_its_classifier_reads(script: ModuleType) -> None:
    steps = script.densenet.channels_along()
    assert [m for what, m in steps if what == "transition"] == [128, 256, 512]
    with torch.device("meta"):
        *_, weights, _ = build("densenet121").parameters()
    assert steps[-1][1] == weights.shape[1]


def test_parameters_beside_recorded_errors_are_the_packages() -> None:
    page = PAGES["densenet/index.md"]
    options = {"depth": 22, "growth_rate": 24}
    for name, given in (("densenet_bc", options), ("resnet56", {}), ("resnet20", {})):
        with torch.device("meta"):
            count = sum(p.numel() for p in build(name, 10, **given).parameters())
        assert f"| {count:,} | {{recorded}}" in page


def test_a_recorded_number_is_the_mean_of_its_seeds_and_their_range(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("sphinx", reason="the book's tools are not installed")
    recorded = module("recorded", "book/_ext", monkeypatch)
    for seed, error in enumerate((8.0, 9.04)):
        folder = tmp_path / "run" / f"seed{seed}"
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps({"dense, two scales": {"top1": error}}), encoding="utf-8")
    monkeypatch.setattr(recorded, "RUNS", tmp_path)
    assert recorded.shown(recorded.errors("run", "dense, two scales")) == "8.5 (8.0–9.0)"
    assert recorded.shown([8.06]) == "8.1"
    with pytest.raises(KeyError):
        recorded.errors("run", "crops")


def test_the_count_of_corrections_is_counted_not_typed() -> None:
    assert not re.search(r"바로잡기 \d+건", PAGES["intro.md"])
    assert PAGES["intro.md"].count("{ledger-count}`errata.yml`건") == 2


def test_a_drawing_in_a_page_has_its_words_as_its_name_and_no_tooltip(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the book's tools are not installed")
    drawn = module("drawn", "book/_ext", monkeypatch)
    text = drawn.inline((FOLDER / "resnet-block.svg").read_text(encoding="utf-8"), 'F(x) "더하기" x')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'F(x) "더하기" x'
    assert root.find(f"{SVG}title") is None
    assert root.get("color") is None
    assert "\n" not in text


@pytest.mark.parametrize("owner", ["OWNER", "somebody"])
def test_what_needs_the_address_is_shown_once_it_is_set(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the book's tools are not installed")
    address = module("address", "book/_ext", monkeypatch)
    url = f"https://github.com/{owner}/paperlib"
    options = {"repository_url": url, "use_repository_button": True, "launch_buttons": {"colab_url": "https://colab"}}
    app = SimpleNamespace(tags=set(), config=SimpleNamespace(html_theme_options=options))
    address.show_or_hide(app, app.config)
    known = owner != "OWNER"
    assert ("address" in app.tags) == known
    assert bool(options["launch_buttons"]) == options["use_repository_button"] == known
    group = {"label": "launch-buttons", "buttons": [{"type": "link", "text": "Colab", "url": "https://elsewhere"}]}
    context = {"header_buttons": [group], "page_source_suffix": ".ipynb"}
    address.open_the_copies(app, "book/vgg/scales", "", context, None)
    copy = "github.com/somebody/paperlib/blob/notebooks/vgg/scales.ipynb"
    copies = [f"https://colab.research.google.com/{copy}".replace(".com/github.com", ".com/github"),
              f"https://kaggle.com/kernels/welcome?src=https://{copy}"]  # fmt: skip
    assert [button["url"] for button in group["buttons"]] == (copies if known else ["https://elsewhere"])
