"""The numbers that the questions of the notebooks take for right are those that the package computes."""

import inspect
import json
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from paperlib import data
from paperlib.anatomy import anatomy, kept_for_backward
from paperlib.data.sets import CALTECH_101, IMAGENET
from paperlib.deconvnet import top_activations, unpool
from paperlib.dense import fully_convolutional
from paperlib.models import build
from paperlib.models.densenet import DenseBlock, DenseLayer, connection_weights
from paperlib.models.resnet import TABLE_6
from paperlib.transforms import grid_crops

BOOK = Path(__file__).resolve().parents[1] / "book"
QUESTION = re.compile(r":::\{quiz\} (\S+)\n(.*?)\n---\n", re.DOTALL)


def questions():
    """(notebook, id) -> the text of each question."""
    found = {}
    for path in sorted(BOOK.rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                for name, text in QUESTION.findall("".join(cell["source"])):
                    key = (path.relative_to(BOOK).with_suffix("").as_posix(), name)
                    assert key not in found, f"{key} is asked twice"
                    found[key] = text
    return found


QUESTIONS = questions()
NUMBERS = {key: float(m[1]) for key, text in QUESTIONS.items() if (m := re.search(r"^= ([\d.]+)$", text, re.M))}


def table(name):
    with torch.device("meta"):
        return anatomy(build(name))


def score_map(side, height, width):
    model = build("vgg11", num_classes=3, width=1 / 64, image_size=side).eval()
    with torch.inference_mode():
        return fully_convolutional(model)(torch.zeros(1, 3, height, width)).shape[2:]


def stacked(kernels):
    layers = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, 3) for _ in range(kernels)))
    return max(row.receptive_field for row in anatomy(layers, (1, 32, 32)))


def weights(*kernels):
    return sum(torch.nn.Conv2d(8, 8, k, bias=False).weight.numel() for k in kernels)


def shared_maximum():
    line = torch.tensor([[[[3.0, 1, 6, 2, 0]]]])
    _, switches = F.max_pool2d(line, (1, 3), (1, 2), return_indices=True)
    return unpool(torch.tensor([[[[4.0, 1.5]]]]), switches, (1, 5))[0, 0, 0, 2].item()


def dense_channels(layers):
    x = torch.zeros(1, 24, 4, 4)
    for i in range(layers):
        layer = DenseLayer(24 + 12 * i, 12, True, 0.0, False).eval()
        x = torch.cat([x, layer([x])], 1)
    return x.shape[1]


def kept_channels(memory_efficient):
    """Channels that a dense block of six layers keeps for backward, each a plane of 8 x 8."""
    layers = {f"layer{i}": DenseLayer(24 + 12 * i, 12, False, 0.0, memory_efficient) for i in range(6)}
    kept = kept_for_backward(DenseBlock(OrderedDict(layers)).train(), (24, 64, 64))
    return int(kept / 4 / 64**2)  # what is left over are the statistics of the normalisations


def features_of_resnet50():
    with torch.device("meta"):
        return build("resnet50").features(torch.zeros(1, 3, 224, 224))


def maps_of_stride(stride):
    return torch.nn.Conv2d(3, 1, 7, stride)(torch.zeros(1, 3, 224, 224)).numel()


def sites(side, square, stride):
    return len(range(0, side - square + 1, stride))


COMPUTED = {
    ("setup", "side"): lambda: data.load("fashion-mini").train.images.shape[-1],
    ("setup", "classes"): lambda: len(data.load("fashion-mini").classes),
    ("vgg/architecture", "four"): lambda: stacked(4),
    ("vgg/architecture", "share"): lambda: 100 * weights(3, 3, 3) / weights(7),
    ("vgg/architecture", "inputs"): lambda: build_meta("vgg16").classifier.fc6.in_features,
    ("vgg/dense_evaluation", "side"): lambda: score_map(224, 384, 384)[0],
    ("vgg/dense_evaluation", "cells"): lambda: score_map(64, 128, 192).numel(),
    ("vgg/dense_evaluation", "step"): lambda: table("vgg16")["pool5"].jump,
    ("zfnet/architecture", "side"): lambda: table("zfnet")["conv1"].shape[1],
    ("zfnet/architecture", "conv1"): lambda: table("zfnet")["conv1"].params,
    ("zfnet/architecture", "inputs"): lambda: build_meta("zfnet").classifier.fc6.in_features,
    ("zfnet/deconvnet", "shared"): shared_maximum,
    ("zfnet/occlusion", "places"): lambda: sites(96, 24, 12),
    ("zfnet/occlusion", "passes"): lambda: sites(96, 24, 12) ** 2,
    ("resnet/architecture", "depth"): lambda: weighty("resnet56"),
    ("resnet/architecture", "blocks"): lambda: sum(len(row) for row in build_meta("resnet50").stages.values()),
    ("resnet/architecture", "maps"): lambda: build_meta("resnet50").fc.in_features,
    ("resnet/residual_learning", "product"): lambda: 100 * 0.9**50,
    ("densenet/connectivity", "output"): lambda: dense_channels(6),
    ("densenet/connectivity", "fourth"): lambda: dense_channels(3),
    ("densenet/connectivity", "links"): lambda: sum(range(1, 6)),
    ("densenet/bottleneck_and_transition", "bottleneck"): lambda: (
        build_meta("densenet121").stages["dense1"].layer1.conv1.out_channels
    ),
    ("densenet/bottleneck_and_transition", "compression"): lambda: (
        build_meta("densenet121").stages["transition1"].conv.out_channels
    ),
    ("vgg/training", "crop"): lambda: 100 * 224 / 448,
    ("vgg/training", "epochs"): lambda: 370_000 * 256 / IMAGENET["train"],
    ("vgg/scales", "largest"): lambda: 256 + 32,
    ("vgg/scales", "middle"): lambda: (256 + 512) / 2,
    ("vgg/crops_and_fusion", "grid"): lambda: 2 * len(grid_crops(torch.zeros(3, 256, 256), 224)),
    ("vgg/crops_and_fusion", "scales"): lambda: 3 * 2 * len(grid_crops(torch.zeros(3, 256, 256), 224)),
    ("zfnet/features", "patches"): lambda: inspect.signature(top_activations).parameters["k"].default,
    ("zfnet/features", "quarter"): lambda: round(maps_of_stride(2) / maps_of_stride(4)),
    ("zfnet/ablation_and_transfer", "photographs"): lambda: CALTECH_101[0] * 30,
    ("resnet/degradation", "n"): lambda: TABLE_6["plain56"][1][0],
    ("resnet/degradation", "parameters"): lambda: table("resnet56").params - table("plain56").params,
    ("resnet/backbone", "side"): lambda: features_of_resnet50()["conv5_x"].shape[2],
    ("resnet/backbone", "channels"): lambda: features_of_resnet50()["conv4_x"].shape[1],
    ("densenet/memory", "naive"): lambda: kept_channels(memory_efficient=False),
    ("densenet/memory", "recomputed"): lambda: kept_channels(memory_efficient=True),
    ("densenet/feature_reuse", "layers"): lambda: len(build_meta("densenet40_k12").stages["dense1"]),
    ("densenet/feature_reuse", "columns"): lambda: connection_weights(build("densenet40_k12"))["dense1"].shape[1],
    ("comparison", "vgg"): lambda: round(table("vgg16").params / 1e6, 1),
    ("densenet/bottleneck_and_transition", "layers"): lambda: sum(
        len(block) for block in build_meta("densenet121").stages.values() if isinstance(block, DenseBlock)
    ),
}


def build_meta(name):
    with torch.device("meta"):
        return build(name)


def weighty(name):
    """Layers with weights on the way, as the papers count."""
    return sum(row.kind in ("Conv2d", "Linear") and "shortcut" not in row.name for row in table(name))


def test_each_number_has_its_computation():
    assert NUMBERS.keys() == COMPUTED.keys()


@pytest.mark.parametrize("key", NUMBERS, ids="-".join)
def test_number_is_what_the_package_computes(key):
    rounded = 0.5 * 10.0 ** -len(re.search(r"^= \d+\.?(\d*)$", QUESTIONS[key], re.M)[1]) if NUMBERS[key] % 1 else 0
    assert COMPUTED[key]() == pytest.approx(NUMBERS[key], abs=rounded)


def test_a_notebook_with_questions_has_at_least_four():
    notebooks = [notebook for notebook, _ in QUESTIONS]
    assert notebooks
    assert [name for name in set(notebooks) if notebooks.count(name) < 4] == []


def test_the_transition_of_the_question_takes_in_256_maps():
    assert build_meta("densenet121").stages["transition1"].conv.in_channels == 256


def test_fc6_is_the_largest_layer_of_column_d():
    rows = table("vgg16")
    assert max(rows, key=lambda row: row.params).name == "fc6"
    assert rows["fc6"].params == 102_764_544
