"""Real processes: two and three against one, one of them killed, a run killed again and again."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

import psutil
import pytest
import torch
from accelerate.state import AcceleratorState

from bench.kill import kill
from paperlib import checkpoint
from paperlib.recipes import Machine, Recipe
from paperlib.run import run

from .conftest import photograph_folder
from .test_run import largest_difference, plain, quiet, same_weights

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names Linux's loopback"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


# Else torchrun keeps its store, and a new process may take up the address of a dead one: "Connection refused".
FRESH = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def together(processes: int, recipe: Recipe, folder: Path, machine: Machine) -> None:
    """Run `recipe` in so many processes that meet as those of torchrun do; forked, as PyTorch takes long to import."""
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
            except BaseException:
                traceback.print_exc()
                os._exit(1)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * processes


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
    for a, b in zip(*(checkpoint.load_metrics(folder) for folder in (one, many)), strict=True):
        assert {k: v for k, v in a.items() if "error" in k} == {k: v for k, v in b.items() if "error" in k}
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-12)


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
            while not checkpoint.states(folder) and launcher.poll() is None:
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
