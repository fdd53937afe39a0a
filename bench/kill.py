"""Kill -9 at random moments: a short run is killed, started again and killed again, until it has finished.

    python bench/kill.py [--kills 30] [--seed 0] [--out FILE.json]

Every run is a process forked after PyTorch is imported, so that the moments fall on its work, not on the import: on
its start, its steps, its validation and, as it saves after every step, often on the writing of a state. After each
kill every file of the run folder must be readable; in the end the weights must be those of an undisturbed run, bit for
bit. Runs follow one another until there are enough kills. Needs fork: Linux or macOS.
"""

import argparse
import os
import random
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from paperlib import data, files, runs
from paperlib.recipes import RECIPES
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import epoch
from paperlib.training.run import run
from paperlib.training.state import read_state

RECORD = Path(__file__).parent / "results" / "kill.json"
RECIPE = Recipe(
    model="vgg11",
    options={"width": 0.125, "image_size": 32, "hidden": 32, "dropout": 0.5, "batch_norm": True},
    data="colours",
    sides=(34, 40),
    test_side=36,
    mean=(127.0,) * 3,
    std=(64.0,) * 3,
    epochs=4,
    batch_size=16,
    lr=0.03,
    schedule="plateau",
    weight_decay=5e-4,
    source=RECIPES["vgg-mini"].source,
    target="the weights of an undisturbed run",
)


def colours(download: bool) -> data.Data:
    """90 training photographs of noise in three colours."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> data.Split:
        labels = torch.arange(count) % 3
        noise = torch.randint(0, 120, (count, 3, 40, 48), generator=generator)
        noise[range(count), labels] += 100
        return data.Split(list(noise.to(torch.uint8)), labels)

    return data.Data(("red", "green", "blue"), split(90), split(12), split(12))


def start(folder: Path) -> int:
    """The id of a new process that trains in `folder`, saving after every step."""
    child = os.fork()
    if child == 0:
        try:
            data.DATASETS["colours"] = colours
            torch.set_num_threads(1)
            epoch.CHECK_EVERY = 1
            run(RECIPE, folder, Machine(save_minutes=0.0), log=lambda line: None)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def finish(folder: Path) -> float:
    """Train in `folder` undisturbed; returns the seconds."""
    began = time.perf_counter()
    _, status = os.waitpid(start(folder), 0)
    assert status == 0
    return time.perf_counter() - began


def unreadable(folder: Path) -> list[str]:
    """The errors of reading every file of a run folder; none are expected."""
    problems = []
    readers = [lambda path=path: read_state(path) for path in runs.states(folder)]
    if (folder / "recipe.json").exists():
        readers += [lambda: runs.load_recipe(folder), lambda: runs.load_metrics(folder)]
    if runs.finished(folder):
        readers.append(lambda: runs.load_model(folder))
    for read in readers:
        try:
            read()
        except Exception as error:
            problems.append(repr(error))
    return problems


def kill(kills: int, seed: int, scratch: Path) -> dict[str, Any]:
    """Kill so many times; returns each kill, and how many runs ended in the undisturbed weights."""
    draw = random.Random(seed)
    undisturbed = scratch / "undisturbed"
    seconds = finish(undisturbed)
    expected = (undisturbed / "weights.safetensors").read_bytes()
    report: dict[str, Any] = {"kills": [], "runs": 0, "equal": 0, "unreadable": [], "seconds_undisturbed": seconds}
    while len(report["kills"]) < kills:
        folder = scratch / f"run{report['runs']}"
        while not runs.finished(folder):
            if len(report["kills"]) == kills:
                finish(folder)
                break
            child, moment = start(folder), draw.uniform(0, seconds / 2)
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status) or status == 0, f"the run failed by itself: {status}"
            if os.WIFSIGNALED(status):
                newest = [path.stem.removeprefix("state-") for path in runs.states(folder)[:1]]
                in_write = (folder / f".partial-{child}").exists()
                steps = int(*newest or ["0"])
                report["kills"].append({"second": round(moment, 3), "steps_saved": steps, "in_a_write": in_write})
                report["unreadable"] += unreadable(folder)
        report["runs"] += 1
        report["equal"] += (folder / "weights.safetensors").read_bytes() == expected
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = kill(args.kills, args.seed, Path(scratch))
    writes = sum(one["in_a_write"] for one in report["kills"])
    print(f"{len(report['kills'])} kills, {writes} of them in the middle of a write; {report['runs']} runs,")
    print(f"{report['equal']} of them with the undisturbed weights; {len(report['unreadable'])} unreadable files")
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
