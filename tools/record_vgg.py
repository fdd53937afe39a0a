"""Count the test errors of the small twins of VGG's Tables 3 to 6, and copy their records into the package.

    python tools/sweep.py "caltech101-vgg*" --seeds 0 1 2 --out runs
    python tools/record_vgg.py runs --seeds 0 1 2

Table 3: dense at Q = S (jittered: the middle). Table 4: dense over three Q. Table 5: crops and dense of D and E, both
jittered. Table 6: fusions, kept with net E. Passes are in bf16, as the training was; each is made once and kept beside
the run.
"""

import argparse
from pathlib import Path

from record_run import RUNS, copy, passes, row, write

from paperlib import RECIPES, posteriors
from paperlib.cli import Evaluate

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
    found = {
        "center": Evaluate((), precision="bf16"),
        "dense": Evaluate((), protocol="dense", precision="bf16"),
        "dense, three scales": Evaluate((), protocol="dense", scales=three, precision="bf16"),
    }
    if name in (D, E):
        found["mirror"] = Evaluate((), protocol="mirror", precision="bf16")
        found["ten-crop"] = Evaluate((), protocol="ten-crop", precision="bf16")
        found["multi-crop, three scales"] = Evaluate((), protocol="multi-crop", scales=three, precision="bf16")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that tools/sweep.py filled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    names = [name for name in RECIPES if name.startswith("caltech101-vgg")]
    for seed in args.seeds:
        folder = args.runs / f"seed{seed}"
        found = {name: passes(folder / name, wishes(name)) for name in names}
        rows = {name: {key: row(one.scales, one.errors) for key, one in got.items()} for name, got in found.items()}
        crops, whole = "multi-crop, three scales", "dense, three scales"
        groups = {
            (D, "multi-crop + dense"): [found[D][crops], found[D][whole]],
            (E, "multi-crop + dense"): [found[E][crops], found[E][whole]],
            (E, "D + E, dense"): [found[D][whole], found[E][whole]],
            (E, "D + E, multi-crop"): [found[D][crops], found[E][crops]],
            (E, "D + E, multi-crop + dense"): [found[net][key] for net in (D, E) for key in (crops, whole)],
            (E, "seven nets, dense"): [found[name][whole] for name in SEVEN],
        }
        for (name, key), together in groups.items():
            rows[name][key] = row(found[name][whole].scales, posteriors.fusion(together))
            print(f"seed {seed}  {name}  {key}: {posteriors.fusion(together)}")
        for name in names:
            copy(folder / name, RUNS / name / f"seed{seed}", weights=False)
            write(RUNS / name / f"seed{seed}", rows[name])


if __name__ == "__main__":
    main()
