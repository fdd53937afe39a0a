"""Count the test errors of the small twins of VGG's Tables 3 to 6, and copy their records into the package.

    python tools/sweep.py "caltech101-vgg*" --seeds 0 1 2 --out runs
    python tools/record_vgg.py runs --seeds 0 1 2

Table 3: dense at Q = S (jittered: the middle). Table 4: dense over three Q. Table 5: crops and dense of D and E, both
jittered, over three Q and at the middle one. Table 6: fusions, kept with net E. Passes are in bf16, as the training
was; each is made once and kept beside the run. Rows that have no run are left out.
To save time, errors are counted on every third test image: 150 views of a photograph take long.
"""

import argparse
from functools import partial
from pathlib import Path

from record_run import RUNS, Test, copy, evaluate_all, row, write

from paperlib import RECIPES, protocols, runs
from paperlib.protocols import Name, Predictions, Protocol, evaluate_run

SEVEN = [  # the nets of the competition, section 4.4: D at three S, C and E at two
    *(f"caltech101-vgg16-{s}" for s in ("s73", "s110", "jitter")),
    *(f"caltech101-{net}-{s}" for net in ("vgg16_1x1", "vgg19") for s in ("s73", "s110")),
]
D, E = "caltech101-vgg16-jitter", "caltech101-vgg19-jitter"


def tests(name: str) -> dict[str, Test]:
    """Tests by name, as section 4 has them for this row."""
    low, high = RECIPES[name].sides
    step = round(32 * 64 / 224)
    three = (low - step, low, low + step) if low == high else (low, RECIPES[name].test_side, high)

    def third(protocol: Name, *scales: int) -> Test:
        return partial(evaluate_run, protocol=Protocol(protocol, scales, precision="bf16"), every=3)

    found = {"dense": third("dense"), "center": third("center")}
    if (low, high) != (73, 73):  # one Q for all sizes of training: 73 px is one cell of the score map, more Q are more
        found["dense at 73"] = third("dense", 73)
    if RECIPES[name].model not in ("vgg11", "vgg11_lrn", "vgg13_5x5"):  # the rows of Table 4
        found["dense, three scales"] = third("dense", *three)
    if name in (D, E):
        found |= {"mirror": third("mirror"), "ten-crop": third("ten-crop"), "multi-crop": third("multi-crop")}
        found |= {f"multi-crop at {q}": third("multi-crop", q) for q in (three[0], three[2])}
    return found


def fusions(found: dict[str, dict[str, Predictions]]) -> dict[str, dict[str, Predictions]]:
    """What Tables 5 and 6 make of the predictions of one seed: for each model, means of posteriors by name."""
    mean = protocols.fuse
    made: dict[str, dict[str, Predictions]] = {net: {} for net in (D, E)}
    one, three = "dense", "dense, three scales"
    for net in (D, E):
        mine, new = found[net], made[net]
        crops = [mine[key] for key in mine if key.startswith("multi-crop")]
        new["multi-crop, three scales"] = mean(crops)
        new["multi-crop + dense"] = mean([mine["multi-crop"], mine[one]])
        new["multi-crop + dense, three scales"] = mean([new["multi-crop, three scales"], mine[three]])
    every = {net: found[net] | made[net] for net in (D, E)}
    for key in ("dense", "multi-crop", "multi-crop + dense"):
        for name in (key, f"{key}, three scales"):
            made[E][f"D + E, {name}"] = mean([every[D][name], every[E][name]])
    if all(net in found for net in SEVEN):
        made[E] |= {f"seven nets, {key}": mean([found[net][key] for net in SEVEN]) for key in (one, three)}
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that tools/sweep.py filled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    names = [name for name in RECIPES if name.startswith("caltech101-vgg")]
    for seed in args.seeds:
        folder = args.runs / f"seed{seed}"
        trained = [name for name in names if runs.finished(folder / name)]
        found = {name: evaluate_all(folder / name, tests(name)) for name in trained}
        rows = {name: {key: row(one.scales, one.errors) for key, one in got.items()} for name, got in found.items()}
        for name, means in fusions(found).items() if D in found and E in found else ():
            rows[name] |= {key: row(one.scales, one.errors) for key, one in means.items()}
            print(*(f"seed {seed}  {name}  {key}: {one.errors}" for key, one in means.items()), sep="\n")
        for name in trained:
            copy(folder / name, RUNS / name / f"seed{seed}", weights=False)
            write(RUNS / name / f"seed{seed}", rows[name])


if __name__ == "__main__":
    main()
