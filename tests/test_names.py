"""Names of folders and photographs as Korean systems write them: CP949 bytes, syllables taken apart, long ones."""

import dataclasses
import io
import json
import os
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from PIL import Image

from paperlib import data, runs
from paperlib.cli import main
from paperlib.data.folders import class_name
from paperlib.errors import PaperlibError
from paperlib.files import write_json
from paperlib.recipes import RECIPES
from paperlib.recipes.recipe import Recipe

from .conftest import photograph_folder

CAT, DOG = "고양이", "강아지"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems change the bytes of a name")


def rename(folder: Path, old: str, new: bytes) -> None:
    os.rename(os.path.join(os.fsencode(folder), os.fsencode(old)), os.path.join(os.fsencode(folder), new))


@pytest.fixture
def korean(tmp_path: Path) -> Path:
    """Four classes: in train one name in CP949, one taken apart; in test and val all as Linux has them."""
    place = photograph_folder(tmp_path / "set", train=6, val=2, test=2)
    for part in ("train", "val", "test"):
        apart = normalize("NFD", DOG) if part == "train" else DOG
        rename(place / part, "red", CAT.encode("cp949" if part == "train" else "utf-8"))
        rename(place / part, "green", apart.encode())
    return place


def test_a_class_has_one_name_whatever_system_wrote_it() -> None:
    for raw in (CAT.encode("cp949"), CAT.encode(), normalize("NFD", CAT).encode()):
        assert class_name(os.fsdecode(raw)) == CAT
    assert class_name("red") == "red"
    assert class_name(os.fsdecode(b"\xff\xfe")) == "\\xff\\xfe"  # no text at all: still printable


def test_folders_of_several_systems_are_one_data_set(korean: Path) -> None:
    found = data.load(f"folder:{korean}")
    assert found.classes == ("blue", "yellow", DOG, CAT)
    for split in (found.train, found.val, found.test):
        assert split.labels.bincount().tolist() == [len(split) // 4] * 4
        red = [int(split.images[i].float().mean(dim=(1, 2)).argmax()) for i in (split.labels == 3).nonzero()[:, 0]]
        assert red == [0] * len(red)  # the cats are the red ones everywhere


def test_two_folders_of_one_class_are_refused(korean: Path) -> None:
    (korean / "train" / CAT).mkdir()
    with pytest.raises(PaperlibError, match=f"train holds two folders that are both named {CAT}; rename or merge"):
        data.load(f"folder:{korean}")


def test_train_evaluate_and_visualize_with_such_names(
    korean: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """On a console that shows ASCII alone, with a broken photograph in the folder of CP949 bytes."""
    folder = os.path.join(os.fsencode(korean / "train"), CAT.encode("cp949"))
    with open(os.path.join(folder, "사진.jpg".encode("cp949")), "wb") as file:
        file.write(b"broken")
    monkeypatch.setitem(RECIPES, "korean", dataclasses.replace(tiny_recipe, data=f"folder:{korean}", epochs=1))
    console = io.TextIOWrapper(io.FileIO(os.dup(1), "w"), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    out = tmp_path / "run"
    assert main(["train", "korean", "--out", str(out)]) == 2
    assert main(["train", "korean", "--out", str(out), "--skip-bad"]) == 0
    for _ in range(2):  # a finished run, read again
        assert main(["train", "korean", "--out", str(out), "--skip-bad"]) == 0
    assert main(["evaluate", str(out), "--split", "train"]) == 0
    assert main(["evaluate", str(out), "--save", str(tmp_path / "posteriors.safetensors")]) == 0
    assert main(["evaluate", str(tmp_path / "posteriors.safetensors")]) == 0
    pictures = ["--out", str(tmp_path / "x"), "--maps", "0"]
    assert main(["visualize", "deconvnet", str(out), "--layer", "conv1_1", "--split", "train", *pictures]) == 0
    console.close()
    shown = capfd.readouterr()
    assert "1 photographs of train cannot be read" in shown.out
    assert "\\udcb0\\udced" in shown.out  # the first syllable of the folder's name, in bytes
    assert "\\udcb0\\udced" in shown.err
    assert runs.load_recipe(out)[1] == data.load(f"folder:{korean}").classes
    ((_, why),) = (runs.load_unreadable(out) or {})["train"].items()
    assert os.fsencode(why).startswith(folder)


def test_json_keeps_names_that_are_not_text(tmp_path: Path) -> None:
    content = {"train": {"3": os.fsdecode("사진.jpg".encode("cp949")) + " is broken"}, "class": CAT}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == content
    assert CAT in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["가" * 300, "가가가/" * 3000])
def test_a_path_that_is_too_long_is_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    for call in (lambda: data.load(f"folder:{name}"), lambda: data.read_photograph(name)):
        with pytest.raises(PaperlibError, match="가가가"):
            call()
    for command in (["evaluate", name], ["visualize", "occlusion", "vgg-caltech", name, "--out", str(tmp_path)],
                    ["transfer", "vgg-caltech", "--layers", "features.pool5", "--data", f"folder:{name}"]):  # fmt: skip
        assert main(command) == 2
        assert "paperlib: " in capsys.readouterr().err


def test_a_photograph_of_another_name_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / (normalize("NFD", "사진") + ".png")
    Image.new("RGB", (4, 4)).save(path)
    assert data.Photographs([path])[0].shape == (3, 4, 4)
