"""The explorers of the built book in Chromium: they start, answer, keep to this host, and count as PyTorch does."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_pages import HTML, browser, site  # noqa: F401  fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "live_reference.json").read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in (HERE.parent / "book" / "_static" / "live" / "explorers").glob("*.js"))
PAGES = {  # the first page of each explorer
    name: next((p for p in sorted(HTML.glob("book/**/*.html")) if f'data-explorer="{name}"' in p.read_text()), None)
    for name in NAMES
}
READY = "['ready', 'error'].includes(document.querySelector('.explorer').dataset.state)"
# Names of paperlib's registry in the builder's terms
REGISTRY = """(name) => {
    const { alexnet, zfnet, vgg, resnet, densenet } = live.anatomy, number = +(/\\d+/.exec(name) || [0])[0];
    const columns = {vgg11: 'A', vgg11_lrn: 'A-LRN', vgg13: 'B', vgg13_5x5: 'B (5×5)', vgg16_1x1: 'C', vgg16: 'D',
                     vgg19: 'E'};
    if (name === 'alexnet') return alexnet();
    if (name.startsWith('zfnet')) return zfnet(name === 'zfnet_b' ? {maps: [96, 256, 512, 1024, 512]} : {});
    if (name in columns) return vgg({column: columns[name]});
    if (/^(resnet|plain)/.test(name)) {
        const large = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]};
        const blocks = large[number];
        const block = name.startsWith('plain') ? 'plain' : blocks && number >= 50 ? 'bottleneck' : 'basic';
        return resnet({large: !!blocks, block, blocks: blocks || Array(3).fill((number - 2) / 6)});
    }
    if (name === 'densenet_bc') return densenet();
    const small = /^densenet(_bc)?(\\d+)_k(\\d+)$/.exec(name);
    if (!small) return densenet({large: true, depth: number, growth: number === 161 ? 48 : 32});
    return densenet({depth: +small[2], growth: +small[3], bottleneck: !!small[1], compression: small[1] ? 0.5 : 1});
}"""


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:  # noqa: F811
    """Open the page of an explorer; afterwards no console error and no request to elsewhere."""
    complaints: list[str] = []
    contexts = []

    def open_explorer(name: str, scheme: str = "http", width: int = 1280, mode: str = "light", query: str = "") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode, locale="ko-KR")
        contexts.append(context)
        context.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}');")
        page = context.new_page()
        base = site if scheme == "http" else HTML.as_uri()
        page.on(
            "console", lambda said: complaints.append(f"{said.text} {said.location}") if said.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        allowed = (base, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(allowed) else complaints.append(f"left: {r.url}"))
        path = PAGES[name]
        assert path is not None, f"no page has the explorer {name}"
        page.goto(f"{base}/{path.relative_to(HTML).as_posix()}{query}", wait_until="domcontentloaded")
        page.evaluate(  # only the one under test
            """(name) => document.querySelectorAll('.explorer').forEach((e) => {
                if (e.dataset.explorer !== name) e.remove(); })""",
            name,
        )
        return page

    yield open_explorer
    for context in contexts:
        context.close()
    assert complaints == []


def start(page: Page) -> None:
    """Press its button, where it has one, and wait until it is ready."""
    button = page.locator(".explorer .live-start")
    if button.count():
        assert page.locator(".explorer").get_attribute("data-state") == "idle"
        button.focus()
        page.keyboard.press("Enter")
    page.wait_for_function(READY, timeout=30_000)
    assert page.locator(".explorer").get_attribute("data-state") == "ready", said(page)


def said(page: Page) -> str:
    return page.locator(".explorer-says").inner_text()


def test_every_explorer_stands_on_a_page(browser: Browser) -> None:  # noqa: F811
    assert [name for name, page in PAGES.items() if page is None] == []


@pytest.mark.parametrize(
    ("scheme", "width", "mode"),
    [("http", 1280, "light"), ("http", 390, "dark"), ("file", 1280, "dark"), ("file", 390, "light")],
)
@pytest.mark.parametrize("name", NAMES)
def test_explorer_answers_the_keyboard(
    visit: Callable[..., Page], name: str, scheme: str, width: int, mode: str
) -> None:
    page = visit(name, scheme, width, mode)
    start(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    before = said(page)
    assert before
    slider = page.locator(".explorer input[type=range]").first
    if slider.count():
        slider.focus()
        for key in ("ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
    else:
        page.locator(".explorer button[aria-pressed=false]").first.focus()
        page.keyboard.press("Enter")
    page.wait_for_function(
        f"{READY} && document.querySelector('.explorer-says').innerText !== {json.dumps(before)}", timeout=20_000
    )
    assert page.locator(".explorer").get_attribute("data-state") == "ready", said(page)
    if scheme == "http":
        assert violations(page) == []


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical in the explorer."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, context=".explorer", options={"preload": False}).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_weights_come_only_after_a_click(visit: Callable[..., Page]) -> None:
    page = visit("score-map")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.wait_for_load_state("load")
    page.wait_for_timeout(200)
    heavy = [url for url in loaded if re.search(r"live/(networks|photographs|kernel|engine)", url)]
    assert heavy == []
    start(page)
    assert any("networks/vgg-caltech.js" in url for url in loaded)


def test_arrow_keys_choose_a_cell_and_it_is_compared_with_its_crop(visit: Callable[..., Page]) -> None:
    page = visit("score-map")
    start(page)
    page.locator(".explorer canvas").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".live-note", has_text="1행 2열").wait_for(timeout=10_000)


def test_readers_own_photograph_is_chosen(visit: Callable[..., Page]) -> None:
    page = visit("score-map")
    start(page)
    page.locator(".explorer input[type=file]").set_input_files(HERE / "live_pictures" / "coffee.jpg")
    page.locator(".explorer-says", has_text="내 사진").wait_for(timeout=10_000)
    page.locator(".explorer input[type=file]").set_input_files(HERE / "live_reference.json")
    page.locator(".explorer-says", has_text="읽을 수 없다").wait_for(timeout=10_000)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_readers_own_photograph_is_pasted_or_dropped(visit: Callable[..., Page], way: str) -> None:
    page = visit("score-map")
    start(page)
    page.evaluate(
        """([jpeg, way]) => {
            const bytes = Uint8Array.from(atob(jpeg), (c) => c.charCodeAt(0));
            const held = new DataTransfer();
            held.items.add(new File([bytes], 'mine.jpg', {type: 'image/jpeg'}));
            const event = way === 'paste' ? new ClipboardEvent('paste', {clipboardData: held, bubbles: true})
                                          : new DragEvent('drop', {dataTransfer: held, bubbles: true});
            document.querySelector('.explorer canvas').dispatchEvent(event);
        }""",
        [base64.b64encode((HERE / "live_pictures" / "coffee.jpg").read_bytes()).decode(), way],
    )
    page.locator(".explorer-says", has_text="내 사진").wait_for(timeout=10_000)


@pytest.fixture
def engine(visit: Callable[..., Page]) -> Callable[[bool], Page]:
    """A page whose engine runs, with the five pictures as window.pictures."""

    def ready(plain: bool) -> Page:
        page = visit("score-map", query="?plain" if plain else "")
        pictures = {p.stem: base64.b64encode(p.read_bytes()).decode() for p in (HERE / "live_pictures").glob("*.jpg")}
        page.evaluate(
            """async (pictures) => {
                window.pictures = {};
                for (const [name, jpeg] of Object.entries(pictures)) {
                    const bytes = Uint8Array.from(atob(jpeg), (c) => c.charCodeAt(0));
                    window.pictures[name] = await live.pixels(new Blob([bytes], {type: 'image/jpeg'}));
                }
            }""",
            pictures,
        )
        return page

    return ready


@pytest.mark.parametrize("plain", [False, True])
def test_logits_equal_pytorch(engine: Callable[[bool], Page], plain: bool) -> None:
    page = engine(plain)
    worst = page.evaluate(
        """async (reference) => {
            let worst = 0;
            for (const [picture, networks] of Object.entries(reference))
                for (const [name, logits] of Object.entries(networks)) {
                    await live.network(name);
                    const view = await live.call('tested', name, window.pictures[picture]);
                    const { data } = await live.call('score', name, view);
                    logits.forEach((v, i) => { worst = Math.max(worst, Math.abs(v - data[i])); });
                }
            return worst;
        }""",
        REFERENCE["scores"],
    )
    assert worst <= 0.02
    assert page.evaluate("live.simd") is not plain


def test_score_maps_equal_pytorch(engine: Callable[[bool], Page]) -> None:
    equal, cells, worst = engine(False).evaluate(
        """async (reference) => {
            await live.network('vgg-caltech');
            let equal = 0, cells = 0, worst = 0;
            for (const [picture, {cells: maps, posterior}] of Object.entries(reference)) {
                const found = await live.call('dense', 'vgg-caltech', window.pictures[picture], [96, 128, 256], true);
                found.scales.forEach(({map}, s) => {
                    if (maps[s].length !== map.h || maps[s][0].length !== map.w) throw new Error('another shape');
                    maps[s].flat().forEach((label, i) => {
                        const scores = Array.from(map.data.subarray(i * map.c, (i + 1) * map.c));
                        equal += scores.indexOf(Math.max(...scores)) === label;
                        cells += 1;
                    });
                });
                posterior.forEach((p, i) => { worst = Math.max(worst, Math.abs(p - found.posterior[i])); });
            }
            return [equal, cells, worst];
        }""",
        REFERENCE["score_maps"],
    )
    assert cells > 300
    assert equal / cells >= 0.99
    assert worst <= 0.01


def test_deconvnet_equals_pytorch(engine: Callable[[bool], Page]) -> None:
    errors = engine(False).evaluate(
        """async (reference) => {
            const errors = [];
            for (const {picture, network, layer, unit, box: [top, left, bottom, right], pixels} of reference) {
                await live.network(network);
                const raw = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
                const half = (i) => {
                    const bits = raw[2 * i] | (raw[2 * i + 1] << 8), e = (bits >> 10) & 31, f = bits & 1023;
                    return (bits & 0x8000 ? -1 : 1) * (e ? 2 ** (e - 15) * (1 + f / 1024) : f * 2 ** -24);
                };
                const found = await live.call('project', network, window.pictures[picture], layer, unit[0]);
                if (found.row !== unit[1] || found.column !== unit[2]) throw new Error('another unit');
                const {data, w} = found.pixels;
                let off = 0, size = 0, k = 0;
                data.forEach((v, i) => {
                    const row = Math.floor(i / (3 * w)), column = Math.floor(i / 3) % w;
                    const inside = row >= top && row < bottom && column >= left && column < right;
                    const wanted = inside ? half(k++) : 0;
                    off += (v - wanted) ** 2;
                    size += wanted ** 2;
                });
                errors.push(Math.sqrt(off / size));
            }
            return errors;
        }""",
        REFERENCE["projections"],
    )
    assert len(errors) == 5
    assert max(errors) <= 0.01


def test_occlusion_equals_pytorch(engine: Callable[[bool], Page]) -> None:
    worst = engine(False).evaluate(
        """async (reference) => {
            let worst = 0;
            for (const {picture, network, square, stride, label, map} of reference) {
                await live.network(network);
                const view = await live.call('tested', network, window.pictures[picture]);
                const found = await live.call('occlusionMap', network, view, label, square, stride);
                map.flat().forEach((p, i) => { worst = Math.max(worst, Math.abs(p - found.map[i])); });
            }
            return worst;
        }""",
        REFERENCE["occlusions"],
    )
    assert worst <= 0.01


def test_overwriting_differs_from_adding_where_windows_share_a_maximum(engine: Callable[[bool], Page]) -> None:
    added, overwritten = engine(False).evaluate(
        """async ({picture, network, layer, unit: [channel]}) => {
            await live.network(network);
            const sums = [];
            for (const overwrite of [false, true]) {
                const photograph = window.pictures[picture];
                const found = await live.call('project', network, photograph, layer, channel, {overwrite});
                sums.push(found.pixels.data.reduce((sum, v) => sum + v * v, 0));
            }
            return sums;
        }""",
        REFERENCE["projections"][3],  # relu5 of ZFNet, whose pools overlap
    )
    assert added > 0
    assert overwritten > 0
    assert added != overwritten


def test_builder_equals_anatomy(visit: Callable[..., Page]) -> None:
    found = visit("builder").evaluate(
        f"""(names) => Object.fromEntries(names.map((name) => {{
            const table = ({REGISTRY})(name);
            return [name, [table.rows.length, table.params, table.macs, table.activations, table.field]];
        }}))""",
        list(REFERENCE["anatomies"]),
    )
    assert found == REFERENCE["anatomies"]


def test_dense_block_keeps_what_autograd_keeps(visit: Callable[..., Page]) -> None:
    page = visit("dense-block")
    start(page)
    found = {}
    for form in ("bottleneck", "plain"):
        facts = {
            row.locator("dt").inner_text(): row.locator("dd").inner_text() for row in page.locator("dl > div").all()
        }
        found[form] = [int(facts[name].split("개")[0]) for name in ("남기는 맵: 그대로", "다시 계산하면")]
        page.locator(".live-check input").uncheck()
    assert found == REFERENCE["dense_block"]


def test_receptive_field_of_the_first_layers_of_resnet(visit: Callable[..., Page]) -> None:
    """7x7 and a pool of 3x3, both of stride 2, then a block of two 3x3: 27 px, 4 px apart."""
    page = visit("receptive-field")
    start(page)
    page.get_by_role("button", name="ResNet의 처음").click()
    facts = page.locator("dl").inner_text()
    assert "27 px" in facts
    assert "4 px" in facts


def test_scripts_are_small() -> None:
    """What a page with an explorer loads before and after the click, weights and photographs aside."""
    folder = HERE.parent / "book" / "_static" / "live"
    shared = sum((folder / name).stat().st_size for name in ("live.js", "engine.js"))
    assert all(shared + path.stat().st_size <= 80_000 for path in folder.glob("explorers/*.js"))


def test_answers_and_ticks_are_kept_until_the_reader_forgets_them(visit: Callable[..., Page]) -> None:
    page = visit("fc-to-conv")
    page.wait_for_load_state("load")
    number, choice = page.locator(".quiz[data-kind=number]").first, page.locator(".quiz[data-kind=choice]").first
    number.locator("button").click()
    assert "먼저" in number.locator(".quiz-result").inner_text()
    number.locator("input").fill("7")
    number.locator("button").click()
    assert number.get_attribute("data-state") == "wrong"
    assert not number.locator("details").get_attribute("open")
    number.locator("input").fill(number.get_attribute("data-answer") or "")
    number.locator("input").press("Enter")
    assert number.get_attribute("data-state") == "right"
    assert number.locator("details p").is_visible()
    choice.locator("input").nth(int(choice.get_attribute("data-answer") or "")).check()
    choice.locator("button").click()
    page.locator(".page-progress input").check()
    page.reload()
    assert number.get_attribute("data-state") == choice.get_attribute("data-state") == "right"
    assert page.locator(".bd-sidebar-primary .page-tick").count() == 1
    with page.expect_navigation():
        page.locator(".page-progress button").click()
    assert number.get_attribute("data-state") is None
    assert page.locator(".page-tick").count() == 0
