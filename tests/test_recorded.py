"""The runs that come with the package: small, of the recipes in the package, and with the errors they state."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

import paperlib
from paperlib import RECIPES, build, data, runs
from paperlib.anatomy import anatomy, kept_for_backward
from paperlib.dense import fully_convolutional
from paperlib.errors import PaperlibError
from paperlib.evaluate import evaluate, one_view
from paperlib.models.densenet import DenseNet, connection_weights
from paperlib.protocols import Protocol, predictor
from paperlib.recipes.recipe import differences
from paperlib.tensors import load_tensors
from paperlib.transforms import TestView

ASSETS = Path(paperlib.__file__).parent / "assets"
BENCH = ASSETS / "bench" / "densenet_memory.json"
RUNS = sorted(path.parent.relative_to(ASSETS / "runs").as_posix() for path in ASSETS.glob("runs/**/recipe.json"))
WITH_WEIGHTS = [name for name in RUNS if (ASSETS / "runs" / name / "weights.safetensors").exists()]
WITH_CUTS = [name for name in WITH_WEIGHTS if (ASSETS / "runs" / name / "cuts.json").exists()]


def test_the_assets_are_small() -> None:
    """They go to every Colab session: 16 MB in all, 4 MB for the weights of a run."""
    sizes = {path: path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 16e6
    assert all(size < 4e6 for size in sizes.values())


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_is_of_the_recipe_in_the_package(name: str) -> None:
    content = json.loads((ASSETS / "runs" / name / "recipe.json").read_text(encoding="utf-8"))
    ours = dataclasses.replace(RECIPES[content["name"]], seed=content["recipe"]["seed"])
    assert differences(content["recipe"], json.loads(json.dumps(dataclasses.asdict(ours)))) == []
    assert name in (content["name"], f"{content['name']}/seed{ours.seed}")
    rows = runs.load_metrics(ASSETS / "runs" / name)
    assert [row["epoch"] for row in rows] == list(range(1, content["recipe"]["epochs"] + 1))


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_flipped_byte_of_the_stored_weights_is_found(name: str, tmp_path: Path) -> None:
    whole = bytearray((ASSETS / "runs" / name / "weights.safetensors").read_bytes())
    load_tensors(ASSETS / "runs" / name / "weights.safetensors")
    whole[len(whole) // 2] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(whole)
    with pytest.raises(PaperlibError, match="its bytes have changed since they were written"):
        load_tensors(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_the_stored_weights_have_the_stated_error(name: str) -> None:
    """On as many test images as take a few seconds, within four standard errors of the recorded count."""
    counted = json.loads((ASSETS / "runs" / name / "evaluation.json").read_text(encoding="utf-8"))
    stated = counted.get("center") or counted["test"]
    recipe, _ = runs.load_recipe(name)
    try:
        test = data.load(recipe.data).test
    except PaperlibError as error:
        pytest.skip(str(error))
    chosen = range(0, len(test), 5)
    found = evaluate(predictor(name, Protocol()), [test.images[i] for i in chosen], test.labels[::5])
    rate = stated["top1"] / 100
    assert abs(found.top1 - stated["top1"]) < 400 * (rate * (1 - rate) / found.images) ** 0.5


@pytest.mark.parametrize("name", WITH_CUTS)
def test_the_recorded_cuts_are_of_every_connection_and_of_these_weights(name: str) -> None:
    """A block of n layers has n + 1 readers; one of them re-counted with zeroed weights on every other image."""
    folder = ASSETS / "runs" / name
    cuts = json.loads((folder / "cuts.json").read_text(encoding="utf-8"))
    net = runs.load_model(name)
    assert isinstance(net, DenseNet)
    for fill in ("zero", "mean"):
        assert list(cuts[fill]) == list(connection_weights(net))
        for block, rows in cuts[fill].items():
            assert [len(row) for row in rows] == list(range(1, len(net.stages[block]) + 2))
    recipe, _ = runs.load_recipe(name)
    try:
        val = data.load(recipe.data).val
    except PaperlibError as error:
        pytest.skip(str(error))
    every = 12  # half of the images that were counted
    chosen, labels = val.images[::every], val.labels[::every]
    stated = cuts["zero"]["dense3"][-1][-1]  # the classifier without the newest maps
    with torch.no_grad():
        net.classifier.weight[:, -int(recipe.options["growth_rate"]) :] = 0
    predict = one_view(net, TestView(recipe.test_side, None, recipe.mean, recipe.std))
    found = evaluate(predict, chosen, labels)
    rate = stated / 100
    assert abs(found.top1 - stated) < 400 * (rate * (1 - rate) / found.images) ** 0.5
    assert stated > cuts["whole"] + 3


def test_the_bench_of_densenets_is_of_this_code_and_keeps_to_the_published_ratios() -> None:
    bench = json.loads(BENCH.read_text(encoding="utf-8"))
    for row in bench["steps"]:
        if row["depth"] <= 70:  # the deeper take longer to count
            with torch.device("meta"):
                net = DenseNet("small", row["depth"], 12, 10, memory_efficient=row["form"] == "efficient")
            assert kept_for_backward(net, batch=bench["setting"]["batch"]) == row["saved_bytes"]
        assert row["saved_bytes"] < row["peak_bytes"] < 1.05 * row["saved_bytes"]
    ours = next(ratio for ratio in bench["efficient / naive"] if ratio["depth"] == 100)
    published = bench["published at depth 100"]
    assert ours["memory"] <= published["memory"]
    assert ours["time"] <= published["time"]


def test_the_page_shows_the_bench_of_training() -> None:
    """Each number of the two tables of real_training.md, from the JSON beside it; twice the speed of either loop."""
    bench = json.loads((ASSETS / "bench" / "training.json").read_text(encoding="utf-8"))
    page = (Path(__file__).parents[1] / "book" / "real_training.md").read_text(encoding="utf-8")

    def shown(of: dict[str, float], digits: int) -> str:
        low, middle, high = (f"{of[k]:,.{digits}f}" for k in ("min", "median", "max"))
        return f"{middle} ({low}–{high})"

    loops = [value for value in bench["loops"].values() if isinstance(value, dict)]
    assert len(loops) == 3
    for loop in loops:
        assert loop is loops[0] or loop["ours_is_faster_by"]["median"] >= 2
        ratio = "1" if loop is loops[0] else shown(loop["ours_is_faster_by"], 2)
        assert f"| {shown(loop['images_per_second'], 0)} | {ratio} | {shown(loop['val_top1_error'], 1)} |" in page
    ours, plain, d2l = bench["errors"]["val_top1_error"].values()
    assert f"검증 오류는 `paperlib` {ours:.1f} %, 평범한 코드 {plain:.1f} %, d2l {d2l:.1f} %다." in page
    for net, (ours, *others) in {net: list(found.values())[3:] for net, found in bench["short"].items()}.items():
        ratios = [shown(other["ours_is_faster_by"], 2) for other in others]
        ratios += ["–"] * (3 - len(ratios))  # torchvision has one of them
        assert f"| {net} | {shown(ours['images_per_second'], 0)} | {' | '.join(ratios)} |" in page
    for net, found in bench["steps"].items():
        if net != "bf16_matrix_rate":
            rates = [f"{found['images_per_second'][way]['median']:,.0f}" for way in ("fp32", "bf16 channels_last")]
            gain, share = shown(found["over_fp32"], 2), f"{100 * found['of_matrix_rate']['median']:.0f} %"
            assert f"| {net} | {rates[0]} | {rates[1]} | {gain} | {share} |" in page


def test_the_bench_of_evaluation_counts_what_anatomy_counts() -> None:
    """36 windows as crops against the score map at Q = 384 of D: 11.24 times the multiply-adds; time saved too."""
    file = ASSETS / "bench" / "evaluation.json"
    found = json.loads(file.read_text(encoding="utf-8"))["D"]
    with torch.device("meta"):
        net = build("vgg16")
        crop, whole = anatomy(net).macs, anatomy(fully_convolutional(net), (3, 384, 384)).macs
    assert found["variants"]["dense"]["macs"] == whole
    assert found["variants"]["crops one by one"]["macs"] == 36 * crop
    for ratio in found["over dense"].values():
        assert ratio["macs"] == pytest.approx(11.24, abs=0.01)
        assert ratio["seconds"]["min"] > 8


def test_none_of_ten_thousand_photographs_was_lost_and_memory_was_flat() -> None:
    found = json.loads(
        (Path(__file__).parents[1] / "bench" / "results" / "photographs.json").read_text(encoding="utf-8")
    )
    assert found["given"] == found["read"] == found["counted"] == found["posteriors"] == 10_000
    assert len(found["modes"]) == 10
    assert found["floor_rises_mb"] < 5


@pytest.mark.parametrize(
    ("name", "split", "least", "most", "said"),
    [
        ("vgg13", "center", 93, 240, "일곱 에폭에 {:.0f}초가 걸렸고, 시험 이미지 10,000장의 {:.1f} %를"),
        ("resnet20-long", "test", 94, 900, "19에폭에 {:.0f}초가 걸렸고, 시험 이미지의 {:.1f} %를"),
    ],
)
def test_time_to_a_share_right_of_fashion_mnist(name: str, split: str, least: int, most: int, said: str) -> None:
    """On two cores; the page states the seconds and the share."""
    run = ASSETS / "runs" / f"fashion-mnist-{name}" / "seed0"
    right = 100 - json.loads((run / "evaluation.json").read_text(encoding="utf-8"))[split]["top1"]
    seconds = sum(row["seconds"] for row in runs.load_metrics(run))
    assert right >= least
    assert seconds < most
    page = (Path(__file__).parents[1] / "book" / "real_training.md").read_text(encoding="utf-8")
    assert said.format(seconds, right) in page


def test_installing_on_colab_took_less_than_a_minute_beyond_downloads() -> None:
    """As `nox -s colab` recorded it, beside the packages that are there before."""
    found = json.loads((Path(__file__).parents[1] / "bench" / "results" / "colab.json").read_text(encoding="utf-8"))
    assert found["python"] == "3.12"
    assert {"torch", "torchvision", "numpy", "matplotlib", "ipywidgets"} <= found["there before"].keys()
    assert found["seconds"]["install"] < 60


def test_thirty_kills_left_no_unreadable_file_and_the_undisturbed_weights() -> None:
    found = json.loads((Path(__file__).parents[1] / "bench" / "results" / "kill.json").read_text(encoding="utf-8"))
    assert len(found["kills"]) == 30
    assert found["unreadable"] == []
    assert found["equal"] == found["runs"] > 0
