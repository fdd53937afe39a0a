"""Images per second of training: one step, and the whole loop, side by side in one run.

    python bench/training.py [--data fashion-mnist] [--rounds 3] [--epochs 1] [--out FILE]
        [--parts loops short steps errors]

Steps: each net takes a step in turn, every round, in four ways: fp32, bf16, both again with channels_last. The same
for torchvision's net of the same shape, where it has one. Achieved operations (six per multiply-add: forward and the
two products of backward) are given over the machine's bf16 matrix rate, measured in the same run.
Loops: ResNet-20, SGD with the same values, epochs with their validation, in turn: `paperlib.run`, a plain fp32 loop
with DataLoader and torchvision's transforms, and d2l's Trainer where d2l is to be imported (its own folder: pip install
--no-deps --target DIR d2l==1.0.3 pandas, and DIR on PYTHONPATH).
Short: the same loops with other nets, for a number of images each that takes some seconds; and torchvision's net of
the same shape in `paperlib.run`.
Errors: the first loops once more, for five times as many epochs, for the validation error alone.
Parts that are not asked for stay in the file as they were. All are medians over rounds, with the lowest and highest;
ratios are of two times of one round.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from paperlib import build, data, runs
from paperlib.anatomy import anatomy
from paperlib.evaluate import evaluate, one_view
from paperlib.models import MODELS
from paperlib.recipes.recipe import Recipe
from paperlib.training.run import run
from paperlib.transforms import TestView

PARTS = ("loops", "short", "steps", "errors")
TARGET = Path(__file__).parents[1] / "paperlib" / "assets" / "bench" / "training.json"
MEAN, STD = (73.0, 73.0, 73.0), (90.0, 90.0, 90.0)  # about those of Fashion-MNIST
LR, MOMENTUM, DECAY = 0.1, 0.9, 1e-4  # ResNet, section 4.2

# Net: ours, torchvision's of the same shape, side in px, batch
NETS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module] | None, int, int]] = {
    "ResNet-20, 28 px": (lambda: build("resnet20", 10), None, 28, 128),
    "DenseNet-BC-100-12, 28 px": (lambda: build("densenet_bc100_k12", 10), None, 28, 16),
    "VGG-16 BN, width 1/4, 64 px": (
        lambda: build("vgg16", 101, width=0.25, image_size=64, hidden=256, batch_norm=True), None, 64, 32,
    ),
    "ResNet-18, 64 px": (
        lambda: build("resnet18", 101), lambda: torchvision.models.resnet18(num_classes=101), 64, 32,
    ),
    "DenseNet-121, 64 px": (
        lambda: build("densenet121", 101), lambda: torchvision.models.densenet121(num_classes=101), 64, 8,
    ),
}  # fmt: skip


class Loop(NamedTuple):
    """A net that whole loops train: its name and options, side in px, batch, and of how many images; 0: all."""

    model: str
    options: dict[str, Any]
    side: int
    batch: int
    images: int


RESNET_20 = Loop("resnet20", {}, 28, 128, 0)
SHORT = {  # a number of images that takes some seconds
    "DenseNet-BC-100-12, 28 px": Loop("densenet_bc100_k12", {}, 28, 64, 256),
    "VGG-16 BN, width 1/4, 64 px": Loop(
        "vgg16", {"width": 0.25, "image_size": 64, "hidden": 256, "batch_norm": True}, 64, 32, 2048
    ),
    "ResNet-18, 64 px": Loop("resnet18", {}, 64, 32, 2048),
}
WAYS = {
    "fp32": (False, False),
    "fp32 channels_last": (False, True),
    "bf16": (True, False),
    "bf16 channels_last": (True, True),
}


def stepper(model: nn.Module, side: int, batch: int, bf16: bool, channels_last: bool) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.train().to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, MOMENTUM)
    images, labels = torch.randn(batch, 3, side, side).to(memory_format=layout), torch.randint(0, 10, (batch,))

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = cross_entropy(model(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    return step


def matrix_rate(n: int = 2048) -> float:
    """bf16 operations per second of a matrix product of side n."""
    a = torch.randn(n, n, dtype=torch.bfloat16)
    start = time.perf_counter()
    a @ a
    return 2 * n**3 / (time.perf_counter() - start)


def steps(rounds: int) -> dict[str, Any]:
    """Images per second of each net in each way, and ratios within rounds."""
    found: dict[str, Any] = {}
    for name, (ours, theirs, side, batch) in NETS.items():
        macs = anatomy(ours(), (3, side, side)).macs
        makers = {way: (ours, *flags) for way, flags in WAYS.items()}
        if theirs:
            makers["torchvision, bf16 channels_last"] = (theirs, True, True)
        runners = {way: stepper(make(), side, batch, *flags) for way, (make, *flags) in makers.items()}
        rates: list[float] = []
        times: dict[str, list[float]] = {way: [] for way in runners}
        for _ in range(rounds):
            rates.append(matrix_rate())
            for way, runner in runners.items():
                runner()  # oneDNN forgets kernels of the ways in between: all of a DenseNet's are too many to keep
                times[way].append(runner())
        best = times["bf16 channels_last"]
        achieved = [6 * macs * batch / t / r for t, r in zip(best, rates, strict=True)]
        found[name] = {
            "macs": macs,
            "images_per_second": {way: spread([batch / t for t in ts]) for way, ts in times.items()},
            "over_fp32": spread([a / b for a, b in zip(times["fp32"], best, strict=True)]),
            "of_matrix_rate": spread(achieved),
        }
        if theirs:
            pairs = zip(times["torchvision, bf16 channels_last"], best, strict=True)
            found[name]["over_torchvision"] = spread([a / b for a, b in pairs])
        print(name, json.dumps(found[name], indent=1), flush=True)
    return found | {"bf16_matrix_rate": spread([matrix_rate() for _ in range(rounds)])}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


class Pictures(Dataset[tuple[Any, int]]):
    """A split as PIL pictures under a transform, as torchvision's data sets are."""

    def __init__(self, split: data.Split, transform: Callable[[Any], Any]) -> None:
        self.pictures = [v2.functional.to_pil_image(image) for image in split.images]
        self.labels, self.transform = split.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def to_tensor(*before: Any) -> Any:
    scale = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([m / 255 for m in MEAN], [s / 255 for s in STD]),
    ]
    return v2.Compose([*before, *scale])


def ours(name: str, loop: Loop, epochs: int, seed: int) -> tuple[float, float]:
    """Seconds and validation error of `paperlib.run`."""
    recipe = Recipe(
        model=loop.model,
        options=loop.options,
        data=name,
        sides=(loop.side, loop.side),
        test_side=loop.side,
        crop_side=loop.side,
        pad=2,
        mean=MEAN,
        std=STD,
        epochs=epochs,
        batch_size=loop.batch,
        lr=LR,
        schedule="one-cycle",
        weight_decay=DECAY,
        precision="bf16",
        channels_last=True,
        seed=seed,
        source="ResNet, section 4.2",
        target="",
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(recipe, Path(folder) / "run", log=lambda line: None)
        seconds = time.perf_counter() - start
        return seconds, runs.load_metrics(Path(folder) / "run")[-1]["val_top1_error"]


def plain(name: str, loop: Loop, epochs: int, seed: int) -> tuple[float, float]:
    """Seconds and validation error of a plain fp32 loop with DataLoader and torchvision's transforms."""
    torch.manual_seed(seed)
    dataset, resize = data.load(name), v2.Resize(loop.side)
    views = to_tensor(resize, v2.RandomCrop(loop.side, padding=2), v2.RandomHorizontalFlip())
    validation = DataLoader(Pictures(dataset.val, to_tensor(resize)), loop.batch)
    model = build(loop.model, 10, **loop.options)
    loader = DataLoader(Pictures(dataset.train, views), loop.batch, shuffle=True, num_workers=2)
    optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM, weight_decay=DECAY)
    total = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total, pct_start=0.2, anneal_strategy="linear")
    start = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            wrong = sum(int((model(images).argmax(1) != labels).sum()) for images, labels in validation)
    return time.perf_counter() - start, 100 * wrong / len(dataset.val)


def d2l_trainer(name: str, loop: Loop, epochs: int, seed: int) -> tuple[float, float]:
    """Seconds and validation error of d2l's Trainer and Classifier: its transforms, no augmentation, constant rate."""
    from d2l import torch as d2l

    dataset = data.load(name)

    class Net(d2l.Classifier):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = build(loop.model, 10, **loop.options)
            self.board.display = False

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), LR, MOMENTUM, weight_decay=DECAY)

    class Module(d2l.DataModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(num_workers=2)
            transform = v2.Compose([v2.Resize((loop.side, loop.side)), to_tensor()])
            self.train, self.val = (Pictures(split, transform) for split in (dataset.train, dataset.val))

        def get_dataloader(self, train: bool) -> Any:
            return DataLoader(
                self.train if train else self.val, loop.batch, shuffle=train, num_workers=self.num_workers
            )

    torch.manual_seed(seed)
    net, module, trainer = Net(), Module(), d2l.Trainer(max_epochs=epochs)
    start = time.perf_counter()
    trainer.fit(net, module)
    seconds = time.perf_counter() - start
    predict = one_view(net.net, TestView(loop.side, None, MEAN, STD))
    return seconds, evaluate(predict, dataset.val.images, dataset.val.labels).top1


def runners(name: str, loop: Loop, epochs: int) -> dict[str, Callable[[int], tuple[float, float]]]:
    """The loops by name: from a seed to seconds and validation error."""
    found: dict[str, Callable[[int], tuple[float, float]]] = {
        "paperlib, bf16 channels_last": lambda seed: ours(name, loop, epochs, seed),
        "plain fp32 loop": lambda seed: plain(name, loop, epochs, seed),
    }
    if find_spec("d2l"):
        found["d2l 1.0.3 Trainer"] = lambda seed: d2l_trainer(name, loop, epochs, seed)
    if f"torchvision_{loop.model}" in MODELS:
        theirs = loop._replace(model=f"torchvision_{loop.model}")
        found["torchvision's net in paperlib"] = lambda seed: ours(name, theirs, epochs, seed)
    return found


def loops(name: str, loop: Loop, rounds: int, epochs: int) -> dict[str, Any]:
    """Training images per second, validation included, and the validation error after equal epochs."""
    once = runners(name, loop, epochs)
    found: dict[str, list[tuple[float, float]]] = {runner: [] for runner in once}
    for seed in range(rounds):
        for runner, run_it in once.items():
            found[runner].append(run_it(seed))
            seconds, error = found[runner][-1]
            print(f"{loop.model}, round {seed}, {runner}: {seconds:.1f} s, error {error:.2f}%", flush=True)
    trained = len(data.load(name).train)
    images, first = epochs * trained, next(iter(found.values()))
    return {"data": name, "images": trained, "epochs": epochs} | {
        runner: {
            "images_per_second": spread([images / seconds for seconds, _ in results]),
            "val_top1_error": spread([error for _, error in results]),
            "ours_is_faster_by": spread([b[0] / a[0] for a, b in zip(first, results, strict=True)]),
        }
        for runner, results in found.items()
    }


def short(name: str, rounds: int) -> dict[str, Any]:
    """Loops of other nets, one epoch of a part of the images each; too short to speak of errors."""
    whole = data.load(name)
    MODELS["torchvision_resnet18"] = lambda num_classes: torchvision.models.resnet18(num_classes=num_classes)
    found = {}
    for net, loop in SHORT.items():
        train, val = (
            data.Split(split.images[:n], split.labels[:n])
            for split, n in ((whole.train, loop.images), (whole.val, loop.images // 10))
        )
        part = data.Data(whole.classes, train, val, whole.test)
        data.DATASETS["part"] = lambda download, part=part: part
        found[net] = loops("part", loop, rounds, 1) | {"data": name}
        for runner in found[net].values():
            if isinstance(runner, dict):
                del runner["val_top1_error"]
    return found


def errors(name: str, epochs: int) -> dict[str, Any]:
    """Validation error of one run of each loop."""
    found = {}
    for runner, run_it in runners(name, RESNET_20, epochs).items():
        found[runner] = run_it(0)[1]
        print(f"{epochs} epochs  {runner}: error {found[runner]:.2f}%", flush=True)
    return {"epochs": epochs, "val_top1_error": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mini")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    machine = {"machine": platform.machine(), "threads": args.threads, "torch": torch.__version__.split("+")[0]}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "loops": lambda: loops(args.data, RESNET_20, args.rounds, args.epochs),
        "short": lambda: short(args.data, args.rounds),
        "steps": lambda: steps(3 * args.rounds),
        "errors": lambda: errors(args.data, 5 * args.epochs),
    }
    found = json.loads(args.out.read_text()) if args.out.exists() else {}
    if found and found["environment"] != machine:
        parser.error(f"{args.out} is of {found['environment']}, this is {machine}: name another --out")
    found |= {"environment": machine} | {part: parts[part]() for part in args.parts}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
