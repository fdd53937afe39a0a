"""Where recorded numbers come from."""

import json
import re
import shutil
from pathlib import Path

import pytest

from paperlib import runs
from paperlib.provenance import NOT_RECORDED, train_command, write_evaluation

FIELDS = {"training", "command", "protocol", "images", "commit", "date", "versions", "machine"}
EVALUATED = [name for name in runs.recorded_runs() if (runs.find(name) / "evaluation.json").exists()]


@pytest.mark.parametrize("name", EVALUATED)
def test_every_recorded_number_says_where_it_comes_from(name: str) -> None:
    """Its test has a protocol with all its options; what is not known says so, instead of being left out."""
    rows, tests = runs.read_evaluation(name), runs.read_provenance(name)
    assert tests.keys() == rows.keys()
    for key, test in tests.items():
        assert test.keys() >= FIELDS
        assert test["training"] == train_command(runs.find(name))
        assert (test["images"], test["protocol"]["scales"]) == (rows[key]["images"], rows[key]["scales"])
        single = {"name", "scales", "pool", "precision", "memory", "split", "every"}
        assert test["protocol"].keys() in (single, {"name", "of", "scales", "split", "every"})
        assert re.fullmatch(r"[0-9a-f]{12,40}(\+|-dirty)?", test["commit"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", test["date"])
        for part in ("versions", "machine"):
            assert test[part] == NOT_RECORDED or (isinstance(test[part], dict) and test[part])


@pytest.mark.parametrize("name", EVALUATED)
def test_a_mean_of_posteriors_names_recorded_tests(name: str) -> None:
    for test in runs.read_provenance(name).values():
        for part in test["protocol"].get("of", ()):
            run, _, key = part.partition(": ")
            assert key in runs.read_evaluation(run)


def test_the_command_of_a_run_on_two_processes() -> None:
    command = "torchrun --standalone --nproc_per_node 2 -m paperlib train fashion-mnist-resnet20-long --seed 0"
    assert train_command(runs.find("fashion-mnist-resnet20-long/seed0")) == command
    assert train_command(runs.find("vgg-caltech")) == "paperlib train vgg-caltech --seed 0"


def test_a_number_that_is_counted_now_names_commit_versions_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(runs.find("vgg-caltech") / "recipe.json", tmp_path)
    monkeypatch.setattr("sys.argv", ["tools/record.py", "runs/vgg caltech"])
    rows = {"center": {"scales": [110], "top1": 42.5, "top5": 20.0, "images": 2172, "seconds": 1.0}}
    write_evaluation(tmp_path, rows, {"center": {"name": "center", "scales": [], "precision": "fp32"}})
    assert runs.read_evaluation(tmp_path) == rows
    (test,) = runs.read_provenance(tmp_path).values()
    assert test.keys() == FIELDS
    assert test["command"] == "python tools/record.py 'runs/vgg caltech'"
    assert test["protocol"] == {"name": "center", "scales": [110], "precision": "fp32"}
    assert test["versions"].keys() == {"python", "paperlib", "torch", "torchvision", "accelerate"}
    assert test["machine"].keys() == {"processor", "cores", "architecture", "system"}
    assert test["machine"]["cores"] >= 1
    assert "node" not in json.dumps(test)  # no name of the machine
