"""Kill -9 at random moments: a short run is killed, started again and killed again, until it is through.

    python bench/kill.py [--kills 30] [--seed 0] [--out FILE.json]

Every run is a process forked after PyTorch is imported, so that the moments fall on its work, not on the import: on
its start, its steps, its validation and, as it saves after every step, often on the writing of a state. After each
kill every file of the run folder must be whole; in the end the weights must be those of a run that nothing disturbed,
bit for bit. Runs follow one another until there are so many kills. Needs fork: Linux or macOS.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from paperlib import data, runs
from paperlib.recipes import RECIPES
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import epoch
from paperlib.training.run import run
from paperlib.training.state import read_state

TARGET = Path(__file__).parent / "results" / "kill.json"
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
    target="the weights of a run that nothing disturbed",
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
    """What is wrong with the files of a run folder: nothing, one hopes."""
    wrong = []
    readers = [lambda path=path: read_state(path) for path in runs.states(folder)]
    if (folder / "recipe.json").exists():
        readers += [lambda: runs.load_recipe(folder), lambda: runs.load_metrics(folder)]
    if runs.finished(folder):
        readers.append(lambda: runs.load_model(folder))
    for read in readers:
        try:
            read()
        except Exception as error:
            wrong.append(repr(error))
    return wrong


def kill(kills: int, seed: int, scratch: Path) -> dict[str, Any]:
    """Kill so many times; returns what was found."""
    draw = random.Random(seed)
    whole = scratch / "whole"
    seconds = finish(whole)
    wanted = (whole / "weights.safetensors").read_bytes()
    found: dict[str, Any] = {"kills": [], "runs": 0, "equal": 0, "unreadable": [], "seconds_undisturbed": seconds}
    while len(found["kills"]) < kills:
        folder = scratch / f"run{found['runs']}"
        while not runs.finished(folder):
            if len(found["kills"]) == kills:
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
                kept = {"second": round(moment, 3), "steps_saved": int(*newest or ["0"]), "in_a_write": in_write}
                found["kills"].append(kept)
                found["unreadable"] += unreadable(folder)
        found["runs"] += 1
        found["equal"] += (folder / "weights.safetensors").read_bytes() == wanted
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = kill(args.kills, args.seed, Path(scratch))
    writes = sum(one["in_a_write"] for one in found["kills"])
    print(f"{len(found['kills'])} kills, {writes} of them in the middle of a write; {found['runs']} runs,")
    print(f"{found['equal']} of them with the undisturbed weights; {len(found['unreadable'])} unreadable files")
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
