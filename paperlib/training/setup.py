"""What a run needs before its first step: the machine, the model, the images, and where it stopped."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader

from paperlib import data, runs
from paperlib.devices import device
from paperlib.errors import PaperlibError
from paperlib.evaluate import one_view
from paperlib.models import build
from paperlib.models.vgg import VGG, start_from_net_a
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import folder as run_folder
from paperlib.training import state
from paperlib.training.batches import (
    Batch,
    EpochOrder,
    Rescaled,
    TrainViews,
    already_a_batch,
    cores,
    find_unreadable,
    fits_in_memory,
    leave_signals_to_the_run,
    prepare_training_images,
)
from paperlib.training.epoch import make_optimizer
from paperlib.training.lock import only_writer
from paperlib.training.schedule import Schedule
from paperlib.training.state import Progress
from paperlib.transforms import IMAGENET_COLOURS, TestView, TrainView, principal_colours

Log = Callable[[str], None]
Unreadable = dict[str, dict[int, str]]  # of train and val: the index of each photograph that cannot be read, and why


class Training:
    """A run while it trains: what it trains, on what, and how far it is; begun anew or where it stopped.

    `cleanup` releases the lock on the folder.
    """

    def __init__(self, recipe: Recipe, folder: Path, machine: Machine, name: str, log: Log, cleanup: ExitStack) -> None:
        self.recipe, self.folder, self.machine, self.log = recipe, folder, machine, log
        self.accelerator = accelerator = make_accelerator(recipe, machine, log)
        self.main = accelerator.is_main_process  # whether this process writes
        torch.manual_seed(recipe.seed)
        dataset = data.load(recipe.data)
        self.model = make_model(recipe, machine, folder, len(dataset.classes))
        if self.main:
            run_folder.check_folder(folder, recipe)
            cleanup.enter_context(only_writer(folder))
            here = {"device": accelerator.device.type, "processes": accelerator.num_processes, **asdict(machine)}
            run_folder.begin(folder, name, recipe, dataset, here)
            state.set_broken_states_aside(folder, log)
        accelerator.wait_for_everyone()

        unreadable = unreadable_photographs(dataset, folder, machine.skip_bad, accelerator, log)
        if len(unreadable["val"]) == len(dataset.val):
            raise PaperlibError(f"no image of {recipe.data} is left to validate on; a folder needs more, or a part val")
        log_empty_classes(dataset, unreadable["train"], log)
        self.order, self.loader = training_batches(
            dataset.train, frozenset(unreadable["train"]), recipe, machine, accelerator
        )
        self.images, self.labels = validation_images(dataset.val, unreadable["val"], recipe, accelerator)
        self.predict = one_view(self.model, TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std))

        # `network` is the model as accelerate wraps it for many processes; it moves `model` itself to the device.
        self.network, self.optimizer = accelerator.prepare(self.model, make_optimizer(self.model, recipe))
        numbers, random = state.load_state(folder, self.model, self.optimizer)
        self.schedule = Schedule(recipe, **numbers.get("schedule", {}))
        self.progress = Progress(**numbers.get("progress", {}))
        check_same_place(self.progress, folder, accelerator)
        if accelerator.scaler and numbers.get("scaler"):
            accelerator.scaler.load_state_dict(numbers["scaler"])
        self.random = random_of_process(random, accelerator)  # in the middle of an epoch
        self.rows = numbers.get("rows") or runs.load_metrics(folder)[: self.progress.epoch]
        if self.main and self.rows:
            run_folder.save_metrics(folder, self.rows)  # it may be ahead of the state, or damaged
        self.board = tensorboard(folder, self.progress.epoch) if machine.tensorboard and self.main else None
        self.saved = time.monotonic()  # when the last state was saved


def make_accelerator(recipe: Recipe, machine: Machine, log: Log) -> Accelerator:
    """The accelerator of this process; PaperlibError where the machine has not what the recipe needs."""
    cpu = device().type == "cpu"
    if cpu and (recipe.precision == "fp16" or machine.sync_batch_norm):
        raise PaperlibError("precision fp16 (take bf16) and sync_batch_norm need a GPU, and there is none here")
    if recipe.precision == "bf16" and (advice := slow_bf16()):
        log(advice)
    AcceleratorState._reset_state()  # it refuses a second precision in one process, such as a notebook's
    try:
        return Accelerator(
            cpu=cpu,  # accelerate does not find out by itself that processes on the CPU belong together
            mixed_precision="no" if recipe.precision == "fp32" else recipe.precision,
            gradient_accumulation_steps=machine.accumulate,
        )
    except ValueError as error:
        raise PaperlibError(f"{error}; choose another --precision") from error


def slow_bf16() -> str:
    """Advice where bf16 is emulated; nothing where the GPU or the processor has it."""
    if torch.cuda.is_available():
        native, what, other = torch.cuda.is_bf16_supported(including_emulation=False), "GPU", "fp16"
    else:  # older PyTorch does not say
        capabilities = getattr(torch.cpu, "get_capabilities", lambda: {"bf16": True})()
        native, what, other = any(v for name, v in capabilities.items() if "bf16" in name), "processor", "fp32"
    native = native or torch.backends.mps.is_available()
    return (
        "" if native else f"this {what} has no bf16 arithmetic: PyTorch emulates it, slowly; take --precision {other}"
    )


def make_model(recipe: Recipe, machine: Machine, folder: Path, classes: int) -> nn.Module:
    """The recipe's model with its initial weights, in the form that the options of the machine ask for."""
    model = build(recipe.model, num_classes=classes, **recipe.options)
    if recipe.start and not runs.states(folder):
        load_start_weights(model, recipe, folder)
    if recipe.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if machine.sync_batch_norm:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if machine.compile:
        model.compile()
    return model


def load_start_weights(model: nn.Module, recipe: Recipe, folder: Path) -> None:
    """Give `model` the weights of the finished run `recipe.start`, beside `folder` or in the package."""
    beside = folder.parent / recipe.start
    source = beside if beside.is_dir() else recipe.start
    try:
        name, trained = runs.load_recipe(source)[0].model, runs.load_model(source)
        if name == recipe.model:
            model.load_state_dict(trained.state_dict())
        elif isinstance(model, VGG) and isinstance(trained, VGG):
            start_from_net_a(model, trained)
        else:
            raise ValueError(f"{name} lends no weights to {recipe.model}")
    except (RuntimeError, ValueError) as error:
        before = recipe.start.partition("/")[0]  # of RECIPE/seed0, a recorded run
        first = f"train it first: paperlib train {before} --out {beside}; or start anew with --start ''"
        raise PaperlibError(f"cannot start from {recipe.start} ({error}); {first}") from error


def unreadable_photographs(
    dataset: data.Data, folder: Path, check: bool, accelerator: Accelerator, log: Log
) -> Unreadable:
    """The photographs to leave out: those that the folder lists, or, with `check`, those that cannot be decoded.

    Every process decodes its share.
    """
    unreadable = runs.load_unreadable(folder)
    if unreadable is None and check:
        unreadable = {}
        for name, split in (("train", dataset.train), ("val", dataset.val)):
            share = range(accelerator.process_index, len(split), accelerator.num_processes)
            found = find_unreadable(split.images, share, bar=accelerator.is_main_process)
            unreadable[name] = dict(sorted(gather_object(found)))
        if accelerator.is_main_process:
            run_folder.save_unreadable(folder, unreadable)
    for name, problems in (unreadable or {}).items():
        title = f"{len(problems)} photographs of {name} cannot be read and are left out"
        log("\n  ".join([title, *problems.values()]))
    return {"train": {}, "val": {}} | (unreadable or {})


def log_empty_classes(dataset: data.Data, unreadable: dict[int, str], log: Log) -> None:
    """Name the classes of which no training photograph can be read: the model cannot learn them."""
    readable = torch.ones(len(dataset.train), dtype=torch.bool)
    readable[[i for i in unreadable if i < len(readable)]] = False
    counts = dataset.train.labels[readable].bincount(minlength=len(dataset.classes)).tolist()
    if empty := [name for name, count in zip(dataset.classes, counts, strict=True) if count == 0]:
        log(f"no training image is left of {', '.join(empty)}: a class that the model cannot learn")


def training_batches(
    split: data.Split, unreadable: frozenset[int], recipe: Recipe, machine: Machine, accelerator: Accelerator
) -> tuple[EpochOrder, DataLoader[Batch]]:
    """The order of the epochs, and the loader of the views in that order that are this process's share."""
    images = prepare_training_images(split.images, unreadable, recipe.sides[1], accelerator.device)
    colours = IMAGENET_COLOURS if recipe.colours == "imagenet" else None
    if recipe.colours == "train":
        colours = principal_colours(images[i] for i in range(len(images)) if i not in unreadable)
    view = TrainView(recipe.sides, recipe.crop, recipe.mirror, recipe.mean, recipe.std, colours, recipe.pad)
    process, processes = accelerator.process_index, accelerator.num_processes
    order = EpochOrder(len(images), recipe.batch_size, recipe.seed, process, processes, machine.accumulate, unreadable)
    workers = machine.workers if machine.workers is not None else cores() * isinstance(images, Rescaled)
    loader = DataLoader(
        TrainViews(data.Split(images, split.labels), view, recipe.seed),
        batch_sampler=order,
        collate_fn=already_a_batch,
        num_workers=0 if isinstance(images, Tensor) else workers,  # a forked process cannot use CUDA
        worker_init_fn=leave_signals_to_the_run,
        pin_memory=accelerator.device.type == "cuda" and not isinstance(images, Tensor),
    )
    return order, loader


def validation_images(
    split: data.Split, unreadable: dict[int, str], recipe: Recipe, accelerator: Accelerator
) -> tuple[Sequence[Tensor], Tensor]:
    """This process's share of the validation images, with the smaller side at Q, and their labels (N,)."""
    share = range(accelerator.process_index, len(split), accelerator.num_processes)
    indices = [i for i in share if i not in unreadable]
    small = fits_in_memory(split.images, recipe.test_side)
    images = Rescaled(split.images, indices, recipe.test_side, threads=0 if small else cores())
    return list(images) if small else images, split.labels[indices]


def check_same_place(progress: Progress, folder: Path, accelerator: Accelerator) -> None:
    """Raise PaperlibError, in all processes, unless all of them go on from the same state."""
    place = torch.tensor([[progress.epoch, progress.step]], device=accelerator.device)
    if len(accelerator.gather(place).unique(dim=0)) > 1:
        raise PaperlibError(f"processes find different states in {folder}: --out must be one folder that all see")


def random_of_process(states: Tensor | None, accelerator: Accelerator) -> Tensor | None:
    """This process's row of the saved random states; none where processes or device are others than then."""
    size = state.random_state(accelerator.device).shape[1]
    if states is None or states.shape != (accelerator.num_processes, size):
        return None
    return states[accelerator.process_index]


def tensorboard(folder: Path, epoch: int) -> Any:
    """A writer into the run folder that goes on after `epoch`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise PaperlibError(f"--tensorboard needs a package ({error}): pip install tensorboard") from error
    return SummaryWriter(str(folder), purge_step=epoch + 1)
