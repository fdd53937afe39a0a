"""The claims of plan.toml, what the counted runs say of each, and the page plan.md that shows both."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from paperlib import RECIPES, runs
from paperlib.evaluate import paired

PLAN = Path(__file__).with_name("plan.toml")
WORDS = ("same", "opposite", "undecided", "not yet")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a paper that small runs can test: `second` minus `first` has the sign of `paper_says`.

    Where no difference of errors tests it, `by` names what does, and `came_out` and `verdict` say what it showed.
    """

    paper: str
    place: str
    text: str
    paper_says: float | str = ""
    first: str = ""
    second: str = ""
    was: str = ""
    headline: bool = False
    by: str = ""
    came_out: str = ""
    verdict: str = ""

    @property
    def sides(self) -> tuple[tuple[str, str], ...]:
        """(recipe, protocol) of the first and the second; none where something else tests the claim."""
        both = (side.partition(" ") for side in (self.first, self.second) if side)
        return tuple((name, protocol) for name, _, protocol in both)

    @property
    def falls(self) -> bool:
        """Whether the paper has a lower error in the second."""
        return str(self.paper_says).startswith("-")


@dataclass(frozen=True)
class Found:
    """What the runs say: the difference in percentage points, half of its 95% interval, and from how much."""

    difference: float
    half: float
    seeds: int
    images: int


@cache
def _plan() -> dict[str, Any]:
    return tomllib.loads(PLAN.read_text(encoding="utf-8"))


def claims() -> list[Claim]:
    """Every claim of the plan."""
    return [Claim(**values) for values in _plan()["claim"]]


def order() -> list[tuple[str, int]]:
    """(recipe, seed) of every run of the plan, in the order of training."""
    return [(name, int(seed)) for name, *seeds in map(str.split, _plan()["order"]) for seed in seeds]


def counted(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """evaluation.json of a run, and from its wrong.npz the wrong images of each protocol, a bit each; empty if none."""
    rows, wrong = folder / "evaluation.json", folder / "wrong.npz"
    bits = dict(np.load(wrong)) if wrong.exists() else {}
    return (json.loads(rows.read_text(encoding="utf-8")) if rows.exists() else {}), bits


def seeds(name: str, places: Sequence[Path]) -> dict[int, Path]:
    """The counted runs of a recipe by seed: PLACE/seedK/RECIPE or PLACE/RECIPE/seedK, the first place that has it."""
    found: dict[int, Path] = {}
    for place in places:
        for folder in (*place.glob(f"seed*/{name}"), *place.glob(f"{name}/seed*")):
            if (folder / "evaluation.json").exists():
                found.setdefault(int(folder.as_posix().rpartition("seed")[2].partition("/")[0]), folder)
    return found


def find(claim: Claim, places: Sequence[Path]) -> Found | None:
    """What the runs of at least two seeds say of the claim; None where there are fewer.

    The interval is that of other seeds (Student's t on the differences of equal seeds) and of other images (the normal
    interval of the images' differences, each a mean over seeds), their half-widths added in squares.
    """
    (a, at), (b, bt) = claim.sides
    first, second = seeds(a, places), seeds(b, places)
    errors: list[tuple[float, float]] = []
    images, differences = 0, list[np.ndarray]()
    for seed in sorted(first.keys() & second.keys()):
        (rows, bits), (other_rows, other_bits) = counted(first[seed]), counted(second[seed])
        if at in rows and bt in other_rows:
            errors.append((rows[at]["top1"], other_rows[bt]["top1"]))
            images = rows[at]["images"]
            if at in bits and bt in other_bits:
                one, two = (np.unpackbits(w)[:images].astype(float) for w in (bits[at], other_bits[bt]))
                differences.append(two - one)
    if len(errors) < 2:
        return None
    difference, half = paired(*zip(*errors, strict=True))
    if differences:
        half = float(np.hypot(half, 196 * np.mean(differences, axis=0).std() / images**0.5))
    return Found(difference, half, len(errors), images)


def verdict(claim: Claim, found: Found | None) -> str:
    """One of WORDS: whether the difference has the paper's sign, and its interval excludes zero."""
    if not claim.sides:
        return claim.verdict
    if found is None:
        return "not yet"
    if abs(found.difference) <= found.half:
        return "undecided"
    return "same" if (found.difference < 0) == claim.falls else "opposite"


HEAD = """# Replications: claims and runs

Written by `python tools/replicate.py render` from `plan.toml`: edit that one. A difference is the second error minus
the first, in percentage points, with its 95% interval over seeds and images; *was* is the verdict of the first small
runs. The last tenth of training is counted at the pace of the last epoch.
"""


def rendered(places: Sequence[Path]) -> str:
    """plan.md."""
    judged = [(claim, find(claim, places) if claim.sides else None) for claim in claims()]
    tally = Counter(verdict(*one) for one in judged)
    lines = [HEAD, f"{len(judged)} claims: " + ", ".join(f"{tally[word]} {word}" for word in WORDS) + ".", ""]
    for paper in dict.fromkeys(claim.paper for claim, _ in judged):
        lines += [f"## {paper}", "", "| claim | place | paper | here | seeds | verdict | was |"]
        lines += ["|---|---|---|---|---|---|---|"]
        lines += [_row(claim, found) for claim, found in judged if claim.paper == paper] + [""]
    planned, missing = _plan()["minutes"], [(n, s) for n, s in order() if s not in seeds(n, places)]
    hours = sum(planned[name] for name, _ in missing) / 60
    lines += ["## Runs, in the order of training", ""]
    lines += [f"{len(missing)} of {len(order())} are missing: some {hours:.0f} hours of a quiet core.", ""]
    lines += ["| recipe | seed | epochs | minutes | training error, its last tenth | validation error | counted |"]
    lines += ["|---|---|---|---|---|---|---|", *_runs(places)]
    return "\n".join(lines) + "\n"


def _row(claim: Claim, found: Found | None) -> str:
    here = f"{found.difference:+.2f} ± {found.half:.2f}" if found else claim.came_out
    says = claim.paper_says if isinstance(claim.paper_says, str) else f"{claim.paper_says:+.2f}"
    text = f"**{claim.text}**" if claim.headline else claim.text
    said = (text, claim.place, says, here, str(found.seeds) if found else "", verdict(claim, found), claim.was)
    return f"| {' | '.join(said)} |"


def _runs(places: Sequence[Path]) -> Iterator[str]:
    """A row for each run of the plan: its minutes, its errors at the end, and the training error's last fall."""
    for name, seed in order():
        folders = [f for place in places for f in (place / f"seed{seed}" / name, place / name / f"seed{seed}")]
        folder = next((f for f in folders if (f / "metrics.csv").exists()), folders[0])
        rows, epochs = runs.load_metrics(folder), RECIPES[name].epochs
        training = validation = ""
        if len(rows) == epochs:
            last, before = rows[-1], rows[-2]
            fall = (last["train_top1_error"] - before["train_top1_error"]) * epochs / 10
            training = f"{last['train_top1_error']:.1f}, {fall:+.1f}"
            validation = f"{last['val_top1_error']:.1f}"
        took = f"{sum(row['seconds'] for row in rows) / 60:.0f}" if rows else f"about {_plan()['minutes'][name]}"
        protocols = ", ".join(counted(folder)[0])
        yield f"| {name} | {seed} | {len(rows)} of {epochs} | {took} | {training} | {validation} | {protocols} |"
