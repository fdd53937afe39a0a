"""A hundred and twenty-two hostile files through every command: each is read, or named and listed; none is silent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from paperlib import data
from paperlib.errors import PaperlibError

from . import hostile
from .conftest import photograph_folder

# A run of the small recipe, in a process of its own, whose greatest memory is printed last.
COMMANDS = """
import dataclasses, json, resource, sys
from paperlib.cli import main
from paperlib.recipes import RECIPES
options = {"width": 0.0625, "image_size": 32, "hidden": 16, "batch_norm": True}
values = {"data": "folder:" + sys.argv[1], "options": options, "epochs": 1, "sides": (34, 40), "test_side": 36}
RECIPES["hostile"] = dataclasses.replace(RECIPES["vgg-mini"], **values)
out = sys.argv[2] + "/run"
codes = {}
for name, words in {
    "train": ["train", "hostile", "--out", out],
    "train, skipping": ["train", "hostile", "--out", out, "--skip-bad"],
    "evaluate": ["evaluate", out, "--split", "train"],
    "visualize": ["visualize", "deconvnet", out, "--layer", "conv1_1", "--split", "train", "--maps", "0",
                  "--out", sys.argv[2]],
    "transfer": ["transfer", "vgg-caltech", "--layers", "features.pool5", "--data", "folder:" + sys.argv[1],
                 "--per-class", "3", "--folds", "1", "--most", "3"],
    "transfer of the run": ["transfer", out, "--layers", "features.pool5", "--data", "folder:" + sys.argv[1],
                            "--untrained", "--per-class", "3", "--folds", "1", "--most", "3"],
}.items():
    codes[name] = main(words)
print(json.dumps(codes | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


@pytest.mark.filterwarnings("ignore")
def test_each_file_is_read_or_refused_by_name(tmp_path: Path) -> None:
    paths = hostile.make(tmp_path)
    assert len(paths) == 122
    refused: dict[Path, str] = {}
    for path in paths:
        try:
            image = data.read_photograph(path)
        except PaperlibError as error:
            refused[path] = str(error)
        else:
            assert image.dtype == torch.uint8
            assert image.shape[0] == 3
            assert image.numel() <= 3 * 81_000_000
    assert all(why.startswith(f"{path} is ") and why.endswith("remove it") for path, why in refused.items())
    assert 60 <= len(refused) <= 110
    crafted = set(hostile.crafted()) - {"scan twice.jpg", "turned how.jpg", "81 megapixels.png", "upside down.bmp"}
    assert len(crafted & {path.name for path in refused}) >= len(crafted) - 5


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    first, again, other = (hostile.make(tmp_path / str(i), seed) for i, seed in enumerate((0, 0, 1)))
    contents = [[path.read_bytes() for path in paths] for paths in (first, again, other)]
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the resident memory")
def test_hostile_files_through_every_command(tmp_path: Path) -> None:
    place = photograph_folder(tmp_path / "set", train=6, val=2, test=1)
    made = hostile.make(place / "train" / "red")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", COMMANDS, str(place), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    peak = found.pop("peak")
    assert found == {
        "train": 2, "train, skipping": 0, "evaluate": 0, "visualize": 0, "transfer": 2, "transfer of the run": 0,
    }, done.stdout + done.stderr  # fmt: skip
    listed = json.loads((tmp_path / "run" / "bad_files.json").read_text())["train"]
    for why in listed.values():
        assert any(why.startswith(f"{path} is ") for path in made)
        assert why in done.stdout
    assert f"({24 + len(made) - len(listed)} images" in done.stdout  # evaluated: the good ones and those that decode
    first = [line for line in done.stderr.splitlines() if line.startswith("paperlib: ")]
    assert len(first) == 2
    assert all(any(str(path) in line for path in made) for line in first)  # train and transfer name one each
    assert "Traceback" not in done.stderr
    assert peak < 3e9
    print(f"peak {peak / 1e6:.0f} MB, {len(listed)} of {len(made)} listed")
