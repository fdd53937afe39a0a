"""A run: resumed equals uninterrupted, a run is complete once, nothing is half-written."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from paperlib import checkpoint
from paperlib.errors import PaperlibError
from paperlib.evaluate import evaluate, one_view
from paperlib.recipes import Recipe
from paperlib.run import run
from paperlib.transforms import TestView

from .conftest import tiny_data


def quiet(line: str) -> None:
    pass


def test_the_net_learns(tiny_recipe: Recipe, tmp_path: Path) -> None:
    options = {"width": 0.125, "image_size": 32, "hidden": 64, "dropout": 0.0, "batch_norm": True}
    recipe = dataclasses.replace(tiny_recipe, epochs=12, lr=0.01, options=options)
    folder = run(recipe, tmp_path / "run", log=quiet)
    test = tiny_data(False).test
    predict = one_view(checkpoint.load_model(folder), TestView(36, 32, recipe.mean, recipe.std))
    assert evaluate(predict, test.images, test.labels).top1 < 20  # chance: 75


@pytest.mark.parametrize("schedule", ["one-cycle", "plateau"])
@pytest.mark.parametrize("stop_after", [1, 2])
def test_resumed_equals_uninterrupted_bit_for_bit(
    tiny_recipe: Recipe, tmp_path: Path, stop_after: int, schedule: str
) -> None:
    recipe = dataclasses.replace(tiny_recipe, schedule=schedule, patience=0, nesterov=True)
    whole = run(recipe, tmp_path / "whole", log=quiet)

    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith(f"epoch {stop_after + 1}/"):
            raise Stopped

    with pytest.raises(Stopped):
        run(recipe, tmp_path / "parts", log=stop)
    assert not checkpoint.finished(tmp_path / "parts")
    assert len(checkpoint.load_metrics(tmp_path / "parts")) == stop_after
    parts = run(recipe, tmp_path / "parts", log=quiet)

    ours, theirs = (checkpoint.load_model(f).state_dict() for f in (whole, parts))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in checkpoint.load_metrics(f)] for f in (whole, parts)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def test_seeds_differ(tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path) -> None:
    other = run(dataclasses.replace(tiny_recipe, seed=1), tmp_path / "other", log=quiet)
    a, b = (checkpoint.load_model(f).state_dict()["features.conv1_1.weight"] for f in (tiny_run, other))
    assert not torch.equal(a, b)


def test_the_same_command_again_says_that_the_run_is_complete(tiny_recipe: Recipe, tiny_run: Path) -> None:
    before = {path: path.read_bytes() for path in tiny_run.iterdir()}
    lines: list[str] = []
    run(tiny_recipe, tiny_run, log=lines.append)
    assert lines == [f"{tiny_run}: the run is complete (3 epochs); now: paperlib evaluate {tiny_run}"]
    assert {path: path.read_bytes() for path in tiny_run.iterdir()} == before


def test_a_run_folder_explains_itself(tiny_run: Path) -> None:
    assert sorted(path.name for path in tiny_run.iterdir()) == [
        "metrics.csv", "recipe.json", "state.safetensors", "weights.safetensors",
    ]  # fmt: skip
    content = json.loads((tiny_run / "recipe.json").read_text())
    assert content["name"] == "tiny"
    assert content["classes"] == ["red", "green", "blue", "yellow"]
    assert content["environment"]["torch"] == torch.__version__.split("+")[0]
    rows = checkpoint.load_metrics(tiny_run)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert all(0 <= row["val_top1_error"] <= 100 and row["seconds"] > 0 for row in rows)


def test_the_folder_of_another_recipe_is_refused(tiny_recipe: Recipe, tiny_run: Path) -> None:
    with pytest.raises(PaperlibError, match=r"another recipe \(lr: 0.03 -> 0.5; seed: 0 -> 9\)"):
        run(dataclasses.replace(tiny_recipe, lr=0.5, seed=9), tiny_run, log=quiet)


def test_missing_data_leave_no_folder(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "empty"))
    with pytest.raises(PaperlibError, match="cifar10"):
        run(dataclasses.replace(tiny_recipe, data="cifar10"), tmp_path / "run", log=quiet)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_epoch(tiny_recipe: Recipe, tmp_path: Path) -> None:
    options = tiny_recipe.options | {"batch_norm": False}
    recipe = dataclasses.replace(tiny_recipe, lr=1e20, schedule="plateau", options=options)
    with pytest.raises(PaperlibError, match=r"the loss became (nan|inf) in epoch 1 at lr 1e\+20"):
        run(recipe, tmp_path / "run", log=quiet)
    assert not checkpoint.finished(tmp_path / "run")


def test_precision_bf16_trains(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = run(dataclasses.replace(tiny_recipe, precision="bf16"), tmp_path / "run", log=quiet)
    weights = checkpoint.load_model(folder).state_dict()
    assert {t.dtype for t in weights.values() if t.is_floating_point()} == {torch.float32}
    full = checkpoint.load_model(run(tiny_recipe, tmp_path / "full", log=quiet)).state_dict()
    assert not torch.equal(weights["features.conv1_1.weight"], full["features.conv1_1.weight"])
