"""Draw the book's figures into book/_static/figures: python tools/figures [NAME ...]; without a name, all."""

import sys
from pathlib import Path

import densenet
import resnet
import together
import vgg
import zfnet

FOLDER = Path(__file__).resolve().parents[2] / "book" / "_static" / "figures"
DRAWINGS = together.DRAWINGS | zfnet.DRAWINGS | vgg.DRAWINGS | resnet.DRAWINGS | densenet.DRAWINGS

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or DRAWINGS:
        (FOLDER / f"{name}.svg").write_text(DRAWINGS[name]().svg(), encoding="utf-8")
