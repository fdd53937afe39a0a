"""Recipes: what they refuse, and the paper's values in them."""

import dataclasses
from typing import Any

import pytest

from paperlib import MODELS, RECIPES, build
from paperlib.data import DATASETS
from paperlib.errors import PaperlibError
from paperlib.recipes import Recipe, differences, recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number above 0, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number above 0, not 1.5"),
        ({"lr": -1.0}, r"lr must be above 0, not -1"),
        ({"lr": float("nan")}, r"lr must be above 0, not nan"),
        ({"patience": -1}, "patience must not be negative"),
        ({"seed": -1}, "seed must lie in"),
        ({"mean": (300.0, 0.0, 0.0)}, "mean must lie in"),
        ({"schedule": "cosine"}, "schedule must be one of plateau, milestones, one-cycle, not 'cosine'"),
        ({"precision": "fp8"}, "precision must be one of fp32, bf16"),
        ({"schedule": "milestones", "milestones": (4, 2)}, "milestones must rise"),
        ({"schedule": "milestones", "milestones": (99,)}, "milestones must rise between 0 and 15"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum"),
        ({"weight_decay": -1e-4}, "weight_decay must not be negative"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be above 0"),
        ({"sides": (64, 32)}, "64 is above 32"),
        ({"sides": (31, 64)}, "sides start at 31 px, below the 32 px crop"),
        ({"test_side": 31}, "Q = 31 px is below the 32 px crop"),
        ({"milestones": (2, 3)}, "milestones go with schedule=milestones"),
        ({"schedule": "milestones"}, "milestones go with schedule=milestones"),
    ],
)
def test_nonsense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PaperlibError, match=message):
        dataclasses.replace(RECIPES["vgg-mini"], **values)


def test_an_unknown_recipe_names_the_near_ones() -> None:
    with pytest.raises(PaperlibError, match="unknown recipe 'vgg-mimi'; did you mean vgg-mini"):
        recipe("vgg-mimi")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_names_a_data_set(name: str) -> None:
    r = RECIPES[name]
    assert r.model in MODELS
    assert r.data in DATASETS
    build(r.model, 10, **r.options)


@pytest.mark.parametrize("name", ["vgg-mini", "vgg-caltech"])
def test_the_vgg_recipes_keep_the_papers_values(name: str) -> None:
    """VGG, section 3.1: momentum 0.9, weight decay 5e-4; section 4.1: Q = 0.5 (S_min + S_max)."""
    r: Recipe = RECIPES[name]
    assert (r.momentum, r.weight_decay, r.nesterov, r.mirror) == (0.9, 5e-4, False, True)
    assert abs(r.test_side - sum(r.sides) / 2) <= 0.5


def test_the_scales_of_vgg_caltech_are_the_papers_at_64_of_224_px() -> None:
    r = RECIPES["vgg-caltech"]
    assert r.sides == tuple(round(s * 64 / 224) for s in (256, 512))


def test_differences_name_each_value() -> None:
    a = dataclasses.asdict(RECIPES["vgg-mini"])
    assert differences(a, a | {"lr": 1.0, "seed": 3}) == [f"lr: {a['lr']} -> 1.0", "seed: 0 -> 3"]
