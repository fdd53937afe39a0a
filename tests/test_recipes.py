"""Recipes: what they refuse, and the paper's values in them."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from paperlib import MODELS, RECIPES, build, recipes, runs
from paperlib.data import DATASETS
from paperlib.errors import PaperlibError
from paperlib.models.vgg import start_from_net_a
from paperlib.recipes import recipe
from paperlib.recipes.recipe import Recipe, differences
from paperlib.recipes.zfnet import CALTECH_FOLDERS, ZFNET_TABLE_3

from .conftest import counted


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be above 0, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number, not 1.5"),
        ({"lr": -1.0}, r"lr must be above 0, not -1"),
        ({"lr": float("nan")}, r"lr must be a number, not nan"),
        ({"patience": -1}, "patience must not be negative"),
        ({"renormalize": -0.1}, r"renormalize must not be negative, not -0.1"),
        ({"seed": -1}, "seed must lie in"),
        ({"mean": (300.0, 0.0, 0.0)}, "mean must each lie in"),
        ({"schedule": "no-such"}, "schedule must be one of plateau, milestones, one-cycle, not 'no-such'"),
        ({"precision": "fp8"}, "precision must be one of fp32, bf16"),
        ({"schedule": "milestones", "milestones": (4, 2)}, "milestones must rise"),
        ({"schedule": "milestones", "milestones": (99,)}, "milestones must rise between 0 and 15"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum"),
        ({"weight_decay": -1e-4}, "weight_decay must not be negative"),
        ({"std": (1.0, 0.0, 1.0)}, "std must each be above 0"),
        ({"sides": (64, 32)}, "64 is above 32"),
        ({"sides": (31, 64)}, "sides start at 31 px, below the 32 px crop"),
        ({"test_side": 31}, "Q = 31 px is below the 32 px crop"),
        ({"crop_side": -1}, r"crop_side must lie in \[1, 2048\], not -1"),
        ({"crop_side": 64, "sides": (64, 80), "test_side": 72}, "crop_side is not the image_size of the model"),
        ({"milestones": (2, 3)}, "milestones go with schedule=milestones"),
        ({"schedule": "milestones"}, "milestones go with schedule=milestones"),
        ({"crop_side": 0}, r"crop_side must lie in \[1, 2048\], not 0"),
        ({"sides": (32.5, 48)}, r"sides must each be a whole number, not \(32.5, 48\)"),
        ({"sides": [32, 48]}, r"sides must be a tuple, not \[32, 48\]"),
        ({"test_side": float("nan")}, "test_side must be a whole number, not nan"),
        ({"mean": (1.0, 2.0)}, r"mean must be 3 values, not \(1.0, 2.0\)"),
        ({"std": (1.0, 1.0, float("inf"))}, "std must each be a number"),
        ({"epochs": True}, "epochs must be a whole number, not True"),
        ({"mirror": 1}, "mirror must be True or False, not 1"),
        ({"model": None}, "model must be text, not None"),
        ({"options": 3}, "options must be values by name, not 3"),
        ({"options": {"width": None}}, "options must each be a whole number"),
        ({"milestones": (0, 2), "schedule": "milestones"}, "milestones must each be above 0"),
    ],
)
def test_nonsense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PaperlibError, match=message):
        dataclasses.replace(RECIPES["vgg-mini"], **values)


def test_what_stays_allowed() -> None:
    """A whole number where any number may stand; no crop, which the option image_size then gives; any milestones."""
    r = dataclasses.replace(RECIPES["vgg-mini"], lr=1, mean=(0, 0, 0), crop_side=None, options={"image_size": 32})
    assert (r.lr, r.crop) == (1, 32)
    assert dataclasses.replace(r, schedule="milestones", milestones=(1, 2, 14)).milestones == (1, 2, 14)


def test_an_unknown_recipe_names_the_near_ones() -> None:
    with pytest.raises(PaperlibError, match="unknown recipe 'vgg-mimi'; did you mean vgg-mini"):
        recipe("vgg-mimi")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_names_a_data_set(name: str) -> None:
    r = RECIPES[name]
    assert r.model in MODELS
    assert r.data in DATASETS or r.data.startswith(f"{CALTECH_FOLDERS}/")
    assert r.start.partition("/")[0] in ("", *RECIPES)  # a recipe, or one of its recorded runs
    counted(r.model, 10, **r.options)


@pytest.mark.parametrize("name", [name for name in RECIPES if "vgg" in name])
def test_the_vgg_recipes_keep_the_papers_values(name: str) -> None:
    """VGG, section 3.1: momentum 0.9, weight decay 5e-4; section 4.1: Q = 0.5 (S_min + S_max)."""
    r: Recipe = RECIPES[name]
    assert (r.momentum, r.weight_decay, r.nesterov, r.mirror) == (0.9, 5e-4, False, True)
    assert abs(r.test_side - sum(r.sides) / 2) <= 0.5


@pytest.mark.parametrize("name", ["imagenet-alexnet", "imagenet-zfnet"])
def test_imagenet_alexnet_and_zfnet_are_the_papers(name: str) -> None:
    """AlexNet, section 5; ZFNet, section 3: batch 128, 1e-2, momentum 0.9, the mean subtracted and nothing divided."""
    r = RECIPES[name]
    assert (r.batch_size, r.lr, r.momentum, r.nesterov, r.schedule) == (128, 1e-2, 0.9, False, "plateau")
    assert (r.sides, r.test_side, r.crop, r.mirror, r.std) == ((256, 256), 256, 224, True, (1.0, 1.0, 1.0))
    zf = name == "imagenet-zfnet"
    assert (r.epochs, r.renormalize, r.colours) == ((70, 0.1, "none") if zf else (90, 0.0, "imagenet"))


def test_zfnets_table_3_at_a_quarter_of_its_width() -> None:
    """What the last layer reads in each row: a quarter of the paper's units, or the 64 maps of 2x2 below them."""
    made = {row: counted(r.model, 101, **r.options) for row in ZFNET_TABLE_3 for r in [RECIPES[f"caltech101-{row}"]]}
    read = {"zfnet-no67": 256, "zfnet-no3467": 256, "zfnet-fc2048": 512, "zfnet-fc8192": 2048, "zfnet_b-fc8192": 2048}
    assert {row: net.classifier.fc8.in_features for row, net in made.items()} == {row: 1024 for row in made} | read
    maps = [[m.out_channels for m in made[row].features if isinstance(m, nn.Conv2d)] for row in ("zfnet", "zfnet_b")]
    assert maps == [[24, 64, 96, 96, 64], [24, 64, 128, 256, 128]]
    assert not {"conv3", "conv4"} & set(dict(made["zfnet-no3467"].features.named_children()))


@pytest.mark.parametrize("name", [name for name, r in RECIPES.items() if r.model.startswith("zfnet")])
def test_zfnets_recipes_keep_the_papers_values(name: str) -> None:
    """Section 3: 1e-2, momentum 0.9, filters of RMS 0.1 at most, for inputs that are not divided; 256 px for 224.

    With batch norm, which the paper has not, twice the learning rate.
    """
    r = RECIPES[name]
    lr = 2e-2 if r.options.get("batch_norm") else 1e-2
    assert (r.lr, r.momentum, r.std, r.renormalize) == (lr, 0.9, (1.0, 1.0, 1.0), 0.1)
    assert r.sides == (r.test_side, r.test_side) == (round(256 * r.crop / 224),) * 2


def test_the_scales_of_vgg_caltech_are_the_papers_at_64_of_224_px() -> None:
    r = RECIPES["vgg-caltech"]
    assert r.sides == tuple(round(s * 64 / 224) for s in (256, 512))


RECORDED = [
    (name, text)
    for path in sorted(Path(recipes.__file__).parent.glob("*.py"))
    for text, name in re.findall(r"# recorded: (.*)\n    \"([\w-]+)\":", path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("name", "text"), RECORDED)
def test_what_is_written_above_a_recipe_is_what_its_records_say(name: str, text: str) -> None:
    names = [run for run in runs.recorded_runs() if run.partition("/")[0] == name]
    tests = [rows.get("test") or rows["center"] for rows in map(runs.read_evaluation, names)]
    right = sorted(f"{100 - test['top1']:.2f}" for test in tests)
    times = sorted(sum(row["seconds"] for row in runs.load_metrics(runs.find(run))) for run in names)
    if len(names) == 1:
        assert text == f"{right[0]}% right, {times[0]:.0f} s"
    else:
        span = f"{times[0]:.0f} to {times[-1]:.0f} s"
        assert text == f"{right[0]} to {right[-1]}% right, {span} ({len(names)} seeds)"


def test_recorded_recipes_state_their_records() -> None:
    assert len(RECORDED) >= 25


def test_differences_name_each_value() -> None:
    a = dataclasses.asdict(RECIPES["vgg-mini"])
    assert differences(a, a | {"lr": 1.0, "seed": 3}) == [f"lr: {a['lr']} -> 1.0", "seed: 0 -> 3"]


def test_imagenet_vgg_is_the_papers() -> None:
    """VGG, section 3.1: each value, and what starts from what."""
    r = RECIPES["imagenet-vgg16-s256"]
    assert (r.batch_size, r.epochs, r.lr, r.schedule, r.options) == (256, 74, 1e-2, "plateau", {})
    assert (r.sides, r.test_side, r.colours, r.std) == ((256, 256), 256, "imagenet", (1.0, 1.0, 1.0))
    assert RECIPES["imagenet-vgg11-s256"].start == ""
    assert r.start == "imagenet-vgg11-s256"
    larger, jittered = RECIPES["imagenet-vgg16-s384"], RECIPES["imagenet-vgg16-jitter"]
    assert (larger.sides, larger.start, larger.lr) == ((384, 384), "imagenet-vgg16-s256", 1e-3)
    assert (jittered.sides, jittered.test_side) == ((256, 512), 384)
    assert jittered.start == "imagenet-vgg16-s384"


@pytest.mark.parametrize(
    "name", [name for name, r in RECIPES.items() if r.start in RECIPES and RECIPES[r.start].model != r.model]
)
def test_a_recipe_that_starts_from_net_a_can(name: str) -> None:
    """Section 3.1: what the recipe names as its start lends its layers; small nets stand for the whole ones."""
    small = {"width": 1 / 64, "image_size": 32}
    net, net_a = (build(r.model, 10, **r.options | small) for r in (RECIPES[name], RECIPES[RECIPES[name].start]))
    start_from_net_a(net, net_a)
    assert torch.equal(net.classifier.fc8.weight, net_a.classifier.fc8.weight)


def test_table_3_has_its_rows_and_a_small_twin_of_each() -> None:
    """Twelve rows, and the 5x5 variant of B; the twins at 64 / 224 of every side."""
    large = [name for name in RECIPES if name.startswith("imagenet-vgg")]
    small = [name for name in RECIPES if name.startswith("caltech101-vgg")]
    assert len(large) == len(small) == 13
    for a, b in zip(large, small, strict=True):
        assert RECIPES[a].model == RECIPES[b].model
        assert RECIPES[b].sides == tuple(round(side * 64 / 224) for side in RECIPES[a].sides)


def test_a_field_that_an_old_recipe_lacks_has_its_default() -> None:
    new = dataclasses.asdict(RECIPES["vgg-mini"])
    old = {key: value for key, value in new.items() if key != "colours"}
    assert differences(old, new) == []
    assert differences(old, new | {"colours": "train"}) == ["colours: none -> train"]


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith(("imagenet-resnet", "imagenet-plain"))])
def test_imagenet_resnet_is_the_papers(name: str) -> None:
    """ResNet, section 3.4; 60e4 iterations of 256 of 1.28 million images are 120 epochs."""
    r = RECIPES[name]
    assert (r.sides, r.crop, r.mirror, r.colours, r.batch_size) == ((256, 480), 224, True, "imagenet", 256)
    assert (r.lr, r.schedule, r.weight_decay, r.momentum, r.nesterov) == (0.1, "plateau", 1e-4, 0.9, False)
    assert r.epochs == round(60e4 * 256 / 1_281_167)


@pytest.mark.parametrize("model", ["densenet40_k12", "densenet_bc100_k12"])
def test_each_cifar_is_normalised_by_its_own_statistics(model: str) -> None:
    """DenseNet, section 4.1: the channel means and standard deviations of the set."""
    ten, hundred = (RECIPES[f"cifar{n}-{model}"] for n in (10, 100))
    assert [round(m / 255, 3) for m in ten.mean] == [0.491, 0.482, 0.447]
    assert [round(m / 255, 3) for m in hundred.mean] == [0.507, 0.487, 0.441]
    assert [round(s / 255, 3) for s in hundred.std] == [0.267, 0.256, 0.276]


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith(("cifar10-resnet", "cifar10-plain"))])
def test_cifar_resnet_is_the_papers(name: str) -> None:
    """ResNet, section 4.2: 45,000 images, 64k iterations, / 10 at 32k and 48k; 110 layers start at 0.01."""
    r = RECIPES[name]
    steps = 45_000 / r.batch_size
    assert (r.batch_size, r.crop, r.pad, r.mirror, r.colours) == (128, 32, 4, True, "none")
    assert (r.lr, r.weight_decay, r.momentum, r.nesterov) == (0.1, 1e-4, 0.9, False)
    assert [r.epochs, *r.milestones] == [round(k * 1000 / steps) for k in (64, 32, 48)] == [182, 91, 137]
    assert r.warm_up_lr == (0.01 if r.model in ("resnet110", "resnet1202") else 0)


def test_the_fashion_twins_differ_in_the_net_alone() -> None:
    """What is compared is the net: every other value is the same, and rates and decay are the ResNet paper's."""
    twins = [
        RECIPES[f"fashion-mnist-{net}"] for net in ("plain20", "plain56", "resnet20", "resnet56", "densenet_bc22_k24")
    ]
    first, *others = [dataclasses.asdict(r) | {"model": "", "options": {}} for r in twins]
    assert all(differences(first, other) == [] for other in others)
    assert (twins[0].lr, twins[0].batch_size, twins[0].weight_decay) == (0.1, 128, 1e-4)


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if "densenet" in name and "fashion" not in name and "jpeg" not in name]
)
def test_densenet_is_the_papers(name: str) -> None:
    """DenseNet, section 4.2: batch, epochs and where the rate falls; Nesterov 0.9, decay 1e-4."""
    r = RECIPES[name]
    assert (r.lr, r.schedule, r.weight_decay, r.momentum, r.nesterov) == (0.1, "milestones", 1e-4, 0.9, True)
    if r.data == "imagenet":
        assert (r.batch_size, r.epochs, r.milestones, r.crop) == (256, 90, (30, 60), 224)
    else:
        assert (r.batch_size, r.epochs, r.milestones) == (64, 300, (300 // 2, 300 * 3 // 4))
        assert (r.crop, r.pad, r.mirror, r.options) == (32, 4, True, {"dropout": 0.0})
