"""Finding and reading runs."""

import pytest

from paperlib import runs
from paperlib.errors import PaperlibError


def test_a_mistyped_run_names_the_near_ones() -> None:
    with pytest.raises(PaperlibError, match=r"no run folder 'vgg-caltec'; did you mean vgg-caltech"):
        runs.find("vgg-caltec")
    with pytest.raises(PaperlibError, match=r"did you mean .*fashion-mnist-resnet20\b"):
        runs.find("fashion-mnist-resnet-20")
    with pytest.raises(PaperlibError, match="no run folder 'zzz'; paperlib list shows the recorded runs"):
        runs.find("zzz")


def test_a_recipe_alone_leads_to_its_seeds() -> None:
    seeds = r"fashion-mnist-resnet20/seed0, fashion-mnist-resnet20/seed1, fashion-mnist-resnet20/seed2"
    for load in (runs.load_recipe, runs.load_model):
        with pytest.raises(PaperlibError, match=f"^fashion-mnist-resnet20 holds several runs; name one: {seeds}$"):
            load("fashion-mnist-resnet20")
    assert list(runs.recorded("fashion-mnist-resnet20")) == ["seed0", "seed1", "seed2"]


def test_recorded_runs_are_found_by_their_names() -> None:
    names = runs.recorded_runs()
    assert {"vgg-caltech", "fashion-mnist-resnet20-long/seed0"} <= set(names)
    assert [runs.name_of(runs.find(name)) for name in names] == names
