"""Real processes: two and three against one, one of them killed, a run killed again and again."""

import dataclasses
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from bench.kill import kill
from paperlib import data, evaluate, runs
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import batches, epoch, state
from paperlib.training.run import run
from paperlib.transforms import TestView

from .conftest import photograph_folder, tiny_data
from .test_run import largest_difference, plain, quiet, same_weights

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names Linux's loopback"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


# Else torchrun keeps its store, and a new process may take up the address of a dead one: "Connection refused".
FRESH = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def together(processes: int, recipe: Recipe, folder: Path, machine: Machine, status: int = 0) -> None:
    """Run `recipe` in so many processes that meet as those of torchrun do; forked, as PyTorch takes long to import.

    All end with this exit status.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
                os.environ["OMP_NUM_THREADS"] = "1"  # else accelerate chooses, and warns
                AcceleratorState._reset_state(reset_partial_state=True)
                run(recipe, folder, machine, log=quiet)
                os._exit(0)
            except SystemExit as end:
                os._exit(int(end.code or 0))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ends == [status] * processes


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize(("processes", "parts"), [(2, 1), (3, 2)])
def test_processes_together_are_one(tiny_recipe: Recipe, tmp_path: Path, processes: int, parts: int) -> None:
    """50 images in batches of 16, the last of 2: shares differ in size, and of six some have none; 10 validate.

    Counts are equal; weights in float64 differ as sums taken in another order do.
    """
    recipe = plain(tiny_recipe, lr=0.1, clip=1.0)
    one = run(recipe, tmp_path / "one", log=quiet)
    many = tmp_path / "many"
    together(processes, recipe, many, Machine(accumulate=parts))
    assert largest_difference(one, many) < 1e-12
    for a, b in zip(*(runs.load_metrics(folder) for folder in (one, many)), strict=True):
        assert {k: v for k, v in a.items() if "error" in k} == {k: v for k, v in b.items() if "error" in k}
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-12)


def test_processes_together_are_one_but_for_rounding_in_32_bits(tiny_recipe: Recipe, tmp_path: Path) -> None:
    """A sum taken in another order is off by 2^-24 of itself; a ReLU that it flips and twelve steps make it more."""
    recipe = plain(tiny_recipe, lr=0.1, clip=1.0)
    one = run(recipe, tmp_path / "one", log=quiet)
    together(2, recipe, tmp_path / "many", Machine())
    assert largest_difference(one, tmp_path / "many") < 1e-4


def test_processes_validate_the_net_that_is_saved(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch norm and all: after the last step each has running statistics of its own share."""
    original = evaluate.evaluate

    def spy(predict: Any, images: Any, labels: Any) -> evaluate.Errors:
        torch.save(evaluate.predict_all(predict, images), tmp_path / f"{os.environ['RANK']}.pt")
        return original(predict, images, labels)

    monkeypatch.setattr("paperlib.training.run.evaluate", spy)
    folder = tmp_path / "run"
    together(2, dataclasses.replace(tiny_recipe, epochs=1), folder, Machine())
    predict = evaluate.one_view(runs.load_model(folder), TestView(36, 32, tiny_recipe.mean, tiny_recipe.std))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, predict(tiny_data(False).val.images[rank::2]))


def test_a_process_without_an_image_to_validate_counts_none(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_data(False)
    one = dataclasses.replace(whole, val=data.Split(whole.val.images[:1], whole.val.labels[:1]))
    monkeypatch.setitem(data.DATASETS, "tiny", lambda download: one)
    together(2, dataclasses.replace(tiny_recipe, epochs=1), tmp_path / "run", Machine())
    assert runs.load_metrics(tmp_path / "run")[0]["val_top1_error"] in (0.0, 100.0)


def test_processes_that_see_different_states_stop(
    tiny_recipe: Recipe, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As on machines whose --out is a folder of each alone: all say so, and none trains on."""
    (tiny_run / "weights.safetensors").unlink()
    original = state.load_state
    monkeypatch.setattr(
        state, "load_state", lambda *given: original(*given) if os.environ["RANK"] == "0" else ({}, None)
    )
    with pytest.raises(AssertionError):
        together(2, tiny_recipe, tiny_run, Machine())
    assert capfd.readouterr().err.count("PaperlibError: processes find different states") == 2


@pytest.mark.parametrize("rank", ["0", "1"])
def test_processes_stopped_within_an_epoch_go_on_to_the_same_weights(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    """One of two gets SIGTERM in the second epoch: both save and stop. Dropout differs between them and goes on."""
    monkeypatch.setattr(epoch, "CHECK_EVERY", 1)
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "run"
    together(2, tiny_recipe, undisturbed, Machine())
    original, calls = batches.TrainViews.__getitems__, iter(range(100))

    def stopped(self: batches.TrainViews, keys: list[batches.Key]) -> batches.Batch:
        if os.environ["RANK"] == rank and next(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, keys)

    with monkeypatch.context() as patch:
        patch.setattr(batches.TrainViews, "__getitems__", stopped)
        together(2, tiny_recipe, folder, Machine(), status=143)
    newest = runs.states(folder)[0]
    assert newest.name == "state-000000006.safetensors"  # of 4 steps an epoch
    drawn = []
    for random in load_file(newest)["random"]:
        state.set_random_state(random, torch.device("cpu"))
        drawn.append(torch.rand(3))
    assert not torch.equal(*drawn)
    together(2, tiny_recipe, folder, Machine())
    assert same_weights(folder, undisturbed)


def test_a_killed_process_is_started_again_and_the_run_goes_on(tiny_recipe: Recipe, tmp_path: Path) -> None:
    """torchrun starts all anew from the last state: the weights are those of two processes that nobody killed."""
    place = photograph_folder(tmp_path / "flowers", train=8, test=2)
    recipe = dataclasses.replace(tiny_recipe, data=f"folder:{place}", epochs=40)
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "run"
    together(2, recipe, undisturbed, Machine())
    values = [f"--options.{k.replace('_', '-')}={v}" for k, v in recipe.options.items() if v is not True]  # as there
    values += ["--data", recipe.data, "--sides", *map(str, recipe.sides), "--test-side", str(recipe.test_side)]
    values += ["--epochs", str(recipe.epochs), "--batch-size", str(recipe.batch_size), "--out", str(folder)]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=1"]
    with open(tmp_path / "log", "w") as log:
        launcher = subprocess.Popen(
            [sys.executable, "-m", *torchrun, "-m", "paperlib", "train", "vgg-mini", *values],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"} | FRESH,
            stdout=log,
            stderr=log,
        )
        try:
            while not runs.states(folder) and launcher.poll() is None:
                time.sleep(0.01)
            workers = psutil.Process(launcher.pid).children()
            assert len(workers) == 2, (tmp_path / "log").read_text()
            os.kill(workers[1].pid, signal.SIGKILL)
            assert launcher.wait(timeout=300) == 0, (tmp_path / "log").read_text()
        finally:
            launcher.kill()
    assert "exitcode: -9" in (tmp_path / "log").read_text() or "Signal 9" in (tmp_path / "log").read_text()
    assert same_weights(folder, undisturbed)


def test_a_run_killed_at_any_moment_ends_in_the_same_weights(tmp_path: Path) -> None:
    """Five kills here; `bench/kill.py` has thirty."""
    torch.set_num_threads(1)
    found = kill(5, 1, tmp_path)
    assert len(found["kills"]) == 5
    assert found["unreadable"] == []
    assert found["equal"] == found["runs"]


def test_a_run_that_is_disturbed_in_every_way_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve events here; `python bench/soak.py` goes on for an hour."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "bench"))
    soak = importlib.import_module("soak")
    report = soak.soak(tmp_path, 1, lambda number: number < 12, print)
    assert report["events"] == 12
    assert report["faults"] == []
