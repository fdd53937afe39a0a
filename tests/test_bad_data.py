"""Photographs that are none: each stops a run with its path and what to do, or is listed; nothing is run or left out
in silence."""

import gzip
import io
import json
import os
import pickle
import re
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib import data, runs
from paperlib.cli import main
from paperlib.data import sets
from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import batches
from paperlib.training.run import run

from .conftest import photograph_folder, tiny_data
from .test_run import quiet

FORMATS = ("jpg", "png", "gif", "bmp", "webp", "tiff", "ppm")


def encoded(kind: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, {"jpg": "jpeg"}.get(kind, kind))
    return file.getvalue()


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def hostile(folder: Path, marker: Path) -> list[Path]:
    """Makes the files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    for kind in FORMATS:
        whole = encoded(kind)
        for percent in (10, 50, 90):
            files[f"cut at {percent}%.{kind}"] = whole[: len(whole) * percent // 100]
        files[f"first bytes.{kind}"] = whole[:8]
        files[f"no head.{kind}"] = bytes(32) + whole[32:]
        files[f"empty.{kind}"] = b""
    text = "not a picture\n" * 20
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", text)
    array = io.BytesIO()
    np.save(array, np.zeros(9))
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    others = {
        "text": text.encode(), "utf-16": text.encode("utf-16"), "html": b"<!doctype html><h1>404</h1>",
        "json": b'{"image": null}', "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "pdf": b"%PDF-1.7" + bytes(99),
        "zip": zipped.getvalue(), "gzip": gzip.compress(text.encode()), "pickle": pickle.dumps(Trap(marker)),
        "npy": array.getvalue(), "elf": b"\x7fELF\x02\x01\x01" + bytes(99), "mp4": b"\0\0\0\x18ftypmp42" + bytes(99),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
        "script": b"#!/bin/sh\nexit 1\n", "zeros": bytes(4096), "ones": b"\xff" * 4096, "line end": b"\n",
        "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "random": np.random.default_rng(1).bytes(4096),
    }  # fmt: skip
    files |= {f"{name}.jpg": content for name, content in others.items()}
    for name in ("Thumbs.db", "notes.txt", "labels.csv", "model.pt", "weights.pkl", "list.xml", "LICENSE"):
        files[name] = others["pickle"] if name[-2:] in ("pt", "kl") else text.encode()
    signature = b"\x89PNG\r\n\x1a\n"
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    files["bomb.png"] = signature + chunk(b"IHDR", size) + pixels  # 3.6 gigapixels in a hundred bytes
    text_bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000)))
    small = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    files["text bomb.png"] = signature + chunk(b"IHDR", small) + text_bomb + pixels
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 200, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    files["bomb.bmp"] = head + bytes(146)
    files["strip.png"] = b""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    Image.new("RGB", (4000, 3)).save(folder / "strip.png")
    Image.new("1", (10_000, 9_000)).save(folder / "small bomb.png")  # of which PIL only warns
    made = [folder / name for name in (*files, "small bomb.png")]
    (folder / "folder.jpg").mkdir()
    made.append(folder / "folder.jpg")
    if sys.platform == "linux":
        (folder / "dangling.jpg").symlink_to(folder / "nowhere")
        (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
        os.mkfifo(folder / "pipe.jpg")
        made += [folder / "dangling.jpg", folder / "loop.jpg", folder / "pipe.jpg"]
        if os.getuid() != 0:
            (folder / "forbidden.jpg").write_bytes(encoded("jpg"))
            (folder / "forbidden.jpg").chmod(0)
            made.append(folder / "forbidden.jpg")
    return made


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_each_of_sixty_hostile_files_is_refused_by_name(tmp_path: Path) -> None:
    made = hostile(tmp_path / "bad", tmp_path / "executed")
    assert len(made) >= 60
    for path in made:
        with pytest.raises(PaperlibError, match=f"{re.escape(str(path))} is .* remove it") as refused:
            data.read_photograph(path)
        assert "Ghostscript" not in str(refused.value)
    assert not (tmp_path / "executed").exists()


@pytest.fixture
def bad_recipe(tiny_recipe: Recipe, tmp_path: Path) -> Recipe:
    """On 32 good photographs to train, 8 to validate, and the hostile ones among the first and second."""
    place = photograph_folder(tmp_path / "flowers", train=8, val=2, test=1)
    hostile(place / "train" / "red", tmp_path / "executed")
    (place / "val" / "blue" / "cut.jpg").write_bytes(encoded("jpg")[:500])
    (place / "val" / "blue" / ".DS_Store").write_bytes(b"hidden")
    values = {"data": f"folder:{place}", "epochs": 2}
    return Recipe(**{**vars(tiny_recipe), **values})


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("workers", [None, 2])
def test_a_run_stops_at_the_first(
    bad_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None
) -> None:
    """From memory and from worker processes: one line, with the path and what to do."""
    if workers:
        monkeypatch.setattr(batches, "MEMORY", 1.0)
    with pytest.raises(PaperlibError) as stop:
        run(bad_recipe, tmp_path / "run", Machine(workers=workers), log=quiet)
    assert str(stop.value).startswith(str(tmp_path / "flowers" / "train" / "red"))
    assert "remove" in str(stop.value)
    assert "Traceback" not in str(stop.value)


def test_a_message_is_never_cut() -> None:
    message = "a.txt holds the line 'PaperlibError: no such file'\n"
    assert str(PaperlibError(message)) == message


def test_skip_bad_counts_and_lists_them(bad_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, float]] = []
    original = batches.TrainViews.__getitems__

    def spy(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch | PaperlibError:
        seen.extend((i, weight) for epoch, i, weight in keys if epoch == 0)
        return original(self, keys)

    monkeypatch.setattr(batches.TrainViews, "__getitems__", spy)
    lines: list[str] = []
    folder = run(bad_recipe, tmp_path / "run", Machine(skip_bad=True), log=lines.append)
    listed = json.loads((folder / "bad_files.json").read_text())
    many = len(os.listdir(tmp_path / "flowers" / "train" / "red")) - 8
    assert (len(listed["train"]), len(listed["val"])) == (many, 1)
    assert lines[0].startswith(f"{many} photographs of train cannot be read and are left out\n  {tmp_path}")
    assert all(wrong in lines[0] for wrong in listed["train"].values())
    assert lines[1].startswith("1 photographs of val cannot be read")
    assert len({i for i, _ in seen}) == len(seen) == 32
    assert not {i for i, _ in seen} & {int(i) for i in listed["train"]}
    assert runs.finished(folder)
    assert not (tmp_path / "executed").exists()


def test_errors_are_counted_without_what_the_run_left_out(
    bad_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(bad_recipe, tmp_path / "run", Machine(skip_bad=True), log=quiet)
    for split, count in (("train", 32), ("val", 8)):
        assert main(["evaluate", str(folder), "--split", split]) == 0
        assert f"({count} images" in capsys.readouterr().out


def test_a_run_that_stopped_at_a_bad_file_goes_on_with_skip_bad(bad_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(PaperlibError):
        run(bad_recipe, tmp_path / "run", log=quiet)
    run(bad_recipe, tmp_path / "run", Machine(skip_bad=True), log=quiet)
    lines: list[str] = []
    (tmp_path / "run" / "weights.safetensors").unlink()
    run(bad_recipe, tmp_path / "run", log=lines.append)  # the list in the folder holds, said anew or not
    assert "are left out" in lines[0]


def test_folders_are_explicit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    place = photograph_folder(tmp_path / "flowers", train=10, test=2)
    found = data.load("folder:flowers")
    assert found.classes == ("blue", "green", "red", "yellow")
    assert [len(s) for s in (found.train, found.val, found.test)] == [36, 4, 8]
    assert found.val.labels.bincount().tolist() == [1] * 4
    assert found.test.images[0].shape == (3, 40, 40)
    photograph_folder(place, val=1)
    assert [len(s) for s in (data.load("folder:flowers").train, data.load(f"folder:{place}").val)] == [40, 4]
    (place / "imagenet").symlink_to(place)
    monkeypatch.setenv("PAPERLIB_DATA", str(place))
    assert [len(s) for s in (data.load("imagenet").train, data.load("imagenet").test)] == [40, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda place: (place / "test").rename(place / "tests"), r"there is no folder .*test with a folder .* class"),
        (lambda place: (place / "test" / "red").rename(place / "test" / "rot"), r"other classes; .* has red, rot"),
        (lambda place: (place / "train" / "README.md").touch(), r"README.md is not the folder of a class; remove it"),
        (lambda place: [f.unlink() for f in (place / "test" / "red").iterdir()], r"test.red holds no photographs"),
    ],
)
def test_a_folder_that_is_not_laid_out_so_is_refused(tmp_path: Path, change, message: str) -> None:
    place = photograph_folder(tmp_path / "flowers", train=2, test=1)
    change(place)
    with pytest.raises(PaperlibError, match=message):
        data.load(f"folder:{place}")


def test_paths_take_one_block_of_memory() -> None:
    """A million strings would be copied to every worker process, page by page."""
    images = data.Photographs([f"/photographs/class/{i:07}.jpg" for i in range(1000)])
    assert images.paths.nbytes == 1000 * len("/photographs/class/0000000.jpg")


def test_imagenet_without_its_archives_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "scipy", None)
        assert main(["data", "imagenet"]) == 2
        assert "pip install scipy" in capsys.readouterr().err
    pytest.importorskip("scipy")
    assert main(["data", "imagenet"]) == 2
    assert "ILSVRC2012_devkit_t12.tar.gz is not present" in capsys.readouterr().err


def test_an_imagenet_that_was_not_unpacked_to_the_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    place = photograph_folder(tmp_path / "imagenet", train=5, val=1)
    torch.save(({name: (name,) for name in tiny_data(False).classes}, []), place / "meta.bin")  # from the devkit
    monkeypatch.setattr(sets, "IMAGENET", {"train": 20, "val": 4})
    assert main(["data", "imagenet"]) == 0
    assert "4 classes, 20 train, 0 val, 4 test images" in capsys.readouterr().out  # 4% of 5 are none
    (place / "train" / "red" / "000.png").unlink()
    assert main(["data", "imagenet"]) == 2
    assert "train holds 19 images, not 20; remove it and run: paperlib data imagenet" in capsys.readouterr().err


def test_a_pickle_offered_as_a_state_is_not_run(tiny_recipe: Recipe, tiny_run: Path) -> None:
    (tiny_run / "weights.safetensors").unlink()
    for path in runs.states(tiny_run):
        torch.save({"model": Trap(tiny_run / "executed")}, path)
    with pytest.raises(PaperlibError, match="no state in"):
        run(tiny_recipe, tiny_run, log=quiet)
    assert not (tiny_run / "executed").exists()


def test_a_state_of_another_net_is_refused(tiny_recipe: Recipe, tiny_run: Path) -> None:
    (tiny_run / "weights.safetensors").unlink()
    path = tiny_run / "recipe.json"
    content = json.loads(path.read_text())
    content["recipe"]["options"]["width"] = 0.125
    path.write_text(json.dumps(content))
    recipe = runs.load_recipe(tiny_run)[0]
    with pytest.raises(PaperlibError, match=r"(?s)is the state of another network .*size mismatch"):
        run(recipe, tiny_run, log=quiet)


def test_a_run_on_other_classes_is_refused_with_the_difference(
    tiny_recipe: Recipe, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tiny_run / "weights.safetensors").unlink()
    whole = data.DATASETS["tiny"](False)
    fewer = data.Data(("red", "green", "yellow"), whole.train, whole.val, whole.test)
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: fewer)
    with pytest.raises(PaperlibError, match=r"4 there, 3 here; the first that differs: 'blue' -> 'yellow'"):
        run(tiny_recipe, tiny_run, log=quiet)
