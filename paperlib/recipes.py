"""Experiments as frozen values: what is trained, on what, how, and what it should reach."""

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Literal, get_args

from paperlib.errors import PaperlibError, unknown

Option = int | float | bool | str
Schedules = Literal["plateau", "milestones", "one-cycle"]
Precision = Literal["fp32", "bf16", "fp16"]
Colours = Literal["none", "train", "imagenet"]
SCHEDULES, PRECISIONS, COLOURS = get_args(Schedules), get_args(Precision), get_args(Colours)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training experiment. Refuses values that make no sense with PaperlibError."""

    model: str
    """Name of the net (see `paperlib list`)."""
    options: dict[str, Option] = field(default_factory=dict)
    """Options of the net by name: `width`, `batch_norm`, `image_size` ..."""
    data: str
    """Name of the data set (see `paperlib list`)."""
    start: str = ""
    """Recipe whose finished run, beside this one, lends its weights: all of the same net, or VGG's net A its share."""

    sides: tuple[int, int]
    """S_min and S_max in px: the smaller image side in training is drawn between them."""
    test_side: int
    """Q in px: the smaller image side when errors are counted."""
    crop_side: int | None = None
    """Side of the training crop in px; by default the net's option `image_size`, else 224."""
    pad: int = 0
    """Zeros (of the normalised view) on each side of a training image before it is cropped, in px."""
    mirror: bool = True
    """Mirror half of the training views."""
    colours: Colours = "none"
    """AlexNet's colour shift along the principal colours of the training images, or of ImageNet as published."""
    mean: tuple[float, float, float]
    """Mean RGB, subtracted; in [0, 255]."""
    std: tuple[float, float, float]
    """What each channel is divided by after the mean is subtracted."""

    epochs: int
    """Passes over the training images."""
    batch_size: int
    """Images per step, over all processes."""
    lr: float
    """Learning rate at its highest."""
    schedule: Schedules
    """plateau: / 10 when the validation error stops falling; milestones: / 10 at these epochs; one-cycle: linear
    rise over the first fifth, linear fall to zero."""
    patience: int = 2
    """Epochs without a better validation error that `plateau` lets pass; after one more it divides."""
    milestones: tuple[int, ...] = ()
    """Epochs after which `milestones` divides."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: float
    """L2 penalty, on every parameter."""
    warm_up_lr: float = 0.0
    """Learning rate until the training error of a few steps is below 80% (ResNet, section 4.2); 0: no warm-up."""
    clip: float = 0.0
    """Largest norm of the gradient over all parameters: a longer one is scaled down to it; 0: any."""
    renormalize: float = 0.0
    """Largest RMS of a convolution filter, above which it is scaled down after each step; 0: any. ZFNet's 0.1 is for
    inputs in about [-128, 128], std = 1; views divided by a std give the same maps by filters of conv1 std as large."""
    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass; fp16, whose loss is scaled, on GPUs only."""
    channels_last: bool = False
    """Keep maps as (N, H, W, C) in memory: the same numbers but for rounding, often faster."""
    seed: int = 0
    """Seed of the initial weights, the order of images, their views and dropout."""

    source: str
    """Where the values come from."""
    target: str
    """What the run should reach."""

    def __post_init__(self) -> None:
        for name, choices in (("schedule", SCHEDULES), ("precision", PRECISIONS), ("colours", COLOURS)):
            value = getattr(self, name)
            _refuse(value not in choices, f"{name} must be one of {', '.join(choices)}, not {value!r}")
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            _refuse(not isinstance(value, int) or value < 1, f"{name} must be a whole number above 0, not {value}")
        _refuse(not 0 < self.lr < inf, f"lr must be above 0, not {self.lr}")
        for name in ("warm_up_lr", "clip", "renormalize"):
            value = getattr(self, name)
            _refuse(not 0 <= value < inf, f"{name} must not be negative, not {value}")
        _refuse(self.patience < 0, f"patience must not be negative, not {self.patience}")
        _refuse(not 0 <= self.seed < 2**31, f"seed must lie in [0, 2^31), not {self.seed}")
        _refuse(not all(0 <= m <= 255 for m in self.mean), f"mean must lie in [0, 255], not {self.mean}")
        _refuse(not 0 <= self.momentum < 1, f"momentum must lie in [0, 1), not {self.momentum}")
        _refuse(self.nesterov and self.momentum == 0, "nesterov needs a momentum above 0")
        _refuse(not 0 <= self.weight_decay < inf, f"weight_decay must not be negative, not {self.weight_decay}")
        _refuse(not all(0 < s < inf for s in self.std), f"std must be above 0, not {self.std}")
        low, high = self.sides
        _refuse(low > high, f"sides are S_min and S_max; {low} is above {high}")
        _refuse(not 0 <= self.pad < low, f"pad must lie in [0, {low}), not {self.pad}")
        _refuse(low + 2 * self.pad < self.crop, f"sides start at {low} px, below the {self.crop} px crop")
        _refuse(self.test_side < self.crop, f"test_side Q = {self.test_side} px is below the {self.crop} px crop")
        _refuse(bool(self.milestones) != (self.schedule == "milestones"), "milestones go with schedule=milestones")
        rising = list(self.milestones) == sorted({m for m in self.milestones if 0 < m < self.epochs})
        _refuse(not rising, f"milestones must rise between 0 and {self.epochs} epochs, not {self.milestones}")

    @property
    def crop(self) -> int:
        """Side of the training crop in px: `crop_side`, else the option `image_size`, else the 224 of the papers."""
        return int(self.crop_side or self.options.get("image_size", 224))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How a run is carried out: none of it belongs to the experiment, and a run may go on with other values.

    The processes that torchrun starts and `accumulate` share out each batch: results are equal but for rounding, and
    for batch norm, which takes the statistics of each share.
    """

    workers: int | None = None
    """Processes that decode and cut photographs; by default none where these fit in memory, else one per core."""
    accumulate: int = 1
    """Parts in which each process takes its share of a batch, one after the other: less memory, the same batch."""
    sync_batch_norm: bool = False
    """Batch norm takes the statistics of the whole batch over all processes (on GPUs)."""
    compile: bool = False
    """Compile the net (torch.compile): minutes at the start, faster steps after."""
    save_minutes: float = 10.0
    """Minutes from one saved state to the next within an epoch; after an epoch it is always saved."""
    skip_bad: bool = False
    """Leave out photographs that cannot be read, and list them in bad_files.json; without it the first one stops."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well, into the run folder."""

    def __post_init__(self) -> None:
        wrong = self.workers is not None and self.workers < 0
        _refuse(wrong, f"workers must not be negative, not {self.workers}")
        _refuse(self.accumulate < 1, f"accumulate must be a whole number above 0, not {self.accumulate}")
        _refuse(not self.save_minutes >= 0, f"save_minutes must not be negative, not {self.save_minutes}")


def _refuse(wrong: bool, message: str) -> None:
    if wrong:
        raise PaperlibError(message)


PLAIN = Machine()  # nothing said


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`field: old -> new` for each value of two recipes, as dicts, that differ; `source` and `target` are prose.

    A field that a recipe of an earlier version lacks has its default.
    """
    names = [(f.name, f.default) for f in fields(Recipe) if f.name not in ("source", "target")]
    values = [(n, old.get(n, default), new.get(n, default)) for n, default in names]
    return [f"{n}: {a} -> {b}" for n, a, b in values if a != b]


# VGG, Table 3: each column with the sides S that it was trained at; (256, 512) is jittered.
VGG_TABLE_3: dict[str, tuple[tuple[int, int], ...]] = {
    "vgg11": ((256, 256),),
    "vgg11_lrn": ((256, 256),),
    "vgg13": ((256, 256),),
    "vgg13_5x5": ((256, 256),),  # section 4.1
    "vgg16_1x1": ((256, 256), (384, 384), (256, 512)),
    "vgg16": ((256, 256), (384, 384), (256, 512)),
    "vgg19": ((256, 256), (384, 384), (256, 512)),
}


def _vgg(data: str, crop: int, start_from_a: bool, fine_tune: dict[str, Any], **common: Any) -> dict[str, Recipe]:
    """The rows of VGG's Table 3 on `data`, all sides times `crop` / 224; named like imagenet-vgg16-s384, -jitter.

    S = 384 starts from the S = 256 net and the jittered net from that of S = 384, with `fine_tune` (section 3.1).
    """
    made: dict[str, Recipe] = {}
    for model, rows in VGG_TABLE_3.items():
        start = f"{data}-vgg11-s{round(256 * crop / 224)}" if start_from_a and model[:5] != "vgg11" else ""
        for row in rows:
            low, high = (round(s * crop / 224) for s in row)
            values = common | (fine_tune if row != (256, 256) else {})
            name = f"{data}-{model}-" + (f"s{low}" if low == high else "jitter")
            values |= {"model": model, "data": data, "start": start, "sides": (low, high)}
            made[name] = Recipe(test_side=round(sum(row) / 2 * crop / 224), **values)  # Q of section 4.1
            start = name
    return made


# AlexNet, sections 4 and 5. Departs from it where it cuts a square of 256 px out of each image before it crops
IMAGENET_ALEXNET: dict[str, Any] = {
    "data": "imagenet",
    "sides": (256, 256),
    "test_side": 256,  # and ten crops
    "mean": (123.675, 116.28, 103.53),  # the paper subtracts the mean of each pixel
    "std": (1.0, 1.0, 1.0),
    "batch_size": 128,
    "lr": 1e-2,
    "schedule": "plateau",  # by hand, / 10 when the validation error stops falling
    "weight_decay": 5e-4,  # of which ZFNet says nothing
}
# ResNet, section 3.4: scale drawn from [256; 480], AlexNet's colour shift, no dropout, batch 256, 60e4 iterations
IMAGENET_RESNET: dict[str, Any] = {
    "sides": (256, 480),
    "test_side": 256,  # 10-crop of Table 2; Table 4 tests at 224, 256, 384, 480 and 640
    "colours": "imagenet",
    "mean": (123.675, 116.28, 103.53),  # the paper subtracts the mean of each pixel
    "std": (58.395, 57.12, 57.375),  # departs from the paper, which does not divide
    "epochs": 120,
    "batch_size": 256,
    "lr": 0.1,
    "schedule": "plateau",
    "weight_decay": 1e-4,
}
# ResNet, section 4.2: 64k iterations of 128 of 45,000 images, / 10 at 32k and 48k; 4 px of zeros on each side
CIFAR_RESNET: dict[str, Any] = {
    "sides": (32, 32),
    "test_side": 32,
    "crop_side": 32,
    "pad": 4,
    "mean": (125.3, 123.0, 113.9),  # CIFAR-10's; the paper subtracts the mean of each pixel
    "std": (63.0, 62.1, 66.7),  # departs from the paper, which does not divide
    "epochs": 182,
    "batch_size": 128,
    "lr": 0.1,
    "schedule": "milestones",
    "milestones": (91, 137),
    "weight_decay": 1e-4,
}
# The same on grey 28 px images in a few epochs, for a CPU
FASHION_RESNET: dict[str, Any] = {
    "sides": (28, 28),
    "test_side": 28,
    "crop_side": 28,
    "pad": 2,
    "mean": (73.0, 73.0, 73.0),  # about those of Fashion-MNIST
    "std": (90.0, 90.0, 90.0),
    "epochs": 6,
    "batch_size": 128,
    "lr": 0.1,
    "schedule": "one-cycle",
    "weight_decay": 1e-4,
    "precision": "bf16",
    "channels_last": True,
}


def _resnet() -> dict[str, Recipe]:
    """ResNet's nets and their plain twins: imagenet-resnet50, cifar10-resnet110, fashion-mnist-plain20 ..."""
    made: dict[str, Recipe] = {}
    for model in ("plain18", "plain34", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        source, target = "ResNet, section 3.4", "the net's row in Table 2 or 3: 21.4% to 28.5% top-1 error, 10-crop"
        made[f"imagenet-{model}"] = Recipe(
            model=model, data="imagenet", source=source, target=target, **IMAGENET_RESNET
        )
    for n in (20, 32, 44, 56, 110, 1202):
        for model in (f"resnet{n}", f"plain{n}"):
            if model in ("plain110", "plain1202"):  # they do not learn
                continue
            warm_up = 0.01 if n >= 110 else 0.0  # said of 110; of 1202 nothing is said
            made[f"cifar10-{model}"] = Recipe(
                model=model,
                data="cifar10",
                warm_up_lr=warm_up,
                source="ResNet, section 4.2; departs from it in dividing by the standard deviation",
                target="the net's row in Table 6, or Figure 6 (left) for a plain one",
                **CIFAR_RESNET,
            )
    for model in ("resnet20", "resnet56", "plain20", "plain56"):
        made[f"fashion-mnist-{model}"] = Recipe(
            model=model,
            data="fashion-mnist",
            source="ResNet, section 4.2, at 28 px; departs from it in epochs, schedule and pad",
            target="training error: plain-56 above plain-20, ResNet-56 not above ResNet-20",
            **FASHION_RESNET,
        )
    return made


RECIPES: dict[str, Recipe] = {
    "imagenet-alexnet": Recipe(
        model="alexnet",
        colours="imagenet",
        epochs=90,
        source="AlexNet, sections 4 and 5",
        target="40.7% top-1, 18.2% top-5 error, 10-crop (its Table 2)",
        **IMAGENET_ALEXNET,
    ),
    "imagenet-zfnet": Recipe(
        model="zfnet",
        epochs=70,
        renormalize=0.1,
        source="ZFNet, section 3; trains on any crop, not ten",
        target="38.4% top-1, 16.5% top-5 error, 10-crop (Table 2)",
        **IMAGENET_ALEXNET,
    ),
    **_resnet(),
    **_vgg(
        "imagenet",
        224,
        start_from_a=True,  # with --start '' all layers are Glorot's, which section 3.1 found sufficient
        fine_tune={"lr": 1e-3},  # given for S = 384; for the jittered net the paper gives none
        colours="imagenet",
        mean=(123.675, 116.28, 103.53),  # ImageNet's mean RGB, 255 * (0.485, 0.456, 0.406)
        std=(1.0, 1.0, 1.0),  # only the mean is subtracted, section 2.1
        epochs=74,
        batch_size=256,
        lr=1e-2,
        schedule="plateau",  # / 10 when the validation error stops falling: three times in the paper
        weight_decay=5e-4,
        source="VGG, section 3.1",
        target="the row of this column and S in Table 3: 25.5% to 29.7% top-1 error",
    ),
    **_vgg(
        "caltech101",
        64,
        start_from_a=False,  # Glorot's initialisation
        fine_tune={"lr": 0.01, "epochs": 4},
        options={"width": 0.25, "image_size": 64, "hidden": 256, "dropout": 0.2, "batch_norm": True},
        colours="train",
        mean=(138.0, 134.0, 127.0),  # about those of Caltech-101
        std=(79.0, 78.0, 80.0),
        epochs=12,
        batch_size=32,  # 256 in the paper; a small set needs more steps an epoch
        lr=0.03,
        schedule="one-cycle",
        weight_decay=5e-4,
        precision="bf16",
        channels_last=True,
        source="VGG, section 3.1, at 64 / 224; departs from it in width, batch norm, schedule, batch, dropout, std",
        target="the order of the columns and of S, where three seeds can tell them apart",
    ),
    "vgg-mini": Recipe(
        model="vgg11",
        options={"width": 0.25, "image_size": 32, "hidden": 256, "dropout": 0.2, "batch_norm": True},
        data="fashion-scenes",
        sides=(32, 48),  # narrower than the paper's [256; 512]: the objects fill 0.4 to 0.9 of a scene
        test_side=40,  # Q = 0.5 (S_min + S_max), section 4.1
        mean=(127.0, 127.0, 127.0),  # round numbers, not the scenes' own statistics
        std=(64.0, 64.0, 64.0),
        epochs=15,  # as many as two minutes allow
        batch_size=64,  # 256 in the paper; small sets need more steps an epoch
        lr=0.03,  # chosen in a few short runs on the validation images
        schedule="one-cycle",
        weight_decay=5e-4,  # section 3.1
        source="VGG, section 3.1, narrowed; departs from it in batch norm, schedule, batch, dropout and views",
        target="well below the 90% error of chance, in under two minutes on two cores",
    ),
    "vgg-caltech": Recipe(
        model="vgg11",
        options={"width": 0.375, "image_size": 64, "hidden": 384, "dropout": 0.2, "batch_norm": True},
        data="caltech101",
        sides=(73, 146),  # S in [256; 512] of section 3.1, times 64 / 224
        test_side=110,  # Q = 0.5 (S_min + S_max), section 4.1
        mean=(138.0, 134.0, 127.0),  # about those of Caltech-101
        std=(79.0, 78.0, 80.0),
        epochs=40,
        batch_size=64,  # as vgg-mini
        lr=0.03,  # as vgg-mini
        schedule="one-cycle",
        weight_decay=5e-4,  # section 3.1
        precision="bf16",
        source="VGG, section 3.1, at 64 / 224; departs from it in batch norm, schedule, batch, dropout and views",
        target="score maps that light up on faces and motorbikes",
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; PaperlibError with the near names where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
