"""The rules that every notebook keeps."""

import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
import yaml

from paperlib import build, data, evaluate, pretrained
from paperlib.anatomy import anatomy
from paperlib.dense import dense
from paperlib.recipes import RECIPES
from paperlib.recipes.recipe import Machine, Recipe
from tools.run_notebook import clean

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind and "".join(cell["source"]).strip()]


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 3


def test_every_page_is_in_the_table_of_contents() -> None:
    def files(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [v for k, v in node.items() if k in ("file", "root")] + files(list(node.values()))
        return [name for child in node for name in files(child)] if isinstance(node, list) else []

    listed = set(files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
    pages = [path for path in (ROOT / "book").rglob("*.md")] + NOTEBOOKS
    assert {path.relative_to(ROOT).with_suffix("").as_posix() for path in pages} == listed


@named
def test_outputs_are_stored_and_clean(path: Path) -> None:
    """Run once from top to bottom, no error, nothing on stderr."""
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]


@named
def test_a_notebook_is_a_lesson_not_a_program(path: Path) -> None:
    code = cells(path, "code")
    assert len(code) <= 20  # none open over 25 lines
    assert path.stat().st_size < 1_000_000
    assert all(len("".join(cell["source"]).splitlines()) <= 45 for cell in code)
    assert len(cells(path, "markdown")) >= len(code) / 2


@named
def test_measured_cells_assert_what_must_hold(path: Path) -> None:
    """A cell whose output is not compared must state in an assertion what it shows."""
    for cell in cells(path, "code"):
        if "nbval-ignore-output" in cell["metadata"].get("tags", []):
            assert "assert " in "".join(cell["source"]), "".join(cell["source"])[:200]


@named
def test_the_first_cell_is_the_same_in_every_notebook(path: Path) -> None:
    assert cells(path, "code")[0]["source"] == cells(NOTEBOOKS[0], "code")[0]["source"]
    text = "".join(cells(path, "code")[0]["source"])
    assert 'importlib.util.find_spec("paperlib") is None' in text
    assert text.endswith("device = paperlib.device()")


@named
def test_the_lesson_has_its_parts(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    for part in ("목표", "예측", "확인한 것", "{exercise}", "{solution}", ":class: dropdown"):
        assert part in text, part


REAL = (ROOT / "book" / "real_training.md").read_text(encoding="utf-8")


def test_the_commands_of_real_training_have_the_options_they_use() -> None:
    blocks = [b for b in re.findall(r"```bash\n(.*?)```", REAL, re.S) if "paperlib train" in b]
    used = set(re.findall(r"--[a-z-]+", " ".join(b.split("paperlib train")[1] for b in blocks)))
    table = set(re.findall(r"^\| `(--[a-z-]+)", REAL, re.M))
    assert len(used) >= 4
    known = {f"--{f.name.replace('_', '-')}" for f in (*fields(Recipe), *fields(Machine))} | {"--out"}
    assert used | table <= known
    assert {f"--{f.name.replace('_', '-')}" for f in fields(Machine)} <= table | {"--sync-batch-norm"}


@pytest.mark.parametrize("page", ["README.md", "book/real_training.md"])
def test_the_training_commands_of_a_page_follow_one_another(page: str) -> None:
    """What a recipe starts from is trained before, beside it; commands that share a folder share the recipe."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = " ".join(re.findall(r"```bash\n(.*?)```", text, re.S)).replace("\\\n", " ")
    machine = {f"--{f.name.replace('_', '-')}" for f in fields(Machine)}
    made: dict[Path, set[str]] = {}
    for name, rest in re.findall(r"paperlib train ([a-z]\S*)([^\n#]*)", blocks):
        out = re.search(r"--out (\S+)", rest)
        folder = Path(out[1]) if out else Path("runs") / name
        start = RECIPES[name].start
        assert not start or folder.parent / start in made, f"{name} starts from {start}, which nothing trained"
        options = {o for o in re.split(r"\s+(?=--)", rest.strip()) if o.split(" ")[0] not in {*machine, "--out"}}
        assert made.setdefault(folder, options | {name}) == options | {name}
    assert made


@pytest.mark.parametrize(
    ("name", "title"), [("vgg16", "VGG-16"), ("resnet50", "ResNet-50"), ("densenet121", "DenseNet-121")]
)
def test_the_estimates_of_real_training_follow_from_its_formulas(name: str, title: str) -> None:
    with torch.device("meta"):
        found = anatomy(build(name), (3, 224, 224))
    giga, activations = found.macs / 1e9, found.activations / 1e6
    assert f"| {title} | {found.params:,} | {giga:.2f} G | {6 * giga:.1f} G | {activations:.1f} M |" in REAL
    fixed, share = 14 * found.params / 1e9, 2 * found.activations / 1e9
    assert f"| {title} | {fixed:.2f} GB | {fixed + 32 * share:.1f} GB | {fixed + 256 * share:.1f} GB |" in REAL
    row = re.search(rf"\| {title}, 한 에폭 \| (.*) \|", REAL)
    if row:
        minutes = [float(cell.rstrip("분")) for cell in row.group(1).split(" | ")]
        rates = [g * r for g, r in ((1, 65e12), (1, 312e12), (8, 312e12), (8, 989e12))]
        expected = [1.23e6 * 6 * found.macs / (0.3 * rate) / 60 for rate in rates]
        assert minutes == pytest.approx(expected, rel=0.07)
        whole = re.search(rf"\| {title}, (\d+) 에폭 \| (.*) \|", REAL)
        assert whole
        epochs = RECIPES[{"vgg16": "imagenet-vgg16-s256"}.get(name, f"imagenet-{name}")].epochs
        assert int(whole.group(1)) == epochs
        hours = [float(cell.rstrip("시간")) for cell in whole.group(2).split(" | ")]
        assert hours == pytest.approx([epochs * m / 60 for m in expected], rel=0.05)


def test_the_ways_to_decode_are_as_measured() -> None:
    measured = json.loads((ROOT / "bench/results/photographs_from_disk.json").read_text(encoding="utf-8"))["decoding"]
    small, large = measured["500x375"], measured["2000x1500"]
    for way in ("PIL", "PIL, draft", "torchvision.io"):
        times = [f"{size[way]['milliseconds']['median']:.1f} ms" for size in (small, large)]
        difference = max(size[way]["largest_difference"] for size in (small, large))
        assert f"| {way} | {times[0]} | {times[1]} | {difference} |" in REAL


def test_the_cost_of_many_photographs_is_as_measured_and_flat() -> None:
    measured = json.loads((ROOT / "bench/results/photographs_from_disk.json").read_text(encoding="utf-8"))["folders"]
    for key, unit in (("read_microseconds_each", "µs"), ("peak_mb", "MB"), ("two_workers_most_mb", "MB")):
        few, many = (row[key] for row in measured)
        assert many < 1.1 * few
        assert f"{few:.0f} {unit}" in REAL
        assert f"{many:.0f} {unit}" in REAL


def test_the_cell_of_the_original_weights_runs_every_protocol(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Off the internet the stored notebook does not run it: here a narrow net and two pictures stand for the real."""
    torch.manual_seed(0)
    net = build("vgg11", 1000, width=1 / 32, hidden=16).eval()
    pictures = [torch.randint(0, 256, (3, 240, 300), dtype=torch.uint8) for _ in range(2)]
    split = data.Split(pictures, torch.tensor([0, 9]))
    asked: list[Any] = []
    monkeypatch.setenv("PAPERLIB_VGG16", "weights.pth")
    monkeypatch.setattr(pretrained, "load_pretrained", lambda *given: asked.append(given) or net)
    monkeypatch.setattr(data, "load", lambda name, download: data.Data((), split, split, split))
    code = cells(ROOT / "book/vgg/crops_and_fusion.ipynb", "code")
    source = "".join(next(cell for cell in code if cell["id"] == "crops-22")["source"])
    known = {"sys": sys, "torch": torch, "device": torch.device("cpu")}
    known |= {"multi_crop": evaluate.multi_crop, "average": evaluate.average, "dense": dense}
    exec(source, known)
    assert asked == [("vgg16", "weights.pth")]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all("(1 images," in line for line in lines)


def test_cells_of_a_solution_are_folded_in_jupyterlab() -> None:
    hidden = 0
    for path in NOTEBOOKS:
        inside = False
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                inside = "{solution-start}" in source or (inside and "{solution-end}" not in source)
            else:
                folded = cell["metadata"].get("jupyter", {})
                assert folded == ({"source_hidden": True, "outputs_hidden": True} if inside else {}), source[:80]
                hidden += inside
    assert hidden >= 14


HANGUL = re.compile("[가-힣]")


def pictures(cell: dict[str, Any]) -> int:
    """How many of the stored outputs of a code cell are images."""
    return sum(bool({"image/png", "image/jpeg"} & set(output.get("data", {}))) for output in cell["outputs"])


@named
def test_every_stored_picture_is_described_in_korean(path: Path) -> None:
    """With a numbered caption where that is all the cell shows; several outputs would share the name."""
    for cell in cells(path, "code"):
        if pictures(cell):
            shown = sum("data" in output for output in cell["outputs"])
            described = cell["metadata"].get("mystnb", {})
            assert ("figure" in described) == (shown == 1), cell["id"]
            alt = described["image"]["alt"]
            assert HANGUL.search(alt), cell["id"]
            assert not re.search(r"\.(png|jpe?g|svg)|_images|\$", alt), alt
            if shown == 1:
                assert HANGUL.search(described["figure"]["caption"]), cell["id"]
                assert described["figure"]["name"].startswith("fig-"), cell["id"]


def test_every_figure_of_the_book_has_its_own_name() -> None:
    names = []
    for path in (ROOT / "book").rglob("*.md"):
        names += re.findall(r"^:name: (fig-\S+)$", path.read_text(encoding="utf-8"), re.M)
    for path in NOTEBOOKS:
        for cell in cells(path, "markdown"):
            names += re.findall(r"^:name: (fig-\S+)$", "".join(cell["source"]), re.M)
        for cell in cells(path, "code"):
            names += [found["name"] for found in cell["metadata"].get("mystnb", {}).values() if "name" in found]
    assert len(names) > 60
    assert len(names) == len(set(names))


@named
def test_only_short_code_is_open(path: Path) -> None:
    """The first cell and every long one are folded behind a click; a solution is folded as a whole."""
    code = cells(path, "code")
    assert "hide-input" in code[0]["metadata"].get("tags", [])
    for cell in code:
        folded = "hide-input" in cell["metadata"].get("tags", []) or "jupyter" in cell["metadata"]
        assert folded or len("".join(cell["source"]).splitlines()) <= 25, cell["id"]


@named
def test_no_trace_of_a_run_is_stored(path: Path) -> None:
    """As `nox -s notebooks` and the pre-commit hook leave it: only measured values change from run to run."""
    notebook = nbformat.read(path, as_version=4)
    clean(notebook)
    assert nbformat.writes(notebook) + "\n" == path.read_text(encoding="utf-8")


REFUSED = r"(?<![가-힣])망(?=은|이|을|의|에|과|도|들|마다|보다|으로|[\s,.)(]|$)|매개변수|화소|씨앗|쌍둥이"


def test_the_book_says_the_words_of_its_readers() -> None:
    """네트워크, 파라미터, 픽셀, 시드, 축소 모델: in the text, in the code's strings and in what it prints."""
    for path in [*(ROOT / "book").rglob("*.md"), *(ROOT / "book").rglob("*.ipynb"), *(ROOT / "paperlib").rglob("*.py")]:
        if path.name != "glossary.md" and ".ipynb_checkpoints" not in path.parts:
            assert not re.findall(REFUSED, path.read_text(encoding="utf-8")), path
