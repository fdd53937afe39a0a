"""Finished runs under protocols; posteriors on disk, equal to a second pass, fused, refused where images differ."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

import paperlib
from paperlib import data, protocols
from paperlib.cli import main
from paperlib.errors import PaperlibError
from paperlib.protocols import Predictions, Protocol, evaluate_run
from paperlib.recipes.recipe import Recipe
from paperlib.training.folder import save_weights

from .conftest import TINY, photograph_folder, run, tiny_data

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two nets of two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.DATASETS, "tiny", tiny_data)
        folder = tmp_path_factory.mktemp("runs")
        recipes = {seed: dataclasses.replace(TINY, seed=seed, epochs=2) for seed in (0, 1)}
        return [str(run(recipe, folder / f"seed{seed}", log=lambda line: None)) for seed, recipe in recipes.items()]


def test_saved_posteriors_equal_a_second_pass(runs: list[str], tmp_path: Path, capsys: Printed) -> None:
    """The line of the file is the line of the run, its seconds included: those of the pass."""
    file = tmp_path / "one.safetensors"
    assert main(["evaluate", runs[0], "--protocol", "multi-crop", "--scales", "40", "36", "--save", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"{runs[0]}  tiny/test  multi-crop Q=40,36\ntop-1 error" in printed
    assert main(["evaluate", str(file)]) == 0
    assert capsys.readouterr().out == printed
    (stored,) = protocols.load(file)
    again = evaluate_run(runs[0], Protocol("multi-crop", (40, 36)))
    assert torch.equal(stored.posteriors, again.posteriors)
    assert stored.posteriors.shape == (21, 4)
    assert dataclasses.replace(stored, posteriors=again.posteriors, labels=again.labels, seconds=0) == (
        dataclasses.replace(again, seconds=0)
    )


def test_runs_and_files_are_fused_alike(runs: list[str], tmp_path: Path, capsys: Printed) -> None:
    first, both = str(tmp_path / "first"), str(tmp_path / "both")
    assert main(["evaluate", runs[0], "--save", first]) == 0
    assert main(["evaluate", *runs, "--save", both]) == 0
    fused = capsys.readouterr().out.partition("fusion of 2\n")[2]
    error = fused.partition("(")[0]
    assert error.startswith("top-1 error")
    for arguments in ([both], [first, runs[1]], [first, runs[1], "--save", first]):
        assert main(["evaluate", *arguments]) == 0
        assert capsys.readouterr().out.partition("fusion of 2\n")[2].partition("(")[0] == error
    assert [p.run for p in protocols.load(Path(first))] == runs  # a file holds the nets, not their mean


def passes(*tables: list[list[float]]) -> list[Predictions]:
    classes, labels = ("a", "b"), torch.tensor([0, 1, 0])
    about = {"protocol": "center", "scales": (36,), "data": "tiny", "split": "test", "classes": classes}
    return [
        Predictions(run=f"run{i}", seconds=2.5, posteriors=torch.tensor(table), labels=labels, **about)  # type: ignore[arg-type]
        for i, table in enumerate(tables)
    ]


def test_fusion_by_hand() -> None:
    """Alone each errs on one image of three; their mean on none. A net fused with itself is the net."""
    sure, unsure = passes([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]], [[0.6, 0.4], [0.1, 0.9], [0.4, 0.6]])
    assert sure.errors.top1 == unsure.errors.top1 == pytest.approx(100 / 3)
    fused = protocols.fuse([sure, unsure]).errors
    assert (fused.top1, fused.images, fused.seconds) == (0, 3, 5.0)
    assert protocols.fuse([sure, sure]).errors.top1 == sure.errors.top1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "cifar10"}, r"data: tiny and cifar10\)"),
        ({"split": "val"}, r"split: test and val\)"),
        ({"classes": ("b", "a")}, r"classes: 2 \(a, b ...\) and 2 \(b, a ...\)"),
        ({"labels": torch.tensor([0, 1])}, r"images: 3 and 2\)"),
        ({"labels": torch.tensor([0, 1, 1])}, r"labels: 1 of 3 differ\)"),
    ],
)
def test_other_images_are_refused(change: dict[str, object], message: str, tmp_path: Path, capsys: Printed) -> None:
    (one,) = passes([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]])
    other = dataclasses.replace(one, run="other", **change)  # type: ignore[arg-type]
    with pytest.raises(PaperlibError, match=f"run0 and other cannot be fused .*{message}"):
        protocols.fuse([one, other])
    files = [str(tmp_path / name) for name in ("one", "other")]
    for file, p in zip(files, (one, other), strict=True):
        protocols.save(Path(file), [p])
    assert main(["evaluate", *files]) == 2
    assert "cannot be fused" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"not a file of posteriors", None])
def test_a_broken_file_is_named(content: bytes | None, runs: list[str], tmp_path: Path, capsys: Printed) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes((Path(runs[0]) / "weights.safetensors").read_bytes() if content is None else content)
    assert main(["evaluate", str(file)]) == 2
    assert f"{file} holds no posteriors of paperlib evaluate --save" in capsys.readouterr().err


def test_what_cannot_be_done_is_said_before_time_is_spent(runs: list[str], tmp_path: Path, capsys: Printed) -> None:
    for arguments, message in (
        ([], "name a run folder"),
        ([runs[0], "nowhere"], "no run folder 'nowhere'"),
        ([runs[0], "x" * 300], "no run folder 'xxx"),
        ([runs[0], "--save", str(tmp_path / "no" / "file")], "there is no folder"),
    ):
        assert main(["evaluate", *arguments]) == 2
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.out == ""
    assert main(["evaluate", runs[0], "--save", str(tmp_path)]) == 2
    assert f"cannot write {tmp_path}" in capsys.readouterr().err


def test_bf16_is_near(runs: list[str]) -> None:
    """An option, not the default: the posteriors move, a little."""
    exact, near = (evaluate_run(runs[0], Protocol(precision=p)).posteriors for p in ("fp32", "bf16"))
    assert 0 < (exact - near).abs().max() < 0.05
    assert isinstance(near, Tensor)
    torch.testing.assert_close(near.sum(dim=1), torch.ones(21))


def test_each_run_is_read_once(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    load_model = paperlib.runs.load_model
    monkeypatch.setattr(paperlib.runs, "load_model", lambda run: read.append(run) or load_model(run))
    assert main(["evaluate", *runs]) == 0
    assert read == runs


def test_the_data_of_all_runs_are_checked_before_the_first_pass(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(runs[1], lost)
    content = json.loads((lost / "recipe.json").read_text())
    content["recipe"]["data"] = "folder:/nowhere"
    (lost / "recipe.json").write_text(json.dumps(content))
    monkeypatch.setattr(protocols, "predict_all", lambda *given, **named: pytest.fail("a pass was begun"))
    assert main(["evaluate", runs[0], str(lost)]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_options_that_a_file_does_not_follow_are_refused(runs: list[str], tmp_path: Path, capsys: Printed) -> None:
    file = str(tmp_path / "one.safetensors")
    assert main(["evaluate", runs[0], "--save", file]) == 0
    capsys.readouterr()
    for options in (["--protocol", "dense", "--scales", "64"], ["--split=val"]):
        assert main(["evaluate", file, *options]) == 2
        printed = capsys.readouterr()
        assert f"{options[0]}" in printed.err
        assert "would change nothing" in printed.err
        assert printed.out == ""
    assert main(["evaluate", file, runs[0], "--protocol", "mirror"]) == 0  # the run follows them


@pytest.mark.parametrize("number", [float("nan"), 1e38])
def test_weights_that_give_no_numbers_are_refused(
    number: float, tiny_run: Path, tmp_path: Path, capsys: Printed
) -> None:
    """All NaN scored 'top-1 error 88.00%'; 1e38 is a number itself, but overflows in the first convolution."""
    model = paperlib.runs.load_model(tiny_run)
    for parameter in model.parameters():
        parameter.data.fill_(number)
    save_weights(tiny_run, model)
    photograph = photograph_folder(tmp_path / "data", train=8, test=3) / "test" / "red" / "000.png"
    pictures = ["--out", str(tmp_path / "pictures")]
    for command in (
        ["evaluate", str(tiny_run)],
        ["evaluate", str(tiny_run), "--protocol", "dense"],
        ["visualize", "deconvnet", str(tiny_run), "--layer", "conv5_2", *pictures],
        ["visualize", "occlusion", str(tiny_run), str(photograph), *pictures],
        ["transfer", str(tiny_run), "--layers", "features.pool5", "--data", f"folder:{tmp_path / 'data'}"],
    ):
        assert main(command) == 2, command
        printed = capsys.readouterr()
        assert f"{tiny_run / 'weights.safetensors'} is broken" in printed.err
        assert printed.out == ""


def test_data_that_have_moved(tiny_recipe: Recipe, tmp_path: Path, capsys: Printed) -> None:
    place = photograph_folder(tmp_path / "here", train=3, val=1, test=2)
    recipe = dataclasses.replace(tiny_recipe, data=f"folder:{place}", epochs=1)
    folder = run(recipe, tmp_path / "run", log=lambda line: None)
    assert main(["evaluate", str(folder)]) == 0
    error = capsys.readouterr().out.splitlines()[1].partition("(")[0]
    there = place.rename(tmp_path / "there")
    assert main(["evaluate", str(folder)]) == 2
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--data", f"folder:{there}"]) == 0
    printed = capsys.readouterr().out
    assert f"folder:{there}/test" in printed
    assert printed.splitlines()[1].startswith(error)


def test_a_pass_is_saved_before_it_is_printed(runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: object, **named: object) -> None:
        raise OSError("the terminal is gone")

    file = tmp_path / "one"
    monkeypatch.setattr("builtins.print", broken)
    with pytest.raises(OSError, match="the terminal is gone"):
        main(["evaluate", *runs, "--save", str(file)])
    assert [p.run for p in protocols.load(file)] == runs[:1]


@pytest.mark.parametrize("memory", ["nan", "0", "-1", "inf"])
def test_memory_that_is_no_amount_is_refused(memory: str, runs: list[str], capsys: Printed) -> None:
    assert main(["evaluate", runs[0], "--memory", memory]) == 2
    assert f"memory must be above 0 MB, not {float(memory)}" in capsys.readouterr().err


def test_an_unknown_protocol_is_told_the_near_one() -> None:
    with pytest.raises(PaperlibError, match="unknown protocol 'ten_crop'; did you mean ten-crop"):
        Protocol("ten_crop")  # type: ignore[arg-type]


def test_a_run_is_tested_on_the_device_of_this_machine(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The device that training takes, Apple's MPS too; the meta device stands for one that this machine lacks."""
    monkeypatch.setattr(protocols, "device", lambda: torch.device("meta"))
    predict = protocols.predictor(runs[0])
    with pytest.raises(NotImplementedError, match="meta tensor"):
        predict([tiny_data(False).test.images[0]])
