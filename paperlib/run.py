"""A training run on one page: data, model, epochs, validation, checkpoints."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader

from paperlib import checkpoint, data
from paperlib.errors import PaperlibError
from paperlib.evaluate import evaluate, one_view
from paperlib.models import build
from paperlib.models.vgg import VGG, start_from_net_a
from paperlib.recipes import Recipe
from paperlib.train import Schedule, make_optimizer, train_epoch
from paperlib.transforms import IMAGENET_COLOURS, TestView, TrainView, principal_colours, rescale


def kept(images: data.Images, side: int, device: torch.device) -> data.Images:
    """The training images, decoded once, with their smaller side at `side` (S_max), from which S is drawn each time.

    Those that come as one tensor lie on the device, where their views are made too.
    """
    if isinstance(images, torch.Tensor):
        return rescale(images, side).to(device)
    return [rescale(image, side) for image in images]


def borrow(model: nn.Module, recipe: Recipe, folder: Path) -> None:
    """Give `model` the weights of the finished run `recipe.start`, beside `folder` or in the package."""
    beside = folder.parent / recipe.start
    lender = beside if beside.is_dir() else recipe.start
    try:
        name, donor = checkpoint.load_recipe(lender)[0].model, checkpoint.load_model(lender)
        if name == recipe.model:
            model.load_state_dict(donor.state_dict())
        elif isinstance(model, VGG) and isinstance(donor, VGG):
            start_from_net_a(model, donor)
        else:
            raise ValueError(f"{name} lends no weights to {recipe.model}")
    except (RuntimeError, ValueError) as error:
        first = f"train it first: paperlib train {recipe.start} --out {beside}; or start anew with --start ''"
        raise PaperlibError(f"cannot start from {recipe.start} ({error}); {first}") from error


def run(recipe: Recipe, folder: Path, *, name: str = "", log: Callable[[str], None] = print) -> Path:
    """Train `recipe` in `folder`, or go on where the run there stopped; returns the folder.

    The test images are not touched. `log` gets a line an epoch. Raises PaperlibError where the folder holds a run of
    another recipe, the data are missing, or the loss is no longer a number.
    """
    complete = f"{folder}: the run is complete ({recipe.epochs} epochs); now: paperlib evaluate {folder}"
    if checkpoint.finished(folder):
        checkpoint.check(folder, recipe)
        log(complete)
        return folder
    AcceleratorState._reset_state()  # it refuses a second precision in one process, such as a notebook's
    accelerator = Accelerator(
        cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),  # said, or processes do not meet
        mixed_precision="no" if recipe.precision == "fp32" else recipe.precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),  # batch_size is over all processes
    )
    say = log if accelerator.is_main_process else (lambda line: None)
    torch.manual_seed(recipe.seed)
    dataset = data.load(recipe.data)
    model = build(recipe.model, num_classes=len(dataset.classes), **recipe.options)
    if recipe.start and not checkpoint.begun(folder):
        borrow(model, recipe, folder)
    if recipe.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if accelerator.is_main_process:
        checkpoint.begin(folder, name, recipe, dataset.classes)
    accelerator.wait_for_everyone()

    train = data.Split(kept(dataset.train.images, recipe.sides[1], accelerator.device), dataset.train.labels)
    validation = [rescale(image, recipe.test_side) for image in dataset.val.images]
    colours = IMAGENET_COLOURS if recipe.colours == "imagenet" else None
    if recipe.colours == "train":
        colours = principal_colours(train.images)
    views = TrainView(recipe.sides, recipe.crop, recipe.mirror, recipe.mean, recipe.std, colours, recipe.pad)
    order = data.EpochOrder(len(train), recipe.seed)
    loader = DataLoader(
        data.TrainViews(train, views, recipe.seed),
        batch_size=recipe.batch_size,
        sampler=order,
        collate_fn=lambda batch: batch,  # the views come as a batch already
    )
    optimizer = make_optimizer(model, recipe)
    schedule = Schedule(recipe)
    net, optimizer, loader = accelerator.prepare(model, optimizer, loader)  # moves `model` itself to the device
    start, state = checkpoint.load_state(folder, model, optimizer)
    schedule.load_state_dict(state)
    predict = one_view(model, TestView(recipe.test_side, recipe.crop, recipe.mean, recipe.std))
    rows = checkpoint.load_metrics(folder)[:start]

    for epoch in range(start, recipe.epochs):
        begun = time.perf_counter()
        order.epoch = epoch
        torch.manual_seed(recipe.seed * 1_000_003 + epoch)  # dropout: an epoch depends on nothing but its number
        rate = schedule.rate(epoch + 0.5)
        loss, error = train_epoch(epoch, net, loader, optimizer, schedule, accelerator)
        if not math.isfinite(loss):
            where = f"in epoch {epoch + 1} at lr {rate:g}"
            raise PaperlibError(f"the loss became {loss} {where}; {folder} keeps the {epoch} epochs before")
        found = evaluate(predict, validation, dataset.val.labels)
        top1, top5 = broadcast_object_list([found.top1, found.top5])  # the first process's: the learning rate is one
        schedule.observe(top1)
        seconds = time.perf_counter() - begun
        say(
            f"epoch {epoch + 1}/{recipe.epochs}  lr {rate:.4g}  loss {loss:.4f}  train error {error:.2f}%  "
            f"val error {top1:.2f}%  {seconds:.1f} s"
        )
        rows.append(
            {"epoch": epoch + 1, "lr": rate, "train_loss": loss, "train_top1_error": error}
            | {"val_top1_error": top1, "val_top5_error": top5, "seconds": round(seconds, 2)}
        )
        if accelerator.is_main_process:
            checkpoint.save_metrics(folder, rows)
            checkpoint.save_state(folder, epoch + 1, model, optimizer, schedule.state_dict())
    if accelerator.is_main_process:
        checkpoint.save_weights(folder, model)
    say(complete)
    return folder
