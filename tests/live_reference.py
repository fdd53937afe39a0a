"""What PyTorch computes of what the book's pages compute by themselves: `python -m tests.live_reference` writes it.

tests/test_live.py holds the committed file equal to the package, tests/test_explorers.py the pages to the file. The
five pictures (tests/live_pictures/README.md) are not among those of the book.
"""

import base64
import io
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from paperlib.anatomy import anatomy, kept_for_backward
from paperlib.deconvnet import ascend, descend, keep
from paperlib.dense import dense, fully_convolutional
from paperlib.models import MODELS, build
from paperlib.models.densenet import DenseBlock, DenseLayer
from paperlib.occlusion import occlusion
from paperlib.runs import load_model, load_recipe
from paperlib.transforms import TestView

HERE = Path(__file__).parent
FILE = HERE / "live_reference.json"
PICTURES = HERE / "live_pictures"
NETWORKS = HERE.parent / "book" / "_static" / "live" / "networks"
SCALES = (96, 128, 256)
PROJECTIONS = (  # of one picture each: network, layer
    ("vgg-caltech", "relu3_2"),
    ("vgg-caltech", "relu5_2"),
    ("zfnet-caltech", "relu2"),
    ("zfnet-caltech", "relu5"),
    ("alexnet-caltech", "relu5"),
)
OCCLUSIONS = (("zfnet-caltech", 24, 12), ("vgg-caltech", 16, 8))  # network, square, stride, px


def picture(path: Path) -> Tensor:
    """The uint8 RGB image (3, H, W) of a file."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))).permute(2, 0, 1)


def network(name: str) -> tuple[torch.nn.Module, TestView]:
    """A network of the pages as the package has it, and the view of its test."""
    description = json.loads((NETWORKS / f"{name}.json").read_text(encoding="utf-8"))
    recipe, _ = load_recipe(description["run"])
    return load_model(description["run"]), TestView(recipe.test_side, description["side"], recipe.mean, recipe.std)


def packed(values: Tensor) -> str:
    """Half-precision numbers as base64."""
    return base64.b64encode(values.numpy().astype("<f2").tobytes()).decode()


def rounded(values: Tensor) -> list[Any]:
    return (values.double() * 1e4).round().div(1e4).tolist()


@torch.inference_mode()
def scores() -> dict[str, Any]:
    """By picture and network the logits of the tested view."""
    nets = {path.stem: network(path.stem) for path in sorted(NETWORKS.glob("*.json"))}
    return {
        path.stem: {name: rounded(model(view(picture(path))[None])[0]) for name, (model, view) in nets.items()}
        for path in sorted(PICTURES.glob("*.jpg"))
    }


@torch.inference_mode()
def score_maps() -> dict[str, Any]:
    """By picture the class of each cell at each scale, and the posterior of all scales with mirrors."""
    model, view = network("vgg-caltech")
    net = fully_convolutional(model)
    predict = dense(model, SCALES, view.mean, view.std)
    found = {}
    for path in sorted(PICTURES.glob("*.jpg")):
        maps = [net(TestView(side, None, view.mean, view.std)(picture(path))[None])[0] for side in SCALES]
        posterior = predict([picture(path)])[0]
        found[path.stem] = {"cells": [m.argmax(dim=0).tolist() for m in maps], "posterior": rounded(posterior)}
    return found


def projections() -> list[dict[str, Any]]:
    """The strongest unit of a map in pixels, within the box of what is not zero."""
    found = []
    for path, (name, layer) in zip(sorted(PICTURES.glob("*.jpg")), PROJECTIONS, strict=True):
        model, view = network(name)
        way = ascend(model, view(picture(path))[None], layer)
        channel = int(way.maps.amax(dim=(2, 3)).argmax())
        place = int(way.maps[0, channel].argmax())
        unit = (channel, *divmod(place, way.maps.shape[3]))
        pixels = descend(model, way, keep(way.maps, [unit]))[0]
        rows, columns = (pixels.abs().sum(dim=(0, other)).nonzero()[:, 0] for other in (2, 1))
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        inside = pixels[:, top:bottom, left:right].permute(1, 2, 0)
        place = {"picture": path.stem, "network": name, "layer": layer, "unit": unit}
        found.append(place | {"box": [top, left, bottom, right], "pixels": packed(inside)})
    return found


def occlusions() -> list[dict[str, Any]]:
    """The probability of the most probable class with the square at every place, of each picture."""
    found = []
    for name, square, stride in OCCLUSIONS:
        model, view = network(name)
        for path in sorted(PICTURES.glob("*.jpg")):
            image = view(picture(path))
            with torch.inference_mode():
                label = int(model(image[None]).argmax())
            map_ = occlusion(model, image, label, square, stride).probability
            place = {"picture": path.stem, "network": name, "square": square, "stride": stride, "label": label}
            found.append(place | {"map": rounded(map_)})
    return found


def anatomies() -> dict[str, Any]:
    """Of every network of the registry: rows, parameters, multiply-adds, activations, widest receptive field."""
    found = {}
    for name in MODELS:
        with torch.device("meta"):
            table = anatomy(build(name))
        field = max(row.receptive_field or 0 for row in table)
        found[name] = [len(table), table.params, table.macs, table.activations, field]
    return found


def dense_block() -> dict[str, Any]:
    """Channels that a dense block (24 maps, six layers, k = 12) keeps for backward: as it is, and recomputed."""
    found = {}
    for form in ("bottleneck", "plain"):
        layers = [
            OrderedDict((f"layer{i}", DenseLayer(24 + 12 * i, 12, form == "bottleneck", 0.0, again)) for i in range(6))
            for again in (False, True)
        ]
        kept = [kept_for_backward(DenseBlock(one).train(), (24, 64, 64)) for one in layers]
        found[form] = [int(n / 4 / 64**2) for n in kept]  # what is left over are the statistics of normalisations
    return found


def reference() -> dict[str, Any]:
    """All of it, in JSON's own types."""
    parts = (scores, score_maps, projections, occlusions, anatomies, dense_block)
    return json.loads(json.dumps({part.__name__: part() for part in parts}))


if __name__ == "__main__":
    FILE.write_text(json.dumps(reference(), separators=(",", ":")) + "\n", encoding="utf-8")
