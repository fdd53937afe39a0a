"""The book's engine has the package's numbers: its networks, its weights, and what tests compare its pages with."""

import base64
import json

import numpy as np
import pytest
import torch

from paperlib.runs import load_model
from tests import live_reference
from tests.live_reference import NETWORKS
from tools import export_networks


@pytest.fixture(scope="module")
def live():
    """The extension of the book; its needs are those of the book, not of the tests."""
    pytest.importorskip("wasmtime", reason="wasmtime is not installed: pip install -e '.[book]'")
    import importlib.util

    spec = importlib.util.spec_from_file_location("live", NETWORKS.parents[2] / "_ext" / "live.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", export_networks.NETWORKS)
def test_committed_layers_are_those_of_the_package(name):
    made = export_networks.as_text(export_networks.describe(*export_networks.NETWORKS[name]))
    assert (NETWORKS / f"{name}.json").read_text(encoding="utf-8") == made


def test_there_is_no_layer_list_without_its_line():
    assert {path.stem for path in NETWORKS.glob("*.json")} == set(export_networks.NETWORKS)


@pytest.mark.parametrize("part", ["scores", "score_maps", "projections", "occlusions", "anatomies", "dense_block"])
def test_committed_reference_is_what_the_package_computes(part):
    committed = json.loads(live_reference.FILE.read_text(encoding="utf-8"))[part]
    assert_near(committed, json.loads(json.dumps(getattr(live_reference, part)())))


def assert_near(committed, computed):
    """Equal but for the last digits of floating-point numbers, which differ from machine to machine."""
    assert type(committed) is type(computed)
    if isinstance(committed, dict):
        assert committed.keys() == computed.keys()
        for key in committed:
            if key == "pixels":
                a, b = (np.frombuffer(base64.b64decode(one[key]), "<f2").astype(float) for one in (committed, computed))
                assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(b)
            else:
                assert_near(committed[key], computed[key])
    elif isinstance(committed, list):
        assert len(committed) == len(computed)
        for pair in zip(committed, computed, strict=True):
            assert_near(*pair)
    elif isinstance(committed, float):
        assert abs(committed - computed) <= 2e-3
    else:
        assert committed == computed


def test_script_holds_the_weights_of_the_run_and_folds_the_normalisation(live):
    """conv1_1 of the VGG by the script's numbers gives what the package's conv1_1 and bn1_1 give."""
    network = json.loads((NETWORKS / "vgg-caltech.json").read_text(encoding="utf-8"))
    script = live.network_script(network)
    weights = np.frombuffer(base64.b64decode(script["weights"]), "<f2").astype(np.float32)
    channels = np.frombuffer(base64.b64decode(script["channels"]), "<f4")
    model = load_model("vgg-caltech")
    conv, bn = model.features.conv1_1, model.features.bn1_1
    maps = conv.out_channels
    weight = torch.tensor(weights[: conv.weight.numel()]).view_as(conv.weight)
    factor, bias = torch.tensor(channels[:maps]), torch.tensor(channels[maps : 2 * maps])
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        folded = torch.nn.functional.conv2d(image, weight * factor[:, None, None, None], bias, padding=1)
        torch.testing.assert_close(folded, bn(conv(image)), rtol=1e-4, atol=1e-4)
    assert len(weights) == sum(p.numel() for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1)


def test_kernel_assembles_to_little(live):
    assert base64.b64decode(live.kernel())[:4] == b"\0asm"
    assert len(live.kernel()) < 2500


def test_learning_curves_are_means_over_seeds(live):
    curve = live.learning_curves()["fashion-mnist-plain20"]
    rows = [
        [float(line.split(",")[3]) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        for path in sorted(live.RUNS.glob("fashion-mnist-plain20/*/metrics.csv"))
    ]
    assert curve["seeds"] == len(rows) > 1
    assert curve["train_top1_error"] == pytest.approx(np.mean(rows, axis=0), abs=1e-3)
