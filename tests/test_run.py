"""A run: resumed equals uninterrupted, a run is complete once, nothing is half-written."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from paperlib import data, runs
from paperlib.errors import PaperlibError
from paperlib.evaluate import evaluate, one_view
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import batches, epoch, schedule, signals
from paperlib.training.batches import cores
from paperlib.training.folder import begin, save_metrics, save_unreadable
from paperlib.training.run import run
from paperlib.training.setup import slow_bf16, training_batches
from paperlib.training.state import read_state
from paperlib.transforms import TestView

from .conftest import tiny_data


def quiet(line: str) -> None:
    pass


def test_the_net_learns(tiny_recipe: Recipe, tmp_path: Path) -> None:
    options = {"width": 0.125, "image_size": 32, "hidden": 64, "dropout": 0.0, "batch_norm": True}
    recipe = dataclasses.replace(tiny_recipe, epochs=12, lr=0.01, options=options)
    folder = run(recipe, tmp_path / "run", log=quiet)
    test = tiny_data(False).test
    predict = one_view(runs.load_model(folder), TestView(36, 32, recipe.mean, recipe.std))
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
    assert not runs.finished(tmp_path / "parts")
    assert len(runs.load_metrics(tmp_path / "parts")) == stop_after
    parts = run(recipe, tmp_path / "parts", log=quiet)

    ours, theirs = (runs.load_model(f).state_dict() for f in (whole, parts))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in runs.load_metrics(f)] for f in (whole, parts)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def same_weights(a: Path, b: Path) -> bool:
    ours, theirs = (runs.load_model(folder).state_dict() for folder in (a, b))
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


ALWAYS = Machine(save_minutes=0.0)  # at every check


@pytest.fixture
def check_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch, "CHECK_EVERY", 1)


@pytest.mark.usefixtures("check_always")
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_the_run_goes_on_to_the_same_weights(
    tiny_recipe: Recipe, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, kind: signal.Signals
) -> None:
    """In the middle of the second epoch, dropout and all; the metrics of that epoch count all its images."""
    original, calls = batches.TrainViews.__getitems__, iter(range(100))

    def stopped(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch:
        if next(calls) == 5:
            os.kill(os.getpid(), kind)
        return original(self, keys)

    folder, lines = tiny_run.parent / "stopped", []
    with monkeypatch.context() as patch:
        patch.setattr(batches.TrainViews, "__getitems__", stopped)
        with pytest.raises((KeyboardInterrupt, SystemExit)) as stop:
            run(tiny_recipe, folder, log=lines.append)
    assert stop.type is KeyboardInterrupt or stop.value.code == 143
    assert (stop.type is KeyboardInterrupt) == (kind == signal.SIGINT)
    assert lines[-1] == f"stopped by {kind.name} in epoch 2, step 2, and saved; the same command goes on"
    assert [path.name for path in runs.states(folder)] == [f"state-{n:09}.safetensors" for n in (6, 4)]
    run(tiny_recipe, folder, log=quiet)
    assert same_weights(folder, tiny_run)
    rows = [runs.load_metrics(f) for f in (folder, tiny_run)]
    assert [{**a, "seconds": 0} for a in rows[0]] == [{**b, "seconds": 0} for b in rows[1]]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.usefixtures("check_always")
def test_broken_states_are_set_aside_and_the_last_whole_one_goes_on(
    tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    for content in (b"", b"garbage", None):

        def stop(line: str) -> None:
            if line.startswith("epoch 2/"):
                raise RuntimeError("stopped")

        with contextlib.suppress(RuntimeError):
            run(tiny_recipe, folder, ALWAYS, log=stop)
        newest, before = runs.states(folder)
        newest.write_bytes(newest.read_bytes()[:-5] if content is None else content)
        lines: list[str] = []
        run(tiny_recipe, folder, log=lines.append)
        assert lines[0].startswith(f"{newest} cannot be read: it is set aside as .broken")
        assert newest.with_suffix(".broken").exists()
        assert before.name == "state-000000007.safetensors"
        assert same_weights(folder, tiny_run)
        shutil.rmtree(folder)


def test_where_no_state_can_be_read_nothing_is_begun_anew(tiny_recipe: Recipe, tiny_run: Path) -> None:
    (tiny_run / "weights.safetensors").unlink()
    for path in runs.states(tiny_run):
        path.write_bytes(b"")
    there = runs.states(tiny_run)
    for _ in range(2):
        with pytest.raises(PaperlibError, match=r"no state in .* can be read; remove the folder to begin anew"):
            run(tiny_recipe, tiny_run, log=quiet)
        assert runs.states(tiny_run) == there


def test_a_full_disk_leaves_the_last_state_whole(
    tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, folder = os.fsync, tmp_path / "full"

    def full(descriptor: int) -> None:
        if (folder / "metrics.csv").exists() and len((folder / "metrics.csv").read_text().splitlines()) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PaperlibError, match=r"cannot write .*No space left .*before is whole; make room there"):
            run(tiny_recipe, folder, log=quiet)
    assert [path.name for path in runs.states(folder)] == ["state-000000004.safetensors"]
    assert not list(folder.glob(".partial*"))
    run(tiny_recipe, folder, log=quiet)
    assert same_weights(folder, tiny_run)


def plain(tiny_recipe: Recipe, **values: object) -> Recipe:
    """Without what depends on the shares of a batch: batch norm and dropout."""
    options = tiny_recipe.options | {"batch_norm": False, "dropout": 0.0}
    return dataclasses.replace(tiny_recipe, options=options, **values)


def largest_difference(a: Path, b: Path) -> float:
    ours, theirs = (runs.load_model(folder).state_dict() for folder in (a, b))
    return max((ours[name] - theirs[name]).abs().max().item() for name in ours)


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_an_accumulated_gradient_is_that_of_the_large_batch(tiny_recipe: Recipe, tmp_path: Path, parts: int) -> None:
    """50 images in batches of 16, the last of 2: shares differ in size, and with 5 parts some have none."""
    recipe = plain(tiny_recipe, lr=0.1, clip=1.0)
    whole = run(recipe, tmp_path / "whole", log=quiet)
    shared = run(recipe, tmp_path / "shared", Machine(accumulate=parts), log=quiet)
    assert largest_difference(whole, shared) < 1e-12
    rows = [runs.load_metrics(folder) for folder in (whole, shared)]
    for a, b in zip(*rows, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-12)
        assert {k: v for k, v in a.items() if "error" in k} == {k: v for k, v in b.items() if "error" in k}


def test_photographs_from_worker_processes_are_those_from_memory(
    tiny_recipe: Recipe, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MEMORY", 1e-6)
    folder = run(tiny_recipe, tiny_run.parent / "streamed", Machine(workers=2), log=quiet)
    assert same_weights(folder, tiny_run)


def test_compiled_is_the_same_net(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced by torch.compile, which here leaves the arithmetic as it is: a compiler takes a minute."""
    compiled: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        compiled.append(graph.code)
        return graph.forward

    original = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net: original(net, backend=backend))
    recipe = plain(tiny_recipe, epochs=1)
    folder = run(recipe, tmp_path / "compiled", Machine(compile=True), log=quiet)
    assert any("conv2d" in code for code in compiled)
    assert largest_difference(run(recipe, tmp_path / "run", log=quiet), folder) < 1e-6


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
def test_what_needs_a_gpu_is_refused_without_one(tiny_recipe: Recipe, tmp_path: Path) -> None:
    for recipe, machine in (
        (dataclasses.replace(tiny_recipe, precision="fp16"), Machine()),
        (tiny_recipe, Machine(sync_batch_norm=True)),
    ):
        with pytest.raises(PaperlibError, match="need a GPU, and there is none here"):
            run(recipe, tmp_path / "run", machine, log=quiet)
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fp16_with_its_scaled_loss_resumes(tiny_recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(tiny_recipe, precision="fp16")
    folder = run(recipe, tmp_path / "run", log=quiet)
    _, numbers = read_state(runs.states(folder)[0])
    assert numbers["scaler"]["scale"] > 1


def test_a_processor_without_bf16_is_said(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False)
    run(dataclasses.replace(tiny_recipe, precision="bf16", epochs=1), tmp_path / "run", log=lines.append)
    assert "no bf16 arithmetic" in lines[0]
    assert "--precision fp32" in lines[0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert slow_bf16() == "this GPU has no bf16 arithmetic: PyTorch emulates it, slowly; take --precision fp16"


def test_tensorboard_missing_is_said(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(PaperlibError, match="pip install tensorboard"):
        run(tiny_recipe, tmp_path / "run", Machine(tensorboard=True), log=quiet)


def test_tensorboard_gets_the_metrics(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, float, int]] = []
    flushed: list[int] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert (folder, purge_step) == (str(tmp_path / "run"), 1)

        def add_scalar(self, key: str, value: float, step: int) -> None:
            written.append((key, value, step))

        def flush(self) -> None:
            flushed.append(len(written))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    folder = run(dataclasses.replace(tiny_recipe, epochs=2), tmp_path / "run", Machine(tensorboard=True), log=quiet)
    rows = runs.load_metrics(folder)
    assert [value for key, value, _ in written if key == "val_top1_error"] == [row["val_top1_error"] for row in rows]
    assert [step for key, _, step in written if key == "lr"] == [1, 2]
    assert flushed == [len(written) // 2, len(written)]  # after each epoch: what is not flushed is lost


def test_seeds_differ(tiny_recipe: Recipe, tiny_run: Path, tmp_path: Path) -> None:
    other = run(dataclasses.replace(tiny_recipe, seed=1), tmp_path / "other", log=quiet)
    a, b = (runs.load_model(f).state_dict()["features.conv1_1.weight"] for f in (tiny_run, other))
    assert not torch.equal(a, b)


def test_the_same_command_again_says_that_the_run_is_complete(tiny_recipe: Recipe, tiny_run: Path) -> None:
    before = {path: path.read_bytes() for path in tiny_run.iterdir()}
    lines: list[str] = []
    run(tiny_recipe, tiny_run, log=lines.append)
    assert lines == [f"{tiny_run}: the run is complete (3 epochs); now: paperlib evaluate {tiny_run}"]
    assert {path: path.read_bytes() for path in tiny_run.iterdir()} == before


def test_a_run_folder_explains_itself(tiny_run: Path) -> None:
    assert sorted(path.name for path in tiny_run.iterdir()) == [
        ".lock", "metrics.csv", "recipe.json", "state-000000008.safetensors", "state-000000012.safetensors",
        "weights.safetensors",
    ]  # fmt: skip
    content = json.loads((tiny_run / "recipe.json").read_text())
    assert content["name"] == "tiny"
    assert content["classes"] == ["red", "green", "blue", "yellow"]
    assert content["environment"]["torch"] == torch.__version__.split("+")[0]
    here = {"python", "machine", "system", "processor", "cores", "commit", "date", "paperlib", "torchvision"}
    assert content["environment"].keys() >= here
    rows = runs.load_metrics(tiny_run)
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
    original = batches.TrainViews.__getitems__

    def spy(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch:
        seen.setdefault(keys[0][0], []).extend(i for _, i, _ in keys)
        return original(self, keys)

    monkeypatch.setattr(batches.TrainViews, "__getitems__", spy)
    run(tiny_recipe, tmp_path / "run", log=quiet)
    assert sorted(seen) == [0, 1, 2]
    assert all(sorted(indices) == list(range(50)) for indices in seen.values())
    assert seen[0] != seen[1] != seen[2]


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
        weights.append(runs.load_model(run(recipe, tmp_path / name, log=quiet)).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_run_killed_between_its_two_writes_goes_on_from_the_state(tiny_recipe: Recipe, tmp_path: Path) -> None:
    """metrics.csv is one row ahead of the state: that epoch is run again, and has one row."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(tiny_recipe, folder, log=stop)
    rows = runs.load_metrics(folder)
    save_metrics(folder, [*rows, rows[0] | {"epoch": 2}])
    run(tiny_recipe, folder, log=quiet)
    assert [row["epoch"] for row in runs.load_metrics(folder)] == [1, 2, 3]


def test_a_folder_where_nothing_is_done_yet_is_taken_over(tiny_recipe: Recipe, tmp_path: Path) -> None:
    begin(tmp_path, "tiny", tiny_recipe, dataclasses.replace(tiny_data(False), classes=("a",) * 4), {})
    save_unreadable(tmp_path, {"train": {0: "of the other data"}})
    begin(tmp_path, "tiny", tiny_recipe, tiny_data(False), {})
    assert runs.load_unreadable(tmp_path) is None
    assert runs.load_recipe(tmp_path)[1] == tiny_data(False).classes


def test_missing_data_leave_no_folder(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "empty"))
    with pytest.raises(PaperlibError, match="cifar10"):
        run(dataclasses.replace(tiny_recipe, data="cifar10"), tmp_path / "run", log=quiet)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_epoch(tiny_recipe: Recipe, tmp_path: Path) -> None:
    options = tiny_recipe.options | {"batch_norm": False}
    recipe = dataclasses.replace(tiny_recipe, lr=1e20, schedule="plateau", options=options)
    with pytest.raises(
        PaperlibError, match=r"the loss became (nan|inf) in epoch 1 at lr 1e\+20, step \d of 4; .*state: none"
    ):
        run(recipe, tmp_path / "run", log=quiet)
    assert not runs.finished(tmp_path / "run")


def test_weights_that_are_no_numbers_are_not_saved(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of the second epoch breaks them: its losses were whole. The same command ends in the same words."""
    rate = schedule.Schedule.rate
    monkeypatch.setattr(schedule.Schedule, "rate", lambda s, at: float("inf") if at == 1.875 else rate(s, at))
    for _ in range(2):
        with pytest.raises(PaperlibError, match=r"weights became .* in epoch 2 at lr inf, by step 4 of 4; .*0004\."):
            run(tiny_recipe, tmp_path / "run", log=quiet)
        newest = runs.states(tmp_path / "run")[0]
        tensors, _ = read_state(newest)
        assert all(t.isfinite().all() for name, t in tensors.items() if name.startswith("model."))


def test_a_second_sigterm_waits_too_and_a_second_sigint_does_not() -> None:
    """A service manager and a launcher each send one; whoever presses Ctrl-C twice means it."""
    usual = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)}
    second: list[int] = []
    try:
        for kind in usual:
            signal.signal(kind, lambda kind, frame: second.append(kind))
        with signals.catch_stop_signals() as first:
            for kind in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
                os.kill(os.getpid(), kind)
        assert (first, second) == ([15, 15, 2], [2])
    finally:
        for kind, handler in usual.items():
            signal.signal(kind, handler)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_worker_process_leaves_signals_to_the_run(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = batches.TrainViews.__getitems__

    def spy(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch:
        found = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
        (tmp_path / "found").write_text(str(found == [signal.SIG_IGN, signal.SIG_DFL]))
        return original(self, keys)

    monkeypatch.setattr(batches.TrainViews, "__getitems__", spy)
    run(dataclasses.replace(tiny_recipe, epochs=1), tmp_path / "run", Machine(workers=1), log=quiet)
    assert (tmp_path / "found").read_text() == "True"


def test_images_in_one_tensor_need_no_workers(tiny_recipe: Recipe) -> None:
    """They may lie on a GPU, which a forked process cannot use."""
    split = data.load("fashion-mini").val
    _, loader = training_batches(split, frozenset(), tiny_recipe, Machine(workers=2), Accelerator(cpu=True))
    assert loader.num_workers == 0


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 5, 6, 7}, raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert cores() == 3


def test_without_images_to_validate_on_nothing_is_trained(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_data(False)
    empty = dataclasses.replace(whole, val=data.Split([], torch.empty(0, dtype=torch.long)))
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: empty)
    lines: list[str] = []
    with pytest.raises(PaperlibError, match="no image of tiny is left to validate on"):
        run(tiny_recipe, tmp_path / "run", log=lines.append)
    assert lines == []


def test_a_run_on_fewer_images_is_refused(tiny_recipe: Recipe, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny_run / "weights.safetensors").unlink()
    whole = tiny_data(False)
    fewer = dataclasses.replace(whole, train=data.Split(whole.train.images[:49], whole.train.labels[:49]))
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: fewer)
    with pytest.raises(PaperlibError, match=r"other images \(.*50.* there, .*49.* here\); put back or replace"):
        run(tiny_recipe, tiny_run, log=quiet)


def test_precision_bf16_trains(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = run(dataclasses.replace(tiny_recipe, precision="bf16"), tmp_path / "run", log=quiet)
    weights = runs.load_model(folder).state_dict()
    assert {t.dtype for t in weights.values() if t.is_floating_point()} == {torch.float32}
    full = runs.load_model(run(tiny_recipe, tmp_path / "full", log=quiet)).state_dict()
    assert not torch.equal(weights["features.conv1_1.weight"], full["features.conv1_1.weight"])


def test_a_run_starts_from_the_weights_of_another(tiny_recipe: Recipe, tiny_run: Path) -> None:
    """Beside it, of the same net; with a learning rate of almost nothing it stays where it started."""
    recipe = dataclasses.replace(tiny_recipe, start="tiny", lr=1e-12, epochs=1, weight_decay=0.0)
    folder = run(recipe, tiny_run.parent / "next", log=quiet)
    ours, theirs = (runs.load_model(f) for f in (folder, tiny_run))
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    fresh = run(dataclasses.replace(recipe, start=""), tiny_run.parent / "fresh", log=quiet)
    weight = runs.load_model(fresh).features.conv1_1.weight
    assert not torch.allclose(weight, theirs.features.conv1_1.weight, atol=1e-3)


def test_net_a_lends_to_a_deeper_column_and_to_no_other_paper(tiny_recipe: Recipe, tiny_run: Path) -> None:
    recipe = dataclasses.replace(tiny_recipe, model="vgg16", start="tiny", lr=1e-12, epochs=1, weight_decay=0.0)
    deeper = runs.load_model(run(recipe, tiny_run.parent / "next", log=quiet))
    lent = runs.load_model(tiny_run)
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
        found = runs.load_metrics(folder)[-1]["train_loss"]
        stated = runs.load_metrics(tiny_run)[-1]["train_loss"]
        assert abs(found - stated) < 0.3
        assert "colours" not in change or found != stated
