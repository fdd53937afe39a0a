"""A training run on one page: data, model, epochs, validation, checkpoints."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, gather_object
from torch import nn
from torch.utils.data import DataLoader

from paperlib import data, runs
from paperlib.devices import device
from paperlib.errors import PaperlibError
from paperlib.evaluate import Errors, evaluate, one_view
from paperlib.models import build
from paperlib.models.vgg import VGG, start_from_net_a
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import checkpoint
from paperlib.training.batches import (
    Batch,
    EpochOrder,
    Rescaled,
    TrainViews,
    fits,
    kept,
    own_signals,
    unreadable,
    whole,
)
from paperlib.training.epoch import Progress, make_optimizer, random_state, train_epoch
from paperlib.training.schedule import Schedule
from paperlib.training.signals import caught
from paperlib.transforms import IMAGENET_COLOURS, TestView, TrainView, principal_colours

Bad = dict[str, dict[int, str]]  # of train and val, photographs that cannot be read: index, what is wrong


def borrow(model: nn.Module, recipe: Recipe, folder: Path) -> None:
    """Give `model` the weights of the finished run `recipe.start`, beside `folder` or in the package."""
    beside = folder.parent / recipe.start
    lender = beside if beside.is_dir() else recipe.start
    try:
        name, donor = runs.load_recipe(lender)[0].model, runs.load_model(lender)
        if name == recipe.model:
            model.load_state_dict(donor.state_dict())
        elif isinstance(model, VGG) and isinstance(donor, VGG):
            start_from_net_a(model, donor)
        else:
            raise ValueError(f"{name} lends no weights to {recipe.model}")
    except (RuntimeError, ValueError) as error:
        before = recipe.start.partition("/")[0]  # of RECIPE/seed0, a recorded run
        first = f"train it first: paperlib train {before} --out {beside}; or start anew with --start ''"
        raise PaperlibError(f"cannot start from {recipe.start} ({error}); {first}") from error


def accelerate(recipe: Recipe, machine: Machine, say: Callable[[str], None]) -> Accelerator:
    """The accelerator of this process; PaperlibError where the machine has not what the recipe wants."""
    cpu = device().type == "cpu"
    if cpu and (recipe.precision == "fp16" or machine.sync_batch_norm):
        raise PaperlibError("precision fp16 (take bf16) and sync_batch_norm need a GPU, and there is none here")
    if recipe.precision == "bf16" and (advice := slow_bf16()):
        say(advice)
    AcceleratorState._reset_state()  # it refuses a second precision in one process, such as a notebook's
    try:
        return Accelerator(
            cpu=cpu,  # said, or processes do not meet
            mixed_precision="no" if recipe.precision == "fp32" else recipe.precision,
            gradient_accumulation_steps=machine.accumulate,
        )
    except ValueError as error:
        raise PaperlibError(f"{error}; choose another --precision") from error


def slow_bf16() -> str:
    """What to say where bf16 is emulated; nothing where the GPU or the processor has it."""
    if torch.cuda.is_available():
        has, what, other = torch.cuda.is_bf16_supported(including_emulation=False), "GPU", "fp16"
    else:  # older PyTorch does not say
        capabilities = getattr(torch.cpu, "get_capabilities", lambda: {"bf16": True})()
        has, what, other = any(v for name, v in capabilities.items() if "bf16" in name), "processor", "fp32"
    has = has or torch.backends.mps.is_available()
    return "" if has else f"this {what} has no bf16 arithmetic: PyTorch emulates it, slowly; take --precision {other}"


def bad_photographs(dataset: data.Data, folder: Path, look: bool, accelerator: Accelerator) -> Bad:
    """Those that the folder lists; where it lists none and `look`, every process decodes its share to find them."""
    bad = runs.load_bad(folder)
    if bad is None and look:
        bad = {}
        for name, split in (("train", dataset.train), ("val", dataset.val)):
            share = range(accelerator.process_index, len(split), accelerator.num_processes)
            own = unreadable(split.images, share, cores(), bar=accelerator.is_main_process)
            bad[name] = dict(sorted(gather_object(own)))
        if accelerator.is_main_process:
            checkpoint.save_bad(folder, bad)
    return bad or {}


def cores() -> int:
    """Processor cores, of those that this process may use, for each process on this machine."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, allowed // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def training_batches(
    split: data.Split, bad: frozenset[int], recipe: Recipe, machine: Machine, accelerator: Accelerator
) -> tuple[EpochOrder, DataLoader[Batch]]:
    """The order of the epochs, and the loader of the views in that order that are this process's share."""
    train = data.Split(kept(split.images, bad, recipe.sides[1], accelerator.device), split.labels)
    colours = IMAGENET_COLOURS if recipe.colours == "imagenet" else None
    if recipe.colours == "train":
        colours = principal_colours(train.images[i] for i in range(len(train)) if i not in bad)
    views = TrainView(recipe.sides, recipe.crop, recipe.mirror, recipe.mean, recipe.std, colours, recipe.pad)
    process, processes = accelerator.process_index, accelerator.num_processes
    order = EpochOrder(len(train), recipe.batch_size, recipe.seed, process, processes, machine.accumulate, bad)
    workers = machine.workers if machine.workers is not None else cores() * isinstance(train.images, Rescaled)
    loader = DataLoader(
        TrainViews(train, views, recipe.seed),
        batch_sampler=order,
        collate_fn=whole,
        num_workers=0 if isinstance(train.images, torch.Tensor) else workers,  # a forked process cannot use CUDA
        worker_init_fn=own_signals,
        pin_memory=accelerator.device.type == "cuda" and not isinstance(train.images, torch.Tensor),
    )
    return order, loader


def tensorboard(folder: Path, epoch: int) -> Any:
    """A writer into the run folder that goes on after `epoch`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise PaperlibError(f"--tensorboard needs a package ({error}): pip install tensorboard") from error
    return SummaryWriter(str(folder), purge_step=epoch + 1)


def run(
    recipe: Recipe, folder: Path, machine: Machine = Machine(), *, name: str = "", log: Callable[[str], None] = print
) -> Path:
    """Train `recipe` in `folder`, or go on where the run there stopped; returns the folder.

    The test images are not touched. `log` gets a line an epoch. Raises PaperlibError where the folder holds a run of
    another recipe, the data are missing or broken, or the loss is no longer a number. SIGTERM and SIGINT first save
    the state, and then end the process with status 143 and with KeyboardInterrupt.
    """
    complete = f"{folder}: the run is complete ({recipe.epochs} epochs); now: paperlib evaluate {folder}"
    say = log if os.environ.get("RANK", "0") == "0" else (lambda line: None)  # one of the processes of a launcher
    if runs.finished(folder):
        checkpoint.check(folder, recipe)
        say(complete)
        return folder
    accelerator = accelerate(recipe, machine, say)
    device, main = accelerator.device, accelerator.is_main_process
    process, processes = accelerator.process_index, accelerator.num_processes
    torch.manual_seed(recipe.seed)
    dataset = data.load(recipe.data)
    model = build(recipe.model, num_classes=len(dataset.classes), **recipe.options)
    if recipe.start and not runs.states(folder):
        borrow(model, recipe, folder)
    if recipe.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if machine.sync_batch_norm:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if machine.compile:
        model.compile()
    if main:
        here = {"device": device.type, "processes": processes, **asdict(machine)}
        sizes = {"train": len(dataset.train), "val": len(dataset.val)}
        checkpoint.begin(folder, name, recipe, dataset.classes, here, sizes)
        checkpoint.set_broken_aside(folder, say)
    accelerator.wait_for_everyone()

    bad = bad_photographs(dataset, folder, machine.skip_bad, accelerator)
    for split, wrong in bad.items():
        say("\n  ".join([f"{len(wrong)} photographs of {split} cannot be read and are left out", *wrong.values()]))
    if len(bad.get("val", ())) == len(dataset.val):
        raise PaperlibError(f"no image of {recipe.data} is left to validate on; a folder needs more, or a part val")
    order, loader = training_batches(dataset.train, frozenset(bad.get("train", ())), recipe, machine, accelerator)
    share = [i for i in range(process, len(dataset.val), processes) if i not in bad.get("val", ())]
    small = fits(dataset.val.images, recipe.test_side)
    validation = Rescaled(dataset.val.images, share, recipe.test_side, threads=0 if small else cores())
    images = list(validation) if small else validation

    optimizer = make_optimizer(model, recipe)
    net, optimizer = accelerator.prepare(model, optimizer)  # moves `model` itself to the device
    numbers, random = checkpoint.load_state(folder, model, optimizer)
    progress = Progress(**numbers.get("progress", {}))
    place = torch.tensor([[progress.epoch, progress.step]], device=device)
    if len(accelerator.gather(place).unique(dim=0)) > 1:
        raise PaperlibError(f"processes find different states in {folder}: --out must be one folder that all see")
    schedule = Schedule(recipe, **numbers.get("schedule", {}))
    if accelerator.scaler and numbers.get("scaler"):
        accelerator.scaler.load_state_dict(numbers["scaler"])
    predict = one_view(model, TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std))
    rows = runs.load_metrics(folder)[: progress.epoch]
    board = tensorboard(folder, progress.epoch) if machine.tensorboard and main else None

    def save() -> float:
        """Write the state of all processes; returns when."""
        scaler = accelerator.scaler.state_dict() if accelerator.scaler else None
        numbers = {"progress": asdict(progress), "schedule": schedule.state_dict(), "scaler": scaler}
        states = accelerator.gather(random_state(device).to(device))
        if main:
            steps = progress.epoch * order.steps + progress.step
            checkpoint.save_state(folder, steps, numbers, model, optimizer, states)
        return time.monotonic()

    saved = time.monotonic()
    with caught() as signals:
        for epoch in range(progress.epoch, recipe.epochs):
            order.epoch, order.start = epoch, progress.step
            # Dropout: of process and epoch alone. The CPU's generator takes the low 32 bits of a seed.
            torch.manual_seed(process * 2_654_435_761 + recipe.seed * 1_000_003 + epoch)
            own = random[process] if random is not None and progress.step and len(random) == processes else None
            try:
                for _ in train_epoch(net, loader, optimizer, schedule, accelerator, progress, own):
                    due = time.monotonic() - saved >= 60 * machine.save_minutes
                    wish = torch.tensor([[max(signals, default=0), main and due]], device=device)
                    stop, due = accelerator.gather(wish).amax(dim=0).tolist()  # one answer for all processes
                    if stop or due:
                        saved = save()
                    if stop:
                        accelerator.wait_for_everyone()  # a launcher ends the others as soon as one has gone
                        what = f"stopped by {signal.Signals(stop).name} in epoch {epoch + 1}, step {progress.step}"
                        say(f"{what}, and saved; the same command goes on")
                        raise KeyboardInterrupt if stop == signal.SIGINT else SystemExit(128 + stop)
            except FloatingPointError as error:
                last = next(iter(runs.states(folder)), "none")
                advice = f"the last good state: {last}; try a lower --lr and another --out"
                raise PaperlibError(f"{error}; {advice}") from error
            began = time.perf_counter()
            broadcast(list(model.buffers()))  # running statistics: those of the main process, which are saved
            found = evaluate(predict, images, dataset.val.labels[share]) if share else Errors(0.0, 0.0, 0, 0.0)
            counts = (torch.tensor([[found.top1, found.top5, 100.0]], device=device) * found.images / 100).round()
            wrong1, wrong5, count = accelerator.gather(counts).sum(dim=0).tolist()
            row = {
                "epoch": epoch + 1,
                "lr": schedule.rate(epoch + 0.5),
                "train_loss": progress.loss / progress.images,
                "train_top1_error": 100 * progress.wrong / progress.images,
                "val_top1_error": 100 * wrong1 / count,
                "val_top5_error": 100 * wrong5 / count,
                "seconds": round(progress.seconds + time.perf_counter() - began, 2),
            }
            schedule.observe(row["val_top1_error"])
            say(
                f"epoch {epoch + 1}/{recipe.epochs}  lr {row['lr']:.4g}  loss {row['train_loss']:.4f}  "
                f"train error {row['train_top1_error']:.2f}%  val error {row['val_top1_error']:.2f}%  "
                f"{row['seconds']:.1f} s"
            )
            rows.append(row)
            if board:
                for key, value in row.items():
                    board.add_scalar(key, value, epoch + 1)
                board.flush()
            if main:
                checkpoint.save_metrics(folder, rows)
            progress = Progress(epoch + 1)
            saved = save()
    if main:
        checkpoint.save_weights(folder, model)
    say(complete)
    return folder
