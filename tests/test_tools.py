"""The tools record what the book shows: the tests of each recorded run, and the record of a small one."""

import ast
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from paperlib import RECIPES, runs
from paperlib.protocols import Predictions
from paperlib.tensors import load_tensors

TOOLS = Path(__file__).parents[1] / "tools"
RECORDED = [name for name in runs.recorded_runs() if (runs.find(name) / "evaluation.json").exists()]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("record")


KINDS = ("caltech101-", *(f"fashion-mnist-{kind}" for kind in ("resnet", "plain", "densenet")))


@pytest.mark.parametrize("name", [name for name in RECORDED if name.startswith(KINDS)])
def test_each_recorded_run_was_counted_as_the_tool_counts_it(record: ModuleType, name: str) -> None:
    """The same tests, at the same scales; fusions beside them are of D and E alone."""
    recipe, _ = runs.load_recipe(name)
    rows = runs.read_evaluation(name)
    tests = record.named_tests(name.split("/")[0], recipe)
    for key, test in tests.items():
        protocol = test.keywords["protocol"]
        assert tuple(rows[key]["scales"]) == (protocol.scales or (recipe.test_side,))
    fused = rows.keys() - tests.keys()
    assert bool(fused) == (name.split("/")[0] in (record.D, record.E))
    assert all("three scales" in key or "+" in key or "seven nets" in key for key in fused)


def test_fusions_are_means_of_the_posteriors_of_their_runs(record: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has posteriors of one value of its own; the names of the fusions are those of the record."""
    values = {name: float(i) for i, name in enumerate(record.SEVEN, start=1)} | {record.D: 3.0, record.E: 12.0}

    def stored(run: Path, tests: dict[str, Any], store: Path | None = None) -> dict[str, Predictions]:
        about: dict[str, Any] = {"data": "d", "split": "test", "classes": ("a", "b"), "labels": torch.tensor([0])}
        about |= {"run": run.name, "protocol": "", "scales": (1,), "seconds": 1.0}
        posteriors = torch.full((1, 2), values[run.name])
        return {key: Predictions(**about, posteriors=posteriors) for key in tests}

    monkeypatch.setattr(record, "evaluate_all", stored)
    monkeypatch.setattr(runs, "finished", lambda folder: True)
    monkeypatch.setattr(runs, "load_recipe", lambda folder: (RECIPES[folder.name], ()))
    fusions = record.vgg_fusions(Path("seed0"), record.E)
    assert {key: float(p.posteriors[0, 0]) for key, p in fusions.items() if "+" in key and "D" in key} == {
        f"D + E, {key}": 7.5
        for name in ("dense", "multi-crop", "multi-crop + dense")
        for key in (name, f"{name}, three scales")
    }
    seven = torch.tensor([values[name] for name in record.SEVEN]).mean()
    assert fusions["seven nets, dense"].posteriors[0, 0] == pytest.approx(float(seven))
    tests = record.named_tests(record.E, RECIPES[record.E])
    assert runs.read_evaluation(f"{record.E}/seed0").keys() == tests.keys() | fusions.keys()
    for key, test in runs.read_provenance(f"{record.E}/seed0").items():
        if key in fusions:
            assert test["protocol"].items() >= record.mean_of(key, f"{record.E}/seed0", tests).items()


def test_a_run_is_recorded_once_with_rounded_weights(record: ModuleType, tiny_run: Path, tmp_path: Path) -> None:
    target = tmp_path / "package" / "tiny"
    record.record(tiny_run, target, weights=True, scales=(36, 40))
    rows = json.loads((target / "evaluation.json").read_text())
    assert list(rows) == ["center", "dense", "dense, several scales"]
    assert rows["dense, several scales"]["scales"] == [36, 40]
    assert {row["images"] for row in rows.values()} == {21}
    assert sorted(path.name for path in target.iterdir()) == [
        "evaluation.json",
        "metrics.csv",
        "provenance.json",
        "recipe.json",
        "weights.safetensors",
    ]
    protocol = runs.read_provenance(target)["dense, several scales"]["protocol"]
    options = {"pool": None, "precision": "fp32", "memory": 256, "split": "test", "every": 1}
    assert protocol == {"name": "dense", "scales": [36, 40]} | options
    tensors, _ = load_tensors(target / "weights.safetensors")
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float16}
    (target / "weights.safetensors").unlink()
    record.evaluate_all(target, record.named_tests("tiny", runs.load_recipe(tiny_run)[0]), store=tiny_run)  # stored


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda path: path.stem)
def test_help_says_what_a_tool_does_and_how_to_call_it(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    assert "paperlib.cli" not in source
    assert "json.dumps" not in source or path.stem in ("guests", "export_networks")  # these write scripts and notebooks
    if "def main(" in source and "argparse" in source:
        doc = ast.get_docstring(ast.parse(source))
        assert doc is not None
        assert f"python tools/{path.name}" in doc
        assert "formatter_class=argparse.RawDescriptionHelpFormatter" in source
