"""Experiments as frozen values: what is trained, on what, how, and what it should reach."""

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Literal, get_args

from paperlib.errors import PaperlibError, unknown

Option = int | float | bool | str
Schedules = Literal["plateau", "milestones", "one-cycle"]
Precision = Literal["fp32", "bf16"]
SCHEDULES, PRECISIONS = get_args(Schedules), get_args(Precision)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training experiment. Refuses values that make no sense with PaperlibError."""

    model: str
    """Name of the net (see `paperlib list`)."""
    options: dict[str, Option] = field(default_factory=dict)
    """Options of the net by name: `width`, `batch_norm`, `image_size` ..."""
    data: str
    """Name of the data set (see `paperlib list`)."""

    sides: tuple[int, int]
    """S_min and S_max in px: the smaller image side in training is drawn between them."""
    test_side: int
    """Q in px: the smaller image side when errors are counted."""
    mirror: bool = True
    """Mirror half of the training views."""
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
    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass."""
    seed: int = 0
    """Seed of the initial weights, the order of images, their views and dropout."""

    source: str
    """Where the values come from."""
    target: str
    """What the run should reach."""

    def __post_init__(self) -> None:
        for name, choices in (("schedule", SCHEDULES), ("precision", PRECISIONS)):
            value = getattr(self, name)
            _refuse(value not in choices, f"{name} must be one of {', '.join(choices)}, not {value!r}")
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            _refuse(not isinstance(value, int) or value < 1, f"{name} must be a whole number above 0, not {value}")
        _refuse(not 0 < self.lr < inf, f"lr must be above 0, not {self.lr}")
        _refuse(self.patience < 0, f"patience must not be negative, not {self.patience}")
        _refuse(not 0 <= self.seed < 2**31, f"seed must lie in [0, 2^31), not {self.seed}")
        _refuse(not all(0 <= m <= 255 for m in self.mean), f"mean must lie in [0, 255], not {self.mean}")
        _refuse(not 0 <= self.momentum < 1, f"momentum must lie in [0, 1), not {self.momentum}")
        _refuse(self.nesterov and self.momentum == 0, "nesterov needs a momentum above 0")
        _refuse(not 0 <= self.weight_decay < inf, f"weight_decay must not be negative, not {self.weight_decay}")
        _refuse(not all(0 < s < inf for s in self.std), f"std must be above 0, not {self.std}")
        low, high = self.sides
        _refuse(low > high, f"sides are S_min and S_max; {low} is above {high}")
        _refuse(low < self.crop, f"sides start at {low} px, below the {self.crop} px crop")
        _refuse(self.test_side < self.crop, f"test_side Q = {self.test_side} px is below the {self.crop} px crop")
        _refuse(bool(self.milestones) != (self.schedule == "milestones"), "milestones go with schedule=milestones")
        rising = list(self.milestones) == sorted({m for m in self.milestones if 0 < m < self.epochs})
        _refuse(not rising, f"milestones must rise between 0 and {self.epochs} epochs, not {self.milestones}")

    @property
    def crop(self) -> int:
        """Side of the training crop in px: the option `image_size`, else the 224 of the papers."""
        return int(self.options.get("image_size", 224))


def _refuse(wrong: bool, message: str) -> None:
    if wrong:
        raise PaperlibError(f"recipe: {message}")


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`field: old -> new` for each value of two recipes, as dicts, that differ; `source` and `target` are prose."""
    names = [f.name for f in fields(Recipe) if f.name not in ("source", "target")]
    return [f"{n}: {old.get(n)} -> {new.get(n)}" for n in names if old.get(n) != new.get(n)]


RECIPES: dict[str, Recipe] = {
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
