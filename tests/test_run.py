"""A run: resumed equals uninterrupted, a run is complete once, nothing is half-written."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from paperlib import checkpoint, data
from paperlib.errors import PaperlibError
from paperlib.evaluate import evaluate, one_view
from paperlib.recipes import Recipe
from paperlib.run import kept, run
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


def test_training_never_reads_a_test_image(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sealed(list[torch.Tensor]):
        def __getitem__(self, index: object) -> torch.Tensor:  # type: ignore[override]
            raise AssertionError("a test image was read")

        def __iter__(self) -> Iterator[torch.Tensor]:
            raise AssertionError("the test images were read")

    whole = tiny_data(False)
    sealed = dataclasses.replace(whole, test=data.Split(Sealed(whole.test.images), whole.test.labels))
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: sealed)
    run(tiny_recipe, tmp_path / "run", log=quiet)


def test_epochs_see_different_views_in_a_different_order(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[int]] = {}
    original = data.TrainViews.__getitems__

    def spy(self: data.TrainViews, keys: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
        seen.setdefault(keys[0][0], []).extend(i for _, i in keys)
        return original(self, keys)

    monkeypatch.setattr(data.TrainViews, "__getitems__", spy)
    run(tiny_recipe, tmp_path / "run", log=quiet)
    assert sorted(seen) == [0, 1, 2]
    assert all(sorted(indices) == list(range(50)) for indices in seen.values())
    assert seen[0] != seen[1] != seen[2]


def test_photographs_are_kept_at_the_largest_side() -> None:
    images = tiny_data(False).train.images
    assert {min(image.shape[1:]) for image in kept(images, 38, torch.device("cpu"))} == {38}
    assert isinstance(kept(torch.zeros(4, 3, 28, 28, dtype=torch.uint8), 28, torch.device("cpu")), torch.Tensor)


def test_images_in_one_tensor_train_as_the_same_images_in_a_list(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_data(False)
    square = [image[..., :40] for image in whole.train.images]
    weights = []
    for name, images in (("list", square), ("tensor", torch.stack(square))):
        made = dataclasses.replace(whole, train=data.Split(images, whole.train.labels))
        monkeypatch.setitem(data.DATASETS, "tiny", lambda download, made=made: made)
        recipe = dataclasses.replace(tiny_recipe, sides=(36, 36), epochs=1)
        weights.append(checkpoint.load_model(run(recipe, tmp_path / name, log=quiet)).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_run_killed_between_its_two_writes_goes_on_from_the_state(tiny_recipe: Recipe, tmp_path: Path) -> None:
    """metrics.csv is one row ahead of the state: that epoch is run again, and has one row."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(tiny_recipe, folder, log=stop)
    rows = checkpoint.load_metrics(folder)
    checkpoint.save_metrics(folder, [*rows, rows[0] | {"epoch": 2}])
    run(tiny_recipe, folder, log=quiet)
    assert [row["epoch"] for row in checkpoint.load_metrics(folder)] == [1, 2, 3]


def test_a_folder_where_nothing_is_done_yet_is_taken_over(tiny_recipe: Recipe, tmp_path: Path) -> None:
    checkpoint.begin(tmp_path, "tiny", dataclasses.replace(tiny_recipe, lr=9.0), ["a"])
    checkpoint.begin(tmp_path, "tiny", tiny_recipe, ["a"])
    assert checkpoint.load_recipe(tmp_path)[0] == tiny_recipe


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


def test_a_run_starts_from_the_weights_of_another(tiny_recipe: Recipe, tiny_run: Path) -> None:
    """Beside it, of the same net; with a learning rate of almost nothing it stays where it started."""
    recipe = dataclasses.replace(tiny_recipe, start="tiny", lr=1e-12, epochs=1, weight_decay=0.0)
    folder = run(recipe, tiny_run.parent / "next", log=quiet)
    ours, theirs = (checkpoint.load_model(f) for f in (folder, tiny_run))
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    fresh = run(dataclasses.replace(recipe, start=""), tiny_run.parent / "fresh", log=quiet)
    weight = checkpoint.load_model(fresh).features.conv1_1.weight
    assert not torch.allclose(weight, theirs.features.conv1_1.weight, atol=1e-3)


def test_net_a_lends_to_a_deeper_column_and_to_no_other_paper(tiny_recipe: Recipe, tiny_run: Path) -> None:
    recipe = dataclasses.replace(tiny_recipe, model="vgg16", start="tiny", lr=1e-12, epochs=1, weight_decay=0.0)
    deeper = checkpoint.load_model(run(recipe, tiny_run.parent / "next", log=quiet))
    lent = checkpoint.load_model(tiny_run)
    assert torch.allclose(deeper.features.conv3_2.weight, lent.features.conv3_2.weight, atol=1e-6)
    other = dataclasses.replace(recipe, model="resnet20", options={}, sides=(224, 224), test_side=224)
    with pytest.raises(PaperlibError, match=r"vgg11 lends no weights to resnet20"):
        run(other, tiny_run.parent / "other", log=quiet)


def test_what_to_start_from_is_missing(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(
        PaperlibError, match=r"cannot start from vgg-mini .*train it first: paperlib train vgg-mini --out"
    ):
        run(dataclasses.replace(tiny_recipe, start="vgg-mini"), tmp_path / "run", log=quiet)
    assert not (tmp_path / "run").exists()


def test_channels_last_and_colours_train(tiny_recipe: Recipe, tiny_run: Path) -> None:
    """Other roundings, other views, the same kind of weights."""
    for change in ({"channels_last": True}, {"colours": "train"}, {"colours": "imagenet"}):
        name = "-".join(map(str, *change.items()))
        folder = run(dataclasses.replace(tiny_recipe, **change), tiny_run.parent / name, log=quiet)
        found = checkpoint.load_metrics(folder)[-1]["train_loss"]
        stated = checkpoint.load_metrics(tiny_run)[-1]["train_loss"]
        assert abs(found - stated) < 0.3
        assert "colours" not in change or found != stated
