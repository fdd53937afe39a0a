"""The measuring scripts do what they say, on a small scale."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import torch

from paperlib import build

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"


def test_a_record_lies_in_one_place_and_there_is_one_spread_and_one_json_writer() -> None:
    """In the package where the book shows it, else beside the scripts."""
    records = [path.name for folder in ("bench/results", "paperlib/assets/bench") for path in (ROOT / folder).iterdir()]
    assert len(records) == len(set(records))
    scripts = list(BENCH.glob("*.py"))
    sources = {path.name: path.read_text(encoding="utf-8") for path in scripts}
    assert [name for name, source in sources.items() if "def spread(" in source] == ["measure.py"]
    assert [name for name, source in sources.items() if re.search(r"(write|write_text)\(.*json\.dumps", source)] == []


@pytest.mark.parametrize("script", sorted(path.stem for path in BENCH.glob("*.py")))
def test_help_says_what_a_script_does_and_how_to_call_it(script: str) -> None:
    folder = "bench"
    path = ROOT / folder / f"{script}.py"
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    if "def main(" in source:
        doc = ast.get_docstring(ast.parse(source))
        assert doc is not None
        assert f"python {folder}/{script}.py" in doc
        assert "formatter_class=argparse.RawDescriptionHelpFormatter" in source


def test_photographs_of_every_kind_are_all_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sixty of `bench/photographs.py`, three or four of every kind, those of 6,000 px as 300."""
    monkeypatch.syspath_prepend(str(BENCH))
    photographs = importlib.import_module("photographs")
    whole = photographs.size
    monkeypatch.setattr(photographs, "size", lambda i, rng: tuple(min(n, 300) for n in whole(i, rng)))
    found, images, came = photographs.run(60, every=20, memory=0.1)
    assert found.images == images.read == sum(came) == 60
    assert len(came) > 3  # several chunks
    assert images.modes == {"RGB", "RGBA", "LA", "L", "P", "CMYK", "1", "I;16", "I", "F"}
    assert len(images.resident) == 2
    assert min(images.resident) > 0


def test_a_leak_lifts_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    photographs = importlib.import_module("photographs")
    assert photographs.lift([100, 500, *(900 + 2 * i for i in range(18))]) == 18 > photographs.BOUND
    assert photographs.lift([100, 500, *[900, 990] * 9]) == 0


def test_the_photographs_are_as_wild_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    photographs = importlib.import_module("photographs")
    rng = photographs.np.random.default_rng(0)
    sizes = {i: photographs.size(i, rng) for i in range(3000)}
    assert min(map(min, sizes.values())) == 1
    assert max(max(size) / min(size) for size in sizes.values()) <= 10
    worst = {i % len(photographs.KINDS) for i, size in sizes.items() if size == (6000, 6000)}
    assert worst == set(range(len(photographs.KINDS)))


def test_the_peak_counts_what_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks of 4 MB one after the other are 4 MB, both kept are 8 MB."""
    monkeypatch.syspath_prepend(str(BENCH))
    peak_bytes = importlib.import_module("measure").peak_bytes

    def one_by_one() -> None:
        for _ in range(2):
            torch.empty(1_000_000)

    assert peak_bytes(one_by_one) == pytest.approx(4e6, rel=0.01)
    assert peak_bytes(lambda: [torch.empty(1_000_000) for _ in range(2)]) == pytest.approx(8e6, rel=0.01)


def test_the_deconvnet_is_measured_on_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain pass ends where the search does, and nine units of each of 16 maps are projected."""
    monkeypatch.syspath_prepend(str(BENCH))
    bench = importlib.import_module("deconvnet")
    torch.manual_seed(0)
    model = build("zfnet", num_classes=2, width=1 / 16, image_size=64).eval()
    images = torch.randn(70, 3, 64, 64)
    ends: list[torch.Tensor] = []
    model.features.relu5.register_forward_hook(lambda module, inputs, output: ends.append(output.clone()))
    bench.forward(model, images)
    plain = torch.cat(ends)
    assert [len(end) for end in ends] == [32, 32, 6]
    top = bench.search(model, images)
    torch.testing.assert_close(top.values[:, 0], plain.amax(dim=(0, 2, 3)))
    projected: list[int] = []
    monkeypatch.setattr(bench, "project", lambda model, views, layer, units: projected.append(len(views)))
    bench.project_maps(model, images, top)
    assert projected == [bench.TOP] * bench.MAPS == [9] * 16
