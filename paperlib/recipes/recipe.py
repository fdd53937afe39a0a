"""A recipe: one experiment as frozen values, what is trained, on what, how, and what it should reach."""

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Literal, get_args

from paperlib.errors import PaperlibError

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
    """Recipe whose finished run, beside this one or RECIPE/seed0 in the package, lends its weights: all of the same
    net, or VGG's net A its share. Behind torchrun, which has a --start-method: -m -- paperlib train ..."""

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
        _refuse(self.crop < 1, f"crop_side must be above 0, not {self.crop_side}")
        _refuse(self.crop != self.options.get("image_size", self.crop), "crop_side is not the image_size of the net")
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

    The processes that torchrun starts and `accumulate` share out each batch: results are equal but for rounding, for
    batch norm, which takes the statistics of each share, and for dropout, which each process draws by itself.
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


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`field: old -> new` for each value of two recipes, as dicts, that differ; `source` and `target` are prose.

    A field that a recipe of an earlier version lacks has its default.
    """
    names = [(f.name, f.default) for f in fields(Recipe) if f.name not in ("source", "target")]
    values = [(n, old.get(n, default), new.get(n, default)) for n, default in names]
    return [f"{n}: {a} -> {b}" for n, a, b in values if a != b]
