"""Sphinx extension: explorers and questions, and what they need: kernel, networks with weights, photographs, records.

`:::{explorer} NAME` puts an explorer on a page; its scripts go to that page only. Weights are written as classic
scripts, since a page opened from file:// may load no other kind; they are loaded when the reader asks. Neither torch
nor the package is needed: numpy reads the weights of the recorded runs, wasmtime assembles the kernel.
"""

from __future__ import annotations

import base64
import csv
import json
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import wasmtime
from docutils import nodes
from docutils.parsers.rst import Directive, directives
from safetensors.numpy import load_file
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
LIVE = ROOT / "book" / "_static" / "live"
RUNS = ROOT / "paperlib" / "assets" / "runs"


FAMILIES = ("alexnet", "zfnet", "vgg", "resnet", "densenet")  # of the builder
CALTECH = ("vgg-caltech", "zfnet-caltech", "alexnet-caltech")


class Explorer(NamedTuple):
    """Its title, what stands there without JavaScript, the networks it may load, and scripts beside its own."""

    title: str
    still: str
    networks: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


EXPLORERS = {
    "score-map": Explorer(
        "사진 한 장을 VGG에 통째로 넣으면",
        "완전 연결 계층을 합성곱으로 바꾼 VGG는 크기가 다른 사진에서 점수 하나가 아니라 점수의 지도를 낸다.",
        ("vgg-caltech",),
    ),
    "feature-maps": Explorer(
        "계층마다 무엇이 남는가",
        "얕은 계층의 맵은 경계와 색에, 깊은 계층의 맵은 물체의 부분에 반응하고 크기는 점점 작아진다.",
        (*CALTECH, "densenet-fashion"),
    ),
    "deconvnet": Explorer(
        "활성값 하나를 픽셀까지 되돌리기",
        "디컨브넷은 활성값 하나만 남기고 언풀링, 정류, 전치 합성곱을 거꾸로 밟아 그 값을 만든 픽셀을 그린다.",
        CALTECH,
    ),
    "occlusion": Explorer(
        "사진을 가리면 확률이 어떻게 변하는가",
        "회색 정사각형이 물체를 가리면 정답의 확률이 떨어지고, 배경을 가리면 거의 그대로다.",
        CALTECH,
    ),
    "builder": Explorer(
        "네트워크 조립하기",
        "깊이와 블록을 바꾸면 파라미터, 계산량, 활성값, 수용 영역이 어떻게 변하는지 바로 계산한다.",
        scripts=("anatomy.js",),
    ),
    "receptive-field": Explorer(
        "작은 필터 여럿과 큰 필터 하나",
        "3×3 합성곱 셋은 7×7 하나와 같은 7 px을 보지만 가중치는 27 : 49로 적고 ReLU는 세 번 지난다.",
    ),
    "fc-to-conv": Explorer(
        "완전 연결 계층이 합성곱이 되는 순간",
        "2×2 맵을 읽는 완전 연결 계층의 가중치를 더 큰 맵 위에서 한 칸씩 옮기면 점수가 칸마다 하나씩 나온다.",
    ),
    "residual": Explorer(
        "깊이를 지나는 신호와 기울기",
        "지름길이 없으면 신호와 기울기는 계층마다 곱해져 사라지거나 커지고, 지름길이 있으면 살아남는다.",
    ),
    "dense-block": Explorer(
        "어느 채널이 어디에서 오는가",
        "밀집 블록의 각 계층은 앞선 모든 계층의 맵을 읽고 k개의 맵을 더한다.",
    ),
    "runs": Explorer("기록된 학습 곡선", "이 책의 모든 실험이 남긴 학습 곡선을 골라 겹쳐 볼 수 있다."),
}


class explorer(nodes.General, nodes.Element):
    """The place of an explorer on a page."""


class ExplorerDirective(Directive):
    """`:::{explorer} NAME`; the option `start` chooses the network to begin with."""

    required_arguments = 1
    option_spec = {"start": directives.unchanged}  # noqa: RUF012  docutils reads it so

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        if name not in EXPLORERS:
            raise self.error(f"no explorer {name!r}; there are {', '.join(EXPLORERS)}")
        start, starts = self.options.get("start", ""), EXPLORERS[name].networks or FAMILIES
        if start and start not in starts:
            raise self.error(f"explorer {name} has no network {start!r}; it has {', '.join(starts)}")
        return [explorer(name=name, start=start)]


def visit_explorer(translator: Any, node: explorer) -> None:
    """The root that live.js fills. Without JavaScript it is a titled box with one sentence."""
    name = node["name"]
    title, still, networks, _ = EXPLORERS[name]
    values = {"explorer": name, "state": "idle", "start": node["start"]}
    for network in networks:
        run = json.loads((LIVE / "networks" / f"{network}.json").read_text(encoding="utf-8"))["run"]
        size = (RUNS / run / "weights.safetensors").stat().st_size * 4 // 3  # as base64
        values[f"bytes{network.replace('-', '')}"] = str(size)
    data = " ".join(f'data-{key}="{escape(value)}"' for key, value in values.items() if value)
    translator.body.append(
        f'<div class="explorer" {data} role="region" aria-label="직접 해 보기: {title}">'
        f'<p class="explorer-title"><span>직접 해 보기</span> {title}</p>'
        f'<div class="explorer-body"><p>{still}</p></div></div>\n'
    )
    raise nodes.SkipNode


def skip_explorer(translator: Any, node: explorer) -> None:
    raise nodes.SkipNode


class quiz(nodes.General, nodes.Element):
    """A question; its children are the paragraphs of the question."""


class quiz_why(nodes.General, nodes.Element):
    """Why the answer is right."""


class QuizDirective(Directive):
    """`:::{quiz} ID`: a question, its choices (`- [x]` the right one) or `= NUMBER`, a line `---`, and why.

    `:tolerance:` is how far a number may be off; none by default.
    """

    required_arguments = 1
    option_spec = {"tolerance": float}  # noqa: RUF012  docutils reads it so
    has_content = True

    def run(self) -> list[nodes.Node]:
        lines = list(self.content)
        if "---" not in lines:
            raise self.error("a line --- must part the question from why its answer is right")
        question, why = lines[: lines.index("---")], lines[lines.index("---") + 1 :]
        choices = [line for line in question if line.startswith(("- [ ] ", "- [x] "))]
        numbers = [line.removeprefix("= ") for line in question if line.startswith("= ")]
        right = [str(i) for i, line in enumerate(choices) if line.startswith("- [x] ")]
        if len(right) + len(numbers) != 1:
            raise self.error("a question has one right choice or one number")
        node = quiz(id=self.arguments[0], choices=[line[6:] for line in choices], answer=(right or numbers)[0])
        node["tolerance"] = self.options.get("tolerance", 0)
        asked = [line for line in question if line not in choices and not line.startswith("= ")]
        self.state.nested_parse(type(self.content)(asked, source=""), self.content_offset, node)
        behind = quiz_why()
        self.state.nested_parse(type(self.content)(why, source=""), self.content_offset, behind)
        return [node, behind]


def visit_quiz(translator: Any, node: quiz) -> None:
    kind = "choice" if node["choices"] else "number"
    data = {"quiz": node["id"], "kind": kind, "answer": node["answer"], "tolerance": str(node["tolerance"])}
    attributes = " ".join(f'data-{key}="{escape(value)}"' for key, value in data.items())
    translator.body.append(f'<div class="quiz" {attributes}>')


def depart_quiz(translator: Any, node: quiz) -> None:
    """The form; the question stands above it. `quiz_why`, which follows, closes the box."""
    if node["choices"]:
        fields = "".join(
            f'<label><input type="radio" name="given" value="{i}"/> {escape(choice)}</label>'
            for i, choice in enumerate(node["choices"])
        )
    else:
        fields = '<label>답 <input type="text" name="given" inputmode="decimal" autocomplete="off"/></label>'
    translator.body.append(f"<form>{fields}</form>")


def visit_why(translator: Any, node: quiz_why) -> None:
    translator.body.append('<details class="quiz-why"><summary>까닭</summary>')


def depart_why(translator: Any, node: quiz_why) -> None:
    translator.body.append("</details></div>\n")


def add_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """The scripts of a page's explorers, on that page only."""
    names = {node["name"] for node in doctree.findall(explorer)} if doctree else set()
    if not names:
        return
    app.add_css_file("live/live.css")
    files = dict.fromkeys(file for name in sorted(names) for file in (*EXPLORERS[name].scripts, f"explorers/{name}.js"))
    for file in ("live.js", *files):
        app.add_js_file(f"live/{file}", loading_method="defer")


def kernel() -> str:
    """kernel.wat assembled, as base64."""
    return base64.b64encode(wasmtime.wat2wasm((LIVE / "kernel.wat").read_text(encoding="utf-8"))).decode()


def normalization(layer: dict[str, Any], tensors: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation in evaluation as a factor and a shift for each map."""
    parts = ("weight", "bias", "running_mean", "running_var")
    gain, offset, mean, variance = (tensors[f"{layer['bn']}.{part}"].astype(np.float64) for part in parts)
    factor = gain / np.sqrt(variance + layer["eps"])
    return factor, offset - mean * factor


def network_script(network: dict[str, Any]) -> dict[str, Any]:
    """What live.js takes: layers without the names of tensors, and their numbers in the order of the layers.

    `weights` are base64 of the half-precision numbers of the run's file; `channels` of single-precision numbers, for
    each convolution its factors (where a batch normalisation is folded into it) and biases, for each scale both.
    """
    tensors = load_file(RUNS / network["run"] / "weights.safetensors")
    layers, weights, channels = [], [], []
    for layer in network["layers"]:
        kept = {key: value for key, value in layer.items() if key not in ("weight", "bias", "bn", "eps")}
        if "bn" in layer:
            factor, shift = normalization(layer, tensors)
            channels.append(factor)
        if layer["op"] == "conv":
            weights.append(tensors[layer["weight"]].ravel())
            bias = tensors[layer["bias"]].astype(np.float64) if "bias" in layer else np.zeros(layer["outputs"])
            channels.append(bias * factor + shift if "bn" in layer else bias)
            kept["folded"] = "bn" in layer
        elif layer["op"] == "scale":
            channels.append(shift)
        layers.append(kept)
    return network | {
        "layers": layers,
        "weights": base64.b64encode(np.concatenate(weights).astype("<f2").tobytes()).decode(),
        "channels": base64.b64encode(np.concatenate(channels).astype("<f4").tobytes()).decode(),
    }


def photographs() -> dict[str, dict[str, str]]:
    """The photographs of the book as base64, with their titles; photographs/SOURCES.txt tells whose they are."""
    titles = {"astronaut": "우주인", "rocket": "로켓", "chelsea": "고양이"}
    folder = LIVE / "photographs"
    return {
        name: {"title": title, "jpeg": base64.b64encode((folder / f"{name}.jpg").read_bytes()).decode()}
        for name, title in titles.items()
    }


def learning_curves() -> dict[str, dict[str, Any]]:
    """Of each recorded recipe, means over its seeds: by epoch the training loss and errors in %, and the test error."""
    columns = ("train_loss", "train_top1_error", "val_top1_error")
    by_recipe: dict[str, list[Path]] = {}
    for path in sorted(RUNS.rglob("metrics.csv")):
        by_recipe.setdefault(path.relative_to(RUNS).parts[0], []).append(path)
    curves = {}
    for name, paths in by_recipe.items():
        tables = [list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) for path in paths]
        epochs = min(map(len, tables))
        curves[name] = {"seeds": len(tables)} | {
            column: [round(float(np.mean([float(t[i][column]) for t in tables])), 4) for i in range(epochs)]
            for column in columns
        }
        evaluations = [path.with_name("evaluation.json") for path in paths]
        found = [json.loads(p.read_text(encoding="utf-8")).get("test", {}) for p in evaluations if p.exists()]
        errors = [one["top1"] for one in found if "top1" in one]
        if errors:
            curves[name]["test"] = round(float(np.mean(errors)), 2)
    return curves


def as_script(name: str, value: Any) -> str:
    """A classic script that puts `value` where live.js finds it: live.NAME or live.PLACE[NAME]."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    place, _, key = name.rpartition("/")
    if not place:
        return f"(window.live ??= {{}}).{key} = {text};\n"
    return f"((window.live ??= {{}}).{place} ??= {{}})[{json.dumps(key)}] = {text};\n"


def write_scripts(folder: Path) -> None:
    """All that the pages load when a reader asks for it, into `folder`."""
    values = {"kernel": kernel(), "photographs": photographs(), "runs": learning_curves()}
    for path in sorted((LIVE / "networks").glob("*.json")):
        values[f"networks/{path.stem}"] = network_script(json.loads(path.read_text(encoding="utf-8")))
    for name, value in values.items():
        path = folder / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_script(name, value), encoding="utf-8")


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write_scripts(Path(app.outdir) / "_static" / "live")


def setup(app: Sphinx) -> dict[str, Any]:
    others = {builder: (skip_explorer, None) for builder in ("latex", "text", "man", "texinfo")}
    app.add_node(explorer, html=(visit_explorer, None), **others)
    app.add_directive("explorer", ExplorerDirective)
    app.add_node(quiz, html=(visit_quiz, depart_quiz), **others)
    app.add_node(quiz_why, html=(visit_why, depart_why), **others)
    app.add_directive("quiz", QuizDirective)
    app.add_js_file("live/progress.js", loading_method="defer")
    app.add_css_file("live/progress.css")
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
