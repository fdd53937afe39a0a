"""The registry: every name builds, wrong names are told the near ones."""

import inspect

import pytest
import torch
from torch import nn

from paperlib import MODELS, build
from paperlib.errors import PaperlibError
from paperlib.models import options
from paperlib.values import broken_rule


@pytest.mark.parametrize("name", MODELS)
def test_every_name_builds_with_its_number_of_classes(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=7)
    x = torch.empty(2, 3, model.image_size, model.image_size, device="meta")
    assert model(x).shape == (2, 7)


def test_an_unknown_model_names_the_near_ones() -> None:
    with pytest.raises(PaperlibError, match=r"unknown model 'vgg61'; did you mean .*vgg16"):
        build("vgg61")


def test_capitals_do_not_hide_a_near_name() -> None:
    with pytest.raises(PaperlibError, match="did you mean vgg16"):
        build("VGG16")


def test_a_far_off_name_lists_all() -> None:
    with pytest.raises(PaperlibError, match=r"unknown model 'zzz'; known: .*vgg11.*vgg19"):
        build("zzz")


def test_options_show_the_defaults_of_each_net() -> None:
    assert options("resnet50")["shortcut"] == "B"
    assert options("resnet20")["shortcut"] == "A"
    assert options("plain20")["shortcut"] is None
    assert options("densenet_bc100_k12") == {
        "bottleneck": True, "compression": 0.5, "dropout": 0.0, "memory_efficient": False
    }  # fmt: skip


def test_an_unknown_option_names_the_near_one() -> None:
    with pytest.raises(PaperlibError, match="unknown option of vgg16 'batchnorm'; did you mean batch_norm"):
        build("vgg16", batchnorm=True)


def test_a_refused_value_says_the_least() -> None:
    with pytest.raises(PaperlibError, match=r"vgg11: image_size 16 is too small.*the least is 32"):
        build("vgg11", image_size=16)
    with pytest.raises(PaperlibError, match="hidden and num_classes must be at least 1, not 0"):
        build("vgg11", hidden=0)
    with pytest.raises(PaperlibError, match="vgg11: "):
        build("vgg11", width=float("inf"))
    with pytest.raises(PaperlibError, match=r"width 0.01 leaves no channel; the least is 1/64"):
        build("vgg11", width=0.01)


def test_an_option_of_another_type_is_refused() -> None:
    with pytest.raises(PaperlibError, match=r"vgg11: width must be a number, not 'wide'"):
        build("vgg11", width="wide")
    with pytest.raises(PaperlibError, match=r"resnet20: num_classes must be a whole number, not '10'"):
        build("resnet20", num_classes="10")  # type: ignore[arg-type]
    with pytest.raises(PaperlibError, match=r"resnet20: zero_init must be True or False, not 1"):
        build("resnet20", zero_init=1)


def test_a_mistake_in_the_code_of_a_model_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(num_classes: int, *, width: float = 1.0) -> nn.Module:
        return nn.Linear(num_classes, len(width))  # type: ignore[arg-type]

    monkeypatch.setitem(MODELS, "mistaken", mistaken)
    with pytest.raises(TypeError, match="has no len"):
        build("mistaken", width=2.0)


@pytest.mark.parametrize("name", MODELS)
def test_every_option_has_a_type_that_its_default_has(name: str) -> None:
    for parameter in inspect.signature(MODELS[name]).parameters.values():
        if parameter.default is not parameter.empty:
            assert broken_rule(parameter.default, parameter.annotation) == ""
