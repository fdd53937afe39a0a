"""paperlib list: the models, recipes, recorded runs and data sets; without torch."""

import sys
from collections.abc import Mapping, Sequence

from paperlib import runs
from paperlib.names import DATASETS, MODELS
from paperlib.recipes import RECIPES


def main(args: Sequence[str]) -> None:
    """Print every name that another command takes."""
    if args:
        print("usage: paperlib list [-h]\n\nPrint the models, recipes, recorded runs and data sets.")
        sys.exit(0 if args[0] in ("-h", "--help") else 2)
    print("models, as in their papers: 1000 classes at 224 px, 10 classes at 32 px")
    for name, (parameters, side) in MODELS.items():
        print(f"  {name:<20}{parameters:>13,} parameters  {side:>3} px")
    print("\nrecipes")
    print_table({name: f"{r.model} on {r.data}: {r.target}" for name, r in RECIPES.items()})
    print("\nrecorded runs, with their top-1 errors on the test images: RUN or RUN/seedK")
    print_table(recorded_runs())
    print("\ndata sets")
    print("  " + "  ".join(DATASETS))
    print("  folder:PATH             a folder with train, test and perhaps val, each of one folder a class")


def recorded_runs() -> dict[str, str]:
    """By recipe the errors of its recorded runs, of several seeds by seed."""
    lines: dict[str, list[str]] = {}
    for name in runs.recorded_runs():
        recipe, _, seed = name.partition("/")
        lines.setdefault(recipe, [])
        if (runs.find(name) / "evaluation.json").exists():
            tests = runs.read_evaluation(name)
            test = next(key for key in ("center", "test", "dense") if key in tests)
            lines[recipe].append(f"{seed} {test} {tests[test]['top1']:.2f}%".lstrip())
    return {recipe: ", ".join(errors) or "no test error" for recipe, errors in lines.items()}


def print_table(rows: Mapping[str, str]) -> None:
    """Print names and what they stand for, in two columns."""
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"  {name:<{width}}  {text}")
