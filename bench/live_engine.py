"""How fast the book's engine is, beside onnxruntime-web: VGG's score map in Chromium, one thread.

    npm install --prefix FOLDER onnxruntime-web
    python bench/live_engine.py FOLDER [--rounds 9] [--out FILE.json]

The same network (vgg-caltech, its fully-connected layers as convolutions) runs in one page by the engine with its
WebAssembly kernel, by the engine in plain JavaScript, and by onnxruntime-web, in turn, `--rounds` times after one run
that is not counted. Times are milliseconds of one image, scores compared. Exporting the network needs onnx; Chromium is
the one of the path or of PAPERLIB_CHROMIUM. Writes bench/results/live_engine.json.
"""

import argparse
import functools
import http.server
import importlib.util
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch
from measure import environment, spread
from playwright.sync_api import sync_playwright
from torch import nn

from paperlib import files
from paperlib.anatomy import anatomy
from paperlib.dense import fully_convolutional
from paperlib.runs import load_model

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "bench" / "results" / "live_engine.json"
SIDES = (64, 128, 256)
PAGE = """async ([side, rounds]) => {
    const net = live.networks['vgg-caltech'];
    window.engines ??= [liveEngine(live.kernel), liveEngine(null)].map((e) => (e.load('vgg-caltech', net), e));
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = '/ort/';
    const session = await ort.InferenceSession.create(`/vgg${side}.onnx`, {executionProviders: ['wasm']});
    const data = Uint8Array.from({length: side * side * 3}, (_, i) => (i * 7919) % 256);
    const planes = new Float32Array(data.length), {mean, std} = net;
    data.forEach((v, i) => { planes[(i % 3) * side * side + Math.floor(i / 3)] = (v - mean[i % 3]) / std[i % 3]; });
    const image = {width: side, height: side, data}, tensor = new ort.Tensor('float32', planes, [1, 3, side, side]);
    const ways = {
        'engine, WebAssembly SIMD': async () => engines[0].score('vgg-caltech', image).data,
        'engine, plain JavaScript': async () => engines[1].score('vgg-caltech', image).data,
        'onnxruntime-web': async () => Object.values(await session.run({[session.inputNames[0]]: tensor}))[0].data,
    };
    const times = {}, scores = {};
    for (let round = -1; round < rounds; round++)
        for (const [name, run] of Object.entries(ways)) {
            const start = performance.now();
            scores[name] = await run();
            if (round >= 0) (times[name] ??= []).push(performance.now() - start);
        }
    const ours = scores['engine, WebAssembly SIMD'], theirs = scores['onnxruntime-web'], cells = ours.length / 101;
    let worst = 0;
    ours.forEach((v, i) => { worst = Math.max(worst, Math.abs(v - theirs[(i % 101) * cells + Math.floor(i / 101)])); });
    return {times, worst};
}"""


def convolutional() -> nn.Sequential:
    """vgg-caltech as a chain of convolutions, for the exporter."""
    model = load_model("vgg-caltech")
    layers, kernel = list(model.features.children()), model.image_size // 32
    for layer in model.classifier.children():
        if isinstance(layer, nn.Linear):
            conv = nn.Conv2d(layer.in_features // kernel**2, layer.out_features, kernel)
            conv.weight.data = layer.weight.data.view_as(conv.weight)
            conv.bias.data = layer.bias.data
            layer, kernel = conv, 1
        layers.append(layer)
    return nn.Sequential(*layers).eval()


def prepare(folder: Path, ort: Path) -> None:
    """All that the page loads, in one folder to serve."""
    place = importlib.util.spec_from_file_location("live", ROOT / "book" / "_ext" / "live.py")
    live = importlib.util.module_from_spec(place)
    place.loader.exec_module(live)
    live.write_scripts(folder)
    shutil.copy(ROOT / "book" / "_static" / "live" / "engine.js", folder)
    (folder / "ort").symlink_to((ort / "node_modules" / "onnxruntime-web" / "dist").resolve())
    (folder / "index.html").write_text("<!doctype html><title>bench</title>", encoding="utf-8")
    model = convolutional()
    for side in SIDES:
        image = torch.zeros(1, 3, side, side)
        torch.onnx.export(model, (image,), str(folder / f"vgg{side}.onnx"), dynamo=False)


def measure(folder: Path, rounds: int) -> tuple[dict[int, Any], str]:
    """By side the times of each way and the greatest difference of a score; and the browser's version."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = os.environ.get("PAPERLIB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/index.html")
        for script in ("engine.js", "kernel.js", "networks/vgg-caltech.js", "ort/ort.wasm.min.js"):
            page.add_script_tag(url=f"/{script}")
        found = {side: page.evaluate(PAGE, [side, rounds]) for side in SIDES}
        version = browser.version
        browser.close()
    server.shutdown()
    return found, version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnxruntime", type=Path, help="the folder of npm install")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RECORD)
    args = parser.parse_args()
    net = fully_convolutional(load_model("vgg-caltech"))
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), args.onnxruntime)
        found, version = measure(Path(name), args.rounds)
    machine = environment()
    report: dict[str, Any] = {"machine": machine["machine"], "chromium": version, "rounds": args.rounds}
    for side, one in found.items():
        macs = sum(row.macs for row in anatomy(net, (3, side, side)).only("Conv2d", "ConvolvedLinear"))
        times = {name: spread(values) for name, values in one["times"].items()}
        rates = {name: round(2e-6 * macs / time["min"], 2) for name, time in times.items()}
        report[f"Q = {side}"] = {"GMAC": round(macs / 1e9, 4), "milliseconds": times, "GFLOP/s, the fastest run": rates}
        report[f"Q = {side}"]["greatest difference of a score"] = one["worst"]
        for way, time in times.items():
            times_shown = f"{time['median']:8.1f} ms ({time['min']:.1f}-{time['max']:.1f})"
            print(f"Q = {side}: {way:26}{times_shown}  {rates[way]} GFLOP/s")
    files.write_json(args.out, report)


if __name__ == "__main__":
    main()
