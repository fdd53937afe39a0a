"""Draw the book's figures into book/_static/figures: python tools/figures [NAME ...]; without a name, all."""

import sys
import tomllib
from pathlib import Path

import densenet
import densenet_inside
import resnet
import resnet_depth
import together
import vgg
import vgg_evaluation
import zfnet
import zfnet_results

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "book" / "_static" / "figures"
MODULES = (together, zfnet, zfnet_results, vgg, vgg_evaluation, resnet, resnet_depth, densenet, densenet_inside)
DRAWINGS = {name: draw for module in MODULES for name, draw in module.DRAWINGS.items()}
WORDS = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))


def written(name: str) -> str:
    """The text of the file of this name."""
    return DRAWINGS[name]().svg(**WORDS[name])


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or DRAWINGS:
        (FOLDER / f"{name}.svg").write_text(written(name), encoding="utf-8")
