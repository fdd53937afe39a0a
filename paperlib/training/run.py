"""A training run on one page: train an epoch, validate, record, save; stop and go on at any step."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate.utils import broadcast

from paperlib import runs
from paperlib.errors import PaperlibError
from paperlib.evaluate import Errors, evaluate
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import folder as run_folder
from paperlib.training import state
from paperlib.training.epoch import train_epoch
from paperlib.training.setup import Training
from paperlib.training.signals import catch_stop_signals
from paperlib.training.state import Progress


def run(
    recipe: Recipe,
    folder: Path,
    machine: Machine = Machine(),
    *,
    name: str = "",
    log: Callable[[str], None] = print,
) -> Path:
    """Train `recipe` in `folder`, or go on where the run there stopped; returns the folder.

    The test images are not touched. `log` gets a line an epoch. Raises PaperlibError where the folder holds a run of
    another recipe, the data are missing or broken, or the loss is no longer a number. SIGTERM and SIGINT first save
    the state, and then end the process with status 143 and with KeyboardInterrupt; SIGHUP with 129.
    """
    folder = folder.expanduser()
    if os.environ.get("RANK", "0") != "0":  # one of the processes of a launcher speaks
        log = silent
    if not run_folder.is_complete(folder, recipe, log):
        with ExitStack() as cleanup:
            train(Training(recipe, folder, machine, name, log, cleanup))
    log(f"{folder}: the run is complete ({recipe.epochs} epochs); now: paperlib evaluate {folder}")
    return folder


def silent(line: str) -> None:
    """Log nothing."""


def train(training: Training) -> None:
    """The epochs that are left, and then the weights."""
    with catch_stop_signals() as signals:
        for epoch in range(training.progress.epoch, training.recipe.epochs):
            train_one_epoch(training, epoch, signals)
            report_epoch(training, validate(training))
            training.progress = Progress(epoch + 1)
            save(training)
    if training.main:
        run_folder.save_weights(training.folder, training.model)


def train_one_epoch(training: Training, epoch: int, signals: list[int]) -> None:
    """Train the remaining steps of one epoch. Save every `save_minutes`; on SIGTERM or SIGINT, save and exit."""
    training.order.epoch, training.order.start = epoch, training.progress.step
    # Dropout draws by process, seed and epoch, so that a resumed run draws the same; CPUs take 32 bits of a seed.
    process = training.accelerator.process_index
    torch.manual_seed(process * 2_654_435_761 + training.recipe.seed * 1_000_003 + epoch)
    steps = train_epoch(
        training.network,
        training.loader,
        training.optimizer,
        training.schedule,
        training.accelerator,
        training.progress,
        training.random if training.progress.step else None,
    )
    try:
        for _ in steps:
            save_or_stop(training, signals)
    except FloatingPointError as error:
        last = next(iter(runs.states(training.folder)), "none")
        advice = f"the last good state: {last}; try a lower --lr and another --out"
        raise PaperlibError(f"{error}; {advice}") from error


def save_or_stop(training: Training, signals: list[int]) -> None:
    """Save if the last state is old; save and end the process if one of the processes was asked to stop."""
    accelerator = training.accelerator
    due = time.monotonic() - training.saved >= 60 * training.machine.save_minutes
    answer = torch.tensor([[max(signals, default=0), training.main and due]], device=accelerator.device)
    stop, due = accelerator.gather(answer).amax(dim=0).tolist()  # one answer for all processes
    if stop or due:
        save(training)
    if stop:
        accelerator.wait_for_everyone()  # a launcher ends the others as soon as one has gone
        place = f"in epoch {training.progress.epoch + 1}, step {training.progress.step}"
        training.log(f"stopped by {signal.Signals(stop).name} {place}, and saved; the same command goes on")
        raise KeyboardInterrupt if stop == signal.SIGINT else SystemExit(128 + stop)


def save(training: Training) -> None:
    """Write the state of all processes."""
    accelerator, scaler = training.accelerator, training.accelerator.scaler
    numbers = {
        "progress": asdict(training.progress),
        "schedule": training.schedule.state_dict(),
        "scaler": scaler.state_dict() if scaler else None,
        "rows": training.rows,
    }
    random = accelerator.gather(state.random_state(accelerator.device).to(accelerator.device))
    if training.main:
        steps = training.progress.epoch * training.order.steps + training.progress.step
        state.save_state(training.folder, steps, numbers, training.model, training.optimizer, random)
    training.saved = time.monotonic()


def validate(training: Training) -> dict[str, float]:
    """Count the errors on the validation images; returns the epoch's row of metrics.csv."""
    began, accelerator, progress = time.perf_counter(), training.accelerator, training.progress
    broadcast(list(training.model.buffers()))  # running statistics: those of the main process, which are saved
    found = (
        evaluate(training.predict, training.images, training.labels)
        if len(training.labels)
        else Errors(0.0, 0.0, 0, 0.0)
    )
    counts = (torch.tensor([[found.top1, found.top5, 100.0]], device=accelerator.device) * found.images / 100).round()
    wrong1, wrong5, count = accelerator.gather(counts).sum(dim=0).tolist()
    return {
        "epoch": progress.epoch + 1,
        "lr": training.schedule.rate(progress.epoch + 0.5),
        "train_loss": progress.loss / progress.images,
        "train_top1_error": 100 * progress.wrong / progress.images,
        "val_top1_error": 100 * wrong1 / count,
        "val_top5_error": 100 * wrong5 / count,
        "seconds": round(progress.seconds + time.perf_counter() - began, 2),
    }


def report_epoch(training: Training, row: dict[str, float]) -> None:
    """Update the schedule with the validation error; write the row to the log, TensorBoard and metrics.csv."""
    training.schedule.observe(row["val_top1_error"])
    training.log(
        f"epoch {row['epoch']}/{training.recipe.epochs}  lr {row['lr']:.4g}  loss {row['train_loss']:.4f}  "
        f"train error {row['train_top1_error']:.2f}%  val error {row['val_top1_error']:.2f}%  "
        f"{row['seconds']:.1f} s"
    )
    training.rows.append(row)
    if training.board:
        for key, value in row.items():
            training.board.add_scalar(key, value, row["epoch"])
        training.board.flush()
    if training.main:
        run_folder.save_metrics(training.folder, training.rows)
