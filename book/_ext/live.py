"""Sphinx extension: the explorers, and what they need: kernel, networks with their weights, photographs, records.

`:::{explorer} NAME` puts an explorer on a page; its scripts go to that page only. Weights are written as classic
scripts, since a page opened from file:// may load no other kind; they are loaded when the reader asks. Neither torch nor
the package is needed: numpy reads the weights of the recorded runs, wasmtime assembles the kernel.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import wasmtime
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
LIVE = ROOT / "book" / "_static" / "live"
RUNS = ROOT / "paperlib" / "assets" / "runs"


def kernel() -> str:
    """kernel.wat assembled, as base64."""
    return base64.b64encode(wasmtime.wat2wasm((LIVE / "kernel.wat").read_text(encoding="utf-8"))).decode()


def normalization(layer: dict[str, Any], tensors: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation in evaluation as a factor and a shift for each map."""
    parts = ("weight", "bias", "running_mean", "running_var")
    gain, offset, mean, variance = (tensors[f"{layer['bn']}.{part}"].astype(np.float64) for part in parts)
    factor = gain / np.sqrt(variance + layer["eps"])
    return factor, offset - mean * factor


def network_script(network: dict[str, Any]) -> dict[str, Any]:
    """What live.js takes: layers without the names of tensors, and their numbers in the order of the layers.

    `weights` are base64 of the half-precision numbers of the run's file; `channels` of single-precision numbers, for
    each convolution its factors (where a batch normalisation is folded into it) and biases, for each scale both.
    """
    tensors = load_file(RUNS / network["run"] / "weights.safetensors")
    layers, weights, channels = [], [], []
    for layer in network["layers"]:
        kept = {key: value for key, value in layer.items() if key not in ("weight", "bias", "bn", "eps")}
        if "bn" in layer:
            factor, shift = normalization(layer, tensors)
            channels.append(factor)
        if layer["op"] == "conv":
            weights.append(tensors[layer["weight"]].ravel())
            bias = tensors[layer["bias"]].astype(np.float64) if "bias" in layer else np.zeros(layer["outputs"])
            channels.append(bias * factor + shift if "bn" in layer else bias)
            kept["folded"] = "bn" in layer
        elif layer["op"] == "scale":
            channels.append(shift)
        layers.append(kept)
    return network | {
        "layers": layers,
        "weights": base64.b64encode(np.concatenate(weights).astype("<f2").tobytes()).decode(),
        "channels": base64.b64encode(np.concatenate(channels).astype("<f4").tobytes()).decode(),
    }


def as_script(place: str, name: str, value: Any) -> str:
    """A classic script that puts `value` where live.js finds it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"((window.live ??= {{}}).{place} ??= {{}})[{json.dumps(name)}] = {text};\n"


def write_networks(folder: Path) -> None:
    """A script for each network: its layers and its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((LIVE / "networks").glob("*.json")):
        network = network_script(json.loads(path.read_text(encoding="utf-8")))
        (folder / f"{path.stem}.js").write_text(as_script("networks", path.stem, network), encoding="utf-8")


if __name__ == "__main__":
    import sys
    out = Path(sys.argv[1])
    write_networks(out / "networks")
    (out / "kernel.js").write_text(as_script("wasm", "kernel", kernel()))
