"""A tiny run under everything that happens to runs, at random: nothing lost, nothing mixed, nothing silently wrong.

    python bench/soak.py [--seconds 3600] [--events N] [--seed 0] [--out FILE.json]

Each event starts the run again, as the same command does, and disturbs it: a kill, a stop signal, a disk that is full
after some bytes, a flipped byte or a cut in one of its files, a twin in the same folder, another recipe in the same
folder. A process may end in four ways: the run is complete, it was stopped or killed, or it refuses in words. After a
refusal because of damage the file is put back. In the end the weights must be those of a run that nothing disturbed,
bit for bit, and the metrics too. Every event is printed with what it drew from the seed. Needs fork: Linux or macOS.
"""

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from kill import RECIPE, colours

from paperlib import data, files, runs
from paperlib.errors import PaperlibError
from paperlib.recipes.recipe import Machine, Recipe
from paperlib.training import epoch
from paperlib.training.run import run

RECORD = Path(__file__).parent / "results" / "soak.json"
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
COMPLETE, FAILED, REFUSED = 0, 1, 3  # exit statuses; 128 + n is a stop by signal n that saved, -n a kill by it


def start(folder: Path, log: Path, recipe: Recipe = RECIPE, full: tuple[float, int] | None = None) -> int:
    """The id of a new process that trains in `folder`, saving after every step.

    `full` is (seconds, bytes): from then on no file may grow beyond so many bytes, as on a full disk.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = FAILED
    with open(log, "w", encoding="utf-8") as out:
        try:
            data.DATASETS["colours"] = colours
            torch.set_num_threads(1)
            epoch.CHECK_EVERY = 1
            if full is not None:
                limit = full[1], resource.RLIM_INFINITY
                signal.signal(signal.SIGALRM, lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
                signal.setitimer(signal.ITIMER_REAL, full[0])
            run(recipe, folder, Machine(save_minutes=0.0), log=lambda line: None)
            status = COMPLETE
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except SystemExit as stop:
            status = int(stop.code or 0)
        except PaperlibError as error:
            status = REFUSED
            with contextlib.suppress(OSError):
                out.write(str(error))
        except BaseException:
            with contextlib.suppress(OSError):
                out.write(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError):
                out.flush()
            os._exit(status)


def end(child: int) -> int:
    """The exit status of a process, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rows(folder: Path) -> list[dict[str, float]]:
    """metrics.csv without the seconds, which differ from run to run."""
    return [row | {"seconds": 0.0} for row in runs.load_metrics(folder)]


@dataclass
class Soak:
    """The disturbed runs, one after the other, in folders of `scratch`."""

    scratch: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        undisturbed, began = self.scratch / "undisturbed", time.perf_counter()
        assert end(start(undisturbed, self.log)) == COMPLETE, self.message
        self.seconds = time.perf_counter() - began
        self.weights, self.rows = (undisturbed / "weights.safetensors").read_bytes(), rows(undisturbed)
        self.size = runs.states(undisturbed)[0].stat().st_size
        self.folder = self.scratch / "run0"

    @property
    def log(self) -> Path:
        """The file with the last words of the last process."""
        return self.scratch / "log"

    @property
    def message(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def event(self) -> str:
        """Disturb the run in one way; returns the event and how it ended."""
        events: list[Callable[[], str]] = [self.kill, self.kill, self.stop, self.full_disk, self.twin]
        if (self.folder / "recipe.json").exists():
            events += [self.other_recipe, self.flip, self.flip, self.cut]
        chosen = self.draw.choice(events)
        words = f"{chosen.__name__}: {chosen()}"
        self.counts[chosen.__name__] += 1
        if runs.finished(self.folder):
            self.check_finished()
        return words

    def expect(self, status: int, *allowed: int) -> str:
        """How a process ended; any other way than those allowed is a fault."""
        ends = {COMPLETE: "complete", REFUSED: f"refused ({self.message})"}
        words = ends.get(status, f"stopped by {signal.Signals(status - 128).name}" if status > 128 else f"{status}")
        if status not in allowed:
            self.faults.append(f"ended with {status}: {self.message}")
        return words

    def kill(self) -> str:
        """SIGKILL at a random moment."""
        child, moment = start(self.folder, self.log), self.draw.uniform(0, self.seconds / 2)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        return f"after {moment:.2f} s, " + self.expect(end(child), COMPLETE, -signal.SIGKILL)

    def stop(self) -> str:
        """A stop signal at a random moment; before the run listens, it ends the process as usual."""
        child, moment, kind = (
            start(self.folder, self.log),
            self.draw.uniform(0, self.seconds / 2),
            self.draw.choice(STOPS),
        )
        time.sleep(moment)
        os.kill(child, kind)
        return f"{kind.name} after {moment:.2f} s, " + self.expect(end(child), COMPLETE, 128 + kind, -kind)

    def full_disk(self) -> str:
        """From a random moment on no file can grow beyond a random size: a write stops in the middle."""
        moment, most = self.draw.uniform(0.001, self.seconds / 2), self.draw.randrange(self.size)
        status = end(start(self.folder, self.log, full=(moment, most)))
        if status == REFUSED and "cannot write" not in self.message:
            self.faults.append(f"full disk: {self.message}")
        return f"{most} bytes after {moment:.2f} s, " + self.expect(status, COMPLETE, REFUSED)

    def twin(self) -> str:
        """Two at once: one of them trains, the other says that it does, unless there is nothing left to train."""
        children = [start(self.folder, self.scratch / f"twin{i}") for i in range(2)]
        ends = [end(child) for child in children]
        for i, status in enumerate(ends):
            self.log.write_text((self.scratch / f"twin{i}").read_text(encoding="utf-8"), encoding="utf-8")
            self.expect(status, COMPLETE, REFUSED)
            if status == REFUSED and "is being written by process" not in self.message:
                self.faults.append(f"twin: {self.message}")
        if COMPLETE not in ends:
            self.faults.append("neither of two twins trained")
        return f"{ends.count(COMPLETE)} complete, {ends.count(REFUSED)} refused"

    def other_recipe(self) -> str:
        """Another seed in the same folder."""
        return self.expect(end(start(self.folder, self.log, replace(RECIPE, seed=1))), REFUSED)

    def flip(self) -> str:
        """One bit of one file."""
        return self.damage(
            lambda whole, place: whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )

    def cut(self) -> str:
        """One file ends early."""
        return self.damage(lambda whole, place: whole[:place])

    def damage(self, change: Callable[[bytes, int], bytes]) -> str:
        """Damage a file, and go on; what is refused is put back."""
        names = sorted(
            p.name for p in self.folder.iterdir() if p.suffix in (".json", ".csv", ".safetensors") and p.stat().st_size
        )
        path = self.folder / self.draw.choice(names)
        whole = path.read_bytes()
        place = self.draw.randrange(len(whole))
        path.write_bytes(change(whole, place))
        status = end(start(self.folder, self.log))
        words = f"{path.name} at {place}, " + self.expect(status, COMPLETE, REFUSED)
        if status == REFUSED:
            path.write_bytes(whole)
        return words

    def check_finished(self) -> None:
        """The run is as if nothing had happened to it, or refuses; the next one begins."""
        name, path = self.folder.name, self.folder / "weights.safetensors"
        if end(start(self.folder, self.log)) != COMPLETE:
            self.faults.append(f"{name} does not complete: {self.message}")
        elif path.read_bytes() != self.weights:
            self.faults.append(f"{name} has other weights")
        elif rows(self.folder) != self.rows:
            self.faults.append(f"{name} has other metrics")
        if left := [p.name for p in self.folder.iterdir() if p.name.startswith((".partial", ".writer"))]:
            self.faults.append(f"{name} is left with {left}")
        self.counts["runs"] += 1
        self.folder = self.scratch / f"run{self.counts['runs']}"


def soak(scratch: Path, seed: int, go_on: Callable[[int], bool], show: Callable[[str], None]) -> dict[str, Any]:
    """Events while `go_on` says so of their number; returns the counts and the faults."""
    state, number = Soak(scratch, seed), 0
    while go_on(number):
        show(f"{number:5} {state.folder.name} {state.event()}")
        number += 1
    if end(start(state.folder, state.log)) != COMPLETE:  # the run that was under way
        state.faults.append(state.message)
    return {"seed": seed, "events": number, **dict(sorted(state.counts.items())), "faults": state.faults}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long")
    parser.add_argument("--events", type=int, help="how many, instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    began = time.monotonic()

    def go_on(number: int) -> bool:
        return number < args.events if args.events else time.monotonic() - began < args.seconds

    with tempfile.TemporaryDirectory() as scratch:
        report = soak(Path(scratch), args.seed, go_on, lambda line: print(line, flush=True))
    report["seconds"] = round(time.monotonic() - began)
    print(report)
    files.write_json(args.out, report)
    sys.exit(1 if report["faults"] else 0)


if __name__ == "__main__":
    main()
