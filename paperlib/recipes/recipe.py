"""A recipe: one experiment as frozen values, what is trained, on what, how, and what it should reach."""

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

from paperlib.errors import PaperlibError
from paperlib.values import (
    NOT_NEGATIVE,
    Colour,
    Count,
    Momentum,
    NotNegative,
    Pixels,
    Positive,
    Seed,
    broken_rule,
)

Option = int | float | bool | str
Schedules = Literal["plateau", "milestones", "one-cycle"]
Precision = Literal["fp32", "bf16", "fp16"]
Colours = Literal["none", "train", "imagenet"]
SCHEDULES = get_args(Schedules)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training experiment. Refuses values that make no sense with PaperlibError."""

    model: str
    """Name of the model (see `paperlib list`)."""
    options: dict[str, Option] = field(default_factory=dict)
    """Options of the model by name: `width`, `batch_norm`, `image_size` ..."""
    data: str
    """Name of the data set (see `paperlib list`)."""
    start: str = ""
    """Recipe whose finished run, beside this one or RECIPE/seed0 in the package, lends its weights: all of the same
    model, or VGG's net A its share. Behind torchrun, which has a --start-method: -m -- paperlib train ..."""

    sides: tuple[Pixels, Pixels]
    """S_min and S_max in px: the smaller image side in training is drawn between them."""
    test_side: Pixels
    """Q in px: the smaller image side when errors are counted."""
    crop_side: Pixels | None = None
    """Side of the training crop in px; by default the model's option `image_size`, else 224."""
    pad: Annotated[int, NOT_NEGATIVE] = 0
    """Zeros (of the normalised view) on each side of a training image before it is cropped, in px."""
    mirror: bool = True
    """Mirror half of the training views."""
    colours: Colours = "none"
    """AlexNet's colour shift along the principal colours of the training images, or of ImageNet as published."""
    mean: tuple[Colour, Colour, Colour]
    """Mean RGB, subtracted; in [0, 255]."""
    std: tuple[Positive, Positive, Positive]
    """What each channel is divided by after the mean is subtracted."""

    epochs: Count
    """Passes over the training images."""
    batch_size: Count
    """Images per step, over all processes."""
    lr: Positive
    """Learning rate at its highest."""
    schedule: Schedules
    """plateau: / 10 when the validation error stops falling; milestones: / 10 at these epochs; one-cycle: linear
    rise over the first fifth, linear fall to zero."""
    patience: Annotated[int, NOT_NEGATIVE] = 2
    """Epochs without a better validation error that `plateau` lets pass; after one more it divides."""
    milestones: tuple[Count, ...] = ()
    """Epochs after which `milestones` divides."""
    momentum: Momentum = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: NotNegative
    """L2 penalty, on every parameter."""
    warm_up_lr: NotNegative = 0.0
    """Learning rate until the training error of a few steps is below 80% (ResNet, section 4.2); 0: no warm-up."""
    clip: NotNegative = 0.0
    """Largest norm of the gradient over all parameters: a longer one is scaled down to it; 0: any."""
    renormalize: NotNegative = 0.0
    """Largest RMS of a convolution filter, above which it is scaled down after each step; 0: any. ZFNet's 0.1 is for
    inputs in about [-128, 128], std = 1; views divided by a std give the same maps by filters of conv1 std as large."""
    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass; fp16, whose loss is scaled, on GPUs only."""
    channels_last: bool = False
    """Keep maps as (N, H, W, C) in memory: the same numbers but for rounding, often faster."""
    seed: Seed = 0
    """Seed of the initial weights, the order of images, their views and dropout."""

    source: str
    """Where the values come from."""
    target: str
    """What the run should reach."""

    def __post_init__(self) -> None:
        check_fields(self)
        low, high = self.sides
        rising = sorted({m for m in self.milestones if m < self.epochs})
        wrong = {
            "nesterov needs a momentum above 0": self.nesterov and self.momentum == 0,
            f"sides are S_min and S_max; {low} is above {high}": low > high,
            f"pad must lie in [0, {low}), not {self.pad}": self.pad >= low,
            "crop_side is not the image_size of the model": self.crop != self.options.get("image_size", self.crop),
            f"sides start at {low} px, below the {self.crop} px crop": low + 2 * self.pad < self.crop,
            f"test_side Q = {self.test_side} px is below the {self.crop} px crop": self.test_side < self.crop,
            "milestones go with schedule=milestones": bool(self.milestones) != (self.schedule == "milestones"),
            f"milestones must rise between 0 and {self.epochs} epochs, not {self.milestones}": list(self.milestones)
            != rising,
        }
        for message, holds in wrong.items():
            if holds:
                raise PaperlibError(message)

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

    workers: Annotated[int, NOT_NEGATIVE] | None = None
    """Processes that decode and cut photographs; by default none where these fit in memory, else one per core."""
    accumulate: Count = 1
    """Parts in which each process takes its share of a batch, one after the other: less memory, the same batch."""
    sync_batch_norm: bool = False
    """Batch norm takes the statistics of the whole batch over all processes (on GPUs)."""
    compile: bool = False
    """Compile the model (torch.compile): minutes at the start, faster steps after."""
    save_minutes: NotNegative = 10.0
    """Minutes from one saved state to the next within an epoch; after an epoch it is always saved."""
    skip_bad: bool = False
    """Leave out photographs that cannot be read, and list them in bad_files.json; without it the first one stops."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well, into the run folder."""

    def __post_init__(self) -> None:
        check_fields(self)


def check_fields(instance: "Recipe | Machine") -> None:
    """Raise PaperlibError for the first field whose value does not fit its annotation."""
    for name, kind in annotations(type(instance)).items():  # type: ignore[arg-type]
        value = getattr(instance, name)
        if rule := broken_rule(value, kind):
            raise PaperlibError(f"{name} must {rule}, not {value!r}")


@cache
def annotations(cls: "type[Recipe | Machine]") -> dict[str, Any]:
    """The annotations of a dataclass by field, with their rules."""
    return get_type_hints(cls, include_extras=True)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`field: old -> new` for each value of two recipes, as dicts, that differ; `source` and `target` are prose.

    A field that a recipe of an earlier version lacks has its default.
    """
    names = [(f.name, f.default) for f in fields(Recipe) if f.name not in ("source", "target")]
    values = [(n, old.get(n, default), new.get(n, default)) for n, default in names]
    return [f"{n}: {a} -> {b}" for n, a, b in values if a != b]
