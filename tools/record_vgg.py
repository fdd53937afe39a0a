"""Count the test errors of the small twins of VGG's Tables 3 to 6, and copy their records into the package.

    python tools/sweep.py "caltech101-vgg*" --seeds 0 1 2 --out runs
    python tools/record_vgg.py runs --seeds 0 1 2

Table 3: dense at Q = S (jittered: the middle). Table 4: dense over three Q. Table 5: crops and dense of D and E, both
jittered. Table 6: fusions, kept with net E. Passes are in bf16, as the training was; each is made once and kept beside
the run. Rows that have no run are left out.
To save time, errors are counted on every third test image, Table 4 leaves S = 110 out, and crops and fusions are at one
Q, the middle, where the paper has three: 150 views of a photograph take long.
"""

import argparse
from functools import partial
from pathlib import Path

from record_run import RUNS, copy, passes, row, write

from paperlib import RECIPES, checkpoint, posteriors
from paperlib.cli import Evaluate, Protocol

SEVEN = [  # the nets of the competition, section 4.4: D at three S, C and E at two
    *(f"caltech101-vgg16-{s}" for s in ("s73", "s110", "jitter")),
    *(f"caltech101-{net}-{s}" for net in ("vgg16_1x1", "vgg19") for s in ("s73", "s110")),
]
D, E = "caltech101-vgg16-jitter", "caltech101-vgg19-jitter"


def wishes(name: str) -> dict[str, Evaluate]:
    """Protocols by name, as section 4 has them for this row."""
    low, high = RECIPES[name].sides
    step = round(32 * 64 / 224)
    three = (low - step, low, low + step) if low == high else (low, RECIPES[name].test_side, high)
    third = partial(Evaluate, (), precision="bf16", every=3)
    found = {"dense": third(protocol="dense")}
    if RECIPES[name].model not in ("vgg11", "vgg11_lrn", "vgg13_5x5") and low != 110:  # the rows of Table 4
        found["dense, three scales"] = third(protocol="dense", scales=three)
    if RECIPES[name].model in ("vgg13", "vgg13_5x5"):  # compared by their centre crops in section 4.1
        found["center"] = third(protocol="center")
    if name in (D, E):
        protocols: tuple[Protocol, ...] = ("center", "mirror", "ten-crop", "multi-crop")
        found |= {protocol: third(protocol=protocol) for protocol in protocols}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that tools/sweep.py filled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    names = [name for name in RECIPES if name.startswith("caltech101-vgg")]
    for seed in args.seeds:
        folder = args.runs / f"seed{seed}"
        trained = [name for name in names if checkpoint.finished(folder / name)]
        found = {name: passes(folder / name, wishes(name)) for name in trained}
        rows = {name: {key: row(one.scales, one.errors) for key, one in got.items()} for name, got in found.items()}
        one, three = "dense", "dense, three scales"
        groups: dict[tuple[str, str], list[tuple[str, str]]] = {
            (D, "multi-crop + dense"): [(D, "multi-crop"), (D, one)],
            (E, "multi-crop + dense"): [(E, "multi-crop"), (E, one)],
            (E, "D + E, dense"): [(D, one), (E, one)],
            (E, "D + E, multi-crop"): [(D, "multi-crop"), (E, "multi-crop")],
            (E, "D + E, multi-crop + dense"): [(net, key) for net in (D, E) for key in ("multi-crop", one)],
            (E, "D + E, dense, three scales"): [(D, three), (E, three)],
            (E, "seven nets, dense"): [(name, one) for name in SEVEN],
        }
        for (name, key), parts in groups.items():
            if all(net in found for net, _ in parts):
                fused = posteriors.fusion([found[net][part] for net, part in parts])
                rows[name][key] = row(found[name][parts[-1][1]].scales, fused)
                print(f"seed {seed}  {name}  {key}: {fused}")
        for name in trained:
            copy(folder / name, RUNS / name / f"seed{seed}", weights=False)
            write(RUNS / name / f"seed{seed}", rows[name])


if __name__ == "__main__":
    main()
