"""The plan of the replications: its claims and recipes exist, and its verdicts and runner do what they say."""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from paperlib import RECIPES
from paperlib.protocols import Protocol, evaluate_run
from paperlib.runs import finished, load_metrics, read_provenance

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("verdicts")


@pytest.fixture
def replicate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("replicate")


def counted_run(folder: Path, **wrong: list[int]) -> None:
    """A counted run: of each protocol, whether each image was wrong."""
    folder.mkdir(parents=True)
    rows = {key: {"top1": 100 * sum(bits) / len(bits), "images": len(bits)} for key, bits in wrong.items()}
    (folder / "evaluation.json").write_text(json.dumps(rows))
    np.savez_compressed(folder / "wrong.npz", **{key: np.packbits(bits) for key, bits in wrong.items()})


def test_the_claims_are_of_registered_recipes_and_protocols(verdicts: ModuleType, replicate: ModuleType) -> None:
    planned = {name for name, _ in verdicts.order()}
    assert planned == verdicts._plan()["minutes"].keys()
    assert planned <= RECIPES.keys()
    assert len(set(verdicts.order())) == len(verdicts.order())
    for claim in verdicts.claims():
        assert bool(claim.sides) != bool(claim.by), claim.text
        assert claim.verdict in verdicts.WORDS if claim.by else len(claim.sides) == 2
        assert claim.was in ("", *verdicts.WORDS)
        for name, protocol in claim.sides:
            assert name in RECIPES
            if name in planned:
                asked, split = replicate.wish(protocol)  # refuses a name that is none
                assert split in ("train", "test")
                assert all(q >= RECIPES[name].crop for q in asked.scales)


def test_none_of_the_first_comparisons_is_dropped(verdicts: ModuleType) -> None:
    """12 + 6 + 1 of VGG's Table 3, 10 of Table 4, 6 of Table 5, 4 of Table 6, 24 of ZFNet's Table 3."""
    first = [claim for claim in verdicts.claims() if claim.was]
    fused = [claim for claim in verdicts.claims() if claim.place == "Table 6" and claim.paper == "VGG" and claim.by]
    assert len(first) + len(fused) == 12 + 6 + 1 + 10 + 6 + 4 + 24


def test_a_protocol_in_words(replicate: ModuleType) -> None:
    one, split = replicate.wish("train multi-crop+dense@37,55")
    assert (one.name, one.scales, one.precision, split) == ("multi-crop+dense", (37, 55), "bf16", "train")
    assert replicate.wish("center")[1] == "test"


def test_the_interval_is_of_seeds_and_of_images(verdicts: ModuleType, tmp_path: Path) -> None:
    """By hand: differences 25 and 25 points of four images; the images differ by 0, 0, 0, 1 in both seeds."""
    claim = verdicts.Claim(paper="", place="", text="", paper_says="+", first="a center", second="b dense")
    for seed in (0, 1):
        counted_run(tmp_path / f"seed{seed}" / "a", center=[1, 0, 0, 0])
        counted_run(tmp_path / f"seed{seed}" / "b", dense=[1, 0, 0, 1])
    found = verdicts.find(claim, [tmp_path])
    assert (found.difference, found.seeds, found.images) == (25, 2, 4)
    assert found.half == pytest.approx(196 * (3 / 16) ** 0.5 / 2)  # the seeds agree: images alone
    assert verdicts.verdict(claim, found) == "undecided"
    counted_run(tmp_path / "seed2" / "a", center=[0, 0, 0, 0])
    counted_run(tmp_path / "seed2" / "b", dense=[0, 1, 1, 1])
    found = verdicts.find(claim, [tmp_path])
    assert found.difference == pytest.approx(125 / 3)
    seeds = 4.303 * (2500 / 3) ** 0.5 / 3**0.5  # of 25, 25, 75
    assert found.half == pytest.approx(np.hypot(seeds, 196 * np.std([0, 1 / 3, 1 / 3, 1]) / 2), rel=1e-3)


def test_a_verdict_needs_two_seeds_and_an_interval_without_zero(verdicts: ModuleType, tmp_path: Path) -> None:
    claim = verdicts.Claim(paper="", place="", text="", paper_says=-0.4, first="a center", second="b center")
    counted_run(tmp_path / "a" / "seed3", center=[1] * 90 + [0] * 10)  # as the package keeps them
    counted_run(tmp_path / "b" / "seed3", center=[1] * 40 + [0] * 60)
    assert verdicts.find(claim, [tmp_path]) is None
    assert verdicts.verdict(claim, None) == "not yet"
    counted_run(tmp_path / "a" / "seed5", center=[1] * 90 + [0] * 10)
    counted_run(tmp_path / "b" / "seed5", center=[1] * 40 + [0] * 60)
    found = verdicts.find(claim, [tmp_path])
    assert verdicts.verdict(claim, found) == "same"
    assert verdicts.verdict(dataclasses.replace(claim, paper_says="+"), found) == "opposite"
    assert verdicts.verdict(claim, dataclasses.replace(found, half=50.0)) == "undecided"


def test_the_page_is_of_this_plan(verdicts: ModuleType) -> None:
    page = (TOOLS / "plan.md").read_text(encoding="utf-8")
    for claim in verdicts.claims():
        assert claim.text in page
    for name, seed in verdicts.order():
        assert f"| {name} | {seed} | " in page


@pytest.fixture
def small(replicate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A plan of one small recipe and one that goes on from its weights."""
    monkeypatch.setitem(RECIPES, "later", dataclasses.replace(RECIPES["tiny"], start="tiny", epochs=1))
    monkeypatch.setattr(replicate, "order", lambda: [("later", 0), ("tiny", 0), ("tiny", 1)])
    verdicts = importlib.import_module("verdicts")
    both = ("multi-crop+dense", "multi-crop")
    claims = [verdicts.Claim(paper="", place="", text="", first="tiny center", second="tiny train dense@36,40")]
    claims += [verdicts.Claim(paper="", place="", text="", first=f"tiny {both[0]}", second=f"tiny {both[1]}")]
    monkeypatch.setattr(replicate, "claims", lambda: claims)
    return replicate


def test_a_run_waits_for_its_lender_and_for_nobody_elses_lock(small: ModuleType, tmp_path: Path) -> None:
    for name, seed, folder in small.next_run(tmp_path, set()):
        assert (name, seed, folder) == ("tiny", 0, tmp_path / "seed0" / "tiny")
        for other, number, _ in small.next_run(tmp_path, set()):
            assert (other, number) == ("tiny", 1)
    assert [one[:2] for one in small.next_run(tmp_path, {tmp_path / "seed0" / "tiny"})] == [("tiny", 1)]


def test_a_recorded_run_is_trained_again_for_its_weights_alone(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "PACKAGE", tmp_path / "package")
    for seed in (0, 1):
        counted_run(tmp_path / "package" / "tiny" / f"seed{seed}", center=[0, 1])
    assert small.missing(tmp_path) == [("tiny", 0), ("later", 0)]
    counted_run(tmp_path / "package" / "later" / "seed0", center=[0, 1])
    assert small.missing(tmp_path) == []


def test_all_runs_are_trained_and_counted_once(small: ModuleType, tmp_path: Path) -> None:
    assert small.train(tmp_path, 1) == 0
    folders = [tmp_path / "seed0" / "tiny", tmp_path / "seed1" / "tiny", tmp_path / "seed0" / "later"]
    assert all(finished(folder) for folder in folders)
    assert list(small.next_run(tmp_path, set())) == []
    small.count(tmp_path)
    rows = json.loads((folders[0] / "evaluation.json").read_text())
    assert list(rows) == ["center", "train dense@36,40", "multi-crop+dense", "multi-crop"]
    whole = evaluate_run(folders[0], Protocol("multi-crop+dense", precision="bf16")).errors
    assert (rows["multi-crop+dense"]["top1"], rows["multi-crop+dense"]["images"]) == (whole.top1, whole.images)
    assert rows["center"]["images"] == 21
    assert rows["train dense@36,40"]["images"] == 50
    tests = read_provenance(folders[0])
    assert tests.keys() == rows.keys()
    options = {"name": "dense", "scales": [36, 40], "pool": None, "precision": "bf16", "split": "train", "every": 1}
    assert tests["train dense@36,40"]["protocol"].items() >= options.items()
    assert {"commit", "versions", "machine", "date"} <= tests["center"].keys()
    wrong = np.unpackbits(np.load(folders[0] / "wrong.npz")["center"])[:21]
    assert wrong.mean() * 100 == pytest.approx(rows["center"]["top1"])
    assert not (folders[2] / "evaluation.json").exists()  # no claim asks for it
    before = (folders[0] / "evaluation.json").stat().st_mtime_ns
    small.count(tmp_path)
    assert (folders[0] / "evaluation.json").stat().st_mtime_ns == before


KILLED = """
import dataclasses, sys
sys.path[:0] = [{tools!r}, {tests!r}]
import replicate
from conftest import TINY, tiny_data
from paperlib import RECIPES, data
data.DATASETS["tiny"] = tiny_data
RECIPES["tiny"] = dataclasses.replace(TINY, epochs={epochs})
replicate.order = lambda: [("tiny", 0)]
sys.exit(replicate.train(replicate.Path({out!r}), 1))
"""


def test_a_killed_runner_goes_on_where_it_was(tmp_path: Path) -> None:
    epochs = 20
    code = KILLED.format(tools=str(TOOLS), tests=str(TOOLS.parent / "tests"), out=str(tmp_path), epochs=epochs)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert len([line for line, _ in zip(process.stdout, range(2), strict=False)]) == 2
        process.send_signal(signal.SIGKILL)
    before = load_metrics(tmp_path / "seed0" / "tiny")
    assert 0 < len(before) < epochs
    after = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert after.returncode == 0
    assert load_metrics(tmp_path / "seed0" / "tiny")[: len(before) - 1] == before[:-1]
    assert len(load_metrics(tmp_path / "seed0" / "tiny")) == epochs
    assert f"epoch {len(before) - 1}/" not in after.stdout
