"""Run folders: atomic writing, no pickles, clear words about broken files."""

import json
import os
import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch.torch_version import TorchVersion

from paperlib import files, runs
from paperlib.errors import PaperlibError
from paperlib.pretrained import load_pretrained
from paperlib.recipes.recipe import Recipe
from paperlib.training.folder import begin, save_metrics, save_weights
from paperlib.training.run import run

from .conftest import tiny_data


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PaperlibError, match="disk full"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path, tiny_recipe: Recipe
) -> None:
    """Two writers have a file each: what one writes the other does not rename."""
    dead, living = tmp_path / ".partial-99999999", tmp_path / f".partial-{os.getppid()}"
    dead.write_bytes(b"half")
    living.write_bytes(b"of the other")
    begin(tmp_path, "tiny", tiny_recipe, tiny_data(False), {})
    assert (dead.exists(), living.read_bytes()) == (False, b"of the other")


def test_a_new_file_is_whole_on_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is renamed, in one step, the name stands for the old file; only what is flushed is renamed."""
    path = tmp_path / "file"
    files.write(path, b"old")
    done: list[tuple[str, bytes]] = []
    replace, fsync = os.replace, os.fsync

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("fsync", path.read_bytes()))

    def watched_replace(source: Path, target: Path) -> None:
        assert (Path(source).read_bytes(), path.read_bytes()) == (b"new", b"old")
        assert str(os.getpid()) in Path(source).name  # of this writer alone
        replace(source, target)
        done.append(("replace", path.read_bytes()))

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    files.write(path, b"new")
    folder = [("fsync", b"new")] if os.name == "posix" else []
    assert done == [("fsync", b"old"), ("replace", b"new"), *folder]


def test_metrics_are_written_as_they_were_read(tmp_path: Path) -> None:
    save_metrics(tmp_path, [{"epoch": 1, "lr": 0.1, "val_top1_error": 12.5}])
    before = (tmp_path / "metrics.csv").read_bytes()
    save_metrics(tmp_path, runs.load_metrics(tmp_path))
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(PaperlibError, match=r"is not a run folder: it has no recipe\.json"):
        runs.load_recipe(tmp_path)


def test_an_unfinished_run_says_how_to_go_on(tiny_run: Path) -> None:
    (tiny_run / "weights.safetensors").unlink()
    with pytest.raises(PaperlibError, match="holds no weights of a finished run; run its training command"):
        runs.load_model(tiny_run)


def test_a_loaded_net_is_ready_to_be_evaluated(tiny_run: Path) -> None:
    assert not any(module.training for module in runs.load_model(tiny_run).modules())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", r"recipe\.json is broken"),
        ('{"recipe": {"flavour": 1}, "classes": []}', "is of another version of paperlib .*flavour"),
    ],
)
def test_a_recipe_that_is_none_is_named(tiny_run: Path, content: str, message: str) -> None:
    (tiny_run / "recipe.json").write_text(content)
    with pytest.raises(PaperlibError, match=message):
        runs.load_recipe(tiny_run)


def test_weights_without_a_recipe_are_no_run(tiny_run: Path, tiny_recipe: Recipe) -> None:
    (tiny_run / "recipe.json").unlink()
    with pytest.raises(PaperlibError, match=r"is not a run folder: it has no recipe\.json"):
        run(tiny_recipe, tiny_run, log=lambda line: None)
    assert not (tiny_run / "recipe.json").exists()


@pytest.mark.parametrize("name", ["recipe.json", "weights.safetensors"])
def test_a_broken_file_is_named(tiny_run: Path, name: str) -> None:
    path = tiny_run / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(PaperlibError, match=f"{name} is broken"):
        runs.load_model(tiny_run)


def test_weights_of_another_net_are_refused(tiny_run: Path) -> None:
    path = tiny_run / "recipe.json"
    content = json.loads(path.read_text())
    content["recipe"]["model"] = "vgg13"
    path.write_text(json.dumps(content))
    with pytest.raises(PaperlibError, match="the weights are of another model than vgg13"):
        runs.load_model(tiny_run)


def test_a_pickle_is_not_run(tiny_run: Path) -> None:
    marker = tiny_run / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    (tiny_run / "weights.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(PaperlibError, match="is broken"):
        runs.load_model(tiny_run)
    assert not marker.exists()


def test_float16_weights_load_as_float32(tiny_run: Path) -> None:
    model = runs.load_model(tiny_run)
    whole = (tiny_run / "weights.safetensors").stat().st_size
    save_weights(tiny_run, model, torch.float16)
    assert (tiny_run / "weights.safetensors").stat().st_size < 0.6 * whole
    rounded = runs.load_model(tiny_run)
    for a, b in zip(model.parameters(), rounded.parameters(), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "suffix"), [("vgg16", ".safetensors"), ("resnet50", ".safetensors"), ("densenet121", ".pth")]
)
def test_torchvisions_weights_are_read_from_a_file(name: str, suffix: str, tmp_path: Path) -> None:
    theirs = torchvision.models.get_model(name, weights=None).eval()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":  # in the older of torch's two formats, as some of the published files
        torch.save(theirs.state_dict(), file, _use_new_zipfile_serialization=False)
    else:
        save_file(theirs.state_dict(), file)
    ours = load_pretrained(name, file)
    file.unlink()  # VGG's is half a gigabyte
    assert not ours.training
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


class Payload:
    """What a pickle can do to the one who opens it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["PAYLOAD"],)


def test_a_file_of_other_weights_is_named_and_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYLOAD", str(tmp_path / "made by the pickle"))
    torch.save(Payload(), tmp_path / "evil.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    (tmp_path / "text.safetensors").write_text("not weights")
    for name in ("evil.pth", "other.pth", "text.safetensors", "nowhere.pth"):
        with pytest.raises(PaperlibError, match=rf"{name} does not hold torchvision's weights of resnet18 \(.+\)"):
            load_pretrained("resnet18", tmp_path / name)
    assert not (tmp_path / "made by the pickle").exists()
    torch.load(tmp_path / "evil.pth", weights_only=False)  # the payload was a live one
    assert (tmp_path / "made by the pickle").exists()


def test_a_pth_file_is_not_opened_where_pytorch_lets_it_run_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-32434 up to 2.5, CVE-2026-24747 up to 2.9."""
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(PaperlibError, match=r"weights\.pth is not read: .* take PyTorch 2\.10"):
        load_pretrained("resnet18", tmp_path / "weights.pth")


def test_without_a_connection_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    with pytest.raises(PaperlibError, match=r"the weights of vgg11 .*no route.*load_pretrained\('vgg11', FILE\)"):
        load_pretrained("vgg11")
    with pytest.raises(PaperlibError, match="model with published weights 'vgg16_1x1'; did you mean vgg16"):
        load_pretrained("vgg16_1x1")
