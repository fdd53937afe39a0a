"""Two writers, other people's files, flipped bytes, hand-edited records: each is refused in words or mended."""

import contextlib
import copy
import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from paperlib import runs
from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.tensors import load_tensors, save_tensors
from paperlib.training import batches, epoch
from paperlib.training.folder import begin, check_folder
from paperlib.training.lock import only_writer
from paperlib.training.run import run
from paperlib.training.state import read_state

from .conftest import photograph_folder, tiny_data
from .test_run import quiet, same_weights


class Stopped(Exception):
    pass


def stop_after_an_epoch(line: str) -> None:
    if line.startswith("epoch 1/"):
        raise Stopped


def unfinished(recipe: Recipe, folder: Path, machine: Machine = Machine(save_minutes=0.0)) -> Path:
    """A run that stopped as soon as it could: it has a state."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise Stopped

    with contextlib.suppress(Stopped):
        run(recipe, folder, machine, log=stop)
    assert len(runs.states(folder)) > 0
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Two writers


def test_a_folder_that_another_process_writes_is_refused_and_the_writer_is_named(
    tiny_recipe: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with only_writer(folder):
        before = content(folder)
        with pytest.raises(PaperlibError, match=rf"is being written by process {os.getpid()} on .* since 20..-"):
            run(tiny_recipe, folder, log=quiet)
        assert content(folder) == before
    run(tiny_recipe, folder, log=quiet)
    assert runs.finished(folder)


def test_a_run_that_fails_releases_the_folder(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tiny_recipe, tmp_path / "run", log=stop_after_an_epoch)
    assert not (tmp_path / "run" / ".writer").exists()
    run(tiny_recipe, tmp_path / "run", log=quiet)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_releases_the_folder(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = os.fork()
    if child == 0:
        with only_writer(folder):
            time.sleep(600)
        os._exit(1)
    try:
        while not (folder / ".writer").exists() or not (folder / ".writer").read_text():
            time.sleep(0.01)
        with pytest.raises(PaperlibError, match=f"is being written by process {child} "):
            run(tiny_recipe, folder, log=quiet)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    run(tiny_recipe, folder, log=quiet)
    assert runs.finished(folder)


def test_another_recipe_is_refused_before_its_first_state(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    begin(folder, "tiny", tiny_recipe, tiny_data(False), {})
    before = content(folder)
    with pytest.raises(PaperlibError, match=r"another recipe \(seed: 0 -> 1\)"):
        run(dataclasses.replace(tiny_recipe, seed=1), folder, log=quiet)
    assert content(folder) == before
    run(tiny_recipe, folder, log=quiet)
    assert runs.finished(folder)


# Other people's files


@pytest.mark.parametrize(
    "files",
    [
        {"recipe.json": '{"flour": "500 g"}', "metrics.csv": "day,km\n1,5\n", "bad_files.json": "[]"},
        {"recipe.json": "not JSON"},
        {"notes.txt": "mine"},
        {".git": "gitdir: elsewhere"},
        {"weights.safetensors": "mine"},
        {"state-000000001.safetensors": "mine"},
    ],
)
def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(
    tiny_recipe: Recipe, tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = content(tmp_path)
    with pytest.raises(PaperlibError, match=r"choose another --out|in another folder|is not a run folder"):
        run(tiny_recipe, tmp_path, log=quiet)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["evaluation.json", "metrics.csv", "state-000000004.broken"])
def test_a_run_without_its_states_does_not_go_on(
    tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path, name: str
) -> None:
    """As a copied record: its files would end beside another model's weights."""
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copy(tiny_run / "recipe.json", folder)
    shutil.copy(tiny_run / "metrics.csv", folder / name)
    before = content(folder)
    with pytest.raises(PaperlibError, match="holds a run without its states"):
        run(tiny_recipe, folder, log=quiet)
    assert content(folder) == before


def test_states_without_a_recipe_are_not_adopted(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = unfinished(tiny_recipe, tmp_path / "run")
    (folder / "recipe.json").unlink()
    before = content(folder)
    with pytest.raises(PaperlibError, match="is not empty and holds no run"):
        run(dataclasses.replace(tiny_recipe, seed=1), folder, log=quiet)
    assert content(folder) == before


def test_a_run_begins_anew_where_it_was_killed_before_its_first_state(tiny_recipe: Recipe, tiny_run: Path) -> None:
    """Even after the first row of metrics.csv, which is written before the state."""
    (tiny_run / "weights.safetensors").unlink()
    for path in runs.states(tiny_run):
        path.unlink()
    rows = (tiny_run / "metrics.csv").read_text().splitlines()
    (tiny_run / "metrics.csv").write_text("\n".join(rows[:2]) + "\n")
    check_folder(tiny_run, tiny_recipe)
    run(tiny_recipe, tiny_run, log=quiet)
    assert len(runs.load_metrics(tiny_run)) == 3


@pytest.mark.skipif(os.name != "posix", reason="a name too long for a file is another error elsewhere")
@pytest.mark.parametrize("name", ["x" * 300, "file/run"])
def test_a_folder_that_cannot_be_is_named(tiny_recipe: Recipe, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PaperlibError, match=r"cannot (use|make) the run folder"):
        run(tiny_recipe, tmp_path / name, log=quiet)


@pytest.mark.skipif(sys.platform != "linux", reason="full by /dev/full's rules")
def test_a_folder_that_cannot_be_written_is_named(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that is read-only; root, who runs tests in containers, may write everywhere else."""

    def refuse(self: Path, *args: Any, **options: Any) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(PaperlibError, match=r"cannot write in the run folder .*Read-only file system"):
        run(tiny_recipe, tmp_path / "run", log=quiet)


# Flipped bytes, torn files, numbers that are none


def test_a_flipped_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.randn(40), "b": torch.arange(12).reshape(3, 4), "c": torch.tensor(True)}
    save_tensors(path, tensors, {"numbers": '{"epoch": 3}'})
    whole, loaded = path.read_bytes(), load_tensors(path)
    assert loaded[1] == {"numbers": '{"epoch": 3}'}
    assert all(torch.equal(loaded[0][name], tensors[name]) for name in tensors)
    silent = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = load_tensors(path)
        except PaperlibError:
            continue
        same = found[1] == loaded[1] and all(torch.equal(found[0][name], tensors[name]) for name in tensors)
        if not same:
            silent.append(place)
    assert silent == []


def test_a_file_of_another_program_has_no_checksum_and_is_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert torch.equal(load_tensors(tmp_path / "x.safetensors")[0]["a"], torch.ones(2))


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_broken_weights_are_refused_and_written_again_from_the_state(
    tiny_recipe: Recipe, tiny_run: Path, damage: str
) -> None:
    path = tiny_run / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] if damage == "cut" else whole[:-100] + bytes([whole[-100] ^ 4]) + whole[-99:])
    with pytest.raises(PaperlibError, match=r"weights\.safetensors is broken"):
        runs.load_model(tiny_run)
    lines: list[str] = []
    run(tiny_recipe, tiny_run, log=lines.append)
    assert "is written again from the last state" in lines[0]
    assert path.read_bytes() == whole


def test_weights_that_are_no_numbers_are_refused(tiny_run: Path) -> None:
    path = tiny_run / "weights.safetensors"
    save_file({name: t * float("nan") if t.is_floating_point() else t for name, t in load_file(path).items()}, path)
    with pytest.raises(PaperlibError, match=r"weights\.safetensors is broken: it holds infinite numbers or nan"):
        runs.load_model(tiny_run)


@pytest.mark.parametrize("damage", ["flipped", "nan"])
def test_a_damaged_state_is_set_aside(
    tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(epoch, "CHECK_EVERY", 1)
    folder = unfinished(tiny_recipe, tmp_path / "run")
    newest = runs.states(folder)[0]
    whole = newest.read_bytes()
    if damage == "flipped":
        newest.write_bytes(whole[:-100] + bytes([whole[-100] ^ 4]) + whole[-99:])
    else:  # a state of an earlier version, without a checksum
        tensors, metadata = load_tensors(newest)
        save_file({n: t * float("nan") if t.is_floating_point() else t for n, t in tensors.items()}, newest, metadata)
    lines: list[str] = []
    run(tiny_recipe, folder, log=lines.append)
    assert lines[0].startswith(f"{newest} cannot be read: it is set aside")
    assert same_weights(folder, tiny_run)


def test_broken_metrics_are_mended_from_the_state(tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path) -> None:
    folder = unfinished(tiny_recipe, tmp_path / "run")
    (folder / "metrics.csv").write_bytes(b"\xff\xfe garbage")
    run(tiny_recipe, folder, log=quiet)
    rows = [[row | {"seconds": 0} for row in runs.load_metrics(f)] for f in (folder, tiny_run)]
    assert rows[0] == rows[1]


# What is read from a run folder is validated


def test_metrics_are_read_with_a_byte_order_mark(tiny_run: Path) -> None:
    path = tiny_run / "metrics.csv"
    rows = runs.load_metrics(tiny_run)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert runs.load_metrics(tiny_run) == rows


@pytest.mark.parametrize(
    "text",
    ["epoch,lr\n1,0.1\n3,0.1\n", "epoch,lr\n1\n", "epoch,lr\n1,0.1,5\n", "epoch,lr\ninf,1\n", "epoch,lr\n1,nan\n"],
)
def test_metrics_that_are_none_are_named(tiny_run: Path, text: str) -> None:
    (tiny_run / "metrics.csv").write_text(text)
    with pytest.raises(PaperlibError, match=r"metrics\.csv is broken"):
        runs.load_metrics(tiny_run)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sides", [32]), ("options", None), ("data", 5), ("mean", [1, 2]), ("epochs", True), ("lr", "fast"),
        ("milestones", "ab"), ("crop_side", [1]), ("seed", 1e400), ("std", [[1], 2, 3]), ("schedule", "cosine"),
    ],
)  # fmt: skip
def test_a_recipe_edited_by_hand_is_named(tiny_run: Path, field: str, value: Any) -> None:
    record = json.loads((tiny_run / "recipe.json").read_text())
    record["recipe"][field] = value
    (tiny_run / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(PaperlibError, match=r"recipe\.json is broken"):
        runs.load_recipe(tiny_run)


@pytest.mark.parametrize(
    "text", ['{"test": {}}', '{"val": {"-1": "x"}}', '{"train": {"1": 5}}', '{"train": []}', "[[["]
)
def test_a_list_of_unreadable_photographs_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad_files.json").write_text(text)
    with pytest.raises(PaperlibError, match=r"bad_files\.json is broken"):
        runs.load_unreadable(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, v in inner for place in places(v, (*way, key)))]


def with_another(value: Any, way: tuple[Any, ...], other: Any) -> Any:
    """A copy of the JSON value with another one at a place."""
    if not way:
        return other
    changed = copy.deepcopy(value)
    place = changed
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = other
    return changed


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unfinished run, made once: each test copies what it breaks."""
    from paperlib import data

    from .conftest import TINY

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.DATASETS, "tiny", tiny_data)
        return unfinished(TINY, tmp_path_factory.mktemp("record") / "run")


@FUZZ
@given(draw=st.data())
def test_whatever_stands_in_recipe_json_is_read_or_named(record: Path, tmp_path: Path, draw: st.DataObject) -> None:
    whole = json.loads((record / "recipe.json").read_text())
    changed = with_another(whole, draw.draw(st.sampled_from(places(whole))), draw.draw(JSON))
    (tmp_path / "recipe.json").write_text(json.dumps(changed))
    with contextlib.suppress(PaperlibError):
        recipe, classes = runs.load_recipe(tmp_path)
        assert dataclasses.replace(recipe) == recipe
        assert all(isinstance(name, str) for name in classes)


@FUZZ
@given(text=st.binary(max_size=60) | st.text(alphabet="epoch,lr\n123.naif\"'\0", max_size=60).map(str.encode))
def test_whatever_stands_in_metrics_and_bad_files_is_read_or_named(tmp_path: Path, text: bytes) -> None:
    for name, load in (
        ("metrics.csv", runs.load_metrics),
        ("bad_files.json", runs.load_unreadable),
        ("recipe.json", runs.load_recipe),
    ):
        (tmp_path / name).write_bytes(text)
        with contextlib.suppress(PaperlibError):
            load(tmp_path)


@FUZZ
@given(changed=JSON | st.dictionaries(st.sampled_from(["train", "val"]), st.dictionaries(st.text(max_size=3), JSON)))
def test_whatever_bad_files_json_says_is_read_or_named(tmp_path: Path, changed: Any) -> None:
    (tmp_path / "bad_files.json").write_text(json.dumps(changed))
    with contextlib.suppress(PaperlibError):
        for photographs in (runs.load_unreadable(tmp_path) or {}).values():
            assert all(index >= 0 and isinstance(why, str) for index, why in photographs.items())


@FUZZ
@given(draw=st.data())
def test_whatever_numbers_a_state_holds_it_is_read_or_named(record: Path, tmp_path: Path, draw: st.DataObject) -> None:
    tensors, metadata = load_tensors(runs.states(record)[0])
    whole = json.loads(metadata["numbers"])
    changed = with_another(whole, draw.draw(st.sampled_from(places(whole))), draw.draw(JSON))
    path = tmp_path / "state-000000001.safetensors"
    save_tensors(path, {"random": tensors["random"]}, {"numbers": json.dumps(changed)})
    with contextlib.suppress(PaperlibError):
        _, numbers = read_state(path)
        assert all(value >= 0 for value in numbers["progress"].values())


@pytest.mark.parametrize("name", ["random", "numbers", "momentum"])
def test_a_state_without_one_of_its_parts_is_named(
    tiny_recipe: Recipe, record: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(record, folder)
    for path in runs.states(folder):
        tensors, metadata = load_tensors(path)
        if name == "momentum":
            tensors["optimizer.0.momentum_buffer"] = torch.ones(3)
        else:
            (tensors if name in tensors else metadata).pop(name)
        save_tensors(path, tensors, metadata)
    with pytest.raises(PaperlibError, match=r"no state in .* can be read|is the state of another network"):
        run(tiny_recipe, folder, log=quiet)


# Smaller


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of POSIX")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_saves_and_stops_unless_it_is_to_be_outlived(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignored: bool
) -> None:
    """SIGHUP as SIGTERM; under nohup, which ignores it, the run goes on."""
    monkeypatch.setattr(epoch, "CHECK_EVERY", 1)
    original, calls = batches.TrainViews.__getitems__, iter(range(100))

    def hang_up(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch:
        if next(calls) == 5:
            os.kill(os.getpid(), signal.SIGHUP)
        return original(self, keys)

    monkeypatch.setattr(batches.TrainViews, "__getitems__", hang_up)
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        if ignored:
            run(tiny_recipe, tmp_path / "run", log=quiet)
            assert runs.finished(tmp_path / "run")
        else:
            with pytest.raises(SystemExit) as stop:
                run(tiny_recipe, tmp_path / "run", log=quiet)
            assert stop.value.code == 129
            assert runs.states(tmp_path / "run")[0].name == "state-000000006.safetensors"
    finally:
        signal.signal(signal.SIGHUP, usual)


def test_a_tilde_is_the_home_folder(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(dataclasses.replace(tiny_recipe, epochs=1), Path("~/run"), log=quiet) == tmp_path / "run"
    assert runs.find("~/run") == tmp_path / "run"
    assert not (tmp_path / "~").exists()


def test_a_class_without_a_readable_photograph_is_named(tiny_recipe: Recipe, tmp_path: Path) -> None:
    place = photograph_folder(tmp_path / "flowers", train=4, val=2, test=2)
    for path in (place / "train" / "green").iterdir():
        path.write_bytes(b"no photograph")
    lines: list[str] = []
    recipe = dataclasses.replace(tiny_recipe, data=f"folder:{place}", epochs=1)
    run(recipe, tmp_path / "run", Machine(skip_bad=True), log=lines.append)
    assert "no training image is left of green: a class that the model cannot learn" in lines


def test_a_photograph_that_was_renamed_since_the_run_stopped_is_noticed(tiny_recipe: Recipe, tmp_path: Path) -> None:
    place = photograph_folder(tmp_path / "flowers", train=8, test=2)
    recipe = dataclasses.replace(tiny_recipe, data=f"folder:{place}")
    folder = unfinished(recipe, tmp_path / "run")
    red = sorted((place / "train" / "red").iterdir())
    red[0].rename(red[0].with_name("zzz.png"))
    with pytest.raises(PaperlibError, match=r"holds a run on other files: some of .* were renamed"):
        run(recipe, folder, log=quiet)
    red[0].with_name("zzz.png").rename(red[0])
    place.rename(tmp_path / "moved")
    (tmp_path / "flowers").symlink_to(tmp_path / "moved")
    run(recipe, folder, log=quiet)
    assert runs.finished(folder)
