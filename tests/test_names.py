"""Names that are known without torch: they are those of the models and data sets, and `paperlib` starts without it."""

import subprocess
import sys

import pytest
import torch

import paperlib
from paperlib import MODELS, build, names
from paperlib.data import DATASETS


def test_the_table_names_every_model() -> None:
    assert list(names.MODELS) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_states_parameters_and_side_of_each_model(name: str) -> None:
    parameters, side = names.MODELS[name]
    with torch.device("meta"):
        model = build(name, num_classes=10 if side == 32 else 1000)
    assert (sum(p.numel() for p in model.parameters()), model.image_size) == (parameters, side)


def test_the_table_names_every_data_set() -> None:
    assert list(names.DATASETS) == [name for name in DATASETS if name != "tiny"]  # of the tests


@pytest.mark.parametrize("code", ["import paperlib", "from paperlib import RECIPES, runs; runs.recorded_runs()"])
def test_names_recipes_and_recorded_runs_need_no_torch(code: str) -> None:
    code += "; import sys; assert not {'torch', 'torchvision', 'matplotlib'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_package_offers_what_it_lists_and_nothing_else() -> None:
    for name in paperlib.__all__:
        assert getattr(paperlib, name) is not None
    with pytest.raises(AttributeError, match="module 'paperlib' has no attribute 'modles'"):
        paperlib.modles  # noqa: B018


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--help", "usage: paperlib COMMAND"),
        ("--version", paperlib.__version__),
        ("list", "vgg16"),
        ("lsit", "unknown command 'lsit'; did you mean list"),
        ("train resnet-20", "unknown recipe 'resnet-20'; did you mean"),
        ("data cifra10", "unknown data set 'cifra10'; did you mean cifar10"),
    ],
)
def test_help_lists_and_mistyped_names_answer_without_torch(words: str, message: str) -> None:
    code = "import sys; from paperlib.cli import main; code = main(); assert 'torch' not in sys.modules; sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code, *words.split()], capture_output=True, text=True)
    assert message in done.stdout + done.stderr
    assert done.returncode == (0 if words in ("--help", "--version", "list") else 2)
