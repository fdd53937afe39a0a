"""The command line as a person uses it."""

import dataclasses
import io
import json
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import tyro

import paperlib
from paperlib import data, runs
from paperlib.cli import main
from paperlib.commands import data as data_command
from paperlib.commands import evaluate, train, transfer, visualize
from paperlib.dense import dense
from paperlib.evaluate import mirrored, multi_crop, one_view, ten_crop
from paperlib.protocols import Protocol, predictor
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training.run import run
from paperlib.transforms import TestView

from .conftest import photograph_folder, tiny_data

OPTIONS: dict[str, type] = {
    "evaluate": evaluate.Evaluate,
    "visualize deconvnet": visualize.Deconvnet,
    "visualize occlusion": visualize.Occlude,
    "transfer": transfer.Transfer,
    "data": data_command.Data,
}


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "x")
    assert main(["train", "tiny", "--out", out, "--epochs", "4"]) == 0
    printed = capsys.readouterr().out
    assert "epoch 4/4" in printed
    assert f"paperlib evaluate {out}" in printed
    assert main(["train", "tiny", "--out", out, "--epochs", "4"]) == 0
    assert capsys.readouterr().out == f"{out}: the run is complete (4 epochs); now: paperlib evaluate {out}\n"
    for arguments in (
        ["--protocol", "center"],
        ["--protocol", "mirror"],
        ["--protocol", "dense", "--scales", "32", "64"],
    ):
        assert main(["evaluate", out, *arguments]) == 0
        printed = capsys.readouterr().out
        assert "(21 images" in printed
        assert "chance: top-1 error 75.00%" in printed


def test_options_of_the_machine_are_written_down(tmp_path: Path) -> None:
    out = tmp_path / "x"
    assert main(["train", "tiny", "--out", str(out), "--epochs", "1", "--accumulate", "2", "--save-minutes", "0"]) == 0
    environment = json.loads((out / "recipe.json").read_text())["environment"]
    assert (environment["accumulate"], environment["save_minutes"], environment["processes"]) == (2, 0.0, 1)


def test_a_value_of_the_recipe_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x"
    assert main(["train", "tiny", "--out", str(out), "--epochs", "1", "--seed", "7", "--options.hidden", "8"]) == 0
    text = (out / "recipe.json").read_text()
    assert '"seed": 7' in text
    assert '"hidden": 8' in text


def test_an_option_that_the_recipe_does_not_name_can_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_recipe: Recipe
) -> None:
    named = {k: v for k, v in tiny_recipe.options.items() if k != "batch_norm"}
    monkeypatch.setitem(paperlib.RECIPES, "bare", dataclasses.replace(tiny_recipe, options=named))
    for arguments, said in (([], {}), (["--options.batch-norm"], {"batch_norm": True})):
        out = tmp_path / str(len(arguments))
        assert main(["train", "bare", "--out", str(out), "--epochs", "1", *arguments]) == 0
        assert runs.load_recipe(out)[0].options == named | said  # and no default is written down


@pytest.mark.parametrize("command", ["list", "train"])
def test_lists_of_recipes_keep_names_and_texts_apart(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) if command == "train" else nullcontext():
        main([command, *["--help"] * (command == "train")])
    lines = capsys.readouterr().out.splitlines()
    for name in paperlib.RECIPES:
        assert any(line.startswith(f"  {name}  ") for line in lines), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tarin"], "unknown command 'tarin'; did you mean train?"),
        (["train", "tinny"], "unknown recipe 'tinny'; did you mean tiny?"),
        (["train", "tiny", "--model", "vgg12"], "unknown model 'vgg12'; did you mean"),
        (["train", "tiny", "--data", "tyni"], "unknown data set 'tyni'; did you mean tiny?"),
        (["train", "tiny", "--lr", "-1"], "lr must be above 0"),
        (["train", "tiny", "--accumulate", "0"], "accumulate must be above 0, not 0"),
        (["train", "tiny", "--workers", "-1"], "workers must not be negative"),
        (["train", "tiny", "--save-minutes", "nan"], "save_minutes must be a number, not nan"),
        (["train", "tiny", "--clip", "-1"], "clip must not be negative"),
        (["train", "tiny", "--data", "folder:nowhere"], "there is no folder"),
        (["train", "tiny", "--test-side", "31"], "Q = 31 px is below the 32 px crop"),
        (["train", "tiny", "--options.hidden", "0"], "hidden and num_classes must be at least 1"),
        (["data", "cifar1"], "unknown data set 'cifar1'; did you mean"),
        (["evaluate", "nowhere"], "no run folder 'nowhere'"),
        (["visualize", "deconvnets"], "unknown kind of picture 'deconvnets'; did you mean deconvnet?"),
        (["visualize", "deconvnet", "nowhere", "--layer", "conv5", "--out", "x"], "no run folder 'nowhere'"),
    ],
)
def test_bad_input_says_what_is_wrong_and_leaves_nothing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "dense", "--scales", "64", "31"], "Q = 31 px is too small: the least for this model is"),
        (["--scales", "20"], "Q = 20 px is too small: the least is the 32 px crop"),
        (["--protocol", "ten-crop", "--scales", "40", "31"], "Q = 31 px is too small: the least is the 32 px crop"),
        (["--pool", "prob"], "pool goes with the protocol dense, not center"),
    ],
)  # fmt: skip
def test_scales_that_do_not_go(
    tiny_run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tiny_run), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_place_where_no_folder_can_be_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["train", "tiny", "--out", str(out)]) == 2
        assert f"cannot make the run folder {out}" in capsys.readouterr().err


def test_protocols_pool_and_split_are_what_they_say(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, _ = runs.load_recipe(tiny_run)
    model = runs.load_model(tiny_run)
    images = tiny_data(False).test.images[:4]
    mean, std = recipe.mean, recipe.std
    crops, whole = multi_crop(model, (36,), 32, mean, std), dense(model, (36,), mean, std)
    wanted = {
        ("center", (), None): one_view(model, TestView(36, 32, mean, std)),
        ("mirror", (40,), None): mirrored(one_view(model, TestView(40, 32, mean, std))),
        ("ten-crop", (40, 50), None): ten_crop(model, (40, 50), 32, mean, std),
        ("multi-crop", (36, 40), None): multi_crop(model, (36, 40), 32, mean, std),
        ("dense", (64, 80), "logit"): dense(model, (64, 80), mean, std, pool="logit"),
        ("dense", (64, 80), "prob"): dense(model, (64, 80), mean, std, pool="prob"),
        ("multi-crop+dense", (), None): lambda images: (crops(images) + whole(images)) / 2,
    }
    answers = []
    for (protocol, scales, pool), predict in wanted.items():
        answers.append(predictor(tiny_run, Protocol(protocol, scales, pool))(images))  # type: ignore[arg-type]
        torch.testing.assert_close(answers[-1], predict(images), rtol=0, atol=1e-6)
    assert all(not torch.allclose(a, b, rtol=0, atol=1e-5) for i, a in enumerate(answers) for b in answers[:i])
    assert main(["evaluate", str(tiny_run), "--split", "val"]) == 0
    assert "(10 images" in capsys.readouterr().out


def test_visualize_deconvnet_draws_a_picture_of_each_map(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["visualize", "deconvnet", str(tiny_run), "--layer", "conv4_1", "--out", str(tmp_path / "x" / "y")]
    assert main([*command, "--top", "4", "--maps", "5", "2"]) == 0
    paths = [tmp_path / "x" / "y" / f"conv4_1-00{m}.png" for m in (5, 2)]
    assert capsys.readouterr().out.split() == [str(path) for path in paths]
    assert all(data.read_photograph(path).float().std() > 1 for path in paths)
    assert main([*command, "--every", "2"]) == 0
    assert len(list((tmp_path / "x" / "y").iterdir())) == 17  # sixteen, map 5 or 2 among them or not


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "conv4_3"], "unknown layer 'conv4_3'; did you mean conv4_"),
        (["--layer", "conv1_1", "--maps", "4"], "no map 4 in conv1_1: it has 4, from 0 on"),
        (["--layer", "conv1_1", "--top", "0"], "the top 0 of 10 images"),
        (["--layer", "conv1_1", "--every", "0"], "every must be at least 1, not 0"),
    ],
)
def test_visualize_deconvnet_says_what_is_wrong_and_leaves_nothing(
    tiny_run: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["visualize", "deconvnet", str(tiny_run), "--out", str(tmp_path / "x"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_visualize_occlusion(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = photograph_folder(tmp_path / "photographs", test=1) / "test" / "red" / "000.png"
    command = ["visualize", "occlusion", str(tiny_run), str(photo), "--out", str(tmp_path / "x")]
    assert main([*command, "--label", "blue", "--square", "16", "--stride", "8"]) == 0
    printed = capsys.readouterr().out
    path, line, _ = printed.split("\n")
    assert path == str(tmp_path / "x" / "occlusion-000.png")
    assert line.startswith("blue: probability 0.")
    assert data.read_photograph(Path(path)).float().std() > 1
    for arguments, message in (
        (["--label", "bleu"], "unknown class 'bleu'; did you mean blue?"),
        (["--square", "33"], "a square of 33 px every 8 px does not fit"),
        (["--stride", "0"], "a square of 8 px every 0 px does not fit"),
    ):
        assert main([*command, *arguments]) == 2
        assert message in capsys.readouterr().err
    command[3] = str(tmp_path / "none.png")
    assert main(command) == 2
    assert "none.png is not a file that can be read" in capsys.readouterr().err


def test_pictures_that_cannot_be_written_are_named(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    command = ["visualize", "deconvnet", str(tiny_run), "--layer", "conv1_1", "--every", "5"]
    assert main([*command, "--out", str(tmp_path / "file")]) == 2
    assert f"cannot write {tmp_path / 'file' / 'conv1_1-000.png'}" in capsys.readouterr().err


def test_transfer(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Colours are told apart by the features of a trained net; on its own data a net is not tested so."""
    photograph_folder(tmp_path / "data", train=8, test=3)
    command = ["transfer", str(tiny_run), "--layers", "features.pool5", "--per-class", "5", "--folds", "2"]
    assert main([*command, "--data", f"folder:{tmp_path / 'data'}"]) == 0
    assert re.fullmatch(r"features.pool5  5 a class: 100.0 ± 0.0% \(2 folds\)\n", capsys.readouterr().out)
    assert main([*command, "--data", "tiny"]) == 2
    assert "was trained on tiny: it has seen the images to be tested on" in capsys.readouterr().err
    assert main([*command, "--data", "tiny", "--untrained", "--kind", "softmax"]) == 0
    assert "5 a class: " in capsys.readouterr().out
    assert main([*command, "--data", "tiny", "--untrained", "--per-class", "2"]) == 2
    assert "--per-class must be at least 3" in capsys.readouterr().err


def test_data_of_other_classes_than_the_run_are_refused(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = dataclasses.replace(tiny_data(False), classes=("red", "green", "yellow", "blue"))
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: renamed)
    assert main(["evaluate", str(tiny_run)]) == 2
    assert "tiny has other classes than" in capsys.readouterr().err


def test_photographs_that_training_left_out_are_left_out_of_pictures_and_features(
    tiny_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = photograph_folder(tmp_path / "data", train=8, val=2, test=3)
    for broken in (place / "train" / "red" / "004.png", place / "val" / "red" / "000.png"):
        broken.write_bytes(b"no photograph")
    recipe = dataclasses.replace(tiny_recipe, data=f"folder:{place}", epochs=1)
    folder = str(run(recipe, tmp_path / "run", Machine(skip_bad=True), log=lambda line: None))
    pictures = ["--layer", "conv1_1", "--top", "2", "--maps", "0", "--out", str(tmp_path / "x")]
    for split in ("val", "train"):
        assert main(["visualize", "deconvnet", folder, "--split", split, *pictures]) == 0
    layers = ["--layers", "features.pool5", "--per-class", "5", "--folds", "2", "--untrained"]
    assert main(["transfer", folder, *layers, "--data", f"folder:{place}"]) == 0
    assert "5 a class: " in capsys.readouterr().out


def test_transfer_without_a_layer_is_refused(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfer", str(tiny_run), "--data", "fashion-mini", "--layers"]) == 2
    assert "--layers needs the name of a layer" in capsys.readouterr().err


def test_values_before_the_recipe_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--epochs", "2", "tiny"]) == 2
    assert "the recipe comes first: paperlib train tiny --epochs 2" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of the shell's")
@pytest.mark.parametrize("command", [["list"], ["--help"], ["evaluate", "--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(command: list[str]) -> None:
    """As in `paperlib list | head -1`; the pipe is closed before anything is written."""
    words = [sys.executable, "-m", "paperlib", *command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("name", ["\u1112\u1161\u11ab", "\U0001f600"], ids=["NFD", "emoji"])
def test_a_name_that_the_console_cannot_show_is_no_error(
    name: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what is printed of a run nor a message about it raises on a Korean console of Windows."""
    folder = tiny_run.rename(tiny_run.with_name(name))
    streams = {stream: io.TextIOWrapper(io.BytesIO(), encoding="cp949") for stream in ("stdout", "stderr")}
    for stream, file in streams.items():
        monkeypatch.setattr(sys, stream, file)
    assert main(["evaluate", str(folder)]) == 0
    assert main(["evaluate", f"{folder}x"]) == 2
    monkeypatch.undo()
    for stream, text in (("stdout", b"top-1 error"), ("stderr", b"no run folder")):
        streams[stream].flush()
        written = streams[stream].buffer.getvalue()  # type: ignore[attr-defined]
        assert text in written
        assert name.encode("ascii", "backslashreplace") in written


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "visualize deconvnet", "visualize occlusion", "transfer", "data"]
)
def test_the_examples_of_each_help_are_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every example is parsed as the command does; what it names need not be there."""
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    examples = capsys.readouterr().out.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) >= 2
    for example in examples:
        words = shlex.split(example[example.index(f"paperlib {command} ") :])[1 + len(command.split()) :]
        if command == "train":
            train.parse(words[0], words[1:])
        else:
            tyro.cli(OPTIONS[command], args=words)


def test_an_unknown_value_of_a_recipe_is_told_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "tiny", "--epoch", "3"])
    assert stop.value.code == 2
    assert "--epochs" in capsys.readouterr().err


def test_help_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("list", "train", "evaluate", "visualize", "data"))
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "138,357,544" in printed  # vgg16
    assert "269,722" in printed  # resnet20, counted as in its paper
    assert "vgg-mini" in printed
    assert "fashion-scenes" in printed
    assert "folder:PATH" in printed
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    assert "vgg-mini" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "vgg-mini", "--help"])
    printed = capsys.readouterr().out
    for option in ("--lr", "--warm-up-lr", "--clip", *(f"--{f.name}".replace("_", "-") for f in fields(Machine))):
        assert option in printed


def test_the_module_starts_the_same_command_line() -> None:
    found = subprocess.run([sys.executable, "-m", "paperlib", "train", "vgg-mimi"], capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.strip() == "paperlib: unknown recipe 'vgg-mimi'; did you mean vgg-mini?"
